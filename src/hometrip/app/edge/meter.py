"""Counting requests for limits without asking the cache for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec

from hometrip.kernel.errors import Unavailable
from hometrip.ports.cache import Allowance, Cache

# Of what a key has left, this part may be given out before the cache is told. One gateway keeps exactly to a
# limit; of several, each may let pass this part of what was left a moment ago, besides. Where little is left,
# every hit is asked for.
PART = 16
TELL_SECONDS = 0.1
# What the cache said last is good for so long.
GOOD_SECONDS = 1.0


class Left(msgspec.Struct):
    """What a key had left when the cache was asked last, and what was given out of it and not yet told."""

    limit: int
    seconds: float
    remaining: int
    reset_after: float
    asked_at: float
    given: int = 0


class Meter:
    """`hit_at_once` where something is known of the key, else `hit`; the cache is told of the former soon."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._left: dict[str, Left] = {}
        self._given: set[str] = set()
        self._telling: asyncio.TimerHandle | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def hit_at_once(self, key: str, limit: int, seconds: float) -> Allowance | None:
        """None where the cache is to be asked."""
        left = self._left.get(key)
        loop = asyncio.get_running_loop()
        if (
            left is None
            or left.limit != limit
            or left.given >= left.remaining // PART
            or loop.time() - left.asked_at > GOOD_SECONDS
        ):
            return None
        left.given += 1
        self._given.add(key)
        if self._telling is None:
            self._telling = loop.call_later(TELL_SECONDS, self._tell)
        return Allowance(True, limit, left.remaining - left.given, left.reset_after)

    async def hit(self, key: str, limit: int, seconds: float) -> Allowance:
        """Asks the cache, and tells it what was given out. Raises `Unavailable`."""
        if task := self._tasks.get(key):
            await asyncio.wait({task})
        left = self._left.pop(key, None)
        given = left.given if left else 0
        allowance = await self._cache.hit(key, limit, seconds, given + 1)
        if given and not allowance.allowed:  # this one is too many, those were not
            await self._cache.hit(key, limit, seconds, given)
        self._note(key, seconds, allowance)
        return allowance

    async def close(self) -> None:
        """What was given out is told."""
        if self._telling is not None:
            self._telling.cancel()
            self._tell()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _note(self, key: str, seconds: float, allowance: Allowance) -> None:
        loop = asyncio.get_running_loop()
        known = self._left.get(key)
        self._left[key] = Left(
            allowance.limit,
            seconds,
            allowance.remaining if allowance.allowed else 0,
            allowance.reset_after,
            loop.time(),
            known.given if known else 0,
        )
        if self._telling is None:
            self._telling = loop.call_later(TELL_SECONDS, self._tell)

    def _tell(self) -> None:
        loop = asyncio.get_running_loop()
        self._telling = None
        given, self._given = self._given, set()
        for key in given:
            left = self._left.get(key)
            if left is not None and left.given:
                cost, left.given = left.given, 0
                left.remaining -= cost
                self._begin(key, self._told(key, left, cost))
        old = [key for key, left in self._left.items() if loop.time() - left.asked_at > GOOD_SECONDS]
        for key in old:
            del self._left[key]
        if self._left:
            self._telling = loop.call_later(TELL_SECONDS, self._tell)

    def _begin(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[key] = asyncio.create_task(work, name="meter")
        task.add_done_callback(lambda done: self._tasks.pop(key) if self._tasks.get(key) is done else None)

    async def _told(self, key: str, left: Left, cost: int) -> None:
        try:
            allowance = await self._cache.hit(key, left.limit, left.seconds, cost)
        except Unavailable:
            self._left.pop(key, None)
            return
        self._note(key, left.seconds, allowance)
