"""The document storage in a PostgreSQL database: records as JSONB, with the bare driver and msgspec.

Nothing that was read is remembered: across processes that would be giving out what somebody else has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from hometrip.adapters.documents.declared import USE_NEWER, outdated, too_new
from hometrip.adapters.documents.postgres_reader import PostgresReader, Shelves
from hometrip.adapters.documents.postgres_shelf import LAYOUT, MADE, MADE_TABLE, Shelf
from hometrip.adapters.postgres import (
    MIGRATE,
    POOL,
    TABLE_NAMES,
    EventWork,
    Link,
    PostgresLedger,
    PostgresOutbox,
    PostgresPool,
    create_tables,
    examine,
    make_database,
    may_create,
    missing_tables,
    must_be_fit,
    place_of,
)
from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import NotFound, Unavailable, VersionMismatch
from hometrip.kernel.ids import NewId
from hometrip.ports.documents import EVERY, Change, Collection, Duplicate, R, Where, apply
from hometrip.ports.engine import Finding, Unfit

# Who migrates a database holds this lock.
MIGRATING = 0x686F6D69
# So many expired records at most go in one transaction.
_SWEEP = 1_000
# How often an upsert looks again where others insert and delete the same record at the same moment.
_TRIES = 5
_EDITION = "edition of "
_HOLD = "INSERT INTO doc_made VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET made = $2"


class PostgresDocumentTx(PostgresReader, EventWork):
    """One short transaction; it keeps the promises of `ports.documents.DocumentTx`.

    What it decides on it reads with a lock. A statement that may be refused is undone alone, which takes a
    savepoint: the server gives up all of a transaction otherwise.
    """

    def __init__(self, link: Link, shelves: Shelves, service: str, clock: Clock, new_id: NewId) -> None:
        EventWork.__init__(self, link, service, clock, new_id)
        self.shelves = shelves
        self._saved = False

    async def _fetch(self, query: str, bound: Sequence[Any]) -> list[Any]:
        rows: list[Any] = await self.link.fetch(query, *bound)
        return rows

    async def insert(self, of: Collection[R], record: R) -> R:
        shelf, record = self.shelves[of], _first(record)
        row = shelf.row(record)
        insert = (
            f"INSERT INTO {shelf.table} (id, version, body, words) "
            "VALUES ($1, $2, $3::jsonb, $4::text::tsvector)"
        )
        # So a refusal costs the transaction nothing; who refused is asked then.
        if await self.link.execute(f"{insert} ON CONFLICT DO NOTHING", *row) != "INSERT 0 1":
            await self._write(shelf, insert, row)
        return record

    async def insert_many(self, of: Collection[R], records: Sequence[R]) -> None:
        await self.put_back(of, [_first(record) for record in records])

    async def put_back(self, of: Collection[R], records: Sequence[R]) -> None:
        shelf = self.shelves[of]
        rows = [shelf.row(record) for record in records]
        if rows:
            await self._write(
                shelf,
                f"INSERT INTO {shelf.table} (id, version, body, words) "
                "SELECT id, version, body::jsonb, words::tsvector FROM "
                "unnest($1::uuid[], $2::int[], $3::text[], $4::text[]) AS new (id, version, body, words)",
                [list(column) for column in zip(*rows, strict=True)],
            )

    async def replace(self, of: Collection[R], record: R) -> R:
        shelf = self.shelves[of]
        stored = await self._version(shelf, record.id)
        if stored is None:
            raise NotFound
        if stored != record.version:
            raise VersionMismatch(version=stored)
        return await self._put(shelf, msgspec.structs.replace(record, version=stored + 1))

    async def change(
        self, of: Collection[R], record_id: UUID, change: Change, when: Where = EVERY
    ) -> R | None:
        """As the port says. A change that does not fit the record's type is a `msgspec.ValidationError`."""
        shelf = self.shelves[of]
        condition = self.condition(shelf, when, [record_id])
        # Whoever waits here for another's change sees the record as that has left it.
        found = await self._fetch(
            f"SELECT body FROM {shelf.table} WHERE id = $1 AND {condition.text} FOR UPDATE", condition.bound
        )
        if not found:
            return None
        stored = shelf.read(found[0][0])
        for paths in (change.set, change.inc, change.push, change.pull):
            for path in paths:
                shelf.fields.kind_of(path)
        plain = msgspec.to_builtins(stored, str_keys=True)
        apply(change, plain)
        plain["version"] = stored.version + 1
        return await self._put(shelf, msgspec.convert(plain, of.record, str_keys=True))

    async def upsert(self, of: Collection[R], record: R) -> R:
        shelf = self.shelves[of]
        for _ in range(_TRIES):
            stored = await self._version(shelf, record.id)
            if stored is not None:
                return await self._put(shelf, msgspec.structs.replace(record, version=stored + 1))
            try:
                return await self.insert(of, record)
            except Duplicate as refusal:
                # Somebody has inserted it since.
                if refusal.facts["index"] != "id":
                    raise
        raise Unavailable("another is changing the same for too long")

    async def delete(self, of: Collection[R], record_id: UUID) -> bool:
        shelf = self.shelves[of]
        lives, bound = self.living(shelf, [record_id])
        return await self._deleted(f"DELETE FROM {shelf.table} WHERE id = $1{lives}", bound) == 1

    async def delete_where(self, of: Collection[R], where: Where) -> int:
        shelf = self.shelves[of]
        condition = self.condition(shelf, where)
        return await self._deleted(f"DELETE FROM {shelf.table} WHERE {condition.text}", condition.bound)

    async def sweep(self, shelf: Shelf[Any], limit: int = 100 * _SWEEP) -> int:
        """Delete what has expired; how many there were."""
        if not shelf.ends:
            return 0
        return await self._deleted(
            f"DELETE FROM {shelf.table} WHERE id IN (SELECT id FROM {shelf.table} WHERE {shelf.ends} <= $1 "
            f"ORDER BY id LIMIT {limit} FOR UPDATE)",
            [self.now()],
        )

    async def _deleted(self, statement: str, bound: Sequence[Any]) -> int:
        return int((await self.link.execute(statement, *bound)).split()[1])

    async def _version(self, shelf: Shelf[Any], record_id: UUID) -> int | None:
        lives, bound = self.living(shelf, [record_id])
        query = f"SELECT version FROM {shelf.table} WHERE id = $1{lives} FOR UPDATE"
        found: int | None = await self.link.fetchval(query, *bound)
        return found

    async def _put(self, shelf: Shelf[R], record: R) -> R:
        update = (
            f"UPDATE {shelf.table} SET version = $2, body = $3::jsonb, words = $4::text::tsvector "
            "WHERE id = $1"
        )
        if shelf.unique:
            await self._write(shelf, update, shelf.row(record))
        else:
            self.put_off(update, *shelf.row(record))
        return record

    async def _write(self, shelf: Shelf[Any], statement: str, bound: Sequence[Any]) -> None:
        """All of it or nothing. What has expired does not stand in the way of what comes."""
        try:
            await self._try_write(statement, bound)
        except Duplicate:
            if not await self.sweep(shelf):
                raise
            await self._try_write(statement, bound)

    async def _try_write(self, statement: str, bound: Sequence[Any]) -> None:
        if self._saved:  # what was saved before is not needed any more
            self.put_off("RELEASE rows")
        self.put_off("SAVEPOINT rows")
        self._saved = True
        try:
            await self.link.execute(statement, *bound)
        except asyncpg.UniqueViolationError as reason:
            self.put_off("ROLLBACK TO rows")
            raise _duplicate(reason) from reason


class PostgresDocuments(PostgresReader, PostgresOutbox[PostgresDocumentTx], PostgresLedger):
    """A service's own document database on a server; it keeps the promises of `ports.documents.Documents`.

    - `migrate` makes the database, the tables and the indexes. Indexes that are declared otherwise than
      before are made anew, and those that are no longer declared are dropped; a collection that is not named
      any more is left as it is. `open` wants all of them.
    - At most `pool` transactions and reads run at a time.
    """

    def __init__(
        self,
        url: str,
        *,
        service: str,
        clock: Clock,
        new_id: NewId,
        collections: Iterable[Collection[Any]],
        pool: int = POOL,
    ) -> None:
        self.shelves = Shelves(collections)
        connections = PostgresPool(url, size=pool, name=f"hometrip {service}")
        PostgresOutbox.__init__(self, connections, service, clock, new_id)

    def at_hand(self, of: Collection[R], record_id: UUID) -> R | None:
        return None

    async def open(self) -> None:
        """`Unfit` where the server, our rights or the tables are not what is needed."""
        must_be_fit(await self.examine())

    async def examine(self) -> list[Finding]:
        """Reachable, version, rights, schema; see `ports.engine`."""
        found = await examine(self.pool, self._tables())
        if all(finding.fine for finding in found):
            found.append(await self._schema())
        return found

    async def migrate(self) -> list[str]:
        """Make the database, its tables and its indexes what this code needs; what was done, in words,
        nothing if nothing.

        Of several at once one does it and the others wait. Nobody writes a collection while an index of it is
        made. `Unfit` where it may not be done, or the database is ahead of this code.
        """
        done = [f"made the database {place_of(self.pool.url)}"] if await make_database(self.pool.url) else []
        must_be_fit(await examine(self.pool))
        link = await self.pool.connect(hurried=False)
        try:
            must_be_fit([await may_create(link)])
            async with link.transaction():
                await link.execute(f"SELECT pg_advisory_xact_lock({MIGRATING})")
                await create_tables(link)
                await link.execute(MADE)
                made = await _made(link)
                must_be_fit(self._ahead(made))
                await link.execute(_HOLD, "layout", str(LAYOUT))
                for one in outdated(self._collections(), _held(made)):
                    await link.execute(_HOLD, f"{_EDITION}{one.name}", str(one.edition))
                    done.append(f"{self.service}: {one.name} is at edition {one.edition}")
                for shelf in self.shelves:
                    done += [f"{self.service}: {what}" for what in await shelf.prepare(link)]
        except asyncpg.UniqueViolationError as reason:
            raise Unfit(
                f"{place_of(self.pool.url)} holds records that {_duplicate(reason)} forbids"
            ) from reason
        finally:
            await link.close(timeout=10)
        return done

    async def forget(self, now: datetime, keep: timedelta) -> int:
        """As the port says; deletes the records that have expired, too."""
        gone = await super().forget(now, keep)
        for shelf in self.shelves:
            more = _SWEEP
            while more == _SWEEP:
                async with self.transaction() as tx:
                    more = await tx.sweep(shelf, _SWEEP)
                gone += more
        return gone

    async def _fetch(self, query: str, bound: Sequence[Any]) -> list[Any]:
        async with self.pool.link() as link:
            rows: list[Any] = await link.fetch(query, *bound)
        return rows

    def _work(self, link: Link) -> PostgresDocumentTx:
        return PostgresDocumentTx(link, self.shelves, self.service, self.clock, self.new_id)

    def _tables(self) -> set[str]:
        return {*TABLE_NAMES, MADE_TABLE, *(shelf.table for shelf in self.shelves)}

    def _collections(self) -> list[Collection[Any]]:
        return [shelf.of for shelf in self.shelves]

    def _ahead(self, made: dict[str, str]) -> list[Finding]:
        """A finding where the layout, or what is held, is newer than this code."""
        layout, told = int(made.get("layout", LAYOUT)), too_new(self._collections(), _held(made))
        if layout > LAYOUT:
            told = f"has layout {layout}, and this version of HomeTrip knows {LAYOUT}"
        return [Finding("schema", False, f"{place_of(self.pool.url)} {told}", USE_NEWER)] if told else []

    async def _schema(self) -> Finding:
        place = place_of(self.pool.url)
        async with self.pool.link() as link:
            missing = await missing_tables(link, self._tables())
            if missing:
                return Finding("schema", False, f"{place} lacks {', '.join(missing)}", MIGRATE)
            made = await _made(link)
        if ahead := self._ahead(made):
            return ahead[0]
        if behind := outdated(self._collections(), _held(made)):
            return Finding("schema", False, f"{place} is at an earlier edition of {behind[0].name}", MIGRATE)
        stale = [
            name for shelf in self.shelves for name, how in shelf.indexes.items() if made.get(name) != how
        ]
        if stale:
            return Finding("schema", False, f"{place} lacks the index {', '.join(stale)}", MIGRATE)
        return Finding("schema", True, "every table and index is there")


def _first(record: R) -> R:
    return record if record.version == 1 else msgspec.structs.replace(record, version=1)


async def _made(link: Link) -> dict[str, str]:
    return dict(await link.fetch("SELECT name, made FROM doc_made"))


def _held(made: dict[str, str]) -> dict[str, int]:
    """The edition of each collection."""
    return {key.removeprefix(_EDITION): int(made[key]) for key in made if key.startswith(_EDITION)}


def _duplicate(reason: asyncpg.UniqueViolationError) -> Duplicate:
    """With the name that the index was declared with."""
    return Duplicate(index=str(reason.constraint_name).partition("__")[2] or "id")
