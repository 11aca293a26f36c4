"""By when what is being done now must have ended, wherever it leads to."""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from types import TracebackType

from hometrip.kernel.errors import DeadlineExceeded

# An instant of this process's monotonic clock: neither the sandbox's clock nor a correction of the wall's may
# move it. Another process is told the seconds that are left instead.
current_deadline: ContextVar[float | None] = ContextVar("current_deadline", default=None)


def seconds_left(most: float) -> float:
    """Until the deadline, and never more than `most`; zero or less once it is over."""
    deadline = current_deadline.get()
    return most if deadline is None else min(most, deadline - time.monotonic())


def within(seconds: float) -> Limited:
    """`async with within(seconds)`: ends what is done inside after so many seconds, or at the deadline around
    it where that is earlier, with `DeadlineExceeded`. After it, nothing inside is even begun.
    """
    return Limited(seconds)


class Limited:
    """A block with a deadline; a class and not a generator, since each request and each question has one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def __aenter__(self) -> None:
        left = seconds_left(self._seconds)
        if left <= 0:
            raise DeadlineExceeded
        self._limit = asyncio.timeout(left)
        await self._limit.__aenter__()
        self._token = current_deadline.set(time.monotonic() + left)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        current_deadline.reset(self._token)
        try:
            await self._limit.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise DeadlineExceeded from late
