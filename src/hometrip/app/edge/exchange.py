"""One request and its answer at the door: what is taken of the one, what is said with the other, what is
noted of both. Where they come from and go to, `ring.py` and the lanes know.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

import msgspec

from hometrip.app import metrics
from hometrip.app.edge.problems import PROBLEM, problem_of
from hometrip.app.logs import Noted, note_request
from hometrip.kernel.errors import TooLarge
from hometrip.kernel.events import NO_CAUSE, Cause
from hometrip.kernel.trace import Fact, Kind, Span, Tracer, trace_of
from hometrip.ports.cache import Allowance
from hometrip.services.gateway.rules.routing import ROUTES

trouble = logging.getLogger("hometrip.edge")

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# What one process of the house tells another: who it is, and how many milliseconds are left.
SENDER, DEADLINE = b"x-hometrip-sender", b"x-hometrip-deadline-ms"

SECURITY = (
    b"x-content-type-options: nosniff\r\n"
    b"x-frame-options: DENY\r\n"
    b"referrer-policy: same-origin\r\n"
    b"cross-origin-opener-policy: same-origin\r\n"
    b"permissions-policy: geolocation=(self), camera=(), microphone=()\r\n"
)
CONTENT_POLICY = (
    b"content-security-policy: default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    b"frame-ancestors 'none'; base-uri 'none'; form-action 'self'\r\n"
)
NOT_KEPT = ((b"cache-control", b"no-store"),)
# What a page of another origin may read, and what it may send, beyond what every page may.
CORS = (
    b"access-control-allow-origin: %b\r\n"
    b"access-control-expose-headers: age, content-disposition, etag, idempotent-replayed, ratelimit-limit, "
    b"ratelimit-remaining, ratelimit-reset, retry-after, warning, x-request-id\r\n"
    b"vary: origin\r\n"
)
ASKED_WITH = b"authorization, content-type, idempotency-key, if-match, if-none-match, x-request-id"
LIMITS = b"ratelimit-limit: %d\r\nratelimit-remaining: %d\r\nratelimit-reset: %d\r\n"


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
    uploads: re.Pattern[str] = re.compile(
        r"/api/(listings/(import$|[0-9a-f-]+/photos$)|payments/deposits/[0-9a-f-]+/claims/[0-9a-f-]+/pictures$)"
    )
    files: re.Pattern[str] = re.compile(r"/files/")
    unlimited: re.Pattern[str] = re.compile(r"/(health|ready|metrics|info|files/.*|api/webhook/.*)$")


class Exchange:
    """One request and its answer on their way through the ring."""

    def __init__(self, scope: Scope, send: Send, settings: RingSettings) -> None:
        self.scope, self._send, self._settings = scope, send, settings
        self.headers: dict[bytes, bytes] = scope.get("named") or dict(scope["headers"])
        self.request_id = ""
        self.cause: Cause = NO_CAUSE
        self.status = 0
        self.sent = 0
        self.allowance: Allowance | None = None
        self.traceparent = self.caused_by = ""
        self._began = time.perf_counter()
        self._not_modified = False

    # what comes in

    @property
    def is_upload(self) -> bool:
        return self._settings.uploads.match(self.scope["path"]) is not None

    def must_fit(self) -> int:
        """How large the body may be; `TooLarge` where it says that it is larger."""
        most = self._settings.max_upload if self.is_upload else self._settings.max_body
        if (declared := self.headers.get(b"content-length")) and _more_than(most, declared):
            raise _too_large(most)
        return most

    def fits(self, body: bytes) -> bytes:
        """The body itself, where it is not larger than it may be, whatever it says."""
        if len(body) > (most := self.must_fit()):
            raise _too_large(most)
        return body

    def capped(self, receive: Receive) -> Receive:
        """The body, refused once it is larger than the route may take."""
        most, seen = self.must_fit(), 0

        async def receive_capped() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise _too_large(most)
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
            headers = [(name.lower(), value) for name, value in message.get("headers", ())]
            status, headers, own, said = self._dress(message["status"], headers)
            message = message | {"status": status, "headers": headers + _pairs(own) + _pairs_said(said)}
        elif message["type"] == "http.response.body" and self.is_bare:
            message = message | {"body": b""}
        self.sent += len(message.get("body", b""))
        await self._send(message)

    def whole(self, status: int, headers: Headers, body: bytes) -> tuple[int, Headers, bytes, bytes]:
        """An answer that is there at once, as it goes out: status, its own headers, lines of more, body."""
        status, headers, own, said = self._dress(status, headers)
        if self.is_bare:
            body = b""
        self.sent = len(body)
        return status, headers, own + said, body

    @property
    def is_bare(self) -> bool:
        """Does the answer go out without its body?"""
        return self._not_modified or self.scope["method"] == "HEAD"

    def _dress(self, status: int, headers: Headers) -> tuple[int, Headers, bytes, bytes]:
        """Status and headers of the answer as they go out, the lines that are said with this one alone, and
        those with many. Names are in small letters.
        """
        named = dict(headers)
        wanted = self.headers.get(b"if-none-match")
        if wanted and status == 200 and self.scope["method"] in _READS and _among(named.get(b"etag"), wanted):
            self._not_modified, status = True, 304
            headers = [pair for pair in headers if pair[0] not in (b"content-length", b"content-type")]
        self.status = status
        kept = None
        if b"cache-control" not in named:
            # What may be kept is said of what was found, whether or not it goes out again.
            found = status == 200 or self._not_modified
            kept = self.scope.get("cache_headers", NOT_KEPT) if found else NOT_KEPT
        origin = self.headers.get(b"origin")
        if origin not in self._settings.cors_origins:
            origin = None
        said = _said(kept, origin, policy=b"content-security-policy" not in named)
        own = b"x-request-id: %b\r\n" % self.request_id.encode()
        if (limit := self.allowance) is not None:
            own += LIMITS % (limit.limit, limit.remaining, max(0, round(limit.reset_after)))
        return status, headers, own, said

    async def preflight(self) -> None:
        headers = [
            (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
            (b"access-control-allow-headers", ASKED_WITH),
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
        status, headers, body = self.refusal(error)
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def refusal(self, error: Exception) -> tuple[int, Headers, bytes]:
        """The problem document of an error."""
        problem = problem_of(error)
        self.scope["problem"] = problem.code
        body = problem.document(self.request_id)
        headers = [(b"content-type", PROBLEM.encode()), (b"content-length", str(len(body)).encode())]
        headers += [(name.encode(), value.encode()) for name, value in problem.headers().items()]
        return problem.status, headers, body

    # what is noted

    def record(self, tracer: Tracer) -> None:
        """The metrics, the trace and the one log line. No query string: it may hold what a log must not."""
        seconds = time.perf_counter() - self._began
        scope = self.scope
        route = scope.get("path_template") or "(none)"
        service = service_of_path(route)
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        metrics.count_request(service, method, route, self.status, seconds)
        if route.startswith(_INSIDE):
            return
        failed = self.status >= 500
        if tracer.wants(self.traceparent, seconds, failed=failed) and route not in _ASKED_ALL_THE_TIME:
            self._write_down(tracer, service, method, route, seconds, failed=failed)
        caller = scope.get("caller")
        note_request(
            Noted(
                self.request_id,
                trace_of(self.traceparent),
                method,
                route,
                self.status,
                round(seconds * 1000, 2),
                self.sent,
                caller.account_id if caller else None,
                scope.get("problem"),
            )
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
_READS = frozenset({"GET", "HEAD"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@lru_cache(maxsize=1024)
def service_of_path(route: str) -> str:
    """Which service serves a route: by the first word of its path."""
    parts = route.split("/", 3)
    return ROUTES.get(parts[2], "gateway") if len(parts) > 2 and parts[1] == "api" else "gateway"


def _among(tag: bytes | None, wanted: bytes) -> bool:
    """Is the tag one of those of an If-None-Match?"""
    tags = [part.strip().removeprefix(b"W/") for part in wanted.split(b",")]
    return tag is not None and (tag.removeprefix(b"W/") in tags or b"*" in tags)


@lru_cache(maxsize=1024)
def _said(kept: tuple[tuple[bytes, bytes], ...] | None, origin: bytes | None, *, policy: bool) -> bytes:
    """The lines that hold for so many answers that they are made once: those of the ring, whether the answer
    may be `kept` where it does not say so itself, and what an allowed `origin` may read.
    """
    more = b"".join(b"%b: %b\r\n" % pair for pair in kept or ())
    return SECURITY + (CONTENT_POLICY if policy else b"") + more + (CORS % origin if origin else b"")


def _pairs(lines: bytes) -> Headers:
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines.split(b"\r\n")[:-1])]


# As often as lines are made for many, they are the same again.
_pairs_said = lru_cache(maxsize=1024)(_pairs)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the body may have at most {most} bytes", limit=most)


def _more_than(most: int, declared: bytes) -> bool:
    """As text: a number of thousands of digits is not worth reading."""
    return not declared.isdigit() or len(declared.lstrip(b"0")) > 18 or int(declared) > most
