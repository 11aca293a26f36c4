"""Time of a whole house: waiting until it is quiet, and moving the sandbox's clock with all that is due."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.app.relay import Relay
from hometrip.kernel.clock import Clock
from hometrip.kernel.events import Envelope
from hometrip.ports.bus import Bus
from hometrip.ports.outbox import Outbox

CLOCK_FILE = "sandbox-clock"
SETTLE_SECONDS = 60.0
BUSY_SECONDS = 0.002


class Processes(Protocol):
    """All processes of a house, as timekeeping sees them."""

    async def still(self) -> Hashable | None:
        """Fire what is due everywhere. None where there was something, or something is under way; otherwise
        what all of them have done so far, each as it says so in its turn. What one sends when another was
        asked already is seen by neither: the house is quiet where two answers after each other are the same.
        """

    async def next_due(self) -> datetime | None:
        """When the earliest timer of all is due."""

    async def shift_to(self, shift: timedelta) -> None:
        """Every clock runs ahead by that much from now on."""


class Elsewhere(Processes, Protocol):
    """The processes of a house in which this one is the door."""

    async def history(self, subject: str) -> list[Envelope]:
        """The events of a subject from every service."""

    async def get(self, service: str, path: str, query: Mapping[str, str]) -> bytes:
        """What one of a service's own routes answers; `Unavailable` where it does not."""

    def instances(self) -> dict[str, int]:
        """How many processes of each service there are."""


class Here:
    """A house that is all in this process."""

    def __init__(
        self,
        relays: Iterable[Relay],
        storages: Iterable[Outbox],
        bus: Bus,
        clock: Clock,
        taken_up: Callable[[], int],
    ) -> None:
        self._relays, self._storages, self._bus, self._clock = list(relays), list(storages), bus, clock
        self._taken_up = taken_up
        # Who else is to move a clock.
        self.moving: list[Callable[[timedelta], Awaitable[None]]] = []

    async def still(self) -> int | None:
        """How many events were published and taken up to be handled, where none is while this looks."""
        before = self._done()
        fired = [await relay.fire() for relay in self._relays]
        idle = [await relay.idle() for relay in self._relays]
        quiet = not any(fired) and all(idle) and await self._bus.quiet()
        return before if quiet and self._done() == before else None

    def _done(self) -> int:
        return self._taken_up() + sum(relay.published for relay in self._relays)

    async def next_due(self) -> datetime | None:
        return earliest([await storage.next_due() for storage in self._storages])

    async def shift_to(self, shift: timedelta) -> None:
        assert isinstance(self._clock, MovableClock)
        self._clock.shift_to(shift)
        for move in self.moving:
            await move(shift)


def earliest(dues: Iterable[datetime | None]) -> datetime | None:
    return min((due for due in dues if due is not None), default=None)


class Timekeeper:
    """Waits for all processes, and moves their clocks together."""

    def __init__(self, processes: Processes, clock: Clock, folder: Path) -> None:
        self._processes, self._clock, self._file = processes, clock, folder / CLOCK_FILE

    async def settle(self, within: float | None = SETTLE_SECONDS) -> None:
        """Returns when every event has been handled or parked, and nothing is due; `TimeoutError` where that
        takes longer than `within` seconds.
        """
        async with asyncio.timeout(within):
            before, now, took = None, *await self._look()
            while now is None or now != before:
                # Half of the time at most: to look at many processes is work for each of them, too.
                await asyncio.sleep(max(BUSY_SECONDS, took) if now is None else 0)
                before, (now, took) = now, await self._look()

    async def _look(self) -> tuple[Hashable | None, float]:
        """What is done where all is still, and how many seconds it took to find out."""
        began = time.perf_counter()
        return await self._processes.still(), time.perf_counter() - began

    async def advance(self, seconds: float) -> datetime:
        """Move time forward, doing everything that is due on the way at its own time."""
        target = self._clock.now() + timedelta(seconds=seconds)
        await self.settle()
        while (due := await self._processes.next_due()) is not None and due <= target:
            await self._move_to(due)
            await self.settle()
        if await self._move_to(target):
            await self.settle()
        return self._clock.now()

    async def _move_to(self, at: datetime) -> bool:
        """Kept before anything happens at that time, so that a restart never goes back before it. False where
        it is that late already.
        """
        assert isinstance(self._clock, MovableClock)
        if (ahead := at - self._clock.now()) <= timedelta():
            return False
        shift = self._clock.shift + ahead
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(shift.total_seconds()))
        fresh.replace(self._file)
        await self._processes.shift_to(shift)
        return True


def clock_of(folder: Path, *, sandbox: bool) -> Clock:
    """In the sandbox time can be moved, and goes on after a restart from where it was moved to."""
    return MovableClock(SystemClock(), shift=_kept_in(folder / CLOCK_FILE)) if sandbox else SystemClock()


def clock_of_many(folder: Path, *, sandbox: bool) -> Clock:
    """That of a process which others may have moved without telling it: another gateway moves it, or it was
    being started meanwhile.
    """
    return FollowingClock(folder / CLOCK_FILE) if sandbox else SystemClock()


class FollowingClock(MovableClock):
    """Looks at every reading whether the file says a later time; that costs 2 µs."""

    def __init__(self, file: Path) -> None:
        super().__init__(SystemClock())
        self._file, self._seen = file, (0, 0)

    def now(self) -> datetime:
        try:
            stat = os.stat(self._file)  # noqa: PTH116 - takes half as long as that of a Path
        except FileNotFoundError:
            return super().now()
        if (seen := (stat.st_ino, stat.st_mtime_ns)) != self._seen:
            self._seen = seen
            self.shift_to(_kept_in(self._file))
        return super().now()


def _kept_in(file: Path) -> timedelta:
    return timedelta(seconds=float(file.read_text())) if file.exists() else timedelta()


def in_order(envelopes: Iterable[Envelope]) -> list[Envelope]:
    """Events of several services, in the order in which they happened."""
    return sorted(envelopes, key=lambda envelope: (envelope.occurred_at, envelope.id))
