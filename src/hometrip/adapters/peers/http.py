"""Peers in other processes: one HTTP request a call, over connections that are kept."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar, cast

import aiohttp
import msgspec
from yarl import URL

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
    exchange,
    owner_of,
    pack,
    questions,
)
from hometrip.adapters.peers.http_instances import Instances
from hometrip.kernel.again import something_happens
from hometrip.kernel.deadline import seconds_left, within
from hometrip.kernel.errors import Told, TooLarge, rebuild
from hometrip.kernel.events import current_cause
from hometrip.kernel.trace import NO_TRACER, Kind
from hometrip.ports.peer import MayHaveHappened, Refused
from hometrip.ports.registry import Instance, Registry

log = logging.getLogger("hometrip.peers")

P = TypeVar("P")

# These are raised while connecting, before any byte of the request is written.
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ServerFingerprintMismatch)


class Failed(Exception):
    """The peer did not answer; `error` says which of the two kinds it was."""

    def __init__(self, error: Refused | MayHaveHappened) -> None:
        super().__init__(error.detail)
        self.error = error


class Problem(msgspec.Struct, frozen=True):
    """What is needed of a refusal, told as `Told` or as problem details."""

    code: str
    detail: str


class Call(msgspec.Struct, frozen=True):
    """One call, ready to be sent to any instance of its service."""

    service: str
    path: str
    step: str
    exchange: Exchange
    body: bytes
    may_repeat: bool


class HttpPeers:
    """Asks instances that the registry lists, the less busy of two. `credential(service)` is a token for it.

    - A call that failed is made once more, on another instance where there is one: a question and a command
      with a key always, another command only where nothing has happened.
    - It ends by the caller's deadline, and after `seconds` without one: `DeadlineExceeded`.
    - An instance that failed is left alone for a short time.
    - At most `connections` are open to an instance; further calls wait for one. One that is idle for
      `idle_seconds` is closed, well before the other side would do it in the middle of a call.
    """

    def __init__(
        self,
        registry: Registry,
        credential: Callable[[str], str],
        *,
        owner: Callable[[type[Any]], str] = owner_of,
        seconds: float = 10.0,
        connections: int = 64,
        connect_seconds: float = 1.0,
        idle_seconds: float = 4.0,
    ) -> None:
        self._registry, self._credential, self._owner = registry, credential, owner
        self._seconds, self._connections = seconds, connections
        self._connect_seconds, self._idle_seconds = connect_seconds, idle_seconds
        self._instances = Instances(time.monotonic, random.randrange)
        self._kept: aiohttp.ClientSession | None = None
        # What writes each request down; the house of this process gives its own.
        self.tracer = NO_TRACER

    def ask(self, protocol: type[P]) -> P:
        proxy = type(f"Http{protocol.__name__}", (), {"__slots__": ()})
        for method in questions(protocol):
            setattr(proxy, method, staticmethod(self._caller(protocol, method)))
        return cast(P, proxy())

    async def close(self) -> None:
        if self._kept is not None:
            await self._kept.close()
            self._kept = None

    def _caller(self, protocol: type[Any], method: str) -> Answering:
        carried, service = exchange(protocol, method), self._owner(protocol)
        path = f"{PATH}{protocol.__name__}/{method}"
        step = f"ask {protocol.__name__}.{method}"

        async def call(*args: Any, **named: Any) -> Any:
            given = carried.given(args, named)
            body = pack(given)
            if len(body) > MOST_BYTES:
                raise TooLarge(f"a call may have at most {MOST_BYTES} bytes", limit=MOST_BYTES)
            async with within(self._seconds):
                return await self._carry(Call(service, path, step, carried, body, carried.may_repeat(given)))

        return call

    async def _carry(self, call: Call) -> Any:
        first = self._instances.pick(self._registry.instances(call.service))
        if first is None:
            raise Refused(f"no instance of {call.service} is there")
        try:
            return await self._send(call, first)
        except Failed as failed:
            failure = failed.error
        nothing_happened = isinstance(failure, Refused)
        second = self._instances.pick(self._registry.instances(call.service), but=first)
        if not (call.may_repeat or (nothing_happened and second)):
            raise failure
        try:
            return await self._send(call, second or first)
        except Failed as failed:
            # Once it may have happened, no later refusal undoes that.
            raise (failed.error if nothing_happened else failure) from failed

    async def _send(self, call: Call, instance: Instance) -> Any:
        with self.tracer.inner(call.step, Kind.CLIENT), self._instances.busy(instance):
            return await self._exchange(call, instance)

    async def _exchange(self, call: Call, instance: Instance) -> Any:
        if not call.may_repeat:
            something_happens()
        try:
            async with self._session().post(
                _url(instance.url, call.path),
                data=call.body,
                headers=self._headers(call),
                allow_redirects=False,
            ) as response:
                answer = await response.read()
        except _NOT_SENT as reason:
            raise self._failed(call, instance, Refused, "cannot be reached") from reason
        except (aiohttp.ClientError, OSError) as reason:
            raise self._failed(call, instance, MayHaveHappened, "broke off") from reason
        return self._read(call, instance, response, answer)

    def _read(self, call: Call, instance: Instance, response: aiohttp.ClientResponse, answer: bytes) -> Any:
        told, media = response.headers.get(TOLD), response.headers.get("Content-Type", "")
        try:
            if told == REFUSED:
                decode = msgspec.msgpack.decode if media == MEDIA else msgspec.json.decode
                raise self._refused(call, instance, response.status, decode(answer, type=Problem))
            if told == RAISED:
                error = rebuild(msgspec.msgpack.decode(answer, type=Told))
            elif response.status == 200 and media == MEDIA:
                found = call.exchange.answer.decode(answer)
                self._instances.answered(instance)
                return found
            else:
                raise self._failed(call, instance, MayHaveHappened, f"answered {response.status}")
        except msgspec.DecodeError as reason:
            raise self._failed(call, instance, MayHaveHappened, "gave an answer in other words") from reason
        self._instances.answered(instance)
        raise error

    def _refused(self, call: Call, instance: Instance, status: int, problem: Problem) -> Exception:
        """Refused at the door. Of the caller's own faults the instance is innocent."""
        if problem.code == TooLarge.code:
            return TooLarge(problem.detail)
        if status in (401, 503):
            return self._failed(call, instance, Refused, f"refused: {problem.detail}")
        log.error("peer refused", extra={"asked": call.path, "code": problem.code, "reason": problem.detail})
        return Failed(Refused(f"{call.service} refused: {problem.detail}"))

    def _failed(
        self, call: Call, instance: Instance, kind: type[Refused | MayHaveHappened], what: str
    ) -> Failed:
        seconds = self._instances.failed(instance)
        log.warning(
            "peer failed",
            extra={"peer": instance.id, "asked": call.path, "reason": what, "left_alone": round(seconds, 1)},
        )
        return Failed(kind(f"{call.service} {what}"))

    def _headers(self, call: Call) -> dict[str, str]:
        cause = current_cause.get()
        headers = {
            "Authorization": f"Service {self._credential(call.service)}",
            "Content-Type": MEDIA,
            DEADLINE: str(max(1, int(seconds_left(self._seconds) * 1000))),
        }
        if cause.correlation_id:
            headers[CORRELATION] = cause.correlation_id
        if cause.causation_id:
            headers[CAUSATION] = cause.causation_id
        if cause.traceparent:
            headers[TRACE] = cause.traceparent
        return headers

    def _session(self) -> aiohttp.ClientSession:
        if self._kept is None:
            self._kept = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    limit_per_host=self._connections,
                    keepalive_timeout=self._idle_seconds,
                    ttl_dns_cache=10,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_seconds),
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
                auto_decompress=False,
                trust_env=False,
            )
        return self._kept


@lru_cache(maxsize=4096)
def _url(base: str, path: str) -> URL:
    return URL(base + path, encoded=True)
