"""Kinds of columns that the tables of payments have besides the usual ones."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import String, TypeDecorator


class ClaimPicture(msgspec.Struct, frozen=True):
    """A picture of what was damaged. The key of its file is told to nobody."""

    id: UUID
    key: str
    width: int
    height: int


class EvidenceFile(msgspec.Struct, frozen=True):
    """A picture or a PDF that speaks for us in a bank's dispute. The key of its file is told to nobody."""

    key: str
    content_type: str
    size: int


class Json(TypeDecorator[Any]):
    """A record of `kind`, kept as JSON text."""

    impl = String
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Any) -> Any:
        return None if value is None else msgspec.json.decode(value, type=self.kind)
