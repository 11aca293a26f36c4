"""One part of a service's events, as this process serves it: lanes, tries, parking, waiting behind."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any
from uuid import UUID

import msgspec
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage

from hometrip.adapters.bus.rabbitmq.acks import Acks
from hometrip.adapters.bus.rabbitmq.dead import DROPPED, REPLAYED, DeadLetters
from hometrip.adapters.bus.rabbitmq.link import Link, broker_trouble
from hometrip.adapters.bus.rabbitmq.reading import envelope_of
from hometrip.adapters.bus.rabbitmq.topology import queue
from hometrip.adapters.bus.telling import handler_failed
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.events import Envelope
from hometrip.ports.bus import Handler, Patience

log = logging.getLogger("hometrip.bus")

# Taken from the broker and not finished, a part: while one subject waits, so many events may wait behind it
# before other subjects of the part wait too.
PREFETCH = 250
# An event that was handed out so often and never came to an end most likely ends the process that tries it.
HANDED_OUT = 100
AGAIN_SECONDS = 0.3
STOP_SECONDS = 20.0


class Leaving(Exception):
    """This process gives the part up."""


class Delivery:
    """One event as it came from the broker, with what acknowledges it."""

    __slots__ = ("acks", "body", "count", "envelope", "kind", "tag", "wrong")

    def __init__(self, message: DeliveredMessage, acks: Acks) -> None:
        properties = message.header.properties
        self.body, self.acks, self.tag = message.body, acks, message.delivery_tag or 0
        self.kind = properties.message_type
        self.count = int(str((properties.headers or {}).get("x-delivery-count", 0)))
        self.envelope, self.wrong = envelope_of(message)

    def acknowledge(self) -> None:
        self.acks.add(self.tag)


class Behind:
    """A subject waits behind a parked event: until it is freed, or until then (seconds of the loop)."""

    def __init__(self, event_id: UUID, until: float) -> None:
        self.event_id, self.until = event_id, until
        self.freed, self.wake = False, asyncio.Event()

    def free(self) -> None:
        self.freed = True
        self.wake.set()


class Crew(msgspec.Struct, frozen=True):
    """What all seats of a process share."""

    line: Link
    dead: DeadLetters
    patience: Patience
    slots: asyncio.Semaphore
    mend: Callable[[], Awaitable[None]]


class Seat:
    """Serves its part while `take` holds and the broker lets it: of all copies, one is served at a time.

    A lane per subject keeps the order; lanes run beside each other. When the channel is lost, what runs is
    cancelled before anything is taken again, because somebody else may have it by then.
    """

    def __init__(self, service: str, part: int, handlers: Mapping[str, Handler], crew: Crew) -> None:
        self._service, self._queue, self._handlers, self._crew = service, queue(service, part), handlers, crew
        self._lanes: dict[str, deque[Delivery]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._behind: dict[str, Behind] = {}
        self._channel: AbstractChannel | None = None
        self._wanted, self._leaving, self._over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._away = asyncio.Event()
        self._away.set()
        self._keeper: asyncio.Task[None] | None = None

    # taking and giving up

    def take(self) -> None:
        self._leaving.clear()
        self._wanted.set()
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name=f"serves {self._queue}")

    def give_up(self) -> None:
        """Running handlers end, the rest goes back; others may have it then."""
        self._wanted.clear()
        self._leaving.set()
        for behind in self._behind.values():
            behind.wake.set()

    async def close(self) -> None:
        self.give_up()
        await self._away.wait()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            await self._wanted.wait()
            self._away.clear()
            try:
                with broker_trouble(f"serving {self._queue}"):
                    await self._serve(await self._connected())
            except Leaving:
                pass
            except Unavailable as error:
                log.warning("events wait", extra={"queue": self._queue, "reason": error.detail})
                await asyncio.sleep(AGAIN_SECONDS)
                await self._crew.mend()
            finally:
                self._away.set()

    async def _connected(self) -> AbstractConnection:
        while not self._leaving.is_set():
            try:
                return await self._crew.line.connection(AGAIN_SECONDS)
            except Unavailable:
                continue
        raise Leaving

    async def _serve(self, connection: AbstractConnection) -> None:
        outer = await connection.channel(publisher_confirms=False)
        self._over = over = asyncio.Event()
        try:
            channel = await outer.get_underlay_channel()
            outer.close_callbacks.add(lambda *_: over.set())
            channel.on_consumer_cancel_callbacks.add(lambda _: over.set())
            await channel.basic_qos(prefetch_count=PREFETCH)
            acks = Acks(channel)
            await channel.basic_consume(self._queue, functools.partial(self._arrived, acks))
            self._channel = channel
            await _first(over, self._leaving)
            lost = over.is_set()
            # From here on nothing is taken, even when the part is wanted again meanwhile: a later event must
            # not overtake one that was not taken.
            over.set()
            if self._tasks and not lost:
                await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
            if not lost:
                await acks.said()
        finally:
            self._channel = None
            await self._abandon()
            # With the channel everything that was not acknowledged goes back, in its order.
            await outer.close()

    async def _abandon(self) -> None:
        """Whatever still runs here has been, or will be, given to somebody else."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        self._lanes.clear()
        now = asyncio.get_running_loop().time()
        for subject, behind in list(self._behind.items()):
            if behind.freed or behind.until < now:
                del self._behind[subject]
            else:
                behind.wake.clear()

    # delivering

    async def _arrived(self, acks: Acks, message: DeliveredMessage) -> None:
        """Sorts it into its lane without awaiting anything, so that the order of arrival is kept."""
        if self._over.is_set() or self._leaving.is_set():
            self._over.set()
            return
        delivery = Delivery(message, acks)
        subject = delivery.envelope.subject
        behind = self._behind.get(subject)
        awaited = behind is not None and behind.event_id == delivery.envelope.id
        if delivery.kind == DROPPED:
            if behind is not None and awaited:
                behind.free()
            delivery.acknowledge()
            return
        lane = self._lanes.get(subject)
        if lane is None:
            lane = self._lanes[subject] = deque()
            task = asyncio.create_task(self._drive(subject, lane))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        if behind is not None and awaited and delivery.kind == REPLAYED:
            lane.appendleft(delivery)
            behind.free()
        else:
            lane.append(delivery)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # What it held is not acknowledged and comes again on a new channel.
            log.error("a lane of events broke", extra={"queue": self._queue}, exc_info=error)
            self._over.set()

    async def _drive(self, subject: str, lane: deque[Delivery]) -> None:
        """Deliver what is in the lane, one after the other, until it is empty."""
        try:
            while not self._leaving.is_set():
                if behind := self._behind.get(subject):
                    await self._wait_behind(subject, behind, lane)
                if not lane:
                    break
                if not await self._deliver(lane[0]):
                    until = asyncio.get_running_loop().time() + self._crew.patience.behind_parked
                    self._behind[subject] = Behind(lane[0].envelope.id, until)
                lane[0].acknowledge()
                lane.popleft()
        except Leaving:
            pass
        finally:
            if self._lanes.get(subject) is lane:
                del self._lanes[subject]

    async def _deliver(self, delivery: Delivery) -> bool:
        """True when it was handled; parked otherwise."""
        handler = self._handlers.get(delivery.envelope.name)
        reason, tries = delivery.wrong, 0
        if not reason and handler is None:
            reason = f"this version of {self._service} does not know {delivery.envelope.name}"
        if not reason and delivery.count >= HANDED_OUT:
            reason = f"handed out {delivery.count} times, and never finished"
        if not reason and handler is not None:
            began = asyncio.get_running_loop().time()
            for tries in count(1):
                if (error := await self._try(handler, delivery.envelope, tries)) is None:
                    return True
                reason = f"{type(error).__name__}: {error}"
                waited = asyncio.get_running_loop().time() - began
                if (pause := self._crew.patience.pause_after(tries, waited, error)) is None:
                    break
                await self._pause(pause)
        while not await self._crew.dead.park(self._service, delivery.body, delivery.envelope, reason, tries):
            await self._pause(AGAIN_SECONDS)
        return False

    async def _try(self, handler: Handler, envelope: Envelope, attempt: int) -> BaseException | None:
        """None when it was handled, and otherwise what went wrong."""
        try:
            async with self._crew.slots:
                if (safe := await handler(envelope)) is not None:
                    await asyncio.shield(safe)
        except (Exception, asyncio.CancelledError) as error:
            # Whatever a handler raises, its event must be tried again and then parked, never lost.
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
                raise
            handler_failed(self._service, envelope.name, attempt, error)
            return error
        return None

    async def _pause(self, seconds: float) -> None:
        await _within(self._leaving, seconds)
        if self._leaving.is_set():
            raise Leaving

    async def _wait_behind(self, subject: str, behind: Behind, lane: deque[Delivery]) -> None:
        """Later events of the subject wait a while, in case somebody mends and replays this one."""
        await _within(behind.wake, behind.until - asyncio.get_running_loop().time())
        if self._leaving.is_set() and not behind.freed:
            raise Leaving
        if not behind.freed and lane:
            log.error(
                "subject goes on past a parked event", extra={"service": self._service, "subject": subject}
            )
        if self._behind.get(subject) is behind:
            del self._behind[subject]

    # looking

    @property
    def busy(self) -> bool:
        """Something is being handled here, or waits for it."""
        return any(self._lanes.values())

    @property
    def taken(self) -> bool:
        return self._wanted.is_set()

    async def empty(self) -> bool:
        """Nothing waits in the broker or is on its way from there. Twice: what was sent to us before the
        first answer has arrived before the second."""
        channel = self._channel
        if channel is None:
            return False
        for _ in range(2):
            seen: Any = await channel.queue_declare(self._queue, passive=True)
            if seen.message_count:
                return False
        return True


async def _within(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), max(seconds, 0))
    except TimeoutError:
        return


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
