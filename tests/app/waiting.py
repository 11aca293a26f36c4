"""Waiting for what other tasks or processes do in their own time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from time import thread_time


async def until(done: Callable[[], bool | Awaitable[bool]], within: float = 10) -> None:
    """Returns as soon as it is done; `TimeoutError` after so many seconds."""
    async with asyncio.timeout(within):
        while True:
            answer = done()
            if await answer if inspect.isawaitable(answer) else answer:
                return
            await asyncio.sleep(0.005)


def work(seconds: float) -> None:
    """Of this thread's processor."""
    ends = thread_time() + seconds
    while thread_time() < ends:
        pass
