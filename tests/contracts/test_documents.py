"""What every document storage promises beside what all storages do; see test_outbox.py."""

from __future__ import annotations

import asyncio
import enum
import functools
import operator
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from bson import Binary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.scripted_mongo import WRITE_CONFLICT, scripted
from contracts.storages import cleared, file_at, mongo_at, opened, postgres_at
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.documents import mongo_link
from hometrip.adapters.documents.fields import Fields, Kind
from hometrip.adapters.documents.mongo import MongoDocuments
from hometrip.adapters.documents.postgres import PostgresDocuments
from hometrip.adapters.documents.sql import COMPARISONS, SqlFields
from hometrip.adapters.documents.sqlite import SqliteDocuments
from hometrip.adapters.documents.words import sought, words_of
from hometrip.kernel.clock import DAY, HOUR, utc
from hometrip.kernel.errors import Invalid, NotFound, Unavailable, VersionMismatch
from hometrip.kernel.ids import ids
from hometrip.kernel.money import Money
from hometrip.kernel.page import cursor_of
from hometrip.ports.documents import (
    EVERY,
    Change,
    Collection,
    Duplicate,
    Expiry,
    Index,
    LocationIndex,
    Record,
    TextIndex,
    Where,
    eq,
    ge,
    gt,
    has,
    le,
    lt,
    ne,
    one_of,
    within,
)
from hometrip.ports.engine import Unfit

pytestmark = pytest.mark.slow

# Each adapter, and where the content of a test's folder is.
ADAPTERS: dict[str, tuple[Callable[..., Any], Callable[[Path], Any]]] = {
    "adapters.documents.sqlite": (SqliteDocuments, file_at),
    "adapters.documents.mongo": (MongoDocuments, mongo_at),
    "adapters.documents.postgres": (PostgresDocuments, postgres_at),
}
NOON = utc(2027, 4, 14, 12)
UNKNOWN = "UnknownTransactionCommitResult"


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Spot(msgspec.Struct, frozen=True):
    lat: float
    lng: float


class Inner(msgspec.Struct, frozen=True):
    name: str
    depth: int | None = None


class Thing(Record):
    word: str | None = None
    number: int = 0
    half: float | None = None
    at: datetime = NOON
    day: date = date(2027, 4, 14)
    flag: bool = False
    colour: Colour | None = None
    owner: UUID | None = None
    tags: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    inner: Inner | None = None
    price: Money | None = None
    counts: dict[str, int] = {}
    spot: Spot | None = None
    place: Spot | None = None


class Home(Record):
    title: str
    words: str | None = None
    email: str | None = None
    host: str = ""
    status: str = "open"
    tags: tuple[str, ...] = ()
    ends: datetime | None = None


THINGS = Collection(
    "things",
    Thing,
    indexes=(
        Index("number", ("number",)),
        Index("at", ("at",)),
        Index("tags", ("tags",)),
        Index("red", ("number", "day"), where=eq("colour", Colour.RED) & ne("word", None)),
    ),
    location=LocationIndex("spot"),
)
HOMES = Collection(
    "homes",
    Home,
    indexes=(
        Index("email", ("email",), unique=True),
        Index("one_open_per_host", ("host", "title"), unique=True, where=eq("status", "open")),
    ),
    text=TextIndex(("title", "words", "tags")),
)
KEYS = Collection("keys", Home, indexes=(Index("title", ("title",), unique=True),), expiry=Expiry("ends"))


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(SystemClock(), frozen_at=NOON)


class Place:
    """The content of one test; `open` gives another instance over it."""

    def __init__(self, name: str, folder: Path, clock: MovableClock) -> None:
        self.name, self.folder, self.clock = name, folder, clock
        self._opened: list[Any] = []

    def make(self, *collections: Collection[Any]) -> Any:
        adapter, at = ADAPTERS[self.name]
        made = adapter(
            at(self.folder),
            service="things",
            clock=self.clock,
            new_id=ids(self.clock),
            collections=collections or [THINGS, HOMES, KEYS],
        )
        self._opened.append(made)
        return made

    async def open(self, *collections: Collection[Any]) -> Any:
        return await opened(self.make(*collections))

    async def close(self) -> None:
        for storage in self._opened:
            await storage.close()
        await cleared(self.folder)


@pytest.fixture(params=ADAPTERS)
async def place(request: pytest.FixtureRequest, tmp_path: Path, clock: MovableClock) -> AsyncIterator[Place]:
    found = Place(request.param, tmp_path, clock)
    yield found
    await found.close()


@pytest.fixture
async def documents(place: Place) -> Any:
    return await place.open()


async def insert(documents: Any, of: Collection[Any], *records: Record) -> None:
    async with documents.transaction() as tx:
        await tx.insert_many(of, records)


def home(title: str = "", **fields: Any) -> Home:
    return Home(id=uuid4(), title=title or str(uuid4()), **fields)


# -- one record


async def test_a_record_comes_back_equal_whatever_is_in_it(documents: Any) -> None:
    full = Thing(
        id=uuid4(),
        word="a \"b' \\ ü \U0001f3e0 \x00 %",
        number=-(2**53),
        half=0.1,
        at=NOON + timedelta(microseconds=1),
        flag=True,
        colour=Colour.BLUE,
        owner=uuid4(),
        tags=("x", "x", "é"),
        inner=Inner("in", 2),
        price=Money(1999, "EUR"),
        counts={"a-b": 1},
        spot=Spot(-33.9, 151.2),
    )
    empty = Thing(id=uuid4())
    async with documents.transaction() as tx:
        assert await tx.insert(THINGS, full) == full
        assert await tx.get(THINGS, full.id) == full
        await tx.insert(THINGS, empty)
    for _ in range(2):
        assert await documents.get(THINGS, full.id) == full
        assert await documents.get(THINGS, empty.id) == empty
    assert await documents.get(THINGS, uuid4()) is None


async def test_many_come_in_the_order_asked_for_without_those_that_are_not_there(documents: Any) -> None:
    homes = [home() for _ in range(5)]
    await insert(documents, HOMES, *homes)
    asked = [homes[3].id, uuid4(), homes[0].id, homes[3].id]
    assert await documents.get(HOMES, homes[0].id) == homes[0]
    assert await documents.get_many(HOMES, asked) == [homes[3], homes[0], homes[3]]
    assert await documents.get_many(HOMES, []) == []


async def test_an_inserted_record_has_version_1_and_each_change_raises_it(documents: Any) -> None:
    first = msgspec.structs.replace(home(), version=9)
    async with documents.transaction() as tx:
        inserted = await tx.insert(HOMES, first)
        replaced = await tx.replace(HOMES, msgspec.structs.replace(inserted, words="b"))
        changed = await tx.change(HOMES, first.id, Change(set={"words": "c"}))
        upserted = await tx.upsert(HOMES, first)
    assert [record.version for record in (inserted, replaced, changed, upserted)] == [1, 2, 3, 4]
    assert await documents.get(HOMES, first.id) == upserted
    assert await documents.count(HOMES, eq("version", 4)) == 1


async def test_a_record_that_has_moved_on_is_not_replaced(documents: Any) -> None:
    first = home(words="a")
    await insert(documents, HOMES, first)
    async with documents.transaction() as tx:
        await tx.replace(HOMES, msgspec.structs.replace(first, words="b"))
    with pytest.raises(VersionMismatch) as caught:
        async with documents.transaction() as tx:
            await tx.replace(HOMES, msgspec.structs.replace(first, words="c"))
    assert caught.value.facts == {"version": 2}
    assert (await documents.get(HOMES, first.id)).words == "b"
    with pytest.raises(NotFound):
        async with documents.transaction() as tx:
            await tx.replace(HOMES, home())


async def test_what_was_read_before_is_not_given_out_for_what_is_there_now(documents: Any) -> None:
    """The same id with the same version and other content, by delete and insert, and by a rollback."""
    first = home("first")
    await insert(documents, HOMES, first)
    assert await documents.get(HOMES, first.id) == first
    second = msgspec.structs.replace(first, title="second")
    async with documents.transaction() as tx:
        assert await tx.delete(HOMES, first.id)
        await tx.insert(HOMES, second)
    for read in (documents.get, lambda of, key: documents.first(of, eq("id", key))):
        assert await read(HOMES, first.id) == second
    with pytest.raises(ZeroDivisionError):
        async with documents.transaction() as tx:
            await tx.upsert(HOMES, msgspec.structs.replace(first, title="never"))
            assert (await tx.get(HOMES, first.id)).title == "never"
            assert (await tx.find(HOMES)).items[0].title == "never"
            1 / 0
    assert await documents.get_many(HOMES, [first.id]) == [second]
    async with documents.transaction() as tx:
        await tx.upsert(HOMES, msgspec.structs.replace(first, title="third"))
    assert (await documents.get(HOMES, first.id)).title == "third"


async def test_what_is_at_hand_is_what_is_there_now_or_nothing(documents: Any) -> None:
    first = home("first")
    assert documents.at_hand(HOMES, first.id) is None
    await insert(documents, HOMES, first)
    assert documents.at_hand(HOMES, first.id) in (None, first)
    assert await documents.get(HOMES, first.id) == first
    assert documents.at_hand(HOMES, first.id) in (None, first)
    second = msgspec.structs.replace(first, title="second")
    async with documents.transaction() as tx:
        changed = await tx.replace(HOMES, second)
        assert documents.at_hand(HOMES, first.id) in (None, first)
    assert documents.at_hand(HOMES, first.id) in (None, changed)
    async with documents.transaction() as tx:
        await tx.delete(HOMES, first.id)
    assert documents.at_hand(HOMES, first.id) is None


async def test_deleting_tells_whether_there_was_one(documents: Any) -> None:
    homes = [home(status=status) for status in ("open", "shut", "shut")]
    await insert(documents, HOMES, *homes)
    async with documents.transaction() as tx:
        assert await tx.delete(HOMES, homes[0].id)
        assert not await tx.delete(HOMES, homes[0].id)
        assert await tx.delete_where(HOMES, eq("status", "shut")) == 2
        assert await tx.delete_where(HOMES, EVERY) == 0


async def test_an_instant_that_is_not_in_utc_is_refused_and_a_text_that_looks_like_one_is_not(
    documents: Any,
) -> None:
    text = "2027-04-14T12:00:00+09:00"
    await insert(documents, HOMES, home(text, words="2027-04-14T12:00:00"))
    for wrong in (datetime.fromisoformat(text), datetime(2027, 4, 14)):  # noqa: DTZ001 - what is refused
        async with documents.transaction() as tx:
            with pytest.raises(ValueError, match="UTC"):
                await tx.insert(HOMES, home(ends=wrong))
    assert await documents.count(HOMES) == 1


# -- changes


async def test_a_change_sets_counts_pushes_and_pulls_together(documents: Any) -> None:
    thing = Thing(id=uuid4(), number=5, tags=("a", "b", "a"), labels=("x",), counts={"k": 1})
    await insert(documents, THINGS, thing)
    async with documents.transaction() as tx:
        changed = await tx.change(
            THINGS,
            thing.id,
            Change(
                set={
                    "word": "w",
                    "at": NOON + HOUR,
                    "inner": Inner("n"),
                    "colour": Colour.RED,
                    "spot.lat": 1.5,
                }
                | {"spot": Spot(1.0, 2.0)},
                inc={"number": -2, "counts.k": 4, "counts.new-key": 1},
                push={"labels": "y"},
                pull={"tags": "a"},
            ),
        )
    expected = msgspec.structs.replace(
        thing,
        version=2,
        word="w",
        at=NOON + HOUR,
        inner=Inner("n"),
        colour=Colour.RED,
        spot=Spot(1.0, 2.0),
        number=3,
        counts={"k": 5, "new-key": 1},
        labels=("x", "y"),
        tags=("b",),
    )
    assert changed == await documents.get(THINGS, thing.id) == expected
    assert await documents.count(THINGS, has("tags", "b") & within("spot", 0, 0, 5, 5)) == 1
    assert await documents.count(THINGS, has("tags", "a")) == 0


async def test_a_change_reaches_into_records_and_takes_values_away(documents: Any) -> None:
    thing = Thing(id=uuid4(), word="w", inner=Inner("n", 1))
    await insert(documents, THINGS, thing)
    async with documents.transaction() as tx:
        await tx.change(
            THINGS, thing.id, Change(set={"inner.name": "m", "word": None}, inc={"inner.depth": 1})
        )
    changed = await documents.get(THINGS, thing.id)
    assert (changed.inner, changed.word) == (Inner("m", 2), None)


async def test_a_change_happens_only_where_the_record_matches(documents: Any) -> None:
    stock = Thing(id=uuid4(), number=1)
    await insert(documents, THINGS, stock)
    take = Change(inc={"number": -1})
    async with documents.transaction() as tx:
        assert (await tx.change(THINGS, stock.id, take, gt("number", 0))).number == 0
        assert await tx.change(THINGS, stock.id, take, gt("number", 0)) is None
        assert await tx.change(THINGS, uuid4(), take) is None
    assert (await documents.get(THINGS, stock.id)).version == 2


async def test_a_change_that_does_not_fit_the_record_is_refused(documents: Any) -> None:
    thing = Thing(id=uuid4())
    await insert(documents, THINGS, thing)
    async with documents.transaction() as tx:
        with pytest.raises(msgspec.ValidationError):
            await tx.change(THINGS, thing.id, Change(set={"number": "many"}))
        with pytest.raises(ValueError, match="no field"):
            await tx.change(THINGS, thing.id, Change(set={"nmuber": 1}))
    assert await documents.get(THINGS, thing.id) == thing


# -- unique indexes


async def test_a_unique_index_refuses_a_second_one_by_its_name(documents: Any) -> None:
    first = home("a", email="ann@example.com", host="h")
    await insert(documents, HOMES, first)
    other = home("b", host="h")
    refused = [
        (lambda tx: tx.insert(HOMES, home(email="ann@example.com")), "email"),
        (lambda tx: tx.insert(HOMES, msgspec.structs.replace(first, email=None, title="z")), "id"),
        (lambda tx: tx.insert(HOMES, home("a", host="h")), "one_open_per_host"),
        (lambda tx: tx.upsert(HOMES, home(email="ann@example.com")), "email"),
        (lambda tx: tx.replace(HOMES, msgspec.structs.replace(other, title="a")), "one_open_per_host"),
        (lambda tx: tx.change(HOMES, other.id, Change(set={"title": "a"})), "one_open_per_host"),
    ]
    async with documents.transaction() as tx:
        await tx.insert(HOMES, other)
        for write, index in refused:
            with pytest.raises(Duplicate) as caught:
                await write(tx)
            assert caught.value.facts == {"index": index}
    assert await documents.count(HOMES) == 2


async def test_a_partial_unique_index_knows_only_the_records_that_match_and_absent_values_never_collide(
    documents: Any,
) -> None:
    shut = [home("a", host="h", status="shut") for _ in range(3)]
    await insert(documents, HOMES, *shut, home("a", host="h"))
    with pytest.raises(Duplicate):
        async with documents.transaction() as tx:
            await tx.change(HOMES, shut[0].id, Change(set={"status": "open"}))
    assert await documents.count(HOMES, eq("email", None)) == 4


async def test_of_many_inserted_together_all_or_none_are_there(documents: Any) -> None:
    await insert(documents, HOMES, *(home() for _ in range(3_000)))
    async with documents.transaction() as tx:
        with pytest.raises(Duplicate):
            await tx.insert_many(HOMES, [home(), home("a", email="e"), home("b", email="e"), home()])
        assert await tx.count(HOMES) == 3_000
        await tx.insert_many(HOMES, [])
    assert await documents.count(HOMES) == 3_000


# -- filters

WORDS = st.sampled_from(["", "a", "b", "ab", "B", "ü", "Z'", '"'])
INSTANTS = st.sampled_from(
    [NOON + timedelta(seconds=s, microseconds=u) for s in (-1, 0, 1) for u in (0, 1, 10, 500_000)]
)
DAYS = st.sampled_from([date(2027, 4, day) for day in (13, 14, 15)])
OWNERS = st.sampled_from([UUID(int=number) for number in (1, 2, 2**127)])
SPOTS = st.builds(
    Spot,
    st.sampled_from([-90.0, -10.5, 0.0, 10.1, 10.100000001, 90.0]),
    st.sampled_from([-180.0, -179.9, -10.5, 0.0, 10.1, 179.9, 180.0]),
)
INNERS = st.builds(Inner, WORDS, st.none() | st.integers(-2, 2))
PRICES = st.builds(Money, st.integers(-1, 2), st.sampled_from(["EUR", "USD"]))
TAGS = st.lists(WORDS, max_size=3).map(tuple)
HALVES = st.sampled_from([-1.5, 0.0, 0.5, 1.0, 2.25])

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "word": st.none() | WORDS,
    "number": st.integers(-3, 3),
    "half": st.none() | HALVES,
    "at": INSTANTS,
    "day": DAYS,
    "flag": st.booleans(),
    "colour": st.none() | st.sampled_from(Colour),
    "owner": st.none() | OWNERS,
    "inner.name": st.none() | WORDS,
    "inner.depth": st.none() | st.integers(-2, 2),
    "price.amount": st.none() | st.integers(-1, 2),
    "counts.k": st.none() | st.integers(0, 2),
    "version": st.integers(1, 2),
}
ALIKE = {"price": st.none() | PRICES, "inner": INNERS, "tags": TAGS}
THING = st.builds(
    Thing,
    id=st.uuids(),
    word=FIELDS["word"],
    number=FIELDS["number"],
    half=FIELDS["half"],
    at=INSTANTS,
    day=DAYS,
    flag=st.booleans(),
    colour=FIELDS["colour"],
    owner=FIELDS["owner"],
    tags=TAGS,
    labels=TAGS,
    inner=st.none() | INNERS,
    price=st.none() | PRICES,
    counts=st.dictionaries(st.sampled_from(["k", "l"]), st.integers(0, 2)),
    spot=st.none() | SPOTS,
    place=st.none() | SPOTS,
)
LATS, LNGS = st.sampled_from([-90.0, -10.5, 0.0, 10.1, 90.0]), st.sampled_from([-180.0, -170.0, 10.1, 180.0])


def comparisons(path: str) -> st.SearchStrategy[Where]:
    values = FIELDS[path]
    return st.one_of(
        st.builds(eq, st.just(path), values),
        st.builds(ne, st.just(path), values),
        st.builds(one_of, st.just(path), st.lists(values, max_size=3)),
        *(
            st.builds(order, st.just(path), values.filter(lambda v: v is not None))
            for order in (lt, le, gt, ge)
        ),
    )


LEAVES = st.one_of(
    *(comparisons(path) for path in FIELDS),
    *(st.builds(order, st.just(path), values) for path, values in ALIKE.items() for order in (eq, ne)),
    st.builds(has, st.sampled_from(["tags", "labels"]), WORDS),
    st.builds(within, st.sampled_from(["spot", "place"]), LATS, LNGS, LATS, LNGS),
    st.just(eq("colour", Colour.RED)),
    st.just(eq("colour", Colour.RED) & ne("word", None)),
)
WHERES = st.recursive(
    LEAVES,
    lambda parts: st.builds(operator.and_, parts, parts) | st.builds(operator.or_, parts, parts),
    max_leaves=5,
)


def at_path(record: Any, path: str) -> Any:
    for step in path.split("."):
        record = record.get(step) if isinstance(record, dict) else getattr(record, step, None)
    return record.value if isinstance(record, enum.Enum) else record


COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": lambda a, b: a is not None and a < b,
    "le": lambda a, b: a is not None and a <= b,
    "gt": lambda a, b: a is not None and a > b,
    "ge": lambda a, b: a is not None and a >= b,
    "in": lambda a, b: a in b,
    "has": lambda a, b: b in a,
}


def matches(record: Any, where: Where) -> bool:
    """What a filter means, said in Python."""
    if where.op in ("and", "or"):
        return (all if where.op == "and" else any)(matches(record, part) for part in where.parts)
    if where.op == "within":
        spot, (south, west, north, east) = at_path(record, where.field), where.value
        if spot is None:
            return False
        across = west <= spot.lng <= east if west <= east else spot.lng >= west or spot.lng <= east
        return south <= spot.lat <= north and across
    value = where.value.value if isinstance(where.value, enum.Enum) else where.value
    if where.op == "in":
        value = [one.value if isinstance(one, enum.Enum) else one for one in value]
    return COMPARED[where.op](at_path(record, where.field), value)


once_for_all = settings(suppress_health_check=list(HealthCheck), deadline=None)


async def refill(documents: Any, of: Collection[Any], records: list[Any]) -> None:
    async with documents.transaction() as tx:
        await tx.delete_where(of, EVERY)
        await tx.insert_many(of, records)


@once_for_all
@given(
    st.lists(THING, max_size=12, unique_by=lambda thing: thing.id), st.lists(WHERES, min_size=1, max_size=8)
)
async def test_every_filter_finds_what_a_look_at_every_record_finds(
    documents: Any, things: list[Thing], wheres: list[Where]
) -> None:
    await refill(documents, THINGS, things)
    stored = [msgspec.structs.replace(thing, version=1) for thing in things]
    for where in wheres:
        expected = sorted(
            (thing for thing in stored if matches(thing, where)), key=lambda thing: str(thing.id)
        )
        assert (await documents.find(THINGS, where, limit=100)).items == expected, where
        assert await documents.count(THINGS, where) == len(expected)
        first = await documents.first(THINGS, where, sort=["-id"])
        assert first == (expected[-1] if expected else None)
    async with documents.transaction() as tx:
        gone = await tx.delete_where(THINGS, wheres[0])
    assert gone == sum(matches(thing, wheres[0]) for thing in stored)


async def test_a_field_that_the_record_does_not_have_is_a_mistake(documents: Any) -> None:
    for wrong in ("nmuber", "inner.nmae", "number.x", "word'", "a b", "", "word) OR 1=1 --"):
        with pytest.raises(ValueError, match=r"no field|not a path"):
            await documents.find(THINGS, eq(wrong, 1))
        with pytest.raises(ValueError, match=r"no field|not a path"):
            await documents.find(THINGS, sort=[wrong])
    with pytest.raises(ValueError, match="operator"):
        await documents.find(THINGS, Where("like", "word", "%"))
    with pytest.raises(ValueError, match="declared"):
        await documents.find(Collection("others", Thing))


async def test_values_are_never_part_of_the_statement(documents: Any) -> None:
    await insert(documents, THINGS, Thing(id=uuid4(), word="x"))
    for evil in ("' OR '1'='1", "x' --", '"); DROP TABLE things; --', "?", "%"):
        for where in (eq("word", evil), one_of("word", [evil]), has("tags", evil), has("labels", evil)):
            assert await documents.count(THINGS, where) == 0
        assert await documents.search_text(HOMES, evil) == []
    assert await documents.count(THINGS) == 1


async def test_records_are_counted_by_the_values_of_a_field(documents: Any) -> None:
    things = [
        Thing(id=uuid4(), number=n % 3, flag=n == 0, colour=Colour.RED if n else None, inner=Inner("i"))
        for n in range(7)
    ]
    await insert(documents, THINGS, *things)
    assert await documents.count_by(THINGS, "number") == {"0": 3, "1": 2, "2": 2}
    assert await documents.count_by(THINGS, "flag") == {"true": 1, "false": 6}
    assert await documents.count_by(THINGS, "colour") == {"red": 6}
    assert await documents.count_by(THINGS, "inner.name", gt("number", 0)) == {"i": 4}
    assert await documents.count_by(THINGS, "number", eq("word", "none")) == {}


# -- orders and pages

SORTABLE = ["word", "number", "half", "at", "day", "flag", "inner.depth", "counts.k", "id"]
SORTS = st.lists(st.sampled_from(SORTABLE), max_size=3, unique=True).flatmap(
    lambda paths: st.tuples(*(st.sampled_from([path, f"-{path}"]) for path in paths))
)


def in_order(things: list[Thing], sort: tuple[str, ...]) -> list[Thing]:
    """An absent value is the least of all; the id breaks ties, in the direction of the last part."""
    parts = list(sort)
    if not any(part.lstrip("-") == "id" for part in parts):
        parts.append("-id" if parts and parts[-1].startswith("-") else "id")

    def key(thing: Thing, path: str) -> tuple[bool, Any]:
        value = str(thing.id) if path == "id" else at_path(thing, path)
        return (value is not None, value)

    def compare(one: Thing, other: Thing) -> int:
        for part in parts:
            a, b = key(one, part.lstrip("-")), key(other, part.lstrip("-"))
            if a != b:
                return (-1 if a < b else 1) * (-1 if part.startswith("-") else 1)
        return 0

    return sorted(things, key=functools.cmp_to_key(compare))


@once_for_all
@given(
    st.lists(THING, max_size=15, unique_by=lambda thing: thing.id),
    SORTS,
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
async def test_pages_neither_repeat_nor_hide_a_record_while_others_come_and_go(
    documents: Any, things: list[Thing], sort: tuple[str, ...], limit: int, chance: random.Random
) -> None:
    chance.shuffle(things)
    there, coming = things[: len(things) // 2], things[len(things) // 2 :]
    await refill(documents, THINGS, there)
    assert (await documents.find(THINGS, sort=sort, limit=50)).items == in_order(there, sort)
    going = set(chance.sample(range(len(there)), len(there) // 4))
    seen, cursor = list[Thing](), None
    while True:
        page = await documents.find(THINGS, sort=sort, limit=limit, cursor=cursor)
        seen += page.items
        assert len(page.items) <= limit
        async with documents.transaction() as tx:
            if coming:
                await tx.insert(THINGS, coming.pop())
            if going:
                await tx.delete(THINGS, there[going.pop()].id)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == in_order(seen, sort)
    assert len({thing.id for thing in seen}) == len(seen)
    left = await documents.get_many(THINGS, [thing.id for thing in there])
    assert {thing.id for thing in left} <= {thing.id for thing in seen}


async def test_the_last_page_has_no_cursor(documents: Any) -> None:
    await insert(documents, HOMES, *(home() for _ in range(4)))
    first = await documents.find(HOMES, limit=2)
    last = await documents.find(HOMES, limit=2, cursor=first.next_cursor)
    assert (len(first.items), len(last.items), last.next_cursor) == (2, 2, None)
    assert (await documents.find(HOMES, eq("title", "none"))).items == []


async def test_a_cursor_of_another_order_or_made_elsewhere_is_invalid(documents: Any) -> None:
    await insert(documents, HOMES, *(home() for _ in range(3)))
    cursor = (await documents.find(HOMES, limit=1)).next_cursor
    for wrong in (cursor, "", "x", "gA", "wA", "kA"):
        with pytest.raises(Invalid):
            await documents.find(HOMES, sort=["-title"], cursor=wrong)


async def test_a_cursor_that_was_changed_is_invalid_or_leads_to_another_place(documents: Any) -> None:
    await insert(documents, HOMES, *(home() for _ in range(3)))
    for sort, values in (
        ("-title", ["a", "a\0b", "\ue000", 1, 2**64 - 1, 1e308, float("inf"), True]),
        ("-ends", ["2026-11-29T16:20:35.933525", "then", "a\0b", -(2**63)]),
        ("-version", ["1", "-1", 1, "NaN", "sNaN", "Infinity", "1e999999", "two", float("nan"), 2**64 - 1]),
    ):
        for value in values:
            with suppress(Invalid):
                await documents.find(HOMES, sort=[sort], cursor=cursor_of([sort, value, str(uuid4())]))
            for no_id in ("x", "", 1, 2**64 - 1, None, True, float("nan")):
                with pytest.raises(Invalid):
                    await documents.find(HOMES, sort=[sort], cursor=cursor_of([sort, value, no_id]))


# -- expiry


async def test_an_expired_record_is_not_seen_from_its_instant_on(documents: Any, clock: MovableClock) -> None:
    ends = NOON + timedelta(microseconds=500)
    short, long = home("short", ends=ends), home("long")
    await insert(documents, KEYS, short, long)
    assert await documents.get(KEYS, short.id) == short
    clock.move_to(ends)
    async with documents.transaction() as tx:
        for reads in (documents, tx):
            assert await reads.get(KEYS, short.id) is None
            assert await reads.get_many(KEYS, [short.id, long.id]) == [long]
            assert await reads.first(KEYS, eq("title", "short")) is None
            assert (await reads.find(KEYS)).items == [long]
            assert await reads.count(KEYS) == 1
            assert await reads.count_by(KEYS, "title") == {"long": 1}
        assert await tx.change(KEYS, short.id, Change(set={"words": "w"})) is None
        assert not await tx.delete(KEYS, short.id)
        assert await tx.delete_where(KEYS, eq("title", "short")) == 0
        with pytest.raises(NotFound):
            await tx.replace(KEYS, short)


async def test_an_expired_record_does_not_stand_in_the_way_of_its_successor(
    documents: Any, clock: MovableClock
) -> None:
    ends = NOON + HOUR
    old = [home(f"key-{number}", ends=ends) for number in range(3)]
    await insert(documents, KEYS, *old)
    clock.move_to(ends)
    async with documents.transaction() as tx:
        await tx.insert(KEYS, home("key-0"))
        await tx.insert(KEYS, msgspec.structs.replace(old[1], ends=None))
        assert (await tx.upsert(KEYS, msgspec.structs.replace(old[2], ends=None))).version == 1
        with pytest.raises(Duplicate):
            await tx.insert(KEYS, home("key-0"))
    assert await documents.count(KEYS) == 3


async def test_forgetting_clears_expired_records_away(documents: Any, clock: MovableClock) -> None:
    await insert(documents, KEYS, *(home(ends=NOON + HOUR) for _ in range(2_500)), home())
    await documents.forget(NOON, DAY)
    clock.move_to(NOON + HOUR)
    assert await documents.forget(clock.now(), DAY) == 2_500
    assert await documents.forget(clock.now(), DAY) == 0
    assert await documents.count(KEYS) == 1


# -- text

TITLES = {
    "cafe": home("Café am Königsplatz", words="Süße Wohnung mit Balkon", tags=("Sauna",)),
    "beach": home("Beach house", words="Cosy café nearby, quiet balcony"),
    "naive": home("NAÏVE art loft, 3rd floor", status="shut", tags=("Wi-Fi",)),
}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("cafe", {"cafe", "beach"}),
        ("CAFÉ", {"cafe", "beach"}),
        ("cafe\u0301", {"cafe", "beach"}),
        ("konigsplatz", {"cafe"}),
        ("am königs", {"cafe"}),
        ("königs am", set()),
        ("balk", {"cafe"}),
        ("balcony cafe", {"beach"}),
        ("naive loft", {"naive"}),
        ("sauna", {"cafe"}),
        ("wi-fi", {"naive"}),
        ("3r", {"naive"}),
        ("nothing", set()),
        ("", set()),
        (" - * ' \" ( ", set()),
        ('"cafe" OR beach', set()),
        ("title : cafe", set()),
        ("cafe*", {"cafe", "beach"}),
        ("NEAR(cafe", set()),
        ("cafe\x00 beach", {"beach"}),
    ],
)
async def test_text_is_found_by_its_words_and_the_beginning_of_the_last(
    documents: Any, words: str, found: set[str]
) -> None:
    await insert(documents, HOMES, *TITLES.values())
    results = await documents.search_text(HOMES, words)
    assert {name for name, record in TITLES.items() if record in results} == found
    assert len(results) == len(found)


async def test_the_best_match_comes_first_within_filter_and_limit(documents: Any) -> None:
    often = home("sea sea sea view of the sea")
    seldom = home("a house somewhere with many rooms and, when the weather is clear, far away, the sea")
    shut = home("sea", status="shut")
    await insert(documents, HOMES, seldom, often, shut, *(home(f"mountain {n}") for n in range(5)))
    assert await documents.search_text(HOMES, "sea", eq("status", "open")) == [often, seldom]
    assert await documents.search_text(HOMES, "sea", eq("status", "open"), limit=1) == [often]


async def test_text_follows_every_change_of_a_record(documents: Any) -> None:
    first = home("old name")
    async with documents.transaction() as tx:
        await tx.insert(HOMES, first)
        await tx.change(HOMES, first.id, Change(set={"title": "new name", "words": "more"}))
        assert await tx.search_text(HOMES, "old") == []
        assert len(await tx.search_text(HOMES, "new more")) == 1
        await tx.delete(HOMES, first.id)
    assert await documents.search_text(HOMES, "name") == []


async def test_a_collection_without_a_text_index_cannot_be_searched(documents: Any) -> None:
    with pytest.raises(ValueError, match="text"):
        await documents.search_text(THINGS, "word")


# -- boxes


def spots() -> Iterator[Thing]:
    for lat in (-90.0, -17.8, 0.0, 47.07, 90.0):
        for lng in (-180.0, -179.999, 0.0, 15.44, 179.999, 180.0):
            yield Thing(id=uuid4(), spot=Spot(lat, lng), place=Spot(lat, lng))


@pytest.mark.parametrize("field", ["spot", "place"])
@pytest.mark.parametrize(
    ("box", "lats", "lngs"),
    [
        ((47.0, 15.0, 48.0, 16.0), {47.07}, {15.44}),
        ((47.07, 15.44, 47.07, 15.44), {47.07}, {15.44}),
        ((47.0700001, 15.44, 48.0, 15.44), set(), {15.44}),
        ((-18.0, 179.0, -17.0, -179.0), {-17.8}, {-180.0, -179.999, 179.999, 180.0}),
        ((-90.0, -180.0, 90.0, 180.0), None, None),
        ((1.0, 0.0, -1.0, 1.0), set(), set()),
    ],
)
async def test_a_box_finds_what_is_in_it_also_across_the_180th_meridian(
    documents: Any, field: str, box: tuple[float, ...], lats: set[float] | None, lngs: set[float] | None
) -> None:
    things = list(spots())
    await insert(documents, THINGS, *things, Thing(id=uuid4()))
    found = await documents.find(THINGS, within(field, *box), limit=100)
    expected = [
        thing.id
        for thing in things
        if thing.spot
        and (lats is None or thing.spot.lat in lats)
        and (lngs is None or thing.spot.lng in lngs)
    ]
    assert {thing.id for thing in found.items} == set(expected)


async def test_it_is_ready_until_it_is_closed(documents: Any) -> None:
    await documents.ready()
    await documents.close()
    with pytest.raises(Unavailable):
        await documents.ready()


# -- several at once


async def test_of_many_changes_at_once_none_is_lost(documents: Any) -> None:
    stock, once = Thing(id=uuid4(), number=30), home("a", email="ann@example.com")
    await insert(documents, THINGS, stock)

    async def take() -> bool:
        async with documents.transaction() as tx:
            return await tx.change(THINGS, stock.id, TAKE, gt("number", 0)) is not None

    async def put() -> int:
        async with documents.transaction() as tx:
            return int((await tx.upsert(HOMES, once)).version)

    async def claim() -> bool:
        try:
            async with documents.transaction() as tx:
                await tx.insert(HOMES, home(email="bob@example.com"))
        except Duplicate:
            return False
        return True

    assert sum(await asyncio.gather(*(take() for _ in range(40)))) == 30
    assert sorted(await asyncio.gather(*(put() for _ in range(20)))) == list(range(1, 21))
    assert sum(await asyncio.gather(*(claim() for _ in range(20)))) == 1
    assert (await documents.get(THINGS, stock.id)).number == 0


async def test_what_one_instance_has_changed_the_other_sees_at_once(place: Place) -> None:
    one, other = await place.open(), await place.open()
    thing = Thing(id=uuid4(), number=0)
    await insert(one, THINGS, thing)
    for number in range(1, 6):
        here, there = (one, other) if number % 2 else (other, one)
        async with here.transaction() as tx:
            await tx.change(THINGS, thing.id, Change(inc={"number": 1}))
        known = there.at_hand(THINGS, thing.id)
        assert known is None or known.number == number
        assert (await there.get(THINGS, thing.id)).number == number
        assert [found.number for found in await there.get_many(THINGS, [thing.id])] == [number]


async def test_two_instances_change_the_same_records_at_once(place: Place) -> None:
    instances = [await place.open(), await place.open()]
    stock = Thing(id=uuid4(), number=60)
    await insert(instances[0], THINGS, stock)

    async def take(documents: Any) -> bool:
        async with documents.transaction() as tx:
            return await tx.change(THINGS, stock.id, TAKE, gt("number", 0)) is not None

    taken = await asyncio.gather(*(take(each) for _ in range(40) for each in instances))
    assert sum(taken) == 60
    for each in instances:
        assert (await each.get(THINGS, stock.id)).number == 0


TAKE = Change(inc={"number": -1})


def skip_on_stand_in(place: Place, lacking: str) -> None:
    if place.name.endswith(".mongo") and "isolation=none" in mongo_at(place.folder):
        pytest.skip(f"the wire server has no {lacking}; HOMETRIP_TEST_MONGODB_URL names a real one")


# -- declarations that change


async def test_an_index_that_is_declared_otherwise_is_made_anew_and_one_no_longer_declared_is_gone(
    place: Place,
) -> None:
    skip_on_stand_in(place, "index that keeps its name")
    before = Collection("homes", Home, indexes=(Index("title", ("title",), unique=True),))
    by_host = Collection("homes", Home, indexes=(Index("title", ("host", "title"), unique=True),))
    storage = await place.open(before)
    await insert(storage, before, home("a", host="h"))
    with pytest.raises(Duplicate):
        await insert(storage, before, home("a", host="i"))
    await storage.close()
    storage = await place.open(by_host)
    await insert(storage, by_host, home("a", host="i"))
    with pytest.raises(Duplicate) as caught:
        await insert(storage, by_host, home("a", host="h"))
    assert caught.value.facts == {"index": "title"}
    await storage.close()
    bare = Collection("homes", Home)
    storage = await place.open(bare)
    await insert(storage, bare, home("a", host="h"))
    assert await storage.count(bare) == 3


async def test_records_from_before_a_text_index_are_found_by_it(place: Place) -> None:
    bare = Collection("homes", Home)
    by_title = Collection("homes", Home, text=TextIndex(("title",)))
    by_words = Collection("homes", Home, text=TextIndex(("words",)))
    record = home("Café", words="balcony")
    storage = await place.open(bare)
    await insert(storage, bare, record)
    await storage.close()
    for of, found, missed in ((by_title, "cafe", "balcony"), (by_words, "balcony", "cafe")):
        storage = await place.open(of)
        assert await storage.search_text(of, found) == [record]
        assert await storage.search_text(of, missed) == []
        await storage.close()


async def test_records_that_a_newer_version_may_have_written_are_refused(place: Place) -> None:
    """This one would write them back without what it does not know of them."""
    storage = await place.open(HOMES, THINGS)
    await insert(storage, HOMES, home("a", email="a"))
    await storage.close()
    newer = msgspec.structs.replace(HOMES, edition=2)
    storage = await place.open(newer, THINGS)
    assert await storage.count(newer) == 1
    await storage.close()
    with pytest.raises(Unfit, match=r"has edition 2 of homes, and .* knows 1: use the newer version"):
        await place.open(HOMES, THINGS)
    storage = await place.open(newer, THINGS)  # and nothing was changed by that
    assert await storage.count(newer) == 1
    await storage.close()
    storage = await place.open(THINGS)
    await storage.close()
    with pytest.raises(Unfit, match="edition 2 of homes"):
        await place.open(HOMES)


# -- engines outside of this process

OUTSIDE = pytest.mark.parametrize("place", [name for name in ADAPTERS if "sqlite" not in name], indirect=True)


@OUTSIDE
async def test_what_is_not_set_up_is_refused_with_what_to_do(place: Place) -> None:
    storage = place.make()
    with pytest.raises(Unfit, match="hometrip migrate"):
        await storage.open()
    assert [finding.fine for finding in await storage.examine()][-1] is False
    done = await storage.migrate()
    assert done
    assert await storage.migrate() == []
    await storage.open()
    assert all(finding.fine for finding in await storage.examine())
    later = msgspec.structs.replace(THINGS, edition=2)
    with pytest.raises(Unfit, match=r"earlier edition of things.*hometrip migrate"):
        await place.make(later).open()
    with pytest.raises(Unfit, match=r"homes.*hometrip migrate"):
        await place.make(Collection("homes", Home, indexes=(Index("shown", ("host",)),))).open()


@OUTSIDE
async def test_what_a_newer_version_has_set_up_is_refused(place: Place) -> None:
    storage = await place.open()
    if place.name.endswith("mongo"):
        await storage.link["hometrip_made"].update_one({"_id": "layout"}, {"$set": {"made": "2"}})
    else:
        async with storage.pool.link() as link:
            await link.execute("UPDATE doc_made SET made = '2' WHERE name = 'layout'")
    for refused in (storage.open, storage.migrate):
        with pytest.raises(Unfit, match=r"layout 2.*newer version"):
            await refused()


@OUTSIDE
async def test_many_set_up_the_same_database_at_once(place: Place) -> None:
    await asyncio.gather(*(place.make().migrate() for _ in range(4)))
    storage = place.make()
    await storage.open()
    await insert(storage, HOMES, home(email="e"))


@OUTSIDE
async def test_a_server_that_is_not_there_is_named_without_its_password(place: Place) -> None:
    scheme = "mongodb" if place.name.endswith("mongo") else "postgresql"
    adapter, _ = ADAPTERS[place.name]
    new_id = ids(place.clock)
    url = f"{scheme}://ann:secret-word@127.0.0.1:1/things"
    storage = adapter(url, service="things", clock=place.clock, new_id=new_id, collections=[THINGS])
    asked = (storage.open(), storage.migrate(), storage.ready(), storage.count(THINGS))
    for told in await asyncio.gather(*(asyncio.wait_for(one, 5) for one in asked), return_exceptions=True):
        assert isinstance(told, Unavailable)
        assert "secret-word" not in str(told.detail)
    with pytest.raises(Unfit, match=r"127\.0\.0\.1:1/things does not answer"):
        await storage.open()
    await storage.close()


async def plan_of(place: Place, storage: Any, ask: Callable[[], Any]) -> str:
    """How the engine goes about the question that the storage puts to it."""
    if place.name.endswith("postgres"):
        asked = []
        fetch = storage._fetch
        storage._fetch = lambda query, bound: asked.append((query, bound)) or fetch(query, bound)
        await ask()
        del storage._fetch
        return "\n".join(row[0] for row in await fetch(f"EXPLAIN {asked[-1][0]}", asked[-1][1]))
    finds = []
    rows = storage.rows
    storage.rows = lambda shelf, *parts, **more: (
        finds.append((shelf, parts, more)) or rows(shelf, *parts, **more)
    )
    await ask()
    del storage.rows
    shelf, parts, more = finds[-1]
    find = {"find": shelf.name, "filter": storage.living(shelf, *parts), "limit": more.get("limit", 0)}
    if more.get("sort"):
        find["sort"] = dict(more["sort"])
    explained = await storage.link.database.command("explain", find, verbosity="queryPlanner")
    return str(explained["queryPlanner"]["winningPlan"])


USES: dict[str, tuple[Callable[[Any], Any], bool]] = {
    # index: the question, and whether the wire server uses an index for it
    "number": (lambda of: of.find(THINGS, eq("number", 77)), True),
    "at": (lambda of: of.find(THINGS, ge("at", NOON + 1995 * HOUR)), True),
    "tags": (lambda of: of.find(THINGS, has("tags", "tag77")), False),
    "red": (
        lambda of: of.find(THINGS, eq("number", 77) & (eq("colour", Colour.RED) & ne("word", None))),
        False,
    ),
    "place": (lambda of: of.find(THINGS, within("spot", 10.0, 10.0, 10.2, 10.2)), False),
    "email": (lambda of: of.find(HOMES, eq("email", "77@example.com")), True),
    "one_open_per_host": (lambda of: of.first(HOMES, eq("host", "h77") & eq("status", "open")), False),
    "text": (lambda of: of.search_text(HOMES, "word77"), False),
}


@OUTSIDE
async def test_the_declared_indexes_are_there_and_are_used(place: Place) -> None:
    storage = await place.open()
    things = [
        Thing(
            id=uuid4(),
            number=n,
            at=NOON + n * HOUR,
            tags=(f"tag{n}",),
            word="w",
            colour=Colour.RED if n % 100 == 77 else Colour.BLUE,
            spot=Spot(n / 100, n / 100),
        )
        for n in range(2_000)
    ]
    homes = [home(f"word{n}", email=f"{n}@example.com", host=f"h{n}") for n in range(2_000)]
    await insert(storage, THINGS, *things)
    await insert(storage, HOMES, *homes)
    real = True
    if place.name.endswith("postgres"):
        async with storage.pool.link() as link:
            await link.execute("ANALYZE")
    else:
        real = storage.link.whole
    for index, (ask, by_stand_in) in USES.items():
        plan = await plan_of(place, storage, lambda ask=ask: ask(storage))
        if real:
            # More than one index may serve: then any is right that is not a look at every record.
            assert not re.search("Seq Scan|COLLSCAN", plan), (index, plan)
            assert index in plan or index == "red", (index, plan)
        elif by_stand_in:
            assert "USING INDEX" in plan, (index, plan)


# -- MongoDB's own


async def test_a_standalone_mongodb_is_refused(tmp_path: Path, clock: MovableClock) -> None:
    url = mongo_at(tmp_path)
    if "isolation=none" not in url:
        pytest.skip("HOMETRIP_TEST_MONGODB_URL names a replica set")
    alone = url.replace("isolation=none", "")
    storage = MongoDocuments(alone, service="things", clock=clock, new_id=ids(clock), collections=[THINGS])
    for refused in (storage.open, storage.migrate):
        with pytest.raises(Unfit, match=r"standalone.*replica set"):
            await refused()
    await storage.close()


async def test_whoever_does_not_get_the_turn_waits_and_ends_a_transaction_that_does_nothing(
    clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_link, "IDLE_SECONDS", 0.05)
    ended: list[Any] = []
    dead = {"lsid": {"id": Binary.from_uuid(uuid4())}}
    turn = {"ok": 1, "value": {"_id": "turn", "number": 7}}
    commits = iter([{"ok": 0, "code": 91, "errmsg": "going down", "errorLabels": [UNKNOWN]}])

    def found(*documents: Any) -> dict[str, Any]:
        return {"ok": 1, "cursor": {"id": 0, "ns": "admin.$cmd.aggregate", "firstBatch": [*documents]}}

    answers = {
        "find": lambda _: found(),
        "findAndModify": lambda _: turn if ended else WRITE_CONFLICT,
        "aggregate": lambda _: found(dead),
        "killSessions": lambda told: ended.append(told["killSessions"]) or {"ok": 1},
        "commitTransaction": lambda _: next(commits, {"ok": 1}),
    }
    async with scripted(answers) as (url, asked):
        storage = MongoDocuments(url, service="things", clock=clock, new_id=ids(clock), collections=[THINGS])
        async with storage.transaction() as tx:
            assert tx.link is storage.link
        await storage.close()
    assert ended == [[{"id": dead["lsid"]["id"]}]]
    assert asked.count("commitTransaction") == 2
    assert asked.index("killSessions") > asked.index("findAndModify")


def committing(said: Callable[[], dict[str, Any]]) -> dict[str, Callable[[Any], Any]]:
    """The answers of a server that takes every transaction up to its commit."""
    return {
        "find": lambda _: {"ok": 1, "cursor": {"id": 0, "ns": "admin.$cmd.aggregate", "firstBatch": []}},
        "findAndModify": lambda _: {"ok": 1, "value": {"_id": "turn", "number": 7}},
        "commitTransaction": lambda _: said(),
    }


IN_DOUBT = {"ok": 0, "code": 91, "errmsg": "going down", "errorLabels": [UNKNOWN]}


async def commit(storage: MongoDocuments) -> None:
    async with storage.transaction() as tx:
        assert tx.link is storage.link


async def test_while_a_commit_is_in_doubt_nobody_waits_for_its_block(clock: MovableClock) -> None:
    said = [IN_DOUBT]
    async with scripted(committing(lambda: said[-1])) as (url, asked):
        storage = MongoDocuments(url, service="things", clock=clock, new_id=ids(clock), collections=[THINGS])
        first = asyncio.create_task(commit(storage))
        waiting = asyncio.create_task(commit(storage))
        with pytest.raises(Unavailable):
            await waiting
        with pytest.raises(Unavailable):
            await commit(storage)
        assert not first.done()
        said.append({"ok": 1})
        await first
        await commit(storage)
        assert asked.count("commitTransaction") >= 3
        await storage.close()


@pytest.mark.parametrize("said", [IN_DOUBT, {"ok": 0, "errmsg": "No session specified"}])
async def test_a_commit_of_which_nothing_becomes_known_is_given_up_in_time(
    said: dict[str, Any], clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_link, "CERTAIN_SECONDS", 0.2)
    async with scripted(committing(lambda: said)) as (url, _):
        storage = MongoDocuments(url, service="things", clock=clock, new_id=ids(clock), collections=[THINGS])
        with pytest.raises(Unavailable, match="does not say"):
            await commit(storage)
        await storage.close()


# -- what the adapters have in common


class Said(SqlFields):
    def expression(self, path: str) -> str:
        return f"<{path}>"

    def mark(self, number: int) -> str:
        return f":{number}"

    def value_for(self, path: str, value: Any) -> Any:
        return value


def test_a_field_holds_what_its_type_says() -> None:
    fields: Fields = Said(Thing)
    holds = {
        path: fields.kind_of(path) for path in ("word", "number", "at", "flag", "colour", "tags", "inner")
    }
    assert holds == {
        "word": Kind("text"),
        "number": Kind("number"),
        "at": Kind("instant"),
        "flag": Kind("truth"),
        "colour": Kind("text"),
        "tags": Kind("list"),
        "inner": Kind("any"),
    }
    assert fields.kind_of("id") == Kind("text", nullable=False)


def test_values_of_a_filter_are_bound_behind_those_that_are_there() -> None:
    fields = Said(Thing)
    fields.operators = COMPARISONS
    said = fields.filter(eq("word", "x' --") & ne("number", None), ["first"])
    assert said == ("(<word> = :2 AND <number> IS NOT NULL)", ["first", "x' --"])


def test_words_have_no_case_no_accents_and_no_signs() -> None:
    assert words_of("Café  NAÏVE-art_3rd, Süße") == ["cafe", "naive", "art", "3rd", "suße"]
    assert sought(" wi-fi * Balk") == ["wi", "fi", "balk"]
