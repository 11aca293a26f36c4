"""The ring: what happens to every request before and after its route, as one pure ASGI middleware. Its single
steps serve `lane.py` and `gateway/lane.py` too, which take the common request through without ASGI.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import lru_cache

from hometrip.app import metrics
from hometrip.app.edge.exchange import DEADLINE, SENDER, App, Exchange, Receive, RingSettings, Scope, Send
from hometrip.app.edge.meter import Meter
from hometrip.app.identity import Identity
from hometrip.kernel.access import Caller
from hometrip.kernel.deadline import within
from hometrip.kernel.errors import TooMany, Unauthenticated, Unavailable
from hometrip.kernel.events import Cause, current_cause
from hometrip.kernel.ids import passing_id
from hometrip.kernel.trace import NO_TRACER, Tracer, well_formed
from hometrip.ports.cache import Allowance, Cache

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
WINDOW_SECONDS = 900


class Ring:
    """For every request: id, deadline, identity, limits, body cap, headers, CORS, metrics, one log line.

    With a `meter`, hits are counted by it and not one by one in the cache.
    """

    def __init__(
        self,
        app: App,
        *,
        settings: RingSettings,
        identity: Identity,
        cache: Cache,
        tracer: Tracer = NO_TRACER,
        meter: Meter | None = None,
    ) -> None:
        self.app, self._identity, self._cache = app, identity, cache
        self._meter, self.tracer = meter, tracer
        self.settings, self.busy = settings, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = self.open(scope, send)
        try:
            await self._answer(exchange, receive)
        finally:
            self.close(exchange)

    async def _answer(self, exchange: Exchange, receive: Receive) -> None:
        scope = exchange.scope

        async def inside() -> None:
            if exchange.is_preflight():
                await exchange.preflight()
                return
            self.admit(exchange)
            current_cause.set(exchange.cause)
            await self.count(exchange)
            # Whoever answers GET answers HEAD too; the exchange leaves the body out.
            inner = scope | {"method": "GET", "head": True} if scope["method"] == "HEAD" else scope
            async with within(self.seconds(exchange)):
                await self.app(inner, exchange.capped(receive), exchange.send)

        await self.answer_all(exchange, inside)

    async def answer_all(self, exchange: Exchange, inside: Callable[[], Awaitable[None]]) -> None:
        """Whatever escapes the routes is answered here, so that no engine's message reaches a client."""
        token = current_cause.set(exchange.cause)
        try:
            await inside()
        except Exception as error:
            await exchange.fail(error)
        finally:
            current_cause.reset(token)

    # the steps, each of which is called once for a request, in this order

    def open(self, scope: Scope, send: Send) -> Exchange:
        """`close` in any case."""
        self.busy += 1
        exchange = Exchange(scope, send, self.settings)
        scope["named"] = exchange.headers
        told = _matching(_REQUEST_ID, exchange.headers.get(b"x-request-id"))
        scope["request_id"] = exchange.request_id = told or passing_id()
        exchange.cause = Cause(exchange.request_id)
        return exchange

    def admit(self, exchange: Exchange) -> None:
        """Who asks, and for which trace. `Unauthenticated` for what passes for a process of the house and is
        none.
        """
        scope, headers = exchange.scope, exchange.headers
        told = headers.get(SENDER)
        scope["sender"] = self._identity.sender(told) if told else ""
        exchange.cause = Cause(exchange.request_id, None, self._traceparent(exchange))
        scope["caller"] = self._caller(exchange, scope["sender"])
        scope["limits"] = self._cache if self.settings.limits else None

    def counted(self, exchange: Exchange) -> bool:
        """Counts the request if that can be done at once. `TooMany` where it is one too many."""
        limit = self._limit(exchange)
        if limit is None:
            return True
        allowance = (self._meter or self._cache).hit_at_once(*limit, WINDOW_SECONDS)
        if allowance is None:
            return False
        _allow(exchange, allowance)
        return True

    async def count(self, exchange: Exchange) -> None:
        """Raises `TooMany` where it is one too many."""
        limit = self._limit(exchange)
        if limit is None:
            return
        try:
            allowance = await (self._meter or self._cache).hit(*limit, WINDOW_SECONDS)
        except Unavailable:
            return  # people go on looking at homes while nobody counts; the doors worth guessing at are shut
        _allow(exchange, allowance)

    def seconds(self, exchange: Exchange) -> float:
        """What is left of the time that the door gave to the request, or all of ours."""
        settings, path = self.settings, exchange.scope["path"]
        transfer = settings.uploads.match(path) or settings.files.match(path)
        seconds = settings.transfer_seconds if transfer else settings.seconds
        left = exchange.headers.get(DEADLINE, b"") if exchange.scope["sender"] else b""
        return min(int(left) / 1000, seconds) if left.isdigit() else seconds

    def close(self, exchange: Exchange) -> None:
        self.busy -= 1
        exchange.record(self.tracer)

    # how

    def _traceparent(self, exchange: Exchange) -> str:
        """Only the house itself goes on with a trace: what a stranger calls one decides nothing here."""
        if exchange.scope["sender"] and (told := exchange.headers.get(b"traceparent")):
            exchange.caused_by = well_formed(told.decode("latin-1")) or ""
        exchange.traceparent = self.tracer.begun(exchange.caused_by)
        return exchange.traceparent

    def _caller(self, exchange: Exchange, sender: str) -> Caller:
        scope, headers = exchange.scope, exchange.headers
        client = scope.get("client")
        address = client[0] if client else ""
        if sender and (told := headers.get(b"x-forwarded-for")):
            address = told.decode("latin-1")
        agent = _agent(headers.get(b"user-agent", b""))
        locale = _locale(headers.get(b"accept-language", b"en"))
        credential = headers.get(b"authorization", b"")
        if credential:
            try:
                return self._identity.caller(credential, address=address, user_agent=agent, locale=locale)
            except Unauthenticated as refusal:
                # Public routes go on without a caller; every other door refuses with this.
                scope["bad_token"] = refusal
        return Caller(address=address, user_agent=agent, locale=locale)

    def _limit(self, exchange: Exchange) -> tuple[str, int] | None:
        """The key that the request counts for, and how many of it there may be; None where it counts not."""
        settings, scope = self.settings, exchange.scope
        if not settings.limits or scope["sender"] or settings.unlimited.match(scope["path"]):
            return None  # what the door forwards, it has counted
        caller: Caller = scope["caller"]
        if caller.account_id:
            return f"edge:all:account:{caller.account_id}", settings.account_limit
        return f"edge:all:address:{caller.address}", settings.anonymous_limit


@lru_cache(maxsize=1024)
def _agent(told: bytes) -> str:
    return told.decode("latin-1")[:200]


@lru_cache(maxsize=1024)
def _locale(told: bytes) -> str:
    return told.decode("latin-1")[:2].lower()


def _allow(exchange: Exchange, allowance: Allowance) -> None:
    exchange.allowance = allowance
    if not allowance.allowed:
        metrics.RATE_LIMITED.labels("all").inc()
        raise TooMany(retry_after=round(allowance.reset_after, 1))


def _matching(pattern: re.Pattern[bytes], value: bytes | None) -> str | None:
    return value.decode("ascii") if value is not None and pattern.fullmatch(value) else None
