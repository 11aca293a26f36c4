"""The house that is many processes: `hometrip up --split` on real engines, or `--processes` on one folder,
with the same face as `TestHouse`.

One is started with documents in both kinds of storage, one with all in each, and one on a folder; each serves
all tests that ask for it.
Every test has accounts of its own (its addresses are marked) and takes its homes off the market when it is
done; time goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from engines import Engines, shared
from harness import Person, TestHouse
from hometrip.app.opening import Open
from hometrip.app.settings import Settings, load
from hometrip.app.timekeeping import clock_of
from hometrip.app.verify import Finding, verify
from hometrip.app.wiring import House
from hometrip.kernel.clock import Clock
from hometrip.ports.payments import Payments
from server import Server

MANAGEMENT = "HOMETRIP_TEST_RABBITMQ_MANAGEMENT_URL"
FOLDER, BOTH = "folder", "both"
# Whose documents are in PostgreSQL where both are used; the others' are in MongoDB.
IN_POSTGRES = ("user", "notification")
_numbers = count(1)


def engines(name: str, documents: str, of: Engines = shared) -> dict[str, str]:
    """The settings of a house on real engines, in a name space of its own in each of them."""
    database = of.url_of("postgres")
    kept = database if documents == "postgres" else of.url_of("mongo")
    elsewhere = IN_POSTGRES if documents == BOTH else ()
    own = {f"HOMETRIP_{each.upper()}_DOCUMENTS_URL": _in(database, f"{name}_{each}") for each in elsewhere}
    return own | {
        "HOMETRIP_DATABASE_URL": _in(database, name),
        "HOMETRIP_DOCUMENTS_URL": _in(kept, name),
        "HOMETRIP_BUS_URL": _in(of.url_of("rabbitmq"), _vhost(name, of)),
        "HOMETRIP_CACHE_URL": f"{of.url_of('redis')}?prefix={name}:",
        "HOMETRIP_SEARCH_URL": _in(of.url_of("opensearch"), name),
        "HOMETRIP_REGISTRY_URL": _in(of.url_of("consul"), name),
    }


def _in(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _vhost(name: str, of: Engines) -> str:
    made = httpx2.put(f"{of.settings_of('rabbitmq')[MANAGEMENT]}/api/vhosts/{name}")
    assert made.status_code in (201, 204), made.text
    return name


def without_queues(name: str, of: Engines = shared) -> None:
    """For what has ended: a broker works for queues that nobody uses any more, too."""
    with contextlib.suppress(httpx2.TransportError):  # its engines have ended already
        httpx2.delete(f"{of.settings_of('rabbitmq')[MANAGEMENT]}/api/vhosts/{name}", timeout=30)


class Processes:
    """A running house of many processes; `end` is for the end of the session."""

    def __init__(self, documents: str, *options: str, of: Engines = shared, **settings: str) -> None:
        name = re.sub(r"\W", "_", f"t{os.getpid()}_{documents}_{next(_numbers)}")
        self._leave = partial(without_queues, name, of)
        self._begin(engines(name, documents, of) | settings, "--split", *options)

    def _begin(self, environment: dict[str, str], *options: str) -> None:
        self._folder = TemporaryDirectory(prefix="hometrip-split-")
        self.environment = environment
        self.server = Server(Path(self._folder.name) / "data", "--no-demo", *options, **environment)

    @property
    def settings(self) -> Settings:
        given = self.environment | {"HOMETRIP_LIMITS": "off", "HOMETRIP_SANDBOX": "on"}
        return load(given, {"data": self.server.data, "port": self.server.port, "demo": False})

    async def start(self) -> None:
        await self.server.start(within=120)

    def end(self) -> None:
        try:
            if self.server.process and self.server.process.poll() is None:
                self.server.stop()
        finally:
            self.server.end()
            self._folder.cleanup()
            self._leave()


class Several(Processes):
    """Three processes on one data folder, the embedded engines in it."""

    def __init__(self, *options: str, **settings: str) -> None:
        self._leave = lambda: None
        self._begin(settings, "--processes", "3", *options)

    async def start(self) -> None:
        """Returns when those beside the first answer as well."""
        await super().start()
        async with asyncio.timeout(60):
            while self.server.log.read_text().count("HomeTrip is ready beside") < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


_running: dict[str, Processes] = {}


async def processes_of(documents: str) -> Processes:
    """The house on these documents, or on one `folder`, started when it is first asked for."""
    if documents not in _running:
        started = _begun(documents)
        try:
            await started.start()
        except BaseException:
            started.end()
            raise
        _running[documents] = started
    return _running[documents]


def _begun(documents: str) -> Processes:
    """The one on both has several processes of a service, and each of its requests is traced."""
    if documents == FOLDER:
        return Several()
    if documents != BOTH:
        return Processes(documents)
    traced = dict[str, str]()
    with contextlib.suppress(pytest.skip.Exception):  # not installed: then only those are skipped that look
        traced["HOMETRIP_TRACES_URL"] = f"{shared.settings_of('jaeger')['HOMETRIP_TRACES_URL']}?sample=1"
    return Processes(documents, "--copies", "booking=4", **traced)


def end_all() -> None:
    while _running:
        _running.popitem()[1].end()


class SplitHouse(TestHouse):
    """`TestHouse` over many processes. `house` is a house of all services beside them, on the same engines:
    for looking into storages and for `verify`; it hears no events.
    """

    def __init__(self, settings: Settings, beside: House, client: httpx2.AsyncClient, mark: str) -> None:
        nothing: Any = None  # there is no port here
        super().__init__(Open(beside, nothing, nothing, started=False), client)
        self._settings, self._mark = settings, mark
        self._people: list[Person] = []

    @property
    def clock(self) -> Clock:  # type: ignore[override]  # it is moved by `advance` alone
        return clock_of(self._settings.data, sandbox=True)

    async def settle(self) -> None:
        await self.advance(0)

    async def advance(self, seconds: float) -> None:
        answer = await self.client.post(
            "/api/sandbox/clock/advance", json={"seconds": int(seconds)}, timeout=120
        )
        assert answer.status_code == 200, answer.text

    async def bring_webhooks(self) -> None:
        """The process of payment brings them."""
        while await self.house.shared[Payments].undelivered():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)

    async def verify(self) -> list[Finding]:
        return await verify(self._settings)

    async def mails(self, to: str) -> list[dict[str, Any]]:
        return await super().mails(self.marked(to))

    async def sign_up(self, email: str = "ann@example.com", name: str = "Ann Archer", **more: Any) -> Person:
        return await super().sign_up(self.marked(email), name, **more)

    async def staff(self, role: str = "admin", email: str = "staff@example.com") -> Person:
        return await super().staff(role, self.marked(email))

    def marked(self, email: str) -> str:
        name, _, host = email.partition("@")
        return email if name.endswith(self._mark) else f"{name}{self._mark}@{host}"

    async def _person(self, tokens: dict[str, Any]) -> Person:
        person = await super()._person(tokens)
        self._people.append(person)
        return person

    async def leave(self) -> None:
        """No home of this test is found by the next one."""
        for person in self._people:
            answer = await person.get("/api/listings/my-listings", params={"limit": 100})
            for home in answer.json().get("items", []):
                if home["status"] == "published":
                    await person.patch(f"/api/listings/{home['id']}/toggle-active")
        await self.settle()


@contextlib.asynccontextmanager
async def split_house(documents: str) -> AsyncIterator[SplitHouse]:
    async with house_of(await processes_of(documents)) as house:
        yield house
        await house.leave()


@contextlib.asynccontextmanager
async def house_of(processes: Processes) -> AsyncIterator[SplitHouse]:
    """Running processes as the tests see them."""
    settings = processes.settings
    beside = House(settings)
    try:
        await beside.open()
        async with httpx2.AsyncClient(base_url=processes.server.url, timeout=30) as client:
            yield SplitHouse(settings, beside, client, f"-{next(_numbers)}")
    finally:
        await beside.stop()
