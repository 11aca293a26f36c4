"""`hometrip up --split`: every service a process of its own here, kept running and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterable, Mapping
from itertools import cycle
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from hometrip.app.child import COLOURS, Child
from hometrip.app.credentials import publish
from hometrip.app.opening import lock_of
from hometrip.app.rooms import kept_in
from hometrip.app.settings import OWN_ENGINES, SERVICES, BadSettings, Settings

log = logging.getLogger("hometrip.split")

GATEWAY = "gateway"
GATEWAY_STOP_SECONDS, STOP_SECONDS = 12.0, 16.0
READY_SECONDS = 120.0


class Place(msgspec.Struct, frozen=True):
    """Where one copy of a service runs."""

    service: str
    number: int
    port: int

    @property
    def name(self) -> str:
        return f"{self.service}.{self.number}"


def check_split(settings: Settings, copies: Mapping[str, int]) -> None:
    """Raises `BadSettings` where the services could not be processes of their own on these engines."""
    wrong = [
        f"HOMETRIP_{port.upper()}_URL: {_scheme_of(settings, port)}: lives in one process; many need {needed}"
        for port, needed in (("bus", "amqp://…"), ("cache", "redis://…"))
        if _scheme_of(settings, port) == "memory"
    ]
    wrong += [
        f"HOMETRIP_{port.upper()}_URL: sqlite: has one writer; {service}={number} needs postgresql://…"
        for service, number in copies.items()
        for port in OWN_ENGINES
        if number > 1
        and service != GATEWAY
        and urlsplit(settings.engine(port, service)).scheme == "sqlite"
        and port == kept_in(service)
    ]
    if copies.get("search", 1) > 1 and _scheme_of(settings, "search") == "tantivy":
        wrong.append("HOMETRIP_SEARCH_URL: tantivy: has one writer; search=… needs elasticsearch://…")
    if wrong:
        raise BadSettings(wrong)


def _scheme_of(settings: Settings, port: str) -> str:
    return urlsplit(settings.engine(port)).scheme


def places(settings: Settings, copies: Mapping[str, int]) -> list[Place]:
    """The gateway on the port of the house, everything else on ports that are free now."""
    wanted = [(name, number) for name in SERVICES for number in range(1, copies.get(name, 1) + 1)]
    ports = free_ports(settings.host, len(wanted))
    services = [Place(name, number, port) for (name, number), port in zip(wanted, ports, strict=True)]
    return [*services, *gateways(settings, copies.get(GATEWAY, 1))]


def gateways(settings: Settings, count: int) -> list[Place]:
    """All of them on the port of the house."""
    return [Place(GATEWAY, number, settings.port) for number in range(1, count + 1)]


def free_ports(host: str, count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((host, 0))
        return [probe.getsockname()[1] for probe in probes]


def bound(settings: Settings) -> socket.socket:
    """The socket of the gateways: a connection goes to whichever takes it first, and none is lost when one of
    them goes, be it the only one.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((settings.host, settings.port))
    return sock


def static_registry(settings: Settings, where: list[Place]) -> str:
    """The registry's url for processes that find each other by a fixed list."""
    listed = "&".join(
        f"{place.service}={quote(f'http://{settings.host}:{place.port}')}"
        for place in where
        if place.service != GATEWAY
    )
    return f"static:?{listed}"


class Serving(Child):
    """One process of a service, or of the gateway."""

    def __init__(
        self,
        place: Place,
        settings: Settings,
        environment: Mapping[str, str],
        colour: int,
        sock: socket.socket | None = None,
    ) -> None:
        super().__init__(place.name, environment, colour)
        self.place, self._settings, self._socket = place, settings, sock

    def _words(self) -> tuple[list[str], Iterable[int]]:
        place, settings = self.place, self._settings
        words = ["serve", place.service, "--port", str(place.port), "--under", str(os.getpid())]
        words += ["--data", str(settings.data), "--host", settings.host]
        shared = [self._socket.fileno()] if self._socket else []
        return words + [f"--socket={number}" for number in shared], shared


class Split:
    """All processes of the house. `start`, `replace_all` for a rolling restart, `stop`."""

    def __init__(self, settings: Settings, where: list[Place], environment: Mapping[str, str]) -> None:
        self.settings = settings
        self._environment = dict(environment) | {"HOMETRIP_SANDBOX": "on" if settings.sandbox else "off"}
        self._fixed = settings.registry_url.startswith("static:")
        if self._fixed and any(place.service == GATEWAY for place in where):
            self._environment["HOMETRIP_REGISTRY_URL"] = static_registry(settings, where)
        self._colours = cycle(COLOURS)
        self._socket = bound(settings) if any(place.service == GATEWAY for place in where) else None
        self.children = [self._child(place) for place in where]

    def _child(self, place: Place) -> Serving:
        shared = self._socket if place.service == GATEWAY else None
        return Serving(place, self.settings, self._environment, next(self._colours), shared)

    async def start(self) -> None:
        """Returns when every process is ready; `TimeoutError` names those that are not after a while."""
        for child in self.children:
            child.start()
        late = await self._not_ready(self.children)
        if late:
            raise TimeoutError(f"not ready after {READY_SECONDS:.0f} s: {', '.join(late)}")

    async def _not_ready(self, children: list[Serving]) -> list[str]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                await asyncio.gather(*(child.is_ready.wait() for child in children))
        return [child.place.name for child in children if not child.is_ready.is_set()]

    async def replace_all(self) -> None:
        """One process after the other: its successor is ready before it is told to go."""
        for child in sorted(self.children, key=lambda child: child.place.service == GATEWAY):
            await self._replace(child)
        log.info("every process was replaced")

    async def _replace(self, child: Serving) -> None:
        place, is_door = child.place, child.place.service == GATEWAY
        first_out = self._fixed and not is_door  # nobody can be told of another port
        if first_out:
            await child.stop(STOP_SECONDS)
        elif not is_door:
            place = msgspec.structs.replace(place, port=free_ports(self.settings.host, 1)[0])
        successor = self._child(place)
        successor.start()
        if late := await self._not_ready([successor]):
            stays = "is still being started" if first_out else "is stopped; the old process stays"
            log.error(f"the successor is not ready and {stays}", extra={"child": late[0]})
            if not first_out:
                await successor.stop(STOP_SECONDS)
                return
        self.children[self.children.index(child)] = successor
        if not first_out:
            await child.stop(GATEWAY_STOP_SECONDS if is_door else STOP_SECONDS)

    async def stop(self) -> None:
        """The door first, then what is behind it."""
        door = [child for child in self.children if child.place.service == GATEWAY]
        await asyncio.gather(*(child.stop(GATEWAY_STOP_SECONDS) for child in door))
        if self._socket:
            self._socket.close()
        rest = [child for child in self.children if child not in door]
        await asyncio.gather(*(child.stop(STOP_SECONDS) for child in rest))


async def run(settings: Settings, copies: Mapping[str, int]) -> None:
    """`hometrip up --split`: all services and the gateway."""
    with lock_of(settings) as mine:  # others that open this folder know that its house is running
        if not mine:
            raise BadSettings([f"HOMETRIP_DATA: another HomeTrip is running in {settings.data}"])
        where = places(settings, copies)
        publish(settings.data / "secrets", {place.service for place in where})
        beside = _finish_demo if settings.demo else None
        await _keep(Split(settings, where, os.environ), f"HomeTrip is ready at {settings.url}", beside)


async def _finish_demo(settings: Settings) -> None:
    """The demo's pictures take minutes: nobody waits for them, and a next start goes on with them."""
    from hometrip.app.opening import open_house
    from hometrip.app.seed import seed  # knows several services, which a process of one need not load

    async with open_house(settings, beside=True) as opened:
        await seed(opened.house, wait_for_pictures=True)


async def run_workers(settings: Settings, service: str, workers: int) -> None:
    """`hometrip serve SERVICE --workers N`: the first on the port of the settings; gateways all share it."""
    if service == GATEWAY:
        where = gateways(settings, workers)
    else:
        ports = [settings.port, *free_ports(settings.host, workers - 1)]
        where = [Place(service, number, port) for number, port in enumerate(ports, 1)]
    await _keep(Split(settings, where, os.environ), f"{workers} processes of {service} are ready")


async def _keep(
    split: Split, ready: str, beside: Callable[[Settings], Coroutine[Any, Any, None]] | None = None
) -> None:
    """Until SIGTERM or SIGINT; SIGHUP replaces every process, one after the other. Once all are ready,
    `beside` is done as well.
    """
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    replacing: list[asyncio.Task[None]] = []
    more: asyncio.Task[None] | None = None
    loop.add_signal_handler(signal.SIGHUP, lambda: replacing.append(asyncio.create_task(split.replace_all())))
    try:
        starting = asyncio.create_task(split.start())
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            print(ready, flush=True)
            if beside:
                more = asyncio.create_task(beside(split.settings), name="beside")
            await stop
        starting.cancel()
    finally:
        for task in replacing:
            task.cancel()
        if more:
            more.cancel()
            for failure in await asyncio.gather(more, return_exceptions=True):
                if isinstance(failure, Exception):
                    log.error("the demo was not finished", exc_info=failure)
        await split.stop()
