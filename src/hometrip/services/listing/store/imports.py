"""Imports that were asked for, and how far each is."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from hometrip.ports.documents import Change, Collection, DocumentTx, Record
from hometrip.services.listing.rules.report import ImportReport

QUEUED, RUNNING, DONE, FAILED = "queued", "running", "done", "failed"


class Import(Record):
    """An import that was asked for: its files are kept under `files` until it has ended."""

    source: str
    asked_by: UUID
    created_at: datetime
    files: dict[str, str]
    shift_to: date | None = None
    state: str = QUEUED
    phase: str = ""
    done: int = 0
    total: int = 0
    report: ImportReport = ImportReport()
    why: str = ""
    ended_at: datetime | None = None


IMPORTS: Collection[Import] = Collection("imports", Import)


async def change(tx: DocumentTx, import_id: UUID, **fields: Any) -> None:
    await tx.change(IMPORTS, import_id, Change(set=fields))
