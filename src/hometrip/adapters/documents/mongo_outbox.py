"""The part of a storage on MongoDB that its relay uses: claims, due timers, history, forgetting."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec

from hometrip.adapters.documents.mongo_events import (
    ANSWER,
    ANSWERS,
    INBOX,
    OUTBOX,
    TIMERS,
    UNSENT,
    EventWork,
)
from hometrip.adapters.documents.mongo_instants import instant_of, micros_of
from hometrip.adapters.documents.mongo_link import PATIENCE, Block, Document, MongoLink, Session
from hometrip.kernel.clock import MINUTE, Clock
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.events import Envelope
from hometrip.kernel.ids import NewId
from hometrip.ports.outbox import Unsent

# How long a claim holds, in microseconds.
CLAIM = MINUTE // timedelta(microseconds=1)
# So many documents at most go in one transaction of housekeeping.
BATCH = 1000

_envelope = msgspec.json.Decoder(Envelope).decode
T = TypeVar("T", bound=EventWork)


class MongoOutbox(ABC, Generic[T]):
    """The part of a storage that the relay uses; it keeps the promises of `ports.outbox.Outbox`.

    Several relays, of one process or of many, may work on one database. What a relay had claimed is free as
    soon as it has closed; that of a process that died, when the claim ends. `wait_for_unsent` hears the
    commits of its own storage; those of others are found after the time-out.
    """

    def __init__(self, link: MongoLink, service: str, clock: Clock, new_id: NewId) -> None:
        self.link, self.service, self.clock, self.new_id = link, service, clock, new_id
        self._relay = new_id().hex
        self._heard: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()
        self._heard_when_due = 0

    @abstractmethod
    def _work(self, session: Session, number: int) -> T:
        """What a transaction of this storage can do."""

    def transaction(self) -> Block[T]:
        return self.link.transaction(self._work)

    async def claim(self, limit: int) -> list[Envelope]:
        async with self.link.asking():
            if await self.link[UNSENT].find_one() is None:
                return []
        now, unsent = micros_of(self.clock.now()), self.link[UNSENT]
        async with self.transaction() as tx:
            others = {"relay": {"$nin": ["", self._relay]}, "until": {"$gt": now}}
            held = {row["subject"] async for row in unsent.find(others, session=tx.session)}
            free = {"until": {"$lte": now}, "subject": {"$nin": sorted(held)}}
            rows = await unsent.find(free, sort=[("position", 1)], limit=limit, session=tx.session).to_list()
            ids = {"_id": {"$in": [row["_id"] for row in rows]}}
            if rows:
                mine = {"relay": self._relay, "until": now + CLAIM}
                await unsent.update_many(ids, {"$set": mine}, session=tx.session)
            found = await self.link[OUTBOX].find(ids, sort=[("position", 1)], session=tx.session).to_list()
        return [_envelope(row["envelope"]) for row in found]

    async def sent(self, ids: list[UUID]) -> None:
        async with self.transaction() as tx:
            await self.link[UNSENT].delete_many({"_id": {"$in": _texts(ids)}}, session=tx.session)

    async def release(self, ids: list[UUID]) -> None:
        await self._release({"$in": _texts(ids)})

    async def release_all_but(self, ids: list[UUID]) -> None:
        await self._release({"$nin": _texts(ids)})

    async def _release(self, which: Document) -> None:
        mine = {"_id": which, "relay": self._relay}
        async with self.transaction() as tx:
            await self.link[UNSENT].update_many(mine, {"$set": _FREE}, session=tx.session)

    async def fire_due(self, now: datetime) -> int:
        fired, more = 0, await self.next_due()
        while more is not None and more <= now:
            async with self.transaction() as tx:
                fired += await tx.fire_due(now, BATCH)
            more = await self.next_due()
        return fired

    async def next_due(self) -> datetime | None:
        self._heard_when_due = self.link.news
        async with self.link.asking():
            first = await self.link[TIMERS].find_one(sort=[("due", 1)])
        return None if first is None else instant_of(first["due"])

    async def unsent(self) -> Unsent:
        async with self.link.asking():
            count = await self.link[UNSENT].count_documents({})
            first = await self.link[UNSENT].find_one(sort=[("position", 1)])
            oldest = first and await self.link[OUTBOX].find_one({"_id": first["_id"]})
        return Unsent(count, instant_of(oldest["at"]) if oldest else None)

    async def wait_for_unsent(self, timeout: float) -> None:
        """As the port says. News that came since the same task waited last are not missed; for a task that
        waits for the first time, those that came since `next_due`.
        """
        task, link = asyncio.current_task(), self.link
        assert task is not None
        if link.news == self._heard.get(task, self._heard_when_due):
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await link.next_news.wait()
        self._heard[task] = link.news

    def hear_of_unsent(self) -> None:
        return

    async def history(self, subject: str) -> list[Envelope]:
        return await self._events({"subject": subject}, ("sequence", 1))

    async def recent(self, limit: int) -> list[Envelope]:
        return await self._events({}, ("position", -1), limit) if limit else []

    async def forget(self, now: datetime, keep: timedelta) -> int:
        """As the port says; an event's age is counted from when it occurred, and an answer stays for its 24
        hours even where `keep` is shorter.
        """
        before = micros_of(now - keep)
        gone = await self._forget_events(before)
        gone += await self._repeat(INBOX, {"at": {"$lt": before}})
        return gone + await self._repeat(ANSWERS, {"at": {"$lt": min(before, micros_of(now - ANSWER))}})

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""
        try:
            async with self.link.asking(), asyncio.timeout(PATIENCE):
                await self.link.database.command("ping")
        except TimeoutError as reason:
            raise Unavailable("the database took too long") from reason

    async def close(self) -> None:
        """The block that runs may end; what our relay had claimed is free for the next."""
        await self.link.close(self._free_ours)

    async def _free_ours(self) -> None:
        unsent = self.link[UNSENT]
        if await unsent.find_one({"relay": self._relay}) is not None:
            await unsent.update_many({"relay": self._relay}, {"$set": _FREE})

    async def _forget_events(self, before: int) -> int:
        gone, last, more = 0, -1, BATCH
        while more == BATCH:
            async with self.transaction() as tx:
                old = {"at": {"$lt": before}, "position": {"$gt": last}}
                rows = (
                    await self.link[OUTBOX]
                    .find(old, sort=[("position", 1)], limit=BATCH, session=tx.session)
                    .to_list()
                )
                ids = [row["_id"] for row in rows]
                unsent = self.link[UNSENT].find({"_id": {"$in": ids}}, session=tx.session)
                stay = {row["_id"] async for row in unsent}
                going = [event_id for event_id in ids if event_id not in stay]
                if going:
                    await self.link[OUTBOX].delete_many({"_id": {"$in": going}}, session=tx.session)
            more, gone, last = len(rows), gone + len(going), rows[-1]["position"] if rows else last
        return gone

    async def _repeat(self, collection: str, old: Document) -> int:
        gone, more = 0, BATCH
        while more == BATCH:
            async with self.transaction() as tx:
                more = await delete_some(self.link, collection, old, tx.session)
            gone += more
        return gone

    async def _events(self, which: Document, order: tuple[str, int], limit: int = 0) -> list[Envelope]:
        async with self.link.asking():
            rows = await self.link[OUTBOX].find(which, sort=[order], limit=limit).to_list()
        return [_envelope(row["envelope"]) for row in rows]


_FREE = {"relay": "", "until": 0}


async def delete_some(link: MongoLink, collection: str, which: Document, session: Session) -> int:
    """Up to `BATCH` documents; how many there were."""
    rows = await link[collection].find(which, {"_id": 1}, limit=BATCH, session=session).to_list()
    ids = [row["_id"] for row in rows]
    if ids:
        await link[collection].delete_many({"_id": {"$in": ids}}, session=session)
    return len(ids)


def _texts(ids: list[UUID]) -> list[str]:
    return [str(event_id) for event_id in ids]
