"""The part of a storage on PostgreSQL that its relay uses: claims, due timers, history, forgetting."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec

from hometrip.adapters.postgres.ear import RELAYS, Ear
from hometrip.adapters.postgres.pool import Block, Link, PostgresPool
from hometrip.adapters.postgres.work import ANSWER, EventWork
from hometrip.kernel.clock import MINUTE, Clock
from hometrip.kernel.events import Envelope
from hometrip.kernel.ids import NewId
from hometrip.ports.outbox import Unsent

CLAIM = MINUTE
# So many rows at most go in one transaction of housekeeping.
BATCH = 1000

# Claims of one database are made one after the other, and so are timers fired: what one of them sees of a
# subject is then never half of it. (SKIP LOCKED alone would let a later event of a subject overtake an
# earlier one.) Losing such a write with the server costs a repetition, so it need not wait for the disk.
CLAIMING, FIRING = 0x686F6D66, 0x686F6D67
HURRIED_TURN = ("BEGIN", "SET LOCAL synchronous_commit = off")
TURN = "SELECT pg_advisory_xact_lock({})"
# Is something free, and does another relay hold something, or one that holds it no more?
LOOK = """
SELECT EXISTS (SELECT 1 FROM unsent WHERE relay IS NULL),
    EXISTS (SELECT 1 FROM unsent WHERE relay <> $1 OR until <= $2)
"""
# In the statement itself: a transaction around it would take three round trips more.
HURRIED = "SELECT set_config('synchronous_commit', 'off', true) AS set"
RELEASE = f"UPDATE unsent SET relay = NULL, until = NULL FROM ({HURRIED}) hurried WHERE relay = $2 AND "

LIVING = f"""
SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid = {RELAYS} AND objsubid = 2
    AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
FREE_THE_DEAD = f"""
UPDATE unsent SET relay = NULL, until = NULL WHERE until <= $2 OR (relay <> $1 AND relay NOT IN ({LIVING}))
"""
COLUMNS = (
    "id name version occurred_at producer subject sequence correlation_id causation_id traceparent data"
).split()
EVENTS = ", ".join(f"outbox.{column}" for column in COLUMNS)
# What is held already can be thousands: it is passed by (`unsent_free`), and looked at once for the subjects
# that others hold.
CLAIM_SOME = f"""
WITH free AS (
    SELECT position FROM unsent WHERE relay IS NULL
        AND subject NOT IN (SELECT subject FROM unsent WHERE relay <> $1)
    ORDER BY position LIMIT $3 FOR UPDATE
), claimed AS (
    UPDATE unsent SET relay = $1, until = $2 WHERE position = ANY(ARRAY(SELECT position FROM free))
    RETURNING position
)
SELECT {EVENTS} FROM outbox JOIN claimed USING (position) ORDER BY position
"""
BEHIND = """
SELECT (SELECT count(*) FROM unsent), (
    SELECT occurred_at FROM outbox WHERE position = (SELECT min(position) FROM unsent)
)
"""
FORGET = (
    "DELETE FROM outbox WHERE position IN (SELECT position FROM outbox WHERE occurred_at < $1 AND NOT EXISTS "
    "(SELECT 1 FROM unsent WHERE unsent.position = outbox.position) ORDER BY occurred_at LIMIT $2)",
    "DELETE FROM inbox WHERE ctid IN (SELECT ctid FROM inbox WHERE at < $1 LIMIT $2)",
    "DELETE FROM answers WHERE ctid IN (SELECT ctid FROM answers WHERE at < $1 LIMIT $2)",
)

T = TypeVar("T", bound=EventWork)


class PostgresOutbox(ABC, Generic[T]):
    """The part of a storage that the relay uses; it keeps the promises of `ports.outbox.Outbox`.

    Several relays, of one process or of many, may work on one database. What a relay had claimed is free as
    soon as it has closed or its process has died (or lost the server), so that a restart need not wait until
    claims end.
    """

    def __init__(self, pool: PostgresPool, service: str, clock: Clock, new_id: NewId) -> None:
        self.pool, self.service, self.clock, self.new_id = pool, service, clock, new_id
        self.ear = Ear(pool)
        self._heard: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()
        self._heard_when_due = 0

    @abstractmethod
    def _work(self, link: Link) -> T:
        """What a transaction of this storage can do."""

    def transaction(self) -> Block[T]:
        return self.pool.transaction(self._work, self.ear.told)

    async def claim(self, limit: int) -> list[Envelope]:
        now, me = self.clock.now(), self.ear.relay
        await self.ear.lives()
        async with self.pool.link() as link:
            free, others = await link.fetchrow(LOOK, me, now)
            if not free and not others:
                return []
            for statement in (*HURRIED_TURN, TURN.format(CLAIMING)):
                link.ahead.put_off(statement)
            if others:
                link.ahead.put_off(FREE_THE_DEAD, (me, now))
            rows = await link.fetch(CLAIM_SOME, me, now + CLAIM, limit)
            link.ahead.put_off("COMMIT")
            await link.ahead.send()  # where it is lost, they are claimed again
        return [_envelope(row) for row in rows]

    async def sent(self, ids: list[UUID]) -> None:
        await self._mark(f"DELETE FROM unsent USING ({HURRIED}) hurried WHERE id = ANY($1)", ids)

    async def release(self, ids: list[UUID]) -> None:
        await self._mark(RELEASE + "id = ANY($1)", ids, self.ear.relay)

    async def release_all_but(self, ids: list[UUID]) -> None:
        await self._mark(RELEASE + "id <> ALL($1)", ids, self.ear.relay)

    async def fire_due(self, now: datetime) -> int:
        fired, more = 0, await self.next_due()
        while more is not None and more <= now:
            async with self.transaction() as tx:
                tx.put_off(TURN.format(FIRING))
                some = await tx.fire_due(now, BATCH)
            if not some:  # others hold what is due
                break
            fired, more = fired + some, await self.next_due()
        return fired

    async def next_due(self) -> datetime | None:
        self._heard_when_due = self.ear.news
        due: datetime | None = await self._value("SELECT min(due_at) FROM timers")
        return due

    async def unsent(self) -> Unsent:
        async with self.pool.link() as link:
            count, oldest = await link.fetchrow(BEHIND)
        return Unsent(count, oldest)

    async def wait_for_unsent(self, timeout: float) -> None:
        """As the port says. News that came since the same task waited last are not missed; for a task that
        waits for the first time, those that came since `next_due`.
        """
        task, ear = asyncio.current_task(), self.ear
        assert task is not None
        ear.listen()
        if ear.news == self._heard.get(task, self._heard_when_due):
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await ear.next_news.wait()
        self._heard[task] = ear.news

    def hear_of_unsent(self) -> None:
        return

    async def history(self, subject: str) -> list[Envelope]:
        return await self._events("WHERE subject = $1 ORDER BY sequence", subject)

    async def recent(self, limit: int) -> list[Envelope]:
        return await self._events("ORDER BY position DESC LIMIT $1", limit)

    async def forget(self, now: datetime, keep: timedelta) -> int:
        """As the port says; an event's age is counted from when it occurred, and an answer stays for its 24
        hours even where `keep` is shorter.
        """
        before = now - keep
        outbox, inbox, answers = FORGET
        gone = await self._repeat(outbox, before) + await self._repeat(inbox, before)
        return gone + await self._repeat(answers, min(before, now - ANSWER))

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""
        await self._value("SELECT 1")

    async def close(self) -> None:
        """Blocks that run may end; what our relay had claimed is free for the next."""
        await self.pool.close()
        await self.ear.close()

    async def _mark(self, statement: str, *bound: Any) -> None:
        async with self.pool.link() as link:
            await link.execute(statement, *bound)

    async def _events(self, which: str, *bound: Any) -> list[Envelope]:
        async with self.pool.link() as link:
            rows = await link.fetch(f"SELECT {EVENTS} FROM outbox {which}", *bound)
        return [_envelope(row) for row in rows]

    async def _value(self, query: str) -> Any:
        async with self.pool.link() as link:
            return await link.fetchval(query)

    async def _repeat(self, delete: str, before: datetime) -> int:
        gone, more = 0, BATCH
        while more == BATCH:
            async with self.pool.link() as link:
                more = int((await link.execute(delete, before, BATCH)).split()[1])
            gone += more
        return gone


def _envelope(row: Any) -> Envelope:
    fields = dict(row)
    return Envelope(**{**fields, "data": msgspec.Raw(fields["data"])})
