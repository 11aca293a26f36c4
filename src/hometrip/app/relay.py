"""The relay of one storage: takes what is unsent to the bus, in order within a subject, and fires timers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Collection
from functools import partial
from uuid import UUID

from hometrip.app import metrics
from hometrip.kernel.clock import Clock
from hometrip.kernel.events import Envelope
from hometrip.ports.bus import Bus
from hometrip.ports.outbox import Outbox

log = logging.getLogger("hometrip.relay")

BATCH = 256
IN_FLIGHT = 2_000
GATHER_SECONDS = 0.005
# With a batch's worth under way, what nobody waits for is claimed so seldom: many at once cost less.
SELDOM_SECONDS = 0.05
AGAIN_SECONDS = 0.2
STOP_SECONDS = 10.0


class Relay:
    """Rows are claimed, published with confirmation, then marked; a crash in between publishes them again.
    Where many are under way, it pauses between claims, but not after one with events that are `awaited`, by
    their names.
    """

    def __init__(
        self, service: str, storage: Outbox, bus: Bus, clock: Clock, awaited: Collection[str] = ()
    ) -> None:
        self._service, self._storage, self._bus, self._clock = service, storage, bus, clock
        self._awaited = awaited
        self._lanes: dict[str, deque[Envelope]] = {}
        self._publishing: set[asyncio.Future[None]] = set()
        self._published: list[UUID] = []
        self._some_published = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._in_flight = 0
        self.published = 0  # by this process, ever
        # A claim whose answer was lost may have been made all the same.
        self._unsure = False

    def start(self) -> None:
        self._loops = [
            asyncio.create_task(loop(), name=f"{self._service} {loop.__name__}")
            for loop in (self._send, self._mark, self._fire)
        ]

    async def stop(self) -> None:
        """Send no more; what is under way may end, the rest stays unsent and is sent by the next start."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        until = asyncio.get_running_loop().time() + STOP_SECONDS
        while self._publishing and (left := until - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._publishing, timeout=left)
        for late in (given_up := list(self._publishing)):
            late.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        if self._published and await self._steadily(self._storage.sent(self._published)):
            self._published = []

    async def idle(self) -> bool:
        """True when nothing waits to be sent and nothing is under way."""
        return not self._in_flight and not self._published and (await self._storage.unsent()).count == 0

    async def fire(self) -> int:
        """Move the timers that are due into the outbox now, rather than when the loop gets to it."""
        return await self._storage.fire_due(self._clock.now())

    async def _send(self) -> None:
        while True:
            await self._steadily(self._send_some())

    async def _send_some(self) -> None:
        batch = await self._claim() if self._in_flight < IN_FLIGHT else []
        for envelope in batch:
            self._enqueue(envelope)
        if not batch:
            await self._storage.wait_for_unsent(1.0)
        elif self._in_flight >= BATCH and not any(envelope.name in self._awaited for envelope in batch):
            await asyncio.sleep(SELDOM_SECONDS)

    async def _claim(self) -> list[Envelope]:
        if self._unsure:
            waiting = [envelope.id for lane in self._lanes.values() for envelope in lane]
            await self._storage.release_all_but(waiting + self._published)
        self._unsure = True
        batch = await self._storage.claim(BATCH)
        self._unsure = False
        return batch

    def _enqueue(self, envelope: Envelope) -> None:
        self._in_flight += 1
        lane = self._lanes.get(envelope.subject)
        if lane is not None:
            lane.append(envelope)
            return
        lane = self._lanes[envelope.subject] = deque([envelope])
        self._publish(lane)

    def _publish(self, lane: deque[Envelope]) -> None:
        """The first of the lane, of which there is one a subject; the next when this one is safe."""
        publishing = asyncio.ensure_future(self._bus.publish(lane[0]))
        self._publishing.add(publishing)
        publishing.add_done_callback(partial(self._told, lane))

    def _told(self, lane: deque[Envelope], publishing: asyncio.Future[None]) -> None:
        self._publishing.discard(publishing)
        if publishing.cancelled():
            self._leave(lane)
        elif error := publishing.exception():
            log.warning("event not published", extra={"subject": lane[0].subject}, exc_info=error)
            task = asyncio.create_task(self._publish_again(lane))
            self._publishing.add(task)
            task.add_done_callback(self._publishing.discard)
        else:
            metrics.count_published(lane[0].name)
            self.published += 1
            self._in_flight -= 1
            subject = lane[0].subject
            self._published.append(lane.popleft().id)
            self._some_published.set()
            self._go_on(subject, lane)

    def _go_on(self, subject: str, lane: deque[Envelope]) -> None:
        if lane:
            self._publish(lane)
        else:
            self._lanes.pop(subject, None)

    def _leave(self, lane: deque[Envelope]) -> None:
        self._lanes.pop(lane[0].subject, None)
        self._in_flight -= len(lane)

    async def _publish_again(self, lane: deque[Envelope]) -> None:
        subject = lane[0].subject
        try:
            await asyncio.sleep(AGAIN_SECONDS)
            await self._give_back(lane)
        except asyncio.CancelledError:
            if lane:
                self._leave(lane)
            raise
        self._go_on(subject, lane)

    async def _give_back(self, lane: deque[Envelope]) -> None:
        """The bus did not take the first: whoever claims them next may send them, in order.

        What joins the lane meanwhile goes back too, where it stood behind those: it must not be sent before
        them. It may also be they themselves, claimed again by us; then the lane goes on with them: to give
        them back once more could go on without end.
        """
        lowest: int | None = None
        while lane and (lowest is None or min(envelope.sequence for envelope in lane) > lowest):
            released = list(lane)
            if await self._steadily(self._storage.release([envelope.id for envelope in released])):
                lowest = min(envelope.sequence for envelope in released) if lowest is None else lowest
                for _ in released:
                    lane.popleft()
                    self._in_flight -= 1
        in_order = sorted(lane, key=lambda envelope: envelope.sequence)
        lane.clear()
        lane.extend(in_order)

    async def _mark(self) -> None:
        """Many are marked in one write: to repeat one after a crash is harmless."""
        while True:
            await self._some_published.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._some_published.clear()
            marked = list(self._published)
            if await self._steadily(self._storage.sent(marked)):
                del self._published[: len(marked)]
            else:
                self._some_published.set()

    async def _fire(self) -> None:
        while True:
            await self._steadily(self._fire_some())

    async def _fire_some(self) -> None:
        due = await self._storage.next_due()
        if due is not None and due <= self._clock.now():
            await self._storage.fire_due(self._clock.now())
            due = await self._storage.next_due()
        # A commit between the two lines is heard by the sender alone, so never wait long.
        waits = {asyncio.create_task(self._storage.wait_for_unsent(1.0))}
        if due is not None:
            waits.add(asyncio.create_task(self._clock.sleep_until(due)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _steadily(self, work: Awaitable[None]) -> bool:
        """False where it failed: a storage that is busy or away for a moment must not end the relay."""
        try:
            await work
        except Exception as error:
            log.warning("storage does not answer the relay", extra={"service": self._service}, exc_info=error)
            await asyncio.sleep(0.5)
            return False
        return True
