"""Waiting until a house of many processes is quiet, however its events go round while they are asked."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.app.timekeeping import CLOCK_FILE, Timekeeper, clock_of_many
from hometrip.kernel.clock import utc

START = utc(2027, 4, 14, 9)


class Pair:
    """Two processes that hand an event to and fro, so that it is always with the one that is not asked."""

    def __init__(self, clock: MovableClock, turns: int) -> None:
        self.clock, self.turns, self.asked, self.done = clock, turns, 0, [0, 0]

    async def still(self) -> tuple[int, ...]:
        self.asked += 1
        said = []
        for one in range(2):
            said.append(self.done[one])  # it has nothing then, for the other one has it
            if self.turns:
                self.turns -= 1
                self.done[one] += 1
        return tuple(said)

    async def next_due(self) -> datetime | None:
        return None

    async def shift_to(self, shift: timedelta) -> None:
        self.clock.shift_to(shift)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(SystemClock(), frozen_at=START)


@pytest.mark.parametrize("turns", [0, 1, 2, 7, 40])
async def test_an_event_that_is_always_with_the_one_that_is_not_asked_is_waited_for(
    clock: MovableClock, tmp_path: Path, turns: int
) -> None:
    pair = Pair(clock, turns)
    await Timekeeper(pair, clock, tmp_path).settle()
    assert (pair.turns, sum(pair.done)) == (0, turns)
    assert pair.asked <= turns // 2 + 3


async def test_time_that_does_not_move_is_waited_for_once(clock: MovableClock, tmp_path: Path) -> None:
    pair = Pair(clock, 0)
    assert await Timekeeper(pair, clock, tmp_path).advance(0) == START
    assert pair.asked == 2
    assert await Timekeeper(pair, clock, tmp_path).advance(60) == START + timedelta(minutes=1)
    assert pair.asked == 6


class Working(Pair):
    """They are at work for that many seconds, and each look at them takes a while."""

    def __init__(self, clock: MovableClock, seconds: float, look: float) -> None:
        super().__init__(clock, 0)
        self._until, self._look = time.perf_counter() + seconds, look

    async def still(self) -> tuple[int, ...] | None:  # type: ignore[override]
        self.asked += 1
        await asyncio.sleep(self._look)
        return (0, 0) if time.perf_counter() > self._until else None


async def test_those_at_work_are_left_alone_for_half_of_the_time(clock: MovableClock, tmp_path: Path) -> None:
    working = Working(clock, seconds=0.4, look=0.02)
    await Timekeeper(working, clock, tmp_path).settle()
    assert working.asked <= 0.4 / (2 * 0.02) + 3


async def test_one_gateway_goes_on_from_where_another_has_moved_the_time(tmp_path: Path) -> None:
    """Nobody tells a gateway of what is asked of another one, nor a process that is not there yet."""
    clocks = [clock_of_many(tmp_path, sandbox=True) for _ in range(3)]
    began = clocks[0].now()
    for clock, days in zip(clocks[:2], (30, 1), strict=True):
        assert isinstance(clock, MovableClock)
        await Timekeeper(Pair(clock, 0), clock, tmp_path).advance(timedelta(days=days).total_seconds())
        told = timedelta(seconds=float((tmp_path / CLOCK_FILE).read_text()))
        assert {(each.now() - began - told) // timedelta(seconds=5) for each in clocks} == {0}
    assert round(told / timedelta(days=1)) == 31
