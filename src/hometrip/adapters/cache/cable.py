"""The cache of another process of the same house, over a cable: one for all of them, in that one's memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from hometrip.kernel.errors import Unavailable
from hometrip.ports.cable import Cable
from hometrip.ports.cache import Allowance, Cache

_CALLS = ("get", "put", "add", "take", "delete", "forgive", "announce")


class CableCache:
    """This end: every call asks the other process, which `lend`s its cache."""

    def __init__(self, cable: Cable) -> None:
        self._cable = cable
        self._listeners: defaultdict[str, list[Callable[[bytes], None]]] = defaultdict(list)
        cable.on("cache.heard", self._heard)

    async def get(self, key: str) -> bytes | None:
        found: bytes | None = await self._cable.call("cache.get", key)
        return found

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        await self._cable.call("cache.put", key, value, seconds)

    async def add(self, key: str, value: bytes, seconds: float) -> bool:
        return bool(await self._cable.call("cache.add", key, value, seconds))

    async def take(self, key: str) -> bytes | None:
        found: bytes | None = await self._cable.call("cache.take", key)
        return found

    async def delete(self, key: str) -> None:
        await self._cable.call("cache.delete", key)

    async def hit(self, key: str, limit: int, seconds: float, cost: int = 1) -> Allowance:
        return Allowance(*await self._cable.call("cache.hit", key, limit, seconds, cost))

    def hit_at_once(self, key: str, limit: int, seconds: float) -> Allowance | None:
        return None

    async def forgive(self, key: str) -> None:
        await self._cable.call("cache.forgive", key)

    async def announce(self, channel: str, message: bytes) -> None:
        await self._cable.call("cache.announce", channel, message)

    def hear(self, channel: str, listener: Callable[[bytes], None]) -> None:
        if channel not in self._listeners:
            self._cable.tell("cache.hear", channel)
        self._listeners[channel].append(listener)

    async def ready(self) -> None:
        if self._cable.is_gone:
            raise Unavailable("the process that keeps the cache is gone")

    async def close(self) -> None:
        self._listeners.clear()

    def _heard(self, channel: str, message: bytes) -> None:
        for listener in self._listeners.get(channel, ()):
            listener(message)


class Lending:
    """That end: lends a cache to those whose cables are given to `to`."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._hearing: dict[str, list[Cable]] = {}

    def to(self, cable: Cable) -> None:
        for name in _CALLS:
            cable.on(f"cache.{name}", getattr(self._cache, name))
        cable.on("cache.hit", self._hit)
        cable.on("cache.hear", lambda channel: self._hear(cable, channel))

    async def _hit(self, *asked: Any) -> tuple[bool, int, int, float]:
        told = await self._cache.hit(*asked)
        return told.allowed, told.limit, told.remaining, told.reset_after

    def _hear(self, cable: Cable, channel: str) -> None:
        if channel not in self._hearing:
            self._hearing[channel] = []
            self._cache.hear(channel, lambda message: self._tell(channel, message))
        self._hearing[channel].append(cable)

    def _tell(self, channel: str, message: bytes) -> None:
        self._hearing[channel] = [cable for cable in self._hearing[channel] if not cable.is_gone]
        for cable in self._hearing[channel]:
            cable.tell("cache.heard", channel, message)
