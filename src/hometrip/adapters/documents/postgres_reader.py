"""What is read from a document storage in PostgreSQL, inside of a transaction and outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from hometrip.adapters.documents.declared import Declared
from hometrip.adapters.documents.fields import cursor_at, plain_of
from hometrip.adapters.documents.postgres_fields import as_was, order_by, shown
from hometrip.adapters.documents.postgres_shelf import Shelf
from hometrip.adapters.documents.sql import Sql
from hometrip.kernel.clock import Clock
from hometrip.kernel.page import Page
from hometrip.ports.documents import EVERY, Collection, R, Where


class Shelves(Declared[Shelf[Any]]):
    def __init__(self, collections: Iterable[Collection[Any]]) -> None:
        super().__init__({of.name: Shelf(of) for of in collections})

    def __getitem__(self, of: Collection[R]) -> Shelf[R]:
        return self.of(of)


class PostgresReader(ABC):
    """Reads; it keeps the promises of `ports.documents.DocumentReader`."""

    shelves: Shelves
    clock: Clock

    @abstractmethod
    async def _fetch(self, query: str, bound: Sequence[Any]) -> list[Any]:
        """The rows of one statement."""

    async def get(self, of: Collection[R], record_id: UUID) -> R | None:
        shelf = self.shelves[of]
        lives, bound = self.living(shelf, [record_id])
        rows = await self._fetch(f"SELECT body FROM {shelf.table} WHERE id = $1{lives}", bound)
        return shelf.read(rows[0][0]) if rows else None

    async def get_many(self, of: Collection[R], ids: Sequence[UUID]) -> list[R]:
        shelf = self.shelves[of]
        if not ids:
            return []
        lives, bound = self.living(shelf, [list(ids)])
        rows = await self._fetch(f"SELECT id, body FROM {shelf.table} WHERE id = ANY ($1){lives}", bound)
        found = {row[0]: shelf.read(row[1]) for row in rows}
        return [found[record_id] for record_id in ids if record_id in found]

    async def first(self, of: Collection[R], where: Where, sort: Sequence[str] = ()) -> R | None:
        shelf = self.shelves[of]
        condition = self.condition(shelf, where)
        order = order_by(shelf.fields.steps_of(sort))
        rows = await self._fetch(
            f"SELECT body FROM {shelf.table} WHERE {condition.text} ORDER BY {order} LIMIT 1", condition.bound
        )
        return shelf.read(rows[0][0]) if rows else None

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
        condition, steps = self.condition(shelf, where), shelf.fields.steps_of(sort)
        if cursor is not None:
            behind = shelf.fields.behind(sort, cursor, condition.bound)
            condition = Sql(f"{condition.text} AND {behind.text}", behind.bound)
        position = ", ".join(step.said for step in steps)
        rows = await self._fetch(
            f"SELECT body, {position} FROM {shelf.table} WHERE {condition.text} "
            f"ORDER BY {order_by(steps)} LIMIT {int(limit) + 1}",
            condition.bound,
        )
        items = [shelf.read(row[0]) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(items, cursor_at(sort, [shown(value) for value in rows[limit - 1][1:]]) if more else None)

    async def count(self, of: Collection[R], where: Where = EVERY) -> int:
        shelf = self.shelves[of]
        condition = self.condition(shelf, where)
        query = f"SELECT count(*) FROM {shelf.table} WHERE {condition.text}"
        return int((await self._fetch(query, condition.bound))[0][0])

    async def count_by(self, of: Collection[R], field: str, where: Where = EVERY) -> dict[str, int]:
        """As the port says; records without a value are not counted, truths are `true` and `false`."""
        shelf = self.shelves[of]
        condition, value = self.condition(shelf, where), shelf.fields.say(field)
        rows = await self._fetch(
            f"SELECT {value}::text, count(*) FROM {shelf.table} "
            f"WHERE {condition.text} AND {value} IS NOT NULL GROUP BY {value} ORDER BY {value}",
            condition.bound,
        )
        return {as_was(value): count for value, count in rows}

    async def search_text(
        self, of: Collection[R], words: str, where: Where = EVERY, *, limit: int = 20
    ) -> list[R]:
        shelf = self.shelves[of]
        query = shelf.query(words)
        if query is None:
            return []
        condition = self.condition(shelf, where, [query])
        rows = await self._fetch(
            f"SELECT body FROM {shelf.table} WHERE words @@ $1::text::tsquery AND {condition.text} "
            f"ORDER BY ts_rank(words, $1::text::tsquery, 1) DESC, id LIMIT {int(limit)}",
            condition.bound,
        )
        return [shelf.read(row[0]) for row in rows]

    def living(self, shelf: Shelf[Any], bound: list[Any]) -> tuple[str, list[Any]]:
        """What a condition says so that it does not see what has expired."""
        if not shelf.ends:
            return "", bound
        bound = [*bound, self.now()]
        return f" AND ({shelf.ends} IS NULL OR {shelf.ends} > ${len(bound)})", bound

    def condition(self, shelf: Shelf[Any], where: Where, bound: Sequence[Any] = ()) -> Sql:
        said = shelf.fields.filter(where, bound)
        lives, values = self.living(shelf, said.bound)
        return Sql(said.text + lives, values)

    def now(self) -> str:
        return str(plain_of(self.clock.now())).rstrip("Z")
