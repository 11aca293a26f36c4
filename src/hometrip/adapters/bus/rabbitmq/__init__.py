"""The bus on RabbitMQ: a topic exchange, and for each service queues that its copies share out by subject."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec
from aio_pika.abc import AbstractConnection
from pamqp.commands import Basic
from pamqp.common import FieldTable

from hometrip.adapters.bus.rabbitmq import topology
from hometrip.adapters.bus.rabbitmq.copies import Copies
from hometrip.adapters.bus.rabbitmq.dead import DeadLetters
from hometrip.adapters.bus.rabbitmq.link import (
    PERSISTENT,
    Link,
    Publisher,
    Unrouted,
    broker_trouble,
    dial,
    place_of,
)
from hometrip.adapters.bus.rabbitmq.seat import Crew, Seat
from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.events import Envelope
from hometrip.ports.bus import Handler, Parked, Patience
from hometrip.ports.engine import Finding, Unfit

log = logging.getLogger("hometrip.bus")

HANDLERS = 256
READY_SECONDS = 2.0
IDLE_SECONDS = 0.01
MEND_SECONDS = 1.0

_headers: list[FieldTable] = [{"CC": [topology.part_key(part)]} for part in range(topology.PARTS)]
_encoder = msgspec.json.Encoder()


class RabbitBus:
    """Events go to the exchange `hometrip_events` under their names, and from there, by the hash of their
    subject, to one of a service's queues; a queue has one consumer at a time, so a subject has too.

    `heard` says which services of the whole house hear what, wherever they run: their queues are made before
    anything is published, and an event that one of them hears is refused (`Unavailable`: publish it again)
    rather than dropped when no queue takes it. An event that nobody hears is dropped, as it must be.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        patience: Patience = Patience(),
        heard: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._url, self._patience = url, patience
        self._heard: dict[str, set[str]] = {name: set(names) for name, names in (heard or {}).items()}
        self._names = {name for names in self._heard.values() for name in names}
        self._handlers: dict[str, dict[str, Handler]] = defaultdict(dict)
        self._publisher = Publisher(url, self._declare)
        self._line = Link(url, "listening", _nothing)
        self._dead = DeadLetters(self._publisher, clock)
        self._seats: dict[str, list[Seat]] = {}
        self._copies: dict[str, Copies] = {}
        self._opened = self._stopping = False
        self._mending, self._mended = asyncio.Lock(), 0.0

    # being there

    async def open(self) -> None:
        if not self._opened:
            await self._publisher.link.open()
            self._opened = True

    async def listen(self, service: str, names: Sequence[str], handler: Handler) -> None:
        self._handlers[service].update(dict.fromkeys(names, handler))
        self._heard.setdefault(service, set()).update(names)
        self._names.update(names)
        if self._opened:
            with broker_trouble("declaring"):
                await topology.declare(await self._publisher.link.connection(), {service: list(names)})

    async def start(self) -> None:
        await self.open()
        if not self._handlers:
            return
        await self._line.open()
        crew = Crew(self._line, self._dead, self._patience, asyncio.Semaphore(HANDLERS), self._mend)
        for service, handlers in self._handlers.items():
            self._seats[service] = [Seat(service, part, handlers, crew) for part in range(topology.PARTS)]
            changed = functools.partial(self._share_out, service)
            self._copies[service] = Copies(service, self._line, self._publisher, changed)
        await asyncio.gather(*(copies.join() for copies in self._copies.values()))
        for service in self._seats:
            self._share_out(service)

    def _share_out(self, service: str) -> None:
        if self._stopping:
            return
        mine = self._copies[service].mine()
        for part, seat in enumerate(self._seats[service]):
            if part in mine:
                seat.take()
            else:
                seat.give_up()

    async def stop(self) -> None:
        self._stopping = True
        await asyncio.gather(*(seat.close() for seats in self._seats.values() for seat in seats))
        await asyncio.gather(*(copies.leave() for copies in self._copies.values()))
        await self._line.close()
        await self._publisher.link.close()

    async def close(self) -> None:
        await self.stop()

    # publishing

    async def publish(self, envelope: Envelope) -> None:
        if self._stopping:
            raise Unavailable("the bus is stopping")
        properties = Basic.Properties(
            content_type="application/json",
            delivery_mode=PERSISTENT,
            message_id=str(envelope.id),
            headers=_headers[topology.part_of(envelope.subject)],
        )
        try:
            await self._publisher.send(
                _encoder.encode(envelope),
                exchange=topology.EVENTS,
                key=envelope.name,
                properties=properties,
                mandatory=envelope.name in self._names,
            )
        except Unrouted:
            log.error("no queue for an event that is heard", extra={"event": envelope.name})
            await self._mend()
            raise

    async def _declare(self, connection: AbstractConnection) -> None:
        await topology.declare(connection, self._heard)

    async def _mend(self) -> None:
        """Make again what somebody has taken away; nothing happens where the broker does not answer."""
        async with self._mending:
            now = asyncio.get_running_loop().time()
            if now - self._mended < MEND_SECONDS:
                return
            try:
                with broker_trouble("declaring"):
                    await self._declare(await self._publisher.link.connection(MEND_SECONDS))
            except Unavailable as error:
                log.warning("queues not made again", extra={"reason": error.detail})
            self._mended = asyncio.get_running_loop().time()

    # what could not be handled

    async def parked(self, service: str | None = None) -> list[Parked]:
        services = list(self._heard) if service is None else [service]
        await self.open()
        found = [await self._dead.parked(name) for name in services]
        return sorted((parked for some in found for parked in some), key=lambda parked: parked.at)

    async def parked_counts(self) -> dict[str, int]:
        """How many are parked, by service, without reading them; those that somebody reads just now do not
        count."""
        return {service: await self._dead.count(service) for service in self._heard}

    async def replay(self, service: str, event_id: UUID) -> None:
        await self.open()
        await self._dead.replay(service, event_id)

    async def drop(self, service: str, event_id: UUID) -> None:
        await self.open()
        await self._dead.drop(service, event_id)

    # looking

    async def quiet(self) -> bool:
        """Nothing of this process's services waits in the broker, is on its way or is being handled here.

        What another copy of them is handling only that copy can tell.
        """
        seats = [seat for some in self._seats.values() for seat in some]
        if self._busy(seats):
            return False
        try:
            with broker_trouble("looking at the queues"):
                own = all(await asyncio.gather(*(seat.empty() for seat in seats if seat.taken)))
                empty = own and await self._nothing_waits(self._untaken())
        except Unavailable:
            return False
        return empty and not self._busy(seats)

    def _busy(self, seats: Sequence[Seat]) -> bool:
        return self._publisher.unconfirmed > 0 or any(seat.busy for seat in seats)

    def _untaken(self) -> list[str]:
        return [
            topology.queue(service, part)
            for service, seats in self._seats.items()
            for part, seat in enumerate(seats)
            if not seat.taken
        ]

    async def _nothing_waits(self, queues: Sequence[str]) -> bool:
        if not queues:
            return True
        async with (await self._line.connection()).channel(publisher_confirms=False) as channel:
            look = await channel.get_underlay_channel()
            seen = [await look.queue_declare(queue, passive=True) for queue in queues]
        return not any(queue.message_count for queue in seen)

    async def left(self) -> tuple[int, int]:
        """How many events wait in the queues of all services, and how many listeners of any process do."""
        with broker_trouble("looking at the queues"):
            connection = await self._publisher.link.connection()
            async with connection.channel(publisher_confirms=False) as channel:
                look = await channel.get_underlay_channel()
                names = [topology.queue(each, part) for each in self._heard for part in range(topology.PARTS)]
                seen = [await look.queue_declare(name, passive=True) for name in names]
        return sum(one.message_count or 0 for one in seen), sum(one.consumer_count or 0 for one in seen)

    async def idle(self) -> None:
        while not await self.quiet():  # noqa: ASYNC110 - the broker is asked, and does not tell
            await asyncio.sleep(IDLE_SECONDS)

    async def ready(self) -> None:
        if self._stopping:
            raise Unavailable("the bus is stopping")
        with broker_trouble("answering"):
            async with asyncio.timeout(READY_SECONDS):
                connection = await self._publisher.link.connection(READY_SECONDS)
                channel = await connection.channel(publisher_confirms=False)
                await channel.close()

    async def examine(self) -> list[Finding]:
        place = place_of(self._url)
        try:
            connection = await dial(self._url, "examining")
        except Unfit as unfit:
            return [Finding("reachable", False, f"RabbitMQ at {place}", unfit.detail)]
        try:
            said, _ = topology.version_of(connection)
            found = [
                Finding("reachable", True, f"RabbitMQ at {place}"),
                Finding("version", True, said),
                await self._examined(connection),
            ]
            if found[-1].fine:
                await self.open()
                for service, count in (await self.parked_counts()).items():
                    if count:
                        detail = f"{count} parked in {topology.dead(service)}"
                        found.append(Finding("dead letters", False, detail, "hometrip events"))
            return found
        finally:
            await connection.close()

    async def _examined(self, connection: AbstractConnection) -> Finding:
        try:
            with broker_trouble("declaring"):
                await self._declare(connection)
        except Unavailable as error:
            return Finding("topology", False, "queues and exchanges", error.detail)
        return Finding("topology", True, f"queues of {len(self._heard)} services")


async def _nothing(connection: AbstractConnection) -> None:
    """A connection for listening is prepared by those who listen."""
