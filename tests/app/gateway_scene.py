"""A gateway on a real server, before backends that a test scripts byte by byte on raw sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from app.waiting import until
from harness import TestHouse, house_in
from hometrip.adapters.registry.static import StaticRegistry
from hometrip.app.edge.meter import Meter
from hometrip.app.edge.ring import Ring
from hometrip.app.edge.routes import litestar_of, ring_of
from hometrip.app.gateway.forward import Forward
from hometrip.app.gateway.lane import ForwardLane
from hometrip.app.serving.front import Front
from hometrip.ports.registry import Instance
from server import free_port

Answering = Callable[["Call"], Awaitable[None]]


class Call:
    """One request as a backend got it, and the connection to answer it on."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head, self.reader, self.writer = head, reader, writer

    @property
    def line(self) -> bytes:
        return self.head.split(b"\r\n", 1)[0]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.rstrip(b"\r\n").split(b"\r\n")[1:]
        return [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]

    def header(self, wanted: bytes) -> list[bytes]:
        return [value for name, value in self.headers if name == wanted]

    async def body(self) -> bytes:
        """All of it, by the framing that the gateway chose."""
        if length := self.header(b"content-length"):
            return await self.reader.readexactly(int(length[0]))
        found = b""
        if self.header(b"transfer-encoding"):
            while size := int(await self.reader.readline(), 16):
                found += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
        return found

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, body: bytes = b"{}", *headers: bytes, status: bytes = b"200 OK") -> None:
        """Read the body, then answer with this one."""
        await self.body()
        lines = [b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *headers]
        if not any(line.lower().startswith(b"content-type") for line in headers):
            lines.append(b"content-type: application/json")
        await self.say(b"\r\n".join(lines) + b"\r\n\r\n" + (b"" if self.line.startswith(b"HEAD") else body))

    def cut(self) -> None:
        self.writer.transport.abort()


async def ok(call: Call) -> None:
    await call.answer()


class Backend:
    """`calls` are all requests that came; `answering` says what happens to the next."""

    def __init__(self, service: str, name: str) -> None:
        self.answering: Answering = ok
        self.calls: list[Call] = []
        self.connections = 0
        self._service, self._name = service, name
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def instance(self) -> Instance:
        return Instance(self._service, self._name, f"http://127.0.0.1:{self.port}")

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Nobody listens any more, and every connection is cut."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def drop_connections(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                call = Call(head, reader, writer)
                self.calls.append(call)
                await self.answering(call)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()


class Gate:
    """The gateway with its address, its registry and the backends behind it."""

    def __init__(self, house: TestHouse, forward: Forward, ring: Ring, front: Front, port: int) -> None:
        self.house, self.forward, self.ring, self.front, self.port = house, forward, ring, front, port
        self.registry: StaticRegistry = forward._targets._registry  # type: ignore[assignment]
        self._backends: list[Backend] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def backend(self, service: str = "listing", answering: Answering = ok) -> Backend:
        backend = Backend(service, f"{service}-{len(self._backends)}-{free_port()}")
        backend.answering = answering
        await backend.start()
        self._backends.append(backend)
        await self.registry.register(backend.instance)
        return backend

    async def clear(self) -> None:
        """As if nothing had ever been behind it."""
        for backend in self._backends:
            await self.registry.leave(backend.instance)
            await backend.stop()
        self._backends.clear()
        await self.forward.close()
        self.forward._memory._kept.clear()

    async def raw(self, sent: bytes, *, within: float = 5, end: bytes = b"") -> bytes:
        """What comes back for these very bytes until the connection ends, or until `end` has come."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        found = b""
        try:
            async with asyncio.timeout(within):
                while data := await reader.read(65_536):
                    found += data
                    if end and end in found:
                        break
        finally:
            writer.transport.abort()
        return found


async def ask(gate: Gate, line: str, *headers: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """One request over a connection of its own: status, headers, body."""
    lines = [f"{line} HTTP/1.1", "Host: gateway", "Connection: close", *headers]
    data = await gate.raw("\r\n".join([*lines, "", ""]).encode() + body)
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *told = head.decode("latin-1").split("\r\n")
    named = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in told)}
    return int(first.split()[1]), named, rest


@contextlib.asynccontextmanager
async def serving(server: Front, port: int) -> AsyncIterator[None]:
    """As `app/run.py` serves it."""
    serving = asyncio.create_task(server.serve())

    async def answers() -> bool:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        return False

    await until(answers)
    try:
        yield
    finally:
        server.stop()
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(serving, 5)


@contextlib.asynccontextmanager
async def gate_in(folder: Path, **changes: Any) -> AsyncIterator[Gate]:
    """`changes` are those of the ring's settings."""
    async with house_in(folder) as house:
        known: Any = house.opened.ring
        settings = msgspec.structs.replace(
            known.settings, cors_origins=frozenset({b"https://pages.test"}), **changes
        )
        forward = Forward(
            litestar_of(house.house),
            StaticRegistry(),
            lambda service: f"token-for-{service}",
            clock=house.clock,
            sandbox=True,
        )
        meter = Meter(known._cache)
        ring = ring_of(house.house, known._identity, forward, meter)
        ring.settings = settings
        port = free_port()
        front = Front(ring, ring, ForwardLane(ring, forward), host="127.0.0.1", port=port)
        try:
            async with serving(front, port):
                gate = Gate(house, forward, ring, front, port)
                yield gate
                await gate.clear()
        finally:
            await meter.close()
            await forward.close()
