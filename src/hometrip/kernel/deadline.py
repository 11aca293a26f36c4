"""By when what is being done now must have ended, wherever it leads to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from hometrip.kernel.errors import DeadlineExceeded

# An instant of this process's monotonic clock: neither the sandbox's clock nor a correction of the wall's may
# move it. Another process is told the seconds that are left instead.
current_deadline: ContextVar[float | None] = ContextVar("current_deadline", default=None)


def seconds_left(most: float) -> float:
    """Until the deadline, and never more than `most`; zero or less once it is over."""
    deadline = current_deadline.get()
    return most if deadline is None else min(most, deadline - time.monotonic())


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Ends what is done inside after so many seconds, or at the deadline around it where that is earlier,
    with `DeadlineExceeded`. After it, nothing inside is even begun.
    """
    left = seconds_left(seconds)
    if left <= 0:
        raise DeadlineExceeded
    limit = asyncio.timeout(left)
    token = current_deadline.set(time.monotonic() + left)
    try:
        async with limit:
            yield
    except TimeoutError as late:
        if limit.expired():
            raise DeadlineExceeded from late
        raise
    finally:
        current_deadline.reset(token)
