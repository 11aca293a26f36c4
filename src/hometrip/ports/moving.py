"""What a storage keeps of events, row by row, so that it can be carried into another storage of any kind.

Claims of relays are not carried: whoever has the events next claims them anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec

from hometrip.kernel.events import Envelope


class Kept(msgspec.Struct, frozen=True):
    """An event in the outbox. One that was sent stays for its history; the others are published once."""

    envelope: Envelope
    sent: bool


class Counted(msgspec.Struct, frozen=True):
    """The last number that an event of this subject got."""

    subject: str
    last: int


class Heard(msgspec.Struct, frozen=True):
    """This effect of the event is done."""

    event_id: UUID
    effect: str
    at: datetime


class Timer(msgspec.Struct, frozen=True):
    """An event that is to be said later. `data` and `cause` are JSON."""

    key: str
    due_at: datetime
    name: str
    version: int
    subject: str
    data: bytes
    cause: bytes


class Answered(msgspec.Struct, frozen=True):
    """What an idempotency key was answered; no `body` where its work is not done."""

    scope: str
    key: str
    fingerprint: str
    status: int
    body: bytes | None
    at: datetime


# In the order in which they are carried: what could be published comes last.
KINDS: tuple[type[Any], ...] = (Counted, Heard, Answered, Timer, Kept)

K = TypeVar("K", Kept, Counted, Heard, Timer, Answered)


class Ledger(Protocol):
    """Every storage is one. Nothing else may use the storage while its rows are carried."""

    async def held(self, kind: type[Any]) -> int:
        """How many rows of this kind there are."""

    async def carry_out(self, kind: type[K], after: Any, limit: int) -> tuple[list[K], Any]:
        """The next rows in their order, and where they end: the `after` of the next call; at first None."""

    async def carry_in(self, rows: Sequence[Any]) -> None:
        """Rows of one kind, behind those that are there; all of them or none."""
