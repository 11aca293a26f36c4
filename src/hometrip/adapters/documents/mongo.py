"""The document storage in a MongoDB database, with the bare driver and msgspec.

Nothing that was read is remembered: across processes that would be giving out what somebody else has changed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from hometrip.adapters.documents import mongo_schema
from hometrip.adapters.documents.mongo_events import EventWork
from hometrip.adapters.documents.mongo_ledger import MongoLedger
from hometrip.adapters.documents.mongo_link import Document, MongoLink, Session, refusal_of
from hometrip.adapters.documents.mongo_outbox import BATCH, MongoOutbox, delete_some
from hometrip.adapters.documents.mongo_reader import MongoReader, Shelves
from hometrip.adapters.documents.mongo_server import examine, must_be_fit
from hometrip.adapters.documents.mongo_shelf import Shelf
from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import NotFound, VersionMismatch
from hometrip.kernel.ids import NewId
from hometrip.ports.documents import EVERY, Change, Collection, Duplicate, Index, R, Where, apply
from hometrip.ports.engine import Finding

# So many keys at most are asked for at once.
_KEYS = 500


class MongoDocumentTx(MongoReader, EventWork):
    """One short transaction; it keeps the promises of `ports.documents.DocumentTx`.

    A refusal by a unique index would end the transaction. So it looks first whether there will be one, which
    is sure because it has the turn; the index itself refuses whoever writes past this code.
    """

    def __init__(
        self,
        link: MongoLink,
        shelves: Shelves,
        session: Session,
        number: int,
        service: str,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        EventWork.__init__(self, link, session, number, service, clock, new_id)
        self.shelves = shelves

    @property
    def reading(self) -> Session | None:
        return self.session

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """`Duplicate` where an index has the last word after all; other errors are told by the block."""
        try:
            yield
        except (DuplicateKeyError, BulkWriteError) as reason:
            raise _duplicate(reason) from reason

    async def insert(self, of: Collection[R], record: R) -> R:
        record = _first(record)
        await self._insert(self.shelves[of], [self.shelves[of].write(record)])
        return record

    async def insert_many(self, of: Collection[R], records: Sequence[R]) -> None:
        await self.put_back(of, [_first(record) for record in records])

    async def put_back(self, of: Collection[R], records: Sequence[R]) -> None:
        await self._insert(self.shelves[of], [self.shelves[of].write(record) for record in records])

    async def replace(self, of: Collection[R], record: R) -> R:
        stored = await self._stored(self.shelves[of], record.id)
        if stored is None:
            raise NotFound
        if stored["version"] != record.version:
            raise VersionMismatch(version=stored["version"])
        return await self._put(self.shelves[of], msgspec.structs.replace(record, version=record.version + 1))

    async def change(
        self, of: Collection[R], record_id: UUID, change: Change, when: Where = EVERY
    ) -> R | None:
        """As the port says. A change that does not fit the record's type is a `msgspec.ValidationError`."""
        shelf = self.shelves[of]
        stored = await self._stored(shelf, record_id, shelf.fields.filter(when))
        if stored is None:
            return None
        for paths in (change.set, change.inc, change.push, change.pull):
            for path in paths:
                shelf.fields.kind_of(path)
        plain = shelf.plain(stored)
        apply(change, plain)
        plain["version"] = stored["version"] + 1
        return await self._put(shelf, msgspec.convert(plain, of.record, str_keys=True))

    async def upsert(self, of: Collection[R], record: R) -> R:
        stored = await self._stored(self.shelves[of], record.id)
        if stored is None:
            return await self.insert(of, record)
        after = msgspec.structs.replace(record, version=stored["version"] + 1)
        return await self._put(self.shelves[of], after)

    async def delete(self, of: Collection[R], record_id: UUID) -> bool:
        return await self._delete(self.shelves[of], {"_id": str(record_id)}) == 1

    async def delete_where(self, of: Collection[R], where: Where) -> int:
        shelf = self.shelves[of]
        return await self._delete(shelf, shelf.fields.filter(where))

    async def sweep(self, shelf: Shelf[Any]) -> int:
        """Delete some of what has expired; how many there were."""
        if not shelf.ends:
            return 0
        over = {"$and": [{shelf.ends: {"$ne": None}}, {shelf.ends: {"$lte": self.now()}}]}
        return await delete_some(self.link, shelf.name, over, self.session)

    async def _stored(self, shelf: Shelf[Any], record_id: UUID, *more: Document) -> Document | None:
        rows = await self.rows(shelf, {"_id": str(record_id)}, *more, limit=1)
        return rows[0] if rows else None

    async def _delete(self, shelf: Shelf[Any], which: Document) -> int:
        which = self.living(shelf, which)
        async with self.asking():
            if not self.link.whole:
                # The stand-in finds what is right, and deletes what is wrong.
                rows = await self.link[shelf.name].find(which, {"_id": 1}, session=self.session).to_list()
                which = {"_id": {"$in": [row["_id"] for row in rows]}}
            gone = await self.link[shelf.name].delete_many(which, session=self.session)
        return gone.deleted_count

    async def _insert(self, shelf: Shelf[Any], documents: list[Document]) -> None:
        """All of them or none."""
        if not documents:
            return
        ids = [document["_id"] for document in documents]
        if len(set(ids)) < len(ids):
            raise Duplicate(index="id")
        for some in _portions(ids):
            await self._give_way(shelf, {"_id": {"$in": some}}, lambda row: True, "id")
        for index in shelf.unique:
            await self._refuse_seconds(shelf, index, documents, ours=set())
        async with self.asking():
            if len(documents) == 1:
                await self.link[shelf.name].insert_one(documents[0], session=self.session)
            else:
                await self.link[shelf.name].insert_many(documents, session=self.session)

    async def _put(self, shelf: Shelf[R], record: R) -> R:
        document = shelf.write(record)
        for index in shelf.unique:
            await self._refuse_seconds(shelf, index, [document], ours={document["_id"]})
        async with self.asking():
            await self.link[shelf.name].replace_one({"_id": document["_id"]}, document, session=self.session)
        return record

    async def _refuse_seconds(
        self, shelf: Shelf[Any], index: Index, documents: list[Document], ours: set[str]
    ) -> None:
        """`Duplicate` where another of these documents, or one that is there and not ours, has the same
        key.
        """
        keys = [key for document in documents if (key := shelf.key_of(index, document)) is not None]
        if len(set(keys)) < len(keys):
            raise Duplicate(index=index.name)
        fields = [shelf.fields.say(path) for path in index.fields]

        def collides(row: Document) -> bool:
            return row["_id"] not in ours and shelf.key_of(index, row) is not None

        for some in _portions(keys):
            same: list[Document] = [
                {field: {"$eq": value} for field, value in zip(fields, key, strict=True)} for key in some
            ]
            query = same[0] if len(same) == 1 else {"$or": same}
            if len(fields) == 1:
                query = {fields[0]: {"$in": [key[0] for key in some]}}
            if index.where is not None:
                query = {"$and": [query, shelf.fields.filter(index.where)]}
            await self._give_way(shelf, query, collides, index.name)

    async def _give_way(self, shelf: Shelf[Any], query: Document, collides: Any, name: str) -> None:
        """`Duplicate` where a document is in the way; one that has expired makes room."""
        rows = await self.link[shelf.name].find(query, session=self.session).to_list()
        in_the_way = [row for row in rows if collides(row)]
        if not all(shelf.has_ended(row, self.now()) for row in in_the_way):
            raise Duplicate(index=name)
        if in_the_way:
            ended = {"_id": {"$in": [row["_id"] for row in in_the_way]}}
            await self.link[shelf.name].delete_many(ended, session=self.session)


class MongoDocuments(MongoReader, MongoOutbox[MongoDocumentTx], MongoLedger):
    """A service's own document database on a server; it keeps the promises of `ports.documents.Documents`.

    - The url names the database: `mongodb://host:port/database?replicaSet=…`. The server must be a replica
      set; see `MongoLink` for `isolation=none`.
    - `migrate` makes the collections and the indexes. Indexes that are declared otherwise than before are
      made anew, and those that are no longer declared are dropped; a collection that is not named any more is
      left as it is. `open` wants all of them.
    - One transaction writes at a time; readers beside it see what is committed.
    """

    def __init__(
        self,
        url: str,
        *,
        service: str,
        clock: Clock,
        new_id: NewId,
        collections: Iterable[Collection[Any]],
        pool: int = 10,
    ) -> None:
        self.shelves = Shelves(collections)
        MongoOutbox.__init__(self, MongoLink(url, service=service, pool=pool), service, clock, new_id)

    @property
    def reading(self) -> Session | None:
        return None

    def asking(self) -> AbstractAsyncContextManager[None]:
        return self.link.asking()

    def at_hand(self, of: Collection[R], record_id: UUID) -> R | None:
        return None

    async def open(self) -> None:
        """`Unfit` where the server, our rights or the collections are not what is needed."""
        must_be_fit(await self.examine())

    async def examine(self) -> list[Finding]:
        """Reachable, version, replica set, rights, schema; see `ports.engine`."""
        found = await examine(self.link)
        if all(finding.fine for finding in found):
            async with self.link.asking():
                found.append(await mongo_schema.examine(self.link, self.shelves))
        return found

    async def migrate(self) -> list[str]:
        """Make the collections and indexes what this code needs; what was done, in words, nothing if nothing.

        `Unfit` where it may not be done, or the database is ahead of this code.
        """
        must_be_fit(await examine(self.link))
        async with self.link.asking():
            done = await mongo_schema.migrate(self.link, self.shelves)
        return [f"{self.service}: {what}" for what in done]

    async def forget(self, now: datetime, keep: timedelta) -> int:
        """As the port says; deletes the records that have expired, too."""
        gone = await super().forget(now, keep)
        for shelf in self.shelves:
            more = BATCH
            while more == BATCH:
                async with self.transaction() as tx:
                    more = await tx.sweep(shelf)
                gone += more
        return gone

    def _work(self, session: Session, number: int) -> MongoDocumentTx:
        return MongoDocumentTx(
            self.link, self.shelves, session, number, self.service, self.clock, self.new_id
        )


def _first(record: R) -> R:
    return record if record.version == 1 else msgspec.structs.replace(record, version=1)


def _portions(keys: list[Any]) -> list[list[Any]]:
    return [keys[at : at + _KEYS] for at in range(0, len(keys), _KEYS)]


def _duplicate(reason: PyMongoError) -> Exception:
    """`Duplicate` with the name of the index, out of the server's words; or what the error means else."""
    details: Any = getattr(reason, "details", None) or {}
    first = next(iter(details.get("writeErrors", [])), details)
    if first.get("code") != 11000:
        return refusal_of(reason) or reason
    name = str(first.get("errmsg", "")).partition("index: ")[2].split(" ")[0]
    return Duplicate(index="id" if name in ("", "_id_") else name)
