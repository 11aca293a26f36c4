"""What every relational storage promises beside what all storages do; see test_outbox.py."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError, StatementError

from contracts.storages import cleared, file_at, opened, postgres_at
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.database.postgres import PostgresDatabase
from hometrip.adapters.database.sqlite import SqliteDatabase
from hometrip.kernel.errors import AlreadyAnswered, KeyReused, Unavailable
from hometrip.kernel.ids import ids
from hometrip.kernel.once import NO_KEY, Once
from hometrip.ports.database import Prepared, Unexpected

# Each with where it keeps what it has in a test's folder. (adapters.database.schema is what they share; see
# tests/app/test_migrations.py.)
ADAPTERS: dict[str, tuple[Callable[..., Any], Callable[[Path], Any]]] = {
    "adapters.database.sqlite": (SqliteDatabase, file_at),
    "adapters.database.postgres": (PostgresDatabase, postgres_at),
}


class Mood(enum.Enum):
    CALM = "calm"
    WILD = "wild"


tables = MetaData()
rooms = Table(
    "rooms",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("name", String, nullable=False),
    Column("cents", BigInteger, nullable=False, server_default="0"),
    Column("mood", Enum(Mood)),
    Column("facts", JSON),
    Column("open", Boolean),
    Column("since", DateTime(timezone=True)),
    UniqueConstraint("name"),
    CheckConstraint("cents >= 0"),
)
nights = Table(
    "nights",
    tables,
    Column("room_id", ForeignKey("rooms.id"), primary_key=True),
    Column("night", Date, primary_key=True),
)
JUNE = [date(2027, 6, day) for day in range(1, 8)]


@pytest.fixture(params=ADAPTERS)
async def opening(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    adapter, at = ADAPTERS[request.param]

    async def open_it(metadata: MetaData = tables) -> Any:
        clock = SystemClock()
        made = adapter(at(tmp_path), service="rooms", clock=clock, new_id=ids(clock), metadata=metadata)
        return await opened(made)

    yield open_it
    await cleared(tmp_path)


@pytest.fixture
async def database(opening: Callable[..., Any]) -> AsyncIterator[Any]:
    database = await opening()
    yield database
    await database.close()


async def add_room(tx: Any, **columns: Any) -> Any:
    room_id = uuid4()
    await tx.execute(insert(rooms).values({"id": room_id, "name": str(room_id), **columns}))
    return room_id


async def test_columns_of_every_type_come_back_as_they_went_in(database: Any) -> None:
    since = datetime(2027, 4, 14, 12, 0, 0, 1, tzinfo=UTC)
    facts = {"beds": [1, 2], "ü": None}
    async with database.transaction() as tx:
        room_id = await add_room(
            tx, name="Über", cents=10**15, mood=Mood.WILD, facts=facts, open=True, since=since
        )
        await tx.execute(insert(nights), [{"room_id": room_id, "night": night} for night in JUNE])
    async with database.read() as reader:
        row = await reader.row(select(rooms))
        assert (row.id, row.name, row.cents, row.mood) == (room_id, "Über", 10**15, Mood.WILD)
        assert (row.facts, row.open, row.since) == (facts, True, since)
        assert row.since.tzinfo is UTC
        assert [row.night for row in await reader.rows(select(nights).order_by(nights.c.night))] == JUNE


async def test_an_instant_of_any_zone_is_kept_as_the_same_instant_and_compared_as_one(database: Any) -> None:
    east = timezone(timedelta(hours=9))
    instants = [
        datetime(2027, 4, 14, 20, 59, 59, tzinfo=east),
        datetime(2027, 4, 14, 12, 0, tzinfo=UTC),
        datetime(2027, 4, 14, 21, 0, 0, 500, tzinfo=east),
    ]
    async with database.transaction() as tx:
        for instant in instants:
            await add_room(tx, since=instant)
        order = await tx.rows(select(rooms.c.since).order_by(rooms.c.since))
        assert [row.since for row in order] == instants
        late = select(func.count()).where(rooms.c.since >= datetime(2027, 4, 14, 21, tzinfo=east))
        assert await tx.value(late) == 2
        assert await tx.value(select(func.max(rooms.c.since))) == instants[-1]


async def test_an_instant_without_a_zone_is_refused(database: Any) -> None:
    async with database.transaction() as tx:
        with pytest.raises(StatementError, match="aware"):
            await add_room(tx, since=datetime(2027, 4, 14))  # noqa: DTZ001 - this is what is refused


async def test_rows_row_and_value_answer_what_is_there(database: Any) -> None:
    async with database.transaction() as tx:
        assert await tx.rows(select(rooms)) == []
        assert await tx.row(select(rooms)) is None
        assert await tx.value(select(rooms.c.name)) is None
        for name in "abc":
            await add_room(tx, name=name, cents=7)
        assert [row.name for row in await tx.rows(select(rooms).order_by(rooms.c.name))] == ["a", "b", "c"]
        assert (await tx.row(select(rooms).order_by(rooms.c.name.desc()))).name == "c"
        assert await tx.value(select(func.count()).select_from(rooms)) == 3


async def test_a_write_tells_how_many_rows_it_touched(database: Any) -> None:
    async with database.transaction() as tx:
        room_id = await add_room(tx)
        booked = [{"room_id": room_id, "night": night} for night in JUNE]
        assert await tx.execute(insert(nights), booked) == 7
        assert await tx.execute(insert(nights), []) == 0
        assert await tx.execute(insert(nights).on_conflict_do_nothing(), booked[:1]) == 0
        assert await tx.execute(update(rooms).values(cents=5)) == 1
        assert await tx.execute(delete(nights).where(nights.c.night < JUNE[2])) == 2
        assert await tx.execute(delete(nights).where(nights.c.night < JUNE[2])) == 0


async def test_the_same_statements_run_on_every_engine(database: Any) -> None:
    async with database.transaction() as tx:
        room_id = await add_room(tx, name="a")
        raised = insert(rooms).values(id=uuid4(), name="a", cents=7)
        raised = raised.on_conflict_do_update(
            index_elements=[rooms.c.name], set_={"cents": rooms.c.cents + raised.excluded.cents}
        ).returning(rooms.c.id, rooms.c.cents)
        assert await tx.rows(raised) == [(room_id, 7)]
        assert (await tx.row(select(rooms).where(rooms.c.id == room_id).with_for_update())).cents == 7


async def test_a_refused_statement_names_itself_and_the_transaction_may_go_on(database: Any) -> None:
    async with database.transaction() as tx:
        room_id = await add_room(tx, name="a")
        for wrong in ({"name": "a"}, {"cents": -1}, {"name": None}):
            with pytest.raises(IntegrityError):
                await add_room(tx, **wrong)
        with pytest.raises(IntegrityError):
            await tx.execute(insert(nights).values(room_id=uuid4(), night=JUNE[0]))
        await tx.execute(insert(nights).values(room_id=room_id, night=JUNE[0]))
    async with database.read() as reader:
        assert len(await reader.rows(select(nights).join(rooms))) == 1


@pytest.mark.parametrize("several", [True, False])
async def test_a_refused_statement_over_rows_leaves_none_of_them(database: Any, several: bool) -> None:
    async with database.transaction() as tx:
        room_id = await add_room(tx)
        booked = [{"room_id": room_id, "night": night} for night in JUNE]
        await tx.execute(insert(nights), booked[3:4])
        with pytest.raises(IntegrityError):
            await (
                tx.execute(insert(nights), booked) if several else tx.execute(insert(nights).values(booked))
            )
        assert [row.night for row in await tx.rows(select(nights))] == [JUNE[3]]


SINCE = datetime(2027, 6, 1, 12, tzinfo=UTC)
ALL = {"cents": 7, "mood": Mood.WILD, "facts": {"a": [1]}, "open": True, "since": SINCE}
find = select(rooms).where(rooms.c.name == bindparam("wanted"), rooms.c.cents.in_([7, 8]))
FIND, COUNT = Prepared(find.with_for_update()), Prepared(select(func.count()).select_from(nights))
ADD, TAKE = Prepared(insert(rooms)), Prepared(insert(nights))
RAISE = Prepared(update(rooms).where(rooms.c.name == bindparam("wanted")))
EMPTY = Prepared(delete(nights).where(nights.c.room_id == bindparam("room")))


async def test_a_prepared_statement_answers_as_the_statement_itself(database: Any) -> None:
    async with database.transaction() as tx:
        assert await tx.execute(ADD, [{"id": uuid4(), "name": "a", **ALL}]) == 1
        assert await tx.execute(ADD, [{"id": uuid4(), "name": name} for name in "bc"]) == 2
        same = await tx.row(find.params(wanted="a"))
        assert await tx.row(FIND.with_values(wanted="a")) == same
        assert (await tx.rows(FIND.with_values(wanted="a"))) == [same]
        assert await tx.value(FIND.with_values(wanted="a")) == same.id
    for reading in (database.read, database.look):
        async with reading() as reader:
            found = await reader.row(FIND.with_values(wanted="a"))
            assert {name: getattr(found, name) for name in ALL} == ALL
            assert await reader.rows(FIND.with_values(wanted="b")) == []
            assert await reader.row(FIND.with_values(wanted="b")) is None
            assert await reader.value(FIND.with_values(wanted="b")) is None


async def test_a_row_at_hand_is_what_is_there_now_or_nothing(database: Any) -> None:
    at_once = isinstance(database, SqliteDatabase)
    assert database.row_at_hand(FIND.with_values(wanted="a")) is None
    async with database.transaction() as tx:
        await tx.execute(ADD, [{"id": uuid4(), "name": "a", **ALL}])
        assert database.row_at_hand(FIND.with_values(wanted="a")) is None  # not committed
    found = database.row_at_hand(FIND.with_values(wanted="a"))
    assert {name: getattr(found, name) for name in ALL} == ALL if at_once else found is None
    await database.close()
    assert database.row_at_hand(FIND.with_values(wanted="a")) is None


async def test_a_prepared_statement_needs_no_other_before_it(opening: Callable[..., Any]) -> None:
    for number in range(2):
        database = await opening()
        async with database.transaction() as tx:
            if number == 0:
                await tx.execute(ADD, [{"id": uuid4(), "name": "a", **ALL}])
        async with database.look() as reader:
            found = await reader.row(FIND.with_values(wanted="a"))
        await database.close()
        assert {name: getattr(found, name) for name in ALL} == ALL


async def test_a_prepared_write_tells_how_many_rows_it_touched(database: Any) -> None:
    async with database.transaction() as tx:
        room_id = await add_room(tx, name="a")
        taken = [{"room_id": room_id, "night": night} for night in JUNE]
        assert await tx.execute(TAKE, taken) == 7
        assert await tx.execute(TAKE, []) == 0
        assert await tx.execute(RAISE, [{"cents": 9, "wanted": "a"}]) == 1
        assert await tx.execute(RAISE, [{"cents": 9, "wanted": name} for name in "ab"]) == 1
        assert await tx.execute(EMPTY.with_values(room=room_id)) == 7
        assert await tx.value(COUNT.with_values()) == 0


async def test_a_prepared_write_that_is_refused_names_itself_and_the_transaction_may_go_on(
    database: Any,
) -> None:
    async with database.transaction() as tx:
        room_id = await add_room(tx, name="a")
        await tx.execute(TAKE, [{"room_id": room_id, "night": JUNE[3]}])
        for wrong in ([{"id": uuid4(), "name": "a"}], [{"id": uuid4(), "name": name} for name in "ba"]):
            with pytest.raises(IntegrityError):
                await tx.execute(ADD, wrong)
        with pytest.raises(IntegrityError):
            await tx.execute(TAKE, [{"room_id": room_id, "night": night} for night in JUNE])
        assert [row.night for row in await tx.rows(select(nights))] == [JUNE[3]]


async def test_a_final_write_that_is_refused_ends_the_transaction(database: Any) -> None:
    final = Prepared(insert(rooms), final=True)
    with pytest.raises(IntegrityError):
        async with database.transaction() as tx:
            await tx.execute(final, [{"id": uuid4(), "name": name} for name in "aa"])
    async with database.transaction() as tx:
        assert await tx.execute(final, [{"id": uuid4(), "name": "a"}]) == 1


async def test_a_final_write_is_refused_as_it_says_at_the_latest_at_the_end(database: Any) -> None:
    final = Prepared(insert(rooms), final=True, refused=lambda: LookupError("the name is taken"))
    async with database.transaction() as tx:
        await tx.execute(final, [{"id": uuid4(), "name": "a"}])
    with pytest.raises(LookupError, match="is taken"):
        async with database.transaction() as tx:
            await add_room(tx, name="b")
            await tx.execute(final, [{"id": uuid4(), "name": "a"}])
    with pytest.raises(LookupError, match="is taken"):
        async with database.transaction() as tx:
            await tx.execute(final, [{"id": uuid4(), "name": name} for name in "cad"])
            assert await tx.value(COUNT.with_values()) == "asked of what was refused"
    async with database.read() as reader:
        assert [row.name for row in await reader.rows(select(rooms))] == ["a"]


async def test_a_final_write_is_seen_by_what_follows_it_and_keeps_every_value(database: Any) -> None:
    final, odd = Prepared(insert(rooms), final=True), "'; DROP TABLE rooms; -- $1 \\ ü 🏠\n"
    late = datetime(2027, 6, 1, 23, 30, 0, 5, tzinfo=timezone(timedelta(hours=-7)))
    async with database.transaction() as tx:
        await tx.execute(final, [{"id": uuid4(), "name": odd, **ALL, "since": late, "open": False}])
        await tx.execute(final, [{"id": uuid4(), "name": "", "cents": 8, "open": None}])
        kept, bare = await tx.row(FIND.with_values(wanted=odd)), await tx.row(FIND.with_values(wanted=""))
        assert {name: getattr(kept, name) for name in ALL} == {**ALL, "since": late, "open": False}
        assert (bare.cents, bare.open, bare.since, bare.mood) == (8, None, None, None)
        assert await tx.execute(RAISE, [{"cents": 1, "wanted": odd}]) == 1


async def test_a_value_that_a_prepared_statement_lacks_is_missed(
    database: Any,
) -> None:
    async with database.transaction() as tx:
        with pytest.raises(KeyError):
            await tx.rows(FIND.with_values())


async def test_of_many_that_take_the_same_nights_at_once_one_gets_them(database: Any) -> None:
    async with database.transaction() as tx:
        room_id = await add_room(tx)

    async def book(first: int) -> None:
        async with database.transaction() as tx:
            wanted = [{"room_id": room_id, "night": night} for night in JUNE[first : first + 4]]
            await tx.execute(insert(nights), wanted)

    results = await asyncio.gather(*(book(number % 4) for number in range(60)), return_exceptions=True)
    assert results.count(None) == 1
    assert sum(isinstance(result, IntegrityError) for result in results) == 59
    async with database.read() as reader:
        assert await reader.value(select(func.count()).select_from(nights)) == 4


async def test_reads_of_one_block_are_of_one_moment(database: Any) -> None:
    async with database.read() as reader:
        assert await reader.rows(select(rooms)) == []
        async with database.transaction() as tx:
            await add_room(tx)
        assert await reader.rows(select(rooms)) == []
    async with database.read() as reader:
        assert len(await reader.rows(select(rooms))) == 1


@pytest.mark.parametrize("opening", ["adapters.database.postgres"], indirect=True)
async def test_a_database_of_before_gets_the_index_that_came_since(opening: Callable[..., Any]) -> None:
    database = await opening()
    async with database.pool.link() as link:
        await link.execute("DROP INDEX unsent_free")
    await database.close()
    database = await opening()
    async with database.pool.link() as link:
        assert await link.fetchval("SELECT to_regclass('unsent_free') IS NOT NULL")
    await database.close()


async def test_a_block_that_expects_nothing_is_undone_where_there_is_something(database: Any) -> None:
    async def add_first(name: str) -> None:
        async with database.transaction() as tx:
            await tx.expect_nothing(FIND.with_values(wanted=name))
            await add_room(tx, name=name, cents=7)

    await add_first("a")
    await add_first("b")
    with pytest.raises(Unexpected):
        await add_first("a")
    with pytest.raises(Unexpected):
        async with database.transaction() as tx:
            await tx.expect_nothing(FIND.with_values(wanted="b"))
            await tx.row(FIND.with_values(wanted="b"))
    async with database.read() as reader:
        assert [row.name for row in await reader.rows(select(rooms).order_by(rooms.c.name))] == ["a", "b"]


async def test_of_a_hundred_first_answers_of_a_key_one_is_kept(database: Any) -> None:
    once = Once("key-1", "ann POST /rooms", "print-a", 201)

    async def add_one(number: int) -> None:
        async with database.transaction() as tx:
            await add_room(tx, name=f"{number}")
            await tx.answer_first(once, {"room": number})

    results = await asyncio.gather(*map(add_one, range(100)), return_exceptions=True)
    assert sum(isinstance(result, Unexpected) for result in results) == 99
    async with database.read() as reader:
        [kept] = await reader.rows(select(rooms))
    with pytest.raises(AlreadyAnswered) as known:
        async with database.transaction() as tx:
            await tx.once(once)
    assert (known.value.status, known.value.answer) == (201, b'{"room":%b}' % kept.name.encode())
    with pytest.raises(KeyReused):
        async with database.transaction() as tx:
            await tx.once(Once(once.key, once.scope, "print-b"))
    with pytest.raises(Unexpected):
        await add_one(100)
    for _ in range(2):
        async with database.transaction() as tx:
            await tx.answer_first(NO_KEY, {})


async def test_many_may_read_at_once_while_one_writes(database: Any) -> None:
    async def read() -> int:
        async with database.read() as reader:
            before = await reader.value(select(func.count()).select_from(rooms))
            await asyncio.sleep(0)
            assert await reader.value(select(func.count()).select_from(rooms)) == before
            return int(before)

    async def write() -> int:
        for _ in range(30):
            async with database.transaction() as tx:
                await add_room(tx)
        return 0

    await asyncio.gather(write(), *(read() for _ in range(100)))
    assert await read() == 30


async def test_a_reader_whose_block_has_ended_cannot_be_used(database: Any) -> None:
    async with database.read() as reader:
        pass
    with pytest.raises(RuntimeError, match="ended"):
        await reader.rows(select(rooms))


async def test_tables_and_indexes_that_came_later_are_made_when_it_is_opened(
    opening: Callable[..., Any],
) -> None:
    first = await opening()
    async with first.transaction() as tx:
        room_id = await add_room(tx)
    await first.close()

    grown = MetaData()
    Table(
        "rooms", grown, Column("id", Uuid, primary_key=True), Column("name", String), Index("by_name", "name")
    )
    keys = Table("keys", grown, Column("id", Uuid, primary_key=True))
    second = await opening(grown)
    async with second.transaction() as tx:
        await tx.execute(insert(keys).values(id=room_id))
        assert (await tx.row(select(rooms))).id == room_id
    await second.close()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda metadata: Table("outbox", metadata, Column("id", Uuid, primary_key=True)),
        lambda metadata: Table("visits", metadata, Column("at", DateTime, primary_key=True)),
    ],
)
async def test_tables_that_cannot_keep_the_promises_are_refused_at_the_start(
    opening: Callable[..., Any], wrong: Callable[[MetaData], Any]
) -> None:
    metadata = MetaData()
    wrong(metadata)
    with pytest.raises(ValueError, match=r"storage itself|timezone=True"):
        await opening(metadata)


async def test_it_is_ready_until_it_is_closed(opening: Callable[..., Any]) -> None:
    database = await opening()
    await database.ready()
    await database.close()
    await database.close()
    with pytest.raises(Unavailable):
        await database.ready()
    with pytest.raises(Unavailable):
        async with database.read():
            pass
