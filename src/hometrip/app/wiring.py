"""Wiring: builds the house from its settings. Which technology stands behind a port is decided here and
nowhere else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from hometrip.adapters.payments.sandbox import SandboxPayments
from hometrip.adapters.peers.exchange import Answering, owner_of
from hometrip.adapters.peers.local import LocalPeers
from hometrip.adapters.secrets.files import FileSecrets
from hometrip.app import metrics
from hometrip.app.engines import SharedPorts, bus, must_be_known, storage
from hometrip.app.hearing import Hearing
from hometrip.app.relay import Relay
from hometrip.app.rooms import deps_fields, service_of
from hometrip.app.sampling import sampling_of
from hometrip.app.settings import ENGINES, SERVICES, BadSettings, Settings
from hometrip.app.timekeeping import SETTLE_SECONDS, Elsewhere, Here, Timekeeper, in_order
from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import HomeTripError, Unavailable
from hometrip.kernel.events import Envelope
from hometrip.kernel.ids import NewId
from hometrip.kernel.pace import FIRST, LATER, SOON, Meter, Pace
from hometrip.kernel.service import Service
from hometrip.kernel.service import Settings as ServiceSettings
from hometrip.kernel.trace import Kind, Tracer
from hometrip.ports.bus import Patience
from hometrip.ports.database import Database
from hometrip.ports.documents import Documents
from hometrip.ports.engine import Unfit
from hometrip.ports.outbox import Outbox
from hometrip.ports.payments import Payments
from hometrip.ports.peer import Peers
from hometrip.ports.secrets import Secrets
from hometrip.ports.traces import Traces

P = TypeVar("P")

log = logging.getLogger("hometrip.house")

KEEP = timedelta(days=30)
WEBHOOK_SECONDS = 1.0
AGAIN_SECONDS = 0.25
STOPPING = "the marketplace is stopping"


class Runner(msgspec.Struct, frozen=True):
    """How the parts talk: `loopback` encodes every peer call, asks each question twice, delivers events
    twice.
    """

    loopback: bool = False
    patience: Patience = Patience()

    @property
    def times(self) -> int:
        """So often each event is delivered."""
        return 2 if self.loopback else 1


class Room(NamedTuple):
    """A service in its place: what it needs, what it hears, and its storage with the relay of it."""

    service: Service
    deps: Any
    storage: Outbox | None
    relay: Relay | None
    hearing: Hearing


class House:
    """The services of one process and everything they stand on. `open`, `start`, serve, `stop`.

    `services` are those that live in this process; it asks the others through `afar`, which a house with all
    of them does without. The process at the door has none, and keeps time for all of them `elsewhere`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        services: Sequence[str] = SERVICES,
        afar: Peers | None = None,
        elsewhere: Elsewhere | None = None,
        shared: SharedPorts | None = None,
        clock: Clock | None = None,
        runner: Runner = Runner(),
    ) -> None:
        self.settings, self.runner = settings, runner
        must_be_known(settings, map(service_of, services))
        _make_folders(settings.data)
        self.shared = shared or SharedPorts(settings, clock=clock)
        self.clock: Clock = self.shared[Clock]
        self.new_id: NewId = self.shared[NewId]
        self.meter = Meter()
        self._paces = {haste: Pace(self.meter, haste) for haste in (FIRST, SOON, LATER)}
        self.bus = bus(settings, self.clock, self._pace_of, patience=runner.patience, times=runner.times)
        sampling = sampling_of(settings.traces_url, sandbox=settings.sandbox)
        self.tracer = Tracer(
            self.shared[Traces].keep, share=sampling.share, slow=sampling.slow, service=_name_of(services)
        )
        self.peers = LocalPeers(self.answering, twice=runner.loopback)
        self.services, self.afar, self.elsewhere = frozenset(services), afar, elsewhere
        self.rooms: dict[str, Room] = {}
        self._answers: dict[type[Any], tuple[str, ModuleType]] = {}
        self._awaited: set[str] = set()  # events, by name, that somebody here waits for
        for name in services:
            self._add(service_of(name))
        self.here = Here(self._relays(), self._storages().values(), self.bus, self.clock, self._taken_up)
        self.time = Timekeeper(self.elsewhere or self.here, self.clock, settings.data)
        self._upkeep: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()
        # What other processes of this house have counted, as Prometheus text.
        self.counted_beside: Callable[[], Awaitable[list[bytes]]] = _nothing
        self.besides: dict[str, Any] = {}  # what else must be ready before the house is
        self._opening = "the marketplace is being made ready"
        self.started_at = self.clock.now()

    # building

    def _add(self, service: Service) -> None:
        for protocol, module in service.answers.items():
            self._answers[protocol] = (service.name, module)
        own = self._storage(service)
        given = {name: self._part(service, kind, own) for name, kind in deps_fields(service).items()}
        relay = Relay(service.name, own, self.bus, self.clock, self._awaited) if own else None
        deps = service.deps(**given)
        hearing = Hearing(service, deps, own, self.tracer, self._paces[service.haste], self.clock)
        self.rooms[service.name] = Room(service, deps, own, relay, hearing)
        if service.haste == FIRST:
            self._awaited.update(hearing.names)

    def _pace_of(self, service: str) -> Pace:
        """Whoever listens besides the services can wait."""
        room = self.rooms.get(service)
        return self._paces[room.service.haste if room else LATER]

    def _storage(self, service: Service) -> Any:
        """The service's own database: of the port that its `Deps` asks for."""
        wanted = set(deps_fields(service).values())
        for port, kind in (("database", Database), ("documents", Documents)):
            if kind in wanted:
                return storage(self.settings, port, service, self.clock, self.new_id)
        return None

    def _part(self, service: Service, kind: Any, storage: Any) -> Any:
        """What a field of `Deps` gets, by its annotation."""
        if kind in (Database, Documents):
            return storage
        if kind in self.shared:
            return self.shared[kind]
        if kind is Secrets:
            return FileSecrets(self.settings.data / "secrets", service.name)
        if isinstance(kind, type) and issubclass(kind, ServiceSettings):
            return self.settings.of_service(service.name, kind)
        if isinstance(kind, type) and kind.__module__.endswith(".contract"):
            return self.ask(kind)
        raise TypeError(f"nothing in the house is a {kind!r}, which {service.name} asks for")

    def ask(self, protocol: type[P]) -> P:
        """The service whose contract it is: in this process, or afar."""
        if self.afar is None or owner_of(protocol) in self.services:
            return self.peers.ask(protocol)
        return self.afar.ask(protocol)

    @property
    def protocols(self) -> list[type[Any]]:
        """What the services here answer to others."""
        return list(self._answers)

    @property
    def stopping(self) -> str:
        """Why nothing new is taken, if so."""
        return STOPPING if self._opening == STOPPING else ""

    def answering(self, protocol: type[Any], method: str) -> Answering | None:
        """The function that answers a peer's method, with its service's deps in place."""
        if protocol not in self._answers:
            return None
        name, module = self._answers[protocol]
        function, deps, inner = getattr(module, method), self.rooms[name].deps, self.tracer.inner
        kind = Kind.INTERNAL if self.afar is None else Kind.SERVER
        step = f"{protocol.__name__}.{method}"

        async def answer(*args: Any) -> Any:
            with inner(step, kind, name):
                return await function(deps, *args)

        return answer

    # living

    async def open(self) -> None:
        """Connect to the engines outside this process; `BadSettings` names every one that cannot be used."""
        wrong = []
        for name, part in self._parts().items():
            if opening := getattr(part, "open", None):
                try:
                    await opening()
                except Unfit as unfit:
                    wrong.append(f"{name}: {unfit.detail}")
        if wrong:
            raise BadSettings(wrong)

    async def start(self) -> None:
        """Everything is ready to be used when this returns; whatever was left undone before goes on."""
        for room in self.rooms.values():
            await self._listen(room)
        await self.bus.start()
        for room in self.rooms.values():
            for begin in room.service.starts:
                await self._begin(begin, room)
        for relay in self._relays():
            relay.start()
        self._upkeep = asyncio.create_task(self._keep_up(), name="upkeep")
        if "payment" in self.rooms and isinstance(self.shared[Payments], SandboxPayments):
            self.in_background(self._bring_webhooks(), "sandbox webhooks")

    @staticmethod
    async def _begin(begin: Callable[[Any], Awaitable[None]], room: Room) -> None:
        """What a service does first; it waits for those that it asks, which may be starting as well."""
        while True:
            try:
                await begin(room.deps)
                return
            except Unavailable as away:
                log.info("waiting for others", extra={"service": room.service.name, "reason": away.detail})
                await asyncio.sleep(AGAIN_SECONDS)

    async def _listen(self, room: Room) -> None:
        if room.hearing.names:
            await self.bus.listen(room.service.name, room.hearing.names, room.hearing.handle)

    def open_for_business(self) -> None:
        """From now on `ready` is only about the engines."""
        self._opening = ""

    def close_for_business(self) -> None:
        """No new work from now on: `ready` says so, and whoever shares the work out goes elsewhere."""
        self._opening = STOPPING
        for task in self._background:
            task.cancel()

    def in_background(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Work that nobody needs to wait for; it ends with the house."""

        def ended(task: asyncio.Task[None]) -> None:
            self._background.discard(task)
            if not task.cancelled() and (error := task.exception()):
                log.error("background work failed", extra={"work": name}, exc_info=error)

        task = asyncio.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(ended)
        return task

    async def stop(self) -> None:
        """Nothing new is begun; what is under way ends; what is left is done after the next start."""
        tasks = [*self._background, *([self._upkeep] if self._upkeep else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(relay.stop() for relay in self._relays()))
        await self.bus.stop()
        await asyncio.gather(*(room.hearing.stop() for room in self.rooms.values()))
        # Together: of engines that are away, each takes its time to be given up.
        parts = (*self.shared.made().values(), *self._storages().values())
        await asyncio.gather(*(close() for part in parts if (close := getattr(part, "close", None))))

    async def ready(self) -> dict[str, str]:
        """Each engine and what is wrong with it; nothing when all answer."""
        wrong = {"house": self._opening} if self._opening else {}
        for name, part in (self._parts() | self.besides).items():
            if ready := getattr(part, "ready", None):
                try:
                    await ready()
                except HomeTripError as error:
                    wrong[name] = error.detail
        return wrong

    def engines(self) -> Mapping[str, str]:
        """The technology behind each port, by the scheme of its url."""
        return {port: urlsplit(self.settings.engine(port)).scheme for port in ENGINES}

    async def _keep_up(self) -> None:
        """Once an hour, forget what is older than it needs to be."""
        while True:
            for name, room in self.rooms.items():
                try:
                    if room.storage:
                        await room.storage.forget(self.clock.now(), KEEP)
                except HomeTripError as error:
                    log.warning("nothing was forgotten", extra={"service": name}, exc_info=error)
            await asyncio.sleep(3600)

    async def _bring_webhooks(self) -> None:
        """Play the provider's part: what the sandbox wants to tell is brought as Stripe would bring it."""
        while True:
            try:
                await self.bring_webhooks()
            except HomeTripError as error:
                log.warning("webhooks wait", exc_info=error)
            await asyncio.sleep(WEBHOOK_SECONDS)

    async def bring_webhooks(self) -> int:
        """Every webhook that waits, once; how many there were."""
        from hometrip.services.payment.actions import hear as hear_webhook

        provider, payment = self.shared[Payments], self.rooms["payment"].deps
        waiting = await provider.undelivered()
        for webhook in waiting:
            # Signed at this moment: the clock may have been moved since they were asked for.
            await hear_webhook(payment, webhook.body, provider.signature(webhook.body))
            await provider.delivered(webhook.id)
        return len(waiting)

    async def measure(self) -> None:
        """Bring the gauges up to date: how far the outboxes are behind, and what is parked."""
        for name, room in self.rooms.items():
            if room.storage is None:
                continue
            unsent = await room.storage.unsent()
            age = (self.clock.now() - unsent.oldest).total_seconds() if unsent.oldest else 0
            metrics.OUTBOX_UNSENT.labels(name).set(unsent.count)
            metrics.OUTBOX_OLDEST.labels(name).set(age)
        parked = await self.bus.parked_counts()
        for name in self.rooms:
            metrics.EVENTS_PARKED.labels(name).set(parked.get(name, 0))

    async def history(self, subject: str) -> list[Envelope]:
        """The events of a subject from every service, in the order in which they happened."""
        if self.elsewhere:
            return in_order(await self.elsewhere.history(subject))
        return in_order([each for own in self._storages().values() for each in await own.history(subject)])

    async def settle(self, within: float | None = SETTLE_SECONDS) -> None:
        await self.time.settle(within)

    async def advance(self, seconds: float) -> datetime:
        return await self.time.advance(seconds)

    def _parts(self) -> dict[str, Any]:
        """Everything the house stands on, by name."""
        storages = {f"{name} storage": part for name, part in self._storages().items()}
        return {"bus": self.bus} | self.shared.made() | storages

    def _storages(self) -> dict[str, Any]:
        return {name: room.storage for name, room in self.rooms.items() if room.storage}

    def _taken_up(self) -> int:
        return sum(room.hearing.taken_up for room in self.rooms.values())

    def _relays(self) -> Sequence[Relay]:
        return [room.relay for room in self.rooms.values() if room.relay]


def _make_folders(data: Path) -> None:
    for folder in ("databases", "secrets", "mail", "files", "search"):
        (data / folder).mkdir(parents=True, exist_ok=True, mode=0o700)


async def _nothing() -> list[bytes]:
    return []


def _name_of(services: Sequence[str]) -> str:
    """Whose steps a process takes: a service's, the door's, or (nothing) those of all of them."""
    return services[0] if len(services) == 1 else "" if services else "gateway"
