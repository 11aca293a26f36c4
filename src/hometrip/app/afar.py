"""The other processes of a house: what the gateway asks of each of them to keep time and to tell events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import msgspec

from hometrip.adapters.clock.movable import MovableClock
from hometrip.app.edge.inside import CLOCK, HISTORY, NEXT_DUE, STILL, NextDue, Still
from hometrip.app.settings import SERVICES
from hometrip.app.timekeeping import earliest
from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.events import Envelope
from hometrip.ports.registry import Instance, Registry

SECONDS = 10.0


class Afar:
    """Every instance of every service, as `Processes`. `credential` makes a token for a service."""

    def __init__(self, registry: Registry, credential: Callable[[str], str], clock: Clock) -> None:
        self._registry, self._credential, self._clock = registry, credential, clock
        self._session: aiohttp.ClientSession | None = None

    async def still(self) -> tuple[tuple[str, int], ...] | None:
        answers = await self._all("POST", STILL)
        said = {name: msgspec.json.decode(answer, type=Still) for name, answer in answers.items()}
        if not all(each.still for each in said.values()):
            return None
        return tuple((name, each.done) for name, each in said.items())

    async def next_due(self) -> datetime | None:
        answers = await self._all("GET", NEXT_DUE)
        return earliest(msgspec.json.decode(answer, type=NextDue).at for answer in answers.values())

    async def shift_to(self, shift: timedelta) -> None:
        assert isinstance(self._clock, MovableClock)
        self._clock.shift_to(shift)
        await self._all("POST", CLOCK, body=msgspec.json.encode({"seconds": shift.total_seconds()}))

    async def history(self, subject: str) -> list[Envelope]:
        """From one instance of each service: the instances of one share its storage."""
        one_each = [self._instances(service)[0] for service in SERVICES]
        found = await asyncio.gather(
            *(self._ask(each, "GET", HISTORY, query={"subject": subject}) for each in one_each)
        )
        return [envelope for answer in found for envelope in msgspec.json.decode(answer, type=Told).items]

    async def get(self, service: str, path: str, query: Mapping[str, str]) -> bytes:
        return await self._ask(self._instances(service)[0], "GET", path, query=query)

    def instances(self) -> dict[str, int]:
        return {service: len(self._registry.instances(service)) for service in SERVICES}

    async def ready(self) -> None:
        """Answers, or raises `Unavailable` with the services that nobody gives now."""
        if missing := [service for service, count in self.instances().items() if not count]:
            raise Unavailable(f"no instance of {', '.join(missing)} is there")

    async def close(self) -> None:
        if self._session:
            await self._session.close()

    def _instances(self, service: str) -> list[Instance]:
        found = self._registry.instances(service)
        if not found:
            raise Unavailable(f"no instance of {service} is there")
        return found

    async def _all(self, method: str, path: str, *, body: bytes | None = None) -> dict[str, bytes]:
        """What each instance answers, by its id."""
        every = [instance for service in SERVICES for instance in self._instances(service)]
        answers = await asyncio.gather(*(self._ask(each, method, path, body=body) for each in every))
        return {each.id: answer for each, answer in zip(every, answers, strict=True)}

    async def _ask(
        self, instance: Instance, method: str, path: str, *, body: bytes | None = None, query: Any = None
    ) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(SECONDS), cookie_jar=aiohttp.DummyCookieJar()
            )
        headers = {"Authorization": f"Service {self._credential(instance.service)}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self._session.request(
                method, instance.url + path, data=body, params=query, headers=headers
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{instance.id} does not answer") from error
        if answer.status >= 300:
            raise Unavailable(f"{instance.id} answered {answer.status} to {path}")
        return content


class Told(msgspec.Struct, frozen=True):
    items: list[Envelope]
