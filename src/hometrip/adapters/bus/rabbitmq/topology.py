"""What stands in the broker: its names, which part of a service's events a subject belongs to, declaring."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Mapping

from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPChannelError, ChannelAccessRefused, ChannelPreconditionFailed
from pamqp.common import FieldValue

from hometrip.ports.engine import Unfit

EVENTS = "hometrip_events"
OLDEST = (3, 10)

# Every process must divide alike, for good: in as many parts as copies of a service can share its events.
PARTS = 8

# One consumer at a time, in the order of arrival. The broker never gives up on a message: we park it.
# (RabbitMQ 4 drops after 20 deliveries where nothing is said; "without limit" cannot be said before it.)
QUEUE: dict[str, FieldValue] = {
    "x-queue-type": "quorum",
    "x-single-active-consumer": True,
    "x-delivery-limit": 2**31 - 1,
}

# Which services hear which events: what must be there so that no event is lost.
Heard = Mapping[str, Collection[str]]


def part_of(subject: str) -> int:
    return zlib.crc32(subject.encode()) % PARTS


def part_key(part: int) -> str:
    return f"part.{part}"


def events(service: str) -> str:
    """The exchange that shares a service's events out to its queues."""
    return f"{service}.events"


def queue(service: str, part: int) -> str:
    return f"{service}.events.{part}"


def dead(service: str) -> str:
    return f"{service}.dead"


def copies(service: str) -> str:
    """The exchange through which the copies of a service know of each other."""
    return f"{service}.copies"


async def declare(connection: AbstractConnection, heard: Heard) -> None:
    """Everything that these services need, made where it is missing; `Unfit` where it differs."""
    channel = await connection.channel(publisher_confirms=False)
    try:
        there = await channel.get_underlay_channel()
        await there.exchange_declare(EVENTS, exchange_type="topic", durable=True)
        for service, names in heard.items():
            await _declare_service(there, service, names)
    except AMQPChannelError as refusal:
        raise unfit(refusal) from refusal
    finally:
        await channel.close()


async def _declare_service(there: AbstractChannel, service: str, names: Collection[str]) -> None:
    await there.exchange_declare(copies(service), exchange_type="fanout", durable=True)
    await there.exchange_declare(dead(service), exchange_type="fanout", durable=True)
    await there.queue_declare(dead(service), durable=True, arguments=QUEUE)
    await there.queue_bind(dead(service), dead(service))
    # What belongs to a queue that somebody has deleted is parked, not lost.
    spare: dict[str, FieldValue] = {"alternate-exchange": dead(service)}
    await there.exchange_declare(events(service), exchange_type="direct", durable=True, arguments=spare)
    for part in range(PARTS):
        await there.queue_declare(queue(service, part), durable=True, arguments=QUEUE)
        await there.queue_bind(queue(service, part), events(service), part_key(part))
    # Last, so that nothing arrives before there is a place for it.
    for name in sorted(names):
        await there.exchange_bind(events(service), EVENTS, name)


def unfit(refusal: AMQPChannelError) -> Unfit:
    """The broker's refusal in words for an operator; it names what it is about in quotes."""
    said = str(refusal)
    what = " ".join(re.findall(r"(?:exchange|queue) '[^']*'", said)[:1]) or "something that is needed"
    if isinstance(refusal, ChannelPreconditionFailed):
        return Unfit(
            f"RabbitMQ: {what} exists with other properties than these need ({said}); empty and delete it, "
            "or name another vhost in HOMETRIP_BUS_URL"
        )
    if isinstance(refusal, ChannelAccessRefused):
        return Unfit(
            f"RabbitMQ: the account has no right to {what} ({said}); give it configure, write and read on "
            "its vhost"
        )
    return Unfit(f"RabbitMQ refuses {what}: {said}")


def version_of(connection: AbstractConnection) -> tuple[str, tuple[int, ...]]:
    """As the broker says it, and as numbers."""
    assert connection.transport is not None
    properties = connection.transport.connection.server_properties
    said = str(properties.get("version", "0"))
    return said, tuple(int(number) for number in re.findall(r"\d+", said)[:2])
