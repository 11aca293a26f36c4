"""The OpenAPI document: what Litestar reads from the routes, completed by who may call and how they fail."""

from __future__ import annotations

import re
from typing import Any, get_type_hints

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from msgspec.inspect import is_struct_type

from hometrip.app.edge.problems import PROBLEM
from hometrip.kernel.access import PUBLIC, SERVICE
from hometrip.services.gateway.rules.links import with_links

_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "Stable; see /api/docs/errors."},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {name: {"type": "string"} for name in ("field", "code", "detail")},
            },
        },
    },
}
_LONG_NAME = re.compile(rb"\bPage_hometrip\.[a-z_.]+\.([A-Za-z]+)_(?=\")")
_METHODS = ("get", "post", "put", "patch", "delete")


@get("/api/openapi.json", access=PUBLIC, include_in_schema=False)
async def openapi_document(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(
        document_of(request.app),
        media_type="application/json",
        headers={"Cache-Control": "public, max-age=60"},
    )


def document_of(app: Litestar) -> bytes:
    """Made once for each application."""
    made = app.state.get("openapi_document")
    if made is None:
        made = app.state["openapi_document"] = msgspec.json.encode(_completed(app))
    assert isinstance(made, bytes)
    return made


def _completed(app: Litestar) -> dict[str, Any]:
    document = app.openapi_schema.to_schema()
    document["components"].setdefault("schemas", {})["Problem"] = _PROBLEM_SCHEMA
    handlers = {
        (route.path_format, method.lower()): handler
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        for method in handler.http_methods
    }
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                handler = handlers[path, method]
                _complete(operations[method], handler.opt, path)
                _tell_versions(operations[method], handler, method)
    _close_bodies(document)
    return with_links(_with_short_names(document))


def _close_bodies(document: dict[str, Any]) -> None:
    """A field that a body, or a part of it, does not have is refused (`unknown_field`); this says so."""
    schemas, closed = document["components"]["schemas"], set[str]()
    left: list[Any] = [
        operations.get(method, {}).get("requestBody", {}).get("content", {}).get("application/json")
        for operations in document["paths"].values()
        for method in _METHODS
    ]
    while left:
        part = left.pop()
        if isinstance(part, list):
            left += part
        elif isinstance(part, dict):
            left += part.values()
            name = str(part.get("$ref", "")).rpartition("/")[2]
            if name in schemas and name not in closed:
                closed.add(name)
                left.append(schemas[name])
                if "properties" in schemas[name]:
                    schemas[name]["additionalProperties"] = False


def _with_short_names(document: dict[str, Any]) -> dict[str, Any]:
    """A page of bookings is `PageOfBookingView`, wherever in the code that record is."""
    written = msgspec.json.encode(document)
    found: dict[str, Any] = msgspec.json.decode(_LONG_NAME.sub(rb"PageOf\1", written))
    return found


def _complete(operation: dict[str, Any], opt: dict[str, Any], path: str) -> None:
    access = opt["access"]
    words = path.split("/")
    operation["tags"] = [words[2] if len(words) > 2 and words[1] == "api" else "operations"]
    operation["x-access"] = access.value
    operation["security"] = [] if access is PUBLIC else [{"bearer": []}]
    if record := opt.get("query"):
        operation.setdefault("parameters", []).extend(_parameters_of(record))
    answers = operation["responses"]
    # Litestar describes its own form of errors, which is never sent.
    for status in [status for status in answers if status.startswith(("4", "5"))]:
        del answers[status]
    answers["default"] = {
        "description": "A problem document",
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if other := opt.get("also_as"):
        answers["200"]["content"][other] = {"schema": {"type": "string", "format": "binary"}}
    if opt.get("idempotent"):
        schema = {"minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
        told = "The same key and body get the first answer again, for 24 hours."
        _may_say(operation, "Idempotency-Key", told, **schema)
    if tells := opt.get("tells"):
        operation["x-tells"] = tells
    if access is SERVICE:
        operation["description"] = "For other services only."


def _tell_versions(operation: dict[str, Any], handler: HTTPRouteHandler, method: str) -> None:
    """Which answers have an ETag, and where one can be sent back."""
    if "if_match" in handler.parsed_fn_signature.parameters:
        told = "The ETag that this is based on: 412 where the record has moved on since."
        _may_say(operation, "If-Match", told)
    if not _has_tag(handler):
        return
    answer = operation["responses"][str(handler.status_code)]
    answer.setdefault("headers", {})["ETag"] = {
        "description": "Of this version of the record.",
        "schema": {"type": "string"},
    }
    if method == "get":
        _may_say(operation, "If-None-Match", "ETags that are known already: 304 where it is one of them.")


def _has_tag(handler: HTTPRouteHandler) -> bool:
    """Does it answer what `tag_of` finds a tag in, or send one of its own (`tagged`)?"""
    if handler.opt.get("tagged"):
        return True
    kind = handler.parsed_fn_signature.return_type.annotation
    fields = get_type_hints(kind) if is_struct_type(kind) else {}
    return fields.get("version") is int or getattr(kind, "known_by_content", False)


def _may_say(operation: dict[str, Any], name: str, told: str, **schema: Any) -> None:
    """A header that a request may have."""
    schema = {"type": "string", **schema}
    header = {"name": name, "in": "header", "required": False, "description": told, "schema": schema}
    operation.setdefault("parameters", []).append(header)


def _parameters_of(record: type[Any]) -> list[dict[str, Any]]:
    """The fields of a query's record as parameters; one that may be left out is not null then."""
    _, components = msgspec.json.schema_components([record])
    fields = next(iter(components.values()))["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": "default" not in schema,
            "schema": next((kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"), schema),
        }
        for name, schema in fields.items()
    ]
