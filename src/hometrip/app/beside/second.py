"""A process beside the first of its house: answers what needs the storages alone, and passes on the rest."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from hometrip.adapters.cache.cable import CableCache
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.search.cable import CableSearch
from hometrip.adapters.traces.cable import CableTraces
from hometrip.app import metrics
from hometrip.app.beside.cable import Cable
from hometrip.app.beside.passing import Passage
from hometrip.app.edge.again import Again
from hometrip.app.edge.exchange import Scope
from hometrip.app.edge.lane import HandlerLane
from hometrip.app.edge.meter import Meter
from hometrip.app.edge.routes import anywhere_of, identity_of, ring_of, straight_of
from hometrip.app.edge.straight import Straight
from hometrip.app.engines import SharedPorts
from hometrip.app.opening import Open
from hometrip.app.settings import Settings
from hometrip.app.wiring import House
from hometrip.kernel.clock import Clock
from hometrip.ports.cache import Cache
from hometrip.ports.outbox import Outbox
from hometrip.ports.search import Search
from hometrip.ports.traces import Traces
from hometrip.services.search.actions import begin as begin_to_search

# Those whose routes may be answered anywhere, and whom they ask.
SERVICES = ("auth", "user", "listing", "booking", "payment", "search")
NEWS_SECONDS = 60.0


@contextlib.asynccontextmanager
async def open_beside(
    settings: Settings, sock: socket.socket, cable: Cable, passing: socket.socket
) -> AsyncIterator[Open]:
    """It leaves events and timers to the first process, at the other end of `cable`."""
    house = House(settings, services=SERVICES, shared=_shared(settings, cable))
    identity = identity_of(house)
    meter = Meter(house.shared[Cache])
    ring = ring_of(house, identity, Again(straight_of(house)), meter)
    anywhere = anywhere_of(house)
    lane = HandlerLane(ring, anywhere, house)
    cable.on("clock", lambda seconds: _move(house.clock, seconds))
    cable.on("metrics", metrics.exposition)
    cable.gone = lambda: os.kill(os.getpid(), signal.SIGTERM)
    first = First(anywhere, passing)
    telling = []
    try:
        await cable.open()
        await house.open()
        await identity.start()
        await begin_to_search(house.rooms["search"].deps)
        telling = [
            asyncio.create_task(_tell_news(cable, name, room.storage), name=f"news of {name}")
            for name, room in house.rooms.items()
            if room.storage
        ]
        yield Open(house, ring, lane, identity=identity, sock=sock, elsewhere=first)
    finally:
        for task in telling:
            task.cancel()
        await asyncio.gather(*telling, return_exceptions=True)
        first.close()
        await identity.stop()
        await meter.close()
        await house.stop()
        await cable.close()


class First(Passage):
    """The first process answers what is not to be answered anywhere."""

    def __init__(self, anywhere: Straight, end: socket.socket) -> None:
        super().__init__(end)
        self._anywhere = anywhere

    def answers(self, scope: Scope) -> bool:
        return self._anywhere.find(scope) is None


def _shared(settings: Settings, cable: Cable) -> SharedPorts:
    """With the first process's memory, where that is in no engine."""
    instead: dict[Any, Any] = {}
    if settings.cache_url == "memory:":
        instead[Cache] = CableCache(cable)
    if urlsplit(settings.search_url).scheme == "tantivy":
        instead[Search] = CableSearch(cable)
    if settings.traces_url == "memory:":
        instead[Traces] = CableTraces(cable)
    return SharedPorts(settings, instead=instead)


def _move(clock: Clock, seconds: float) -> None:
    assert isinstance(clock, MovableClock)
    clock.shift_to(timedelta(seconds=seconds))


async def _tell_news(cable: Cable, service: str, storage: Outbox) -> None:
    while True:
        await storage.wait_for_unsent(NEWS_SECONDS)
        cable.tell("news", service)
