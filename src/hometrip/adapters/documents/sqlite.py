"""The document storage in one SQLite file: records as JSON, with the bare driver and msgspec."""

from __future__ import annotations

import re
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from hometrip.adapters.documents.fields import cursor_at
from hometrip.adapters.documents.sql import Sql
from hometrip.adapters.documents.sqlite_editions import hold
from hometrip.adapters.documents.sqlite_fields import order_by, stored_of
from hometrip.adapters.documents.sqlite_memory import Memory
from hometrip.adapters.documents.sqlite_shelf import AIDS, Shelf, Shelves
from hometrip.adapters.sqlite import EventWork, SqliteFile, SqliteLedger, SqliteOutbox, create_tables, fetch
from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import NotFound, VersionMismatch
from hometrip.kernel.ids import NewId
from hometrip.kernel.page import Page
from hometrip.ports.documents import EVERY, Change, Collection, Duplicate, R, Where, apply

REMEMBERED = 5_000
_SWEEP = 1_000
# Pages of so many records at most are remembered.
_SHORT = 20
_REVISION = (1 << 63) - 1
_REFUSED_BY = re.compile(r"index '(\w+)'|failed: (\w+)\.(\w+)")
_LETTER = re.compile(r"[^\W_]")


class SqliteReader(ABC):
    """Reads; it keeps the promises of `ports.documents.DocumentReader`."""

    shelves: Shelves
    clock: Clock

    @property
    @abstractmethod
    def reading(self) -> sqlite3.Connection:
        """The connection that reads."""

    async def get(self, of: Collection[R], record_id: UUID) -> R | None:
        shelf, key = self.shelves[of], str(record_id)
        # The body is left in the file where the record of this revision was read before.
        found = self._run(shelf.get, (shelf.revision_of(key), key))
        if not found:
            return None
        record = shelf.read(key, *found[0])
        return None if shelf.has_ended(record, self.clock) else record

    async def get_many(self, of: Collection[R], ids: Sequence[UUID]) -> list[R]:
        shelf, keys = self.shelves[of], [str(record_id) for record_id in ids]
        known = [revision for key in keys if (revision := shelf.revision_of(key)) is not None]
        rows = self._run(shelf.get_many, (_json(known), _json(keys)))
        records = ((row[0], shelf.read(*row)) for row in rows)
        found = {key: record for key, record in records if not shelf.has_ended(record, self.clock)}
        return [found[key] for key in keys if key in found]

    async def first(self, of: Collection[R], where: Where, sort: Sequence[str] = ()) -> R | None:
        shelf = self.shelves[of]
        condition = self._condition(shelf, where)
        order = order_by(shelf.fields.steps_of(sort))
        rows = self._run(
            f"SELECT id, revision, body FROM {shelf.table} WHERE {condition.text} ORDER BY {order} LIMIT 1",
            condition.bound,
        )
        return shelf.read(*rows[0]) if rows else None

    async def find(
        self,
        of: Collection[R],
        where: Where = EVERY,
        *,
        sort: Sequence[str] = ("id",),
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[R]:
        shelf = self.shelves[of]
        condition, steps = self._condition(shelf, where), shelf.fields.steps_of(sort)
        if cursor is not None:
            behind = shelf.fields.behind(sort, cursor)
            condition = Sql(f"{condition.text} AND {behind.text}", [*condition.bound, *behind.bound])
        position = ", ".join(step.said for step in steps)
        rows = self._run(
            f"SELECT id, revision, body, {position} FROM {shelf.table} WHERE {condition.text} "
            f"ORDER BY {order_by(steps)} LIMIT ?",
            [*condition.bound, limit + 1],
        )
        items = [shelf.read(*row[:3]) for row in rows[:limit]]
        return Page(items, cursor_at(sort, rows[limit - 1][3:]) if len(rows) > limit else None)

    async def count(self, of: Collection[R], where: Where = EVERY) -> int:
        shelf = self.shelves[of]
        condition = self._condition(shelf, where)
        counted = self._run(f"SELECT count(*) FROM {shelf.table} WHERE {condition.text}", condition.bound)
        return int(counted[0][0])

    async def count_by(self, of: Collection[R], field: str, where: Where = EVERY) -> dict[str, int]:
        """As the port says; records without a value are not counted, truths are `true` and `false`."""
        shelf = self.shelves[of]
        condition, value = self._condition(shelf, where), shelf.fields.say(field)
        rows = self._run(
            f"SELECT {value}, count(*) FROM {shelf.table} WHERE {condition.text} AND {value} IS NOT NULL "
            f"GROUP BY 1 ORDER BY 1",
            condition.bound,
        )
        if shelf.fields.kind_of(field).truth:
            return {"true" if value else "false": count for value, count in rows}
        return {str(value): count for value, count in rows}

    async def search_text(
        self, of: Collection[R], words: str, where: Where = EVERY, *, limit: int = 20
    ) -> list[R]:
        shelf = self.shelves[of]
        if of.text is None:
            raise ValueError(f"{of.name} has no text index")
        # Each word is quoted, so that nothing in it is an operator of the search; the last is a beginning.
        plain = words.replace('"', " ").replace("\0", " ")
        sought = [f'"{word}"' for word in plain.split() if _LETTER.search(word)]
        if not sought:
            return []
        condition = self._condition(shelf, where)
        rows = self._run(
            f"SELECT id, revision, body FROM {shelf.table}__text t JOIN {shelf.table} ON row = t.rowid "
            f"WHERE {shelf.table}__text MATCH ? AND {condition.text} ORDER BY t.rank, id LIMIT ?",
            [" ".join(sought) + "*", *condition.bound, limit],
        )
        return [shelf.read(*row) for row in rows]

    def _run(self, query: str, bound: Sequence[Any]) -> list[Any]:
        return fetch(self.reading, query, bound)

    def _living(self, shelf: Shelf[Any]) -> tuple[str, tuple[str, ...]]:
        """What a condition says so that it does not see what has expired."""
        return (f" AND {shelf.lives}", (self._now(),)) if shelf.lives else ("", ())

    def _condition(self, shelf: Shelf[Any], where: Where) -> Sql:
        said = shelf.fields.filter(where)
        lives, bound = self._living(shelf)
        return Sql(said.text + lives, [*said.bound, *bound])

    def _now(self) -> str:
        return str(stored_of(self.clock.now())).rstrip("Z")


class SqliteDocumentTx(SqliteReader, EventWork):
    """One short transaction; it keeps the promises of `ports.documents.DocumentTx`."""

    def __init__(
        self, link: sqlite3.Connection, shelves: Shelves, service: str, clock: Clock, new_id: NewId
    ) -> None:
        EventWork.__init__(self, link, service, clock, new_id)
        self.shelves = shelves

    @property
    def reading(self) -> sqlite3.Connection:
        return self.link

    async def insert(self, of: Collection[R], record: R) -> R:
        record = record if record.version == 1 else msgspec.structs.replace(record, version=1)
        self._write(
            self.shelves[of],
            f"INSERT INTO {self.shelves[of].table} (id, version, revision, body) VALUES (?, ?, ?, ?)",
            [self._row(self.shelves[of], record)],
        )
        return record

    async def insert_many(self, of: Collection[R], records: Sequence[R]) -> None:
        firsts = [r if r.version == 1 else msgspec.structs.replace(r, version=1) for r in records]
        await self.put_back(of, firsts)

    async def put_back(self, of: Collection[R], records: Sequence[R]) -> None:
        shelf = self.shelves[of]
        self._write(
            shelf,
            f"INSERT INTO {shelf.table} (id, version, revision, body) VALUES (?, ?, ?, ?)",
            [self._row(shelf, record) for record in records],
        )

    async def replace(self, of: Collection[R], record: R) -> R:
        stored = self._version(self.shelves[of], str(record.id))
        if stored is None:
            raise NotFound
        if stored != record.version:
            raise VersionMismatch(version=stored)
        return self._put(self.shelves[of], msgspec.structs.replace(record, version=stored + 1))

    async def change(
        self, of: Collection[R], record_id: UUID, change: Change, when: Where = EVERY
    ) -> R | None:
        """As the port says. A change that does not fit the record's type is a `msgspec.ValidationError`."""
        shelf, condition = self.shelves[of], self._condition(self.shelves[of], when)
        found = self._run(
            f"SELECT body, version FROM {shelf.table} WHERE id = ? AND {condition.text}",
            [str(record_id), *condition.bound],
        )
        if not found:
            return None
        body, version = found[0]
        plain = msgspec.json.decode(body)
        for paths in (change.set, change.inc, change.push, change.pull):
            for path in paths:
                shelf.fields.kind_of(path)
        apply(change, plain)
        plain["version"] = version + 1
        return self._put(shelf, msgspec.convert(plain, of.record, str_keys=True))

    async def upsert(self, of: Collection[R], record: R) -> R:
        shelf = self.shelves[of]
        stored = self._version(shelf, str(record.id))
        if stored is None:
            return await self.insert(of, record)
        return self._put(shelf, msgspec.structs.replace(record, version=stored + 1))

    async def delete(self, of: Collection[R], record_id: UUID) -> bool:
        shelf = self.shelves[of]
        lives, bound = self._living(shelf)
        gone = self.link.execute(f"DELETE FROM {shelf.table} WHERE id = ?{lives}", (str(record_id), *bound))
        return gone.rowcount == 1

    async def delete_where(self, of: Collection[R], where: Where) -> int:
        shelf = self.shelves[of]
        condition = self._condition(shelf, where)
        return self.link.execute(
            f"DELETE FROM {shelf.table} WHERE {condition.text}", condition.bound
        ).rowcount

    def sweep(self, shelf: Shelf[Any], limit: int = -1) -> int:
        """Delete what has expired; how many there were."""
        if not shelf.over:
            return 0
        return self.link.execute(
            f"DELETE FROM {shelf.table} WHERE row IN "
            f"(SELECT row FROM {shelf.table} WHERE {shelf.over} LIMIT ?)",
            (self._now(), limit),
        ).rowcount

    def _version(self, shelf: Shelf[Any], key: str) -> int | None:
        lives, bound = self._living(shelf)
        found = self._run(f"SELECT version FROM {shelf.table} WHERE id = ?{lives}", (key, *bound))
        return int(found[0][0]) if found else None

    def _row(self, shelf: Shelf[R], record: R) -> tuple[str, int, int, str]:
        return str(record.id), record.version, self._revision(), shelf.write(record)

    def _revision(self) -> int:
        """A number that no other write of this storage has, be it rolled back or in another process."""
        return self.new_id().int & _REVISION

    def _put(self, shelf: Shelf[R], record: R) -> R:
        key, version, revision, body = self._row(shelf, record)
        self._write(
            shelf,
            f"UPDATE {shelf.table} SET version = ?, revision = ?, body = ? WHERE id = ?",
            [(version, revision, body, key)],
        )
        return record

    def _write(self, shelf: Shelf[Any], statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """All of the rows or none. What has expired does not stand in the way of what comes."""
        try:
            self._try_write(statement, rows)
        except Duplicate:
            if not self.sweep(shelf):
                raise
            self._try_write(statement, rows)

    def _try_write(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        several = len(rows) > 1
        if several:
            self.link.execute("SAVEPOINT rows")
        try:
            if several:
                self.link.executemany(statement, rows)
            elif rows:
                self.link.execute(statement, rows[0])
        except sqlite3.IntegrityError as reason:
            if several:
                self.link.execute("ROLLBACK TO rows")
            raise _duplicate(reason) from reason
        finally:
            if several:
                self.link.execute("RELEASE rows")


class SqliteDocuments(SqliteReader, SqliteOutbox[SqliteDocumentTx], SqliteLedger):
    """A service's own document database in a file; it keeps the promises of `ports.documents.Documents`.

    - Indexes that are declared otherwise than before are made anew, and those that are no longer declared are
      dropped; a collection that is not named any more is left as it is.
    - `remembered` is how many decoded records of each collection are kept in memory.
    """

    def __init__(
        self,
        path: Path,
        *,
        service: str,
        clock: Clock,
        new_id: NewId,
        collections: Iterable[Collection[Any]],
        remembered: int = REMEMBERED,
    ) -> None:
        self.shelves = Shelves(collections, remembered)
        self._memory = Memory(self.shelves, remembered)
        SqliteOutbox.__init__(self, SqliteFile(path), service, clock, new_id)
        with self.file.setting_up() as link:
            hold(link, path, [shelf.of for shelf in self.shelves])
            create_tables(link)
            link.execute(AIDS)
            for shelf in self.shelves:
                shelf.prepare(link)

    @property
    def reading(self) -> sqlite3.Connection:
        return self.file.reader

    async def get(self, of: Collection[R], record_id: UUID) -> R | None:
        found = await self.get_many(of, (record_id,))
        return found[0] if found else None

    def at_hand(self, of: Collection[R], record_id: UUID) -> R | None:
        shelf = self.shelves[of]
        found = self._memory.of(shelf, self.reading).get(record_id.int)
        return None if found is None or shelf.has_ended(found, self.clock) else found

    async def get_many(self, of: Collection[R], ids: Sequence[UUID]) -> list[R]:
        """As the port says; while nothing was committed to the file, by anyone, without asking it again."""
        shelf = self.shelves[of]
        current = self._memory.of(shelf, self.reading)
        while missing := [record_id for record_id in ids if record_id.int not in current]:
            read = await super().get_many(of, missing)
            if not self._memory.is_over(self.reading):
                current.update((record.id.int, record) for record in read)
                break
        found = [known for record_id in ids if (known := current.get(record_id.int)) is not None]
        if not shelf.lives:
            return found
        return [record for record in found if not shelf.has_ended(record, self.clock)]

    async def find(
        self,
        of: Collection[R],
        where: Where = EVERY,
        *,
        sort: Sequence[str] = ("id",),
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[R]:
        """As the port says; a short page again without asking, while nothing was committed by anyone."""
        shelf = self.shelves[of]
        self._memory.of(shelf, self.reading)
        asked = (where, tuple(sort), limit, cursor)
        try:
            known = shelf.pages.get(asked)
        except TypeError:  # a list in the filter
            return await super().find(of, where, sort=sort, limit=limit, cursor=cursor)
        while known is None:
            read = await super().find(of, where, sort=sort, limit=limit, cursor=cursor)
            if self._memory.is_over(self.reading):
                continue
            known = read
            if not shelf.lives and len(known.items) <= _SHORT:
                shelf.pages[asked] = known
        return known

    async def forget(self, now: datetime, keep: timedelta) -> int:
        """As the port says; deletes the records that have expired, too."""
        gone = await super().forget(now, keep)
        for shelf in self.shelves:
            more = _SWEEP
            while more == _SWEEP:
                async with self.transaction() as tx:
                    more = tx.sweep(shelf, _SWEEP)
                gone += more
        return gone

    def _work(self, link: sqlite3.Connection) -> SqliteDocumentTx:
        return SqliteDocumentTx(link, self.shelves, self.service, self.clock, self.new_id)


def _duplicate(reason: sqlite3.IntegrityError) -> Exception:
    """`Duplicate` with the name that the index was declared with, out of the engine's message."""
    named = _REFUSED_BY.search(str(reason))
    if named is None:
        return reason
    index, table, column = named.groups()
    name = index or (f"{table}__{column}" if column == "id" else table)
    return Duplicate(index=name.partition("__")[2])


def _json(values: Any) -> str:
    return msgspec.json.encode(values).decode()
