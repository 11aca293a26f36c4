"""What both storage ports promise about events: outbox, inbox, timers, answers kept for keys.

All of it is written in the same transaction as the effect, so that none can be had without the other.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

import msgspec

from hometrip.kernel.errors import Unavailable
from hometrip.kernel.events import Envelope, Event
from hometrip.kernel.once import Once


class Contended(Unavailable):
    """Another was changing the same at this moment. Nothing of it has happened: it may be run again at
    once.
    """

    code = "contended"


class Unsent(msgspec.Struct, frozen=True):
    """How far the outbox is behind: how many events, and since when the oldest waits."""

    count: int
    oldest: datetime | None


class EventTx(Protocol):
    """The part of a transaction that speaks of events."""

    async def emit(self, event: Event) -> None:
        """Publish it after the commit; with a rollback it was never said. Sequence within a subject is
        kept.
        """

    async def emit_later(self, event: Event, at: datetime, *, key: str = "") -> None:
        """Publish it to this service once `at` has come: a timer. It fires once and survives restarts.

        A `key` names it, so that it can be withdrawn; a second timer of the same key replaces the first.
        Without
        one, the key is `<event name>:<subject>`.
        """

    async def withdraw(self, key: str) -> None:
        """Take back the timer of that key; nothing happens where there is none."""

    async def first_time(self, event: Event, effect: str) -> bool:
        """True once per event and effect, False ever after; with a rollback it was not the first time."""

    async def once(self, once: Once) -> None:
        """Claim an Idempotency-Key for 24 hours, in this transaction.

        Raises `AlreadyAnswered` where the key has an answer, and `KeyReused` where its fingerprint differs.
        Nothing happens without a key. Of many at once, one goes on and the others get its answer.
        """

    async def answer(self, once: Once, record: Any) -> None:
        """Keep the answer of a claimed key, as JSON, in this transaction."""


@runtime_checkable
class Unhurried(Protocol):
    """A storage whose blocks may end before they are on the disk, for who waits for many of them at once."""

    async def unhurried(self, work: Awaitable[None]) -> Future[None] | None:
        """Do the work. Its blocks of this storage do not wait for the disk: what is answered ends when all of
        them are on it, and raises where they are lost; None where there is nothing to wait for.

        Later blocks of the work, and what it reads by `read()`, see what its blocks wrote; reads without a
        block may not yet. What it tells others in other ways than by events may be heard before it is safe.
        """


class Outbox(Protocol):
    """What the relay needs of a storage. Rows are claimed, never paged after the last id."""

    async def claim(self, limit: int) -> list[Envelope]:
        """Unsent events, oldest first and in sequence within a subject, claimed for this relay for a minute.

        While an event of a subject is claimed and unsent, later ones of it are claimed only by the same
        relay.
        """

    async def sent(self, ids: list[UUID]) -> None:
        """They were published with confirmation."""

    async def release(self, ids: list[UUID]) -> None:
        """They could not be published; they may be claimed again at once."""

    async def release_all_but(self, ids: list[UUID]) -> None:
        """These are all that this relay knows to have claimed. What it has claimed besides (the answer to the
        claim was lost) may be claimed again at once.
        """

    async def fire_due(self, now: datetime) -> int:
        """Move timers that are due into the outbox, the earliest first; how many there were."""

    async def next_due(self) -> datetime | None:
        """When the earliest timer is due."""

    async def unsent(self) -> Unsent: ...

    async def wait_for_unsent(self, timeout: float) -> None:
        """Return soon after a commit has added to the outbox or to the timers, or after `timeout` seconds."""

    def hear_of_unsent(self) -> None:
        """Another process has made such a commit: where that is not heard of anyway, now it is."""

    async def history(self, subject: str) -> list[Envelope]:
        """Every event of a subject that is still kept, in sequence."""

    async def recent(self, limit: int) -> list[Envelope]:
        """The events emitted last, the latest first."""

    async def forget(self, now: datetime, keep: timedelta) -> int:
        """Delete sent events, inbox marks and answers older than that; how many rows went."""
