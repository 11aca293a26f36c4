"""T6: each engine is killed under a small constant load on many processes, and started again. What people see
is what `docs/explanation/when-an-engine-is-away.md` says, and five seconds later all is well.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engines import Engines, engines_of_its_own
from faults.falling import NAMES, PATIENCE, Seen, Town, allowed, processes_of, promised
from split_house import Processes, SplitHouse, house_of

pytestmark = [pytest.mark.split, pytest.mark.full, pytest.mark.timeout(180)]

BACK_WITHIN = 5.0
# What a process may have more connections to engines than before: a pool that had not been full yet.
MORE_OPEN = 12


@pytest.fixture(scope="module")
def own() -> Iterator[Engines]:
    with engines_of_its_own() as engines:
        yield engines


@pytest.fixture(scope="module")
def processes(own: Engines) -> Iterator[Processes]:
    traces = own.settings_of("jaeger")["HOMETRIP_TRACES_URL"]
    started = Processes("mongo", of=own, HOMETRIP_BLOBS_URL=own.url_of("s3"), HOMETRIP_TRACES_URL=traces)
    try:
        asyncio.run(started.start())
        yield started
    finally:
        if started.server.log.exists():
            print(started.server.log.read_text()[-3000:])
        started.end()


@pytest.fixture
async def house(processes: Processes) -> AsyncIterator[SplitHouse]:
    async with house_of(processes) as opened:
        yield opened


@pytest.mark.parametrize("engine", NAMES)
async def test_while_an_engine_is_away_people_see_what_is_documented(
    house: SplitHouse, processes: Processes, own: Engines, engine: str
) -> None:
    town, expected = await Town.of(house), promised()[engine]
    async with town.busy():
        await town.each_once_more()
        before = _connections(processes, own)
        fell = time.monotonic()
        await asyncio.to_thread(own.kill, NAMES[engine])
        away = time.monotonic()
        await town.each_once_more()
        until = time.monotonic()
        await asyncio.to_thread(own.start, NAMES[engine])
        back = time.monotonic()
        await asyncio.sleep(max(0, back + BACK_WITHIN - time.monotonic()))
        well = time.monotonic()
        await town.each_once_more()
    for name, words in expected.items():
        meanwhile = [one for one in town.seen[name] if away <= one.at and one.at + one.seconds < until]
        assert {one.fits for one in meanwhile} <= allowed(words), (name, [*map(str, meanwhile)])
    during = [one for _, one in town.since(fell)]
    assert {one.status for one in during} <= {200, 201, 204, 503}, _odd(during)
    assert max(one.seconds for one in during) < PATIENCE
    late = [(name, one) for name, one in town.since(well) if one.fits != "works"]
    assert late == []
    async with asyncio.timeout(BACK_WITHIN):
        await town.confirmed()
    now = _connections(processes, own)
    assert {name: now[name] - before[name] for name in now if now[name] > before[name] + MORE_OPEN} == {}


def _odd(during: list[Seen]) -> list[Seen]:
    return [one for one in during if one.status not in (200, 201, 204, 503)]


def _connections(processes: Processes, own: Engines) -> Counter[str]:
    """How many connections to engines each service has open."""
    ports = {urlsplit(own.url_of(name)).port for name in NAMES.values() if name != "jaeger"}
    ports.add(urlsplit(own.settings_of("jaeger")["HOMETRIP_TRACES_URL"]).port)
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    theirs = {f"socket:[{row[9]}]" for row in rows if int(row[2].partition(":")[2], 16) in ports}
    found: Counter[str] = Counter()
    for pid, name in processes_of(processes.server).items():
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                found[name] += str(each.readlink()) in theirs
    return found
