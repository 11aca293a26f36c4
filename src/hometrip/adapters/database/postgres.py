"""The relational storage in a PostgreSQL database: SQLAlchemy Core over our own connections and
transactions.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Connection, CursorResult, Insert, MetaData
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import UpdateBase

from hometrip.adapters.database import schema
from hometrip.adapters.database.postgres_dialect import Cores
from hometrip.adapters.database.prepared import Translated, unlocked
from hometrip.adapters.postgres import (
    ADDED,
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
    refusal_of,
    unexpected,
)
from hometrip.kernel.clock import Clock
from hometrip.kernel.ids import NewId
from hometrip.ports.database import Given, Prepared
from hometrip.ports.engine import Finding

# Who migrates a database holds this lock.
MIGRATING = 0x686F6D68
# So many rows at most go in one statement that is put off: each number of rows is a statement of its own,
# which every connection has prepared.
LOT = 8
# Refused, as a division by nought, where there is something.
NOTHING = "SELECT 1 / CASE WHEN EXISTS ({}) THEN 0 ELSE 1 END"
MARK = re.compile(r"\$(\d+)")


class PostgresReader:
    """Reads of one moment; it keeps the promises of `ports.database.Reader`."""

    def __init__(self, link: Link, cores: Cores) -> None:
        self._core: AsyncConnection | None = None
        self._at: Link | None = link
        self._cores = cores

    def end(self) -> None:
        self._at = self._core = None

    async def rows(self, statement: Any) -> list[Any]:
        if isinstance(statement, Given):
            return await self.found(statement)
        return list((await self._run(unlocked(statement))).fetchall())

    async def row(self, statement: Any) -> Any | None:
        if isinstance(statement, Given):
            return next(iter(await self.found(statement)), None)
        return (await self._run(unlocked(statement))).first()

    async def value(self, statement: Any) -> Any:
        if isinstance(statement, Given):
            found = await self.found(statement)
            return found[0][0] if found else None
        return (await self._run(unlocked(statement))).scalar()

    async def found(self, given: Given, *, locked: bool = False) -> list[Any]:
        translated, link = self._cores.translations.of(given.prepared, locked=locked), await self.fitted()
        return translated.rows(await link.fetch(translated.sql, *translated.values(given.values)))

    async def fitted(self) -> Link:
        """The connection, taking and giving values as SQLAlchemy has set it up to."""
        if self._core is None:
            self._core = await self._cores.over(self.at)
        return self.at

    def translated(self, prepared: Prepared, columns: Iterable[str]) -> Translated:
        return self._cores.translations.of(prepared, columns)

    @property
    def at(self) -> Link:
        if self._at is None:
            raise RuntimeError("this transaction has ended")
        return self._at

    async def _run(
        self, statement: Any, rows: dict[str, Any] | list[dict[str, Any]] | None = None
    ) -> CursorResult[Any]:
        at = self.at
        try:
            await self.fitted()
            assert self._core is not None
            result: CursorResult[Any] = await self._core.execute(statement, rows)
            return result
        except DBAPIError as reason:
            if refused := refusal_of(reason):
                raise refused from reason
            raise
        except asyncio.CancelledError:
            # SQLAlchemy would use its side of the connection no more; ours is fit once it is rolled back.
            self._cores.forget(at)
            raise


class PostgresTx(EventWork):
    """One short transaction; it keeps the promises of `ports.database.Tx`.

    A statement that is refused is undone alone, which takes a savepoint: the server gives up all of a
    transaction otherwise.
    """

    def __init__(self, link: Link, cores: Cores, service: str, clock: Clock, new_id: NewId) -> None:
        super().__init__(link, service, clock, new_id)
        self._reader = PostgresReader(link, cores)
        self._saved = False

    def end(self) -> None:
        super().end()
        self._reader.end()

    async def rows(self, statement: Any) -> list[Any]:
        if isinstance(statement, Given):
            return await self._reader.found(statement, locked=True)
        return list((await self._run(statement)).fetchall())

    async def row(self, statement: Any) -> Any | None:
        if isinstance(statement, Given):
            return next(iter(await self.rows(statement)), None)
        return (await self._run(statement)).first()

    async def value(self, statement: Any) -> Any:
        if isinstance(statement, Given):
            found = await self.rows(statement)
            return found[0][0] if found else None
        return (await self._run(statement)).scalar()

    async def expect_nothing(self, statement: Given) -> None:
        translated = self._reader.translated(statement.prepared, ())
        self.put_off(NOTHING.format(translated.sql), *translated.values(statement.values), refused=unexpected)

    async def lock(self, name: str) -> None:
        self.put_off("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", name)

    async def execute(self, statement: Any, rows: list[dict[str, Any]] | None = None) -> int:
        """A statement over `rows` is refused as a whole, like one over a single row."""
        if isinstance(statement, Given):
            return await self._write(statement.prepared, [dict(statement.values)])
        if isinstance(statement, Prepared):
            return await self._write(statement, [{}] if rows is None else rows)
        if rows is None or len(rows) == 1:
            return (await self._run(statement, rows and rows[0])).rowcount
        if not rows:
            return 0
        if _writes_each(statement):
            await self._run(statement, rows)
            return len(rows)
        return await self._one_by_one(statement, rows)

    async def _write(self, prepared: Prepared, rows: list[dict[str, Any]]) -> int:
        if not rows:
            return 0
        translated = self._reader.translated(prepared, rows[0])
        values = [translated.values(row) for row in rows]

        def refused(reason: asyncpg.PostgresError) -> Exception:
            return prepared.refusal(IntegrityError(translated.sql, None, reason))

        each_is_written = _writes_each(prepared.statement)
        if prepared.final and each_is_written:
            for at in range(0, len(values), LOT):
                lot = values[at : at + LOT]
                self.put_off(_for_rows(translated.sql, len(lot)), *chain(*lot), refused=refused)
            return len(rows)
        if not prepared.final:
            self._save()
        link = await self._reader.fitted()
        try:
            if len(rows) > 1 and each_is_written:
                await link.executemany(translated.sql, values)
                return len(rows)
            return sum([_count(await link.execute(translated.sql, *each)) for each in values])
        except asyncpg.IntegrityConstraintViolationError as reason:
            if not prepared.final:
                self._restore()
            raise refused(reason) from reason

    async def _one_by_one(self, statement: Any, rows: list[dict[str, Any]]) -> int:
        """The server tells how many rows were touched only of single statements."""
        self._save()
        try:
            return sum([(await self._reader._run(statement, row)).rowcount for row in rows])
        except DBAPIError:
            self._restore()
            raise

    async def _run(
        self, statement: Any, rows: dict[str, Any] | list[dict[str, Any]] | None = None
    ) -> CursorResult[Any]:
        if not isinstance(statement, UpdateBase):
            return await self._reader._run(statement, rows)
        self._save()
        try:
            return await self._reader._run(statement, rows)
        except DBAPIError:
            self._restore()
            raise

    def _save(self) -> None:
        """What was saved before is not needed any more."""
        if self._saved:
            self.put_off("RELEASE write")
        self.put_off("SAVEPOINT write")
        self._saved = True

    def _restore(self) -> None:
        self.put_off("ROLLBACK TO write")


class PostgresDatabase(PostgresOutbox[PostgresTx], PostgresLedger):
    """A service's own relational database on a server; it keeps the promises of `ports.database.Database`.

    `scripts` is the folder of the service's migrations: `migrate` applies those that are missing, and `open`
    wants the newest. Without it, tables and indexes of `metadata` that are missing are created by `open`.
    """

    def __init__(
        self,
        url: str,
        *,
        service: str,
        clock: Clock,
        new_id: NewId,
        metadata: MetaData,
        scripts: Path | None = None,
        pool: int = POOL,
    ) -> None:
        schema.check(metadata, TABLE_NAMES)
        super().__init__(PostgresPool(url, size=pool, name=f"hometrip {service}"), service, clock, new_id)
        self.metadata, self.scripts = metadata, scripts
        self._cores = Cores()
        self.pool.gone = self._cores.forget

    async def open(self) -> None:
        """`Unfit` where the server, our rights or the tables are not what is needed."""
        if self.scripts is None:
            await self.migrate()
        must_be_fit(await self.examine())

    async def examine(self) -> list[Finding]:
        """Reachable, version, rights, schema; see `ports.engine`."""
        found = await examine(self.pool, {*TABLE_NAMES, *self.metadata.tables})
        if all(finding.fine for finding in found):
            found.append(await self._schema())
        return found

    async def migrate(self) -> list[str]:
        """Make the database and its tables what this code needs; what was done, in words, nothing if nothing.

        Of several at once one does it and the others wait. `Unfit` where it may not be done, or the database
        is ahead of this code.
        """
        done = [f"made the database {place_of(self.pool.url)}"] if await make_database(self.pool.url) else []
        must_be_fit(await examine(self.pool))
        link = await self.pool.connect(hurried=False)
        try:
            must_be_fit([await may_create(link)])
            async with link.transaction():
                await link.execute(f"SELECT pg_advisory_xact_lock({MIGRATING})")
                # Where all is there, nobody need wait for those who write.
                if await missing_tables(link, TABLE_NAMES | ADDED):
                    await create_tables(link)
                core = await self._cores.over(link)
                applied = await core.run_sync(self._upgrade)
        finally:
            self._cores.forget(link)
            await link.close(timeout=10)
        return [*done, *(f"{self.service}: applied {revision}" for revision in applied)]

    def read(self) -> AbstractAsyncContextManager[PostgresReader]:
        return self._reading(self.pool.snapshot())

    def look(self) -> AbstractAsyncContextManager[PostgresReader]:
        return self._reading(self.pool.link())

    def row_at_hand(self, statement: Given) -> None:
        """The server is always waited for."""

    @asynccontextmanager
    async def _reading(self, by: AbstractAsyncContextManager[Link]) -> AsyncIterator[PostgresReader]:
        async with by as link:
            reader = PostgresReader(link, self._cores)
            try:
                yield reader
            finally:
                reader.end()

    def _work(self, link: Link) -> PostgresTx:
        return PostgresTx(link, self._cores, self.service, self.clock, self.new_id)

    def _upgrade(self, core: Connection) -> list[str]:
        if self.scripts is None:
            schema.create_missing(core, self.metadata)
            return []
        schema.must_be_known(schema.version_of(core), self.scripts, place_of(self.pool.url))
        return schema.upgrade(core, self.scripts)

    async def _schema(self) -> Finding:
        place = place_of(self.pool.url)
        async with self.pool.link() as link:
            missing = await missing_tables(link, TABLE_NAMES)
            version = None
            if self.scripts is None:
                missing += await missing_tables(link, self.metadata.tables)
            elif not await missing_tables(link, [schema.VERSIONS]):
                version = await link.fetchval(f"SELECT version_num FROM {schema.VERSIONS}")
        if self.scripts is not None:
            known, head = schema.revisions(self.scripts), schema.head_of(self.scripts)
            told = f"{place} has schema {version or 'none'}, and this version of HomeTrip knows {head}"
            if version is not None and version not in known:
                return Finding("schema", False, told, "use the newer version that made it")
            if version != head:
                return Finding("schema", False, told, MIGRATE)
        if missing:
            return Finding("schema", False, f"{place} lacks {', '.join(missing)}", MIGRATE)
        return Finding("schema", True, f"at {version}" if version else "every table is there")


@cache
def _for_rows(sql: str, count: int) -> str:
    """An INSERT of one row, for so many: the marks of its values again, `$1` and so on, counted on."""
    if count == 1:
        return sql
    into, word, row = sql.rpartition(" VALUES ")
    marks = len(MARK.findall(row))

    def counted_on(by: int) -> str:
        return MARK.sub(lambda mark: f"${int(mark[1]) + by}", row)

    return into + word + ", ".join(counted_on(at * marks) for at in range(count))


def _count(told: str) -> int:
    """How many rows were touched, as the server tells it: `INSERT 0 3`, `UPDATE 1`."""
    return int(told.rpartition(" ")[2])


def _writes_each(statement: Any) -> bool:
    """A plain INSERT writes each of its rows, or is refused."""
    return (
        isinstance(statement, Insert) and statement._post_values_clause is None and statement.select is None
    )
