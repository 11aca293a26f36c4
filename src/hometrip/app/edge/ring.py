"""The ring: what happens to every request before and after its route, as one pure ASGI middleware."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from hometrip.app import metrics
from hometrip.app.edge.problems import PROBLEM, problem_of
from hometrip.app.identity import Identity
from hometrip.kernel.access import Caller
from hometrip.kernel.deadline import within
from hometrip.kernel.errors import TooLarge, TooMany, Unauthenticated, Unavailable
from hometrip.kernel.events import Cause, current_cause
from hometrip.kernel.ids import NewId
from hometrip.kernel.trace import NO_TRACER, Fact, Kind, Span, Tracer, trace_of, well_formed
from hometrip.ports.cache import Allowance, Cache
from hometrip.services.gateway.rules.routing import ROUTES

# One line a request and nothing else goes to the first; see `app/logs.py`.
log = logging.getLogger("hometrip.http")
trouble = logging.getLogger("hometrip.edge")

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")

# What one process of the house tells another: who it is, and how many milliseconds are left.
SENDER, DEADLINE = b"x-hometrip-sender", b"x-hometrip-deadline-ms"

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"geolocation=(self), camera=(), microphone=()"),
)
CONTENT_POLICY = (
    b"content-security-policy",
    b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; "
    b"base-uri 'none'; form-action 'self'",
)
NOT_KEPT = ((b"cache-control", b"no-store"),)


class RingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits are per 15 minutes; `limits` off lifts them all (load tests in the sandbox). A request has
    `seconds`; where a file comes or goes, which takes as long as the line of its sender does,
    `transfer_seconds`.
    """

    limits: bool = True
    anonymous_limit: int = 100
    account_limit: int = 1000
    seconds: float = 30.0
    transfer_seconds: float = 600.0
    max_body: int = 1_000_000
    max_upload: int = 160_000_000
    cors_origins: frozenset[bytes] = frozenset()
    uploads: re.Pattern[str] = re.compile(r"/api/listings/(import$|[0-9a-f-]+/photos$)")
    files: re.Pattern[str] = re.compile(r"/files/")
    unlimited: re.Pattern[str] = re.compile(r"/(health|ready|metrics|info|files/.*|api/webhook/.*)$")


class Ring:
    """For every request: id, deadline, identity, limits, body cap, headers, CORS, metrics, one log line."""

    def __init__(
        self,
        app: App,
        *,
        settings: RingSettings,
        identity: Identity,
        cache: Cache,
        new_id: NewId,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._app, self._identity, self._cache = app, identity, cache
        self._new_id, self._tracer = new_id, tracer
        self.settings, self.busy = settings, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, send, self.settings)
        self.busy += 1
        try:
            await self._answer(exchange, receive)
        finally:
            self.busy -= 1
            exchange.record(self._tracer)

    async def _answer(self, exchange: Exchange, receive: Receive) -> None:
        scope = exchange.scope
        scope["request_id"] = exchange.request_id = self._request_id(exchange.headers)
        token = current_cause.set(Cause(exchange.request_id))
        try:
            if exchange.is_preflight():
                await exchange.preflight()
                return
            sender = scope["sender"] = self._identity.sender(exchange.headers.get(SENDER, b""))
            current_cause.set(Cause(exchange.request_id, None, self._traceparent(exchange)))
            scope["caller"] = self._caller(exchange, sender)
            scope["limits"] = self._cache if self.settings.limits else None
            await self._count(exchange)
            # Whoever answers GET answers HEAD too; the exchange leaves the body out.
            inner = scope | {"method": "GET", "head": True} if scope["method"] == "HEAD" else scope
            async with within(self._seconds(exchange)):
                await self._app(inner, exchange.capped(receive), exchange.send)
        except Exception as error:
            # Whatever escapes the routes is answered here, so that no engine's message reaches a client.
            await exchange.fail(error)
        finally:
            current_cause.reset(token)

    def _request_id(self, headers: dict[bytes, bytes]) -> str:
        return _matching(_REQUEST_ID, headers.get(b"x-request-id")) or self._new_id().hex

    def _traceparent(self, exchange: Exchange) -> str:
        """Only the house itself goes on with a trace: what a stranger calls one decides nothing here."""
        if exchange.scope["sender"] and (told := exchange.headers.get(b"traceparent")):
            exchange.caused_by = well_formed(told.decode("latin-1")) or ""
        exchange.traceparent = self._tracer.begun(exchange.caused_by)
        return exchange.traceparent

    def _seconds(self, exchange: Exchange) -> float:
        """What is left of the time that the door gave to the request, or all of ours."""
        settings, path = self.settings, exchange.scope["path"]
        transfer = settings.uploads.match(path) or settings.files.match(path)
        seconds = settings.transfer_seconds if transfer else settings.seconds
        left = exchange.headers.get(DEADLINE, b"") if exchange.scope["sender"] else b""
        return min(int(left) / 1000, seconds) if left.isdigit() else seconds

    def _caller(self, exchange: Exchange, sender: str) -> Caller:
        scope, headers = exchange.scope, exchange.headers
        client = scope.get("client")
        address = client[0] if client else ""
        if sender and (told := headers.get(b"x-forwarded-for")):
            address = told.decode("latin-1")
        agent = headers.get(b"user-agent", b"").decode("latin-1")[:200]
        locale = headers.get(b"accept-language", b"en").decode("latin-1")[:2].lower()
        credential = headers.get(b"authorization", b"")
        if credential:
            try:
                return self._identity.caller(credential, address=address, user_agent=agent, locale=locale)
            except Unauthenticated as refusal:
                # Public routes go on without a caller; every other door refuses with this.
                scope["bad_token"] = refusal
        return Caller(address=address, user_agent=agent, locale=locale)

    async def _count(self, exchange: Exchange) -> None:
        settings = self.settings
        if (
            not settings.limits
            or settings.unlimited.match(exchange.scope["path"])
            or exchange.scope["sender"]
        ):
            return  # what the door forwards, it has counted
        caller: Caller = exchange.scope["caller"]
        who, most = (
            (f"account:{caller.account_id}", settings.account_limit)
            if caller.account_id
            else (f"address:{caller.address}", settings.anonymous_limit)
        )
        try:
            allowance = await self._cache.hit(f"edge:all:{who}", most, 900)
        except Unavailable:
            return  # people go on looking at homes while nobody counts; the doors worth guessing at are shut
        exchange.allowance = allowance
        if not allowance.allowed:
            metrics.RATE_LIMITED.labels("all").inc()
            raise TooMany(retry_after=round(allowance.reset_after, 1))


class Exchange:
    """One request and its answer on their way through the ring."""

    def __init__(self, scope: Scope, send: Send, settings: RingSettings) -> None:
        self.scope, self._send, self._settings = scope, send, settings
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = ""
        self.status = 0
        self.sent = 0
        self.allowance: Allowance | None = None
        self.traceparent = self.caused_by = ""
        self._began = time.perf_counter()
        self._not_modified = False

    # what comes in

    def capped(self, receive: Receive) -> Receive:
        """The body, refused once it is larger than the route may take."""
        uploads = self._settings.uploads.match(self.scope["path"])
        most = self._settings.max_upload if uploads else self._settings.max_body
        if (declared := self.headers.get(b"content-length")) and _more_than(most, declared):
            raise TooLarge(f"the body may have at most {most} bytes", limit=most)
        seen = 0

        async def receive_capped() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise TooLarge(f"the body may have at most {most} bytes", limit=most)
            return message

        return receive_capped

    def is_preflight(self) -> bool:
        return (
            self.scope["method"] == "OPTIONS"
            and b"origin" in self.headers
            and b"access-control-request-method" in self.headers
        )

    # what goes out

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = message | {"headers": self._dressed(message)}
            if self._not_modified:
                self.status = message["status"] = 304
        elif message["type"] == "http.response.body" and self._is_bare:
            message = message | {"body": b""}
        self.sent += len(message.get("body", b""))
        await self._send(message)

    @property
    def _is_bare(self) -> bool:
        return self._not_modified or self.scope["method"] == "HEAD"

    def _dressed(self, message: Message) -> list[tuple[bytes, bytes]]:
        headers = [(name.lower(), value) for name, value in message.get("headers", ())]
        named = dict(headers)
        wanted = self.headers.get(b"if-none-match")
        if wanted and (tag := named.get(b"etag")) and self.scope["method"] in ("GET", "HEAD"):
            tags = [part.strip().removeprefix(b"W/") for part in wanted.split(b",")]
            self._not_modified = message["status"] == 200 and (
                tag.removeprefix(b"W/") in tags or b"*" in tags
            )
        if self._not_modified:
            headers = [pair for pair in headers if pair[0] not in (b"content-length", b"content-type")]
        headers.append((b"x-request-id", self.request_id.encode()))
        headers.extend(SECURITY_HEADERS)
        if b"content-security-policy" not in named:
            headers.append(CONTENT_POLICY)
        if b"cache-control" not in named:
            headers.extend(self.scope.get("cache_headers", NOT_KEPT) if self.status == 200 else NOT_KEPT)
        if self.allowance is not None:
            headers.extend(_limit_headers(self.allowance))
        headers.extend(self._cors())
        return headers

    def _cors(self) -> list[tuple[bytes, bytes]]:
        origin = self.headers.get(b"origin")
        if origin is None or origin not in self._settings.cors_origins:
            return []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", b"etag, x-request-id, retry-after, ratelimit-remaining"),
            (b"vary", b"origin"),
        ]

    async def preflight(self) -> None:
        headers = [
            (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
            (b"access-control-allow-headers", b"authorization, content-type, idempotency-key, if-match"),
            (b"access-control-max-age", b"600"),
        ]
        allowed = self.headers[b"origin"] in self._settings.cors_origins
        await self.send({"type": "http.response.start", "status": 204, "headers": headers if allowed else []})
        await self.send({"type": "http.response.body", "body": b""})

    async def fail(self, error: Exception) -> None:
        """A problem document; where the answer had begun already, the connection just ends."""
        if self.status:
            trouble.warning("answer broken off", extra={"request_id": self.request_id}, exc_info=error)
            return
        problem = problem_of(error)
        self.scope["problem"] = problem.code
        body = problem.document(self.request_id)
        headers = [(b"content-type", PROBLEM.encode()), (b"content-length", str(len(body)).encode())]
        headers += [(name.encode(), value.encode()) for name, value in problem.headers().items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def record(self, tracer: Tracer) -> None:
        """The metrics, the trace and the one log line. No query string: it may hold what a log must not."""
        seconds = time.perf_counter() - self._began
        route = self.scope.get("path_template") or "(none)"
        service = service_of_path(route)
        method = self.scope["method"] if self.scope["method"] in _METHODS else "OTHER"
        metrics.count_request(service, method, route, self.status, seconds)
        if route.startswith(_INSIDE):
            return
        failed = self.status >= 500
        if tracer.wants(self.traceparent, seconds, failed=failed) and route not in _ASKED_ALL_THE_TIME:
            self._write_down(tracer, service, method, route, seconds, failed=failed)
        if not log.isEnabledFor(logging.INFO):
            return
        caller = self.scope.get("caller")
        log.info(
            "request",
            extra={
                "request_id": self.request_id,
                "trace_id": trace_of(self.traceparent),
                "method": method,
                "route": route,
                "status": self.status,
                "ms": round(seconds * 1000, 2),
                "bytes": self.sent,
                "account": caller.account_id if caller else None,
                "problem": self.scope.get("problem"),
            },
        )

    def _write_down(
        self, tracer: Tracer, service: str, method: str, route: str, seconds: float, *, failed: bool
    ) -> None:
        took = int(seconds * 1e9)
        facts: dict[str, Fact] = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": self.status,
            "request_id": self.request_id,
        }
        if problem := self.scope.get("problem"):
            facts["error.type"] = problem
        own, cause = self.traceparent or tracer.begun(), self.caused_by
        began, step = time.time_ns() - took, f"{method} {route}"
        service = tracer.service or service
        tracer.keep(
            Span(own[3:35], own[36:52], cause[36:52], step, Kind.SERVER, service, began, took, failed, facts)
        )


# What the processes of one house ask each other all the time.
_INSIDE = "/inside/"
# Asked by whoever looks after the processes: no trace is worth keeping of it.
_ASKED_ALL_THE_TIME = frozenset({"/health", "/ready", "/metrics", "/info"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def service_of_path(route: str) -> str:
    """Which service serves a route: by the first word of its path."""
    parts = route.split("/")
    return ROUTES.get(parts[2], "gateway") if len(parts) > 2 and parts[1] == "api" else "gateway"


def _limit_headers(allowance: Allowance) -> list[tuple[bytes, bytes]]:
    return [
        (b"ratelimit-limit", str(allowance.limit).encode()),
        (b"ratelimit-remaining", str(allowance.remaining).encode()),
        (b"ratelimit-reset", str(max(0, round(allowance.reset_after))).encode()),
    ]


def _more_than(most: int, declared: bytes) -> bool:
    """As text: a number of thousands of digits is not worth reading."""
    return not declared.isdigit() or len(declared.lstrip(b"0")) > 18 or int(declared) > most


def _matching(pattern: re.Pattern[bytes], value: bytes | None) -> str | None:
    return value.decode("ascii") if value is not None and pattern.fullmatch(value) else None
