"""The OpenAPI document's links: what can be asked next with what an operation has answered.

They follow from names. A record that its own page (`GET /api/bookings/{booking_id}`) answers leads, wherever
it is made, shown or listed, to every operation that has its id (`booking_id`) in its path or in its body;
from its own page also to the pages of what it names (`listing_id`). What else an operation tells, it declares
itself, as `x-tells`: `{"quote_id": "/id"}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hometrip.services.gateway.rules.document import Document

_METHODS = ("get", "post", "put", "patch", "delete")
_BODY = "$response.body#"


class Operation(msgspec.Struct, frozen=True):
    """`needs` are the names of its path's parameters, `takes` those of its body's fields."""

    method: str
    path: str
    described: dict[str, Any]
    needs: frozenset[str]
    takes: frozenset[str]

    @property
    def id(self) -> str:
        return str(self.described["operationId"])


def with_links(document: Document) -> Document:
    """The same document, the links of every answer written anew."""
    operations = [
        _operation(document, method, path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
        if method in _METHODS and "operationId" in described
    ]
    own_pages = {next(iter(each.needs)): each for each in operations if _is_own_page(each)}
    names = {_record(document, page)[0]: name for name, page in own_pages.items()}
    for each in operations:
        answer = _answer(each)
        if answer is None:
            continue
        told = {**_told(document, each, names, own_pages), **each.described.get("x-tells", {})}
        links = {
            other.id: link
            for name, where in told.items()
            for other in operations
            if other is not each and (link := _link(document, each, other, name, where, own_pages))
        }
        answer.pop("links", None)
        if links:
            answer["links"] = dict(sorted(links.items()))
    return document


def _operation(document: Document, method: str, path: str, described: dict[str, Any]) -> Operation:
    parts = path.split("/")
    needs = frozenset(part[1:-1] for part in parts if part.startswith("{"))
    content = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    takes = frozenset(_meant(document, content.get("schema", {})).get("properties", {}))
    return Operation(method, path, described, needs, takes)


def _is_own_page(operation: Operation) -> bool:
    parts = operation.path.split("/")
    return operation.method == "get" and len(parts) == 4 and len(operation.needs) == 1 and parts[3][:1] == "{"


def _answer(operation: Operation) -> dict[str, Any] | None:
    """What it answers when all is well."""
    found = (
        answer for status, answer in operation.described.get("responses", {}).items() if status[0] == "2"
    )
    answer: dict[str, Any] | None = next(found, None)
    return answer


def _record(document: Document, operation: Operation) -> tuple[str, str, dict[str, Any]]:
    """The name of the record that it answers, where its fields lie, and these; of a page its first item's."""
    content = (_answer(operation) or {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    fields = _meant(document, schema).get("properties", {})
    items = _meant(document, fields.get("items", {})).get("items")
    if items is None:
        return _name(schema), "", fields
    return _name(items), "/items/0", _meant(document, items).get("properties", {})


def _meant(document: Document, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema itself, where it is a reference or may be null."""
    choices = [each for each in schema.get("oneOf", ()) if each.get("type") != "null"]
    if len(choices) == 1:
        schema = choices[0]
    found = document.get("components", {}).get("schemas", {}).get(_name(schema))
    return dict(found if found is not None else schema)


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _told(
    document: Document,
    operation: Operation,
    names: Mapping[str, str],
    own_pages: Mapping[str, Operation],
) -> dict[str, str]:
    """By the name of each id that its answer tells, where it lies."""
    record, at, fields = _record(document, operation)
    own = names.get(record)
    if own is None or "id" not in fields or (operation.needs and operation is not own_pages[own]):
        return {}
    others = {name: f"/{name}" for name in fields if name in own_pages and operation is own_pages[own]}
    return {own: f"{at}/id", **others}


def _link(
    document: Document,
    operation: Operation,
    other: Operation,
    name: str,
    where: str,
    own_pages: Mapping[str, Operation],
) -> dict[str, Any] | None:
    _, at, fields = _record(document, operation)
    link: dict[str, Any] = {"operationId": other.id}
    if name in other.needs:
        if name in fields and name in own_pages and other is not own_pages[name]:
            return None  # of another record that is named, its own page only
        return {**link, "parameters": {name: f"{_BODY}{where}"}}
    if name in other.takes:
        same = {field: f"{_BODY}{at}/{field}" for field in sorted(other.takes & fields.keys() - {"id"})}
        return {**link, "requestBody": {**same, name: f"{_BODY}{where}"}}
    return None
