"""Opening a house: its application and itself, for the one process that runs it or for another one beside."""

from __future__ import annotations

import contextlib
import fcntl
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

from hometrip.app.edge.again import Again
from hometrip.app.edge.exchange import App
from hometrip.app.edge.ring import Ring
from hometrip.app.edge.routes import identity_of, lane_of, ring_of, straight_of
from hometrip.app.identity import Identity
from hometrip.app.serving.front import Elsewhere, Lane
from hometrip.app.serving.shares import Shares
from hometrip.app.settings import BadSettings, Settings
from hometrip.app.wiring import House, Runner
from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import Unavailable
from hometrip.ports.registry import Instance, Registry

PEERS = "/peers/"


class Apart(Protocol):
    """An application beside the ring: what other services ask of this one."""

    busy: int

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Open:
    """A house that is there: the application at its port, and itself. Not `started` where another process
    runs it. As one process of many it is an instance that others find through the registry. A gateway
    that shares its port brings the socket, `sock`, and a process of a house of several their `shares` of the
    connections. What is answered `elsewhere` goes there.
    """

    def __init__(
        self,
        house: House,
        ring: Ring,
        lane: Lane,
        *,
        started: bool = False,
        peering: Apart | None = None,
        identity: Identity | None = None,
        instance: Instance | None = None,
        sock: socket.socket | None = None,
        shares: Shares | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.house, self.ring, self.started = house, ring, started
        self.lane, self.sock, self.shares, self.elsewhere = lane, sock, shares, elsewhere
        self._peering, self._identity, self._instance = peering, identity, instance

    @property
    def app(self) -> App:
        """What is served: the ring, with what other services ask beside it."""
        ring, peering = self.ring, self._peering
        if peering is None:
            return ring

        async def either(scope: Any, receive: Any, send: Any) -> None:
            asked = scope["type"] == "http" and scope["path"].startswith(PEERS)
            await (peering if asked else ring)(scope, receive, send)

        return either

    @property
    def is_alone(self) -> bool:
        """Is this the only process of its house?"""
        return self.house.afar is None

    @property
    def busy(self) -> int:
        """How many requests are being answered."""
        return self.ring.busy + (self._peering.busy if self._peering else 0)

    async def join(self) -> None:
        """Begin the work of one process of many, once it can be reached."""
        assert self._identity is not None
        await self.house.start()
        await self._identity.start()
        self.started = True

    async def register(self) -> None:
        """From now on others may send their requests here."""
        if self._instance:
            await self.house.shared[Registry].register(self._instance)

    async def leave(self) -> bool:
        """Others look elsewhere from now on; False where there are none."""
        if self._instance is None:
            return False
        with contextlib.suppress(Unavailable):
            await self.house.shared[Registry].leave(self._instance)
        return True


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
        identity = identity_of(house)
        ring = ring_of(house, identity, Again(straight_of(house)))
        try:
            await house.open()
            if mine:
                await house.start()
                await identity.start()
            yield Open(house, ring, lane_of(house, ring), started=mine)
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
