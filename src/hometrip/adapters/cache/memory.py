"""The cache in this process: a bounded memory, for when the whole house is one process."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

import msgspec

from hometrip.kernel.clock import Clock
from hometrip.ports.cache import Allowance

MOST_ENTRIES = 100_000
# A window is counted in at most this many parts; see `Window`.
PARTS = 64


class MemoryCache:
    """Values and counters by the house's clock; what was not used for longest goes first when there are
    too many.

    No call waits between reading and writing, so each is atomic within the one event loop that uses it.
    Values and counters have a memory each: filling one does not push out the other.
    """

    def __init__(self, clock: Clock, *, most: int = MOST_ENTRIES) -> None:
        self._clock = clock
        self._most = most
        self._values: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._windows: OrderedDict[str, Window] = OrderedDict()
        self._listeners: defaultdict[str, list[Callable[[bytes], None]]] = defaultdict(list)

    async def get(self, key: str) -> bytes | None:
        return self._alive(key)

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        self._keep(key, value, seconds)

    async def add(self, key: str, value: bytes, seconds: float) -> bool:
        if self._alive(key) is not None:
            return False
        self._keep(key, value, seconds)
        return True

    async def take(self, key: str) -> bytes | None:
        value = self._alive(key)
        self._values.pop(key, None)
        return value

    async def delete(self, key: str) -> None:
        self._values.pop(key, None)

    async def hit(self, key: str, limit: int, seconds: float, cost: int = 1) -> Allowance:
        return self._hit(key, limit, seconds, cost)

    def hit_at_once(self, key: str, limit: int, seconds: float) -> Allowance | None:
        return self._hit(key, limit, seconds, 1)

    def _hit(self, key: str, limit: int, seconds: float, cost: int) -> Allowance:
        now = self._now()
        window = self._windows.pop(key, None) or Window()
        window.forget(now - seconds)
        allowed = window.used + cost <= limit
        if allowed and cost > 0:
            window.count(now, cost, seconds / PARTS)
        if window.used:
            self._windows[key] = window
            self._shrink(self._windows)
        return Allowance(
            allowed=allowed,
            limit=limit,
            remaining=max(0, limit - window.used),
            reset_after=max(0.0, window.latest + seconds - now) if window.used else 0.0,
        )

    async def forgive(self, key: str) -> None:
        self._windows.pop(key, None)

    async def announce(self, channel: str, message: bytes) -> None:
        loop = asyncio.get_running_loop()
        for listener in self._listeners.get(channel, ()):
            loop.call_soon(listener, bytes(message))

    def hear(self, channel: str, listener: Callable[[bytes], None]) -> None:
        self._listeners[channel].append(listener)

    async def ready(self) -> None:
        return

    async def close(self) -> None:
        self._values.clear()
        self._windows.clear()
        self._listeners.clear()

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _alive(self, key: str) -> bytes | None:
        kept = self._values.get(key)
        if kept is None:
            return None
        ends, value = kept
        if ends <= self._now():
            del self._values[key]
            return None
        self._values.move_to_end(key)
        return value

    def _keep(self, key: str, value: bytes, seconds: float) -> None:
        self._values.pop(key, None)
        if seconds > 0:
            self._values[key] = (self._now() + seconds, bytes(value))
            self._shrink(self._values)

    def _shrink(self, entries: OrderedDict[str, Any]) -> None:
        while len(entries) > self._most:
            entries.popitem(last=False)


class Window:
    """What was counted for a key: pairs of a time and a sum, oldest first.

    Hits that come close together share a pair, which bears the time of the last of them: a window has at most
    `PARTS` + 1 pairs, its limit is never exceeded, and a hit is forgotten at most a `PARTS`th of the window
    late.
    """

    __slots__ = ("parts", "used")

    def __init__(self) -> None:
        self.parts: deque[Part] = deque()
        self.used = 0

    @property
    def latest(self) -> float:
        return self.parts[-1].last

    def count(self, now: float, cost: int, close: float) -> None:
        if self.parts and now - self.parts[-1].first < close:
            self.parts[-1].last = now
            self.parts[-1].sum += cost
        else:
            self.parts.append(Part(now, now, cost))
        self.used += cost

    def forget(self, until: float) -> None:
        while self.parts and self.parts[0].last <= until:
            self.used -= self.parts.popleft().sum


class Part(msgspec.Struct):
    first: float
    last: float
    sum: int
