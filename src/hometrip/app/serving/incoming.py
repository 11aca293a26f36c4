"""The body of a client's request, as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hometrip.kernel.errors import Malformed
from hometrip.services.gateway.rules.answers import Garbage
from hometrip.services.gateway.rules.chunks import Chunks

# What is read ahead of whoever takes the body.
READ_AHEAD = 65_536


class Incoming:
    """`more` until it is `whole` and what it held is taken. `length` is None for a body in chunks.

    `asking` is called when somebody wants the body of a client that waits to be asked.
    """

    def __init__(
        self,
        length: int | None,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport | None = None,
    ) -> None:
        self._loop, self._transport = loop, transport
        self._left = length
        self._chunks = Chunks() if length is None else None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._paused = self._ended = False
        self.asking: Callable[[], None] | None = None
        self.error: Malformed | None = None
        self.whole = length == 0
        # Was its end told to whoever takes it?
        self.taken = False

    def take(self, data: bytes) -> bytes:
        """Bytes from the client; what of them comes after the body."""
        self.asking = None
        rest = b""
        if self._chunks is not None:
            rest = self._take_chunks(data)
        elif self._left is not None:
            if len(data) > self._left:
                data, rest = data[: self._left], data[self._left :]
            self._left -= len(data)
            self._hold(data)
            self.whole = not self._left
        if self._held_bytes > READ_AHEAD and self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()
        return rest

    def _take_chunks(self, data: bytes) -> bytes:
        assert self._chunks is not None
        try:
            parts, rest = self._chunks.take(data)
        except Garbage:
            self.error = Malformed("the chunks of the body cannot be read")
            return b""
        for part in parts:
            self._hold(part)
        self.whole = rest is not None
        return rest or b""

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_bytes += len(data)

    def at_hand(self) -> bytes:
        """All that has come and was not taken yet."""
        data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    def peek(self) -> bytes:
        """The same, which stays to be taken."""
        if len(self._held) != 1:
            self._held[:] = [b"".join(self._held)]
        return self._held[0]

    async def more(self) -> bytes:
        """What has come, at least a byte; nothing at the end, or when the client is gone. `Malformed` where
        it is no body.
        """
        while not self._held and not self.whole and not self._ended:
            if self.error is not None:
                raise self.error
            if self.asking is not None:
                ask, self.asking = self.asking, None
                ask()
            await self.waiting()
        return self.at_hand()

    async def waiting(self) -> None:
        """Until something has come, or the client is gone."""
        if self._ended:
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def end(self) -> None:
        """The client is gone."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
