"""What the gateway knows of all services together: their state, and the document of their routes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from hometrip.ports.registry import Instance, Registry
from hometrip.services.gateway.contract import ServiceSummary, Summary
from hometrip.services.gateway.rules.document import Document, merged
from hometrip.services.gateway.rules.routing import SERVICES

# Asks an instance for one of its own pages; nothing where it does not answer with a 200.
Look = Callable[[Instance, str], Awaitable[bytes | None]]


class Memory:
    """The document of each service as it was last seen; may vanish at any time."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}


@dataclass(frozen=True)
class Deps:
    registry: Registry

    @cached_property
    def memory(self) -> Memory:
        return Memory()


class _Info(msgspec.Struct):
    version: str


async def summary(deps: Deps, look: Look, version: str) -> Summary:
    """Every service, whether or not it is there; `version` is that of the gateway."""
    services = await asyncio.gather(*(_service(deps, look, name) for name in SERVICES))
    well = all(service.status == "up" for service in services)
    return Summary(status="ok" if well else "degraded", version=version, services=list(services))


async def _service(deps: Deps, look: Look, name: str) -> ServiceSummary:
    instances = deps.registry.instances(name)
    seen = await asyncio.gather(*(_instance(look, instance) for instance in instances))
    healthy = sum(ready for ready, _ in seen)
    status = "down" if not healthy else "up" if healthy == len(instances) else "degraded"
    versions = ", ".join(sorted({version for _, version in seen if version}))
    return ServiceSummary(
        name=name, status=status, instances=len(instances), healthy=healthy, version=versions
    )


async def _instance(look: Look, instance: Instance) -> tuple[bool, str]:
    ready, told = await asyncio.gather(look(instance, "/ready"), look(instance, "/info"))
    try:
        version = msgspec.json.decode(told or b"", type=_Info).version
    except msgspec.DecodeError:
        version = ""
    return ready is not None, version


async def document(deps: Deps, look: Look, door: Document) -> Document:
    """The one document of all routes; `door` is that of the gateway itself. A service that does not answer
    has its part as it was last seen; one that was never seen is named in `x-missing`.
    """
    found = await asyncio.gather(*(_document(deps, look, name) for name in SERVICES))
    deps.memory.documents.update({name: part for name, part in zip(SERVICES, found, strict=True) if part})
    known = deps.memory.documents
    whole = merged(door, known)
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
