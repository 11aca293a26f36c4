"""Events that are handled together: what comes while some are being handled is handled at once after them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.events import Envelope
from hometrip.kernel.pace import Pace

# So many at a time, so that requests get their turn in between; so many times beside each other, so that one
# which has to wait long (for a mail server) keeps nobody from being handled.
MOST, BESIDE = 8, 16

Together = Callable[[Sequence[Envelope]], Coroutine[Any, Any, None]]


class Gathering:
    """What `join` answers ends when the event has been handled. Where several fail together, each is handled
    again alone, so that only those fail that are the reason.
    """

    def __init__(self, handle: Together, pace: Pace, clock: Clock) -> None:
        self._handle, self._pace, self._clock = handle, pace, clock
        self._waiting: deque[tuple[Envelope, asyncio.Future[None]]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._called = False  # a task that has not begun yet

    def join(self, envelope: Envelope) -> asyncio.Future[None]:
        handled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((envelope, handled))
        if not self._called and len(self._running) < BESIDE:
            self._called = True
            task = asyncio.create_task(self._run(), name=f"together {envelope.name}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return handled

    async def stop(self) -> None:
        """What is not done by now comes again."""
        for task in (late := list(self._running)):
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for _, handled in self._waiting:
            _fail(handled, Unavailable("the house is stopping"))
        self._waiting.clear()

    async def _run(self) -> None:
        await self._pace.turn()
        self._called = False
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            self._pace.has_waited(some[0][0].age(self._clock.now()))
            try:
                await self._pace.metered(self._together(some))
                await self._pace.turn()
            except BaseException:
                for _, handled in some:
                    _fail(handled, Unavailable("the house is stopping"))
                raise

    async def _together(self, some: Sequence[tuple[Envelope, asyncio.Future[None]]]) -> None:
        try:
            await self._handle([envelope for envelope, _ in some])
        except Exception as error:
            # Whatever it is, it is told to whom it concerns: the bus tries again and parks in the end.
            if len(some) == 1:
                _fail(some[0][1], error)
            else:
                for one in some:
                    await self._together([one])
        else:
            for _, handled in some:
                if not handled.done():
                    handled.set_result(None)


def _fail(handled: asyncio.Future[None], error: Exception) -> None:
    if not handled.done():
        handled.set_exception(error)
        handled.exception()  # whoever waited for it may have given up
