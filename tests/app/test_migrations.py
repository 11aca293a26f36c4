"""The tables of every service get from any version to the newest, the same way on every relational engine."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, Index, Integer, MetaData, String, Table, insert, select, text

from engines import url_of
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.database import schema
from hometrip.adapters.database.postgres import PostgresDatabase
from hometrip.adapters.database.sqlite import SqliteDatabase
from hometrip.adapters.postgres import TABLE_NAMES, drop_database
from hometrip.app.migrate import migrate, migrate_all
from hometrip.app.migrations import scripts_of
from hometrip.app.rooms import service_of
from hometrip.app.settings import load
from hometrip.kernel.ids import ids
from hometrip.kernel.money import Money
from hometrip.ports.engine import Unfit
from hometrip.services.booking.contract import CouponTerms
from hometrip.services.booking.rules import kept_coupon
from hometrip.services.booking.store import bookings

SERVICES = ("auth", "booking", "payment")
SOURCE = Path(__file__).parents[2] / "src"
OWN = TABLE_NAMES | {"claims", schema.VERSIONS}


class Engine:
    """A relational engine with databases of the test's own, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._opened = folder, list[Any]()

    async def open(self, name: str, metadata: MetaData, scripts: Path | None) -> Any:
        """Migrated and ready to be used."""
        database = self.made(name, metadata, scripts)
        await migrate([database])
        if isinstance(database, PostgresDatabase):
            await database.open()
        return database

    def made(self, name: str, metadata: MetaData, scripts: Path | None) -> Any:
        raise NotImplementedError

    async def within(self, database: Any, look: Callable[[Connection], Any]) -> Any:
        """What `look` sees on a connection to it."""
        raise NotImplementedError

    async def catalogue(self, database: Any) -> set[str]:
        """Every column, constraint, index and trigger, in the engine's words."""
        raise NotImplementedError

    async def close(self) -> None:
        for database in self._opened:
            await database.close()


class Sqlite(Engine):
    def made(self, name: str, metadata: MetaData, scripts: Path | None) -> Any:
        clock = SystemClock()
        database = SqliteDatabase(
            self.folder / f"{name}.db",
            service=name,
            clock=clock,
            new_id=ids(clock),
            metadata=metadata,
            scripts=scripts,
        )
        self._opened.append(database)
        return database

    async def within(self, database: Any, look: Callable[[Connection], Any]) -> Any:
        async with database.transaction() as tx:
            return look(tx._core)

    async def catalogue(self, database: Any) -> set[str]:
        rows = database.file.reader.execute(
            "SELECT name, tbl_name, sql FROM sqlite_master WHERE type <> 'table'"
        )
        found = {f"{name}: {sql}" for name, table, sql in rows.fetchall() if table not in OWN}
        tables = database.file.reader.execute("SELECT name, wr FROM pragma_table_list WHERE schema = 'main'")
        for name, without_rowid in tables.fetchall():
            if name not in OWN and not name.startswith("sqlite_"):
                found.add(f"{name} {without_rowid}")
                for facts in ("table_info", "foreign_key_list", "index_list"):
                    seen = database.file.reader.execute(f"SELECT * FROM pragma_{facts}('{name}')").fetchall()
                    found |= {f"{name} {facts} {row[1:]}" for row in seen}
        return found


class Postgres(Engine):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server, self._mine = url_of("postgres").rpartition("/")[0], uuid4().hex
        self._names = set[str]()

    def made(self, name: str, metadata: MetaData, scripts: Path | None) -> Any:
        clock = SystemClock()
        self._names.add(name)
        database = PostgresDatabase(
            f"{self._server}/test_{self._mine}_{name}",
            service=name,
            clock=clock,
            new_id=ids(clock),
            metadata=metadata,
            scripts=scripts,
        )
        self._opened.append(database)
        return database

    async def within(self, database: Any, look: Callable[[Connection], Any]) -> Any:
        async with database.pool.link() as link:
            return await (await database._cores.over(link)).run_sync(look)

    async def catalogue(self, database: Any) -> set[str]:
        queries = (
            "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
            "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid <> 0",
            "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
            "SELECT attrelid::regclass::text, concat_ws(' ', attname, format_type(atttypid, atttypmod), "
            "attnotnull, attidentity, (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef "
            "WHERE adrelid = attrelid AND adnum = attnum)) FROM pg_attribute JOIN pg_class ON attrelid = "
            "pg_class.oid WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0",
        )
        async with database.pool.link() as link:
            rows = [tuple(row) for query in queries for row in await link.fetch(query)]
        return {f"{table}: {what}" for table, what in rows if table not in OWN}

    async def close(self) -> None:
        await super().close()
        for name in self._names:
            await drop_database(f"{self._server}/test_{self._mine}_{name}")


@pytest.fixture(params=[Sqlite, Postgres])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    found = request.param(tmp_path)
    yield found
    await found.close()


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[Any]:
    found = Postgres(tmp_path)
    yield found
    await found.close()


def differences(metadata: MetaData) -> Callable[[Connection], list[Any]]:
    """What Alembic would have to do to make the database what `metadata` says."""

    def look(core: Connection) -> list[Any]:
        options = {"include_name": lambda name, kind, parents: not (kind == "table" and name in OWN)}
        return list(compare_metadata(MigrationContext.configure(core, opts=options), metadata))

    return look


def tables_of(service: str) -> MetaData:
    tables = service_of(service).storage
    assert isinstance(tables, MetaData)
    return tables


def copy_of(service: str) -> MetaData:
    copied = MetaData()
    for table in tables_of(service).sorted_tables:
        table.to_metadata(copied)
    return copied


# -- the scripts of the services


@pytest.mark.parametrize("service", SERVICES)
def test_the_scripts_of_a_service_are_one_line_by_their_numbers(service: str) -> None:
    scripts = scripts_of(service)
    assert scripts is not None
    line = [loaded(file) for file in sorted(scripts.glob("r*.py"))]
    assert [step.revision for step in line] == schema.revisions(scripts)
    assert [step.down_revision for step in line] == [None, *schema.revisions(scripts)[:-1]]


def loaded(file: Path) -> ModuleType:
    found = importlib.util.spec_from_file_location(file.stem, file)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("service", SERVICES)
async def test_migrating_from_nothing_makes_the_tables_that_the_code_declares(
    engine: Engine, service: str
) -> None:
    tables, scripts = tables_of(service), scripts_of(service)
    assert scripts is not None
    migrated = await engine.open("migrated", MetaData(), None)
    declared = await engine.open("declared", tables, None)
    assert await engine.within(migrated, lambda core: schema.upgrade(core, scripts)) == schema.revisions(
        scripts
    )
    assert await engine.within(migrated, differences(tables)) == []
    assert await engine.catalogue(migrated) == await engine.catalogue(declared) != set()


async def test_a_table_that_differs_from_its_scripts_is_found(engine: Engine) -> None:
    database = await engine.open("booking", tables_of("booking"), scripts_of("booking"))
    planted = copy_of("booking")
    planted.tables["coupons"].append_column(Column("planted", Integer))
    Index("planted_index", planted.tables["bookings"].c.host_id)
    planted.remove(planted.tables["booked_nights"])
    found = str(await engine.within(database, differences(planted)))
    assert "planted_index" in found
    assert "'add_column', None, 'coupons'" in found
    assert "remove_table" in found


async def test_a_trigger_that_a_script_has_forgotten_is_found(engine: Engine) -> None:
    declared = await engine.open("declared", tables_of("payment"), None)
    forgetful = await engine.open("forgetful", copy_of("payment"), None)  # a copy has no listeners
    lost = await engine.catalogue(declared) - await engine.catalogue(forgetful)
    assert sum("no_delete" in line for line in lost) == 3


@pytest.mark.parametrize("service", SERVICES)
async def test_tables_that_were_made_before_there_were_numbers_are_taken_over_with_what_is_in_them(
    tmp_path: Path, service: str
) -> None:
    engine, tables, scripts = Sqlite(tmp_path), tables_of(service), scripts_of(service) or Path()
    seen = await engine.catalogue(await engine.open(f"{service}_made_today", tables, scripts))
    [first] = scripts.glob("r0001*.py")
    (tmp_path / "first").mkdir()
    shutil.copy(first, tmp_path / "first")
    before = await engine.open(service, MetaData(), None)
    await engine.within(before, lambda core: schema.upgrade(core, tmp_path / "first"))
    await engine.within(before, lambda core: core.exec_driver_sql(f"DROP TABLE {schema.VERSIONS}"))
    await before.close()
    taken_over = await engine.open(service, tables, scripts)
    assert await engine.within(taken_over, schema.version_of) == schema.head_of(scripts_of(service) or Path())
    assert await engine.catalogue(taken_over) == seen
    await engine.close()


async def test_all_services_are_migrated_by_their_settings_and_a_second_time_says_nothing(
    tmp_path: Path,
) -> None:
    settings = load({"HOMETRIP_DATA": str(tmp_path)})
    first = await migrate_all(settings)
    assert [line.partition(":")[0] for line in first if "0001" in line] == list(SERVICES)
    assert await migrate_all(settings) == []


# -- forward


THINGS = MetaData()
Table(
    "things", THINGS, Column("id", Integer, primary_key=True), Column("name", String), Column("size", Integer)
)

FIRST = """
from alembic import op
from sqlalchemy import Column, Integer, String

revision, down_revision = "0001", None


def upgrade():
    op.create_table("things", Column("id", Integer, primary_key=True), Column("name", String))
"""
SECOND = """
from alembic import op
from sqlalchemy import Column, Integer

revision, down_revision = "0002", "0001"


def upgrade():
    op.add_column("things", Column("size", Integer))
    op.execute("UPDATE things SET size = length(name)")
"""
BROKEN = f"{SECOND}    op.execute('DELETE FROM nowhere')\n"


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "r0001_things.py").write_text(FIRST)
    return folder


def first_tables() -> MetaData:
    tables = MetaData()
    Table("things", tables, Column("id", Integer, primary_key=True), Column("name", String))
    return tables


async def with_a_thing(engine: Engine, scripts: Path) -> Any:
    database = await engine.open("things", first_tables(), scripts)
    async with database.transaction() as tx:
        await tx.execute(insert(first_tables().tables["things"]).values(id=1, name="lamp"))
    await database.close()
    return database


async def things(database: Any) -> list[Any]:
    async with database.read() as reader:
        return list(await reader.rows(select(THINGS.tables["things"])))


async def test_what_is_missing_is_applied_once_and_what_was_kept_stays(engine: Engine, scripts: Path) -> None:
    await with_a_thing(engine, scripts)
    (scripts / "r0002_size.py").write_text(SECOND)
    newer = engine.made("things", THINGS, scripts)
    assert await migrate([newer]) == ["things: applied 0002"]
    assert await things(newer) == [(1, "lamp", 4)]
    assert await engine.within(newer, differences(THINGS)) == []
    again = engine.made("things", THINGS, scripts)
    assert await migrate([again]) == []


async def test_a_database_ahead_of_the_code_is_refused_by_name(engine: Engine, scripts: Path) -> None:
    (scripts / "r0002_size.py").write_text(SECOND)
    await engine.open("things", THINGS, scripts)
    (scripts / "r0002_size.py").unlink()
    with pytest.raises(Unfit, match="has schema 0002, and this version of HomeTrip knows 0001"):
        await engine.open("things", first_tables(), scripts)


async def test_a_script_that_fails_leaves_everything_as_it_was(engine: Engine, scripts: Path) -> None:
    await with_a_thing(engine, scripts)
    broken = scripts / "r0002_size.py"
    broken.write_text(BROKEN)
    with pytest.raises(Exception, match="nowhere"):
        await engine.open("things", THINGS, scripts)
    broken.unlink()
    as_before = await engine.open("things", first_tables(), scripts)
    assert await engine.within(as_before, differences(first_tables())) == []
    async with as_before.read() as reader:
        assert await reader.rows(select(first_tables().tables["things"])) == [(1, "lamp")]


async def test_of_several_that_migrate_at_once_one_does_it(engine: Engine, scripts: Path) -> None:
    await with_a_thing(engine, scripts)
    (scripts / "r0002_size.py").write_text(SECOND)

    async def one() -> list[str]:
        if isinstance(engine, Sqlite):
            return await migrate([await asyncio.to_thread(engine.made, "things", THINGS, scripts)])
        return await migrate([engine.made("things", THINGS, scripts)])

    said = await asyncio.gather(*(one() for _ in range(4)))
    assert sorted(said) == [[], [], [], ["things: applied 0002"]]
    assert await things(await engine.open("things", THINGS, scripts)) == [(1, "lamp", 4)]


async def test_a_database_that_is_not_there_is_made_by_one_of_several(
    postgres: Postgres, scripts: Path
) -> None:
    made = [postgres.made("things", first_tables(), scripts) for _ in range(4)]
    said = await asyncio.gather(*(migrate([database]) for database in made))
    lines = sorted(line.partition(" test_")[0] for lines in said for line in lines)
    assert [line.partition("//")[0].split(" 127")[0] for line in lines] == [
        "made the database",
        "things: applied 0001",
    ]
    await asyncio.gather(*(database.open() for database in made))


async def test_a_server_is_opened_only_at_the_newest_version(postgres: Postgres, scripts: Path) -> None:
    missing = postgres.made("things", first_tables(), scripts)
    with pytest.raises(Unfit, match=r"there is no database .*hometrip migrate"):
        await missing.open()
    await with_a_thing(postgres, scripts)
    (scripts / "r0002_size.py").write_text(SECOND)
    behind = postgres.made("things", THINGS, scripts)
    with pytest.raises(Unfit, match=r"has schema 0001, .* knows 0002: run `hometrip migrate`"):
        await behind.open()
    assert [finding.what for finding in await behind.examine() if not finding.fine] == ["schema"]
    await migrate([behind])
    await behind.open()
    assert [finding.fine for finding in await behind.examine()] == [True] * 4


# -- what an earlier version has kept


# A confirmed booking at a tenth off, and its coupon, as schema 0001 has them.
KEPT_COUPON = """
INSERT INTO coupons (code, percent_bp, minimum, currency, host_funded, version, created_at)
VALUES ('SPRING', 1000, 20000, 'USD', false, 1, '2026-12-01 09:00:00.000000')
"""
KEPT_BOOKING = """
INSERT INTO bookings (id, listing_id, guest_id, host_id, title, time_zone, check_in, check_out, check_in_at,
  check_out_at, guests, pets, status, hold_extended, total, currency, agreed, host_funds_coupon,
  cancellation_policy, coupon, payment_status, intent_id, confirmed_at, version, created_at)
VALUES ('{id}', '01a2676f9d2a745cbaa00be2a119bc7e', '01a252683e3d72c6bc7e725a8d014759',
  '01a252683b2078198fa4496b9aaa6427', 'Creek cabin', 'America/New_York', '2027-01-10', '2027-01-13',
  '2027-01-10 20:00:00.000000', '2027-01-13 16:00:00.000000', 2, 0, 'confirmed', false, 35280,
  'USD', '{agreed}', false, 'moderate', 'SPRING', 'succeeded', '01a2676f9d587e7e9b58aaa6bb542ed0',
  '2026-12-11 23:28:17.783035', 3, '2026-12-11 23:28:17.738404')
"""
KEPT_AGREED = (
    '{"lines":[{"kind":"nights","label":"3 nights","amount":{"amount":30000,"currency":"USD"},"quantity":3,'
    '"unit":{"amount":10000,"currency":"USD"}},{"kind":"cleaning","label":"Cleaning","amount":'
    '{"amount":5000,"currency":"USD"},"quantity":1,"unit":{"amount":5000,"currency":"USD"}},{"kind":"coupon",'
    '"label":"Coupon (10 %)","amount":{"amount":-3500,"currency":"USD"}},{"kind":"service_fee",'
    '"label":"Service fee (12 %)","amount":{"amount":3780,"currency":"USD"}}],"split":{"payout":'
    '{"amount":33950,"currency":"USD"},"platform":{"amount":1330,"currency":"USD"},"taxes":{}},"nightly":'
    '[{"amount":10000,"currency":"USD"},{"amount":10000,"currency":"USD"},{"amount":10000,"currency":"USD"}],'
    '"exempt_guests":0}'
)


async def test_a_booking_of_before_keeps_the_terms_that_its_coupon_has_when_the_new_version_comes(
    engine: Engine, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    first.mkdir()
    for script in (scripts_of("booking") or Path()).glob("r0001*.py"):
        shutil.copy(script, first)
    before = await engine.open("booking", MetaData(), None)
    await engine.within(before, lambda core: schema.upgrade(core, first))
    made = UUID("01a2676f9d4a7da3a937ee818dc43a6e")
    booking = KEPT_BOOKING.format(id=made.hex, agreed=KEPT_AGREED)
    async with before.transaction() as tx:
        for kept in (KEPT_COUPON, booking):
            await tx.execute(text(kept.replace(":", r"\:")))
    await before.close()

    database = await engine.open("booking", tables_of("booking"), scripts_of("booking"))
    async with database.read() as reader:
        found = await bookings.get(reader, made)
    assert found.total == Money(35_280, "USD")
    gone = None
    assert kept_coupon(found, "spring", gone) == CouponTerms(
        code="SPRING", host_funded=False, percent_bp=1000, minimum=Money(20_000, "USD")
    )


# -- the first second of a process


OPENING = """
import asyncio, sys
from pathlib import Path
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.database.sqlite import SqliteDatabase
from hometrip.app.migrations import scripts_of
from hometrip.kernel.ids import ids
from hometrip.kernel.money import Money
from hometrip.services.auth.store.tables import tables

clock = SystemClock()
names = {"service": "auth", "metadata": tables, "scripts": scripts_of("auth")}
database = SqliteDatabase(Path(sys.argv[1]), clock=clock, new_id=ids(clock), **names)
print("alembic" in sys.modules)
asyncio.run(database.close())
"""


async def test_alembic_is_not_loaded_where_there_is_nothing_to_migrate(tmp_path: Path) -> None:
    def loads_alembic(file: Path) -> str:
        command = [sys.executable, "-c", OPENING, str(file)]
        done = subprocess.run(command, env={"PYTHONPATH": str(SOURCE)}, capture_output=True, check=True)
        return done.stdout.decode().strip()

    assert loads_alembic(tmp_path / "auth.db") == "False", "a first start"
    assert loads_alembic(tmp_path / "auth.db") == "False", "a later one"
