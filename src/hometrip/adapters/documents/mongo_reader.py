"""What is read from a document storage in MongoDB, inside of a transaction and outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from bson.int64 import Int64

from hometrip.adapters.documents.declared import Declared
from hometrip.adapters.documents.fields import cursor_at
from hometrip.adapters.documents.mongo_fields import Query, value_at
from hometrip.adapters.documents.mongo_instants import instant_of, micros_of, text_of
from hometrip.adapters.documents.mongo_link import Document, MongoLink, Session
from hometrip.adapters.documents.mongo_shelf import WORDS, Shelf
from hometrip.kernel.clock import Clock
from hometrip.kernel.page import Page
from hometrip.ports.documents import EVERY, Collection, R, Where

# Of so many documents that have all the words, the best are chosen.
_CANDIDATES = 2_000
# How much the repetition of a word counts, and the length of a text (as in BM25).
_REPETITION, _LENGTH = 1.2, 0.75


class Shelves(Declared[Shelf[Any]]):
    def __init__(self, collections: Iterable[Collection[Any]]) -> None:
        super().__init__({of.name: Shelf(of) for of in collections})

    def __getitem__(self, of: Collection[R]) -> Shelf[R]:
        return self.of(of)


class MongoReader(ABC):
    """Reads; it keeps the promises of `ports.documents.DocumentReader`."""

    shelves: Shelves
    link: MongoLink
    clock: Clock

    @property
    @abstractmethod
    def reading(self) -> Session | None:
        """The session of the transaction in which it reads."""

    @abstractmethod
    def asking(self) -> AbstractAsyncContextManager[None]:
        """Around every question to the engine."""

    async def get(self, of: Collection[R], record_id: UUID) -> R | None:
        shelf = self.shelves[of]
        rows = await self.rows(shelf, {"_id": str(record_id)}, limit=1)
        return shelf.read(rows[0]) if rows else None

    async def get_many(self, of: Collection[R], ids: Sequence[UUID]) -> list[R]:
        shelf, keys = self.shelves[of], [str(record_id) for record_id in ids]
        rows = await self.rows(shelf, {"_id": {"$in": keys}}) if keys else []
        found = {row["_id"]: shelf.read(row) for row in rows}
        return [found[key] for key in keys if key in found]

    async def first(self, of: Collection[R], where: Where, sort: Sequence[str] = ()) -> R | None:
        shelf = self.shelves[of]
        order = shelf.fields.order(shelf.fields.steps_of(sort))
        rows = await self.rows(shelf, shelf.fields.filter(where), sort=order, limit=1)
        return shelf.read(rows[0]) if rows else None

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
        steps, parts = shelf.fields.steps_of(sort), [shelf.fields.filter(where)]
        if cursor is not None:
            parts.append(shelf.fields.behind(sort, cursor))
        rows = await self.rows(shelf, *parts, sort=shelf.fields.order(steps), limit=limit + 1)
        items = [shelf.read(row) for row in rows[:limit]]
        if len(rows) <= limit:
            return Page(items)
        last = rows[limit - 1]
        return Page(items, cursor_at(sort, [_shown(value_at(last, step.said)) for step in steps]))

    async def count(self, of: Collection[R], where: Where = EVERY) -> int:
        shelf = self.shelves[of]
        query = self.living(shelf, shelf.fields.filter(where))
        async with self.asking():
            return await self.link[shelf.name].count_documents(query, session=self.reading)

    async def count_by(self, of: Collection[R], field: str, where: Where = EVERY) -> dict[str, int]:
        """As the port says; records without a value are not counted, truths are `true` and `false`."""
        shelf = self.shelves[of]
        kind, path = shelf.fields.kind_of(field), shelf.fields.say(field)
        query = self.living(shelf, shelf.fields.filter(where))
        async with self.asking():
            counted = await self.link[shelf.name].aggregate(
                [{"$match": query}, {"$group": {"_id": f"${path}", "count": {"$sum": 1}}}],
                session=self.reading,
            )
            rows = [row for row in await counted.to_list() if row["_id"] is not None]
        rows.sort(key=lambda row: row["_id"])
        if kind.truth:
            return {"true" if row["_id"] else "false": row["count"] for row in rows}
        if kind.instant:
            return {text_of(instant_of(row["_id"])): row["count"] for row in rows}
        return {str(row["_id"]): row["count"] for row in rows}

    async def search_text(
        self, of: Collection[R], words: str, where: Where = EVERY, *, limit: int = 20
    ) -> list[R]:
        """As the port says; of very many matches, the best among some of them."""
        shelf = self.shelves[of]
        found, query = shelf.words_query(words)
        if not found:
            return []
        rows = await self.rows(shelf, query, shelf.fields.filter(where), limit=_CANDIDATES)
        return [shelf.read(row) for row in _best(rows, found)[:limit]]

    async def rows(
        self,
        shelf: Shelf[Any],
        *parts: Query,
        sort: list[tuple[str, int]] | None = None,
        limit: int = 0,
    ) -> list[Document]:
        """The documents that meet all of the parts and have not expired."""
        async with self.asking():
            return (
                await self.link[shelf.name]
                .find(self.living(shelf, *parts), sort=sort, limit=limit, session=self.reading)
                .to_list()
            )

    def living(self, shelf: Shelf[Any], *parts: Query) -> Query:
        said = [part for part in (*parts, shelf.lives(self.now())) if part]
        return {"$and": said} if len(said) > 1 else said[0] if said else {}

    def now(self) -> int:
        return micros_of(self.clock.now())


def _shown(value: Any) -> Any:
    """As a cursor may have it: the driver has a type of its own for large numbers."""
    return int(value) if type(value) is Int64 else value


def _best(rows: list[Document], sought: list[str]) -> list[Document]:
    """The more often the words stand in a document, and the fewer others, the better it matches."""
    mean = sum(len(row[WORDS]) for row in rows) / max(1, len(rows))

    def score(row: Document) -> float:
        times = Counter[str](row[WORDS])
        ending = sum(count for word, count in times.items() if word.startswith(sought[-1]))
        length = 1 - _LENGTH + _LENGTH * len(row[WORDS]) / mean
        return sum(
            often / (often + _REPETITION * length)
            for often in (*(times[word] for word in sought[:-1]), ending)
        )

    return sorted(rows, key=lambda row: (-score(row), row["_id"]))
