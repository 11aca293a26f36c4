"""What every storage promises about events, timers, answers and transactions, whatever else it keeps."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
from collections.abc import AsyncIterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID, uuid4

import pytest

from contracts.storages import STORAGES, NoteDue, NoteTaken, cleared, opened, skip_what_it_lacks
from contracts.writing_process import write
from forked import begun
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.kernel.clock import DAY, HOUR, MINUTE, SECOND, utc
from hometrip.kernel.errors import AlreadyAnswered, KeyReused, Unavailable
from hometrip.kernel.events import Cause, current_cause
from hometrip.kernel.once import NO_KEY, Once

pytestmark = pytest.mark.slow

NOON = utc(2027, 4, 14, 12)
MANY = 200


class Place:
    """A storage of one kind in a folder; `open` gives another instance over the same content."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder, self.kind = name, folder, STORAGES[name]
        self.clock = MovableClock(SystemClock(), frozen_at=NOON)
        self.put, self.all = self.kind.put, self.kind.all
        self._opened: list[Any] = []

    async def open(self, **more: Any) -> Any:
        storage = self.kind.open(self.folder, self.clock, **more)
        self._opened.append(storage)
        return await opened(storage)

    async def take(self, storage: Any, note_id: UUID | None = None, text: str = "") -> UUID:
        """One note and its event, in one transaction."""
        note_id = note_id or uuid4()
        async with storage.transaction() as tx:
            await self.put(tx, uuid4(), text)
            await tx.emit(NoteTaken(note_id=note_id, text=text))
        return note_id

    async def close(self) -> None:
        for storage in self._opened:
            await storage.close()
        await cleared(self.folder)


@pytest.fixture(params=STORAGES)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    skip_what_it_lacks(request.param, request.node.originalname)
    found = Place(request.param, tmp_path)
    yield found
    await found.close()


@pytest.fixture
async def storage(place: Place) -> Any:
    return await place.open()


def names(envelopes: list[Any]) -> list[tuple[str, int]]:
    return [(envelope.subject, envelope.sequence) for envelope in envelopes]


# -- events and their effect


async def test_an_event_is_unsent_once_its_transaction_has_ended_and_knows_where_it_comes_from(
    place: Place, storage: Any
) -> None:
    note_id = uuid4()
    token = current_cause.set(Cause("request-1", "event-0", "00-ab-cd-01"))
    async with storage.transaction() as tx:
        await place.put(tx, note_id)
        await tx.emit(NoteTaken(note_id=note_id, text="hello"))
    current_cause.reset(token)

    [envelope] = await storage.claim(10)
    assert envelope.open(NoteTaken) == NoteTaken(note_id=note_id, text="hello", event_id=envelope.id)
    assert (envelope.name, envelope.version, envelope.producer) == ("note.taken", 1, "notes")
    assert (envelope.subject, envelope.sequence, envelope.occurred_at) == (f"note/{note_id}", 1, NOON)
    assert (envelope.correlation_id, envelope.causation_id) == ("request-1", "event-0")
    assert envelope.traceparent == "00-ab-cd-01"


async def test_an_event_without_a_cause_begins_a_story_of_its_own(place: Place, storage: Any) -> None:
    await place.take(storage)
    [envelope] = await storage.claim(10)
    assert envelope.correlation_id == str(envelope.id)


async def test_a_rollback_leaves_no_row_and_no_event_and_no_timer(place: Place, storage: Any) -> None:
    note_id = uuid4()
    with pytest.raises(ZeroDivisionError):
        async with storage.transaction() as tx:
            await place.put(tx, note_id)
            await tx.emit(NoteTaken(note_id=note_id))
            await tx.emit_later(NoteDue(note_id=note_id), NOON)
            1 / 0
    assert await place.all(storage) == set()
    assert (await storage.unsent()).count == 0
    assert await storage.claim(10) == []
    assert await storage.next_due() is None


async def test_a_rollback_leaves_no_gap_in_the_sequence_of_a_subject(place: Place, storage: Any) -> None:
    note_id = await place.take(storage)
    with pytest.raises(ZeroDivisionError):
        async with storage.transaction() as tx:
            await tx.emit(NoteTaken(note_id=note_id))
            1 / 0
    await place.take(storage, note_id)
    assert [envelope.sequence for envelope in await storage.history(f"note/{note_id}")] == [1, 2]


async def test_what_was_not_sent_before_the_end_of_a_process_is_sent_after_it(place: Place) -> None:
    first = await place.open()
    note_id = await place.take(first)
    claimed = await first.claim(10)
    await first.close()
    assert names(await (await place.open()).claim(10)) == names(claimed) == [(f"note/{note_id}", 1)]


async def test_what_was_sent_is_not_sent_again_and_stays_in_the_history(place: Place) -> None:
    first = await place.open()
    note_id = await place.take(first)
    await first.sent([envelope.id for envelope in await first.claim(10)])
    assert await first.claim(10) == []
    await first.close()
    second = await place.open()
    assert await second.claim(10) == []
    assert names(await second.history(f"note/{note_id}")) == [(f"note/{note_id}", 1)]


async def test_events_of_many_writers_at_once_keep_sequence_and_order_within_their_subject(
    place: Place, storage: Any
) -> None:
    """What was committed before another began comes before it. Of two at once, either may be the first."""
    subjects, steps = [uuid4() for _ in range(5)], range(5)
    writers = range(MANY // len(steps))

    async def write(writer: int) -> None:
        for step in steps:
            async with storage.transaction() as tx:
                await place.put(tx, uuid4())
                await tx.emit(NoteTaken(note_id=subjects[writer % 5], text=f"{writer} {step}"))

    await asyncio.gather(*map(write, writers))
    claimed = await storage.claim(MANY * 2)
    assert len(claimed) == MANY
    for subject in subjects:
        mine = [envelope for envelope in claimed if envelope.subject == f"note/{subject}"]
        assert [envelope.sequence for envelope in mine] == list(range(1, MANY // 5 + 1))
    texts = [envelope.open(NoteTaken).text for envelope in claimed]
    for writer in writers:
        told = [text for text in texts if text.split()[0] == str(writer)]
        assert told == [f"{writer} {step}" for step in steps]


# -- claims


async def test_what_is_claimed_is_claimed_once_and_may_be_released(place: Place, storage: Any) -> None:
    for _ in range(3):
        await place.take(storage)
    two = await storage.claim(2)
    rest = await storage.claim(10)
    assert (len(two), len(rest)) == (2, 1)
    await storage.release([two[0].id])
    assert names(await storage.claim(10)) == names(two[:1])


async def test_what_was_claimed_without_the_relay_knowing_may_be_released(place: Place, storage: Any) -> None:
    other = await place.open()
    for _ in range(4):
        await place.take(storage)
    [theirs] = await other.claim(1)
    [known], lost = await storage.claim(1), await storage.claim(10)
    await storage.release_all_but([known.id])
    assert names(await other.claim(1)) == names(lost[:1])
    assert names(await storage.claim(10)) == names(lost[1:])
    await storage.sent([known.id, *(envelope.id for envelope in lost)])
    await other.sent([theirs.id])
    assert (await storage.unsent()).count == 0


async def test_a_claim_ends_after_a_minute(place: Place, storage: Any) -> None:
    await place.take(storage)
    claimed = await storage.claim(10)
    place.clock.move_to(NOON + MINUTE - SECOND)
    assert await storage.claim(10) == []
    place.clock.move_to(NOON + MINUTE)
    assert names(await storage.claim(10)) == names(claimed)


async def test_two_relays_never_hold_the_same_event_nor_two_of_one_subject(place: Place) -> None:
    one, other = await place.open(), await place.open()
    busy, free = await place.take(one), await place.take(one)
    [claimed] = await one.claim(1)
    await place.take(one, busy)
    assert claimed.subject == f"note/{busy}"
    assert names(await other.claim(10)) == [(f"note/{free}", 1)]
    assert await other.claim(10) == []
    assert names(await one.claim(10)) == [(f"note/{busy}", 2)]


async def test_a_restarted_relay_need_not_wait_for_the_claims_of_the_one_before(place: Place) -> None:
    first = await place.open()
    await place.take(first)
    claimed = await first.claim(10)
    second = await place.open()
    assert await second.claim(10) == []
    await first.close()
    assert names(await second.claim(10)) == names(claimed)


async def test_how_far_it_is_behind_is_known(place: Place, storage: Any) -> None:
    assert ((await storage.unsent()).count, (await storage.unsent()).oldest) == (0, None)
    await place.take(storage)
    place.clock.move_to(NOON + HOUR)
    await place.take(storage)
    behind = await storage.unsent()
    assert (behind.count, behind.oldest) == (2, NOON)
    await storage.sent([envelope.id for envelope in await storage.claim(1)])
    behind = await storage.unsent()
    assert (behind.count, behind.oldest) == (1, NOON + HOUR)


async def test_a_commit_wakes_those_that_wait_for_events(place: Place, storage: Any) -> None:
    waiting = [asyncio.create_task(storage.wait_for_unsent(60)) for _ in range(2)]
    await asyncio.sleep(0)
    await place.take(storage)
    await asyncio.wait_for(asyncio.gather(*waiting), 5)


async def test_a_commit_between_two_waits_is_not_missed_though_another_heard_it(
    place: Place, storage: Any
) -> None:
    """One loop sends and another fires timers; both wait on the same storage."""

    async def another() -> None:
        await storage.next_due()
        await storage.wait_for_unsent(60)

    heard = asyncio.create_task(another())
    await asyncio.sleep(0)
    await storage.wait_for_unsent(0)
    await place.take(storage)
    await asyncio.wait_for(heard, 5)
    await asyncio.wait_for(storage.wait_for_unsent(60), 5)


async def test_waiting_for_events_ends_in_time_where_there_are_none(place: Place, storage: Any) -> None:
    await asyncio.wait_for(storage.wait_for_unsent(0.01), 5)
    with pytest.raises(ZeroDivisionError):
        async with storage.transaction() as tx:
            await tx.emit(NoteTaken(note_id=uuid4()))
            1 / 0
    waiting = asyncio.create_task(storage.wait_for_unsent(0.05))
    await asyncio.wait_for(waiting, 5)


async def test_old_events_marks_and_answers_are_forgotten_and_unsent_ones_never(
    place: Place, storage: Any
) -> None:
    old, new, unsent = await place.take(storage), uuid4(), uuid4()
    [heard] = [envelope.open(NoteTaken) for envelope in await storage.claim(10)]
    once = Once("key", "ann", "print")
    async with storage.transaction() as tx:
        await tx.first_time(heard, "note.copy")
        await tx.once(once)
        await tx.answer(once, "done")
    await storage.sent([heard.event_id])
    await place.take(storage, unsent)
    place.clock.move_to(NOON + 10 * DAY)
    await place.take(storage, new)
    later = [envelope for envelope in await storage.claim(10) if envelope.subject == f"note/{new}"]
    await storage.sent([envelope.id for envelope in later])

    assert await storage.forget(NOON + 10 * DAY, 5 * DAY) == 3
    assert await storage.history(f"note/{old}") == []
    assert len(await storage.history(f"note/{new}")) == len(await storage.history(f"note/{unsent}")) == 1
    assert await storage.forget(NOON + 10 * DAY, 5 * DAY) == 0
    await place.take(storage, old)
    assert [envelope.sequence for envelope in await storage.history(f"note/{old}")] == [2]


# -- the inbox


async def test_an_effect_happens_the_first_time_that_its_event_is_heard_and_no_other(
    place: Place, storage: Any
) -> None:
    await place.take(storage)
    [heard] = [envelope.open(NoteTaken) for envelope in await storage.claim(10)]
    with pytest.raises(ZeroDivisionError):
        async with storage.transaction() as tx:
            assert await tx.first_time(heard, "note.copy")
            1 / 0
    async with storage.transaction() as tx:
        assert await tx.first_time(heard, "note.copy")
        assert await tx.first_time(heard, "note.count")
    async with storage.transaction() as tx:
        assert not await tx.first_time(heard, "note.copy")


async def test_of_many_that_hear_an_event_at_once_one_is_the_first(place: Place, storage: Any) -> None:
    await place.take(storage)
    [heard] = [envelope.open(NoteTaken) for envelope in await storage.claim(10)]

    async def react() -> bool:
        async with storage.transaction() as tx:
            return bool(await tx.first_time(heard, "note.copy"))

    assert sum(await asyncio.gather(*(react() for _ in range(50)))) == 1


async def test_an_event_that_was_not_heard_has_no_first_time(storage: Any) -> None:
    async with storage.transaction() as tx:
        with pytest.raises(ValueError, match="heard"):
            await tx.first_time(NoteTaken(note_id=uuid4()), "note.copy")


# -- timers


async def set_timer(storage: Any, note_id: UUID, at: Any, key: str = "") -> None:
    async with storage.transaction() as tx:
        await tx.emit_later(NoteDue(note_id=note_id), at, key=key)


async def test_a_timer_fires_once_when_its_time_has_come_and_keeps_its_cause(place: Place) -> None:
    storage, note_id = await place.open(), await place.take(await place.open())
    token = current_cause.set(Cause("request-7"))
    await set_timer(storage, note_id, NOON + HOUR)
    current_cause.reset(token)
    assert await storage.next_due() == NOON + HOUR
    assert await storage.fire_due(NOON + HOUR - SECOND) == 0
    await storage.close()

    storage = await place.open()
    assert await storage.next_due() == NOON + HOUR
    assert await storage.fire_due(NOON + 2 * HOUR) == 1
    assert await storage.fire_due(NOON + 2 * HOUR) == 0
    assert await storage.next_due() is None
    fired = (await storage.history(f"note/{note_id}"))[-1]
    assert (fired.name, fired.version, fired.sequence) == ("note.due", 2, 2)
    assert (fired.occurred_at, fired.producer, fired.correlation_id) == (
        NOON + 2 * HOUR,
        "notes",
        "request-7",
    )
    assert fired.open(NoteDue) == NoteDue(note_id=note_id, event_id=fired.id)


async def test_timers_fire_the_earliest_first(storage: Any) -> None:
    notes = [uuid4() for _ in range(5)]
    for late, note_id in zip((3, 1, 4, 2, 5), notes, strict=True):
        await set_timer(storage, note_id, NOON + late * MINUTE)
    assert await storage.fire_due(NOON + 4 * MINUTE) == 4
    fired = [envelope.subject for envelope in await storage.claim(10)]
    assert fired == [f"note/{notes[at]}" for at in (1, 3, 0, 2)]
    assert await storage.next_due() == NOON + 5 * MINUTE


async def test_thousands_of_timers_that_are_due_at_once_all_fire(storage: Any) -> None:
    async with storage.transaction() as tx:
        for _ in range(2_500):
            await tx.emit_later(NoteDue(note_id=uuid4()), NOON)
    assert await storage.fire_due(NOON) == 2_500
    assert (await storage.unsent()).count == 2_500


async def test_a_timer_that_was_withdrawn_does_not_fire(storage: Any) -> None:
    note_id = uuid4()
    await set_timer(storage, note_id, NOON)
    await set_timer(storage, note_id, NOON, "reminder")
    async with storage.transaction() as tx:
        await tx.withdraw(f"note.due:note/{note_id}")
        await tx.withdraw("reminder")
        await tx.withdraw("never set")
    assert await storage.next_due() is None
    assert await storage.fire_due(NOON + DAY) == 0


async def test_a_second_timer_of_the_same_key_replaces_the_first(storage: Any) -> None:
    first, second = uuid4(), uuid4()
    await set_timer(storage, first, NOON, "reminder")
    await set_timer(storage, second, NOON + HOUR, "reminder")
    assert await storage.fire_due(NOON) == 0
    assert await storage.fire_due(NOON + HOUR) == 1
    assert [envelope.subject for envelope in await storage.claim(10)] == [f"note/{second}"]


# -- answers kept for keys


async def do_once(place: Place, storage: Any, once: Once) -> None:
    async with storage.transaction() as tx:
        await tx.once(once)
        await place.put(tx, uuid4())
        await tx.answer(once, {"id": 7})


ONCE = Once("key-1", "ann POST /notes", "print-a", 201)


async def test_the_same_key_gets_the_same_answer_without_a_second_effect(place: Place, storage: Any) -> None:
    await do_once(place, storage, ONCE)
    with pytest.raises(AlreadyAnswered) as caught:
        await do_once(place, storage, ONCE)
    assert (caught.value.status, caught.value.answer) == (201, b'{"id":7}')
    assert len(await place.all(storage)) == 1


async def test_of_many_with_the_same_key_at_once_one_goes_on_and_all_get_its_answer(
    place: Place, storage: Any
) -> None:
    results = await asyncio.gather(
        *(do_once(place, storage, ONCE) for _ in range(100)), return_exceptions=True
    )
    answers = [result.answer for result in results if isinstance(result, AlreadyAnswered)]
    assert (results.count(None), answers) == (1, [b'{"id":7}'] * 99)
    assert len(await place.all(storage)) == 1


async def test_a_key_with_another_body_is_refused_and_belongs_to_its_scope_only(
    place: Place, storage: Any
) -> None:
    await do_once(place, storage, ONCE)
    with pytest.raises(KeyReused):
        await do_once(place, storage, Once(ONCE.key, ONCE.scope, "print-b"))
    await do_once(place, storage, Once(ONCE.key, "bob POST /notes", "print-b"))
    assert len(await place.all(storage)) == 2


async def test_a_key_whose_transaction_was_rolled_back_is_free(place: Place, storage: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        async with storage.transaction() as tx:
            await tx.once(ONCE)
            await tx.answer(ONCE, "never")
            1 / 0
    await do_once(place, storage, Once(ONCE.key, ONCE.scope, "print-b"))


async def test_an_answer_is_kept_over_a_restart_and_for_a_day_even_where_less_is_kept(place: Place) -> None:
    storage = await place.open()
    await do_once(place, storage, ONCE)
    await storage.close()
    storage = await place.open()
    place.clock.move_to(NOON + DAY - SECOND)
    await storage.forget(place.clock.now(), HOUR)
    with pytest.raises(AlreadyAnswered):
        await do_once(place, storage, ONCE)
    place.clock.move_to(NOON + DAY)
    await do_once(place, storage, ONCE)
    assert len(await place.all(storage)) == 2


async def test_without_a_key_nothing_is_remembered(place: Place, storage: Any) -> None:
    for _ in range(2):
        await do_once(place, storage, NO_KEY)
    assert len(await place.all(storage)) == 2


async def test_an_answer_to_a_key_that_was_not_claimed_is_a_mistake(storage: Any) -> None:
    async with storage.transaction() as tx:
        with pytest.raises(LookupError):
            await tx.answer(ONCE, "done")


# -- transactions


async def test_one_that_fails_among_many_at_once_is_rolled_back_alone(place: Place, storage: Any) -> None:
    notes = [uuid4() for _ in range(MANY)]

    async def write(number: int) -> None:
        async with storage.transaction() as tx:
            await place.put(tx, notes[number])
            await tx.emit(NoteTaken(note_id=notes[number]))
            if number % 10 == 3:
                1 / 0

    results = await asyncio.gather(*(write(number) for number in range(MANY)), return_exceptions=True)
    failed = {notes[number] for number in range(MANY) if number % 10 == 3}
    assert {notes[at] for at, result in enumerate(results) if result is not None} == failed
    assert await place.all(storage) == set(notes) - failed
    assert {e.subject for e in await storage.claim(MANY)} == {f"note/{i}" for i in set(notes) - failed}


async def test_a_transaction_sees_what_it_wrote_and_others_only_what_is_committed(
    place: Place, storage: Any
) -> None:
    written, seen = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        async with storage.transaction() as tx:
            await place.put(tx, uuid4())
            await tx.emit(NoteTaken(note_id=uuid4()))
            written.set()
            await seen.wait()

    writer = asyncio.create_task(write())
    await written.wait()
    assert await place.all(storage) == set()
    assert (await storage.unsent()).count == 0
    seen.set()
    await writer
    assert len(await place.all(storage)) == 1
    assert (await storage.unsent()).count == 1


@pytest.mark.parametrize("moment", ["in the block", "waiting for its turn", "waiting for the commit"])
async def test_one_that_is_cancelled_leaves_the_storage_usable(
    place: Place, storage: Any, moment: str
) -> None:
    held, go_on, wrote = asyncio.Event(), asyncio.Event(), asyncio.Event()
    note_id = uuid4()

    async def hold() -> None:
        async with storage.transaction() as tx:
            await place.put(tx, uuid4())
            held.set()
            await go_on.wait()

    async def write() -> None:
        async with storage.transaction() as tx:
            await place.put(tx, note_id)
            wrote.set()
            if moment == "in the block":
                await asyncio.Event().wait()

    holder = asyncio.create_task(hold())
    await held.wait()
    victim = asyncio.create_task(write())
    if moment == "waiting for its turn":
        await asyncio.sleep(0)
    else:
        go_on.set()
        await wrote.wait()
    victim.cancel()
    with pytest.raises(asyncio.CancelledError):
        await victim
    go_on.set()
    await asyncio.wait_for(asyncio.gather(holder, *(place.take(storage) for _ in range(20))), 10)
    there = await place.all(storage)
    assert len(there - {note_id}) == 21
    # Its group was being committed when it was cancelled: nobody was told, but it is written.
    assert (note_id in there) == (moment == "waiting for the commit")


async def test_any_of_many_may_be_cancelled_at_any_moment(place: Place, storage: Any) -> None:
    """What was answered is there, what raised in its block is not, and nobody hangs."""
    chance = random.Random(7)
    for _ in range(20):
        notes = [uuid4() for _ in range(30)]

        async def write(note_id: UUID, pause: int) -> UUID:
            async with storage.transaction() as tx:
                await place.put(tx, note_id)
                for _ in range(pause):
                    await asyncio.sleep(0)
            return note_id

        tasks = [asyncio.create_task(write(note_id, chance.randrange(3))) for note_id in notes]
        for _ in range(chance.randrange(40)):
            await asyncio.sleep(0)
        for task in chance.sample(tasks, 10):
            task.cancel()
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        answered = {result for result in results if isinstance(result, UUID)}
        assert len(answered) >= 20
        assert answered <= await place.all(storage)


async def test_a_transaction_inside_one_is_refused_instead_of_waiting_for_itself(
    place: Place, storage: Any
) -> None:
    async with storage.transaction() as tx:
        await place.put(tx, uuid4())
        with pytest.raises(RuntimeError, match="inside"):
            async with storage.transaction():
                pass
    assert len(await place.all(storage)) == 1


async def test_a_transaction_that_has_ended_cannot_be_used(place: Place, storage: Any) -> None:
    async with storage.transaction() as tx:
        pass
    with pytest.raises(RuntimeError, match="ended"):
        await place.put(tx, uuid4())
    with pytest.raises(RuntimeError, match="ended"):
        await tx.emit(NoteTaken(note_id=uuid4()))


async def test_closing_lets_the_running_one_end_and_refuses_those_that_wait(place: Place) -> None:
    storage = await place.open(**place.kind.narrow)
    entered, go_on = asyncio.Event(), asyncio.Event()
    note_id = uuid4()

    async def hold() -> None:
        async with storage.transaction() as tx:
            entered.set()
            await go_on.wait()
            await place.put(tx, note_id)

    holder = asyncio.create_task(hold())
    await entered.wait()
    waiting = asyncio.create_task(place.take(storage))
    await asyncio.sleep(0)
    closing = asyncio.create_task(storage.close())
    with pytest.raises(Unavailable):
        await waiting
    go_on.set()
    await asyncio.wait_for(asyncio.gather(holder, closing), 10)
    with pytest.raises(Unavailable):
        await place.take(storage)
    for reading in (storage.ready, storage.unsent, storage.next_due, lambda: place.all(storage)):
        with pytest.raises(Unavailable, match="closed"):
            await reading()
    again = await place.open()
    await again.ready()
    assert await place.all(again) == {note_id}


# -- other processes


def begin(place: Place, writers: int, each: int) -> tuple[BaseProcess, BinaryIO]:
    """A process that writes, and what it says was written."""
    heard, said = multiprocessing.Pipe(duplex=False)
    with said, heard:
        process = begun(write, place.name, place.folder, writers, each, said)
        return process, os.fdopen(os.dup(heard.fileno()), "rb")


def answered_until_killed(place: Place, chance: random.Random) -> set[UUID]:
    """What a process said was written, before it was killed at a random moment."""
    process, said = begin(place, 20, 1_000_000)
    with said:
        lines = [said.readline() for _ in range(chance.randrange(1, 200))]
        process.kill()
        lines += said.read().splitlines(keepends=True)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    return {UUID(line.decode().strip()) for line in lines if line.endswith(b"\n")}


async def test_whatever_was_answered_is_there_after_the_process_was_killed(place: Place) -> None:
    chance, answered = random.Random(13), set[UUID]()
    for _ in range(3):
        answered |= await asyncio.to_thread(answered_until_killed, place, chance)
        storage = await place.open()
        # First: it ends what the dead process had begun, which the stand-in for MongoDB shows to readers.
        told = {envelope.subject for envelope in await storage.claim(1_000_000)}
        there = await place.all(storage)
        await storage.close()
        assert answered <= there
        assert told == {f"note/{note_id}" for note_id in there}


async def test_two_processes_and_this_one_write_the_same_storage_at_once(place: Place) -> None:
    storage = await place.open()
    processes = [begin(place, 5, 40) for _ in range(2)]
    for _, said in processes:
        await asyncio.to_thread(said.readline)
    await asyncio.gather(*(place.take(storage) for _ in range(100)))
    for process, said in processes:
        with said:
            await asyncio.to_thread(said.read)
        await asyncio.to_thread(process.join)
        assert process.exitcode == 0
    assert len(await place.all(storage)) == 2 * 5 * 40 + 100
    assert len(await storage.claim(1_000)) == 2 * 5 * 40 + 100
