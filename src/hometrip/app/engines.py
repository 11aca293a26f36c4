"""Which adapter stands behind a url. An engine outside this process is loaded only where its url names it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hometrip.adapters.blobs.files import FileBlobs
from hometrip.adapters.bus.memory import MemoryBus
from hometrip.adapters.cache.memory import MemoryCache
from hometrip.adapters.courier.folder import FolderCourier
from hometrip.adapters.geocoder.gazetteer import GazetteerGeocoder
from hometrip.adapters.payments.sandbox import SandboxPayments
from hometrip.adapters.registry.static import StaticRegistry
from hometrip.adapters.search.tantivy import TantivySearch
from hometrip.adapters.secrets.files import FileSecrets
from hometrip.adapters.traces.memory import MemoryTraces
from hometrip.adapters.workshop.processes import ProcessWorkshop
from hometrip.app import metrics
from hometrip.app.late import LateFetcher
from hometrip.app.listeners import HEARD
from hometrip.app.migrations import scripts_of
from hometrip.app.rooms import kept_in
from hometrip.app.settings import BadSettings, Settings, folder_of
from hometrip.app.timekeeping import clock_of
from hometrip.app.version import VERSION
from hometrip.kernel.clock import Clock
from hometrip.kernel.ids import NewId, ids
from hometrip.kernel.pace import Pace
from hometrip.kernel.service import Service
from hometrip.ports.blobs import Blobs
from hometrip.ports.bus import Bus, Patience
from hometrip.ports.cache import Cache
from hometrip.ports.courier import Courier
from hometrip.ports.engine import Unfit
from hometrip.ports.fetcher import Fetcher
from hometrip.ports.geocoder import Geocoder
from hometrip.ports.payments import Payments
from hometrip.ports.registry import Instance, Registry
from hometrip.ports.search import Search
from hometrip.ports.traces import Traces
from hometrip.ports.workshop import Workshop

# The adapters to engines outside this process, by port and scheme: module and class.
OUTSIDE = {
    ("database", "postgresql"): ("database.postgres", "PostgresDatabase"),
    ("documents", "postgresql"): ("documents.postgres", "PostgresDocuments"),
    ("documents", "mongodb"): ("documents.mongo", "MongoDocuments"),
    ("bus", "amqp"): ("bus.rabbitmq", "RabbitBus"),
    ("bus", "amqps"): ("bus.rabbitmq", "RabbitBus"),
    ("cache", "redis"): ("cache.redis", "RedisCache"),
    ("cache", "rediss"): ("cache.redis", "RedisCache"),
    ("search", "elasticsearch"): ("search.elasticsearch", "ElasticsearchSearch"),
    ("blobs", "s3"): ("blobs.s3", "S3Blobs"),
    ("registry", "consul"): ("registry.consul", "ConsulRegistry"),
    ("courier", "smtp"): ("courier.smtp", "SmtpCourier"),
    ("courier", "smtps"): ("courier.smtp", "SmtpCourier"),
    ("payments", "stripe"): ("payments.stripe", "StripePayments"),
    ("traces", "otlp"): ("traces.otlp", "OtlpTraces"),
}


def outside(settings: Settings, port: str, service: str = "") -> Callable[..., Any] | None:
    """The class of the adapter, where the port's url names an engine outside this process."""
    return outside_at(port, settings.engine(port, service))


def outside_at(port: str, url: str) -> Callable[..., Any] | None:
    scheme = urlsplit(url).scheme
    named = OUTSIDE.get((port, scheme))
    if named is None:
        return None
    module, kind = named
    try:
        adapter: Callable[..., Any] = getattr(importlib.import_module(f"hometrip.adapters.{module}"), kind)
    except ModuleNotFoundError as missing:
        raise BadSettings(
            [
                f"HOMETRIP_{port.upper()}_URL: {scheme}: needs the package {missing.name}, which is not "
                "installed; install what requirements/engines.txt names, or hometrip[engines]"
            ]
        ) from missing
    return adapter


def storage(settings: Settings, port: str, service: Service, clock: Clock, new_id: NewId) -> Any:
    """The service's own database (`port` is database or documents)."""
    content = {"metadata" if port == "database" else "collections": service.storage}
    rest = {"service": service.name, "clock": clock, "new_id": new_id, **content}
    if port == "database":
        rest["scripts"] = scripts_of(service.name)
    if adapter := outside(settings, port, service.name):
        return adapter(settings.storage_url(port, service.name), **rest)
    folder = folder_of(settings.engine(port, service.name))
    folder.mkdir(parents=True, exist_ok=True)
    if port == "database":
        from hometrip.adapters.database.sqlite import SqliteDatabase

        return SqliteDatabase(folder / f"{service.name}.db", **rest)
    from hometrip.adapters.documents.sqlite import SqliteDocuments

    return SqliteDocuments(folder / f"{service.name}.db", **rest)


def must_be_known(settings: Settings, services: Iterable[Service]) -> None:
    """Before any file is opened, which brings it up to date: `BadSettings` names each that a newer version
    made, and none is changed.
    """
    wrong = []
    for service in services:
        port = kept_in(service.name)
        url = settings.engine(port, service.name)
        file = folder_of(url) / f"{service.name}.db"
        if urlsplit(url).scheme != "sqlite" or not file.is_file():
            continue
        try:
            _look_at(port, file, service)
        except Unfit as unfit:
            wrong.append(f"{service.name} storage: {unfit.detail}")
    if wrong:
        raise BadSettings(wrong)


def _look_at(port: str, file: Path, service: Service) -> None:
    """`Unfit` where the file is ahead of this code."""
    if port == "documents":
        from hometrip.adapters.documents import sqlite_editions

        sqlite_editions.look_at(file, service.storage)
    elif scripts := scripts_of(service.name):
        from hometrip.adapters.database.sqlite import look_at

        look_at(file, scripts)


def bus(
    settings: Settings,
    clock: Clock,
    pace_of: Callable[[str], Pace] | None = None,
    *,
    patience: Patience = Patience(),
    times: int = 1,
) -> Bus:
    if adapter := outside(settings, "bus"):
        made: Bus = adapter(settings.bus_url, clock, patience=patience, heard=HEARD)
        return made
    return MemoryBus(parking_of(settings), clock, patience=patience, pace_of=pace_of, times=times)


def parking_of(settings: Settings) -> Path:
    """Where the memory bus keeps what no listener could handle."""
    return settings.data / "databases" / "parked.db"


def cache(settings: Settings, clock: Clock) -> Cache:
    adapter = outside(settings, "cache")
    # In the sandbox limits end when its clock says so, wherever they are counted.
    told = {"clock": clock} if settings.sandbox else {}
    made: Cache = adapter(settings.cache_url, **told) if adapter else MemoryCache(clock)
    return made


def search(settings: Settings) -> Search:
    adapter = outside(settings, "search")
    made: Search = adapter(settings.search_url) if adapter else TantivySearch(folder_of(settings.search_url))
    return made


def blobs(settings: Settings) -> Blobs:
    adapter = outside(settings, "blobs")
    made: Blobs = adapter(settings.blobs_url) if adapter else FileBlobs(folder_of(settings.blobs_url))
    return made


def registry_at(url: str) -> Registry:
    adapter = outside_at("registry", url)
    made: Registry = adapter(url) if adapter else StaticRegistry(written_instances(url))
    return made


def written_instances(url: str) -> list[Instance]:
    """`static:?booking=http://127.0.0.1:4004&booking=…`: the instances that a url lists itself."""
    listed = parse_qsl(urlsplit(url).query)
    return [Instance(service, f"{service}-{number}", where) for number, (service, where) in enumerate(listed)]


def courier(settings: Settings) -> Courier:
    adapter = outside(settings, "courier")
    made: Courier = (
        adapter(settings.courier_url) if adapter else FolderCourier(folder_of(settings.courier_url))
    )
    return made


def payments(settings: Settings, clock: Clock, new_id: NewId) -> Payments:
    if adapter := outside(settings, "payments"):
        made: Payments = adapter(
            settings.payments_url,
            secret_key=settings.stripe_secret_key,
            webhook_secrets=settings.stripe_webhook_secret,
        )
        return made
    secret = FileSecrets(settings.data / "secrets", "sandbox-payments").secret("webhooks")
    return SandboxPayments(settings.data / "databases" / "sandbox-payments.db", clock, new_id, secret)


def traces(settings: Settings) -> Traces:
    if adapter := outside(settings, "traces"):
        about = {"service.namespace": "hometrip", "service.version": VERSION, "process.pid": os.getpid()}
        made: Traces = adapter(settings.traces_url, about=about, count=metrics.count_spans)
        return made
    return MemoryTraces()


class SharedPorts:
    """The ports that all services of a process have one instance of, each made when it is first asked for:
    a process of one service has what that one needs.
    """

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, instead: Mapping[Any, Any] | None = None
    ) -> None:
        """`instead` has those that are not what the settings name."""
        clock = clock or clock_of(settings.data, sandbox=settings.sandbox)
        new_id = ids(clock)
        self._makers: dict[Any, Callable[[], Any]] = {
            Clock: lambda: clock,
            NewId: lambda: new_id,
            Cache: lambda: cache(settings, clock),
            Search: lambda: search(settings),
            Blobs: lambda: blobs(settings),
            Registry: lambda: registry_at(settings.registry_url),
            Courier: lambda: courier(settings),
            Geocoder: GazetteerGeocoder,
            Fetcher: LateFetcher,
            Payments: lambda: payments(settings, clock, new_id),
            Workshop: ProcessWorkshop,
            Traces: lambda: traces(settings),
        }
        self._made: dict[Any, Any] = dict(instead or {})

    def __contains__(self, kind: Any) -> bool:
        return kind in self._makers

    def __getitem__(self, kind: Any) -> Any:
        if kind not in self._made:
            self._made[kind] = self._makers[kind]()
        return self._made[kind]

    def made(self) -> dict[str, Any]:
        """Those that are there, by the name of their port."""
        return {kind.__name__.lower(): part for kind, part in self._made.items() if kind is not NewId}
