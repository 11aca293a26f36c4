"""An Idempotency-Key on its way to the transaction that makes its effect."""

from __future__ import annotations

from typing import Any

import msgspec


class Once(msgspec.Struct, frozen=True):
    """Which answer belongs to this request: `scope` is the account and route, `fingerprint` hashes the body.

    Without a key (the client sent none) nothing is remembered.
    """

    key: str = ""
    scope: str = ""
    fingerprint: str = ""
    status: int = 200

    def __bool__(self) -> bool:
        return bool(self.key)


NO_KEY = Once()


def answer_of(record: Any) -> bytes:
    """The body that is kept for the key: the same bytes that the first answer had."""
    return msgspec.json.encode(record)
