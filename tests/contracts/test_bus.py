"""What every bus promises."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from msgspec.structs import replace

from app.waiting import work
from hometrip.adapters.bus import memory
from hometrip.adapters.bus.memory import MemoryBus
from hometrip.adapters.bus.rabbitmq import RabbitBus
from hometrip.adapters.clock.system import SystemClock
from hometrip.kernel.clock import utc
from hometrip.kernel.errors import NotFound, Unavailable
from hometrip.kernel.events import Envelope
from hometrip.kernel.pace import FIRST, LATER, Meter, Pace
from hometrip.ports.bus import Handler, Patience
from vhosts import vhost

pytestmark = pytest.mark.slow

ADAPTERS = ["adapters.bus.memory", "adapters.bus.rabbitmq"]
QUICK = Patience(pauses=(0.005, 0.01), behind_parked=0.05)
PATIENT = Patience(pauses=(0.005, 0.01), behind_parked=30)
Make = Callable[..., Any]


def letter(subject: str = "booking/1", sequence: int = 1, name: str = "booking.created") -> Envelope:
    return Envelope(
        id=uuid4(),
        name=name,
        version=1,
        occurred_at=utc(2027, 4, 14),
        producer="booking",
        subject=subject,
        sequence=sequence,
        correlation_id="c",
        data=msgspec.Raw(b'{"x":1}'),
    )


@pytest.fixture(params=ADAPTERS)
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Make]:
    """Makes buses that share what lies outside of a process: a file, a broker."""
    made: list[Any] = []

    def memory(patience: Patience = QUICK) -> MemoryBus:
        made.append(MemoryBus(tmp_path / "parked.db", SystemClock(), patience=patience))
        return made[-1]

    if request.param == "adapters.bus.memory":
        yield memory
        for bus in made:
            await bus.stop()
        return
    with vhost() as own:

        def rabbit(patience: Patience = QUICK) -> RabbitBus:
            made.append(RabbitBus(own.url, SystemClock(), patience=patience))
            return made[-1]

        yield rabbit
        for bus in made:
            await bus.stop()


def noting(heard: list[Any]) -> Handler:
    async def handle(envelope: Envelope) -> None:
        heard.append(envelope)

    return handle


async def failing(envelope: Envelope) -> None:
    raise ValueError("always")


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in handlers
            await asyncio.sleep(0.002)


async def test_a_listener_hears_what_it_listens_to_and_nothing_else(make: Make) -> None:
    bus, heard = make(), []
    await bus.listen("payment", ["booking.created"], noting(heard))
    await bus.start()
    wanted = letter()
    await bus.publish(letter(name="booking.expired"))
    await bus.publish(wanted)
    await bus.idle()
    assert heard == [wanted]


async def test_a_listener_gets_an_equal_copy_and_never_the_publishers_object(make: Make) -> None:
    bus, heard = make(), []
    await bus.listen("payment", ["booking.created"], noting(heard))
    await bus.start()
    sent = letter()
    await bus.publish(sent)
    await bus.idle()
    assert heard[0] == sent
    assert heard[0] is not sent


async def test_events_of_one_subject_come_in_order_and_one_at_a_time(make: Make) -> None:
    bus, heard, running = make(), [], []

    async def slowly(envelope: Envelope) -> None:
        running.append(envelope.subject)
        assert running.count(envelope.subject) == 1
        await asyncio.sleep(0)
        heard.append((envelope.subject, envelope.sequence))
        running.remove(envelope.subject)

    await bus.listen("payment", ["booking.created"], slowly)
    await bus.start()
    letters = [letter(f"booking/{n % 7}", n) for n in range(140)]
    await asyncio.gather(*(bus.publish(one) for one in letters))
    await bus.idle()
    assert await bus.parked() == []
    for n in range(7):
        assert [seq for subject, seq in heard if subject == f"booking/{n}"] == list(range(n, 140, 7))


async def test_other_subjects_go_on_beside_a_slow_one(make: Make) -> None:
    bus, heard, gate = make(), [], asyncio.Event()

    async def handle(envelope: Envelope) -> None:
        if envelope.subject == "booking/slow":
            await gate.wait()
        heard.append(envelope.subject)

    await bus.listen("payment", ["booking.created"], handle)
    await bus.start()
    slow = asyncio.ensure_future(bus.publish(letter("booking/slow")))
    quick = [f"booking/{n}" for n in range(20)]
    await asyncio.gather(*(bus.publish(letter(subject)) for subject in quick))
    await until(lambda: len(heard) == len(quick))
    assert sorted(heard) == sorted(quick)
    assert not await bus.quiet()
    gate.set()
    await slow
    await bus.idle()
    assert heard[-1] == "booking/slow"


async def test_a_listener_that_raises_is_tried_again(make: Make) -> None:
    bus, tries = make(), []

    async def third_time_lucky(envelope: Envelope) -> None:
        tries.append(envelope.id)
        if len(tries) < 3:
            raise RuntimeError("not yet")

    await bus.listen("payment", ["booking.created"], third_time_lucky)
    await bus.start()
    await bus.publish(letter())
    await bus.idle()
    assert len(tries) == 3
    assert await bus.parked() == []


async def test_an_event_that_cannot_be_handled_is_parked_and_the_subject_goes_on(make: Make) -> None:
    bus, heard = make(), []

    async def handle(envelope: Envelope) -> None:
        if envelope.sequence == 1:
            raise ValueError("poison")
        heard.append(envelope.sequence)

    await bus.listen("payment", ["booking.created"], handle)
    await bus.start()
    poison = letter(sequence=1)
    await asyncio.gather(bus.publish(poison), bus.publish(letter(sequence=2)))
    await bus.idle()
    assert heard == [2]
    [parked] = await bus.parked()
    assert (parked.service, parked.envelope, parked.tries) == ("payment", poison, 3)
    assert "poison" in parked.reason
    assert parked.at.tzinfo is not None


async def test_an_event_whose_handler_misses_a_part_of_the_house_is_tried_until_that_is_back(
    make: Make,
) -> None:
    bus, tries = make(), 0

    async def handle(envelope: Envelope) -> None:
        nonlocal tries
        tries += 1
        if tries < 8:
            raise Unavailable("the database does not answer")

    await bus.listen("payment", ["booking.created"], handle)
    await bus.start()
    await bus.publish(letter())
    await bus.idle()
    assert (tries, await bus.parked()) == (8, [])


async def test_what_is_away_for_good_is_not_waited_for_without_end(make: Make) -> None:
    bus = make(Patience(pauses=(0.005, 0.01), behind_parked=0.05, unavailable=0.1))

    async def handle(envelope: Envelope) -> None:
        raise Unavailable("the database does not answer")

    await bus.listen("payment", ["booking.created"], handle)
    await bus.start()
    await bus.publish(letter())
    await bus.idle()
    [parked] = await bus.parked()
    assert parked.tries > 3


async def test_later_events_of_the_subject_wait_behind_a_parked_one_until_it_is_replayed(make: Make) -> None:
    bus, heard, broken = make(PATIENT), [], [True]

    async def handle(envelope: Envelope) -> None:
        if broken[0]:
            raise ValueError("broken")
        heard.append((envelope.subject, envelope.sequence))

    await bus.listen("payment", ["booking.created"], handle)
    await bus.start()
    first = letter(sequence=1)
    await bus.publish(first)
    await bus.idle()
    broken[0] = False
    later = asyncio.ensure_future(bus.publish(letter(sequence=2)))
    others = [f"booking/other-{n}" for n in range(20)]
    await asyncio.gather(*(bus.publish(letter(subject)) for subject in others))
    await until(lambda: len(heard) == len(others))
    assert {subject for subject, _ in heard} == set(others)
    heard.clear()
    await bus.replay("payment", first.id)
    await later
    await bus.idle()
    assert heard == [("booking/1", 1), ("booking/1", 2)]
    assert await bus.parked() == []


async def test_later_events_of_the_subject_go_on_at_once_when_the_parked_one_is_dropped(make: Make) -> None:
    bus, heard = make(PATIENT), []

    async def handle(envelope: Envelope) -> None:
        if envelope.sequence == 1:
            raise ValueError("poison")
        heard.append(envelope.sequence)

    await bus.listen("payment", ["booking.created"], handle)
    await bus.start()
    poison = letter(sequence=1)
    await bus.publish(poison)
    await bus.idle()
    later = asyncio.ensure_future(bus.publish(letter(sequence=2)))
    await bus.drop("payment", poison.id)
    await later
    await bus.idle()
    assert heard == [2]
    assert await bus.parked() == []


async def test_one_listener_that_fails_does_not_keep_the_event_from_another(make: Make) -> None:
    bus, heard = make(), []
    await bus.listen("payment", ["booking.created"], failing)
    await bus.listen("search", ["booking.created"], noting(heard))
    await bus.start()
    await bus.publish(letter())
    await bus.idle()
    assert len(heard) == 1
    assert [parked.service for parked in await bus.parked("payment")] == ["payment"]
    assert await bus.parked("search") == []


async def test_what_is_parked_is_still_parked_after_a_restart_and_can_be_replayed_then(make: Make) -> None:
    first, heard = make(), []
    await first.listen("payment", ["booking.created"], failing)
    await first.start()
    poison = letter()
    await first.publish(poison)
    await first.idle()
    await first.stop()

    second = make()
    await second.listen("payment", ["booking.created"], noting(heard))
    await second.start()
    await second.replay("payment", poison.id)
    await second.idle()
    assert heard == [poison]
    assert await second.parked() == []


async def test_a_replayed_event_that_fails_again_is_parked_again(make: Make) -> None:
    bus, tries = make(), []

    async def fail(envelope: Envelope) -> None:
        tries.append(envelope.id)
        raise ValueError(f"failure {len(tries)}")

    await bus.listen("payment", ["booking.created"], fail)
    await bus.start()
    poison = letter()
    await bus.publish(poison)
    await bus.idle()
    await bus.replay("payment", poison.id)
    await bus.idle()
    [parked] = await bus.parked()
    assert parked.envelope == poison
    assert parked.reason == f"ValueError: failure {len(tries)}"
    assert len(tries) > 3


async def test_a_parked_event_can_be_dropped_and_an_unknown_one_cannot(make: Make) -> None:
    bus = make()
    await bus.listen("payment", ["booking.created"], failing)
    await bus.start()
    poison = letter()
    await bus.publish(poison)
    await bus.idle()
    await bus.drop("payment", poison.id)
    assert await bus.parked() == []
    for refuse in (bus.drop, bus.replay):
        with pytest.raises(NotFound):
            await refuse("payment", UUID(int=7))


async def test_what_a_bus_that_stops_did_not_deliver_is_heard_by_the_next(make: Make) -> None:
    bus, heard, begun, gate = make(), [], asyncio.Event(), asyncio.Event()

    async def wait(envelope: Envelope) -> None:
        begun.set()
        await gate.wait()
        heard.append(envelope.sequence)

    await bus.listen("payment", ["booking.created"], wait)
    await bus.start()
    letters = [letter(sequence=number) for number in (1, 2, 3)]
    publishing = [asyncio.ensure_future(bus.publish(one)) for one in letters]
    await begun.wait()
    stopping = asyncio.create_task(bus.stop())
    await asyncio.sleep(0)
    gate.set()
    await stopping
    refused = await asyncio.gather(*publishing, return_exceptions=True)
    with pytest.raises(Unavailable):
        await bus.publish(letter())

    second = make()
    await second.listen("payment", ["booking.created"], wait)
    await second.start()
    for one, outcome in zip(letters, refused, strict=True):
        if outcome is not None:
            assert isinstance(outcome, Unavailable)
            await second.publish(one)
    await second.idle()
    assert list(dict.fromkeys(heard)) == [1, 2, 3]


async def test_an_event_is_handled_only_when_what_its_handler_answers_has_ended(make: Make) -> None:
    bus, heard = make(), []
    safe: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def handle(envelope: Envelope) -> asyncio.Future[None] | None:
        heard.append(envelope.sequence)
        return safe if envelope.sequence == 1 else None

    await bus.listen("payment", ["booking.created"], handle)
    await bus.start()
    publishing = [asyncio.ensure_future(bus.publish(letter(sequence=number))) for number in (1, 2)]
    await until(lambda: heard)
    await asyncio.sleep(0.02)  # the second might have been begun by now
    assert heard == [1]
    assert not await bus.quiet()
    safe.set_result(None)
    await bus.idle()
    await asyncio.gather(*publishing)
    assert heard == [1, 2]


async def test_an_event_whose_handler_s_work_was_lost_is_handled_again(make: Make) -> None:
    bus, heard = make(), []

    async def handle(envelope: Envelope) -> asyncio.Future[None]:
        heard.append(envelope.sequence)
        safe: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if len(heard) < 3:
            safe.set_exception(Unavailable("the disk does not answer"))
        else:
            safe.set_result(None)
        return safe

    await bus.listen("payment", ["booking.created"], handle)
    await bus.start()
    await bus.publish(letter())
    await bus.idle()
    assert (heard, await bus.parked()) == ([1, 1, 1], [])


async def test_idle_returns_when_nothing_waits_or_runs(make: Make) -> None:
    bus, heard = make(), []
    await bus.listen("payment", ["booking.created"], noting(heard))
    await bus.start()
    publishing = [asyncio.ensure_future(bus.publish(letter(f"booking/{n}"))) for n in range(20)]
    await asyncio.sleep(0)
    await bus.idle()
    assert len(heard) == 20
    assert await bus.quiet()
    await asyncio.gather(*publishing)


async def test_a_bus_that_runs_is_ready(make: Make) -> None:
    bus = make()
    await bus.listen("payment", ["booking.created"], noting([]))
    await bus.start()
    await bus.ready()
    await bus.stop()
    with pytest.raises(Unavailable):
        await bus.ready()


async def test_the_loopback_runners_bus_delivers_everything_twice(tmp_path: Path) -> None:
    bus, heard = MemoryBus(tmp_path / "parked.db", SystemClock(), times=2), []
    await bus.listen("payment", ["booking.created"], noting(heard))
    await bus.start()
    await bus.publish(letter())
    await bus.stop()
    assert len(heard) == 2


async def test_of_many_events_few_are_begun_in_a_round_so_that_requests_have_their_turn(
    tmp_path: Path,
) -> None:
    """Also when many handlers that waited for the same go on at once, each with another event behind it."""
    bus, wanted, lanes = MemoryBus(tmp_path / "parked.db", SystemClock()), asyncio.Event(), 60
    loop, rounds, begun, waiting = asyncio.get_running_loop(), [0], list[int](), 0

    def count_round() -> None:
        rounds[0] += 1
        if len(begun) < lanes:
            loop.call_soon(count_round)

    async def handle(envelope: Envelope) -> None:
        nonlocal waiting
        if envelope.sequence == 1:
            waiting += 1
            await wanted.wait()
            return
        begun.append(rounds[0])
        work(0.001)

    await bus.listen("payment", ["booking.created"], handle)
    await bus.start()
    for sequence in (1, 2):
        for lane in range(lanes):
            bus.publish(letter(f"booking/{lane}", sequence))
    await until(lambda: waiting == lanes)
    assert not begun
    wanted.set()
    count_round()
    await bus.idle()
    assert max(Counter(begun).values()) <= 4
    await bus.stop()


async def test_what_people_wait_for_does_not_stand_behind_what_may_wait(tmp_path: Path) -> None:
    """Under a burst of requests, a hundred mails are due and a payment comes."""
    meter = Meter()
    paces = {"payment": Pace(meter, FIRST), "notification": Pace(meter, LATER)}
    bus, handled = MemoryBus(tmp_path / "parked.db", SystemClock(), pace_of=paces.__getitem__), list[str]()

    async def handle(envelope: Envelope) -> None:
        handled.append(envelope.name)
        work(0.001)

    async def requests() -> None:
        while "booking.confirmed" not in handled:
            work(0.001)
            await asyncio.sleep(0)

    await bus.listen("notification", ["booking.created"], handle)
    await bus.listen("payment", ["booking.confirmed"], handle)
    await bus.start()
    meter.requests = 2
    asking = asyncio.create_task(requests())
    await asyncio.sleep(0.01)
    now = SystemClock().now()
    for number in range(100):
        bus.publish(replace(letter(f"booking/{number}"), occurred_at=now))
    bus.publish(replace(letter("booking/paid", name="booking.confirmed"), occurred_at=now))
    await asyncio.wait_for(asking, 5)
    assert len(handled) < 10
    meter.requests = 0
    await bus.idle()
    assert len(handled) == 101
    await bus.stop()


@pytest.mark.parametrize("lost", [False, True])
async def test_what_becomes_safe_only_after_the_longest_stop_is_left_to_the_next_bus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    monkeypatch.setattr(memory, "STOP_SECONDS", 0.01)
    bus, loop = MemoryBus(tmp_path / "parked.db", SystemClock()), asyncio.get_running_loop()
    safe, failed, begun = loop.create_future(), list[Any](), asyncio.Event()
    loop.set_exception_handler(lambda _, context: failed.append(context))

    async def handle(_: Envelope) -> asyncio.Future[None]:
        begun.set()
        return safe

    await bus.listen("payment", ["booking.created"], handle)
    await bus.start()
    publishing = asyncio.ensure_future(bus.publish(letter()))
    await begun.wait()
    await bus.stop()
    if lost:
        safe.set_exception(Unavailable("the disk does not answer"))
    else:
        safe.set_result(None)
    with pytest.raises(Unavailable):
        await publishing
    await asyncio.sleep(0.01)
    gc.collect()
    assert not failed
