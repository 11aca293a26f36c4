"""A client at the door of a house in this process: its requests are read by the server's own lines, as if
they came over a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import cast

import httpx2

from hometrip.app.serving.front import Front
from hometrip.app.serving.line import Line
from hometrip.services.gateway.rules.chunks import LAST_CHUNK, Chunks, chunk_of


class Socket:
    """The other end of a line: keeps what is written."""

    def __init__(self, address: str) -> None:
        self.address, self.heard = address, bytearray()
        self.is_closed = False

    def get_extra_info(self, name: str) -> tuple[str, int]:
        return (self.address, 5) if name == "peername" else ("127.0.0.1", 3001)

    def write(self, data: bytes) -> None:
        self.heard += data

    def close(self) -> None:
        self.is_closed = True

    abort = write_eof = close

    def is_reading(self) -> bool:
        return True

    def set_write_buffer_limits(self, high: int) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class AnsweredLine(Line):
    """Tells when a request has been answered."""

    def __init__(self, front: Front) -> None:
        super().__init__(front)
        self.answered = asyncio.Event()

    def over(self) -> None:
        super().over()
        self.answered.set()


class Doorstep(httpx2.AsyncBaseTransport):
    """Each request has a connection of its own, from `address`."""

    def __init__(self, front: Front, address: str = "127.0.0.1") -> None:
        self._front, self._address = front, address

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        socket, line = Socket(self._address), AnsweredLine(self._front)
        line.connection_made(cast("asyncio.Transport", socket))
        try:
            await self._ask(line, request)
            await line.answered.wait()
        finally:
            line.connection_lost(None)
        return _answer_in(bytes(socket.heard), bare=request.method == "HEAD")

    async def _ask(self, line: Line, request: httpx2.Request) -> None:
        path = request.url.raw_path
        lines = [b"%b %b HTTP/1.1" % (request.method.encode(), path)]
        lines += [b"%b: %b" % pair for pair in request.headers.raw]
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        in_chunks = "transfer-encoding" in request.headers
        parts = [part async for part in cast("AsyncIterator[bytes]", request.stream) if part]
        if in_chunks:
            parts = [*map(chunk_of, parts), LAST_CHUNK]
        # What is short comes at once, as from a real client.
        if len(parts) == 1:
            head, parts = head + parts[0], []
        line.data_received(head)
        for part in parts:
            await asyncio.sleep(0)
            line.data_received(part)


def _answer_in(data: bytes, *, bare: bool) -> httpx2.Response:
    while True:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *told = head.split(b"\r\n")
        status = int(first.split()[1])
        if status >= 200:
            break
    headers = [(name, value.strip()) for name, _, value in (each.partition(b":") for each in told)]
    named = dict(headers)
    if named.get(b"transfer-encoding") == b"chunked" and not bare:
        data = b"".join(Chunks().read(data)[0])
    elif not bare and status not in (204, 304):
        assert len(data) == int(named[b"content-length"]), "the answer is not as long as it says"
    return httpx2.Response(status, headers=headers, content=data)


@contextlib.asynccontextmanager
async def doorstep(front: Front, address: str = "127.0.0.1") -> AsyncIterator[httpx2.AsyncClient]:
    front.lane.start()
    try:
        transport = Doorstep(front, address)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:3001") as client:
            yield client
    finally:
        await front.lane.stop()
