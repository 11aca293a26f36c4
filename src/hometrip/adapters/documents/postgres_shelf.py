"""How a collection lies in a PostgreSQL database: its table, its indexes, and its records in and out.

A record is one row: `id`, `version`, `body` (its JSON) and `words` (of the fields that are searched by text).
Each index is over the expressions that filters and orders use, with the id at its end; that of a list and
that of the words are GIN; that of a location is of its latitude and longitude.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Generic

import msgspec

from hometrip.adapters.documents.fields import body_of
from hometrip.adapters.documents.postgres_fields import Fields, kept, restored
from hometrip.adapters.documents.words import sought, words_in
from hometrip.adapters.postgres import Link
from hometrip.ports.documents import Collection, Index, R

_NAME = re.compile(r"[a-z](?:_?[a-z0-9])*")
# The longest name that the engine knows.
_LONGEST = 63
# What is declared where: how each index was made, to be made anew where it is declared otherwise; and the
# layout of all this, so that a program does not use one that is newer than itself.
MADE = "CREATE TABLE IF NOT EXISTS doc_made (name text PRIMARY KEY, made text NOT NULL)"
MADE_TABLE = "doc_made"
LAYOUT = 1
# So many rows at a time get their words anew.
_BATCH = 500


class Shelf(Generic[R]):
    """One collection: its table, its fields, its records. Nothing is remembered of them: what another process
    has changed since would be given out as it was.
    """

    def __init__(self, of: Collection[R]) -> None:
        if not _NAME.fullmatch(of.name):
            raise ValueError(f"not a name for a collection: {of.name!r}")
        self.of, self.table, self.fields = of, f"doc_{of.name}", Fields(of.record)
        self._decode = msgspec.json.Decoder(of.record).decode
        self.indexes = dict(self._indexes())
        # Does a change have to reckon with being refused?
        self.unique = any(index.unique for index in of.indexes)
        self.ends = self.fields.say(of.expiry.field) if of.expiry else ""

    # -- records

    def row(self, record: R) -> tuple[Any, int, str, str | None]:
        """Its id, version, body and words; `ValueError` where it has an instant that is not in UTC."""
        body = body_of(record)
        return record.id, record.version, kept(body), self._words(body)

    def read(self, body: str) -> R:
        return self._decode(restored(body))

    def query(self, words: str) -> str | None:
        """What finds these words, the last of them a beginning; None where there is none to find."""
        if self.of.text is None:
            raise ValueError(f"{self.of.name} has no text index")
        found = sought(words)
        return " & ".join(f"'{word}'" for word in found) + ":*" if found else None

    def _words(self, body: str) -> str | None:
        """The words and where they stand, as the engine writes them down."""
        if self.of.text is None:
            return None
        places: dict[str, list[str]] = {}
        for place, word in enumerate(words_in(msgspec.json.decode(body), self.of.text.fields), 1):
            places.setdefault(word, []).append(str(place))
        return " ".join(f"'{word}':{','.join(at)}" for word, at in places.items())

    # -- tables and indexes

    async def prepare(self, link: Link) -> list[str]:
        """Make the table and the indexes that are missing or otherwise declared now; drop those of the past.
        Says what was done.
        """
        done = []
        if not await link.fetchval("SELECT to_regclass($1) IS NOT NULL", self.table):
            done.append(f"made the collection {self.of.name}")
            await link.execute(
                f"CREATE TABLE {self.table} (id uuid PRIMARY KEY, version integer NOT NULL, "
                "body jsonb NOT NULL, words tsvector)"
            )
        there = dict(await link.fetch("SELECT name, made FROM doc_made"))
        there = {name: made for name, made in there.items() if name.startswith(f"{self.table}__")}
        wanted = self.indexes
        for name in there:
            if there[name] != wanted.get(name):
                await link.execute(f"DROP INDEX IF EXISTS {name}")
                await link.execute("DELETE FROM doc_made WHERE name = $1", name)
        for name, made in wanted.items():
            if there.get(name) == made:
                continue
            if name == f"{self.table}__text":
                await self._write_words(link)
            await link.execute(made)
            await link.execute("INSERT INTO doc_made (name, made) VALUES ($1, $2)", name, made)
            done.append(f"made the index {name.partition('__')[2]} of {self.of.name}")
        return done

    async def _write_words(self, link: Link) -> None:
        """The words of records that were written when other fields, or none, were searched by text."""
        last = None
        while rows := await link.fetch(
            f"SELECT id, body FROM {self.table} WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT {_BATCH}",
            last,
        ):
            last = rows[-1]["id"]
            words = [self._words(row["body"]) for row in rows]
            await link.execute(
                f"UPDATE {self.table} SET words = new.words::tsvector "
                f"FROM unnest($1::uuid[], $2::text[]) AS new (id, words) WHERE {self.table}.id = new.id",
                [row["id"] for row in rows],
                words,
            )

    def _indexes(self) -> Iterator[tuple[str, str]]:
        for index in self.of.indexes:
            if not _NAME.fullmatch(index.name) or index.name in ("expiry", "text", "place"):
                raise ValueError(f"not a name for an index: {index.name!r}")
            if not any(self.fields.kind_of(path).listed for path in index.fields):
                yield self._of_fields(index)
            elif len(index.fields) == 1 and index.where is None and not index.unique:
                path = self.fields.json_at(index.fields[0])
                yield self._made(index.name, f"USING gin ({path} jsonb_path_ops)")
            else:
                raise ValueError(f"{index.name}: an index of a list is its only field, and nothing else")
        if self.of.expiry is not None:
            yield self._made("expiry", f"({self.fields.say(self.of.expiry.field)})")
        if self.of.text is not None:
            for path in self.of.text.fields:
                self.fields.kind_of(path)
            # A comment to the engine: other fields have other words, and so another index.
            yield self._made("text", f"USING gin (words) /* {', '.join(self.of.text.fields)} */")
        if self.of.location is not None:
            field = self.of.location.field
            yield self._made("place", self._columns([f"{field}.lat", f"{field}.lng", "id"]))

    def _of_fields(self, index: Index) -> tuple[str, str]:
        fields = list(index.fields)
        if not index.unique and "id" not in fields:
            fields.append("id")
        demand = "" if index.where is None else f" WHERE {self.fields.fix(index.where)}"
        return self._made(index.name, self._columns(fields) + demand, "UNIQUE INDEX" if index.unique else "")

    def _columns(self, paths: Sequence[str]) -> str:
        """In the order that `order_by` asks for."""
        said = (
            self.fields.say(path) + (" NULLS FIRST" if self.fields.kind_of(path).nullable else "")
            for path in paths
        )
        return f"({', '.join(said)})"

    def _made(self, name: str, what: str, kind: str = "") -> tuple[str, str]:
        name = f"{self.table}__{name}"
        if len(name) > _LONGEST:
            raise ValueError(f"{name} is too long a name for an index")
        return name, f"CREATE {kind or 'INDEX'} {name} ON {self.table} {what}"
