"""One storage's content as lots of rows: read in order, written in batches, and known by a sum.

A lot that is half there already is gone on with, if what is there is how the source begins.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any, Protocol

import msgspec
from sqlalchemy import Table, func, insert, literal, select, tuple_

from hometrip.kernel.service import Service
from hometrip.ports.database import Database
from hometrip.ports.documents import Collection, Documents
from hometrip.ports.moving import KINDS, Ledger

BATCH = 500

_encode = msgspec.json.Encoder(order="deterministic").encode


class Lot(Protocol):
    """Rows of one kind. `every` gives them in an order that is always the same; `put` takes some more."""

    name: str

    async def count(self) -> int: ...

    def every(self) -> AsyncIterator[list[Any]]: ...

    async def put(self, rows: Sequence[Any]) -> None: ...


class TableLot:
    """The rows of a relational table, in order of its primary key."""

    def __init__(self, database: Database, table: Table) -> None:
        self.name, self._database, self._table = table.name, database, table
        self._keys = list(table.primary_key)

    async def count(self) -> int:
        async with self._database.read() as reader:
            return int(await reader.value(select(func.count()).select_from(self._table)))

    async def every(self) -> AsyncIterator[list[Any]]:
        statement = select(self._table).order_by(*self._keys).limit(BATCH)
        last: Any = None
        while True:
            async with self._database.read() as reader:
                rows = await reader.rows(statement if last is None else statement.where(self._behind(last)))
            if not rows:
                return
            last = rows[-1]
            yield [dict(row._mapping) for row in rows]

    async def put(self, rows: Sequence[Any]) -> None:
        async with self._database.transaction() as tx:
            await tx.execute(insert(self._table), list(rows))

    def _behind(self, last: Any) -> Any:
        there = [literal(getattr(last, key.name), key.type) for key in self._keys]
        return tuple_(*self._keys) > tuple_(*there)


class CollectionLot:
    """The records of a collection, in order of their ids. What has expired stays behind."""

    def __init__(self, documents: Documents, of: Collection[Any]) -> None:
        self.name, self._documents, self._of = of.name, documents, of

    async def count(self) -> int:
        return await self._documents.count(self._of)

    async def every(self) -> AsyncIterator[list[Any]]:
        cursor: str | None = None
        while True:
            page = await self._documents.find(self._of, sort=("id",), limit=BATCH, cursor=cursor)
            yield list(page.items)
            if (cursor := page.next_cursor) is None:
                return

    async def put(self, rows: Sequence[Any]) -> None:
        async with self._documents.transaction() as tx:
            await tx.put_back(self._of, rows)


class LedgerLot:
    """What a storage keeps of events, of one kind."""

    def __init__(self, ledger: Ledger, kind: type[Any], name: str) -> None:
        self.name, self._ledger, self._kind = name, ledger, kind

    async def count(self) -> int:
        return await self._ledger.held(self._kind)

    async def every(self) -> AsyncIterator[list[Any]]:
        after: Any = None
        while True:
            rows, after = await self._ledger.carry_out(self._kind, after, BATCH)
            if not rows:
                return
            yield rows

    async def put(self, rows: Sequence[Any]) -> None:
        await self._ledger.carry_in(rows)


NAMES = ("numbers of subjects", "events heard", "answers to keys", "timers", "events")


def lots_of(service: Service, storage: Any) -> list[Lot]:
    """All that the service's storage holds, in the order in which it is to be put."""
    content: Iterable[Lot]
    if hasattr(service.storage, "sorted_tables"):
        content = [TableLot(storage, table) for table in service.storage.sorted_tables]
    else:
        content = [CollectionLot(storage, of) for of in service.storage]
    return [*content, *(LedgerLot(storage, kind, name) for kind, name in zip(KINDS, NAMES, strict=True))]


class Sum:
    """A sum over rows that is the same in whatever order they come."""

    def __init__(self) -> None:
        self.rows, self._total = 0, 0

    def add(self, rows: Sequence[Any]) -> None:
        self.rows += len(rows)
        for row in rows:
            self._total += int.from_bytes(blake2b(_encode(row), digest_size=16).digest())

    @property
    def text(self) -> str:
        return f"{self._total % (1 << 64):016x}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sum) and (self.rows, self.text) == (other.rows, other.text)

    __hash__ = None  # type: ignore[assignment]  # it grows


async def foreign(source: Lot, target: Lot) -> bool:
    """Does the target hold anything but the first rows of the source, which a move may have left there?"""
    there, seen = await sum_of(target), Sum()
    if there.rows:
        async for rows in source.every():
            seen.add(rows[: there.rows - seen.rows])
            if seen.rows == there.rows:
                break
    return seen != there


async def carry(source: Lot, target: Lot, said: Callable[[int], None]) -> tuple[Sum, Sum]:
    """Every row that is missing behind those that the target has; the sums of what both have in the end."""
    there, seen = await target.count(), Sum()
    async for rows in source.every():
        missing = rows[max(there - seen.rows, 0) :]
        seen.add(rows)
        if missing:
            await target.put(missing)
            said(seen.rows)
    return seen, await sum_of(target)


async def sum_of(lot: Lot) -> Sum:
    found = Sum()
    async for rows in lot.every():
        found.add(rows)
    return found
