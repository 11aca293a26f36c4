"""PostgreSQL as SQLAlchemy knows it, but over our own connections and transactions, and with aware
instants.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, NullPool, Uuid
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import AsyncpgDateTime, PGCompiler_asyncpg, PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import DateTime

from hometrip.adapters.database.prepared import Translations
from hometrip.adapters.postgres import Link


class Instant(AsyncpgDateTime):
    """What `DateTime(timezone=True)` is here: an aware instant of any zone goes in, its UTC comes out."""

    cache_ok = True

    def bind_processor(self, dialect: Any) -> Callable[[Any], Any]:
        def process(value: datetime | None) -> datetime | None:
            if value is not None and value.tzinfo is None:
                raise ValueError(f"{value} has no time zone: instants are aware")
            return value

        return process


class HomeTripCompiler(PGCompiler_asyncpg):
    """The least and the greatest id, which the server itself does not know before its version 18; and sums of
    whole numbers, which are whole numbers.
    """

    def visit_sum_func(self, function: FunctionElement[Any], **more: Any) -> str:
        summed = f"sum{self.process(function.clause_expr, **more)}"
        return f"CAST({summed} AS BIGINT)" if isinstance(function.type, Integer) else summed

    def visit_min_func(self, function: FunctionElement[Any], **more: Any) -> str:
        return self._of_ids("min", function, **more)

    def visit_max_func(self, function: FunctionElement[Any], **more: Any) -> str:
        return self._of_ids("max", function, **more)

    def _of_ids(self, name: str, function: FunctionElement[Any], **more: Any) -> str:
        inside = self.process(function.clause_expr, **more)
        if not isinstance(function.type, Uuid):
            return f"{name}{inside}"
        return f'CAST({name}(CAST({inside} AS TEXT) COLLATE "C") AS UUID)'


class HomeTripDialect(PGDialect_asyncpg):
    supports_statement_cache = True
    statement_compiler = HomeTripCompiler
    colspecs = {**PGDialect_asyncpg.colspecs, DateTime: Instant}


registry.register("postgresql.hometrip", __name__, HomeTripDialect.__name__)


class Cores:
    """SQLAlchemy's connection over each of ours; made once, and never begun, ended or closed by
    SQLAlchemy.
    """

    def __init__(self) -> None:
        self._over: dict[Link, AsyncConnection] = {}
        self._next: Link | None = None
        self._making = asyncio.Lock()
        # AUTOCOMMIT: a transaction is ours, and SQLAlchemy need not know of it.
        self._engine = create_async_engine(
            "postgresql+hometrip://",
            async_creator=self._make,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
        )
        self.translations = Translations(self._engine.dialect)

    async def over(self, link: Link) -> AsyncConnection:
        core = self._over.get(link)
        if core is None:
            async with self._making:
                self._next = link
                core = self._over[link] = await self._engine.connect()
                (await core.get_raw_connection()).detach()
        return core

    def forget(self, link: Link) -> None:
        self._over.pop(link, None)

    async def _make(self, *_: Any, **__: Any) -> Link:
        return self._next
