"""The cache in Redis 5 or later: one for all processes, atomic by scripts, announcing to all of them."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import uuid4

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, NoScriptError, ResponseError

from hometrip.adapters.cache.redis_asking import BROKEN, Asking, Word
from hometrip.adapters.cache.redis_listening import Listening
from hometrip.adapters.cache.redis_patience import Patience
from hometrip.adapters.cache.redis_scripts import ADD, HIT, TAKE, Script
from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import Unavailable
from hometrip.ports.cache import Allowance
from hometrip.ports.engine import Finding, Unfit

OLDEST = (5, 0)
PREFIX = "hometrip:"
# At a start many processes may begin at once, and a machine with few cores has its hands full.
OPEN_SECONDS = 10.0
CALL_SECONDS = 0.5
# A window is counted in at most this many parts, as in memory.py.
PARTS = 64
_END = struct.Struct(">d")
_RIGHTS = "+@read +@write +@scripting +@pubsub +@connection +info +time"


class RedisCache:
    """Every key begins with the prefix, then `v:` (a value) or `w:` (a limit's window), and has an end in
    Redis.

    While Redis is away, a call raises `Unavailable` within `timeout` seconds, and most of them at once: one
    call now and then tries, so that a cache that is back is used again within a second.
    """

    def __init__(self, url: str, *, clock: Clock | None = None) -> None:
        """`redis://[account:password@]host:port/number?prefix=hometrip:&timeout=0.5`, or `rediss://` for TLS,
        where `ssl_ca_certs=` names a file with the authorities to trust.

        Ends and windows go by the server's time. Where time can be moved, they go by the `clock` given here.
        """
        parts = urlsplit(url)
        told = dict(parse_qsl(parts.query))
        self._prefix = told.pop("prefix", PREFIX)
        self._seconds = float(told.pop("timeout", CALL_SECONDS))
        self._clock = clock
        self.where = f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
        pool = ConnectionPool.from_url(
            urlunsplit(parts._replace(query=urlencode(told))),
            # Whoever asks has a patience of his own; these end what nobody waits for.
            socket_timeout=max(OPEN_SECONDS, self._seconds),
            socket_connect_timeout=max(OPEN_SECONDS, self._seconds),
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        # Channels are not per database in Redis; ours are.
        self._channels = f"{self._prefix}{parts.path.strip('/') or 0}:".encode()
        self._redis: Redis = Redis.from_pool(pool)
        self._asking = Asking(self._redis, self._seconds)
        self._listening = Listening(self._redis)

    # living

    async def open(self) -> None:
        if wrong := [finding for finding in await self.examine() if not finding.fine]:
            raise Unfit("; ".join(f"{each.detail}: {each.advice}" for each in wrong))
        self._listening.start()

    async def examine(self) -> list[Finding]:
        try:
            async with Patience(max(OPEN_SECONDS, self._seconds)):
                await self._redis.ping()
                return [
                    Finding("reachable", fine=True, detail=f"Redis answers at {self.where}"),
                    await self._version(),
                    await self._rights(),
                ]
        except AuthenticationError:
            return [self._unreachable("the account or its password is wrong")]
        except BROKEN as reason:
            return [self._unreachable(f"Redis at {self.where} does not answer ({type(reason).__name__})")]

    def _unreachable(self, detail: str) -> Finding:
        advice = f"start Redis at {self.where}, or mend the url of the cache"
        return Finding("reachable", fine=False, detail=detail, advice=advice)

    async def _version(self) -> Finding:
        try:
            version = str((await self._redis.info("server"))["redis_version"])
        except NoPermissionError:
            advice = "allow the account +info"
            return Finding("version", fine=False, detail="Redis does not tell its version", advice=advice)
        fine = tuple(int(part) for part in version.split(".")[:2]) >= OLDEST
        advice = "" if fine else "upgrade Redis to 5.0 or later"
        return Finding("version", fine=fine, detail=f"Redis is of version {version}", advice=advice)

    async def _rights(self) -> Finding:
        """Whether all that is done to Redis is allowed, by doing it."""
        key = f"examined:{uuid4()}"
        try:
            await self.put(key, b"", 1)
            await self.get(key)
            await self.add(key, b"", 1)
            await self.take(key)
            await self.hit(key, 1, 1)
            await self.forgive(key)
            await self.announce("examined", b"")
            async with self._redis.pubsub() as pubsub:
                await pubsub.subscribe(self._channel("examined"))
                await pubsub.parse_response()
        except (Unavailable, ResponseError) as refusal:
            advice = f"allow the account ~{self._prefix}* &{self._prefix}* {_RIGHTS}, on a primary"
            return Finding("rights", fine=False, detail=str(refusal), advice=advice)
        return Finding("rights", fine=True, detail=f"keys and channels under {self._prefix} can be used")

    async def ready(self) -> None:
        await self._ask("PING")

    async def close(self) -> None:
        await self._listening.stop()
        await self._asking.close()
        await self._redis.aclose()

    # values

    async def get(self, key: str) -> bytes | None:
        return self._alive(await self._ask("GET", self._value(key)))

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        if seconds > 0:
            held = _held(value, self._now() + seconds)
            await self._ask("SET", self._value(key), held, "PX", _milliseconds(seconds))
        else:
            await self.delete(key)

    async def add(self, key: str, value: bytes, seconds: float) -> bool:
        now = self._now()
        held = _held(value, now + seconds)
        moment = repr(now) if self._clock else "0"
        return bool(await self._run(ADD, self._value(key), moment, _milliseconds(seconds), held))

    async def take(self, key: str) -> bytes | None:
        return self._alive(await self._run(TAKE, self._value(key)))

    async def delete(self, key: str) -> None:
        await self._ask("DEL", self._value(key))

    # limits

    async def hit(self, key: str, limit: int, seconds: float, cost: int = 1) -> Allowance:
        now = repr(self._now()) if self._clock else ""
        allowed, remaining, reset_after = await self._run(
            HIT, self._window(key), now, limit, seconds, cost, PARTS
        )
        return Allowance(
            allowed=bool(allowed), limit=limit, remaining=remaining, reset_after=float(reset_after)
        )

    def hit_at_once(self, key: str, limit: int, seconds: float) -> Allowance | None:
        return None

    async def forgive(self, key: str) -> None:
        await self._ask("DEL", self._window(key))

    # announcements

    async def announce(self, channel: str, message: bytes) -> None:
        """What this process has begun to listen to before, it hears as well."""
        await self._listening.complete(self._seconds)
        await self._ask("PUBLISH", self._channel(channel), message)

    def hear(self, channel: str, listener: Callable[[bytes], None]) -> None:
        self._listening.hear(self._channel(channel), listener)

    # within

    async def _ask(self, *command: Word) -> Any:
        try:
            return await self._asking.ask(*command)
        except ResponseError as refusal:
            # No memory, a replica, a right taken away: what Redis refuses now it may take later.
            raise Unavailable(f"the cache refuses: {str(refusal)[:200]}") from refusal

    async def _run(self, script: Script, key: str, *words: Word) -> Any:
        try:
            return await self._ask("EVALSHA", script.sha, 1, key, *words)
        except Unavailable as refusal:
            if not isinstance(refusal.__cause__, NoScriptError):
                raise
        return await self._ask("EVAL", script.text, 1, key, *words)

    def _now(self) -> float:
        """The time that ends are reckoned from: without a clock of ours, Redis alone ends a value."""
        return self._clock.now().timestamp() if self._clock else math.inf

    def _alive(self, held: bytes | None) -> bytes | None:
        if held is None or (self._clock and _END.unpack_from(held)[0] <= self._now()):
            return None
        return held[_END.size :]

    def _value(self, key: str) -> str:
        return f"{self._prefix}v:{key}"

    def _window(self, key: str) -> str:
        return f"{self._prefix}w:{key}"

    def _channel(self, channel: str) -> bytes:
        return self._channels + channel.encode()


def _held(value: bytes, end: float) -> bytes:
    return _END.pack(end) + value


def _milliseconds(seconds: float) -> int:
    return max(0, math.ceil(seconds * 1000))
