"""The gateway's own pages about all services: their state, their OpenAPI document, the same to be read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Litestar

from hometrip.app.edge.document import document_of
from hometrip.app.edge.exchange import Scope, Send
from hometrip.app.pages import HTML, page
from hometrip.app.version import VERSION
from hometrip.services.gateway import actions
from hometrip.services.gateway.actions import Deps, Look
from hometrip.services.gateway.contract import Summary
from hometrip.services.gateway.rules.document import Document

Page = Callable[[Scope, Send], Awaitable[None]]

STATUS, DOCUMENT, DOCS = "/api/status", "/api/openapi.json", "/api/docs"
JSON = "application/json"
# Everybody may ask for these; the services are not asked more often than that.
STATUS_SECONDS, DOCUMENT_SECONDS = 1.0, 10.0


class Pages:
    """`at` finds the page of a request, None where it is for none of them."""

    def __init__(self, own: Litestar, deps: Deps, look: Look) -> None:
        self._own, self._deps, self._look = own, deps, look
        self._pages: dict[str, Page] = {STATUS: self._status, DOCUMENT: self._document, DOCS: self._docs}
        self._summary = Remembered(self._summarise, STATUS_SECONDS)
        self._whole = Remembered(self._merge, DOCUMENT_SECONDS)

    def at(self, scope: Scope) -> Page | None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return None
        return self._pages.get(scope["path"])

    async def _status(self, scope: Scope, send: Send) -> None:
        await _answer(scope, send, msgspec.json.encode(await self._summary.now()), JSON)

    async def _document(self, scope: Scope, send: Send) -> None:
        body = msgspec.json.encode(await self._whole.now())
        await _answer(scope, send, body, JSON, (b"cache-control", b"public, max-age=60"))

    async def _docs(self, scope: Scope, send: Send) -> None:
        groups = _groups(await self._whole.now())
        await _answer(scope, send, page("docs.html", groups=groups).content.encode(), HTML)

    async def _summarise(self) -> Summary:
        return await actions.summary(self._deps, self._look, VERSION)

    async def _merge(self) -> Document:
        door: Document = msgspec.json.decode(document_of(self._own))
        own, components = _described()
        door["paths"] = door["paths"] | {STATUS: own}
        schemas = door.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(components)
        return await actions.document(self._deps, self._look, door)


class Remembered:
    """What a question was answered with last, for some seconds; asked once at a time."""

    def __init__(self, ask: Callable[[], Awaitable[Any]], seconds: float) -> None:
        self._ask, self._seconds = ask, seconds
        self._answer: Any = None
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def now(self) -> Any:
        loop = asyncio.get_running_loop()
        async with self._asking:
            if self._answer is None or loop.time() >= self._until:
                self._answer = await self._ask()
                self._until = loop.time() + self._seconds
        return self._answer


def _described() -> tuple[dict[str, Any], dict[str, Any]]:
    """The state of all services as an OpenAPI path, and the schemas that it needs."""
    (schema,), components = msgspec.json.schema_components(
        [Summary], ref_template="#/components/schemas/{name}"
    )
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    operation = {
        "tags": ["status"],
        "summary": "A summary of all services",
        "operationId": "get_status",
        "x-access": "public",
        "security": [],
        "responses": {
            "200": {"description": "The state of each service", "content": {JSON: {"schema": schema}}},
            "default": {
                "description": "A problem document",
                "content": {"application/problem+json": problem},
            },
        },
    }
    return {"get": operation}, components


def _groups(document: Document) -> list[tuple[str, list[dict[str, str]]]]:
    """The operations of a document by their tags, as the page of the docs shows them."""
    groups: dict[str, list[dict[str, str]]] = {}
    for path, operations in sorted(document["paths"].items()):
        for method, operation in sorted(operations.items()):
            if not isinstance(operation, dict):
                continue
            groups.setdefault(operation.get("tags", ["operations"])[0], []).append(
                {
                    "method": method.upper(),
                    "path": path,
                    "access": operation.get("x-access", ""),
                    "summary": operation.get("summary", ""),
                }
            )
    return sorted(groups.items())


async def _answer(scope: Scope, send: Send, body: bytes, kind: str, *more: tuple[bytes, bytes]) -> None:
    scope["path_template"] = scope["path"]
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
