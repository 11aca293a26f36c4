"""What the gateway tells about all services together: their state, their document, the page of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from app.gateway_scene import Answering, Call, Gate, ask, gate_in
from app.waiting import until
from hometrip.app.edge.document import document_of
from hometrip.app.version import VERSION
from hometrip.services.gateway.rules.routing import SERVICES, place_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole_gate(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gate]:
    async with gate_in(tmp_path_factory.mktemp("gate"), limits=False) as gate:
        yield gate


@pytest_asyncio.fixture(loop_scope="module")
async def gate(whole_gate: Gate) -> AsyncIterator[Gate]:
    yield whole_gate
    await whole_gate.clear()
    for remembered in (whole_gate.forward._pages._summary, whole_gate.forward._pages._whole):
        remembered._answer = None
    whole_gate.forward._pages._deps.memory.documents.clear()


def instance(document: Any = None, *, version: str = "1.0", ready: bool = True, unsent: int = 0) -> Answering:
    """An instance with the routes that every service has."""
    events = [{"name": name, "unsent_events": unsent, "parked_events": 1} for name in SERVICES]

    async def answering(call: Call) -> None:
        path = call.line.split()[1]
        if path == b"/info":
            await call.answer(json.dumps({"name": "hometrip", "version": version}).encode())
        elif path == b"/ready":
            await call.answer(b"{}", status=b"200 OK" if ready else b"503 Service Unavailable")
        elif path == b"/api/status":
            await call.answer(json.dumps({"status": "ok", "services": events}).encode())
        elif path == b"/api/openapi.json" and document is not None:
            await call.answer(json.dumps(document).encode())
        else:
            await call.answer(b"{}", status=b"404 Not Found")

    return answering


async def told(gate: Gate, path: str) -> Any:
    status, headers, body = await ask(gate, f"GET {path}")
    assert (status, headers["content-type"]) == (200, "application/json")
    return json.loads(body)


# the state


async def test_the_state_names_every_service_and_counts_its_instances(gate: Gate) -> None:
    for name in SERVICES:
        await gate.backend(name, instance())
    await gate.backend("booking", instance(version="1.1"))
    await gate.backend("booking", instance(ready=False))
    found = await told(gate, "/api/status")
    assert (found["status"], found["version"]) == ("degraded", VERSION)
    services = {service.pop("name"): service for service in found["services"]}
    assert set(services) == set(SERVICES)
    events = {"unsent_events": 0, "parked_events": 1}
    assert services["user"] == {"status": "up", "instances": 1, "healthy": 1, "version": "1.0"} | events
    short = {"status": "degraded", "instances": 3, "healthy": 2, "version": "1.0, 1.1"}
    assert services["booking"] == short | events


async def test_the_state_tells_the_time_of_the_sandbox_and_how_far_events_are_behind(gate: Gate) -> None:
    await gate.backend("user", instance(unsent=7))
    found = await told(gate, "/api/status")
    assert (found["sandbox"], found["now"]) == (True, gate.house.clock.now().isoformat()[:-6] + "Z")
    services = {service.pop("name"): service for service in found["services"]}
    assert (services["user"]["unsent_events"], services["user"]["parked_events"]) == (7, 1)
    assert services["search"] == {"status": "down", "instances": 0, "healthy": 0, "version": ""}


async def test_all_is_ok_where_every_instance_is_ready(gate: Gate) -> None:
    for name in SERVICES:
        await gate.backend(name, instance())
    assert (await told(gate, "/api/status"))["status"] == "ok"


async def test_a_service_without_an_instance_is_down_and_one_that_hangs_does_not_hold_up_the_rest(
    gate: Gate,
) -> None:
    async def never(call: Call) -> None:
        await call.reader.read()

    await gate.backend("search", never)
    await gate.backend("user", instance())
    services = {service["name"]: service for service in (await told(gate, "/api/status"))["services"]}
    assert (services["search"]["status"], services["search"]["instances"]) == ("down", 1)
    assert (services["listing"]["status"], services["listing"]["instances"]) == ("down", 0)
    assert services["user"]["status"] == "up"


async def test_many_who_ask_for_the_state_cost_the_services_one_question(gate: Gate) -> None:
    backend = await gate.backend("user", instance())
    await asyncio.gather(*(told(gate, "/api/status") for _ in range(20)))
    assert len(backend.calls) == 3


# the document


def documents(gate: Gate) -> dict[str, Any]:
    """The document of each service, as a process of its own would serve it: its paths, and the operations."""
    whole = json.loads(document_of(gate.forward._own))
    found: dict[str, Any] = {}
    for name in SERVICES:
        own = {path: item for path, item in whole["paths"].items() if belongs_to(path) in (name, None)}
        found[name] = whole | {"paths": own}
    return found


def belongs_to(path: str) -> str | None:
    place = place_of(path)
    return place.service if place else None


async def test_one_document_has_the_routes_of_all_services(gate: Gate) -> None:
    whole = json.loads(document_of(gate.forward._own))
    for name, document in documents(gate).items():
        await gate.backend(name, instance(document))
    found = await told(gate, "/api/openapi.json")
    assert set(found["paths"]) == set(whole["paths"]) | {"/api/status"}
    assert "x-missing" not in found
    assert found["components"]["securitySchemes"] == whole["components"]["securitySchemes"]
    # In one process or in many: the same routes with the same names for their records.
    for path, item in whole["paths"].items():
        if path != "/api/status":
            assert found["paths"][path] == item
    assert_refs_are_there(found, found)
    assert "ServiceSummary" in found["components"]["schemas"]


def assert_refs_are_there(document: dict[str, Any], node: Any) -> None:
    if isinstance(node, dict):
        if isinstance(ref := node.get("$ref"), str):
            kind, name = ref.removeprefix("#/components/").split("/")
            assert name in document["components"][kind]
        for value in node.values():
            assert_refs_are_there(document, value)
    elif isinstance(node, list):
        for value in node:
            assert_refs_are_there(document, value)


async def test_a_service_that_is_gone_keeps_its_part_and_one_never_seen_is_named(gate: Gate) -> None:
    parts = documents(gate)
    search = await gate.backend("search", instance(parts["search"]))
    found = await told(gate, "/api/openapi.json")
    assert "/api/search" in found["paths"]
    assert found["x-missing"] == sorted(set(SERVICES) - {"search"})
    await search.stop()
    gate.forward._pages._whole._answer = None
    assert "/api/search" in (await told(gate, "/api/openapi.json"))["paths"]


async def test_nonsense_for_a_document_is_as_good_as_none(gate: Gate) -> None:
    async def nonsense(call: Call) -> None:
        await call.answer(b"[1, 2")

    await gate.backend("search", nonsense)
    assert "search" in (await told(gate, "/api/openapi.json"))["x-missing"]


async def test_the_page_of_the_docs_shows_every_operation(gate: Gate) -> None:
    for name, document in documents(gate).items():
        await gate.backend(name, instance(document))
    status, headers, body = await ask(gate, "GET /api/docs")
    assert (status, headers["content-type"].split(";")[0]) == (200, "text/html")
    for shown in (b"POST /api/bookings", b"GET /api/search", b"GET /api/status", b"GET /health"):
        assert shown in body


async def test_questions_of_the_gateway_itself_leave_no_connection_behind(gate: Gate) -> None:
    backend = await gate.backend("user", instance())
    await told(gate, "/api/status")
    assert backend.calls[0].header(b"x-hometrip-sender") == [b"token-for-user"]
    await gate.registry.leave(backend.instance)
    await until(lambda: backend.open_connections == 0)
