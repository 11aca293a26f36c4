"""One OpenAPI document out of those of the services: each path from the service that it leads to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from hometrip.services.gateway.rules.routing import place_of

Document = dict[str, Any]
_REF = "#/components/"


def merged(door: Document, parts: Mapping[str, Document]) -> Document:
    """`door` is the document of the gateway itself, `parts` those of the services by their names. The order
    in which services answered makes no difference.

    A component that two of them mean differently by one name gets the name of its service in front.
    """
    pieces = {"gateway": _own(door, None)} | {
        service: _own(part, service) for service, part in sorted(parts.items())
    }
    clashing = _clashing(pieces)
    document: Document = {
        **{name: value for name, value in door.items() if name not in ("paths", "components")},
        "paths": {},
        "components": {},
    }
    for service, piece in pieces.items():
        names = {key: _renamed(service, key, clashing) for key in piece.components}
        for path, operations in piece.paths.items():
            document["paths"][path] = _with_refs(operations, names)
        for (kind, name), content in piece.components.items():
            document["components"].setdefault(kind, {})[names[kind, name]] = _with_refs(content, names)
    document["paths"] = dict(sorted(document["paths"].items()))
    document["components"] = {
        kind: dict(sorted(named.items())) for kind, named in sorted(document["components"].items())
    }
    return document


class Piece(msgspec.Struct):
    """The paths of one service, and the components that they need."""

    paths: dict[str, Any]
    components: dict[tuple[str, str], Any]


def _own(document: Document, service: str | None) -> Piece:
    paths = {}
    for path, operations in document.get("paths", {}).items():
        place = place_of(path + ("/" if path.count("/") == 1 else ""))
        if (place.service if place else None) == service:
            paths[path] = operations
    components: dict[tuple[str, str], Any] = {}
    known = document.get("components", {})
    wanted = list(_refs(paths)) + [("securitySchemes", name) for name in known.get("securitySchemes", {})]
    while wanted:
        key = wanted.pop()
        kind, name = key
        if key not in components and name in known.get(kind, {}):
            components[key] = known[kind][name]
            wanted += _refs(components[key])
    return Piece(paths, components)


def _refs(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        ref = node.get("$ref")
        if isinstance(ref, str) and ref.startswith(_REF):
            kind, _, name = ref.removeprefix(_REF).partition("/")
            yield kind, name
        for value in node.values():
            yield from _refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from _refs(value)


def _clashing(pieces: Mapping[str, Piece]) -> set[tuple[str, str]]:
    """The components that differ between services, or refer to one that does."""
    held: dict[tuple[str, str], dict[str, Any]] = {}
    for service, piece in pieces.items():
        for key, content in piece.components.items():
            held.setdefault(key, {})[service] = content
    shared = {key: versions for key, versions in held.items() if len(versions) > 1}
    clashing = {
        key
        for key, versions in shared.items()
        if len({msgspec.json.encode(content, order="deterministic") for content in versions.values()}) > 1
    }
    while True:
        more = {
            key
            for key, versions in shared.items()
            if key not in clashing
            and any(ref in clashing for each in versions.values() for ref in _refs(each))
        }
        if not more:
            return clashing
        clashing |= more


def _renamed(service: str, key: tuple[str, str], clashing: set[tuple[str, str]]) -> str:
    return f"{service.title()}_{key[1]}" if key in clashing else key[1]


def _with_refs(node: Any, names: Mapping[tuple[str, str], str]) -> Any:
    """The same with references to the new names."""
    if isinstance(node, list):
        return [_with_refs(value, names) for value in node]
    if not isinstance(node, dict):
        return node
    found = {name: _with_refs(value, names) for name, value in node.items()}
    ref = node.get("$ref")
    if isinstance(ref, str) and ref.startswith(_REF):
        kind, _, name = ref.removeprefix(_REF).partition("/")
        found["$ref"] = f"{_REF}{kind}/{names.get((kind, name), name)}"
    return found
