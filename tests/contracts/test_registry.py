"""What every registry promises."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from contracts.consul_agent import OwnAgent, asked
from contracts.road import road_to
from engines import url_of
from hometrip.adapters.registry.consul import ConsulRegistry
from hometrip.adapters.registry.consul_agent import place_of
from hometrip.adapters.registry.consul_heart import Heart
from hometrip.adapters.registry.static import StaticRegistry
from hometrip.kernel.errors import Unavailable
from hometrip.ports.engine import Unfit
from hometrip.ports.registry import Instance, Registry

ADAPTERS: dict[str, Callable[[], Registry]] = {
    "adapters.registry.static": StaticRegistry,
    "adapters.registry.consul": lambda: ConsulRegistry(consul_url(name())),
}
ONE = Instance("booking", "booking-1", "http://127.0.0.1:4004")
TWO = Instance("booking", "booking-2", "http://127.0.0.1:4104")


def name() -> str:
    """A prefix of the test's own."""
    return f"test-{uuid4()}"


def consul_url(prefix: str, rest: str = "?ttl=20") -> str:
    """The shared Consul; patient, for the machine may be busy."""
    there = urlsplit(url_of("consul"))
    return f"consul://{there.netloc}/{prefix}{rest}"


@pytest.fixture(params=ADAPTERS)
async def registry(request: pytest.FixtureRequest) -> AsyncIterator[Registry]:
    made = ADAPTERS[request.param]()
    if isinstance(made, ConsulRegistry):
        await made.open()
    yield made
    await made.close()


async def test_an_instance_is_found_from_its_registration_until_it_leaves(registry: Registry) -> None:
    await registry.register(ONE)
    await registry.register(TWO)
    assert registry.instances("booking") == [ONE, TWO]
    await registry.leave(ONE)
    assert registry.instances("booking") == [TWO]


async def test_a_service_that_nobody_registered_has_no_instances(registry: Registry) -> None:
    await registry.register(ONE)
    assert registry.instances("search") == []


async def test_registering_twice_is_one_instance_and_leaving_twice_is_harmless(registry: Registry) -> None:
    await registry.register(ONE)
    await registry.register(ONE)
    assert registry.instances("booking") == [ONE]
    await registry.leave(ONE)
    await registry.leave(ONE)
    assert registry.instances("booking") == []


async def test_an_instance_that_moved_is_found_where_it_is_now(registry: Registry) -> None:
    moved = Instance("booking", "booking-1", "http://127.0.0.1:4999")
    await registry.register(ONE)
    await registry.register(moved)
    assert registry.instances("booking") == [moved]


# Consul alone


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[ConsulRegistry]:
    registry = ConsulRegistry(url)
    await registry.open()
    try:
        yield registry
    finally:
        await registry.close()


async def until(holds: Callable[[], bool], within: float = 10) -> float:
    """Seconds until it held."""
    began = time.monotonic()
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - another process's state makes no event here
            await asyncio.sleep(0.005)
    return time.monotonic() - began


async def test_other_processes_see_within_a_second_who_comes_and_who_leaves() -> None:
    prefix = name()
    async with opened(consul_url(prefix)) as here, opened(consul_url(prefix)) as there:
        came, left = [], []
        for _ in range(3):
            await here.register(ONE)
            came.append(await until(lambda: there.instances("booking") == [ONE]))
            await here.leave(ONE)
            left.append(await until(lambda: there.instances("booking") == []))
        assert max(min(came), min(left)) < 1  # a machine that others use may hold up one of them


async def test_houses_that_share_a_consul_do_not_see_each_other_nor_strangers() -> None:
    prefix, port = name(), urlsplit(url_of("consul")).port or 0
    async with opened(consul_url(prefix)) as here, opened(consul_url(name())) as elsewhere:
        await asked(port, "PUT", "/v1/agent/service/register", {"ID": f"{prefix}-x", "Name": prefix})
        await here.register(ONE)
        assert here.instances("booking") == [ONE]
        assert elsewhere.instances("booking") == []
        await here.leave(ONE)
        await asked(port, "PUT", f"/v1/agent/service/deregister/{prefix}-x")


REGISTERING = """
import asyncio, sys
from hometrip.adapters.registry.consul import ConsulRegistry
from hometrip.ports.registry import Instance

async def live():
    registry = ConsulRegistry(sys.argv[1])
    await registry.open()
    await registry.register(Instance("booking", "booking-1", "http://127.0.0.1:4004"))
    print("registered", flush=True)
    await asyncio.Event().wait()

asyncio.run(live())
"""


async def test_an_instance_whose_process_was_killed_is_unused_after_a_second() -> None:
    url = consul_url(name(), "")
    async with opened(url) as watching:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", REGISTERING, url, stdout=subprocess.PIPE,
            env={"PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        assert process.stdout is not None
        assert await process.stdout.readline() == b"registered\n"
        await until(lambda: watching.instances("booking") == [ONE])
        process.kill()
        took = await until(lambda: watching.instances("booking") == [])
        await process.wait()
        assert took < 1.5


async def test_a_busy_process_is_not_dead() -> None:
    prefix, port = name(), urlsplit(url_of("consul")).port or 0
    async with opened(consul_url(prefix, "?ttl=1.5")) as registry:
        await registry.register(ONE)
        time.sleep(2.5)  # noqa: ASYNC251 - this is the promise: a loop that is stuck keeps its instance
        healthy = await asked(port, "GET", f"/v1/health/service/{prefix}?passing")
        assert [entry["Service"]["Meta"]["id"] for entry in healthy] == ["booking-1"]
        await registry.leave(ONE)


async def test_a_heart_that_fails_of_itself_says_so_and_beats_on(caplog: pytest.LogCaptureFixture) -> None:
    heart = Heart(place_of("consul://127.0.0.1:1/test?ttl=0.05", 1))
    heart.keep({"ID": "no check is named"})
    await until(lambda: len(thrown(caplog)) > 1)
    heart.stop()
    assert set(thrown(caplog)) == {KeyError}


def thrown(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """The errors that the log tells of whole, whatever else it tells."""
    return [record.exc_info[0] for record in caplog.records if record.exc_info]


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[OwnAgent]:
    agent = OwnAgent(tmp_path)
    await agent.start()
    yield agent
    await agent.kill()


@contextlib.asynccontextmanager
async def counted(registry: ConsulRegistry) -> AsyncIterator[list[int]]:
    """How many bookings it knows, at every look."""
    counts: list[int] = []

    async def look() -> None:
        while True:
            counts.append(len(registry.instances("booking")))
            await asyncio.sleep(0.002)

    looking = asyncio.create_task(look())
    yield counts
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)


@pytest.mark.slow
async def test_while_consul_is_away_what_was_known_is_used_and_afterwards_all_register_again(
    agent: OwnAgent,
) -> None:
    async with opened(agent.url("house")) as one, opened(agent.url("house")) as two:
        await one.register(ONE)
        await two.register(TWO)
        await until(lambda: one.instances("booking") == two.instances("booking") == [ONE, TWO])
        async with counted(one) as counts:
            await agent.kill()
            began = time.monotonic()
            with pytest.raises(Unavailable):
                await one.ready()
            with pytest.raises(Unavailable):
                await one.register(Instance("search", "search-1", "http://127.0.0.1:4010"))
            assert time.monotonic() - began < 4
            await agent.start()
            await registered(agent, {"booking-1", "booking-2"})
        assert set(counts) == {2}
        await two.leave(TWO)
        await until(lambda: one.instances("booking") == [ONE])


async def registered(agent: OwnAgent, ids: set[str]) -> None:
    """Wait for Consul to know these, within the five seconds that an engine's return may take to be felt."""
    async with asyncio.timeout(5):
        while True:
            entries = await asked(agent.port, "GET", "/v1/health/service/house?passing")
            if {entry["Service"]["Meta"]["id"] for entry in entries} == ids:
                return
            await asyncio.sleep(0.02)


@pytest.mark.slow
async def test_leaving_while_consul_is_away_takes_no_time_and_is_felt_afterwards(agent: OwnAgent) -> None:
    async with opened(agent.url("house")) as one, opened(agent.url("house")) as two:
        await one.register(ONE)
        await two.register(TWO)
        await agent.kill()
        began = time.monotonic()
        await one.leave(ONE)
        assert time.monotonic() - began < 4
        await agent.start()
        await registered(agent, {"booking-2"})
        await until(lambda: two.instances("booking") == [TWO])


async def test_a_consul_that_is_silent_is_noticed_and_used_again_when_it_speaks() -> None:
    there = urlsplit(url_of("consul"))
    async with road_to(there.hostname or "", there.port or 0) as road:
        prefix = name()
        along = f"consul://127.0.0.1:{road.port}/{prefix}?ttl=20"
        async with opened(along) as registry, opened(consul_url(prefix)) as elsewhere:
            await registry.register(ONE)
            road.stall()
            began = time.monotonic()
            with pytest.raises(Unavailable):
                await registry.ready()
            assert time.monotonic() - began < 3
            await elsewhere.register(TWO)
            assert registry.instances("booking") == [ONE]
            road.flow()
            await until(lambda: registry.instances("booking") == [ONE, TWO])
            await registry.ready()
            assert road.ways <= 4


# settings


async def test_settings_are_read_by_the_names_of_the_environment() -> None:
    prefix, port = name(), urlsplit(url_of("consul")).port or 0
    async with opened(consul_url(prefix)) as registry:
        assert await registry.settings() == {}
        for key, value in [
            ("log_level", b"debug"), ("booking/hold_minutes", b"20"), ("Public_URL", "http://é".encode()),
            ("empty", b""), ("folder/", b""),
        ]:  # fmt: skip
            await asked(port, "PUT", f"/v1/kv/{prefix}/settings/{key}", value)
        await asked(port, "PUT", f"/v1/kv/{prefix}/other", b"not a setting")
        assert await registry.settings() == {
            "log_level": "debug",
            "booking_hold_minutes": "20",
            "public_url": "http://é",
            "empty": "",
        }


async def test_settings_can_be_read_before_anything_is_open() -> None:
    registry = ConsulRegistry(consul_url(name()))
    assert await registry.settings() == {}
    await registry.close()


async def test_a_change_of_settings_is_told_within_a_second_and_only_a_change() -> None:
    prefix, port = name(), urlsplit(url_of("consul")).port or 0
    told: list[dict[str, str]] = []
    async with opened(consul_url(prefix)) as registry:
        await asked(port, "PUT", f"/v1/kv/{prefix}/settings/log_level", b"info")
        watching = asyncio.create_task(registry.watch_settings(told.append, known={"log_level": "info"}))
        await asked(port, "PUT", f"/v1/kv/{prefix}/other", b"not a setting")
        await asked(port, "PUT", f"/v1/kv/{prefix}/settings/log_level", b"info")
        await asked(port, "PUT", f"/v1/kv/{prefix}/settings/log_level", b"debug")
        took = [await until(lambda: told == [{"log_level": "debug"}])]
        await asked(port, "DELETE", f"/v1/kv/{prefix}/settings/log_level")
        took.append(await until(lambda: told[1:] == [{}]))
        await asked(port, "PUT", f"/v1/kv/{prefix}/settings/log_level", b"debug")
        took.append(await until(lambda: told[2:] == [{"log_level": "debug"}]))
        assert min(took) < 1  # a machine that others use may hold up one of them
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


# a Consul that cannot be used


async def test_a_consul_that_is_not_there_is_named_and_the_token_is_not() -> None:
    async with road_to("127.0.0.1", 1) as road:
        await road.close()
        registry = ConsulRegistry(f"consul://:secret-word@127.0.0.1:{road.port}/house")
        with pytest.raises(Unfit, match=r"does not answer.*start a Consul agent") as unfit:
            await registry.open()
        assert "secret-word" not in unfit.value.detail
        await registry.close()


RULES = """
service "house" { policy = "write" }
node_prefix "" { policy = "read" }
agent_prefix "" { policy = "read" }
key_prefix "house/settings/" { policy = "read" }
"""


@pytest.mark.slow
async def test_a_token_needs_the_rights_that_are_named_and_no_more(tmp_path: Path) -> None:
    agent = OwnAgent(tmp_path, rights=True)
    await agent.start()
    try:
        token = await agent.token(RULES)
        async with opened(agent.url("house", token)) as registry:
            await registry.register(ONE)
            assert registry.instances("booking") == [ONE]
            assert [finding.what for finding in await registry.examine()] == [
                "reachable",
                "version",
                "rights",
            ]
            await registry.leave(ONE)
        for line in RULES.strip().splitlines():
            token = await agent.token(RULES.replace(line, ""))
            registry = ConsulRegistry(agent.url("house", token))
            with pytest.raises(Unfit, match="give") as unfit:
                await registry.open()
            assert token not in unfit.value.detail
            await registry.close()
        registry = ConsulRegistry(agent.url("house", "secret-word"))
        with pytest.raises(Unfit):
            await registry.open()
        await registry.close()
    finally:
        await agent.kill()
