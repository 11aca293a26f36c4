"""What the gateway knows of all services together: their state, and the document of their routes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import msgspec

from hometrip.kernel.clock import Clock
from hometrip.ports.registry import Instance, Registry
from hometrip.services.gateway.contract import ServiceSummary, Summary
from hometrip.services.gateway.rules.document import Document, merged
from hometrip.services.gateway.rules.links import with_links
from hometrip.services.gateway.rules.routing import SERVICES

T = TypeVar("T")
# Asks an instance for one of its own pages; nothing where it does not answer with a 200.
Look = Callable[[Instance, str], Awaitable[bytes | None]]


class Memory:
    """The document of each service as it was last seen; may vanish at any time."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}


@dataclass(frozen=True)
class Deps:
    registry: Registry
    clock: Clock
    sandbox: bool = False

    @cached_property
    def memory(self) -> Memory:
        return Memory()


class _Info(msgspec.Struct):
    version: str


class _Events(msgspec.Struct):
    name: str
    unsent_events: int
    parked_events: int


class _Status(msgspec.Struct):
    """What a process says of the services in it; of theirs, only what the summary needs."""

    services: list[_Events]


class _Seen(msgspec.Struct):
    ready: bool
    version: str
    events: list[_Events]


async def summary(deps: Deps, look: Look, version: str) -> Summary:
    """Every service, whether or not it is there; `version` is that of the gateway."""
    services = await asyncio.gather(*(_service(deps, look, name) for name in SERVICES))
    well = all(service.status == "up" for service in services)
    return Summary(
        status="ok" if well else "degraded",
        version=version,
        sandbox=deps.sandbox,
        now=deps.clock.now(),
        services=list(services),
    )


async def _service(deps: Deps, look: Look, name: str) -> ServiceSummary:
    instances = deps.registry.instances(name)
    seen = await asyncio.gather(*(_instance(look, instance) for instance in instances))
    healthy = sum(one.ready for one in seen)
    # Its instances share their storage: each tells of the same events.
    events = next((told for one in seen for told in one.events if told.name == name), None)
    return ServiceSummary(
        name=name,
        status="down" if not healthy else "up" if healthy == len(instances) else "degraded",
        instances=len(instances),
        healthy=healthy,
        version=", ".join(sorted({one.version for one in seen if one.version})),
        unsent_events=events.unsent_events if events else None,
        parked_events=events.parked_events if events else None,
    )


async def _instance(look: Look, instance: Instance) -> _Seen:
    ready, told, status = await asyncio.gather(
        *(look(instance, path) for path in ("/ready", "/info", "/api/status"))
    )
    info, events = _read(told, _Info), _read(status, _Status)
    return _Seen(ready is not None, info.version if info else "", events.services if events else [])


def _read(told: bytes | None, kind: type[T]) -> T | None:
    """What an instance said, where it can be read."""
    try:
        return msgspec.json.decode(told or b"", type=kind)
    except msgspec.DecodeError:
        return None


async def document(deps: Deps, look: Look, door: Document) -> Document:
    """The one document of all routes; `door` is that of the gateway itself. A service that does not answer
    has its part as it was last seen; one that was never seen is named in `x-missing`.
    """
    found = await asyncio.gather(*(_document(deps, look, name) for name in SERVICES))
    deps.memory.documents.update({name: part for name, part in zip(SERVICES, found, strict=True) if part})
    known = deps.memory.documents
    whole = with_links(merged(door, known))
    missing = _missing(known)
    return whole | {"x-missing": missing} if missing else whole


def _missing(known: Iterable[str]) -> list[str]:
    return sorted(set(SERVICES) - set(known))


async def _document(deps: Deps, look: Look, name: str) -> Document | None:
    for instance in deps.registry.instances(name):
        told = await look(instance, "/api/openapi.json")
        try:
            found: Any = msgspec.json.decode(told or b"")
        except msgspec.DecodeError:
            continue
        if isinstance(found, dict) and isinstance(found.get("paths"), dict):
            return found
    return None
