"""T6: an engine that does not fall, but answers late, breaks off, crawls or talks nonsense, under a small
constant load on many processes. What people see is documented, and five seconds after it is well so is all.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest

from contracts.road import Road
from engines import Engines, shared
from faults.falling import NAMES, Town, allowed, promised
from split_house import Processes, house_of

pytestmark = [pytest.mark.split, pytest.mark.timeout(300)]

T = TypeVar("T")
ILLNESSES = ("unreachable", "late", "broken off", "crawling", "nonsense")
LATE_SECONDS = 0.3
# The others are shown by `make prove`.
QUICK = {("PostgreSQL", "unreachable"), ("Redis", "unreachable"), ("PostgreSQL", "nonsense")}
BACK_WITHIN = 5.0
ILL_SECONDS, QUICK_ILL_SECONDS = 6.0, 4.0
# How long anybody waits at most: five requests of which each may wait for two engines' deadlines.
PATIENCE = 25.0
NONSENSE = b"\x00\xff Once upon a time \x16\x03\x01 HTTP/9.9 -ERR {]\r\n\r\n"


class Roads:
    """A road to each engine, in a thread of their own: they lead there through several tests."""

    def __init__(self, of: Engines) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._of = of
        self._roads: dict[str, Road] = {}

    def to(self, name: str) -> Road:
        return self._roads[name]

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def url_of(self, name: str) -> str:
        """The engine's url, by its road."""
        url = urlsplit(self._of.url_of(name))
        assert url.hostname
        assert url.port
        if name not in self._roads:
            self._roads[name] = self.do(self._new(url.hostname, url.port))
        by = url.netloc.replace(f":{url.port}", f":{self._roads[name].port}")
        return url._replace(netloc=by).geturl()

    @staticmethod
    async def _new(host: str, port: int) -> Road:
        road = Road(host, port)
        await road.open()
        return road

    def close(self) -> None:
        for road in self._roads.values():
            self.do(road.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    @contextlib.contextmanager
    def ill(self, name: str, illness: str) -> Iterator[None]:
        road = self.to(name)
        breaking = None
        if illness == "unreachable":
            self.do(road.close())
        elif illness == "late":
            road.late = LATE_SECONDS
        elif illness == "broken off":
            breaking = asyncio.run_coroutine_threadsafe(road.break_again_and_again(0.3), self._loop)
        elif illness == "crawling":
            road.trickles = True
        else:
            road.spoil = lambda words: NONSENSE[: max(1, len(words))]
        try:
            yield
        finally:
            road.flow()
            if breaking:
                breaking.cancel()
            if illness == "unreachable":
                self.do(road.open())
            if illness in ("crawling", "nonsense"):
                self.do(road.cut())


class OnRoads(Engines):
    """The shared engines, each by its road."""

    def __init__(self, roads: Roads) -> None:
        super().__init__()
        self._roads = roads

    def url_of(self, name: str) -> str:
        return self._roads.url_of(name)

    def settings_of(self, name: str) -> dict[str, str]:
        return shared.settings_of(name)


@pytest.fixture(scope="module")
def roads() -> Iterator[Roads]:
    roads = Roads(shared)
    try:
        yield roads
    finally:
        roads.close()


@pytest.fixture(scope="module")
def processes(roads: Roads) -> Iterator[Processes]:
    started = Processes("mongo", of=OnRoads(roads), HOMETRIP_BLOBS_URL=roads.url_of("s3"))
    try:
        asyncio.run(started.start())
        yield started
    finally:
        if started.server.log.exists():
            print(started.server.log.read_text()[-6000:])
        started.end()


CELLS = [
    pytest.param(name, illness, marks=() if (name, illness) in QUICK else pytest.mark.full)
    for name in NAMES
    if name != "Jaeger"
    for illness in ILLNESSES
]


@pytest.mark.parametrize(("engine", "illness"), CELLS)
async def test_an_engine_that_is_ill_fails_nothing_but_what_waits_for_it(
    processes: Processes, roads: Roads, engine: str, illness: str
) -> None:
    async with house_of(processes) as house:
        town = await Town.of(house)
        async with town.busy():
            await town.each_once_more()
            fell = time.monotonic()
            with roads.ill(NAMES[engine], illness):
                ill = time.monotonic()
                await asyncio.sleep(QUICK_ILL_SECONDS if (engine, illness) in QUICK else ILL_SECONDS)
                until = time.monotonic()
            back = time.monotonic()
            async with asyncio.timeout(PATIENCE):
                await town.well_since(back)
            well = time.monotonic()
            await town.each_once_more()
        if illness == "unreachable":
            for name, words in promised()[engine].items():
                meanwhile = [one for one in town.seen[name] if ill <= one.at and one.at + one.seconds < until]
                assert meanwhile, f"nobody came to an end with {name}"
                assert {one.fits for one in meanwhile} <= allowed(words), (name, [*map(str, meanwhile)])
        during = [(name, one) for name, one in town.since(fell)]
        assert [odd for odd in during if odd[1].status not in (200, 201, 204, 503)] == []
        assert max(one.seconds for _, one in during) < PATIENCE
        late = min(well, back + BACK_WITHIN)
        assert [(name, one) for name, one in town.since(late) if one.fits != "works"] == []
        async with asyncio.timeout(BACK_WITHIN):
            await town.confirmed()
