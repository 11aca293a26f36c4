"""Wiring: builds the house from its settings. Which technology stands behind a port is decided here and
nowhere else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, cast, get_type_hints
from urllib.parse import urlsplit

import msgspec

from hometrip.adapters.blobs.files import FileBlobs
from hometrip.adapters.bus.memory import MemoryBus, Patience
from hometrip.adapters.cache.memory import MemoryCache
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.courier.folder import FolderCourier
from hometrip.adapters.database.sqlite import SqliteDatabase
from hometrip.adapters.documents.sqlite import SqliteDocuments
from hometrip.adapters.geocoder.gazetteer import GazetteerGeocoder
from hometrip.adapters.payments.sandbox import SandboxPayments
from hometrip.adapters.peers.local import Answering, LocalPeers
from hometrip.adapters.registry.static import StaticRegistry
from hometrip.adapters.search.tantivy import TantivySearch
from hometrip.adapters.secrets.files import FileSecrets
from hometrip.adapters.workshop.processes import ProcessWorkshop
from hometrip.app import metrics
from hometrip.app.late import LateFetcher
from hometrip.app.relay import Relay
from hometrip.app.rooms import deps_fields, service_of
from hometrip.app.settings import ENGINES, SERVICES, Settings, folder_of
from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import HomeTripError
from hometrip.kernel.events import Cause, Envelope, Event, current_cause
from hometrip.kernel.ids import NewId, ids
from hometrip.kernel.service import Reaction, Service
from hometrip.kernel.service import Settings as ServiceSettings
from hometrip.ports.blobs import Blobs
from hometrip.ports.cache import Cache
from hometrip.ports.courier import Courier
from hometrip.ports.database import Database
from hometrip.ports.documents import Documents
from hometrip.ports.fetcher import Fetcher
from hometrip.ports.geocoder import Geocoder
from hometrip.ports.outbox import Outbox
from hometrip.ports.payments import Payments
from hometrip.ports.registry import Registry
from hometrip.ports.search import Search
from hometrip.ports.secrets import Secrets
from hometrip.ports.workshop import Workshop
from hometrip.services.payment.actions import hear as hear_webhook

log = logging.getLogger("hometrip.house")

KEEP = timedelta(days=30)
SETTLE_SECONDS = 60.0
WEBHOOK_SECONDS = 1.0
CLOCK_FILE = "sandbox-clock"


class Runner(msgspec.Struct, frozen=True):
    """How the parts talk: `loopback` encodes every peer call, asks each question twice, delivers events
    twice.
    """

    loopback: bool = False
    patience: Patience = Patience()


class Room:
    """A service in its place: what it needs, and its storage with the relay of it."""

    def __init__(self, service: Service, deps: Any, storage: Outbox | None, relay: Relay | None) -> None:
        self.service, self.deps, self.storage, self.relay = service, deps, storage, relay


class House:
    """The services of one process and everything they stand on. `start`, serve, `stop`."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None, runner: Runner = Runner()) -> None:
        self.settings, self.runner = settings, runner
        for folder in ("databases", "secrets", "mail", "files", "search"):
            (settings.data / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        self.clock: Clock = clock or _clock_of(settings)
        self.new_id: NewId = ids(self.clock)
        self.bus = MemoryBus(
            settings.data / "databases" / "parked.db",
            self.clock,
            patience=runner.patience,
            times=2 if runner.loopback else 1,
        )
        self.peers = LocalPeers(self.answering, twice=runner.loopback)
        self.shared = self._shared_ports()
        self.rooms: dict[str, Room] = {}
        self._answers: dict[type[Any], tuple[str, ModuleType]] = {}
        for name in SERVICES:
            self._add(service_of(name))
        self._upkeep: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._opening = "the marketplace is being made ready"
        self.started_at = self.clock.now()

    # building

    def _shared_ports(self) -> dict[Any, Any]:
        """The ports that all services of a process have one instance of."""
        settings = self.settings
        secret = FileSecrets(settings.data / "secrets", "sandbox-payments").secret("webhooks")
        return {
            Clock: self.clock,
            NewId: self.new_id,
            Cache: MemoryCache(self.clock),
            Search: TantivySearch(folder_of(settings.search_url)),
            Blobs: FileBlobs(folder_of(settings.blobs_url)),
            Registry: StaticRegistry(),
            Courier: FolderCourier(folder_of(settings.courier_url)),
            Geocoder: GazetteerGeocoder(),
            Fetcher: LateFetcher(),
            Payments: SandboxPayments(
                settings.data / "databases" / "sandbox-payments.db", self.clock, self.new_id, secret
            ),
            Workshop: ProcessWorkshop(),
        }

    def _add(self, service: Service) -> None:
        for protocol, module in service.answers.items():
            self._answers[protocol] = (service.name, module)
        storage = self._storage(service)
        given = {name: self._part(service, kind, storage) for name, kind in deps_fields(service).items()}
        relay = Relay(service.name, storage, self.bus, self.clock) if storage else None
        self.rooms[service.name] = Room(service, service.deps(**given), storage, relay)

    def _storage(self, service: Service) -> Any:
        """The service's own database: of the port that its `Deps` asks for."""
        wanted = set(deps_fields(service).values())
        if Database in wanted:
            path = self._file("database", service.name)
            return SqliteDatabase(
                path, service=service.name, clock=self.clock, new_id=self.new_id, metadata=service.storage
            )
        if Documents in wanted:
            path = self._file("documents", service.name)
            return SqliteDocuments(
                path,
                service=service.name,
                clock=self.clock,
                new_id=self.new_id,
                collections=service.storage,
            )
        return None

    def _file(self, port: str, service: str) -> Path:
        folder = folder_of(self.settings.engine(port, service))
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{service}.db"

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
            return self.peers.ask(kind)
        raise TypeError(f"nothing in the house is a {kind!r}, which {service.name} asks for")

    def answering(self, protocol: type[Any], method: str) -> Answering | None:
        """The function that answers a peer's method, with its service's deps in place."""
        if protocol not in self._answers:
            return None
        name, module = self._answers[protocol]
        function, deps = getattr(module, method), self.rooms[name].deps

        async def answer(*args: Any) -> Any:
            return await function(deps, *args)

        return answer

    # living

    async def start(self) -> None:
        """Everything is ready to be used when this returns; whatever was left undone before goes on."""
        for room in self.rooms.values():
            await self._listen(room)
        await self.bus.start()
        for room in self.rooms.values():
            for begin in room.service.starts:
                await begin(room.deps)
        for relay in self._relays():
            relay.start()
        self._upkeep = asyncio.create_task(self._keep_up(), name="upkeep")
        if isinstance(self.shared[Payments], SandboxPayments):
            self.in_background(self._bring_webhooks(), "sandbox webhooks")

    async def _listen(self, room: Room) -> None:
        """A service is one listener, so that it hears the events of a subject in their order."""
        reactions: dict[str, list[tuple[type[Event], Reaction]]] = {}
        for reaction in room.service.reactions:
            kind = event_of(reaction)
            reactions.setdefault(kind.name, []).append((kind, reaction))

        async def handle(envelope: Envelope) -> None:
            token = current_cause.set(Cause(envelope.correlation_id, str(envelope.id), envelope.traceparent))
            outcome = "failed"
            try:
                for kind, reaction in reactions[envelope.name]:
                    await reaction(room.deps, envelope.open(kind))
                outcome = "ok"
            finally:
                current_cause.reset(token)
                metrics.EVENTS_HANDLED.labels(room.service.name, envelope.name, outcome).inc()

        if reactions:
            await self.bus.listen(room.service.name, list(reactions), handle)

    def open_for_business(self) -> None:
        """From now on `ready` is only about the engines."""
        self._opening = ""

    def close_for_business(self) -> None:
        """No new work from now on: `ready` says so, and whoever shares the work out goes elsewhere."""
        self._opening = "the marketplace is stopping"
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
        for part in (*self.shared.values(), *(room.storage for room in self.rooms.values() if room.storage)):
            if close := getattr(part, "close", None):
                await close()

    async def ready(self) -> dict[str, str]:
        """Each engine and what is wrong with it; nothing when all answer."""
        wrong = {"house": self._opening} if self._opening else {}
        parts = {kind.__name__.lower(): part for kind, part in self.shared.items() if kind is not NewId}
        parts |= {f"{name} storage": room.storage for name, room in self.rooms.items() if room.storage}
        for name, part in ({"bus": self.bus} | parts).items():
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
        provider, payment = self.shared[Payments], self.rooms["payment"].deps
        waiting = await provider.undelivered()
        for webhook in waiting:
            await hear_webhook(payment, webhook.body, webhook.signature)
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
        parked = [parked.service for parked in await self.bus.parked()]
        for name in self.rooms:
            metrics.EVENTS_PARKED.labels(name).set(parked.count(name))

    async def history(self, subject: str) -> list[Envelope]:
        """The events of a subject from every service, in the order in which they happened."""
        found: list[Envelope] = []
        for room in self.rooms.values():
            if room.storage:
                found += await room.storage.history(subject)
        return sorted(found, key=lambda envelope: (envelope.occurred_at, envelope.id))

    # time

    async def settle(self, within: float | None = SETTLE_SECONDS) -> None:
        """Returns when every event has been handled or parked, and nothing is due; `TimeoutError` where that
        takes longer than `within` seconds.
        """
        async with asyncio.timeout(within):
            quiet = 0
            while quiet < 2:
                fired = [await relay.fire() for relay in self._relays()]
                idle = [await relay.idle() for relay in self._relays()]
                quiet = quiet + 1 if not any(fired) and all(idle) else 0
                await asyncio.sleep(0 if quiet else 0.002)

    async def advance(self, seconds: float) -> datetime:
        """Move time forward, doing everything that is due on the way at its own time."""
        target = self.clock.now() + timedelta(seconds=seconds)
        await self.settle()
        while (due := await self._next_due()) is not None and due <= target:
            self._move_to(due)
            await self.settle()
        self._move_to(target)
        await self.settle()
        return self.clock.now()

    def _move_to(self, at: datetime) -> None:
        """Kept before anything happens at that time, so that a restart never goes back before it."""
        assert isinstance(self.clock, MovableClock)
        self.clock.move_to(at)
        fresh = self.settings.data / f"{CLOCK_FILE}.new"
        fresh.write_text(str(self.clock.shift.total_seconds()))
        fresh.replace(self.settings.data / CLOCK_FILE)

    async def _next_due(self) -> datetime | None:
        dues = [await room.storage.next_due() for room in self.rooms.values() if room.storage]
        return min((due for due in dues if due is not None), default=None)

    def _relays(self) -> Sequence[Relay]:
        return [room.relay for room in self.rooms.values() if room.relay]


def event_of(reaction: Reaction) -> type[Event]:
    """The event that a reaction hears: the annotation of its second parameter."""
    kinds = [hint for name, hint in get_type_hints(reaction).items() if name not in ("deps", "return")]
    return cast("type[Event]", kinds[0])


def _clock_of(settings: Settings) -> Clock:
    """In the sandbox time can be moved, and goes on after a restart from where it was moved to."""
    if not settings.sandbox:
        return SystemClock()
    moved = settings.data / CLOCK_FILE
    shift = timedelta(seconds=float(moved.read_text())) if moved.exists() else timedelta()
    return MovableClock(SystemClock(), shift=shift)
