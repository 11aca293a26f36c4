"""Connections to the broker: dialling, being connected again, publishing with confirmation."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import urlsplit

from aio_pika import Connection
from aio_pika.abc import AbstractConnection
from aio_pika.connection import make_url
from aiormq.channel import Channel
from aiormq.exceptions import (
    AMQPError,
    AMQPException,
    ChannelInvalidStateError,
    ConnectionClosed,
    ProbableAuthenticationError,
    PublishError,
)
from pamqp.commands import Basic

from hometrip.adapters.bus.rabbitmq.topology import OLDEST, version_of
from hometrip.kernel.errors import HomeTripError, Unavailable
from hometrip.ports.engine import Unfit

log = logging.getLogger("hometrip.bus")

CONNECT_SECONDS = 5.0
PREPARE_SECONDS = 30.0
AGAIN_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.0)
BACK_SECONDS = 5.0
PUBLISH_SECONDS = 15.0
# Published and not confirmed: enough to keep the broker's disk busy, and a bound on what we hold for it.
WINDOW = 2_048
HEARTBEAT_SECONDS = 10

PERSISTENT = 2
THEIRS = (AMQPError, AMQPException, ChannelInvalidStateError, OSError)
Prepare = Callable[[AbstractConnection], Awaitable[None]]


class Unrouted(Unavailable):
    """No queue is there for the message."""


@contextlib.contextmanager
def broker_trouble(doing: str) -> Iterator[None]:
    """Whatever goes wrong between us and the broker is `Unavailable`; a refusal of ours stays what it is.

    The driver ends calls of a lost connection with its error, with none, or as if they were cancelled.
    """
    try:
        yield
    except HomeTripError:
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise Unavailable(f"the connection to RabbitMQ was lost: {doing}") from error
    except PublishError as error:
        raise Unrouted(f"no queue took it: {doing}") from error
    except TimeoutError as error:
        raise Unavailable(f"RabbitMQ does not answer in time, or takes no messages now: {doing}") from error
    except Exception as error:
        # The drivers raise what they like, assertions among it; to who asks, the broker is away. What bears
        # no name of theirs may be ours.
        if not isinstance(error, THEIRS):
            log.error("unforeseen error", extra={"doing": doing}, exc_info=error)
        raise Unavailable(f"RabbitMQ: {doing}: {type(error).__name__} {error}") from error


def place_of(url: str) -> str:
    """The broker's address without the account."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5672}, vhost {parts.path[1:] or '/'}"


async def dial(url: str, purpose: str) -> AbstractConnection:
    """A connection to a broker that can be used; `Unfit` says why there is none."""
    address = make_url(url)
    if "heartbeat" not in address.query:
        address = address.update_query(heartbeat=HEARTBEAT_SECONDS)
    connection = Connection(address, client_properties={"connection_name": f"hometrip {purpose}"})
    try:
        await connection.connect(timeout=CONNECT_SECONDS)
    except BaseException as error:
        await connection.close()
        if isinstance(error, Exception):
            raise _no_connection(url, error) from error
        raise
    said, version = version_of(connection)
    if version < OLDEST:
        await connection.close()
        raise Unfit(f"RabbitMQ {said} is too old: {'.'.join(map(str, OLDEST))} is the oldest that is used")
    return connection


def _no_connection(url: str, error: Exception) -> Unfit:
    place, said = place_of(url), str(error) or type(error).__name__
    if isinstance(error, ProbableAuthenticationError):
        return Unfit(f"RabbitMQ at {place} refuses the account in HOMETRIP_BUS_URL: {said}")
    # The driver does not hand on what the broker says when it refuses a vhost.
    if isinstance(error, ConnectionClosed) or "OpenOk" in said:
        return Unfit(
            f"RabbitMQ at {place} refuses the vhost; add it (rabbitmqctl add_vhost), or give the account "
            "its rights there (rabbitmqctl set_permissions)"
        )
    return Unfit(f"RabbitMQ at {place} does not answer: {said}; start it, or correct HOMETRIP_BUS_URL")


async def hang_up(connection: AbstractConnection) -> None:
    """Whatever the other side does."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CONNECT_SECONDS):
            await connection.close()


class Link:
    """One connection, made and prepared again whenever it is lost."""

    def __init__(self, url: str, purpose: str, prepare: Prepare) -> None:
        self._url, self._purpose, self._prepare = url, purpose, prepare
        self._current: AbstractConnection | None = None
        self._up, self._lost = asyncio.Event(), asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._connect()
        self._keeper = asyncio.create_task(self._keep(), name=f"rabbitmq {self._purpose}")

    @property
    def up(self) -> bool:
        return self._up.is_set()

    async def connection(self, within: float | None = BACK_SECONDS) -> AbstractConnection:
        """The one that is up, or the next; `Unavailable` where there is none within these seconds."""
        if not self._up.is_set():
            try:
                await asyncio.wait_for(self._up.wait(), within)
            except TimeoutError as late:
                raise Unavailable(f"RabbitMQ at {place_of(self._url)} does not answer") from late
        assert self._current is not None
        return self._current

    def renew(self) -> None:
        """Something is wrong with what was prepared: begin again with a new connection."""
        self._up.clear()
        self._lost.set()

    async def close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._up.clear()
        if self._current is not None:
            await hang_up(self._current)

    async def _connect(self) -> None:
        connection = await dial(self._url, self._purpose)
        assert connection.transport is not None
        lost, writing = asyncio.Event(), connection.transport.connection.write_queue

        def gone(*_: object) -> None:
            lost.set()
            if connection is self._current:
                self._up.clear()
            # Nothing empties the queue of a dead connection: who waits to write would wait for ever, and hold
            # others up. With a place in it, each finds out what has happened.
            while not writing.empty():
                writing.get_nowait()

        connection.close_callbacks.add(gone)
        try:
            with broker_trouble("preparing what is needed"):
                async with asyncio.timeout(PREPARE_SECONDS):
                    await self._prepare(connection)
        except BaseException:
            await hang_up(connection)
            raise
        self._current, self._lost = connection, lost
        self._up.set()

    async def _keep(self) -> None:
        while True:
            await self._lost.wait()
            self._up.clear()
            log.warning("connection to the broker lost", extra={"purpose": self._purpose})
            if self._current is not None:
                await hang_up(self._current)
            await self._connect_again()
            log.warning("connected to the broker again", extra={"purpose": self._purpose})

    async def _connect_again(self) -> None:
        tries = 0
        while True:
            try:
                await self._connect()
                return
            except Unavailable as error:
                log.info("no connection to the broker yet", extra={"reason": error.detail})
            await asyncio.sleep(AGAIN_SECONDS[min(tries, len(AGAIN_SECONDS) - 1)])
            tries += 1


class Publisher:
    """Publishes over a connection of its own: a broker that is full stops reading from those who publish,
    and acknowledgements must still reach it then.
    """

    def __init__(self, url: str, prepare: Prepare) -> None:
        self.link = Link(url, "publishing", self._prepared)
        self._first = prepare
        self._outer: object = None
        self._channel: Channel | None = None
        self._window = asyncio.Semaphore(WINDOW)
        self.unconfirmed = 0

    async def _prepared(self, connection: AbstractConnection) -> None:
        await self._first(connection)
        channel = await connection.channel(on_return_raises=True)
        inner = await channel.get_underlay_channel()
        assert isinstance(inner, Channel)
        self._outer, self._channel = channel, inner
        channel.close_callbacks.add(lambda *_: self.link.renew() if channel is self._outer else None)

    async def send(
        self, body: bytes, *, exchange: str, key: str, properties: Basic.Properties, mandatory: bool = True
    ) -> None:
        """Returns once the broker has it safe in every queue that it belongs to.

        `Unrouted` where it is mandatory and no queue takes it; after any other `Unavailable` it may have
        arrived or not. When many are unconfirmed, or the broker is full, this waits.
        """
        self.unconfirmed += 1
        try:
            with broker_trouble("publishing"):
                async with asyncio.timeout(PUBLISH_SECONDS), self._window:
                    if not self.link.up:
                        await self.link.connection()
                    assert self._channel is not None
                    await self._channel.connection.ready()
                    await self._channel.basic_publish(
                        body,
                        exchange=exchange,
                        routing_key=key,
                        properties=properties,
                        mandatory=mandatory,
                        wait=False,
                    )
        finally:
            self.unconfirmed -= 1
