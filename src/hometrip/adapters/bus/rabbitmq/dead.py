"""The dead letters of the services: parking events, listing, replaying and dropping them from any process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from hometrip.adapters.bus.rabbitmq.link import PERSISTENT, Publisher, Unrouted, broker_trouble
from hometrip.adapters.bus.rabbitmq.reading import envelope_of
from hometrip.adapters.bus.rabbitmq.topology import dead, part_of, queue
from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import NotFound, Unavailable
from hometrip.kernel.events import Envelope
from hometrip.ports.bus import Parked

log = logging.getLogger("hometrip.bus")

# Kinds of messages in a service's queues besides events as they were published.
REPLAYED = "replayed"
DROPPED = "dropped"
BOOKMARK = "bookmark"

REASON_LENGTH = 2_000
READ_SECONDS = 10.0
MOST = 65_535


class DeadLetters:
    """A parked event lies in its service's dead-letter queue until it was handed back to the service's
    events, or dropped: whoever dies in between leaves it there, at worst a second time.

    A reader takes the whole queue, keeps what it wants and lets the rest fall back. The queue serves one
    reader after the other. A bookmark, put at the end, tells a reader that it has seen everything.
    """

    def __init__(self, publisher: Publisher, clock: Clock) -> None:
        self._publisher, self._clock = publisher, clock

    async def park(self, service: str, body: bytes, envelope: Envelope, reason: str, tries: int) -> bool:
        """False where the broker does not take it now."""
        about = {"reason": reason[:REASON_LENGTH], "tries": tries, "at": self._clock.now().isoformat()}
        try:
            await self._send(body, dead(service), envelope.id, about=about)
        except Unavailable as error:
            log.warning("event not parked yet", extra={"service": service, "reason": error.detail})
            return False
        log.error(
            "event parked", extra={"service": service, "event": envelope.name, "event_id": str(envelope.id)}
        )
        return True

    async def parked(self, service: str) -> list[Parked]:
        async with self._opened(service) as letters:
            found = {parked.envelope.id: parked for parked in map(self._read(service), letters)}
        return sorted(found.values(), key=lambda parked: parked.at)

    async def count(self, service: str) -> int:
        """How many, without reading them."""
        with broker_trouble(f"looking at {dead(service)}"):
            async with self._channel() as channel:
                seen = await channel.queue_declare(dead(service), passive=True)
        return seen.message_count or 0

    async def replay(self, service: str, event_id: UUID) -> None:
        """Hand it back to the service's events; it leaves the dead letters once it is safe there."""
        async with self._opened(service) as letters:
            same = self._same(letters, event_id)
            await self._hand_back(service, same[-1], REPLAYED)
            await self._forget(same)

    async def drop(self, service: str, event_id: UUID) -> None:
        async with self._opened(service) as letters:
            same = self._same(letters, event_id)
            await self._forget(same)
        # Whoever holds later events of the subject back for this one need not wait any longer.
        await self._hand_back(service, same[-1], DROPPED)

    @staticmethod
    def _same(letters: list[DeliveredMessage], event_id: UUID) -> list[DeliveredMessage]:
        same = [letter for letter in letters if envelope_of(letter)[0].id == event_id]
        if not same:
            raise NotFound("no such parked event")
        return same

    @staticmethod
    async def _forget(letters: list[DeliveredMessage]) -> None:
        for letter in letters:
            await letter.channel.basic_ack(letter.delivery_tag or 0)

    async def _hand_back(self, service: str, letter: DeliveredMessage, kind: str) -> None:
        envelope, _ = envelope_of(letter)
        key = queue(service, part_of(envelope.subject))
        await self._send(letter.body, key, envelope.id, kind=kind)

    async def _send(
        self,
        body: bytes,
        key: str,
        message_id: UUID,
        *,
        kind: str | None = None,
        about: dict[str, Any] | None = None,
        expiration: str | None = None,
    ) -> None:
        properties = Basic.Properties(
            content_type="application/json",
            delivery_mode=PERSISTENT,
            message_id=str(message_id),
            message_type=kind,
            headers=about,
            expiration=expiration,
        )
        await self._publisher.send(body, exchange="", key=key, properties=properties)

    @contextlib.asynccontextmanager
    async def _opened(self, service: str) -> AsyncIterator[list[DeliveredMessage]]:
        """Everything that is parked there. Within the block nobody else reads; after it, what was not
        forgotten is back."""
        token, letters, seen = uuid4(), list[DeliveredMessage](), asyncio.Event()

        async def arrived(message: DeliveredMessage) -> None:
            properties = message.header.properties
            if properties.message_type != BOOKMARK:
                letters.append(message)
            elif properties.message_id == str(token):
                await message.channel.basic_ack(message.delivery_tag or 0, wait=False)
                seen.set()
            if len(letters) == MOST:
                seen.set()

        with broker_trouble(f"reading {dead(service)}"):
            async with self._channel() as channel:
                # One whose reader died is not worth keeping.
                expiration = str(int(READ_SECONDS * 2_000))
                try:
                    await self._send(b"", dead(service), token, kind=BOOKMARK, expiration=expiration)
                except Unrouted:
                    yield []
                    return
                await channel.basic_qos(prefetch_count=MOST)
                await channel.basic_consume(dead(service), arrived)
                async with asyncio.timeout(READ_SECONDS):
                    await seen.wait()
                yield letters

    @contextlib.asynccontextmanager
    async def _channel(self) -> AsyncIterator[AbstractChannel]:
        outer = await (await self._publisher.link.connection()).channel(publisher_confirms=False)
        try:
            yield await outer.get_underlay_channel()
        finally:
            await outer.close()

    @staticmethod
    def _read(service: str) -> Any:
        def read(letter: DeliveredMessage) -> Parked:
            envelope, wrong = envelope_of(letter)
            # One without notes came here because the queue that it belongs to was missing.
            about = letter.header.properties.headers or {}
            at = datetime.fromisoformat(str(about["at"])) if "at" in about else envelope.occurred_at
            reason = str(about.get("reason", wrong or "its queue was missing"))
            return Parked(service, envelope, reason, int(str(about.get("tries", 0))), at)

        return read
