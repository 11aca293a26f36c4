"""How long an answer is waited for: as long as this process was there to hear it."""

from __future__ import annotations

import asyncio
from types import TracebackType

# A wait is counted in so many parts.
PARTS = 5


class Patience:
    """`async with Patience(seconds)`: `TimeoutError` after so many seconds, as with `asyncio.timeout`.

    Of a time in which this process stood still, held up by its own work or by a machine that is busy, a part
    counts at most. The answer that lies ready behind such a standstill is then read and not given up.
    """

    def __init__(self, seconds: float) -> None:
        self._part = seconds / PARTS
        self._left = PARTS
        self._limit = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._part, self._count)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._limit.__aexit__(kind, error, trace)

    def _count(self) -> None:
        self._left -= 1
        if self._left > 0:
            self._timer = self._loop.call_later(self._part, self._count)
        else:
            self._limit.reschedule(self._loop.time())
