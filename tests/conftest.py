"""Fixtures that every test may use."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpcore2
import pytest
from hypothesis import HealthCheck, settings
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher
from xdist.scheduler import LoadScopeScheduling

from figures import figure as figure
from figures import pytest_terminal_summary as pytest_terminal_summary
from harness import Begun, Person, TestHouse, house_in
from hometrip.adapters.geocoder import gazetteer
from hometrip.services.auth.actions import passwords
from split_house import SplitHouse, end_all, split_house

# Tests write thousands of small databases, each synced to its disk, and none is about a power cut: in memory,
# where there is room, nobody waits for that.
MEMORY, ROOM = Path("/dev/shm"), 4 << 30
if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

settings.register_profile(
    "quick", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("quick")


# A hash costs 25 ms by intention, and next to nothing where nobody guesses; see `real_hashes`.
CHEAP = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1), BcryptHasher()))
REAL, passwords._hasher = passwords._hasher, CHEAP


# A client costs 23 ms, in which it reads whom all the world trusts; none of these speaks TLS.
httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)

# A gazetteer takes 60 ms to read, and nobody writes into it.
gazetteer.Gazetteer = cache(gazetteer.Gazetteer)  # type: ignore[misc]


@pytest.fixture
def real_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what passwords cost."""
    monkeypatch.setattr(passwords, "_hasher", REAL)


LOGGERS = ("hometrip.http", "asyncio", "PIL", "tzfpy", "alembic", "aiosqlite")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Commands set the logging of the whole process: afterwards it is as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    known = {name: logging.getLogger(name) for name in LOGGERS}
    was = {name: (log.level, log.propagate, list(log.handlers)) for name, log in known.items()}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, log in known.items():
        level, log.propagate, log.handlers[:] = was[name]
        log.setLevel(level)


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Begun:
    return Begun(lambda: tmp_path_factory.mktemp("begun"))


async def nobody(house: TestHouse) -> None:
    """Has lived in a house whose databases and keys are made: to make them takes longer than to copy them."""


@pytest.fixture
async def house(begun: Begun, tmp_path: Path) -> AsyncIterator[TestHouse]:
    await begun.copy(nobody, tmp_path)
    async with house_in(tmp_path) as opened:
        yield opened


@pytest.fixture
async def host(house: TestHouse) -> Person:
    return await house.sign_up("host@example.com", "Hanna Host")


@pytest.fixture
async def guest(house: TestHouse) -> Person:
    return await house.sign_up("guest@example.com", "Gus Guest")


# The first test of such a house waits for its engines and all its processes to start.
MANY = [pytest.mark.split, pytest.mark.timeout(400)]
SPLIT, WHOLE = "split on both", ("split on postgres", "split on mongo")
HOUSES = ("split on folder", SPLIT, *WHOLE)
RUNNERS = [
    "local",
    "loopback",
    "split on folder",
    pytest.param(SPLIT, marks=MANY),
    *(pytest.param(name, marks=[*MANY, pytest.mark.full]) for name in WHOLE),
]


def house_of_many(nodeid: str) -> str:
    return next((house for house in HOUSES if house in nodeid), "")


class HouseByHouse(LoadScopeScheduling):
    """All tests of a house of many processes run in one process, so that it is started once.

    They are known by their names: what xdist adds to them for its own groups, pytest 9.2 does not tell.
    """

    def _split_scope(self, nodeid: str) -> str:
        return house_of_many(nodeid) or self._otherwise(nodeid)

    def _otherwise(self, nodeid: str) -> str:
        return nodeid


class FileByFile(HouseByHouse):
    """So do all tests of a file, for what they share."""

    def _otherwise(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]


SCHEDULERS = {"loadgroup": HouseByHouse, "loadfile": FileByFile}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> HouseByHouse | None:
    scheduler = SCHEDULERS.get(config.getvalue("dist"))
    return scheduler(config, log) if scheduler else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that nothing is waited for at the end, and house by house."""
    long = {item.path for item in items if any(map(item.get_closest_marker, ("slow", "full")))}

    def place(item: pytest.Item) -> tuple[int, str]:
        house = house_of_many(item.nodeid)
        first = item.get_closest_marker("split")
        return 0 if first else 1 if house or item.path in long else 2, house

    items.sort(key=place)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """A house of many processes works when nobody asks, too: after its last test it is ended."""
    house = house_of_many(item.nodeid)
    if house and (nextitem is None or house_of_many(nextitem.nodeid) != house):
        end_all()


@pytest.fixture(params=["local", "loopback"])
async def either_house(
    request: pytest.FixtureRequest, begun: Begun, tmp_path: Path
) -> AsyncIterator[TestHouse]:
    """The same test under both runners of one process."""
    await begun.copy(nobody, tmp_path)
    async with house_in(tmp_path, loopback=request.param == "loopback") as opened:
        yield opened


@pytest.fixture(params=RUNNERS)
async def any_house(request: pytest.FixtureRequest, begun: Begun, tmp_path: Path) -> AsyncIterator[TestHouse]:
    """The same test under every runner, many processes too: what it does, it does through the door."""
    async with running(request.param, begun, tmp_path) as opened:
        yield opened


@pytest.fixture(
    params=[
        pytest.param("local", marks=pytest.mark.full),
        "loopback",
        pytest.param(WHOLE[0], marks=[*MANY, pytest.mark.full]),
    ]
)
async def told_house(
    request: pytest.FixtureRequest, begun: Begun, tmp_path: Path
) -> AsyncIterator[TestHouse]:
    """For stories of many days: where all that is heard and asked comes twice; as people run it, and in many
    processes, where proofs are made.
    """
    async with running(request.param, begun, tmp_path) as opened:
        yield opened


@contextlib.asynccontextmanager
async def running(runner: str, begun: Begun, folder: Path) -> AsyncIterator[TestHouse]:
    kind, _, documents = runner.partition(" on ")
    if kind == "split":
        async with split_house(documents) as many:
            yield many
    else:
        await begun.copy(nobody, folder)
        async with house_in(folder, loopback=kind == "loopback") as opened:
            yield opened


@pytest.fixture(params=[SPLIT])
async def house_of_copies() -> AsyncIterator[SplitHouse]:
    """The house of many processes with several of a service, whose requests are traced."""
    async with split_house("both") as many:
        yield many


# The tests themselves are half a million objects that stay: the collector need not walk over them again and
# again, which took a fifth of a run.
gc.set_threshold(20_000, 10, 5)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    end_all()
