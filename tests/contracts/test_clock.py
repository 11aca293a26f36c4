"""What every clock promises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.kernel.clock import Clock, utc

ADAPTERS: dict[str, Callable[[], Clock]] = {
    "adapters.clock.system": SystemClock,
    "adapters.clock.movable": lambda: MovableClock(SystemClock()),
}


@pytest.fixture(params=ADAPTERS)
def clock(request: pytest.FixtureRequest) -> Clock:
    return ADAPTERS[request.param]()


async def test_it_tells_an_aware_instant_in_utc_that_never_goes_back(clock: Clock) -> None:
    told = [clock.now() for _ in range(1000)]
    assert told == sorted(told)
    assert {at.utcoffset() for at in told} == {timedelta()}


async def test_sleeping_until_a_moment_ends_at_it_and_not_before(clock: Clock) -> None:
    at = clock.now() + timedelta(milliseconds=20)
    await clock.sleep_until(at)
    assert clock.now() >= at


async def test_sleeping_until_a_moment_that_has_passed_returns_at_once(clock: Clock) -> None:
    await asyncio.wait_for(clock.sleep_until(clock.now() - timedelta(days=1)), 0.5)


async def test_moving_the_clock_wakes_those_whose_time_has_come_and_no_others() -> None:
    clock = MovableClock(SystemClock(), frozen_at=utc(2027, 1, 1))
    soon = asyncio.create_task(clock.sleep_until(utc(2027, 1, 2)))
    late = asyncio.create_task(clock.sleep_until(utc(2027, 2, 1)))
    await asyncio.sleep(0)
    clock.move_to(utc(2027, 1, 3))
    await asyncio.wait_for(soon, 1)
    assert not late.done()
    late.cancel()


async def test_the_movable_clock_is_not_moved_back() -> None:
    clock = MovableClock(SystemClock(), frozen_at=utc(2027, 1, 1))
    clock.move_to(utc(2027, 1, 5))
    clock.move_to(utc(2027, 1, 2))
    assert clock.now() == utc(2027, 1, 5)
