"""The bus within one process. What it carries is durable in the outbox it comes from; what it parks, in a
file.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import defaultdict, deque
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from uuid import UUID

import msgspec

from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import NotFound, Unavailable
from hometrip.kernel.events import Envelope
from hometrip.ports.bus import Handler, Parked
from hometrip.ports.bus import Patience as Patience  # also had from here

log = logging.getLogger("hometrip.bus")

_PARKED = """
create table if not exists parked (
    service text not null, event_id text not null, envelope blob not null, reason text not null,
    tries integer not null, at text not null, replay integer not null default 0,
    primary key (service, event_id)) without rowid
"""


class Delivery:
    """One event on its way to one listener; `done` when it was handled, parked or dropped."""

    def __init__(self, service: str, handler: Handler, envelope: Envelope) -> None:
        self.service, self.handler, self.envelope = service, handler, envelope
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class MemoryBus:
    """`publish` returns when every listener has handled or parked the event, so its outbox row may go.

    A lane per listener and subject keeps the order; lanes run beside each other. With `times=2` every event
    is
    delivered twice, for the loopback runner.
    """

    def __init__(
        self,
        parking: Path,
        clock: Clock,
        *,
        patience: Patience = Patience(),
        times: int = 1,
        lanes: int = 256,
    ) -> None:
        self._clock, self._patience, self._times = clock, patience, times
        self._listeners: dict[str, list[tuple[str, Handler]]] = defaultdict(list)
        self._handlers: dict[tuple[str, str], Handler] = {}
        self._lanes: dict[tuple[str, str], deque[Delivery]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(lanes)
        self._free_again: dict[tuple[str, UUID], asyncio.Event] = {}
        self._poll: asyncio.Task[None] | None = None
        self._stopping = False
        self._file = sqlite3.connect(parking, isolation_level=None)
        self._file.execute("pragma journal_mode = wal")
        self._file.execute(_PARKED)

    async def listen(self, service: str, names: Sequence[str], handler: Handler) -> None:
        for name in names:
            self._listeners[name].append((service, handler))
            self._handlers[service, name] = handler

    async def start(self) -> None:
        self._poll = asyncio.create_task(self._watch_replays(), name="bus-replays")

    async def stop(self) -> None:
        self._stopping = True
        if self._poll:
            self._poll.cancel()
        for lane in self._lanes.values():
            for delivery in list(lane)[1:]:
                self._hand_back(delivery)
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=20)
            for task in late:
                task.cancel()
        self._file.close()

    async def publish(self, envelope: Envelope) -> None:
        if self._stopping:
            raise Unavailable("the bus is stopping")
        copy = msgspec.json.encode(envelope)
        deliveries = [
            self._enqueue(service, handler, msgspec.json.decode(copy, type=Envelope))
            for service, handler in self._listeners.get(envelope.name, ())
            for _ in range(self._times)
        ]
        for delivery in deliveries:
            await delivery.done

    def _enqueue(self, service: str, handler: Handler, envelope: Envelope) -> Delivery:
        delivery = Delivery(service, handler, envelope)
        key = (service, envelope.subject)
        lane = self._lanes.get(key)
        if lane is not None:
            lane.append(delivery)
            return delivery
        lane = self._lanes[key] = deque([delivery])
        task = asyncio.create_task(self._drive(key, lane), name=f"bus {service} {envelope.subject}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return delivery

    async def _drive(self, key: tuple[str, str], lane: deque[Delivery]) -> None:
        """Deliver what is in the lane, one after the other, until it is empty."""
        try:
            while lane:
                delivery = lane[0]
                async with self._slots:
                    parked = not await self._deliver(delivery)
                if not delivery.done.done():
                    delivery.done.set_result(None)
                if parked:
                    await self._wait_behind(delivery)
                lane.popleft()
        finally:
            self._lanes.pop(key, None)
            for delivery in lane:
                self._hand_back(delivery)

    async def _deliver(self, delivery: Delivery) -> bool:
        """True when it was handled; parked otherwise."""
        began = asyncio.get_running_loop().time()
        for attempt in count(1):
            try:
                await delivery.handler(delivery.envelope)
                return True
            except Exception as error:
                # Whatever a handler raises, its event must be tried again and then parked, never lost.
                reason = f"{type(error).__name__}: {error}"
                log.warning(
                    "handler failed",
                    extra={"service": delivery.service, "event": delivery.envelope.name, "attempt": attempt},
                    exc_info=error,
                )
                if self._stopping:
                    raise asyncio.CancelledError from error
                waited = asyncio.get_running_loop().time() - began
                if (pause := self._patience.pause_after(attempt, waited, error)) is None:
                    self._park(delivery.service, delivery.envelope, reason, attempt)
                    break
                await asyncio.sleep(pause)
        return False

    def _park(self, service: str, envelope: Envelope, reason: str, tries: int) -> None:
        self._file.execute(
            "insert or replace into parked values (?, ?, ?, ?, ?, ?, 0)",
            (
                service,
                str(envelope.id),
                msgspec.json.encode(envelope),
                reason,
                tries,
                self._clock.now().isoformat(),
            ),
        )
        log.error(
            "event parked", extra={"service": service, "event": envelope.name, "event_id": str(envelope.id)}
        )

    async def _wait_behind(self, delivery: Delivery) -> None:
        """Later events of the subject wait a while, in case somebody mends and replays this one."""
        free = self._free_again.setdefault((delivery.service, delivery.envelope.id), asyncio.Event())
        try:
            await asyncio.wait_for(free.wait(), 0 if self._stopping else self._patience.behind_parked)
        except TimeoutError:
            log.error(
                "subject goes on past a parked event",
                extra={"service": delivery.service, "subject": delivery.envelope.subject},
            )
        finally:
            self._free_again.pop((delivery.service, delivery.envelope.id), None)

    @staticmethod
    def _hand_back(delivery: Delivery) -> None:
        if not delivery.done.done():
            delivery.done.set_exception(Unavailable("not delivered before the stop"))
            delivery.done.exception()

    async def parked(self, service: str | None = None) -> list[Parked]:
        rows = self._file.execute(
            "select service, envelope, reason, tries, at from parked"
            " where ?1 is null or service = ?1 order by at",
            (service,),
        )
        return [
            msgspec.convert(
                {
                    "service": name,
                    "envelope": msgspec.json.decode(envelope, type=Envelope),
                    "reason": reason,
                    "tries": tries,
                    "at": at,
                },
                Parked,
            )
            for name, envelope, reason, tries, at in rows
        ]

    async def parked_counts(self) -> dict[str, int]:
        return dict(self._file.execute("select service, count(*) from parked group by service"))

    async def replay(self, service: str, event_id: UUID) -> None:
        changed = self._file.execute(
            "update parked set replay = 1 where service = ? and event_id = ?", (service, str(event_id))
        ).rowcount
        if not changed:
            raise NotFound("no such parked event")
        if self._poll is not None:
            await self._replay_wanted()

    async def drop(self, service: str, event_id: UUID) -> None:
        changed = self._file.execute(
            "delete from parked where service = ? and event_id = ?", (service, str(event_id))
        ).rowcount
        if not changed:
            raise NotFound("no such parked event")
        self._let_go(service, event_id)

    async def _watch_replays(self) -> None:
        """Another process (the command line) may have asked for a replay, or dropped something."""
        while True:
            await asyncio.sleep(1)
            await self._replay_wanted()
            for service, event_id in list(self._free_again):
                known = self._file.execute(
                    "select 1 from parked where service = ? and event_id = ?", (service, str(event_id))
                ).fetchone()
                if known is None:
                    self._let_go(service, event_id)

    async def _replay_wanted(self) -> None:
        wanted = self._file.execute("select service, envelope from parked where replay = 1").fetchall()
        for service, packed in wanted:
            envelope = msgspec.json.decode(packed, type=Envelope)
            handler = self._handlers.get((service, envelope.name))
            if handler is None:
                continue
            try:
                await handler(envelope)
            except Exception as error:
                # Whatever the handler raises, the event stays parked, with the new reason.
                self._park(service, envelope, f"{type(error).__name__}: {error}", 1)
                continue
            self._file.execute(
                "delete from parked where service = ? and event_id = ?", (service, str(envelope.id))
            )
            self._let_go(service, envelope.id)

    def _let_go(self, service: str, event_id: UUID) -> None:
        if free := self._free_again.get((service, event_id)):
            free.set()

    async def quiet(self) -> bool:
        return all(delivery.done.done() for lane in self._lanes.values() for delivery in lane)

    async def idle(self) -> None:
        while open_ends := [d.done for lane in self._lanes.values() for d in lane if not d.done.done()]:
            await asyncio.wait(open_ends)

    async def ready(self) -> None:
        if self._stopping:
            raise Unavailable("the bus is stopping")
