"""One client's connection: requests are read from it strictly, one is answered at a time, and in ASGI's words
for whoever speaks them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from time import time
from typing import Any, Protocol, cast

from hometrip.app.edge.exchange import Headers, Message, Scope
from hometrip.app.serving.heading import date_line, first_line, lines_of
from hometrip.app.serving.incoming import Incoming
from hometrip.kernel.errors import HomeTripError, Malformed
from hometrip.services.gateway.rules.chunks import LAST_CHUNK, chunk_of
from hometrip.services.gateway.rules.heads import NO_HEADERS, Heard, heard_in

MOST_HEAD = 65_536
WRITE_AHEAD = 65_536
# A head has to be whole so long after its first byte, the first one after the connection was opened.
HEAD_SECONDS = 10.0
# A connection that was used waits so long for its next request: longer than what commonly stands in front
# keeps one, so that it is not us who hang up just when it is used again.
KEEP_SECONDS = 75.0
# Of an answer, something has to be taken within so long.
STUCK_SECONDS = 30.0
# Whoever goes on sending after the last answer is heard out for so long, so that it reads that answer.
LINGER_SECONDS, MOST_LINGERED = 2.0, 1 << 20
BODILESS = frozenset({204, 304})
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_END = b"\r\n\r\n"


class Serving(Protocol):
    """What a line needs of its server."""

    loop: asyncio.AbstractEventLoop
    context: Any
    passes_on: bool

    @property
    def is_stopping(self) -> bool: ...
    def opened(self, line: Line) -> None: ...
    def lost(self, line: Line) -> None: ...
    def take(self, line: Line, scope: Scope) -> None: ...
    def refuse(self, line: Line, scope: Scope, error: HomeTripError) -> None: ...


class Line(asyncio.Protocol):
    """`receive` and `send`, or `answer` at once, and in any case `over`.

    What a client sends ahead of its answer waits, and the connection with it when that is much. `gone` is
    called when the client goes while its request is under way, where somebody has set it.
    """

    def __init__(self, front: Serving, heard: bytes = b"", back: Any = None) -> None:
        """`heard` is what another process has read of it, to which it may go `back`."""
        self._front, self._first, self.back, self._request = front, heard, back, b""
        self._transport: asyncio.Transport | None = None
        self._client: tuple[str, int] = ("", 0)
        self._server: tuple[str, int] = ("", 0)
        self._unread = bytearray()
        self._heard: Heard | None = None
        self._start: tuple[int, Headers, bytes] | None = None
        self._left: int | None = None
        self._coded = self._whole = self._keeps = self._is_bare = False
        self._room: asyncio.Future[None] | None = None
        self._since = self._stuck_since = 0.0
        self._stuck_bytes = self._lingered = 0
        self._lingering = self._ending = self._used = self._warned = False
        self._body: Incoming | None = None
        self.alive = True
        self.gone: Callable[[], None] | None = None

    # what the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_AHEAD)
        self._client = (transport.get_extra_info("peername") or ("", 0))[:2]
        self._server = (transport.get_extra_info("sockname") or ("", 0))[:2]
        self._since = self._front.loop.time()
        self._front.opened(self)
        if self._first:
            self.data_received(self._first)

    def data_received(self, data: bytes) -> None:
        self._warned = False
        if self._lingering:
            self._lingered += len(data)
            if self._lingered > MOST_LINGERED:
                self.abort()
        elif self._heard is None:
            if self._unread:
                self._unread += data
                self._next()
            else:
                self._next(data)
        else:
            self._take_body(data)

    def eof_received(self) -> bool:
        return False  # who sends no more is gone

    def connection_lost(self, error: Exception | None) -> None:
        self.alive = False
        self._front.lost(self)
        if self._body is not None:
            self._body.end()
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        if self.gone is not None:
            gone, self.gone = self.gone, None
            gone()

    def pause_writing(self) -> None:
        self._room = self._front.loop.create_future()

    def resume_writing(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None
        self._soon_next()

    # reading

    def _soon_next(self) -> None:
        if self._unread and self._heard is None:
            self._front.loop.call_soon(self._next, context=self._front.context)

    def _next(self, data: bytes = b"") -> None:
        """The next request, where its head has come and there is room for its answer: in `data`, or in what
        is kept already.
        """
        if self._heard is not None or self._ending or not self.alive:
            return
        if self._room is not None:
            self._unread += data
            self._hold_back()
            return
        head = data[:-4] if data.find(_END) == len(data) - 4 else self._kept_head(data)
        if not head or len(head) > MOST_HEAD:
            if head or len(self._unread) > MOST_HEAD:
                self._refuse(Malformed(f"the head has more than {MOST_HEAD} bytes"))
            return
        try:
            heard = heard_in(head)
            scope = self._scope(heard)
        except Malformed as error:
            self._refuse(error)
            return
        if self._front.passes_on or self.back:
            self._request = head + _END + self._unread
        self._begin(heard)
        self._front.take(self, scope)

    def _kept_head(self, data: bytes) -> bytes:
        """A head that came in parts or with more behind it, which stays; nothing where it is not whole."""
        unread = self._unread
        if not unread:
            self._since = self._front.loop.time()
        unread += data
        while unread.startswith(b"\r\n"):  # some clients end a body with one too many
            del unread[:2]
        end = unread.find(_END)
        if end < 0:
            return b""
        head = bytes(unread[:end])
        del unread[: end + 4]
        return head

    def _hold_back(self) -> None:
        if len(self._unread) > MOST_HEAD and self._transport is not None:
            self._transport.pause_reading()

    def _begin(self, heard: Heard) -> None:
        self._heard, self._used = heard, True
        self._start, self._left, self._body = None, None, None
        self._keeps, self._whole, self._coded = heard.keeps, False, False
        if heard.block.length != 0:
            self._body = Incoming(heard.block.length, self._front.loop, self._transport)
            if heard.block.waits:
                self._body.asking = self._go_on
            came, self._unread = bytes(self._unread), bytearray()
            self._take_body(came)
        else:
            self._hold_back()

    def _take_body(self, data: bytes) -> None:
        if self._body is None or self._body.whole or self._body.error is not None:
            self._unread += data
            self._hold_back()
        elif data:
            self._unread += self._body.take(data)

    @property
    def has_all(self) -> bool:
        """Has the whole body come, or is there none?"""
        return self._body is None or self._body.whole

    def at_hand(self) -> bytes:
        """The body, where `has_all`."""
        return self._body.at_hand() if self._body is not None else b""

    def peek(self) -> bytes:
        """The same, which stays to be received."""
        return self._body.peek() if self._body is not None else b""

    def _go_on(self) -> None:
        """The client waits for a word before it sends the body."""
        if self._transport is not None and self._start is None and not self._whole:
            self._transport.write(CONTINUE)

    def _scope(self, heard: Heard) -> Scope:
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": "1.0" if heard.old else "1.1",
            "server": self._server,
            "client": self._client,
            "scheme": "http",
            "method": heard.method,
            "root_path": "",
            "path": heard.path,
            "raw_path": heard.raw_path,
            "query_string": heard.query,
            "headers": heard.block.headers,
            "named": heard.block.named,
            "asked": heard.block.asked,
            "extensions": {},
            "state": {},
        }

    def _refuse(self, error: HomeTripError) -> None:
        heard = Heard("", b"/", b"", NO_HEADERS)
        self._begin(heard)
        self._front.refuse(self, self._scope(heard), error)
        self._unread += b"."  # what else it says is not read
        self.over()

    # answering

    def answer(self, status: int, headers: Headers, lines: bytes, body: bytes) -> None:
        """The whole answer; `lines` are more headers, ready."""
        if self.alive and self._transport is not None:
            self._start = status, headers, lines
            self._transport.write(self._framed(body, ends=True))
        self._whole = True

    async def receive(self) -> Message:
        body = self._body
        if body is None:
            body = self._body = Incoming(0, self._front.loop)
        if not body.taken:
            data = await body.more()
            if self.alive or body.whole:
                body.taken = body.whole
                return {"type": "http.request", "body": data, "more_body": not body.whole}
        while self.alive:
            await body.waiting()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Returns when there is room for more. What is sent to nobody is nothing."""
        if message["type"] == "http.response.start":
            self._start = message["status"], lines_of(message.get("headers", ())), b""
            return
        data, ends = message.get("body", b""), not message.get("more_body")
        if self.alive and self._transport is not None and (framed := self._framed(data, ends=ends)):
            self._transport.write(framed)
        self._whole = self._whole or ends
        if self._room is not None:
            await self._room

    def over(self) -> None:
        """The request is answered, as far as it ever will be: the next may come."""
        self.gone = None
        if not self.alive or self._transport is None:
            return
        self._since = self._front.loop.time()
        if not self._whole or self._left:
            self._ending = True  # it ends early, and whoever reads it sees that
            self._transport.close()
        elif not self._keeps or not self.has_all or self._front.is_stopping:
            self._end()
        else:
            self._heard = self._body = None
            if not self._transport.is_reading():
                self._transport.resume_reading()
            self._soon_next()

    def _framed(self, data: bytes, *, ends: bool) -> bytes:
        head = b""
        if self._start is not None:
            head, self._start = self._head_of(*self._start, len(data), ends=ends), None
        if self._is_bare:
            return head
        if self._coded:
            return head + (chunk_of(data) if data else b"") + (LAST_CHUNK if ends else b"")
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        return head + data if head else data

    def _head_of(self, status: int, headers: Headers, more: bytes, size: int, *, ends: bool) -> bytes:
        """The head of the answer; how its body is told apart is settled here."""
        lines = [first_line(status)]
        length, dated = b"", False
        for name, value in headers:
            if name == b"content-length":
                length = value
            elif name == b"date":
                dated = True
            lines += (name, b": ", value, b"\r\n")
        if not dated:
            lines.append(date_line(int(time())))
        assert self._heard is not None
        self._is_bare = self._heard.method == "HEAD" or status in BODILESS
        if self._is_bare:
            pass
        elif length:
            self._left = int(length)
        elif ends:
            self._left = size
            lines.append(b"content-length: %d\r\n" % size)
        elif not self._heard.old:
            self._coded = True
            lines.append(b"transfer-encoding: chunked\r\n")
        else:
            self._keeps = False
        if not self._keeps or not self.has_all or self._front.is_stopping:
            self._keeps = False
            lines.append(b"connection: close\r\n")
        lines += (more, b"\r\n")
        return b"".join(lines)

    # ending

    def give_away(self, take: Callable[[int, bytes], None]) -> bool:
        """The connection is another process's from now on, with the request that was read last; False, and
        nothing more is read, where earlier answers are still being written.
        """
        transport = self._transport
        if not self.alive or transport is None:
            return True
        if transport.get_write_buffer_size():
            transport.pause_reading()
            return False
        take(os.dup(transport.get_extra_info("socket").fileno()), self._request)
        self._ending = True
        transport.abort()
        return True

    def leave(self) -> None:
        """The server stops: this connection ends with what is under way on it."""
        if self._heard is None:
            self._end()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def sweep(self, now: float) -> None:
        """Ends the connections of those who say or take nothing any more."""
        if self._transport is None or (self._heard is not None and not self._ending):
            return  # whoever answers it has a deadline
        waiting = self._transport.get_write_buffer_size()
        if waiting:
            if waiting != self._stuck_bytes:
                self._stuck_bytes, self._stuck_since = waiting, now
            elif now - self._stuck_since > STUCK_SECONDS:
                self.abort()
            self._since = now
        elif now - self._since > self._patience:
            # Where this process was held up, what the client has said may be there and not read yet.
            if self._warned or self._ending:
                self.abort()
            self._warned = True

    @property
    def _patience(self) -> float:
        if self._ending:
            return LINGER_SECONDS
        return KEEP_SECONDS if self._used and not self._unread else HEAD_SECONDS

    def _end(self) -> None:
        """Ends the connection after what has been written, so that it arrives."""
        assert self._transport is not None
        self._ending, self._since = True, self._front.loop.time()
        if not self.has_all or self._unread:
            self._lingering = True
            self._transport.write_eof()
            if not self._transport.is_reading():
                self._transport.resume_reading()
        else:
            self._transport.close()
