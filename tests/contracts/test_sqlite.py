"""What the SQLite storages promise beyond their ports: grouped commits, locks, indexes that are used."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from contracts.storages import NOTE_COLLECTION, STORAGES, Note, NoteTaken
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.documents.sqlite import SqliteDocuments
from hometrip.adapters.sqlite import file as sqlite_file
from hometrip.kernel.clock import utc
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.ids import ids
from hometrip.ports.documents import (
    EVERY,
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
    has,
    ne,
    one_of,
    within,
)

SQLITE = [name for name in STORAGES if name.endswith(".sqlite")]
NOON = utc(2027, 4, 14, 12)


@pytest.fixture(params=SQLITE)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    kind = STORAGES[request.param]
    opened = kind.open(tmp_path, SystemClock())
    opened.put = kind.put
    opened.all = lambda: kind.all(opened)
    yield opened
    await opened.close()


async def take(storage: Any) -> None:
    note_id = uuid4()
    async with storage.transaction() as tx:
        await storage.put(tx, note_id)
        await tx.emit(NoteTaken(note_id=note_id))


# -- one commit for many


async def test_many_writers_at_once_share_few_commits(storage: Any) -> None:
    before = storage.file.commits
    await asyncio.gather(*(take(storage) for _ in range(200)))
    assert storage.file.commits - before < 50
    assert len(await storage.all()) == 200


async def test_a_full_disk_is_told_plainly_and_what_was_there_stays_usable(storage: Any) -> None:
    """The file may grow by a few pages only, so that the engine itself refuses as it does on a full disk."""
    await take(storage)
    [[pages]] = storage.file.writer.execute("PRAGMA page_count").fetchall()
    storage.file.writer.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall()

    async def take_much() -> None:
        async with storage.transaction() as tx:
            await storage.put(tx, uuid4(), "x" * 50_000)

    results = await asyncio.gather(*(take_much() for _ in range(5)), return_exceptions=True)
    assert {str(result) for result in results} == {"the disk is full"}
    assert {type(result) for result in results} == {Unavailable}
    assert len(await storage.all()) == 1
    storage.file.writer.execute("PRAGMA max_page_count = 1000000").fetchall()
    await asyncio.gather(*(take(storage) for _ in range(5)))
    assert len(await storage.all()) == 6


class FailingCommit:
    """The writing connection of a disk that does not answer when it comes to the commit."""

    def __init__(self, link: sqlite3.Connection) -> None:
        self._link = link

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    def execute(self, statement: str, *bound: Any) -> Any:
        if statement == "COMMIT":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error
        return self._link.execute(statement, *bound)


async def test_a_commit_that_the_disk_refuses_leaves_nothing_of_its_group_and_tells_each_of_it(
    storage: Any,
) -> None:
    link = storage.file.writer
    storage.file.writer = FailingCommit(link)
    results = await asyncio.gather(*(storage_put(storage, link) for _ in range(20)), return_exceptions=True)
    assert {str(result) for result in results} == {"the disk does not answer"}
    assert len({id(result) for result in results}) == 20
    storage.file.writer = link
    await take(storage)
    assert len(await storage.all()) == 1


async def storage_put(storage: Any, link: sqlite3.Connection) -> None:
    async with storage.file.transaction(lambda _: storage._work(link)) as tx:
        await storage.put(tx, uuid4())


async def test_unhurried_work_goes_on_before_the_disk_and_learns_when_all_of_it_is_there(
    storage: Any,
) -> None:
    before = storage.file.commits
    safes = [await storage.unhurried(take(storage)) for _ in range(50)]
    assert storage.file.commits == before
    await asyncio.gather(*safes)
    assert storage.file.commits - before == 1
    assert len(await storage.claim(100)) == len(await storage.all()) == 50


async def test_unhurried_work_without_a_write_has_nothing_to_wait_for(storage: Any) -> None:
    assert await storage.unhurried(storage.ready()) is None


async def test_unhurried_work_that_fails_is_rolled_back_alone(storage: Any) -> None:
    async def fail() -> None:
        async with storage.transaction() as tx:
            await storage.put(tx, uuid4())
            raise ValueError("broken")

    first = await storage.unhurried(take(storage))
    with pytest.raises(ValueError, match="broken"):
        await storage.unhurried(fail())
    await first
    await (await storage.unhurried(take(storage)))
    assert len(await storage.all()) == 2


async def test_unhurried_work_whose_block_was_lost_does_not_get_to_its_next_one(storage: Any) -> None:
    link, reached = storage.file.writer, []

    async def two() -> None:
        await storage_put(storage, link)
        while storage.file._group is not None:  # noqa: ASYNC110 - the loop commits when it gets its turn
            await asyncio.sleep(0.001)
        storage.file.writer = link
        async with storage.transaction():
            reached.append("the second block")

    storage.file.writer = FailingCommit(link)
    with pytest.raises(Unavailable, match="the disk does not answer"):
        await storage.unhurried(two())
    assert reached == []
    await take(storage)
    assert len(await storage.all()) == 1


async def test_closing_keeps_what_went_ahead(storage: Any) -> None:
    safe = await storage.unhurried(take(storage))
    await storage.close()
    assert safe.done()
    await safe
    with contextlib.closing(sqlite3.connect(storage.file.path)) as link:
        assert link.execute("SELECT count(*) FROM outbox").fetchone() == (1,)


async def test_a_lost_commit_is_told_to_whoever_went_ahead(storage: Any) -> None:
    link = storage.file.writer
    storage.file.writer = FailingCommit(link)
    safe = await storage.unhurried(storage_put(storage, link))
    with pytest.raises(Unavailable, match="the disk does not answer"):
        await safe
    storage.file.writer = link
    assert len(await storage.all()) == 0


# -- other processes


async def test_a_file_that_another_process_writes_is_waited_for_without_stopping_the_loop(
    storage: Any,
) -> None:
    other = sqlite3.connect(storage.file.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = [asyncio.create_task(take(storage)) for _ in range(3)]
    turns = 0
    for _ in range(100):
        await asyncio.sleep(0)
        turns += 1
    assert turns == 100
    assert not any(task.done() for task in writing)
    other.execute("ROLLBACK")
    other.close()
    await asyncio.wait_for(asyncio.gather(*writing), 10)


async def test_a_file_that_another_process_writes_is_looked_for_often_at_first(
    storage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    really, looks = storage.file._begin_now, iter(range(50))
    monkeypatch.setattr(sqlite_file.asyncio, "sleep", pause)
    monkeypatch.setattr(storage.file, "_begin_now", lambda **_: next(looks, None) is None and really())
    await take(storage)
    assert len(pauses) == 49  # the first look was without any
    assert set(pauses[:31]) == {0.001}
    assert pauses[31:] == sorted(pauses[31:])
    assert pauses[-1] == 0.05


async def test_a_file_that_stays_locked_is_unavailable_and_free_again_afterwards(
    storage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "PATIENCE", 0.05)
    other = sqlite3.connect(storage.file.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(*(take(storage) for _ in range(3)), return_exceptions=True)
    assert {str(result) for result in results} == {"the storage is being written by another process"}
    other.execute("ROLLBACK")
    other.close()
    await take(storage)


@pytest.mark.parametrize("name", SQLITE)
async def test_a_file_that_is_no_database_or_no_file_is_unavailable(name: str, tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_bytes(b"nothing of the kind" * 1000)
    with pytest.raises(Unavailable, match="damaged"):
        STORAGES[name].open(tmp_path, SystemClock())
    (tmp_path / "notes.db").unlink()
    (tmp_path / "notes.db").mkdir()
    with pytest.raises(Unavailable, match="opened"):
        STORAGES[name].open(tmp_path, SystemClock())


async def test_damage_is_told_plainly_and_the_engine_s_words_go_to_the_log_only(
    storage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path, kind = storage.file.path, storage
    for _ in range(50):
        await take(storage)
    await kind.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    name = next(name for name in SQLITE if name.split(".")[1] in type(storage).__module__)
    with pytest.raises(Unavailable, match=r"^the storage is damaged$"):
        again = STORAGES[name].open(path.parent, SystemClock())
        await STORAGES[name].all(again)
    assert "malformed" in caplog.text


# -- indexes


class Place(msgspec.Struct, frozen=True):
    lat: float
    lng: float


class Home(Record):
    town: str
    price: int
    at: datetime
    status: str = "draft"
    host: str | None = None
    guests: tuple[str, ...] = ()
    name: str = ""
    place: Place | None = None
    ends: datetime | None = None


HOMES = Collection(
    "homes",
    Home,
    indexes=(
        Index("by_town", ("town", "price")),
        Index("newest", ("at",)),
        Index("host", ("host",), unique=True),
        Index("published", ("town", "at"), where=eq("status", "published")),
        Index("hosted", ("price",), where=ne("host", None) & one_of("status", ["a", "b"])),
        Index("guests", ("guests",)),
    ),
    expiry=Expiry("ends"),
    text=TextIndex(("name",)),
    location=LocationIndex("place"),
)


class Explaining:
    """A reading connection that keeps the engine's plan of every statement."""

    def __init__(self, link: sqlite3.Connection) -> None:
        self._link, self.plan = link, ""

    def execute(self, statement: str, bound: Any = ()) -> sqlite3.Cursor:
        if statement.startswith("PRAGMA"):
            return self._link.execute(statement)
        steps = self._link.execute(f"EXPLAIN QUERY PLAN {statement}", bound).fetchall()
        self.plan = " / ".join(step[3] for step in steps)
        return self._link.execute(statement, bound)

    run = execute

    def close(self) -> None:
        self._link.close()


def open_homes(folder: Path, of: Collection[Any] = HOMES) -> SqliteDocuments:
    clock = SystemClock()
    return SqliteDocuments(
        folder / "homes.db", service="homes", clock=clock, new_id=ids(clock), collections=[of]
    )


@pytest.fixture
async def homes(tmp_path: Path) -> AsyncIterator[SqliteDocuments]:
    opened = open_homes(tmp_path)
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("where", "sort", "index"),
    [
        (eq("town", "Graz"), ("price",), "doc_homes__by_town"),
        (eq("town", "Graz") & ge("price", 5), ("-price",), "doc_homes__by_town"),
        (EVERY, ("-at",), "doc_homes__newest"),
        (ge("at", NOON), ("at",), "doc_homes__newest"),
        (eq("host", "h"), ("id",), "doc_homes__host"),
        (eq("status", "published") & eq("town", "Graz"), ("-at",), "doc_homes__published"),
        (one_of("status", ["a", "b"]) & ne("host", None) & ge("price", 5), ("price",), "doc_homes__hosted"),
        (has("guests", "ann"), ("id",), "doc_homes__guests_value"),
        (within("place", 0, 0, 1, 1), ("id",), "VIRTUAL TABLE INDEX 2"),
        (within("place", 0, 179, 1, -179), ("id",), "VIRTUAL TABLE INDEX 2"),
        (eq("id", uuid4()), ("id",), "sqlite_autoindex_doc_homes_1"),
    ],
)
async def test_a_declared_index_is_used(
    homes: SqliteDocuments, where: Where, sort: tuple[str, ...], index: str
) -> None:
    explaining = Explaining(homes.file.reader)
    homes.file.reader = explaining  # type: ignore[assignment]
    await homes.find(HOMES, where, sort=sort)
    assert index in explaining.plan
    assert "SCAN doc_homes /" not in f"{explaining.plan} /"
    if sort != ("id",):
        assert "TEMP B-TREE" not in explaining.plan


async def test_the_index_of_the_expiry_does_not_take_the_place_of_the_order(homes: SqliteDocuments) -> None:
    explaining = Explaining(homes.file.reader)
    homes.file.reader = explaining  # type: ignore[assignment]
    await homes.find(HOMES)
    assert explaining.plan == "SCAN doc_homes USING INDEX sqlite_autoindex_doc_homes_1"


async def test_a_page_begins_at_its_place_in_the_index(homes: SqliteDocuments) -> None:
    async with homes.transaction() as tx:
        await tx.insert_many(HOMES, [Home(id=uuid4(), town="Graz", price=n, at=NOON) for n in range(3)])
    explaining = Explaining(homes.file.reader)
    homes.file.reader = explaining  # type: ignore[assignment]
    for where, sort in ((EVERY, ["-at"]), (eq("town", "Graz"), ["price"]), (eq("town", "Graz"), ["-price"])):
        page = await homes.find(HOMES, where, sort=sort, limit=1)
        assert len((await homes.find(HOMES, where, sort=sort, cursor=page.next_cursor)).items) == 2
        assert explaining.plan.startswith("SEARCH")
        assert "<" in explaining.plan or ">" in explaining.plan
        assert "TEMP B-TREE" not in explaining.plan


async def test_nobody_is_told_of_the_newer_and_then_of_the_older(homes: SqliteDocuments) -> None:
    """A commit lands, in its thread or in another process, between two reads of one round of the loop."""
    read_first, remembered, told = (
        Home(id=uuid4(), town="Graz", price=1, at=NOON),
        uuid4(),
        eq("town", "Linz"),
    )
    async with homes.transaction() as tx:
        await tx.insert_many(HOMES, [read_first, Home(id=remembered, town="Linz", price=1, at=NOON)])
    await asyncio.sleep(0)
    assert await homes.get(HOMES, remembered)
    assert (await homes.find(HOMES, told)).items
    with contextlib.closing(sqlite3.connect(homes.file.path, isolation_level=None)) as other:
        other.execute("UPDATE doc_homes SET revision = revision + 1, body = json_set(body, '$.price', 2)")
    assert (await homes.get_many(HOMES, [read_first.id]))[0].price == 2
    assert (await homes.get_many(HOMES, [remembered]))[0].price == 2
    assert (await homes.find(HOMES, told)).items[0].price == 2


async def test_text_and_expiry_are_found_by_their_indexes(homes: SqliteDocuments) -> None:
    explaining = Explaining(homes.file.reader)
    homes.file.reader = explaining  # type: ignore[assignment]
    await homes.search_text(HOMES, "house")
    assert "VIRTUAL TABLE INDEX" in explaining.plan
    assert "SEARCH doc_homes USING INTEGER PRIMARY KEY" in explaining.plan
    shelf = homes.shelves[HOMES]
    plan = homes.file.writer.execute(
        f"EXPLAIN QUERY PLAN SELECT row FROM {shelf.table} WHERE {shelf.over}", ("2027",)
    ).fetchall()
    assert "doc_homes__expiry" in plan[0][3]


async def test_indexes_follow_their_declaration_when_the_storage_is_opened_again(tmp_path: Path) -> None:
    async def aids(documents: SqliteDocuments) -> set[str]:
        names = documents.file.reader.execute(
            "SELECT name FROM sqlite_master WHERE name LIKE 'doc!_notes!_!_%' ESCAPE '!' "
            "AND type <> 'trigger'"
        )
        return {name for (name,) in names.fetchall()}

    first = open_homes(tmp_path, NOTE_COLLECTION)
    async with first.transaction() as tx:
        await tx.insert_many(NOTE_COLLECTION, [Note(id=uuid4(), text=text) for text in ("one", "two", "two")])
    assert await aids(first) == set()
    await first.close()

    declared = msgspec.structs.replace(
        NOTE_COLLECTION, indexes=(Index("text", ("text", "version")),), text=TextIndex(("text",))
    )
    with pytest.raises(ValueError, match="name for an index"):
        open_homes(tmp_path, declared)
    declared = msgspec.structs.replace(declared, indexes=(Index("by_text", ("text", "version")),))
    second = open_homes(tmp_path, declared)
    assert {"doc_notes__by_text", "doc_notes__text"} <= await aids(second)
    assert len(await second.search_text(declared, "two")) == 2
    await second.close()

    unique = msgspec.structs.replace(NOTE_COLLECTION, indexes=(Index("by_text", ("text",), unique=True),))
    with pytest.raises(sqlite3.IntegrityError):
        open_homes(tmp_path, unique)
    third = open_homes(tmp_path, declared)
    async with third.transaction() as tx:
        await tx.delete_where(declared, eq("text", "two"))
    await third.close()
    fourth = open_homes(tmp_path, unique)
    assert await aids(fourth) == {"doc_notes__by_text"}
    async with fourth.transaction() as tx:
        with pytest.raises(Duplicate):
            await tx.insert(unique, Note(id=uuid4(), text="one"))
    await fourth.close()


class Account(Record):
    emails: tuple[str, ...] = ()


async def test_a_unique_index_of_a_list_lets_each_member_be_in_one_record(tmp_path: Path) -> None:
    accounts = Collection("accounts", Account, indexes=(Index("emails", ("emails",), unique=True),))
    documents = open_homes(tmp_path, accounts)
    async with documents.transaction() as tx:
        first = await tx.insert(accounts, Account(id=uuid4(), emails=("a", "b", "a")))
        with pytest.raises(Duplicate) as caught:
            await tx.insert(accounts, Account(id=uuid4(), emails=("c", "b")))
        assert caught.value.facts == {"index": "emails"}
        assert await tx.count(accounts, has("emails", "c")) == 0
        await tx.delete(accounts, first.id)
        await tx.insert(accounts, Account(id=uuid4(), emails=("c", "b")))
    await documents.close()


class Sparse(Record, omit_defaults=True):
    word: str = "none"


@pytest.mark.parametrize(
    "wrong",
    [
        Collection("Homes", Home),
        Collection("homes; drop", Home),
        Collection("homes", Home, indexes=(Index("by town", ("town",)),)),
        Collection("homes", Home, indexes=(Index("by_twon", ("twon",)),)),
        Collection("homes", Home, indexes=(Index("mixed", ("guests", "town")),)),
        Collection("homes", Home, indexes=(Index("boxed", ("town",), where=has("guests", "ann")),)),
        Collection("homes", Home, text=TextIndex(("nmae",))),
        Collection("homes", Home, location=LocationIndex("town")),
        Collection("homes", Home, expiry=Expiry("end")),
        Collection("sparse", Sparse, indexes=(Index("word", ("word",)),)),
    ],
)
def test_a_collection_that_cannot_be_kept_as_declared_is_refused_at_the_start(
    tmp_path: Path, wrong: Collection[Any]
) -> None:
    with pytest.raises(ValueError, match=r"name|field|condition|omit|leaves"):
        open_homes(tmp_path, wrong)


# -- records in memory


async def test_a_record_is_decoded_once_for_each_revision(homes: SqliteDocuments) -> None:
    home = Home(id=uuid4(), town="Graz", price=1, at=NOON)
    async with homes.transaction() as tx:
        await tx.insert(HOMES, home)
    first = await homes.get(HOMES, home.id)
    assert await homes.get(HOMES, home.id) is first
    assert (await homes.get_many(HOMES, [home.id]))[0] is first
    assert (await homes.find(HOMES)).items[0] is first
    async with homes.transaction() as tx:
        changed = await tx.replace(HOMES, msgspec.structs.replace(home, price=2))
    assert await homes.get(HOMES, home.id) == changed


async def test_only_so_many_records_are_remembered(tmp_path: Path) -> None:
    clock = SystemClock()
    documents = SqliteDocuments(
        tmp_path / "homes.db",
        service="homes",
        clock=clock,
        new_id=ids(clock),
        collections=[NOTE_COLLECTION],
        remembered=3,
    )
    notes = [Note(id=uuid4()) for _ in range(5)]
    async with documents.transaction() as tx:
        await tx.insert_many(NOTE_COLLECTION, notes)
    first = [await documents.get(NOTE_COLLECTION, note.id) for note in notes]
    again = [await documents.get(NOTE_COLLECTION, note.id) for note in reversed(notes)]
    same = [one is other for one, other in zip(reversed(first), again, strict=True)]
    assert first == notes
    assert same == [True, True, True, False, False]
    await documents.close()
