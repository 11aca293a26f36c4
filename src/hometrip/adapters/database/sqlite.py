"""The relational storage in one SQLite file: SQLAlchemy Core over our own connections and transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, DateTime, Dialect, MetaData, NullPool, create_engine, inspect
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite import DATETIME
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.util import LRUCache

from hometrip.adapters.database import schema
from hometrip.adapters.database.prepared import Translations
from hometrip.adapters.sqlite import (
    TABLE_NAMES,
    EventWork,
    Link,
    SqliteFile,
    SqliteLedger,
    SqliteOutbox,
    create_tables,
    refusal_of,
)
from hometrip.kernel.clock import Clock
from hometrip.kernel.ids import NewId
from hometrip.ports.database import Given, Prepared, Unexpected

# Of all files of the process: a statement is the same in each of them.
_TRANSLATIONS: dict[type[Dialect], Translations] = {}
_WRITTEN_OUT: LRUCache[Any, Any] = LRUCache(2_000)


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

    def __eq__(self, other: object) -> bool:
        """All of them say the same, so what one has written out serves every file."""
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))

    def do_begin(self, dbapi_connection: Any) -> None:
        """The writer's turn or a snapshot has begun already."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """Only the end of a turn commits."""

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Only the end of a turn rolls back."""


registry.register("sqlite.hometrip", __name__, HomeTripDialect.__name__)


class SqliteReader:
    """Reads of one moment; it keeps the promises of `ports.database.Reader`."""

    def __init__(self, core: Connection, link: sqlite3.Connection, translations: Translations) -> None:
        self._core: Connection | None = core
        self._on, self._translations = cast("Link", link), translations

    def end(self) -> None:
        self._core = None

    async def rows(self, statement: Any) -> list[Any]:
        if isinstance(statement, Given):
            return self.found(statement)
        return list(self._run(statement).fetchall())

    async def row(self, statement: Any) -> Any | None:
        if isinstance(statement, Given):
            return next(iter(self.found(statement)), None)
        return self._run(statement).first()

    async def value(self, statement: Any) -> Any:
        if isinstance(statement, Given):
            found = self.found(statement)
            return found[0][0] if found else None
        return self._run(statement).scalar()

    def found(self, given: Given) -> list[Any]:
        self._must_go_on()
        translated = self._translations.of(given.prepared)
        return translated.rows(self._on.run(translated.sql, translated.values(given.values)).fetchall())

    def _must_go_on(self) -> None:
        if self._core is None:
            raise RuntimeError("this transaction has ended")

    def _run(
        self, statement: Any, rows: dict[str, Any] | list[dict[str, Any]] | None = None
    ) -> CursorResult[Any]:
        self._must_go_on()
        assert self._core is not None
        return self._core.execute(statement, rows)


class SqliteTx(SqliteReader, EventWork):
    """One short transaction; it keeps the promises of `ports.database.Tx`."""

    def __init__(
        self,
        core: Connection,
        link: sqlite3.Connection,
        translations: Translations,
        service: str,
        clock: Clock,
        new_id: NewId,
    ) -> None:
        SqliteReader.__init__(self, core, link, translations)
        EventWork.__init__(self, link, service, clock, new_id)

    def end(self) -> None:
        SqliteReader.end(self)
        EventWork.end(self)

    async def expect_nothing(self, statement: Given) -> None:
        if await self.row(statement) is not None:
            raise Unexpected

    async def lock(self, name: str) -> None:
        """There is one writer at a time: whoever is in a block has every name."""

    async def execute(self, statement: Any, rows: list[dict[str, Any]] | None = None) -> int:
        """A statement over `rows` is refused as a whole, like one over a single row."""
        if rows is not None and len(rows) == 0:
            return 0
        if rows is None or len(rows) == 1:
            return self._write(statement, rows)
        self.link.run("SAVEPOINT rows")
        try:
            return self._write(statement, rows)
        except Exception:
            # Whatever refuses it, the engine or the statement in words of its own: none of the rows stays.
            self.link.run("ROLLBACK TO rows")
            raise
        finally:
            self.link.run("RELEASE rows")

    def _write(self, statement: Any, rows: list[dict[str, Any]] | None) -> int:
        if isinstance(statement, Given):
            statement, rows = statement.prepared, [dict(statement.values)]
        elif not isinstance(statement, Prepared):
            return self._run(statement, rows[0] if rows and len(rows) == 1 else rows).rowcount
        rows = rows or [{}]
        translated = self._translations.of(statement, rows[0])
        values = [translated.values(row) for row in rows]
        try:
            if len(values) == 1:
                return self.link.run(translated.sql, values[0]).rowcount
            return self.link.executemany(translated.sql, values).rowcount
        except sqlite3.IntegrityError as refusal:
            raise statement.refusal(IntegrityError(translated.sql, None, refusal)) from refusal


class Look:
    """One statement needs no snapshot."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def __aenter__(self) -> SqliteReader:
        await self._database.file.caught_up()
        self._reader = self._database.reader_of_now()
        return self._reader

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.end()
        if refused := refusal_of(error):
            raise refused from error


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
            "sqlite+hometrip://",
            creator=self._waiting.pop,
            poolclass=NullPool,
            pool_reset_on_return=None,
            execution_options={"compiled_cache": _WRITTEN_OUT},
        )
        dialect = self._engine.dialect
        self._translations = _TRANSLATIONS.setdefault(type(dialect), Translations(dialect))
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
            reader = SqliteReader(self._core_over(link), link, self._translations)
            try:
                yield reader
            finally:
                reader.end()

    def look(self) -> Look:
        return Look(self)

    def row_at_hand(self, statement: Given) -> Any | None:
        if not self.file.is_caught_up:
            return None
        try:
            return next(iter(self.reader_of_now().found(statement)), None)
        except sqlite3.Error:
            return None  # who waits for it is told what is wrong

    def reader_of_now(self) -> SqliteReader:
        """Each of its statements sees what is committed just then."""
        link = self.file.reader
        return SqliteReader(self._core_over(link), link, self._translations)

    async def close(self) -> None:
        await super().close()
        for core in self._over.values():
            core.close()
        self._over.clear()

    def _work(self, link: sqlite3.Connection) -> SqliteTx:
        core = self._core_over(link)
        return SqliteTx(core, link, self._translations, self.service, self.clock, self.new_id)

    def _core_over(self, link: sqlite3.Connection) -> Connection:
        """SQLAlchemy's connection over one of ours; made once, and never begun or ended by SQLAlchemy."""
        core = self._over.get(link)
        if core is None:
            self._waiting.append(link)
            core = self._over[link] = self._engine.connect()
        return core


def look_at(path: Path, scripts: Path) -> None:
    """`Unfit` where the file is ahead of this code. What else is wrong with it, is told by who opens it."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as link,
    ):
        version = link.execute(f"SELECT version_num FROM {schema.VERSIONS}").fetchone()
        schema.must_be_known(version and version[0], scripts, str(path))


def _upgrade(core: Connection, metadata: MetaData, scripts: Path | None, path: Path) -> list[str]:
    """Make the tables what the code needs; which revisions were applied.

    A file without any is given the newest tables at once: they are what the scripts make (a test compares
    them), and Alembic would take longer to load than everything else that a first start does.
    """
    if scripts is None:
        if _has_none_of(core, metadata):
            schema.create_all(core, metadata)
        else:
            schema.create_missing(core, metadata)
        return []
    version, head = schema.version_of(core), schema.head_of(scripts)
    schema.must_be_known(version, scripts, str(path))
    if version == head:
        return []
    if version is None and _has_none_of(core, metadata):
        schema.create_all(core, metadata)
        schema.stamp(core, head)
        return schema.revisions(scripts)
    return schema.upgrade(core, scripts)


def _has_none_of(core: Connection, metadata: MetaData) -> bool:
    return not set(metadata.tables) & set(inspect(core).get_table_names())
