"""The bus in one process. What it carries is durable in the outbox it comes from, what it parks in a file."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from copy import copy
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from hometrip.adapters.bus.memory.desk import Delivery, Desk, Lane, Sending
from hometrip.adapters.bus.memory.parking import Parking
from hometrip.adapters.bus.telling import handler_failed
from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import NotFound, Unavailable
from hometrip.kernel.events import Envelope
from hometrip.kernel.pace import Pace
from hometrip.ports.bus import Handler, Parked
from hometrip.ports.bus import Patience as Patience  # also had from here

log = logging.getLogger("hometrip.bus")

STOP_SECONDS = 20.0


class MemoryBus:
    """What `publish` answers ends when every listener has handled or parked the event, so its outbox row may
    go.

    A lane per listener and subject keeps the order; lanes run beside each other, those of services of the
    same pace at one desk. With `times=2` every event is delivered twice, for the loopback runner.
    """

    def __init__(
        self,
        parking: Path,
        clock: Clock,
        *,
        patience: Patience = Patience(),
        pace_of: Callable[[str], Pace] | None = None,
        times: int = 1,
        workers: int = 256,
    ) -> None:
        self._patience, self._times, self._most, self._clock = patience, times, workers, clock
        everybodys = Pace()
        self._pace_of = pace_of or (lambda _: everybodys)
        self._desks: dict[Pace, Desk] = {}
        self._desk_of: dict[str, Desk] = {}
        self._listeners: dict[str, list[tuple[str, Handler]]] = defaultdict(list)
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        self._unsafe: dict[asyncio.Future[None], list[Lane]] = {}
        self._open, self._none_open = 0, asyncio.Event()
        self._none_open.set()
        self._free_again: dict[tuple[str, UUID], asyncio.Event] = {}
        self._poll: asyncio.Task[None] | None = None
        self._stopping = False
        self._parking = Parking(parking, clock)

    async def listen(self, service: str, names: Sequence[str], handler: Handler) -> None:
        pace = self._pace_of(service)
        if pace not in self._desks:
            self._desks[pace] = Desk(self._serve, pace, self._clock, self._most)
        self._desk_of[service] = self._desks[pace]
        for name in names:
            self._listeners[name].append((service, handler))
            self._handlers[service, name] = handler

    async def start(self) -> None:
        self._poll = asyncio.create_task(self._watch_replays(), name="bus-replays")

    async def stop(self) -> None:
        self._stopping = True
        if self._poll:
            self._poll.cancel()
        for desk in self._desks.values():
            desk.clear()
        for lane in list(self._lanes.values()):
            self._hand_back(lane, 1 if lane.served else 0)
        for free in self._free_again.values():
            free.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._none_open.wait(), STOP_SECONDS)
        workers = [worker for desk in self._desks.values() for worker in desk.workers]
        for task in (late := [*workers, *self._waiting]):
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        self._unsafe.clear()  # whatever becomes of it from now on, it is delivered again
        for lane in list(self._lanes.values()):
            self._hand_back(lane, 0)
        self._parking.close()

    def publish(self, envelope: Envelope) -> asyncio.Future[None]:
        listeners = self._listeners.get(envelope.name, ())
        sending = Sending(len(listeners) * self._times)
        if self._stopping:
            sending.lost(Unavailable("the bus is stopping"))
            return sending.done
        for service, handler in listeners:
            for _ in range(self._times):
                # All that is in an envelope is immutable, and its data is still encoded: equal, and its own.
                self._enqueue(service, Delivery(copy(envelope), handler, sending))
        return sending.done

    def _enqueue(self, service: str, delivery: Delivery) -> None:
        self._open += 1
        if self._open == 1:
            self._none_open.clear()
        key = (service, delivery.envelope.subject)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(*key)
            lane.waiting.append(delivery)
            self._desk_of[service].add(lane)
        else:
            lane.waiting.append(delivery)

    # serving lanes

    async def _serve(self, lane: Lane) -> None:
        try:
            await self._serve_first(lane)
        except BaseException:
            self._hand_back(lane, 0)
            raise

    async def _serve_first(self, lane: Lane) -> None:
        delivery = lane.waiting[0]
        try:
            pace = self._desk_of[lane.service].pace
            safe = await pace.metered(delivery.handler(delivery.envelope))
        except Exception as error:
            # Whatever a handler raises, its event must be tried again and then parked, never lost.
            await self._insist(lane, error)
            return
        if safe is None:
            self._finish(lane)
        elif safe in self._unsafe:
            self._unsafe[safe].append(lane)
        else:
            self._unsafe[safe] = [lane]
            safe.add_done_callback(self._settled)

    def _settled(self, safe: asyncio.Future[None]) -> None:
        """What these lanes have done is on the disk, or lost."""
        lost = safe.exception()
        for lane in self._unsafe.pop(safe, ()):
            if lost is None:
                self._finish(lane)
            else:
                self._beside(self._insist(lane, lost))

    def _finish(self, lane: Lane) -> None:
        """The first of the lane has been handled, or parked; the next may come."""
        self._let_one_go(lane).sending.arrived()
        self._go_on(lane)

    def _go_on(self, lane: Lane) -> None:
        lane.served = False
        if self._stopping or not lane.waiting:
            self._hand_back(lane, 0)
        else:
            self._desk_of[lane.service].add(lane)

    def _let_one_go(self, lane: Lane) -> Delivery:
        self._open -= 1
        if not self._open:
            self._none_open.set()
        return lane.waiting.popleft()

    def _hand_back(self, lane: Lane, besides: int) -> None:
        """They are not delivered here any more, but for the first `besides`."""
        kept = [lane.waiting.popleft() for _ in range(min(besides, len(lane.waiting)))]
        while lane.waiting:
            self._let_one_go(lane).sending.lost(Unavailable("not delivered before the stop"))
        lane.waiting.extend(kept)
        if not kept:
            self._lanes.pop((lane.service, lane.subject), None)

    # what fails

    async def _insist(self, lane: Lane, error: BaseException) -> None:
        """The first of the lane has failed once: try again, and park it in the end."""
        delivery, began = lane.waiting[0], asyncio.get_running_loop().time()
        for attempt in count(1):
            handler_failed(lane.service, delivery.envelope.name, attempt, error)
            if self._stopping:
                self._hand_back(lane, 0)
                return
            waited = asyncio.get_running_loop().time() - began
            if (pause := self._patience.pause_after(attempt, waited, error)) is None:
                reason = f"{type(error).__name__}: {error}"
                self._parking.park(lane.service, delivery.envelope, reason, attempt)
                self._let_one_go(lane).sending.arrived()
                self._beside(self._wait_behind(lane, delivery.envelope))
                return
            await asyncio.sleep(pause)
            try:
                await _safely(delivery.handler, delivery.envelope)
            except Exception as again:
                # As in `_serve`.
                error = again
            else:
                self._finish(lane)
                return

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that keeps no worker from serving others."""
        task = asyncio.create_task(work, name="bus waiting")
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _wait_behind(self, lane: Lane, parked: Envelope) -> None:
        """Later events of the subject wait a while, in case somebody mends and replays this one."""
        free = self._free_again.setdefault((lane.service, parked.id), asyncio.Event())
        try:
            await asyncio.wait_for(free.wait(), 0 if self._stopping else self._patience.behind_parked)
        except TimeoutError:
            log.error(
                "subject goes on past a parked event",
                extra={"service": lane.service, "subject": lane.subject},
            )
        finally:
            self._free_again.pop((lane.service, parked.id), None)
            self._go_on(lane)

    async def parked(self, service: str | None = None) -> list[Parked]:
        return self._parking.parked(service)

    async def parked_counts(self) -> dict[str, int]:
        return self._parking.counts()

    async def replay(self, service: str, event_id: UUID) -> None:
        self._parking.want_replay(service, event_id)
        if self._poll is not None:
            await self._replay_wanted()

    async def drop(self, service: str, event_id: UUID) -> None:
        self._parking.drop(service, event_id)
        self._let_go(service, event_id)

    async def _watch_replays(self) -> None:
        """Another process (the command line) may have asked for a replay, or dropped something."""
        while True:
            await asyncio.sleep(1)
            await self._replay_wanted()
            for service, event_id in list(self._free_again):
                if not self._parking.holds(service, event_id):
                    self._let_go(service, event_id)

    async def _replay_wanted(self) -> None:
        for service, envelope in self._parking.wanted():
            handler = self._handlers.get((service, envelope.name))
            if handler is None:
                continue
            try:
                await _safely(handler, envelope)
            except Exception as error:
                # Whatever the handler raises, the event stays parked, with the new reason.
                self._parking.park(service, envelope, f"{type(error).__name__}: {error}", 1)
                continue
            with suppress(NotFound):  # dropped meanwhile
                self._parking.drop(service, envelope.id)
            self._let_go(service, envelope.id)

    def _let_go(self, service: str, event_id: UUID) -> None:
        if free := self._free_again.get((service, event_id)):
            free.set()

    async def quiet(self) -> bool:
        return not self._open

    async def idle(self) -> None:
        await self._none_open.wait()

    async def ready(self) -> None:
        if self._stopping:
            raise Unavailable("the bus is stopping")


async def _safely(handler: Handler, envelope: Envelope) -> None:
    """Handled, and what was done is safe."""
    if (safe := await handler(envelope)) is not None:
        await asyncio.shield(safe)
