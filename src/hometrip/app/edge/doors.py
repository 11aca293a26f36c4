"""The doors that each route declares, and what every handler may ask for: caller, key, version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from litestar import Litestar, Request, Response
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import Scope

from hometrip.app import metrics
from hometrip.kernel.access import PUBLIC, Access, Caller
from hometrip.kernel.errors import Invalid, NotFound, TooMany, Unauthenticated, UnsupportedMedia
from hometrip.kernel.once import NO_KEY, Once
from hometrip.kernel.wire import strangers
from hometrip.ports.cache import Cache

# Named limits of routes that are worth guessing at: how many per how many seconds and address.
ROUTE_LIMITS = {
    "login": (20, 900),
    "signup": (20, 3600),
    "mail": (10, 3600),
    "upload": (120, 3600),
    "invite": (30, 3600),
    "report": (30, 3600),
}
# How old an answer to a public question may be that is given while its service is away.
STALE_SECONDS = 600


async def admit(request: Request[Any, Any, Any]) -> None:
    """Every route declares its `access`; a bad token is refused wherever one is needed. A public one that
    declares `fresh_for` (seconds) answers strangers with what may be kept for that time.
    """
    scope: Any = request.scope
    handler = request.route_handler
    if scope["method"] == "OPTIONS":
        return  # which methods an address takes, is no secret
    let_in(scope, handler)
    if "\0" in scope["path"]:
        raise NotFound  # no text that is kept has it, and PostgreSQL cannot even be asked for it
    await count(scope, handler)
    _must_fit(request.headers.get("content-type", ""), handler)
    if scope["query_string"]:
        _must_know(request.query_params.keys(), handler)
    allow_keeping(scope, handler, known="authorization" in request.headers)


# The single steps of it serve `straight.py` too.


def let_in(scope: Any, handler: BaseRouteHandler) -> None:
    """Raises what the caller is told who may not come in."""
    access: Access = handler.opt["access"]
    if access is not PUBLIC and scope.get("bad_token") is not None:
        raise scope["bad_token"]
    caller: Caller = scope["caller"]
    caller.admit(access)


async def count(scope: Any, handler: BaseRouteHandler) -> None:
    """`TooMany` where the route has a limit of its own and the address has reached it."""
    if (name := handler.opt.get("limit")) and scope["limits"] is not None:
        await _limit(scope["limits"], name, scope["caller"])


def allow_keeping(scope: Any, handler: BaseRouteHandler, *, known: bool) -> None:
    if (seconds := handler.opt.get("fresh_for")) is not None and not known:
        scope["cache_headers"] = cache_headers(seconds)


# Every list takes them, also one that is short enough to be told whole.
_OF_LISTS = frozenset({"limit", "cursor"})


def learn_parameters(app: Litestar) -> None:
    """Tell each handler of the API which parameters it has. Those whose query is a record look at it
    themselves; to addresses that others are given to call (`any_query`), something may be added there.
    """
    for route in app.routes:
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/"):
            for method, (handler, asks) in route.route_handler_map.items():
                if not handler.opt.keys() & {"query", "any_query"}:
                    names = frozenset(parameter.field_alias for parameter in asks.expected_query_params)
                    handler.opt["parameters"] = names | _OF_LISTS if method == "GET" else names


@cache
def cache_headers(seconds: int) -> tuple[tuple[bytes, bytes], ...]:
    """What everybody without an account is told the same, may be kept: fresh for so many seconds, and given
    instead of nothing while the service is away (RFC 5861).
    """
    kept = f"public, max-age={seconds}, stale-if-error={STALE_SECONDS}"
    return ((b"cache-control", kept.encode()), (b"vary", b"authorization, accept-language"))


def _must_know(given: Iterable[str], handler: BaseRouteHandler) -> None:
    known = handler.opt.get("parameters")
    if known is not None and (unknown := strangers(given, known)):
        raise Invalid.fields(unknown)


def _must_fit(sent: str, handler: BaseRouteHandler) -> None:
    """A body that says what it is, and is not what the route takes, is not even read."""
    field = getattr(handler, "parsed_data_field", None)
    wanted = getattr(getattr(field, "kwarg_definition", None), "media_type", None)
    kind = sent.partition(";")[0].strip().lower()
    if not wanted or not kind or kind == wanted.value:
        return
    if not (
        wanted is RequestEncodingType.JSON and kind.startswith("application/") and kind.endswith("+json")
    ):
        raise UnsupportedMedia(f"the body must be {wanted.value}, not {kind[:60]}")


async def _limit(cache: Cache, name: str, caller: Caller) -> None:
    most, seconds = ROUTE_LIMITS[name]
    allowance = await cache.hit(f"edge:{name}:{caller.address}", most, seconds)
    if not allowance.allowed:
        metrics.RATE_LIMITED.labels(name).inc()
        raise TooMany(retry_after=round(allowance.reset_after, 1))


def provide_caller(scope: Scope) -> Caller:
    caller = scope["caller"]  # type: ignore[typeddict-item]
    assert isinstance(caller, Caller)
    return caller


_KEY = re.compile(r"[\x21-\x7e]{1,255}")


async def provide_once(request: Request[Any, Any, Any], deps: NamedDependency[Any]) -> Once:
    """The request's Idempotency-Key, tied to the account, the route and the body; of a form with files, which
    is read part by part and has another boundary each time, its action tells what was in it."""
    key = request.headers.get("idempotency-key", "")
    handler = request.route_handler
    if not key or not handler.opt.get("idempotent"):
        return NO_KEY
    place = f"{request.method} {request.url.path}"
    body = b"" if request.content_type[0].startswith("multipart/") else await request.body()
    return once_of(key, handler, provide_caller(request.scope), place, body)


def once_of(key: str, handler: BaseRouteHandler, caller: Caller, place: str, body: bytes) -> Once:
    """`place` is method and path. `Invalid` for what cannot be a key, `Unauthenticated` for nobody's."""
    if not key or not handler.opt.get("idempotent"):
        return NO_KEY
    if not _KEY.fullmatch(key):
        raise Invalid.field("Idempotency-Key", "bad_key", "1 to 255 visible ASCII characters")
    assert isinstance(handler, HTTPRouteHandler)
    if caller.account_id is None:
        raise Unauthenticated
    return Once(
        key=key,
        scope=f"{caller.account_id} {place}",
        fingerprint=hashlib.sha256(body).hexdigest(),
        status=handler.status_code,
    )


_ETAG = re.compile(r'(?:W/)?"(\d+)(?:-[a-z0-9-]*)?"')


def provide_if_match(request: Request[Any, Any, Any], deps: NamedDependency[Any]) -> int | None:
    """The version that a write is based on, from If-Match; None where the header is absent or `*`."""
    return version_in(request.headers.get("if-match", ""))


def version_in(if_match: str) -> int | None:
    given = if_match.strip()
    if given in ("", "*"):
        return None
    match = _ETAG.fullmatch(given)
    # Another tag than ours never matches: version 0 is none that a record has.
    return int(match[1]) if match else 0


def tag_of(record: Any) -> str | None:
    """The ETag of a record with a version. One that is not shown the same to everybody and always tells in
    `aspect` which way this is: else a 304 would keep from a caller what there is for that one to see. One
    that has no version may say that it is `known_by_content`.
    """
    version, aspect = getattr(record, "version", None), getattr(record, "aspect", "")
    if isinstance(version, int):
        return f'"{version}-{aspect}"' if aspect else f'"{version}"'
    if getattr(record, "known_by_content", False):
        return f'"{hashlib.sha256(msgspec.json.encode(record)).hexdigest()[:32]}"'
    return None


async def tag_version(response: Response[Any]) -> Response[Any]:
    if tag := tag_of(response.content):
        response.headers["ETag"] = tag
    return response
