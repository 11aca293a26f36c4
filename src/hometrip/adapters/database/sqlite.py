"""The relational storage in one SQLite file: SQLAlchemy Core over our own connections and transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, CursorResult, DateTime, MetaData, NullPool, create_engine, inspect
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite import DATETIME
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import DBAPIError

from hometrip.adapters.database import schema
from hometrip.adapters.sqlite import (
    TABLE_NAMES,
    EventWork,
    SqliteFile,
    SqliteLedger,
    SqliteOutbox,
    create_tables,
)
from hometrip.kernel.clock import Clock
from hometrip.kernel.ids import NewId


class Instant(DATETIME):
    """What `DateTime(timezone=True)` is here: an aware instant of any zone goes in, its UTC comes out.

    It is stored as text of a fixed width, so that instants compare as they should.
    """

    cache_ok = True

    def bind_processor(self, dialect: Any) -> Callable[[Any], Any]:
        def process(value: datetime | None) -> str | None:
            if value is None:
                return None
            if value.tzinfo is None:
                raise ValueError(f"{value} has no time zone: instants are aware")
            return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")

        return process

    def result_processor(self, dialect: Any, coltype: object) -> Callable[[Any], Any]:
        def process(text: str | None) -> datetime | None:
            return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)

        return process


class HomeTripDialect(SQLiteDialect_pysqlite):
    """SQLite as SQLAlchemy knows it, but transactions are ours and instants are aware."""

    supports_statement_cache = True
    colspecs = {**SQLiteDialect_pysqlite.colspecs, DateTime: Instant}

    def do_begin(self, dbapi_connection: Any) -> None:
        """The writer's turn or a snapshot has begun already."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """Only the end of a turn commits."""

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Only the end of a turn rolls back."""


registry.register("sqlite.hometrip", __name__, HomeTripDialect.__name__)


class SqliteReader:
    """Reads of one moment; it keeps the promises of `ports.database.Reader`."""

    def __init__(self, core: Connection) -> None:
        self._core: Connection | None = core

    def end(self) -> None:
        self._core = None

    async def rows(self, statement: Any) -> list[Any]:
        return list(self._run(statement).fetchall())

    async def row(self, statement: Any) -> Any | None:
        return self._run(statement).first()

    async def value(self, statement: Any) -> Any:
        return self._run(statement).scalar()

    def _run(
        self, statement: Any, rows: dict[str, Any] | list[dict[str, Any]] | None = None
    ) -> CursorResult[Any]:
        if self._core is None:
            raise RuntimeError("this transaction has ended")
        return self._core.execute(statement, rows)


class SqliteTx(SqliteReader, EventWork):
    """One short transaction; it keeps the promises of `ports.database.Tx`."""

    def __init__(
        self, core: Connection, link: sqlite3.Connection, service: str, clock: Clock, new_id: NewId
    ) -> None:
        SqliteReader.__init__(self, core)
        EventWork.__init__(self, link, service, clock, new_id)

    def end(self) -> None:
        SqliteReader.end(self)
        EventWork.end(self)

    async def lock(self, name: str) -> None:
        """There is one writer at a time: whoever is in a block has every name."""

    async def execute(self, statement: Any, rows: list[dict[str, Any]] | None = None) -> int:
        """A statement over `rows` is refused as a whole, like one over a single row."""
        if rows is None or len(rows) == 1:
            return self._run(statement, rows and rows[0]).rowcount
        if not rows:
            return 0
        self.link.execute("SAVEPOINT rows")
        try:
            return self._run(statement, rows).rowcount
        except DBAPIError:
            self.link.execute("ROLLBACK TO rows")
            raise
        finally:
            self.link.execute("RELEASE rows")


class SqliteDatabase(SqliteOutbox[SqliteTx], SqliteLedger):
    """A service's own relational database in a file; it keeps the promises of `ports.database.Database`.

    `scripts` is the folder of the service's migrations: those that are missing are applied when the file is
    opened; `Unfit` where it is ahead of this code. Without it, tables and indexes of `metadata` that are
    missing are created.
    """

    def __init__(
        self,
        path: Path,
        *,
        service: str,
        clock: Clock,
        new_id: NewId,
        metadata: MetaData,
        scripts: Path | None = None,
    ) -> None:
        schema.check(metadata, TABLE_NAMES)
        super().__init__(SqliteFile(path), service, clock, new_id)
        self._over: dict[sqlite3.Connection, Connection] = {}
        self._waiting: list[sqlite3.Connection] = []
        self._engine = create_engine(
            "sqlite+hometrip://", creator=self._waiting.pop, poolclass=NullPool, pool_reset_on_return=None
        )
        with self.file.setting_up() as link:
            create_tables(link)
            applied = _upgrade(self._core_over(link), metadata, scripts, path)
        self._done = [f"{service}: applied {revision}" for revision in applied]

    async def migrate(self) -> list[str]:
        """What was done to the tables when the file was opened, in words; other adapters do it here."""
        return self._done

    @asynccontextmanager
    async def read(self) -> AsyncIterator[SqliteReader]:
        async with self.file.snapshot() as link:
            reader = SqliteReader(self._core_over(link))
            try:
                yield reader
            finally:
                reader.end()

    async def close(self) -> None:
        await super().close()
        for core in self._over.values():
            core.close()
        self._over.clear()

    def _work(self, link: sqlite3.Connection) -> SqliteTx:
        return SqliteTx(self._core_over(link), link, self.service, self.clock, self.new_id)

    def _core_over(self, link: sqlite3.Connection) -> Connection:
        """SQLAlchemy's connection over one of ours; made once, and never begun or ended by SQLAlchemy."""
        core = self._over.get(link)
        if core is None:
            self._waiting.append(link)
            core = self._over[link] = self._engine.connect()
        return core


def _upgrade(core: Connection, metadata: MetaData, scripts: Path | None, path: Path) -> list[str]:
    """Make the tables what the code needs; which revisions were applied.

    A file without any is given the newest tables at once: they are what the scripts make (a test compares
    them), and Alembic would take longer to load than everything else that a first start does.
    """
    if scripts is None:
        schema.create_missing(core, metadata)
        return []
    version, head = schema.version_of(core), schema.head_of(scripts)
    schema.must_be_known(version, scripts, str(path))
    if version == head:
        return []
    if version is None and not set(metadata.tables) & set(inspect(core).get_table_names()):
        schema.create_missing(core, metadata)
        schema.stamp(core, head)
        return schema.revisions(scripts)
    return schema.upgrade(core, scripts)
