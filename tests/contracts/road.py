"""A road to an engine that can be closed, cut, stalled and spoilt: what a network does to a connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable


class Road:
    """Leads from `port` on loopback to an engine. What is done to it holds for old and new connections."""

    def __init__(self, host: str, to: int) -> None:
        self._host, self._to = host, to
        self._server: asyncio.Server | None = None
        self._ways: set[asyncio.Task[None]] = set()
        self._free = asyncio.Event()
        self._free.set()
        self.port = 0
        # What becomes of the engine's words.
        self.spoil: Callable[[bytes], bytes] = bytes
        # Bytes go one by one, with a pause between them.
        self.trickles = False
        # What the engine says comes so many seconds later.
        self.late = 0.0

    async def open(self) -> None:
        """Where it was closed, on the same port again."""
        self._server = await asyncio.start_server(self._walk, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse connections, and end those there are."""
        if self._server:
            self._server.close()
            self._server = None
        await self.cut()

    async def cut(self) -> None:
        """End the connections there are; new ones are welcome."""
        ways = list(self._ways)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    def stall(self) -> None:
        """Connections are taken, and nothing goes through."""
        self._free.clear()

    def flow(self) -> None:
        self._free.set()
        self.spoil, self.trickles, self.late = bytes, False, 0.0

    async def break_again_and_again(self, pause: float) -> None:
        """End every connection each `pause` seconds, until cancelled."""
        while True:
            await self.cut()
            await asyncio.sleep(pause)

    @property
    def ways(self) -> int:
        """How many connections there are."""
        return len(self._ways)

    async def _walk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = asyncio.current_task()
        assert way is not None
        self._ways.add(way)
        there: asyncio.StreamWriter | None = None
        try:
            back, there = await asyncio.open_connection(self._host, self._to)
            carrying = [
                asyncio.ensure_future(self._carry(reader, there)),
                asyncio.ensure_future(self._carry(back, writer, answers=True)),
            ]
            try:
                await asyncio.wait(carrying, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in carrying:
                    each.cancel()
                await asyncio.gather(*carrying, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # a road that ends is what this is for
        finally:
            self._ways.discard(way)
            for side in (writer, there):
                if side is not None:
                    side.transport.abort()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool = False
    ) -> None:
        while data := await reader.read(65536):
            await self._free.wait()
            if answers and self.late:
                await asyncio.sleep(self.late)
            if not answers:
                writer.write(data)
            elif not self.trickles:
                writer.write(self.spoil(data))
            else:
                for one in data:
                    writer.write(bytes([one]))
                    await asyncio.sleep(0.2)
            await writer.drain()


@contextlib.asynccontextmanager
async def road_to(host: str, port: int) -> AsyncIterator[Road]:
    road = Road(host, port)
    await road.open()
    try:
        yield road
    finally:
        await road.close()
