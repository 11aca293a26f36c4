"""The serving side of peers over HTTP: answers what other services of this house ask, and nobody else."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import msgspec
from prometheus_client import Counter, Histogram

from hometrip.adapters.peers.exchange import (
    CAUSATION,
    CORRELATION,
    DEADLINE,
    MEDIA,
    MOST_BYTES,
    PATH,
    RAISED,
    REFUSED,
    TOLD,
    TRACE,
    Answering,
    Exchange,
    Find,
    exchange,
    owner_of,
    pack,
    questions,
)
from hometrip.app.credentials import NotAService
from hometrip.app.edge.exchange import Receive, Scope, Send
from hometrip.app.edge.problems import PROBLEM, problem_of
from hometrip.app.metrics import REGISTRY
from hometrip.kernel.again import again
from hometrip.kernel.deadline import within
from hometrip.kernel.errors import Forbidden, HomeTripError, Malformed, NotFound, TooLarge, Unavailable, tell
from hometrip.kernel.events import Cause, current_cause
from hometrip.kernel.trace import well_formed
from hometrip.ports.outbox import Contended
from hometrip.ports.peer import Refused

log = logging.getLogger("hometrip.peers")

# Who may ask what: those that have the Protocol in their `Deps`, which a test holds this table to. It is
# written down because reading it from the services would load all of them into the process of each.
CALLERS: Mapping[str, frozenset[str]] = {
    "AuthQuestions": frozenset({"listing", "notification", "payment", "user"}),
    "BookingQuestions": frozenset({"listing", "payment"}),
    "ListingQuestions": frozenset({"booking", "notification", "search", "user"}),
    "PaymentQuestions": frozenset({"booking"}),
    "SearchQuestions": frozenset({"listing"}),
    "UserQuestions": frozenset({"listing", "notification", "search"}),
}
# What the ring around every process asks, that of the gateway too, to know who is calling.
EVERYBODY = frozenset({"AuthQuestions.public_keys", "AuthQuestions.revoked_sessions"})

PEER_CALLS = Counter(
    "hometrip_peer_calls_total",
    "Calls of other services; outcome is ok, error (told to the caller), failed (unforeseen) or refused.",
    ["service", "caller", "method", "outcome"],
    registry=REGISTRY,
)
PEER_SECONDS = Histogram(
    "hometrip_peer_calls_duration_seconds",
    "Time from the head of a call to its answer.",
    ["service", "method"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)


class NotDeclared(Forbidden):
    """This service has not declared that it asks that one: it is not in its `Deps`."""

    code = "peer_not_declared"


class Method(msgspec.Struct, frozen=True):
    """One method that is answered here, and who may ask it."""

    service: str
    name: str
    exchange: Exchange
    answering: Answering
    callers: frozenset[str] | None  # None: every service of the house


class Answer(msgspec.Struct, frozen=True):
    """`told` says of an error whether the method raised it, or it was refused before."""

    status: int
    body: bytes
    media: str = MEDIA
    told: str = ""
    outcome: str = "ok"


class Peering:
    """An ASGI application for `POST /peers/<Protocol>/<method>`.

    - `sender_of` tells which service made a token, for the service that answers here; it raises
      `Unauthenticated`.
    - `closed` says why nothing is taken now, if so: every call is refused then, and its caller goes
      elsewhere.
    - A call ends by the deadline of its caller, and after `seconds` at the latest.
    - An error is told as `Told`; of an unforeseen one only the log knows more than that there was one.
    """

    def __init__(
        self,
        answering: Find,
        sender_of: Callable[[str], str],
        *,
        protocols: Iterable[type[Any]],
        callers: Mapping[str, frozenset[str]] = CALLERS,
        closed: Callable[[], str] = lambda: "",
        owner: Callable[[type[Any]], str] = owner_of,
        seconds: float = 30.0,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._sender_of, self._closed = sender_of, closed
        self._seconds, self._most = seconds, most_bytes
        self._methods = {
            f"{PATH}{protocol.__name__}/{name}": self._method(protocol, name, answering, callers, owner)
            for protocol in protocols
            for name in questions(protocol)
        }
        self.busy = 0

    @staticmethod
    def _method(
        protocol: type[Any],
        name: str,
        find: Find,
        callers: Mapping[str, frozenset[str]],
        owner: Callable[[type[Any]], str],
    ) -> Method:
        full, answering = f"{protocol.__name__}.{name}", find(protocol, name)
        if answering is None:
            raise TypeError(f"nobody answers {full} here")
        allowed = None if full in EVERYBODY else callers.get(protocol.__name__, frozenset())
        return Method(owner(protocol), full, exchange(protocol, name), answering, allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, call = time.perf_counter(), Call(scope, receive)
        self.busy += 1
        token = current_cause.set(call.cause())
        try:
            answer = await self._answer(call)
            await _send(send, answer, closing=bool(self._closed()))
            _record(call, answer, time.perf_counter() - began)
        finally:
            current_cause.reset(token)
            self.busy -= 1

    async def _answer(self, call: Call) -> Answer:
        try:
            method = call.method = self._admit(call)
            async with within(call.seconds(self._seconds)):
                arguments = await self._arguments(call, method)
                call.begun = True
                answer = await again(lambda: method.answering(*arguments), Contended)
            return Answer(200, pack(answer))
        except HomeTripError as error:
            return _raised(error) if call.begun else _refused(error, call)
        except Exception as error:
            log.error("unforeseen error", extra=call.shown(), exc_info=error)
            return _told(HomeTripError("something went wrong there; it has been noted"), RAISED, "failed")

    def _admit(self, call: Call) -> Method:
        if reason := self._closed():
            raise Refused(reason)
        call.sender = self._sender_of(call.token())
        method = self._methods.get(call.path)
        if method is None or call.scope["method"] != "POST":
            raise NotFound(f"there is nothing to be asked at {call.path[:100]}")
        if method.callers is not None and call.sender not in method.callers:
            raise NotDeclared(caller=call.sender, method=method.name)
        return method

    async def _arguments(self, call: Call, method: Method) -> Any:
        try:
            return method.exchange.arguments.decode(await call.body(self._most))
        except (msgspec.DecodeError, RecursionError) as reason:
            raise Malformed(f"the arguments of {method.name} cannot be read: {reason}") from reason


class Call:
    """One call on its way in."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope, self._receive = scope, receive
        self.path: str = scope["path"]
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self.sender = ""
        self.method: Method | None = None
        self.begun = False

    def header(self, name: str) -> str:
        return self._headers.get(name.encode(), b"").decode("latin-1")

    def token(self) -> str:
        scheme, _, token = self.header("authorization").partition(" ")
        if scheme.lower() != "service":
            raise NotAService
        return token.strip()

    def cause(self) -> Cause:
        return Cause(
            self.header(CORRELATION)[:128],
            self.header(CAUSATION)[:128] or None,
            well_formed(self.header(TRACE)),
        )

    def seconds(self, most: float) -> float:
        """How long the caller waits for the answer."""
        told = self.header(DEADLINE)
        return min(int(told) / 1000, most) if told.isdecimal() and len(told) < 10 else most

    async def body(self, most: int) -> bytes:
        declared = self.header("content-length")
        if declared and not (declared.isdecimal() and len(declared) < 19 and int(declared) <= most):
            raise TooLarge(f"a call may have at most {most} bytes", limit=most)
        parts, size = [], 0
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                raise Malformed("the call was broken off")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise TooLarge(f"a call may have at most {most} bytes", limit=most)
            if not message.get("more_body", False):
                return b"".join(parts)

    def shown(self) -> dict[str, Any]:
        return {"caller": self.sender or None, "method": self.method.name if self.method else None}


def _raised(error: HomeTripError) -> Answer:
    """What the method said. Where it was refused by a third one, it was itself reached nevertheless."""
    if isinstance(error, Refused):
        error = Unavailable(error.detail, **error.facts)
    return _told(error, RAISED, "error")


def _refused(error: HomeTripError, call: Call) -> Answer:
    """Nothing has happened. Those who are no service of this house are told in the words of HTTP."""
    if call.sender:
        return _told(error, REFUSED, "refused")
    problem = problem_of(error)
    body = problem.document(current_cause.get().correlation_id)
    return Answer(problem.status, body, PROBLEM, REFUSED, "refused")


def _told(error: HomeTripError, told: str, outcome: str) -> Answer:
    return Answer(problem_of(error).status, pack(tell(error)), told=told, outcome=outcome)


async def _send(send: Send, answer: Answer, *, closing: bool) -> None:
    headers = [
        (b"content-type", answer.media.encode()),
        (b"content-length", str(len(answer.body)).encode()),
    ]
    if answer.told:
        headers.append((TOLD.encode(), answer.told.encode()))
    if answer.status == 401:
        headers.append((b"www-authenticate", b"Service"))
    if closing:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


@cache
def _counters(service: str, caller: str, method: str, outcome: str) -> tuple[Counter, Histogram]:
    return PEER_CALLS.labels(service, caller, method, outcome), PEER_SECONDS.labels(service, method)


def _record(call: Call, answer: Answer, seconds: float) -> None:
    """Only calls of services for methods that exist are told apart, so that strangers make no series."""
    method = call.method
    service, name = (method.service, method.name) if method else ("", "")
    calls, took = _counters(service, call.sender, name, answer.outcome)
    calls.inc()
    if method:
        took.observe(seconds)
    if log.isEnabledFor(logging.DEBUG):
        log.debug("peer call", extra=call.shown() | {"status": answer.status, "ms": round(seconds * 1000, 2)})
