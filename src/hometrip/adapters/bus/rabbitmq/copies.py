"""How the copies of a service know of each other, and which parts of its events are whose."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from uuid import uuid4

import msgspec
from aio_pika.abc import AbstractConnection
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from hometrip.adapters.bus.rabbitmq.link import Link, Publisher, Unrouted, broker_trouble
from hometrip.adapters.bus.rabbitmq.topology import PARTS, copies
from hometrip.kernel.errors import Unavailable

log = logging.getLogger("hometrip.bus")

TICK_SECONDS = 1.0
# A copy whose queue is missing this many times in a row is gone; one that only lost its connection is not.
MISSES = 3
# How long a new copy listens for the others before it takes its parts.
ANSWER_SECONDS = 0.05
AGAIN_SECONDS = 0.3


class Word(msgspec.Struct, frozen=True):
    """What copies tell each other: who speaks, and whether it leaves."""

    copy: str
    leaves: bool = False


class Copies:
    """The copies of one service, by their names in the broker.

    Each has a queue that lives as long as its connection; a message to it comes back once it is gone. The
    division of the parts need not be agreed on at every moment: a part's queue has one consumer at a time
    whatever the copies believe. It must be agreed on in the end, so that every part is somebody's.
    """

    def __init__(self, service: str, line: Link, publisher: Publisher, changed: Callable[[], None]) -> None:
        self._service, self._line, self._publisher, self._changed = service, line, publisher, changed
        self._me = f"{copies(service)}.{uuid4().hex[:12]}"
        self._missed: dict[str, int] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._joined = asyncio.Event()

    def mine(self) -> set[int]:
        """The parts that this copy should serve."""
        everybody = sorted([self._me, *self._missed])
        place = everybody.index(self._me)
        return {part for part in range(PARTS) if part % len(everybody) == place}

    async def join(self) -> None:
        """Make oneself known; returns when the others have had time to answer."""
        self._keeper = asyncio.create_task(self._keep(), name=f"copies of {self._service}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._joined.wait(), 2 * TICK_SECONDS)

    async def leave(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._missed:
            await self._tell_all(Word(self._me, leaves=True))
            self._missed.clear()

    async def _keep(self) -> None:
        while True:
            try:
                with broker_trouble("joining the other copies"):
                    await self._be_there(await self._line.connection(None))
            except Unavailable as error:
                log.info("apart from other copies", extra={"service": self._service, "reason": error.detail})
            await asyncio.sleep(AGAIN_SECONDS)

    async def _be_there(self, connection: AbstractConnection) -> None:
        outer = await connection.channel(publisher_confirms=False)
        try:
            channel = await outer.get_underlay_channel()
            await channel.queue_declare(self._me, exclusive=True, auto_delete=True)
            await channel.queue_bind(self._me, copies(self._service))
            await channel.basic_consume(self._me, self._heard, no_ack=True)
            await self._tell_all(Word(self._me))
            await asyncio.sleep(ANSWER_SECONDS)
            self._joined.set()
            self._changed()
            while not outer.is_closed:
                await asyncio.sleep(TICK_SECONDS)
                await asyncio.gather(*(self._look_for(copy) for copy in list(self._missed)))
        finally:
            await outer.close()

    async def _heard(self, message: DeliveredMessage) -> None:
        word = msgspec.json.decode(message.body, type=Word)
        if word.copy == self._me:
            return
        known = word.copy in self._missed
        if word.leaves:
            self._missed.pop(word.copy, None)
        else:
            self._missed[word.copy] = 0
        if known != (word.copy in self._missed):
            self._changed()
            if not word.leaves:
                await self._look_for(word.copy)

    async def _look_for(self, copy: str) -> None:
        """Tell it that we are here; it is gone where that cannot be delivered time and again."""
        try:
            await self._tell(Word(self._me), "", copy, mandatory=True)
        except Unrouted:
            self._missed[copy] = self._missed.get(copy, 0) + 1
            if self._missed[copy] >= MISSES:
                del self._missed[copy]
                self._changed()
        except Unavailable as error:
            log.debug("a copy was not reached", extra={"reason": error.detail})
        else:
            if copy in self._missed:
                self._missed[copy] = 0

    async def _tell_all(self, word: Word) -> None:
        try:
            await self._tell(word, copies(self._service), "", mandatory=False)
        except Unavailable as error:
            log.info("other copies not told", extra={"service": self._service, "reason": error.detail})

    async def _tell(self, word: Word, exchange: str, key: str, *, mandatory: bool) -> None:
        properties = Basic.Properties(delivery_mode=1, message_id=uuid4().hex)
        body = msgspec.json.encode(word)
        with broker_trouble("telling the other copies"):
            async with asyncio.timeout(2 * TICK_SECONDS):
                await self._publisher.send(
                    body, exchange=exchange, key=key, properties=properties, mandatory=mandatory
                )
