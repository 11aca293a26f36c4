"""What the PostgreSQL storages promise beyond their ports: pools, locks, relays, a server that is unfit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Uuid, func, insert, select, update

from contracts.road import road_to
from contracts.storages import NOTES, STORAGES, NoteDue, NoteTaken, cleared, opened, postgres_at
from engines import url_of
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.database.postgres import PostgresDatabase
from hometrip.adapters.postgres import PostgresPool, drop_database, make_database, server
from hometrip.adapters.postgres import pool as pools
from hometrip.adapters.postgres.framing import LETTERS, Frames
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.ids import ids
from hometrip.ports.engine import Unfit
from hometrip.ports.outbox import Contended

KIND = STORAGES["adapters.database.postgres"]


class Place:
    """One database and any number of storages on it: as many as processes would have."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._opened = folder, list[Any]()

    @property
    def url(self) -> str:
        return postgres_at(self.folder)

    async def open(self, **more: Any) -> Any:
        storage = await opened(KIND.open(self.folder, SystemClock(), **more))
        self._opened.append(storage)
        return storage

    async def close(self) -> None:
        for storage in self._opened:
            await storage.close()
        await cleared(self.folder)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    found = Place(tmp_path)
    yield found
    await found.close()


async def take(storage: Any, note_id: UUID | None = None) -> None:
    async with storage.transaction() as tx:
        await tx.emit(NoteTaken(note_id=note_id or uuid4()))


async def asked(url: str, query: str) -> Any:
    """What the server answers to somebody else."""
    link = await asyncpg.connect(url)
    try:
        return await link.fetchval(query)
    finally:
        await link.close()


async def cut(storage: Any) -> int:
    """Every connection of the storage is ended by the server, as when it restarts; how many there were."""
    ended: int = await asked(
        storage.pool.url,
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    return ended


# -- what comes by a connection


MESSAGES = st.lists(st.tuples(st.sampled_from(sorted(LETTERS)), st.binary(max_size=40)), max_size=8)


@given(MESSAGES, st.lists(st.integers(1, 60), max_size=20))
def test_frames_hold_however_they_are_cut(messages: list[tuple[int, bytes]], cuts: list[int]) -> None:
    said = b"".join(bytes([kind]) + (4 + len(body)).to_bytes(4, "big") + body for kind, body in messages)
    frames, at = Frames(), 0
    for length in [*cuts, len(said)]:
        assert frames.hold(said[at : at + length])
        at += length


@pytest.mark.parametrize(
    "nonsense", [b"\0\xff\xff\xff\xff", b"Z\xff\xff\xff\xff", b"Z\0\0\0\3", b"HTTP/1.1 400"]
)
def test_what_is_no_frame_does_not_hold(nonsense: bytes) -> None:
    frames = Frames()
    assert frames.hold(b"Z\0\0\0\5I" + nonsense[:2])
    assert not frames.hold(nonsense[2:])


@pytest.mark.parametrize(
    "nonsense", [b"\0" * 60, b"R\xff\xff\xff\xff", b"N" + b"\0" * 60, b"N", b"HTTP/1.1 400"]
)
async def test_whoever_talks_nonsense_at_the_sign_in_is_given_up(nonsense: bytes) -> None:
    talks = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                writer.write(nonsense)
                await writer.drain()
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    pool = PostgresPool(f"postgresql://somebody@{host}:{port}/house", size=1, name="test")
    with pytest.raises(Unavailable):
        async with asyncio.timeout(10), pool.link():
            pass
    await pool.close()
    server.close()
    await asyncio.gather(*filter(None, talks))


async def test_a_server_that_talks_nonsense_is_given_up_and_taken_back(tmp_path: Path) -> None:
    server_at = urlsplit(postgres_at(tmp_path))
    assert server_at.hostname
    assert server_at.port
    async with road_to(server_at.hostname, server_at.port) as road:
        by = server_at.netloc.replace(f":{server_at.port}", f":{road.port}")
        pool = PostgresPool(url_of("postgres").replace(server_at.netloc, by), size=2, name="test")
        for _ in range(3):
            async with pool.link() as link:
                assert await link.fetchval("SELECT 1") == 1
            road.spoil = lambda words: (b"\0\xff Once upon a time" * 9)[: len(words)]
            with pytest.raises(Unavailable):
                async with pool.link() as link:
                    await link.fetchval("SELECT 2")
            road.flow()
        await pool.close()


# -- the pool


async def test_no_more_connections_are_made_than_the_pool_may_have_and_one_beside_it(place: Place) -> None:
    storage = await place.open(pool=3)
    await asyncio.gather(*(take(storage) for _ in range(50)))
    await storage.claim(1)
    count = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert await asked(place.url, count) <= 4


async def test_a_pool_gets_along_with_fewer_connections_where_the_server_has_no_more(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pools, "FULL_SECONDS", 0.5)
    storage = await place.open(pool=8)
    full, connect, made = True, storage.pool.connect, 0

    async def at_most_two(**how: Any) -> Any:
        nonlocal made
        if full and made >= 2:
            raise asyncpg.TooManyConnectionsError("sorry, too many clients already")
        made += 1
        return await connect(**how)

    monkeypatch.setattr(storage.pool, "connect", at_most_two)
    await asyncio.gather(*(take(storage) for _ in range(40)))
    assert made == 2
    assert "the database has no more connections for us" in caplog.messages
    full = False
    await asyncio.sleep(0.6)
    await asyncio.gather(*(take(storage) for _ in range(40)))
    assert made == 8
    # Where there is none at all, nobody waits for one.
    full = True
    for link in [await storage.pool.take() for _ in range(8)]:
        storage.pool.drop(link)
    with pytest.raises(Unavailable, match="no room left"):
        await take(storage)


async def test_an_exhausted_pool_refuses_in_time_and_recovers(place: Place) -> None:
    storage = await place.open(pool=2)
    entered, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def hold() -> None:
        async with storage.transaction():
            entered.release()
            await go_on.wait()

    holders = [asyncio.create_task(hold()) for _ in range(2)]
    for _ in holders:
        await entered.acquire()
    begun = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable, match="every connection"):
        await take(storage)
    assert 4.5 < asyncio.get_running_loop().time() - begun < 8
    go_on.set()
    await asyncio.gather(*holders)
    await asyncio.gather(*(take(storage) for _ in range(20)))


async def test_a_caller_who_gives_up_while_a_failure_is_undone_leaves_the_connection_to_others() -> None:
    there = urlsplit(url_of("postgres"))
    async with road_to(there.hostname or "", there.port or 0) as road:
        by = there._replace(netloc=there.netloc.replace(f":{there.port}", f":{road.port}")).geturl()
        pool = PostgresPool(by, size=1, name="test")

        async def fail() -> None:
            async with pool.snapshot() as link:
                await link.fetchval("SELECT 1 / 0")

        def give_up(words: bytes) -> bytes:
            if b"ROLLBACK" in words:
                failing.cancel()
            return words

        failing, road.spoil = asyncio.create_task(fail()), give_up
        with pytest.raises(asyncio.CancelledError):
            await failing
        async with pool.link() as link:
            assert await link.fetchval("SELECT 1") == 1
        await pool.close()


async def test_connections_that_the_server_ended_are_made_again(place: Place) -> None:
    storage = await place.open()
    note_id = uuid4()
    await asyncio.gather(*(take(storage, note_id) for _ in range(10)))
    claimed = await storage.claim(5)
    assert await cut(storage) > 1

    async def until_it_works() -> None:
        while True:
            try:
                return await take(storage, note_id)
            except Unavailable:
                await asyncio.sleep(0)

    await asyncio.wait_for(until_it_works(), 5)
    heard = asyncio.create_task(storage.wait_for_unsent(60))
    await take(storage, note_id)
    await asyncio.wait_for(heard, 5)
    await storage.sent([envelope.id for envelope in claimed])
    rest = await asyncio.wait_for(claimed_in_time(storage, 7), 5)
    assert [envelope.sequence for envelope in rest] == list(range(6, 13))


async def claimed_in_time(storage: Any, count: int) -> list[Any]:
    """What a relay gets that asks until it has so many."""
    got: list[Any] = []
    while len(got) < count:
        try:
            got += await storage.claim(100)
        except Unavailable:
            await asyncio.sleep(0)
    return got


async def test_a_transaction_whose_connection_is_lost_is_unavailable_and_nothing_of_it_is_there(
    place: Place,
) -> None:
    storage = await place.open()
    async with asyncio.timeout(5):  # told at once, and not when patience is over
        with pytest.raises(Unavailable):
            async with storage.transaction() as tx:
                await KIND.put(tx, uuid4())
                await tx.emit(NoteTaken(note_id=uuid4()))
                await cut(storage)
    assert await KIND.all(storage) == set()
    assert (await storage.unsent()).count == 0


async def test_a_transaction_that_went_on_after_an_error_is_not_taken_for_written(place: Place) -> None:
    storage = await place.open()
    with pytest.raises(RuntimeError, match="nothing is written"):
        async with storage.transaction() as tx:
            await KIND.put(tx, uuid4())
            with pytest.raises(Exception, match="nowhere"):
                await tx.link.execute("SELECT * FROM nowhere")
    assert await KIND.all(storage) == set()


async def test_two_that_wait_for_each_other_are_told_apart_by_a_refusal(place: Place) -> None:
    storage, notes = await place.open(), [uuid4(), uuid4()]
    async with storage.transaction() as tx:
        for note_id in notes:
            await KIND.put(tx, note_id)
    both_hold_one = asyncio.Barrier(2)

    async def lock_both(first: UUID, second: UUID) -> None:
        async with storage.transaction() as tx:
            await tx.execute(update(NOTES).where(NOTES.c.id == first).values(text="mine"))
            await both_hold_one.wait()
            await tx.execute(update(NOTES).where(NOTES.c.id == second).values(text="mine"))

    outcomes = await asyncio.gather(lock_both(*notes), lock_both(*notes[::-1]), return_exceptions=True)
    assert sorted(type(outcome) for outcome in outcomes if outcome is not None) == [Contended]


# -- several relays


async def test_relays_of_several_processes_share_the_events_and_keep_each_subjects_order(
    place: Place,
) -> None:
    """Four write and four send, all at once: every event is sent once, in sequence within its subject."""
    writers, relays = await place.open(), [await place.open(pool=3) for _ in range(4)]
    subjects, sent = [uuid4() for _ in range(7)], list[tuple[str, int]]()

    async def write(number: int) -> None:
        async with writers.transaction() as tx:
            await tx.emit(NoteTaken(note_id=subjects[number % 7]))
            await tx.emit(NoteTaken(note_id=subjects[number * 3 % 7]))

    async def relay(storage: Any) -> None:
        while len(sent) < 400:
            envelopes = await storage.claim(5)
            for envelope in envelopes:
                await asyncio.sleep(0)
                sent.append((envelope.subject, envelope.sequence))
            await storage.sent([envelope.id for envelope in envelopes])

    await asyncio.wait_for(
        asyncio.gather(*(relay(storage) for storage in relays), *(write(number) for number in range(200))), 60
    )
    for subject in subjects:
        of_subject = [sequence for about, sequence in sent if about == f"note/{subject}"]
        assert of_subject == list(range(1, len(of_subject) + 1))
    assert len(sent) == 400


async def test_an_event_that_was_written_earlier_and_committed_later_is_not_missed(place: Place) -> None:
    """Commit order is not the order of writing."""
    storage, other = await place.open(), await place.open()
    early = uuid4()
    async with storage.transaction() as tx:
        await tx.emit(NoteTaken(note_id=early))
        tx.flush()
        await tx.link.execute("SELECT")  # has its place in the table now
        await take(other)
        [late] = await storage.claim(10)
        await storage.sent([late.id])
        assert await storage.claim(10) == []
    assert [envelope.subject for envelope in await other.claim(10)] == [f"note/{early}"]


async def test_the_commit_of_another_process_wakes_those_that_wait(place: Place) -> None:
    here, there = await place.open(), await place.open()
    await here.claim(1)  # listens from now on
    for _ in range(3):
        await here.wait_for_unsent(0)
        heard = asyncio.create_task(here.wait_for_unsent(60))
        await asyncio.sleep(0)
        await take(there)
        await asyncio.wait_for(heard, 5)


async def test_timers_are_fired_once_by_several_at_once(place: Place) -> None:
    storages, now = [await place.open() for _ in range(4)], datetime(2027, 4, 14, 12, tzinfo=UTC)
    async with storages[0].transaction() as tx:
        for _ in range(300):
            await tx.emit_later(NoteDue(note_id=uuid4()), now)
    assert sum(await asyncio.gather(*(storage.fire_due(now) for storage in storages))) == 300
    assert (await storages[0].unsent()).count == 300


async def test_a_timer_that_is_being_withdrawn_is_not_waited_for_nor_fired(place: Place) -> None:
    storage, now = await place.open(), datetime(2027, 4, 14, 12, tzinfo=UTC)
    async with storage.transaction() as tx:
        await tx.emit_later(NoteDue(note_id=uuid4()), now, key="held")
        await tx.emit_later(NoteDue(note_id=uuid4()), now, key="free")
    async with storage.transaction() as tx:
        await tx.withdraw("held")
        tx.flush()
        await tx.link.execute("SELECT")  # is taken back now
        assert await asyncio.wait_for(asyncio.create_task(storage.fire_due(now)), 5) == 1
    assert await storage.fire_due(now) == 0


# -- reading and deciding


tables = MetaData()
purses = Table("purses", tables, Column("id", Integer, primary_key=True), Column("left", Integer))
gifts = Table("gifts", tables, Column("id", Uuid, primary_key=True), Column("amount", BigInteger))


@pytest.fixture
async def four(place: Place) -> AsyncIterator[list[Any]]:
    """The same database as four processes have it."""
    clock = SystemClock()
    made = [
        PostgresDatabase(place.url, service="gifts", clock=clock, new_id=ids(clock), metadata=tables, pool=4)
        for _ in range(4)
    ]
    for database in made:
        await database.open()
    yield made
    for database in made:
        await database.close()


async def test_what_is_read_for_update_stays_as_it_was_read(four: list[Any]) -> None:
    async with four[0].transaction() as tx:
        await tx.execute(insert(purses).values(id=1, left=50))

    async def spend(database: Any) -> bool:
        async with database.transaction() as tx:
            left = await tx.value(select(purses.c.left).where(purses.c.id == 1).with_for_update())
            if left < 1:
                return False
            await tx.execute(update(purses).values(left=left - 1))
            return True

    assert sum(await asyncio.gather(*(spend(four[number % 4]) for number in range(80)))) == 50
    async with four[0].read() as reader:
        assert await reader.value(select(purses.c.left).with_for_update()) == 0, "a reader locks nothing"


async def test_a_sum_that_is_read_under_a_lock_is_the_sum_until_the_end(four: list[Any]) -> None:
    async def give(database: Any) -> bool:
        async with database.transaction() as tx:
            await tx.lock("gifts")
            given = await tx.value(select(func.coalesce(func.sum(gifts.c.amount), 0)))
            if given >= 20:
                return False
            await tx.execute(insert(gifts).values(id=uuid4(), amount=1))
            return True

    assert sum(await asyncio.gather(*(give(four[number % 4]) for number in range(60)))) == 20


async def test_the_least_id_and_a_sum_of_whole_numbers_are_what_they_are_elsewhere(four: list[Any]) -> None:
    known = sorted(uuid4() for _ in range(5))
    async with four[0].transaction() as tx:
        await tx.execute(insert(gifts), [{"id": one, "amount": 2**40} for one in known])
        least, most, whole = await tx.row(
            select(func.min(gifts.c.id), func.max(gifts.c.id), func.sum(gifts.c.amount))
        )
    assert (least, most, whole) == (known[0], known[-1], 5 * 2**40)
    assert type(whole) is int


# -- a server that cannot be used


async def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    clock = SystemClock()
    nowhere = PostgresDatabase(
        "postgresql://ann:secret@127.0.0.1:1/rooms",
        service="rooms",
        clock=clock,
        new_id=ids(clock),
        metadata=tables,
    )
    with pytest.raises(Unfit, match=r"127\.0\.0\.1:1/rooms does not answer") as caught:
        await nowhere.open()
    assert "secret" not in str(caught.value)
    with pytest.raises(Unavailable):
        await nowhere.ready()
    await nowhere.close()


async def test_an_old_server_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    await make_database(place.url)
    monkeypatch.setattr(server, "OLDEST", 99)
    with pytest.raises(Unfit, match=r"PostgreSQL \d+\.\d+ is too old: use 99 or newer"):
        await place.open()


async def test_a_wrong_password_is_told_without_it(place: Place) -> None:
    clock = SystemClock()
    wrong = place.url.replace("@", "-not@")
    database = PostgresDatabase(wrong, service="notes", clock=clock, new_id=ids(clock), metadata=tables)
    with pytest.raises(Unfit, match="does not let hometrip in: check account and password") as caught:
        await database.open()
    assert "-not" not in str(caught.value)


class Guest:
    """An account of the test's own on the server, without rights."""

    def __init__(self, url: str) -> None:
        self.name, self.admin = f"guest_{uuid4().hex[:12]}", url.rpartition("/")[0] + "/postgres"
        self.url = url.replace(url.partition("//")[2].partition("@")[0], f"{self.name}:pw")

    async def run(self, command: str, url: str = "") -> None:
        link = await asyncpg.connect(url or self.admin)
        try:
            await link.execute(command)
        finally:
            await link.close()


@pytest.fixture
async def guest(place: Place) -> AsyncIterator[Guest]:
    found = Guest(place.url)
    await found.run(f"CREATE ROLE {found.name} LOGIN PASSWORD 'pw'")
    yield found
    await drop_database(place.url)
    await found.run(f"DROP ROLE {found.name}")


def as_guest(guest: Guest) -> Any:
    clock = SystemClock()
    return PostgresDatabase(guest.url, service="notes", clock=clock, new_id=ids(clock), metadata=tables)


async def test_a_right_that_is_missing_is_named_with_the_words_that_give_it(
    place: Place, guest: Guest
) -> None:
    with pytest.raises(Unfit, match=rf"may not create it: create it, or `ALTER ROLE {guest.name} CREATEDB`"):
        await as_guest(guest).open()

    await make_database(place.url)
    await guest.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC", place.url)
    with pytest.raises(Unfit, match=rf"may not create tables .*GRANT CREATE.* TO {guest.name}"):
        await as_guest(guest).migrate()

    await place.open()
    [lacking] = [finding for finding in await as_guest(guest).examine() if not finding.fine]
    assert lacking.what == "rights"
    assert "INSERT ON outbox" in lacking.detail
    assert f"GRANT INSERT ON outbox TO {guest.name}" in lacking.advice


async def test_no_password_is_logged(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    storage = await place.open()
    await take(storage)
    await cut(storage)
    with pytest.raises(Unavailable):
        async with storage.transaction() as tx:
            await cut(storage)
            await KIND.put(tx, uuid4())
    password = place.url.partition("@")[0].rpartition(":")[2]
    assert password not in caplog.text
