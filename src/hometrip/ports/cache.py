"""The cache port: values that may vanish, counters for limits, one-time codes, and short announcements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec


class Allowance(msgspec.Struct, frozen=True, gc=False):
    """What a limit says: may this one pass, how many more may, and in how many seconds all may again."""

    allowed: bool
    limit: int
    remaining: int
    reset_after: float


class Cache(Protocol):
    """Keys are text with a prefix per use (`auth:code:…`); every value has an end. Each call is atomic.

    - Nothing is durable: any value may be gone at any time, and all of them after a restart.
    - Values are bytes, copied in and out.
    """

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes, seconds: float) -> None: ...

    async def add(self, key: str, value: bytes, seconds: float) -> bool:
        """Put it only where there is none; True if it was put."""

    async def take(self, key: str) -> bytes | None:
        """Get and delete at once: of many that take a key, one gets its value."""

    async def delete(self, key: str) -> None: ...

    async def hit(self, key: str, limit: int, seconds: float, cost: int = 1) -> Allowance:
        """Count `cost` against at most `limit` per sliding window of so many seconds; a refused hit
        counts not.
        """

    def hit_at_once(self, key: str, limit: int, seconds: float) -> Allowance | None:
        """As `hit`, where nobody has to be waited for; None, and nothing counted, where somebody has."""

    async def forgive(self, key: str) -> None:
        """Start the window of that key afresh."""

    async def announce(self, channel: str, message: bytes) -> None:
        """Tell every listener in every process, soon; those that are not listening now miss it."""

    def hear(self, channel: str, listener: Callable[[bytes], None]) -> None:
        """Call `listener` with every message announced on the channel from now on."""

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""

    async def close(self) -> None: ...
