"""What every document storage promises beside what all storages do; see test_outbox.py."""

from __future__ import annotations

import enum
import functools
import operator
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from storages import cleared, file_at, mongo_at, opened, postgres_at

from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.documents.mongo import MongoDocuments
from hometrip.adapters.documents.postgres import PostgresDocuments
from hometrip.adapters.documents.sqlite import SqliteDocuments
from hometrip.kernel.clock import DAY, HOUR, utc
from hometrip.kernel.errors import Invalid, NotFound, Unavailable, VersionMismatch
from hometrip.kernel.ids import ids
from hometrip.kernel.money import Money
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

# Each adapter, and where the content of a test's folder is.
ADAPTERS: dict[str, tuple[Callable[..., Any], Callable[[Path], Any]]] = {
    "adapters.documents.sqlite": (SqliteDocuments, file_at),
    "adapters.documents.mongo": (MongoDocuments, mongo_at),
    "adapters.documents.postgres": (PostgresDocuments, postgres_at),
}
NOON = utc(2027, 4, 14, 12)


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
