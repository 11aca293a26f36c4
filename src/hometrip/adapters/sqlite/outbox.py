"""The part of a storage in a SQLite file that its relay uses: claims, due timers, history, forgetting."""

from __future__ import annotations

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec

from hometrip.adapters.sqlite.events import ANSWER, EventWork, instant_of, micros_of
from hometrip.adapters.sqlite.file import SqliteFile
from hometrip.adapters.sqlite.links import Link, fetch
from hometrip.adapters.sqlite.turn import Turn
from hometrip.kernel.clock import MINUTE, Clock
from hometrip.kernel.events import Envelope
from hometrip.kernel.ids import NewId
from hometrip.ports.outbox import Unsent

CLAIM = MINUTE
# So many rows at most go in one transaction of housekeeping, so that others get their turn.
BATCH = 1000

_MICRO = timedelta(microseconds=1)
_envelope = msgspec.json.Decoder(Envelope).decode

T = TypeVar("T", bound=EventWork)


class SqliteOutbox(ABC, Generic[T]):
    """The part of a storage that the relay uses; it keeps the promises of `ports.outbox.Outbox` and
    `Unhurried`.

    One process owns the relay of a file: the first to claim holds a lock for as long as it lives. A relay
    that gets the lock frees what its predecessor had claimed, so that a restart need not wait until claims
    end; one that does not get it (a second process on the file) still claims, but waits for the claims of
    the other.

    `wait_for_unsent` hears the commits of its own process; those of another are found after the time-out,
    unless they are told of.
    """

    def __init__(self, file: SqliteFile, service: str, clock: Clock, new_id: NewId) -> None:
        self.file, self.service, self.clock, self.new_id = file, service, clock, new_id
        self._relay = new_id().hex
        # Row by number of the event's id; a UUID would be hashed by slow code again and again.
        self._claimed: dict[int, int] = {}
        # All rows up to the first number were sent or are claimed by us, until the second.
        self._ours_up_to = (0, 0)
        self._heard: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()
        self._heard_when_due = 0
        self._lock: sqlite3.Connection | None = None
        self._owns = False

    @abstractmethod
    def _work(self, link: Link) -> T:
        """What a transaction of this storage can do."""

    def transaction(self) -> Turn[T]:
        return self.file.transaction(self._work)

    async def unhurried(self, work: Awaitable[None]) -> asyncio.Future[None] | None:
        return await self.file.unhurried(work)

    async def claim(self, limit: int) -> list[Envelope]:
        now = micros_of(self.clock.now())
        if not self._one("SELECT EXISTS (SELECT 1 FROM outbox WHERE sent_at IS NULL)"):
            return []
        async with self.transaction() as tx:
            if self._became_owner():
                tx.link.run("DELETE FROM claims WHERE relay <> ?", (self._relay,))
            rows, alone = self._claimable(tx.link, limit, now)
            tx.link.executemany(
                "INSERT OR REPLACE INTO claims (seq, subject, relay, until) VALUES (?, ?, ?, ?)",
                [(seq, subject, self._relay, now + CLAIM // _MICRO) for seq, subject, _ in rows],
            )
        envelopes = [_envelope(envelope) for *_, envelope in rows]
        self._claimed.update({e.id.int: seq for e, (seq, *_) in zip(envelopes, rows, strict=True)})
        if rows and alone:
            (_, until), ends = self._ours_up_to, now + CLAIM // _MICRO
            self._ours_up_to = (rows[-1][0], min(until, ends) if now < until else ends)
        return envelopes

    async def sent(self, ids: list[UUID]) -> None:
        now = micros_of(self.clock.now())
        async with self.transaction() as tx:
            seqs = self._seqs_of(tx.link, ids)
            tx.link.executemany("UPDATE outbox SET sent_at = ? WHERE seq = ?", [(now, seq) for seq in seqs])
            tx.link.executemany("DELETE FROM claims WHERE seq = ?", [(seq,) for seq in seqs])
        self._let_go(ids)

    async def release(self, ids: list[UUID]) -> None:
        async with self.transaction() as tx:
            seqs = self._seqs_of(tx.link, ids)
            tx.link.executemany("DELETE FROM claims WHERE seq = ?", [(seq,) for seq in seqs])
        self._let_go(ids)
        self._ours_up_to = (0, 0)

    async def release_all_but(self, ids: list[UUID]) -> None:
        async with self.transaction() as tx:
            known = set(self._seqs_of(tx.link, ids))
            ours = tx.link.run("SELECT seq FROM claims WHERE relay = ?", (self._relay,)).fetchall()
            lost = [row for row in ours if row[0] not in known]
            tx.link.executemany("DELETE FROM claims WHERE seq = ?", lost)
        self._ours_up_to = (0, 0)

    async def fire_due(self, now: datetime) -> int:
        fired, more = 0, await self.next_due()
        while more is not None and more <= now:
            async with self.transaction() as tx:
                fired += tx.fire_due(now, BATCH)
            more = await self.next_due()
        return fired

    async def next_due(self) -> datetime | None:
        self._heard_when_due = self.file.news
        due = self._one("SELECT min(due_at) FROM timers")
        return None if due is None else instant_of(due)

    async def unsent(self) -> Unsent:
        count, oldest = self._rows(
            "SELECT (SELECT count(*) FROM outbox WHERE sent_at IS NULL), "
            "(SELECT occurred_at FROM outbox WHERE sent_at IS NULL ORDER BY seq LIMIT 1)"
        )[0]
        return Unsent(count, None if oldest is None else instant_of(oldest))

    async def wait_for_unsent(self, timeout: float) -> None:
        """As the port says. News that came since the same task waited last are not missed; for a task that
        waits for the first time, those that came since `next_due`.
        """
        task, file = asyncio.current_task(), self.file
        assert task is not None
        if file.news == self._heard.get(task, self._heard_when_due):
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await file.next_news.wait()
        self._heard[task] = file.news

    def hear_of_unsent(self) -> None:
        self.file.hear_news()

    async def history(self, subject: str) -> list[Envelope]:
        kept = self._rows(
            "SELECT envelope FROM outbox WHERE subject = ? ORDER BY subject_sequence", (subject,)
        )
        return [_envelope(envelope) for (envelope,) in kept]

    async def recent(self, limit: int) -> list[Envelope]:
        kept = self._rows("SELECT envelope FROM outbox ORDER BY seq DESC LIMIT ?", (limit,))
        return [_envelope(envelope) for (envelope,) in kept]

    async def forget(self, now: datetime, keep: timedelta) -> int:
        """As the port says; an answer stays for its 24 hours even where `keep` is shorter."""
        before = micros_of(now - keep)
        self._ours_up_to = (0, 0)  # where the last row goes, its number comes again
        gone = await self._repeat(
            "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE sent_at < ? LIMIT ?)", before
        )
        for table, until in (("inbox", before), ("answers", min(before, micros_of(now - ANSWER)))):
            # Rows are in the order of their time: all before the first that stays.
            gone += await self._repeat(
                f"DELETE FROM {table} WHERE row IN (SELECT row FROM {table} WHERE row < coalesce("
                f"(SELECT row FROM {table} WHERE at >= ? ORDER BY row LIMIT 1), 9e18) ORDER BY row LIMIT ?)",
                until,
            )
        return gone

    async def ready(self) -> None:
        await self.file.ready()

    async def close(self) -> None:
        await self.file.close()
        if self._lock is not None:
            self._lock.close()

    async def _repeat(self, delete: str, until: Any) -> int:
        gone, more = 0, BATCH
        while more == BATCH:
            async with self.transaction() as tx:
                more = tx.link.run(delete, (until, BATCH)).rowcount
            gone += more
        return gone

    def _claimable(self, link: Link, limit: int, now: int) -> tuple[list[tuple[int, str, bytes]], bool]:
        """Up to `limit` unsent rows that nobody holds, without those behind one that another relay holds; and
        whether no other relay holds any.
        """
        held = dict(
            link.run(
                "SELECT subject, min(seq) FROM claims WHERE relay <> ? AND until > ? GROUP BY subject",
                (self._relay, now),
            ).fetchall()
        )
        after, until = self._ours_up_to
        free = link.execute(
            "SELECT seq, subject, envelope FROM outbox WHERE sent_at IS NULL AND seq > ? "
            "AND seq NOT IN (SELECT seq FROM claims WHERE until > ? AND seq > ?) ORDER BY seq",
            (after, now, after) if now < until else (0, now, 0),
        )
        rows: list[tuple[int, str, bytes]] = []
        for row in free:
            if len(rows) == limit:
                break
            if held.get(row[1], row[0]) >= row[0]:
                rows.append(row)
        free.close()
        return rows, not held

    def _seqs_of(self, link: Link, ids: Sequence[UUID]) -> list[int]:
        seqs = [self._claimed[known.int] for known in ids if known.int in self._claimed]
        for other in (stranger.bytes for stranger in ids if stranger.int not in self._claimed):
            found = link.execute("SELECT seq FROM outbox WHERE sent_at IS NULL AND id = ?", (other,))
            seqs += [seq for (seq,) in found.fetchall()]
        return seqs

    def _let_go(self, ids: Sequence[UUID]) -> None:
        for gone in ids:
            self._claimed.pop(gone.int, None)

    def _became_owner(self) -> bool:
        """True once: when this relay has got the lock that the owner of the file's relay holds."""
        if self._owns:
            return False
        if self._lock is None:
            self._lock = sqlite3.connect(f"{self.file.path}-relay", isolation_level=None, timeout=0)
        try:
            self._lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return False
        self._owns = True
        return True

    def _rows(self, query: str, bound: Sequence[Any] = ()) -> list[Any]:
        return fetch(self.file.reader, query, bound)

    def _one(self, query: str) -> Any:
        return self._rows(query)[0][0]
