"""How a collection lies in a SQLite file: its table, the aids beside it, and its records in and out.

A record is one row: `row` (a number that the aids refer to), `id`, `version`, `revision` (a number that never
comes twice, whatever is deleted or rolled back) and `body` (its JSON). Every index is an aid:

- of fields: an index over the expressions that filters and orders use, with the id at its end;
- of a list field: a table of its members, so that `has` need not read the records;
- of text: an FTS5 table without content; of a location: an R*Tree. Triggers keep these in step.
"""

from __future__ import annotations

import re
import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Generic, NamedTuple

import msgspec

from hometrip.adapters.documents.declared import Declared
from hometrip.adapters.documents.fields import body_of
from hometrip.adapters.documents.sqlite_fields import Fields, json_path
from hometrip.kernel.clock import Clock
from hometrip.kernel.page import Page
from hometrip.ports.documents import Collection, Index, R

_NAME = re.compile(r"[a-z](?:_?[a-z0-9])*")

AIDS = "CREATE TABLE IF NOT EXISTS doc_aids (name TEXT PRIMARY KEY, make TEXT NOT NULL, unmake TEXT NOT NULL)"


class Aid(NamedTuple):
    """Statements that make an index of any kind, and those that take it away again."""

    name: str
    make: list[str]
    unmake: list[str]


class Shelf(Generic[R]):
    """One collection: its table, its fields, its records, and those of them that were read last.

    Records are decoded once for each revision and then given out again: they are frozen, so it does not
    matter who else has one. (A list inside a record is not frozen. Whoever changes it in place changes what
    others read; nothing in the house does.)
    """

    def __init__(self, of: Collection[R], remembered: int) -> None:
        if not _NAME.fullmatch(of.name):
            raise ValueError(f"not a name for a collection: {of.name!r}")
        self.of, self.table, self.fields = of, f"doc_{of.name}", Fields(of.record)
        self._decode = msgspec.json.Decoder(of.record).decode
        self._recent: OrderedDict[str, tuple[int, R]] = OrderedDict()
        # What was read since the last commit of anybody; whoever fills them empties them then.
        self.current: dict[int, R] = {}
        self.pages: dict[Any, Page[R]] = {}
        self._remembered = remembered
        self.aids = [Aid(f"{self.table}__{name}", make, unmake) for name, make, unmake in self._aids()]
        self.get = (
            f"SELECT revision, CASE WHEN revision = ? THEN NULL ELSE body END FROM {self.table} WHERE id = ?"
        )
        self.get_many = (
            "SELECT id, revision, CASE WHEN revision IN (SELECT value FROM json_each(?)) THEN NULL "
            f"ELSE body END FROM {self.table} WHERE id IN (SELECT value FROM json_each(?))"
        )
        self.lives, self.over = "", ""
        if of.expiry is not None:
            ends = self.fields.say(of.expiry.field)
            # The plus keeps the engine from using the index for this, where another one narrows more.
            self.lives = f"(+{ends} IS NULL OR +{ends} > ?)"
            self.over = f"{ends} <= ?"

    # -- records

    def write(self, record: R) -> str:
        """The body of the record; `ValueError` where it has an instant that is not in UTC."""
        return body_of(record)

    def revision_of(self, record_id: str) -> int | None:
        """The revision of this record that was read last."""
        known = self._recent.get(record_id)
        return None if known is None else known[0]

    def read(self, record_id: str, revision: int, body: str | None) -> R:
        """The record of that revision: the one decoded before, or else a new one out of `body`."""
        known = self._recent.get(record_id)
        if known is not None and known[0] == revision:
            self._recent.move_to_end(record_id)
            return known[1]
        assert body is not None
        record = self._decode(body)
        self._recent[record_id] = (revision, record)
        self._recent.move_to_end(record_id)
        if len(self._recent) > self._remembered:
            self._recent.popitem(last=False)
        return record

    def has_ended(self, record: R, clock: Clock) -> bool:
        """Has the record expired?"""
        if self.of.expiry is None:
            return False
        ends: Any = record
        for step in self.of.expiry.field.split("."):
            ends = getattr(ends, step, None)
        return isinstance(ends, datetime) and ends <= clock.now()

    # -- tables and indexes

    def prepare(self, link: sqlite3.Connection) -> None:
        """Make the table and the aids that are missing or otherwise declared now; drop those of the past."""
        link.execute(
            f"CREATE TABLE IF NOT EXISTS {self.table} (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, "
            "version INTEGER NOT NULL, revision INTEGER NOT NULL, body TEXT NOT NULL)"
        )
        there = {
            name: (make, unmake)
            for name, make, unmake in link.execute("SELECT name, make, unmake FROM doc_aids").fetchall()
            if name.startswith(f"{self.table}__")
        }
        wanted = {aid.name: aid for aid in self.aids}
        for name, (made, unmake) in there.items():
            if name not in wanted or msgspec.json.decode(made) != wanted[name].make:
                _run_all(link, msgspec.json.decode(unmake))
                link.execute("DELETE FROM doc_aids WHERE name = ?", (name,))
                continue
            del wanted[name]
        for aid in wanted.values():
            _run_all(link, aid.make)
            link.execute(
                "INSERT INTO doc_aids (name, make, unmake) VALUES (?, ?, ?)",
                (aid.name, msgspec.json.encode(aid.make).decode(), msgspec.json.encode(aid.unmake).decode()),
            )

    def _aids(self) -> Iterator[Aid]:
        for index in self.of.indexes:
            if not _NAME.fullmatch(index.name) or index.name in ("expiry", "text", "place"):
                raise ValueError(f"not a name for an index: {index.name!r}")
            if not any(self.fields.kind_of(path).listed for path in index.fields):
                yield self._fields_aid(index)
            elif len(index.fields) == 1 and index.where is None:
                yield self._members_aid(index, index.fields[0])
            else:
                raise ValueError(f"{index.name}: an index of a list has no other field and no condition")
        if self.of.expiry is not None:
            name = f"{self.table}__expiry"
            ends = self.fields.say(self.of.expiry.field)
            yield Aid("expiry", [f"CREATE INDEX {name} ON {self.table} ({ends})"], [f"DROP INDEX {name}"])
        if self.of.text is not None:
            yield self._text_aid(self.of.text.fields)
        if self.of.location is not None:
            yield self._place_aid(self.of.location.field)

    def _fields_aid(self, index: Index) -> Aid:
        name = f"{self.table}__{index.name}"
        fields = [self.fields.say(path) for path in index.fields]
        if not index.unique and "id" not in fields:
            fields.append("id")
        kind = "UNIQUE INDEX" if index.unique else "INDEX"
        demand = "" if index.where is None else f" WHERE {self.fields.fix(index.where)}"
        made = f"CREATE {kind} {name} ON {self.table} ({', '.join(fields)}){demand}"
        return Aid(index.name, [made], [f"DROP INDEX {name}"])

    def _members_aid(self, index: Index, path: str) -> Aid:
        name, at = f"{self.table}__{index.name}", json_path(path)
        self.fields.members[path] = name

        def members(record: str, source: str = "") -> str:
            body = f"{record}.body, '{at}'"
            return (
                f"INSERT INTO {name} (value, row) SELECT DISTINCT m.value, {record}.row "
                f"FROM {source}json_each({body}) m WHERE json_type({body}) = 'array'"
            )

        value = f"UNIQUE INDEX {name}_value ON {name} (value)"
        if not index.unique:
            value = f"INDEX {name}_value ON {name} (value, row)"
        make = [
            f"CREATE TABLE {name} (value, row INTEGER NOT NULL)",
            f"CREATE {value}",
            f"CREATE INDEX {name}_row ON {name} (row)",
            members(self.table, f"{self.table}, "),
            *self._triggers(name, members("new"), f"DELETE FROM {name} WHERE row = old.row", [at]),
        ]
        return Aid(index.name, make, _drop(name))

    def _text_aid(self, paths: Sequence[str]) -> Aid:
        name, ats = f"{self.table}__text", [json_path(path) for path in paths]
        for path in paths:
            self.fields.kind_of(path)
        columns = ", ".join(f"f{number}" for number in range(len(paths)))

        def words(record: str) -> str:
            return ", ".join(f"json_extract({record}.body, '{at}')" for at in ats)

        insert = f"INSERT INTO {name} (rowid, {columns}) SELECT {{0}}.row, {{1}}"
        delete = f"INSERT INTO {name} ({name}, rowid, {columns}) VALUES ('delete', old.row, {words('old')})"
        make = [
            f"CREATE VIRTUAL TABLE {name} USING fts5 ({columns}, content='', "
            "tokenize='unicode61 remove_diacritics 2', prefix='2 3')",
            insert.format(self.table, words(self.table)) + f" FROM {self.table}",
            *self._triggers(name, insert.format("new", words("new")), delete, ats),
        ]
        return Aid("text", make, _drop(name))

    def _place_aid(self, path: str) -> Aid:
        name = f"{self.table}__place"
        for part in ("lat", "lng"):
            self.fields.kind_of(f"{path}.{part}")
        self.fields.places[path] = name
        lat, lng = json_path(f"{path}.lat"), json_path(f"{path}.lng")

        def point(record: str, source: str = "") -> str:
            at_lat, at_lng = (f"json_extract({record}.body, '{at}')" for at in (lat, lng))
            return (
                f"INSERT INTO {name} SELECT {record}.row, {at_lat}, {at_lat}, {at_lng}, {at_lng}{source} "
                f"WHERE {at_lat} IS NOT NULL AND {at_lng} IS NOT NULL"
            )

        delete = f"DELETE FROM {name} WHERE row = old.row"
        make = [
            f"CREATE VIRTUAL TABLE {name} USING rtree (row, south, north, west, east)",
            point(self.table, f" FROM {self.table}"),
            *self._triggers(name, point("new"), delete, [lat, lng]),
        ]
        return Aid("place", make, _drop(name))

    def _triggers(self, name: str, insert: str, delete: str, ats: Sequence[str]) -> list[str]:
        """What keeps an aid in step; a change elsewhere in a record does not touch it."""
        other = " OR ".join(
            f"json_extract(old.body, '{at}') IS NOT json_extract(new.body, '{at}')" for at in ats
        )
        on = self.table
        return [
            f"CREATE TRIGGER {name}_i AFTER INSERT ON {on} BEGIN {insert}; END",
            f"CREATE TRIGGER {name}_d AFTER DELETE ON {on} BEGIN {delete}; END",
            f"CREATE TRIGGER {name}_u AFTER UPDATE OF body ON {on} WHEN {other} "
            f"BEGIN {delete}; {insert}; END",
        ]


class Shelves(Declared[Shelf[Any]]):
    def __init__(self, collections: Iterable[Collection[Any]], remembered: int) -> None:
        super().__init__({of.name: Shelf(of, remembered) for of in collections})

    def __getitem__(self, of: Collection[R]) -> Shelf[R]:
        return self.of(of)


def _drop(name: str) -> list[str]:
    return [*(f"DROP TRIGGER {name}_{what}" for what in "idu"), f"DROP TABLE {name}"]


def _run_all(link: sqlite3.Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        link.execute(statement)
