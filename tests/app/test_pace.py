"""How much of the loop's time events get beside requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic, thread_time

import pytest

from app.waiting import work
from hometrip.kernel.pace import LATER, UNDISTURBED, Haste, Meter, Pace


async def event(seconds: float) -> float:
    work(seconds)
    return seconds


@asynccontextmanager
async def requests(meter: Meter, seconds: float) -> AsyncIterator[list[float]]:
    """Requests that want the loop without end, so many seconds of it at a time; what they have used."""
    used = [0.0]
    meter.requests += 2

    async def ask() -> None:
        while True:
            work(seconds)
            used[0] += seconds
            await asyncio.sleep(0)

    asking = asyncio.create_task(ask())
    try:
        yield used
    finally:
        asking.cancel()
        meter.requests -= 2


async def events_for(pace: Pace, seconds: float, each: float) -> float:
    """What events get in so long a time of the thread."""
    spent, until = 0.0, thread_time() + seconds
    while thread_time() < until:
        await pace.turn()
        spent += await pace.metered(event(each))
    return spent


@pytest.mark.parametrize("each", [0.0002, 0.008])
async def test_events_take_their_share_of_what_busy_requests_do_however_long_each_is(each: float) -> None:
    meter = Meter()
    pace = Pace(meter, Haste(0.5))
    async with requests(meter, 0.001) as used:
        spent = await events_for(pace, 0.3, each)
    assert 0.25 < spent / used[0] < 0.75 + each / used[0]


async def test_what_other_events_take_gives_no_time_to_these() -> None:
    """Many mails at once, and a booking that is to be confirmed: none has more for what the other took."""
    meter = Meter()
    first, later = Pace(meter, Haste(0.6)), Pace(meter, Haste(0.2))
    async with requests(meter, 0.001) as used:
        both = asyncio.gather(events_for(first, 0.3, 0.0005), events_for(later, 0.3, 0.004))
        spent, spent_later = await both
    assert 0.3 < spent / used[0] < 0.9
    assert spent_later / used[0] < 0.4


async def test_events_that_may_wait_get_next_to_nothing_until_they_have() -> None:
    """A burst of requests has the house to itself; what has waited long enough gets its share."""
    meter, haste = Meter(), Haste(0.6, may_wait=10)
    for waited, least, most in ((None, 0.0, 0.28), (9.9, 0.0, 0.28), (10.0, 0.2, 0.9)):
        pace = Pace(meter, haste)
        if waited is not None:
            pace.has_waited(waited)
        async with requests(meter, 0.001) as used:
            spent = await events_for(pace, 0.3, 0.0005)
        assert least < spent / used[0] < most, waited


@pytest.mark.parametrize("hanging", [0, 5])
async def test_events_that_may_wait_do_not_where_nobody_else_wants_the_loop(hanging: int) -> None:
    """Neither do they beside requests that wait for something themselves."""
    meter = Meter()
    meter.requests = hanging
    pace = Pace(meter, LATER)
    began = thread_time()
    spent = await events_for(pace, 0.1, 0.0005)
    assert spent > 0.8 * (thread_time() - began)


async def test_requests_that_wait_for_a_database_for_a_moment_want_the_loop() -> None:
    """While it works the loop is idle: whoever may wait would take the core that it works on."""
    meter = Meter()
    meter.requests = 2

    async def ask() -> None:
        while True:
            work(0.005)
            await asyncio.sleep(0.01)

    asking = asyncio.create_task(ask())
    pace = Pace(meter, LATER)
    until, spent = monotonic() + 0.5, 0.0
    with suppress(TimeoutError):
        while monotonic() < until:
            async with asyncio.timeout(until - monotonic()):
                await pace.turn()
            spent += await pace.metered(event(0.0005))
    asking.cancel()
    assert spent < 0.05


async def test_events_have_the_loop_where_nobody_else_wants_it() -> None:
    pace = Pace()
    began = thread_time()
    spent = await events_for(pace, 0.1, 0.0005)
    assert spent > 0.8 * (thread_time() - began)


async def test_a_request_that_waits_for_something_is_made_no_way_for() -> None:
    meter = Meter()
    pace = Pace(meter)
    meter.requests = 1
    assert pace.may_begin()


async def test_what_an_event_took_too_long_is_taken_off_the_next() -> None:
    pace = Pace()
    assert pace.may_begin()
    await pace.metered(event(3 * UNDISTURBED))
    assert not pace.may_begin()
    await pace.turn()
    assert pace.may_begin()


async def test_metered_work_waits_answers_fails_and_is_cancelled_like_any_other() -> None:
    pace = Pace()

    async def double(number: int) -> int:
        await asyncio.sleep(0)
        if number < 0:
            raise ValueError("negative")
        return 2 * number

    assert await pace.metered(double(4)) == 8
    with pytest.raises(ValueError, match="negative"):
        await pace.metered(double(-1))
    begun, ended = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.set()

    async def patient() -> None:
        await pace.metered(stubborn())

    task = asyncio.create_task(patient())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
