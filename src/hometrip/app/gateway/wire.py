"""One HTTP/1.1 connection to a service: streams in both directions, and is strict about what it reads.

Our own, because a gateway does little else: forwarding a small answer between two Granians took 122 to 150 µs
of CPU this way and 250 to 390 with aiohttp's client, 54 to 66 of them Granian's own (interleaved, 3 rounds).
What came of the rest: `docs/decisions/0014-the-gateway-serves-itself.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec

from hometrip.services.gateway.rules.answers import Garbage, Head, head_in
from hometrip.services.gateway.rules.chunks import Chunks

MOST_HEAD = 65_536
# What is read ahead of a slow client, and written ahead of a slow service, at most about that much.
READ_AHEAD = 262_144
WRITE_AHEAD = 65_536


class Lost(Exception):
    """The connection ended before the answer was whole; `begun` tells whether some of it had come."""

    def __init__(self, *, begun: bool) -> None:
        super().__init__("the connection ended early")
        self.begun = begun


class Body(msgspec.Struct):
    """How the rest of an answer is told apart: so many bytes, chunks, or all until the end."""

    left: int = 0
    chunks: Chunks | None = None
    until_end: bool = False


class Wire(asyncio.Protocol):
    """One request at a time: `ask`, perhaps `push` its body, `head`, then `chunk` until it is empty.

    `clean` tells afterwards whether another request may follow; a wire that is not, is to be cut.
    `abandoned`: it was cut because whoever asked is gone. A `listener` is called once, when the head has come
    or more after it, or the connection has ended: for those who ask `whole_head` then instead of waiting.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._asked = self._bare = self._whole = self._keeps = False
        self._unread = b""
        self._head: Head | None = None
        self._body = Body()
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.listener: Callable[[], None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._reading = True
        self.alive = self.abandoned = False

    # asking

    def ask(self, head: bytes, *, bare: bool) -> None:
        """Send a request's head (with its body, where that is at hand). `bare`: its answer has no body."""
        assert self._transport is not None
        self._asked, self._bare, self._whole, self._keeps = True, bare, False, True
        self._head = None
        self._transport.write(head)

    async def push(self, data: bytes) -> None:
        """More of the request's body, as fast as the service takes it; `Lost` when it takes no more."""
        if not self.alive or self._transport is None:
            raise Lost(begun=self._head is not None)
        self._transport.write(data)
        if self._room is not None:
            await self._room

    async def head(self) -> Head:
        """The answer's head. Raises `Lost` or `Garbage`."""
        while self._head is None:
            await self._more()
        return self._head

    @property
    def whole_head(self) -> Head | None:
        """The answer's head where all of its body is here too."""
        return self._head if self._whole else None

    @property
    def is_soon_whole(self) -> bool:
        """Is the answer on its way, and short enough to be waited for?"""
        known = self._head is not None and self._error is None and self._body.chunks is None
        return known and 0 < self._body.left + self._held_bytes <= READ_AHEAD

    def rest(self) -> bytes | None:
        """The whole body where all of it is here, else None."""
        if not self._whole:
            return None
        held = self._held
        body = held[0] if len(held) == 1 else b"".join(held)
        held.clear()
        self._held_bytes = 0
        return body

    async def chunk(self) -> bytes:
        """What has come of the body since, at least a byte; nothing at its end. Raises `Lost`, `Garbage`."""
        while not self._held:
            if self._whole:
                return b""
            await self._more()
        data = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        if not self._reading and self._transport is not None:
            self._reading = True
            self._transport.resume_reading()
        return data

    @property
    def clean(self) -> bool:
        """Is the answer whole, and the connection fit for another request?"""
        return self.alive and self._whole and self._keeps

    def rested(self) -> None:
        """The exchange is over; anything that comes now was not asked for."""
        self._asked = False
        self._held.clear()

    def cut(self) -> None:
        self.alive = False
        if self._transport is not None:
            self._transport.abort()

    async def _more(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    # what the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_AHEAD)
        self.alive = True

    def data_received(self, data: bytes) -> None:
        if not self._asked or self._error is not None:
            self.cut()  # a service that speaks unasked could answer the next request with this one's words
            return
        try:
            if self._head is None:
                data = self._read_head(data)
            if self._head is not None:
                self._read_body(data)
        except Garbage as garbage:
            self._fail(garbage)
            return
        if self._held_bytes > READ_AHEAD and self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()
        if self._head is not None:
            self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self.alive = False
        if self._head is not None and self._body.until_end and error is None:
            self._whole = True
        if self._error is None:
            self._error = Lost(begun=self._head is not None or bool(self._unread))
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._wake()

    def pause_writing(self) -> None:
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    # reading

    def _read_head(self, data: bytes) -> bytes:
        """Reads the head where it has come whole; what follows it."""
        if self._unread:
            data = self._unread + data
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0 or end > MOST_HEAD:
                if len(data) > MOST_HEAD:
                    raise Garbage("the head of the answer does not end")
                self._unread = data
                return b""
            head = head_in(data[:end], bare=self._bare)
            data = data[end + 4 :]
            if head.status >= 200:
                break
        self._unread = b""
        self._head = head
        self._keeps = head.keeps
        self._body = Body(head.length or 0, Chunks() if head.chunked else None, head.until_end)
        if head.length == 0:
            self._whole = True
        return data

    def _read_body(self, data: bytes) -> None:
        body = self._body
        if self._whole:
            if data:
                raise Garbage("the answer goes on after its end")
        elif body.chunks is not None:
            parts, self._whole = body.chunks.read(data)
            self._held.extend(parts)
            self._held_bytes += sum(map(len, parts))
        elif data:
            if not body.until_end:
                body.left -= len(data)
                if body.left < 0:
                    raise Garbage("the answer goes on after its end")
                self._whole = body.left == 0
            self._held.append(data)
            self._held_bytes += len(data)

    def _fail(self, error: Exception) -> None:
        self._error = error
        self.cut()
        self._wake()

    def _wake(self) -> None:
        if self.listener is not None:
            listener, self.listener = self.listener, None
            listener()
            return
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
