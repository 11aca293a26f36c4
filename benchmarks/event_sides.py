"""One side of the events benchmark, as a process of its own; it prints a line of JSON.

python -m benchmarks.event_sides SIDE FOLDER --events 5000 [--url amqp://…]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import aio_pika
import uvloop
from sqlalchemy import MetaData

from hometrip.adapters.bus.memory import MemoryBus
from hometrip.adapters.bus.rabbitmq import RabbitBus
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.database.sqlite import SqliteDatabase
from hometrip.app.relay import Relay
from hometrip.kernel.events import NO_CAUSE, Envelope, Event, sealed
from hometrip.kernel.ids import ids

LISTENERS = ("payment", "listing", "notification")
# So many publish at once, each the events of a subject one after the other.
AT_ONCE, OF_A_SUBJECT = 64, 4
PATIENCE = 240.0


class BenchTold(Event):
    """As large as what the house says of a booking."""

    name = "bench.told"
    about = ("booking", "booking_id")

    booking_id: UUID
    number: int
    text: str = "x" * 500


class BenchKept(BenchTold):
    """The same from an outbox: under another name, so that no queue of another side gets a copy of it."""

    name = "bench.kept"


class Count:
    """What the listeners have had, each event once and no more; `all_there` when nothing is missing."""

    def __init__(self, events: int, listeners: int) -> None:
        self.seen: Counter[tuple[str, UUID]] = Counter()
        self._wanted, self._all_there = events * listeners, asyncio.Event()

    def note(self, listener: str, event_id: UUID) -> None:
        self.seen[listener, event_id] += 1
        if len(self.seen) == self._wanted:
            self._all_there.set()

    async def all_there(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._all_there.wait()

    @property
    def twice(self) -> int:
        return sum(times > 1 for times in self.seen.values())


class Side:
    def __init__(self, folder: Path, events: int, url: str) -> None:
        self.folder, self.events, self.url = folder, events, url
        self.clock = SystemClock()
        self.new_id = ids(self.clock)
        self.told: dict[str, Any] = {}
        self.kind: type[BenchTold] = BenchTold

    def database(self, service: str) -> SqliteDatabase:
        path = self.folder / f"{service}.db"
        return SqliteDatabase(
            path, service=service, clock=self.clock, new_id=self.new_id, metadata=MetaData()
        )

    async def timed(self, publish: Callable[[BenchTold, int], Awaitable[None]], count: Count) -> None:
        """Publishes everything, and waits until everything has been heard."""
        subjects = iter(range(0, self.events, OF_A_SUBJECT))
        begun, cpu = time.monotonic(), _cpu()

        async def publisher() -> None:
            for first in subjects:
                for number in range(first, min(first + OF_A_SUBJECT, self.events)):
                    event = self.kind(booking_id=UUID(int=first), number=number)
                    await publish(event, number - first + 1)

        await asyncio.gather(*(publisher() for _ in range(AT_ONCE)))
        await count.all_there()
        self._note(time.monotonic() - begun, _cpu() - cpu, count.twice)

    def _note(self, seconds: float, cpu: float, twice: int = 0) -> None:
        self.told = {
            "rate": round(self.events / seconds, 1),
            "seconds": round(seconds, 3),
            "server_cpu_per_1000": round(cpu / self.events * 1000, 3),
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1),
            "errors": {"had their effect twice": twice} if twice else {},
        }

    def envelope(self, event: BenchTold, sequence: int) -> Envelope:
        return sealed(
            event,
            event_id=self.new_id(),
            at=self.clock.now(),
            producer="bench",
            sequence=sequence,
            cause=NO_CAUSE,
        )

    # the sides

    async def process(self) -> None:
        """Outbox to effects in one process: each listener marks the event in a database of its own."""
        bus = MemoryBus(self.folder / "parked.db", self.clock)
        await self._outbox_to(bus, LISTENERS)

    async def outbox_rabbit(self) -> None:
        self.kind = BenchKept
        bus = RabbitBus(self.url, self.clock, heard={"effect": [BenchKept.name]})
        await bus.open()
        await self._outbox_to(bus, ("effect",))

    async def _outbox_to(self, bus: MemoryBus | RabbitBus, listeners: tuple[str, ...]) -> None:
        count, kept = Count(self.events, len(listeners)), []
        for listener in listeners:
            own = self.database(listener)
            kept.append(own)
            await bus.listen(listener, [self.kind.name], _marking(listener, own, count, self.kind))
        source = self.database("booking")
        relay = Relay("booking", source, bus, self.clock)
        await bus.start()
        relay.start()

        async def emit(event: BenchTold, sequence: int) -> None:
            async with source.transaction() as tx:
                await tx.emit(event)

        await self.timed(emit, count)
        await relay.stop()
        await bus.stop()
        for each in (source, *kept):
            await each.close()

    async def rabbit(self) -> None:
        """Our bus alone: confirmed publishing, one listener without a database."""
        count = Count(self.events, 1)
        bus = RabbitBus(self.url, self.clock, heard={"bench": [BenchTold.name]})
        await bus.open()

        async def handle(envelope: Envelope) -> None:
            count.note("bench", envelope.id)

        await bus.listen("bench", [BenchTold.name], handle)
        await bus.start()

        async def publish(event: BenchTold, sequence: int) -> None:
            await bus.publish(self.envelope(event, sequence))

        await self.timed(publish, count)
        await bus.stop()

    async def plain(self) -> None:
        """The same with aio-pika as its documentation shows it: a topic exchange, a quorum queue, persistent
        and mandatory messages, each confirmed, and each acknowledged.
        """
        count = Count(self.events, 1)
        connection = await aio_pika.connect_robust(self.url)
        async with connection:
            channel = await connection.channel(publisher_confirms=True)
            exchange = await channel.declare_exchange("plain", aio_pika.ExchangeType.TOPIC, durable=True)
            reading = await connection.channel()
            await reading.set_qos(prefetch_count=256)
            options: Any = {"x-queue-type": "quorum"}
            queue = await reading.declare_queue("plain", durable=True, arguments=options)
            await queue.bind("plain", BenchTold.name)

            async def heard(message: aio_pika.abc.AbstractIncomingMessage) -> None:
                async with message.process():
                    assert message.message_id
                    json.loads(message.body)
                    count.note("plain", UUID(message.message_id))

            await queue.consume(heard)

            async def publish(event: BenchTold, sequence: int) -> None:
                body = {"booking_id": str(event.booking_id), "number": event.number, "text": event.text}
                message = aio_pika.Message(
                    json.dumps(body | {"padding": "x" * 250}).encode(),
                    content_type="application/json",
                    delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                    message_id=str(self.new_id()),
                )
                await exchange.publish(message, routing_key=BenchTold.name, mandatory=True)

            await self.timed(publish, count)

    async def append(self) -> None:
        self._append(1)

    async def append_grouped(self) -> None:
        self._append(64)

    def _append(self, group: int) -> None:
        """What an outbox must write at least: a row an event, on the disk, so many a commit."""
        link = sqlite3.connect(self.folder / "append.db", isolation_level=None)
        link.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            "CREATE TABLE outbox (seq INTEGER PRIMARY KEY, id BLOB NOT NULL, subject TEXT NOT NULL,"
            " envelope BLOB NOT NULL, sent_at INTEGER); CREATE INDEX by_sent_at ON outbox (sent_at)"
        )
        begun, cpu = time.monotonic(), _cpu()
        row = (b"x" * 16, "booking/" + "x" * 36, b"x" * 800)
        for first in range(0, self.events, group):
            link.execute("BEGIN IMMEDIATE")
            for _ in range(min(group, self.events - first)):
                link.execute("INSERT INTO outbox (id, subject, envelope) VALUES (?, ?, ?)", row)
            link.execute("COMMIT")
        self._note(time.monotonic() - begun, _cpu() - cpu)
        link.close()


def _marking(
    listener: str, own: SqliteDatabase, count: Count, kind: type[BenchTold]
) -> Callable[[Envelope], Awaitable[None]]:
    async def mark(envelope: Envelope) -> None:
        event = envelope.open(kind)
        async with own.transaction() as tx:
            first = await tx.first_time(event, "bench.mark")
        if first:
            count.note(listener, envelope.id)

    return lambda envelope: own.unhurried(mark(envelope))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


SIDES: dict[str, Callable[[Side], Awaitable[None]]] = {
    "process": Side.process,
    "outbox-rabbit": Side.outbox_rabbit,
    "rabbit": Side.rabbit,
    "plain": Side.plain,
    "append": Side.append,
    "append-grouped": Side.append_grouped,
}


def main() -> None:
    options = argparse.ArgumentParser(description="One side of the events benchmark")
    options.add_argument("side", choices=SIDES)
    options.add_argument("folder", type=Path)
    options.add_argument("--events", type=int, default=5000)
    options.add_argument("--url", default="")
    given = options.parse_args()
    side = Side(given.folder, given.events, given.url)
    gc.set_threshold(20_000, 20, 50)  # as `hometrip up` has it
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(SIDES[given.side](side))  # type: ignore[arg-type]  # each is a coroutine
    print(json.dumps(side.told))


if __name__ == "__main__":
    main()
