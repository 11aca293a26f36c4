"""Opening a house: its application and itself, for the one process that runs it or for another one beside."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import AsyncIterator, Iterator

from hometrip.app.edge.ring import Ring
from hometrip.app.edge.routes import ring_of
from hometrip.app.settings import BadSettings, Settings
from hometrip.app.wiring import House, Runner
from hometrip.kernel.clock import Clock


class Open:
    """A house that is there: its application and itself. Not `started` where another process runs it."""

    def __init__(self, house: House, ring: Ring, *, started: bool) -> None:
        self.house, self.ring, self.started = house, ring, started


@contextlib.asynccontextmanager
async def open_house(
    settings: Settings, *, clock: Clock | None = None, runner: Runner = Runner(), beside: bool = False
) -> AsyncIterator[Open]:
    """A whole house, without a port: what `hometrip up` serves, and what tests and other commands use.

    One process at a time runs the house of a data folder (`BadSettings` for a second one). With `beside`, a
    second one may open it to read and write, and leaves events and timers to the first.
    """
    with lock_of(settings) as mine:
        if not mine and not beside:
            raise BadSettings([f"HOMETRIP_DATA: another HomeTrip is running in {settings.data}"])
        house = House(settings, clock=clock, runner=runner)
        ring, identity = ring_of(house)
        try:
            await house.open()
            if mine:
                await house.start()
                await identity.start()
            yield Open(house, ring, started=mine)
        finally:
            await identity.stop()
            await house.stop()


@contextlib.contextmanager
def lock_of(settings: Settings) -> Iterator[bool]:
    """True for the one process that runs the house of this folder; the system frees it when a process
    dies.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    with (settings.data / "running.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
