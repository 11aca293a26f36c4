"""Routes for those who run the house: alive, ready, metrics, what it is, and the summary of all services."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency

from hometrip.app import metrics
from hometrip.app.version import VERSION, commit
from hometrip.app.wiring import House
from hometrip.kernel.access import PUBLIC
from hometrip.kernel.wire import Answer


class Health(Answer):
    status: str


class Readiness(Answer):
    """`wrong` names each engine that does not answer, with what it said."""

    status: str
    wrong: dict[str, str]


class Info(Answer):
    name: str
    version: str
    commit: str
    started_at: datetime
    engines: dict[str, str]


class ServiceStatus(Answer):
    name: str
    status: str
    port: int
    unsent_events: int
    parked_events: int


class Status(Answer):
    """The marketplace at a glance: its services, and how far their events are behind."""

    status: str
    version: str
    sandbox: bool
    now: datetime
    services: list[ServiceStatus]


@get("/health", access=PUBLIC, summary="Alive")
async def health() -> Health:
    return Health(status="ok")


@get("/ready", access=PUBLIC, summary="Do all engines answer?")
async def ready(house: NamedDependency[House]) -> Response[Readiness]:
    wrong = await house.ready()
    answer = Readiness(status="not ready" if wrong else "ready", wrong=wrong)
    return Response(answer, status_code=503 if wrong else 200, headers={"Retry-After": "2"} if wrong else {})


@get("/metrics", access=PUBLIC, summary="Metrics as Prometheus text", media_type="text/plain")
async def exposition(house: NamedDependency[House]) -> Response[bytes]:
    await house.measure()
    counted = metrics.with_others(await house.counted_beside())
    return Response(counted, media_type="text/plain; version=0.0.4")


@get("/info", access=PUBLIC, summary="What runs here")
async def info(house: NamedDependency[House]) -> Info:
    return Info(
        name="hometrip",
        version=VERSION,
        commit=commit(),
        started_at=house.started_at,
        engines=dict(house.engines()),
    )


@get("/api/status", access=PUBLIC, summary="A summary of all services")
async def status(house: NamedDependency[House]) -> Status:
    wrong = await house.ready()
    parked = await house.bus.parked_counts()
    services = []
    for name, room in house.rooms.items():
        unsent = (await room.storage.unsent()).count if room.storage else 0
        state = "down" if f"{name} storage" in wrong else "up"
        services.append(
            ServiceStatus(
                name=name,
                status=state,
                port=room.service.port,
                unsent_events=unsent,
                parked_events=parked.get(name, 0),
            )
        )
    return Status(
        status="degraded" if wrong else "ok",
        version=VERSION,
        sandbox=house.settings.sandbox,
        now=house.clock.now(),
        services=services,
    )


OPERATIONS: list[Any] = [health, ready, exposition, info, status]
