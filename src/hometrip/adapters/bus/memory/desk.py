"""Workers that serve lanes at a pace. A worker goes from lane to lane for as long as handlers need not wait
for anything; where one has to, the next worker goes on with the others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from hometrip.kernel.clock import Clock
from hometrip.kernel.events import Envelope
from hometrip.kernel.pace import Pace
from hometrip.ports.bus import Handler


class Sending:
    """An event on its way to its listeners; `done` once each of them has handled or parked it."""

    __slots__ = ("done", "left")

    def __init__(self, listeners: int) -> None:
        self.left = listeners
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not listeners:
            self.done.set_result(None)

    def arrived(self) -> None:
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)

    def lost(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()


class Delivery:
    """One event on its way to one listener."""

    __slots__ = ("envelope", "handler", "sending")

    def __init__(self, envelope: Envelope, handler: Handler, sending: Sending) -> None:
        self.envelope, self.handler, self.sending = envelope, handler, sending


class Lane:
    """What waits for one listener about one subject; the first of it is under way where it is `served`."""

    __slots__ = ("served", "service", "subject", "waiting")

    def __init__(self, service: str, subject: str) -> None:
        self.service, self.subject, self.served = service, subject, False
        self.waiting: deque[Delivery] = deque()


class Desk:
    """Where lanes that are ready to be served stand in a row. `serve` is cancelled where the workers are."""

    def __init__(self, serve: Callable[[Lane], Awaitable[None]], pace: Pace, clock: Clock, most: int) -> None:
        self.pace = pace
        self._serve, self._clock, self._most = serve, clock, most
        self._ready: deque[Lane] = deque()
        self._called = False  # a worker that has not begun yet
        self.workers: set[asyncio.Task[None]] = set()

    def add(self, lane: Lane) -> None:
        self._ready.append(lane)
        self._call_worker()

    def clear(self) -> None:
        self._ready.clear()

    def _call_worker(self) -> None:
        """One more, unless one is about to begin or there are as many as there may be."""
        if self._ready and not self._called and len(self.workers) < self._most:
            self._called = True
            task = asyncio.create_task(self._work(), name="bus worker")
            self.workers.add(task)
            task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        self.workers.discard(task)
        self._call_worker()

    async def _work(self) -> None:
        """Serve what is ready; who is served meanwhile, should a handler wait, is up to the next worker."""
        await self.pace.turn()
        self._called = False
        while self._ready and self.pace.may_begin():
            lane = self._ready.popleft()
            self._call_worker()
            lane.served = True
            self.pace.has_waited(lane.waiting[0].envelope.age(self._clock.now()))
            await self._serve(lane)
