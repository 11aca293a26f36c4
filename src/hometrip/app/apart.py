"""Opening one process of many: a service by itself, or the gateway before them all."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator

from hometrip.adapters.peers.http import HttpPeers
from hometrip.app.afar import Afar
from hometrip.app.credentials import ServiceKeys
from hometrip.app.edge.again import Again
from hometrip.app.edge.meter import Meter
from hometrip.app.edge.routes import identity_of, lane_of, litestar_of, ring_of, straight_of
from hometrip.app.engines import SharedPorts
from hometrip.app.gateway.forward import Forward
from hometrip.app.gateway.lane import ForwardLane
from hometrip.app.opening import Open
from hometrip.app.peering import Peering
from hometrip.app.settings import Settings
from hometrip.app.split import GATEWAY
from hometrip.app.timekeeping import clock_of_many
from hometrip.app.wiring import House
from hometrip.kernel.clock import Clock
from hometrip.ports.cache import Cache
from hometrip.ports.registry import Instance, Registry


@contextlib.asynccontextmanager
async def open_service(settings: Settings, name: str) -> AsyncIterator[Open]:
    """One service of a house of many processes; it asks the others over HTTP. It begins with `join`."""
    keys = ServiceKeys(settings.data / "secrets", name)
    shared = SharedPorts(settings, clock=clock_of_many(settings.data, sandbox=settings.sandbox))
    afar = HttpPeers(shared[Registry], keys.token_for)
    house = House(settings, services=[name], afar=afar, shared=shared)
    afar.tracer = house.tracer
    house.besides["keys"] = keys
    identity = identity_of(house, keys.sender_of)
    peering = Peering(
        house.answering, keys.sender_of, protocols=house.protocols, closed=lambda: house.stopping
    )
    ring = ring_of(house, identity, Again(straight_of(house, door=False)))
    lane = lane_of(house, ring, door=False)
    instance = Instance(name, f"{name}-{house.new_id()}", settings.url)
    try:
        await house.open()
        yield Open(house, ring, lane, peering=peering, identity=identity, instance=instance)
    finally:
        await identity.stop()
        await house.stop()
        await afar.close()


@contextlib.asynccontextmanager
async def open_gateway(settings: Settings, sock: socket.socket | None = None) -> AsyncIterator[Open]:
    """The door of a house of many processes: no service lives in it, every request is passed on. On `sock`,
    where one is given.
    """
    keys = ServiceKeys(settings.data / "secrets", GATEWAY)
    shared = SharedPorts(settings, clock=clock_of_many(settings.data, sandbox=settings.sandbox))
    registry = shared[Registry]
    afar, elsewhere = HttpPeers(registry, keys.token_for), Afar(registry, keys.token_for, shared[Clock])
    house = House(settings, services=(), afar=afar, elsewhere=elsewhere, shared=shared)
    house.besides |= {"keys": keys, "services": elsewhere}
    identity, meter = identity_of(house, keys.sender_of), Meter(shared[Cache])
    forward = Forward(
        litestar_of(house),
        registry,
        keys.token_for,
        clock=house.clock,
        sandbox=settings.sandbox,
        tracer=house.tracer,
    )
    try:
        await house.open()
        ring = ring_of(house, identity, forward, meter)
        yield Open(house, ring, ForwardLane(ring, forward), identity=identity, sock=sock)
    finally:
        await identity.stop()
        await meter.close()
        await forward.close()
        await house.stop()
        await elsewhere.close()
        await afar.close()
