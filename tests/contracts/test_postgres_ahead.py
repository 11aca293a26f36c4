"""What is sent ahead on PostgreSQL: whose answer is whose, who is told of an error, what is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, update

from contracts.storages import NOTES, STORAGES, NoteDue, NoteTaken, cleared, opened, postgres_at
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.postgres.ahead import Ahead
from hometrip.kernel.again import again
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.once import Once
from hometrip.ports.database import Prepared
from hometrip.ports.outbox import Contended

ADD = Prepared(insert(NOTES), final=True, refused=lambda: LookupError("it is there already"))
COUNT = Prepared(select(func.count()).select_from(NOTES))
# Who waits for a lock in this database; others have theirs on the same server.
WAITING = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def quiet() -> None:
    """asyncpg waits for nothing."""


class Deaf:
    """A transport to nowhere; it keeps what is written."""

    def __init__(self) -> None:
        self.said = b""

    def write(self, said: bytes) -> None:
        self.said += said


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + (4 + len(body)).to_bytes(4) + body


# -- what the server says


OF_ITSELF = st.sampled_from(
    [message(b"N", b"SNOTICE\0\0"), message(b"S", b"TimeZone\0UTC\0"), message(b"A", b"\0\0\0\1news\0\0")]
)
THEIRS = message(b"2") + message(b"D", b"\0\1\0\0\0\1x") + message(b"C", b"SELECT 1\0") + message(b"Z", b"T")


@given(st.integers(1, 4), st.lists(OF_ITSELF, max_size=3), st.lists(st.integers(1, 30), max_size=20))
async def test_answers_to_what_went_ahead_are_taken_out_however_they_are_cut(
    parts: int, between: list[bytes], cuts: list[int]
) -> None:
    ahead = Ahead(cast("Any", Deaf()), quiet)
    for number in range(parts):
        ahead.put_off(f"SELECT {number}")
    ahead.write(b"theirs")
    answers = [message(b"1") + message(b"2") + message(b"C", b"SELECT 1\0") for _ in range(parts)]
    answers.append(message(b"Z", b"T"))
    for number, one in enumerate(between):
        answers.insert(number, one)
    said, got, at = b"".join(answers) + THEIRS, b"", 0
    for length in [*cuts, len(said)]:
        piece = said[at : at + length]
        got += ahead.hear(piece) if ahead.is_awaited else piece
        at += length
    assert got == b"".join(between[: parts + 1]) + b"".join(between[parts + 1 :]) + THEIRS
    assert not ahead.is_awaited
    assert ahead.failed is None


async def test_a_statement_is_named_once_and_a_name_that_was_not_given_is_given_again() -> None:
    deaf = Deaf()
    ahead = Ahead(cast("Any", deaf), quiet)
    for answers in (
        message(b"E", b"SERROR\0VERROR\0C57014\0Mno\0\0") + message(b"Z", b"E"),
        message(b"1") + message(b"2") + message(b"C", b"BEGIN\0") + message(b"Z", b"T"),
        message(b"2") + message(b"C", b"BEGIN\0") + message(b"Z", b"T"),
    ):
        ahead.begin()
        ahead.put_off("BEGIN")
        await ahead.send()
        assert ahead.hear(answers) == b""
    assert deaf.said.count(message(b"P", b"ahead1\0BEGIN\0\0\0")) == 1
    assert deaf.said.count(message(b"P", b"ahead2\0BEGIN\0\0\0")) == 1
    assert deaf.said.count(b"ahead2\0") == 3


def test_a_value_that_has_no_text_is_refused_where_it_is_put_off() -> None:
    with pytest.raises(TypeError, match="a list cannot be sent"):
        Ahead(cast("Any", Deaf()), quiet).put_off("SELECT $1", [[1, 2]])


# -- what blocks are told


class House:
    """One database, whose storages have one connection each."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._opened = folder, list[Any]()

    async def open(self) -> Any:
        kind = STORAGES["adapters.database.postgres"]
        storage = await opened(kind.open(self.folder, SystemClock(), pool=1))
        self._opened.append(storage)
        return storage

    async def ask(self, query: str, *bound: Any) -> Any:
        """What the server answers to somebody else."""
        link = await asyncpg.connect(postgres_at(self.folder))
        try:
            return await link.fetchval(query, *bound)
        finally:
            await link.close()

    async def close(self) -> None:
        for storage in self._opened:
            await storage.close()
        await cleared(self.folder)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    found = House(tmp_path)
    yield found
    await found.close()


@pytest.fixture
async def storage(house: House) -> Any:
    return await house.open()


async def notes(storage: Any) -> int:
    async with storage.look() as reader:
        return int(await reader.value(COUNT.with_values()))


async def add(tx: Any, note_id: UUID | None = None) -> None:
    await tx.execute(ADD, [{"id": note_id or uuid4(), "text": "ä", "at": datetime(2027, 6, 1, tzinfo=UTC)}])


async def test_what_was_put_off_is_written_before_any_kind_of_statement(storage: Any) -> None:
    async with storage.transaction() as tx:
        for number in range(1, 6):
            await add(tx)
            if number == 1:
                found = await tx.value(COUNT.with_values())
            elif number == 2:
                found = await tx.value(select(func.count()).select_from(NOTES))
            elif number == 3:
                found = await tx.execute(update(NOTES).values(size=1))
            elif number == 4:
                found = await tx.execute(Prepared(update(NOTES).values(size=2)), [{}])
            else:
                await tx.execute(insert(NOTES), [{"id": uuid4()}, {"id": uuid4()}])
                found = await tx.link.fetchval("SELECT count(*) FROM notes") - 2
            assert found == number
    assert await notes(storage) == 7


async def test_a_block_that_asks_nothing_is_not_begun_and_the_next_one_is(house: House, storage: Any) -> None:
    last = "SELECT query FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%notes%'"
    await notes(storage)
    asked = await house.ask(last)
    async with storage.transaction() as tx:
        pass
    with pytest.raises(ZeroDivisionError):
        async with storage.transaction() as tx:
            await add(tx)
            await tx.emit(NoteTaken(note_id=uuid4()))
            raise ZeroDivisionError
    assert await house.ask(f"{last} AND state = 'idle'") == asked
    assert await notes(storage) == 0
    async with storage.transaction() as tx:
        await add(tx)
        await tx.value(COUNT.with_values())
        assert await house.ask("SELECT count(*) FROM notes") == 0
    assert await notes(storage) == 1


async def test_who_catches_the_error_of_a_read_behind_a_refused_write_is_told_at_the_end(
    storage: Any,
) -> None:
    note_id = uuid4()
    async with storage.transaction() as tx:
        await add(tx, note_id)
    with pytest.raises(LookupError, match="it is there already"):
        async with storage.transaction() as tx:
            await add(tx)
            await add(tx, note_id)
            await tx.emit(NoteTaken(note_id=note_id))
            with pytest.raises(Exception, match="aborted"):
                await tx.value(COUNT.with_values())
    assert await notes(storage) == 1
    assert (await storage.unsent()).count == 0
    async with storage.transaction() as tx:
        await add(tx)
    assert await notes(storage) == 2


async def test_a_refused_write_that_may_be_refused_leaves_what_was_put_off_before_it(storage: Any) -> None:
    note_id = uuid4()
    async with storage.transaction() as tx:
        await add(tx, note_id)
        for _ in range(2):
            with pytest.raises(Exception, match="duplicate"):
                await tx.execute(insert(NOTES).values(id=note_id))
        await add(tx)
    assert await notes(storage) == 2


@asynccontextmanager
async def at_the_door(storage: Any) -> AsyncIterator[None]:
    """Whoever else locks it waits until the end of the block."""
    async with storage.transaction() as tx:
        await tx.lock("door")
        await tx.value(COUNT.with_values())  # what was put off has gone out
        yield


async def test_who_is_cancelled_behind_a_lock_that_was_put_off_leaves_a_clean_connection(
    house: House, storage: Any
) -> None:
    other = await house.open()
    async with at_the_door(storage):

        async def wait_at_the_door() -> None:
            async with other.transaction() as later:
                await add(later)
                await later.lock("door")
                await later.value(COUNT.with_values())

        waiting = asyncio.create_task(wait_at_the_door())
        await until(house, f"SELECT count(*) {WAITING}")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await house.ask(f"SELECT count(*) {WAITING}") == 0
        async with other.transaction() as later:
            await add(later)
    assert await notes(other) == 1


async def test_a_statement_that_was_given_up_is_not_taken_for_the_commit(storage: Any) -> None:
    with pytest.raises(RuntimeError, match="nothing is written"):
        async with storage.transaction() as tx:
            await add(tx)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await tx.link.execute("SELECT pg_sleep(8)")
            await add(tx)
    assert await notes(storage) == 0
    async with storage.read() as reader:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reader.at.execute("SELECT pg_sleep(8)")
    assert await notes(storage) == 0


async def test_who_is_cancelled_in_the_commit_has_committed(house: House, storage: Any) -> None:
    other = await house.open()
    async with at_the_door(storage):

        async def commit_behind_the_door() -> None:
            async with other.transaction() as later:
                await add(later)
                await later.lock("door")
                await later.emit(NoteTaken(note_id=uuid4()))

        waiting = asyncio.create_task(commit_behind_the_door())
        await until(house, f"SELECT count(*) {WAITING}")
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await notes(other), (await other.unsent()).count) == (1, 1)


async def test_a_connection_that_is_lost_in_the_commit_is_unavailable(house: House, storage: Any) -> None:
    other = await house.open()
    async with at_the_door(storage):

        async def commit_behind_the_door() -> None:
            async with other.transaction() as later:
                await later.lock("door")
                await add(later)

        waiting = asyncio.create_task(commit_behind_the_door())
        await until(house, f"SELECT count(*) {WAITING}")
        await house.ask(f"SELECT pg_terminate_backend(pid) {WAITING}")
        with pytest.raises(Unavailable):
            await waiting
    assert await notes(other) == 0


async def test_two_that_wait_for_each_other_in_the_commit_are_begun_again(house: House) -> None:
    both, tries, left = asyncio.Barrier(2), 0, list[int]()

    async def lock(storage: Any, first: str, second: str) -> None:
        async def once() -> None:
            nonlocal tries
            tries += 1
            async with storage.transaction() as tx:
                await tx.lock(first)
                await add(tx)
                left.append(await tx.value(COUNT.with_values()))
                if tries <= 2:
                    await both.wait()
                await tx.lock(second)

        await again(once, Contended)

    storages = [await house.open() for _ in range(2)]
    await asyncio.gather(lock(storages[0], "a", "b"), lock(storages[1], "b", "a"))
    assert tries == 3
    assert await notes(storages[0]) == 2


async def test_events_of_several_subjects_and_timers_are_written_together(storage: Any) -> None:
    first, second = uuid4(), uuid4()
    for _ in range(2):
        async with storage.transaction() as tx:
            for note_id in (second, first, second):
                await tx.emit(NoteTaken(note_id=note_id))
                await tx.emit_later(NoteDue(note_id=note_id), datetime(2027, 6, 1, tzinfo=UTC))
            await tx.withdraw(f"note.due:note/{second}")
    assert [one.sequence for one in await storage.history(f"note/{second}")] == [1, 2, 3, 4]
    assert [one.sequence for one in await storage.history(f"note/{first}")] == [1, 2]
    told = [one.subject for one in await storage.claim(3)]
    assert told == [f"note/{second}", f"note/{first}", f"note/{second}"]
    assert await storage.fire_due(datetime(2027, 6, 2, tzinfo=UTC)) == 1


async def test_an_answer_can_only_be_kept_for_a_key_that_was_claimed(storage: Any) -> None:
    once = Once(key="k", scope="s", fingerprint="f", status=201)
    with pytest.raises(LookupError, match="not claimed"):
        async with storage.transaction() as tx:
            await tx.answer(once, {"a": 1})


async def until(house: House, query: str) -> None:
    async with asyncio.timeout(10):
        while not await house.ask(query):
            pass
