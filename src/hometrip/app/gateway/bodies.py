"""Bodies on their way through the gateway: a request's to the service, an answer's to whoever asked."""

from __future__ import annotations

import asyncio
import contextlib
import zlib

from hometrip.app.edge.exchange import Receive, Send
from hometrip.app.gateway.wire import Lost, Wire
from hometrip.kernel.errors import Malformed
from hometrip.services.gateway.rules.answers import Head, Headers
from hometrip.services.gateway.rules.chunks import LAST_CHUNK, chunk_of
from hometrip.services.gateway.rules.packing import LEAST, LEVEL, may_pack, packed, unpacked
from hometrip.services.gateway.rules.requests import Asked

_GZIP_WINDOW = 31


class Upload:
    """A request's body: its beginning is read before any service is asked, so that a slow sender holds no
    connection, and the rest is passed on as it comes.
    """

    def __init__(self, receive: Receive, asked: Asked) -> None:
        self._receive, self._asked = receive, asked
        self._seen = 0
        self.first = b""
        self.whole = not asked.has_body
        self.error: Exception | None = None
        self._pumping: asyncio.Task[None] | None = None

    def at_hand(self, body: bytes) -> None:
        """The body has come already, all of it."""
        self.first, self.whole = body, True
        self._asked.length, self._asked.coded = len(body), False

    async def begin(self) -> None:
        """Reads the beginning; the body may be whole with it."""
        if self.whole:
            return
        self.first = await self._next()
        if self.whole and self._asked.coded:
            self._asked.length, self._asked.coded = len(self.first), False

    def first_part(self) -> bytes:
        """What goes to the service together with the head."""
        return chunk_of(self.first) if self._asked.coded and self.first else self.first

    def go_on(self, wire: Wire) -> None:
        """Lets the rest follow by itself."""
        if not self.whole:
            self._pumping = asyncio.create_task(self._pump(wire), name="upload")

    @property
    def under_way(self) -> bool:
        """Is some of it still to be sent?"""
        return self._pumping is not None and not self._pumping.done()

    async def end(self) -> None:
        if self._pumping is not None:
            self._pumping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pumping

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Malformed("the body ended early")
        data: bytes = message.get("body", b"")
        self._seen += len(data)
        length = self._asked.length
        if (length is not None and self._seen >= length) or not message.get("more_body"):
            self.whole = True
        if length is not None and (self._seen > length or (self.whole and self._seen < length)):
            raise Malformed("the body is not as long as it says")
        return data

    async def _pump(self, wire: Wire) -> None:
        coded = self._asked.coded
        try:
            while not self.whole:
                if data := await self._next():
                    await wire.push(chunk_of(data) if coded else data)
            if coded:
                await wire.push(LAST_CHUNK)
        except Lost:
            return  # whoever waits for the answer is told the same, or has it already
        except Exception as error:
            self.error = error
            wire.cut()


def whole_of(head: Head, body: bytes, *, packs: bool, bare: bool) -> tuple[Headers, bytes]:
    """Headers and body of an answer that is there as a whole, as they go out."""
    if not bare and len(body) >= LEAST and may_pack(head):
        if not packs:
            return unpacked(head.headers), body
        body = zlib.compress(body, LEVEL, _GZIP_WINDOW)
        return packed(head.headers, len(body)), body
    if head.length is None:
        return [*head.headers, (b"content-length", b"%d" % len(body))], body
    return head.headers, body


class Answer:
    """An answer on its way out, compressed where that is wanted and allowed."""

    def __init__(self, send: Send, *, packs: bool, bare: bool) -> None:
        self._send, self._packs, self._bare = send, packs, bare
        self.begun = False

    async def whole(self, head: Head, body: bytes) -> None:
        headers, body = whole_of(head, body, packs=self._packs, bare=self._bare)
        self.begun = True
        await self._send({"type": "http.response.start", "status": head.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def stream(self, head: Head, wire: Wire, receive: Receive | None) -> None:
        """As it comes, without keeping it. Where the client goes away, the service is left as well: `Lost`.

        `receive` is how to hear of that, None where somebody else listens to it.
        """
        may = not self._bare and may_pack(head)
        packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP_WINDOW) if may and self._packs else None
        headers = packed(head.headers, None) if packer else unpacked(head.headers) if may else head.headers
        watching = asyncio.create_task(_watch(receive, wire), name="watch") if receive else None
        try:
            # Until the first bytes are there, the answer may still become another one.
            data = await wire.chunk()
            self.begun = True
            await self._send({"type": "http.response.start", "status": head.status, "headers": headers})
            while data:
                # What has no known length may be waited for part by part.
                if packer:
                    flush = head.length is None
                    data = packer.compress(data) + (packer.flush(zlib.Z_SYNC_FLUSH) if flush else b"")
                if data:
                    await self._send({"type": "http.response.body", "body": data, "more_body": True})
                data = await wire.chunk()
        finally:
            if watching is not None:
                watching.cancel()
        await self._send({"type": "http.response.body", "body": packer.flush() if packer else b""})


async def _watch(receive: Receive, wire: Wire) -> None:
    """Ends the exchange with the service when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    wire.abandoned = True
    wire.cut()
