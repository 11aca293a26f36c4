"""The instances behind the gateway as it sees them: connections, how many requests each has, its health."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from prometheus_client import Counter

from hometrip.app.edge.exchange import SENDER
from hometrip.app.gateway.wire import Wire
from hometrip.app.metrics import REGISTRY
from hometrip.ports.registry import Instance, Registry
from hometrip.services.gateway.contract import NoInstance
from hometrip.services.gateway.rules import circuit as health
from hometrip.services.gateway.rules.circuit import CLOSED, HEALTHY, OPEN, Failure
from hometrip.services.gateway.rules.routing import SERVICES, pick

log = logging.getLogger("hometrip.gateway")

FAILURES = Counter(
    "hometrip_gateway_failures_total",
    "Requests that an instance did not answer; kind is refused or broken.",
    ["service", "kind"],
    registry=REGISTRY,
)

CONNECT_SECONDS = 2.0
# Less than the ten seconds after which a service closes a connection that says nothing.
IDLE_SECONDS = 5.0
# A write goes over a connection that was used so lately, or a new one: it cannot be sent again when an old
# one turns out to be closed.
SURE_SECONDS = 1.0
# Requests at once to one instance.
MOST_AT_ONCE = 1024
SWEEP_SECONDS = 1.0
CREDENTIAL_SECONDS = 1.0


class Unreached(Exception):
    """No connection to the instance: it has not got the request."""


class Target:
    """One instance. `enter`, `wire`, `answered` or `failed`, and in any case `leave`."""

    def __init__(self, instance: Instance, credential: Callable[[str], str]) -> None:
        self.instance, self._credential = instance, credential
        place = urlsplit(instance.url)
        self._host, self._port = place.hostname or "", place.port or (443 if place.scheme == "https" else 80)
        self._tls = True if place.scheme == "https" else None
        self._authority = place.netloc.rpartition("@")[2].encode()
        self._idle: list[tuple[float, Wire]] = []
        self._own, self._own_until = b"", 0.0
        self._loop = asyncio.get_running_loop()
        self.load = 0
        self.circuit = HEALTHY

    def own_lines(self, now: float) -> bytes:
        """The headers by which this very instance knows the gateway."""
        if now >= self._own_until:
            token = self._credential(self.instance.service).encode()
            self._own = b"host: %b\r\n%b: %b\r\n" % (self._authority, SENDER, token)
            self._own_until = now + CREDENTIAL_SECONDS
        return self._own

    def enter(self) -> None:
        self.load += 1
        if self.circuit.state is not CLOSED:
            self.circuit = health.entered(self.circuit)

    def idle_wire(self, *, sure: bool) -> Wire | None:
        """A connection that is open already; with `sure`, only one that was used a moment ago."""
        oldest = self._loop.time() - (SURE_SECONDS if sure else IDLE_SECONDS)
        while self._idle:
            since, wire = self._idle.pop()
            if not wire.alive:
                continue
            if since >= oldest:
                return wire
            self._idle.append((since, wire))
            return None
        return None

    async def new_wire(self) -> Wire:
        """Raises `Unreached`."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, wire = await self._loop.create_connection(Wire, self._host, self._port, ssl=self._tls)
        except TimeoutError as late:
            self.failed(Failure.BROKEN)
            raise Unreached from late
        except OSError as refusal:
            self.failed(Failure.REFUSED)
            raise Unreached from refusal
        return wire

    def answered(self, status: int) -> None:
        if self.circuit is not HEALTHY or status >= 500:
            before, self.circuit = self.circuit, health.answered(self.circuit, status, self._loop.time())
            if before.state is not CLOSED:
                log.info("an instance answers again", extra={"instance": self.instance.id})

    def failed(self, failure: Failure) -> None:
        FAILURES.labels(self.instance.service, failure.value).inc()
        before, self.circuit = self.circuit, health.failed(self.circuit, failure, self._loop.time())
        if self.circuit.state is OPEN and before.state is CLOSED:
            log.warning(
                "an instance is left alone", extra={"instance": self.instance.id, "reason": failure.value}
            )

    def leave(self, wire: Wire | None, *, clean: bool) -> None:
        """The request is over; a clean connection waits for the next one."""
        self.load -= 1
        self.circuit = health.left(self.circuit)
        if wire is not None:
            if clean and wire.clean:
                wire.rested()
                self._idle.append((self._loop.time(), wire))
            else:
                wire.cut()

    def sweep(self, now: float) -> None:
        """Ends the connections that nobody has used for a while."""
        kept = []
        for since, wire in self._idle:
            if wire.alive and now - since < IDLE_SECONDS:
                kept.append((since, wire))
            else:
                wire.cut()
        self._idle = kept

    def close(self) -> None:
        for _, wire in self._idle:
            wire.cut()
        self._idle.clear()


class Targets:
    """The instances of all services, as the registry has them now."""

    def __init__(
        self, registry: Registry, credential: Callable[[str], str], chance: Callable[[], float]
    ) -> None:
        self._registry, self._credential, self._chance = registry, credential, chance
        self._known: dict[str, Target] = {}
        self._sweeping: asyncio.Task[None] | None = None

    def of(self, instance: Instance) -> Target:
        known = self._known.get(instance.id)
        if known is None or (known.instance is not instance and known.instance != instance):
            if known is not None:
                known.close()
            known = self._known[instance.id] = Target(instance, self._credential)
            if self._sweeping is None:
                self._sweeping = asyncio.create_task(self._sweep(), name="gateway sweep")
        return known

    def choose(self, service: str, now: float, *, besides: Target | None = None) -> Target:
        """The less loaded of two random ones that may be asked. `besides` has just failed: it is asked again
        only where there is no other. Raises `NoInstance`.
        """
        targets = [self.of(instance) for instance in self._registry.instances(service)]
        usable = [
            target
            for target in targets
            if target.load < MOST_AT_ONCE and health.admits(target.circuit, now) and target is not besides
        ]
        if len(usable) > 1:
            well = [target for target in usable if not health.is_ejected(target.circuit, now)] or usable
            return well[pick([target.load for target in well], self._chance())]
        if usable:
            return usable[0]
        if besides is not None and besides in targets and health.admits(besides.circuit, now):
            return besides
        raise no_instance(service, targets, now)

    async def close(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeping
            self._sweeping = None
        for target in self._known.values():
            target.close()
        self._known.clear()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            listed = {instance.id for name in SERVICES for instance in self._registry.instances(name)}
            for name, target in list(self._known.items()):
                target.sweep(loop.time())
                if name not in listed and not target.load:
                    target.close()
                    del self._known[name]


def no_instance(service: str, targets: Iterable[Target], now: float) -> NoInstance:
    """Why there is none, and when it is worth asking again."""
    known = list(targets)
    if not known:
        return NoInstance(f"no instance of {service} is there", retry_after=1)
    waits = [target.circuit.until - now for target in known if target.circuit.state is OPEN]
    return NoInstance(
        f"no instance of {service} takes requests now", retry_after=max(1.0, min(waits, default=1))
    )
