"""The straight way to a handler, for the common request: JSON in, JSON out, nothing wrong with it.

Litestar has the routes, describes them, and answers whatever is out of the common: a form, a file, a value
that cannot be read, an address that there is not. What it makes of a handler (the route, the signature, the
dependencies) is read here once, so that nothing is declared twice; whatever is not understood, at the start
or in a request, is Litestar's.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from uuid import UUID

from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from hometrip.app.edge.again import Kept
from hometrip.app.edge.answers import json_of
from hometrip.app.edge.asked import Read, reader_of
from hometrip.app.edge.doors import (
    admit,
    allow_keeping,
    count,
    let_in,
    once_of,
    provide_caller,
    provide_if_match,
    provide_once,
    tag_of,
    version_in,
)
from hometrip.app.edge.exchange import Headers, Receive, Scope, Send
from hometrip.app.edge.problems import told
from hometrip.kernel.errors import HomeTripError

# Paths, queries and hosts without anything that has to be decoded, joined or refused.
_PLAIN = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_WORDS = re.compile(r"[\w.:,-]+=[\w.:,-]+(&[\w.:,-]+=[\w.:,-]+)*", re.ASCII)
_HOST = re.compile(rb"[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_JSON = frozenset({b"", b"application/json"})
# A longer body is not kept for Litestar to read it again.
_SHORT = 65_536
_MOST_KNOWN, _SHORT_ADDRESS = 4096, 512


class Call(NamedTuple):
    """One request on its way to a handler."""

    scope: Scope
    handler: HTTPRouteHandler
    body: bytes = b""

    def header(self, name: bytes) -> str:
        value: bytes = self.scope["named"].get(name, b"")
        return value.decode("latin-1")


Give = Callable[[Call], Any]
# Status, headers and body of an answer.
Whole = tuple[int, Headers, bytes]


class Way(NamedTuple):
    """A handler, and how its arguments are found: those of the path in their order, those of the query by
    their names in the address, what is provided by name.
    """

    handler: HTTPRouteHandler
    template: str
    path: tuple[tuple[str, type], ...]
    query: dict[str, str]
    provided: tuple[tuple[str, Give], ...]
    # What reads the body, where there is one.
    read: Read | None
    # What the signature is told of the connection; it asks for more only where something is wrong.
    connection: Any
    # Answers as the handler would, or what it would raise, where that needs no waiting.
    at_hand: Callable[..., Any] | None = None


class Found(NamedTuple):
    """The way of a request, and what its address says: as it stands there (`texts`, `words`), and `given` as
    the handler takes it, where that is known already.
    """

    way: Way
    texts: list[str]
    words: dict[str, str]
    given: dict[str, Any] | None = None


class Node:
    """A place in the tree of paths: what follows by its name, what follows whatever it is called."""

    __slots__ = ("named", "other", "ways")

    def __init__(self) -> None:
        self.named: dict[str, Node] = {}
        self.other: Node | None = None
        self.ways: dict[str, Way] = {}


class Straight:
    """Stands between the ring and Litestar's application. `find`, then `arguments`, then `call`: single steps
    for `lane.py`, which has no need of ASGI.
    """

    def __init__(self, litestar: Litestar, *, anywhere: bool = False) -> None:
        """Only to what may be answered `anywhere` in the house, if so."""
        self._litestar: Any = litestar
        self._anywhere = anywhere
        self._root = Node()
        # Many ask for the same: an address is read once, and then known.
        self._known: dict[tuple[str, bytes, bytes], Found] = {}
        for route in litestar.routes:
            if isinstance(route, HTTPRoute):
                self._learn(route)

    def _learn(self, route: HTTPRoute) -> None:
        node = self._root
        for part in route.path_components:
            if isinstance(part, str):
                node = node.named.setdefault(part, Node())
            else:
                node.other = node = node.other or Node()
        for method in route.route_handler_map:
            way = way_to(route, method)
            if way and (way.handler.opt.get("anywhere") or not self._anywhere):
                node.ways[method] = way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self.find(scope) if scope["type"] == "http" else None
        if found is None:
            await self._litestar(scope, receive, send)
            return
        kept = Kept(receive)
        body = await _body(found.way, scope, kept)
        arguments = None if body is None else self.arguments(found, scope, body)
        if arguments is None:
            await self._litestar(scope, kept.replay(), send)
            return
        try:
            status, headers, body = await self.call(found.way, scope, arguments)
        except Exception as error:
            status, headers, body = refused(scope, error)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def find(self, scope: Scope) -> Found | None:
        """None for what Litestar is to be asked."""
        named = scope["named"]
        # A header that comes twice is read otherwise by everybody.
        if len(named) != len(scope["headers"]) or not _is_host(named.get(b"host", b"-")):
            return None
        address = scope["method"], scope["raw_path"], scope["query_string"]
        found = self._known.get(address)
        return found or self._read(address, scope["path"])

    def _read(self, address: tuple[str, bytes, bytes], path: str) -> Found | None:
        method, raw_path, query = address
        if not _PLAIN.fullmatch(path):
            return None
        node, texts = self._root, []
        for part in path[1:].split("/"):
            following = node.named.get(part)
            if following is None:
                following = node.other
                if following is None:
                    return None
                texts.append(part)
            node = following
        way = node.ways.get(method)
        words = _words(way, query) if way else None
        if way is None or words is None:
            return None
        found = Found(way, texts, words)
        if len(raw_path) + len(query) <= _SHORT_ADDRESS:
            self._keep(address, found)
        return found

    def _keep(self, address: tuple[str, bytes, bytes], found: Found) -> None:
        if len(self._known) >= _MOST_KNOWN and address not in self._known:
            self._known.clear()
        self._known[address] = found

    def arguments(self, found: Found, scope: Scope, body: bytes) -> dict[str, Any] | None:
        """What the handler is called with; None where something is out of the common: nothing happened."""
        way = found.way
        try:
            let_in(scope, way.handler)
            call = Call(scope, way.handler, body)
            provided = {name: give(call) for name, give in way.provided}
            if found.given is not None:
                return found.given | provided
            values: dict[str, Any] = _of_path(way, found.texts) | found.words | provided
            if way.read is not None:
                values["data"] = way.read(body)
            model = way.handler.signature_model
            given: dict[str, Any] = model.parse_values_from_connection_kwargs(way.connection, values)
        except Exception:
            # Whatever is wrong with it, Litestar finds it again, and has the words for it.
            return None
        if way.read is None:
            own = {name: value for name, value in given.items() if name not in provided}
            address = scope["method"], scope["raw_path"], scope["query_string"]
            if address in self._known:
                self._keep(address, found._replace(given=own))
        return given

    async def call(self, way: Way, scope: Scope, arguments: dict[str, Any]) -> Whole:
        """Raises what the handler raises."""
        scope["path_template"], scope["route_handler"] = way.template, way.handler
        await count(scope, way.handler)
        return _told_of(way, scope, await way.handler.fn(**arguments))

    def at_hand(self, way: Way, arguments: dict[str, Any]) -> Any:
        """What it answers or raises, where nobody has to be waited for; else None."""
        return way.at_hand(**arguments) if way.at_hand is not None else None

    def told(self, way: Way, scope: Scope, record: Any) -> Whole:
        """What is `at_hand`, as it is answered."""
        scope["path_template"], scope["route_handler"] = way.template, way.handler
        return refused(scope, record) if isinstance(record, HomeTripError) else _told_of(way, scope, record)


def _told_of(way: Way, scope: Scope, record: Any) -> Whole:
    allow_keeping(scope, way.handler, known=b"authorization" in scope["named"])
    headers, body = json_of(record)
    if tag := tag_of(record):
        headers.append(_header("etag", tag))
    return way.handler.status_code, headers, body


def refused(scope: Scope, error: Exception) -> Whole:
    """As Litestar hands every error of a handler to its exception handler."""
    status, media_type, more, body = told(scope, error)
    headers = [_header("content-type", media_type), (b"content-length", b"%d" % len(body))]
    return status, headers + [_header(*pair) for pair in more.items()], body


@lru_cache(maxsize=256)
def _is_host(told: bytes) -> bool:
    return _HOST.fullmatch(told) is not None


def is_short_json(named: dict[bytes, bytes]) -> bool:
    """Does the body say that it is JSON, and short enough to be read at once?"""
    length = named.get(b"content-length", b"")
    return named.get(b"content-type", b"") in _JSON and length.isdigit() and int(length[:9]) <= _SHORT


def _of_path(way: Way, texts: list[str]) -> dict[str, Any]:
    """As they stand there; the signature makes them what they are."""
    values = {}
    for (name, kind), text in zip(way.path, texts, strict=True):
        if kind is UUID and not _UUID.fullmatch(text):
            raise ValueError("an id that is written otherwise, or none")
        values[name] = text
    return values


def _words(way: Way, query: bytes) -> dict[str, str] | None:
    """What the query says, by the handler's names; what is left out has the default of the signature. None
    where something is said twice, or not known.
    """
    known = way.handler.opt.get("parameters")
    if not query or known is None:
        return {}
    told = query.decode("latin-1")
    pairs = [part.split("=") for part in told.split("&")] if _WORDS.fullmatch(told) else parse_qsl(told)
    given = dict(pairs)
    if len(given) != len(pairs) or not given.keys() <= known:
        return None
    return {name: given[alias] for alias, name in way.query.items() if alias in given}


async def _body(way: Way, scope: Scope, kept: Kept) -> bytes | None:
    """None where it is to be read by Litestar, or the client is gone before its end."""
    if way.read is None:
        return b""
    return await _whole(kept.replay()) if is_short_json(scope["named"]) else None


async def _whole(receive: Receive) -> bytes | None:
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


def _header(name: str, value: str) -> tuple[bytes, bytes]:
    return name.lower().encode("latin-1"), value.encode("latin-1")


# what is learned of a handler


class _Connection(NamedTuple):
    route_handler: HTTPRouteHandler


def way_to(route: HTTPRoute, method: str) -> Way | None:
    """None where the handler takes or gives something that is not understood here."""
    handler, takes = route.route_handler_map[method]  # type: ignore[index]  # the methods are its keys
    if not _answers_json(handler) or method == "OPTIONS":
        return None
    if takes.expected_header_params or takes.expected_cookie_params or takes.sequence_query_parameter_names:
        return None
    path = tuple((name, route.path_parameters[name].type) for name in route.path_parameters)
    if any(kind not in (UUID, str) for _, kind in path):
        return None
    provides, wanted = handler.resolve_dependencies(), handler.parsed_fn_signature.parameters
    takes_body = "data" in wanted
    if takes_body and (not _is_json(wanted["data"]) or handler.opt.get("limit")):
        return None  # what may not be asked often is counted before it is read
    query = {
        each.field_alias: each.field_name for each in takes.expected_query_params if each.field_name in wanted
    }
    known = {*query.values(), *(name for name, _ in path), *provides, "data"}
    if not wanted.keys() <= known:
        return None
    provided = tuple((name, give) for name in wanted if name in provides and (give := _given(name, provides)))
    if len(provided) < len(wanted.keys() & provides.keys()):
        return None
    at_hand = handler.opt.get("at_hand")
    read = reader_of(handler) if takes_body else None
    return Way(handler, route.path_format, path, query, provided, read, _Connection(handler), at_hand)


def _answers_json(handler: HTTPRouteHandler) -> bool:
    """And does nothing else than that: no hook, cookie or header of its own."""
    signature = handler.parsed_fn_signature
    hooks: Any = (handler.after_request, handler.background, handler.resolve_after_response())
    return (
        not handler.has_sync_callable
        and handler.resolve_before_request() is admit
        and hooks == (None, None, None)
        and not handler.cache
        and handler.media_type == "application/json"
        and handler.status_code not in (204, 304)
        and not signature.return_type.is_subclass_of(Response)
        and not handler.resolve_guards()
        and not handler.resolve_response_headers()
        and not handler.resolve_response_cookies()
    )


def _is_json(data: Any) -> bool:
    return getattr(data.kwarg_definition, "media_type", None) == "application/json"


def _given(name: str, provides: Any) -> Give | None:
    """What gives a dependency, out of the functions that Litestar calls for it."""
    function = provides[name].dependency
    if function in _OURS:
        return _OURS[function]
    if inspect.iscoroutinefunction(function):
        return None
    asks: dict[str, Give] = {}
    for each in inspect.signature(function).parameters:
        give = _scope if each == "scope" else _given(each, provides) if each in provides else None
        if give is None:
            return None
        asks[each] = give
    return lambda call: function(**{each: give(call) for each, give in asks.items()})


def _scope(call: Call) -> Scope:
    return call.scope


def _caller(call: Call) -> Any:
    return call.scope["caller"]


def _once(call: Call) -> Any:
    scope = call.scope
    place = f"{scope['method']} {scope['path']}"
    return once_of(call.header(b"idempotency-key"), call.handler, scope["caller"], place, call.body)


def _if_match(call: Call) -> Any:
    return version_in(call.header(b"if-match"))


_OURS: dict[Any, Give] = {provide_caller: _caller, provide_once: _once, provide_if_match: _if_match}
