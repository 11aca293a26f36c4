"""Services that ask each other over real sockets, all in this process: each instance is a server as
`hometrip serve` makes it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from hometrip.adapters.peers.exchange import Find
from hometrip.adapters.peers.http import HttpPeers
from hometrip.adapters.registry.static import StaticRegistry
from hometrip.app.credentials import ServiceKeys, publish
from hometrip.app.edge.exchange import RingSettings, Scope
from hometrip.app.edge.ring import Ring
from hometrip.app.peering import Peering
from hometrip.app.serving.front import Front
from hometrip.app.serving.line import Line
from hometrip.kernel.deadline import seconds_left
from hometrip.kernel.events import Cause, current_cause
from hometrip.ports.peer import command
from hometrip.ports.registry import Instance
from server import free_port

# The service that asks, and the one that answers.
ASKER, OWNER = "payment", "booking"


def owner(_: type[Any]) -> str:
    return OWNER


class NoLane:
    """What other services ask goes to the application as a whole."""

    def start(self) -> None: ...
    async def stop(self) -> None: ...
    def takes(self, line: Line, scope: Scope) -> bool:
        return False


@contextlib.asynccontextmanager
async def listening(app: Any, port: int = 0) -> AsyncIterator[str]:
    """The url at which the application is served."""
    port = port or free_port()
    ring = Ring(app, settings=RingSettings(), identity=cast("Any", None), cache=cast("Any", None))
    server = Front(app, ring, NoLane(), host="127.0.0.1", port=port, leave_seconds=0)
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()
                    break
                await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()
        await serving


class Neighbours:
    """One service that asks and one that answers."""

    def __init__(self, folder: Path, find: Find, protocols: Sequence[type[Any]]):
        self.folder, self.find, self.protocols = folder, find, protocols
        publish(folder, [ASKER, OWNER])
        self.registry = StaticRegistry()
        self.asker, self.answerer = ServiceKeys(folder, ASKER), ServiceKeys(folder, OWNER)
        self.peers = self.peers_of(self.asker.token_for)

    def peers_of(self, credential: Callable[[str], str], **options: Any) -> HttpPeers:
        return HttpPeers(self.registry, credential, owner=owner, **options)

    def peering(self, **options: Any) -> Peering:
        callers = {protocol.__name__: frozenset({ASKER}) for protocol in self.protocols}
        given: dict[str, Any] = {"protocols": self.protocols, "callers": callers, "owner": owner}
        return Peering(self.find, self.answerer.sender_of, **(given | options))

    async def add(self, url: str, name: str = "") -> Instance:
        instance = Instance(OWNER, name or url, url)
        await self.registry.register(instance)
        return instance


@contextlib.asynccontextmanager
async def neighbours(
    folder: Path, find: Find, protocols: Sequence[type[Any]], **options: Any
) -> AsyncIterator[Neighbours]:
    """With one instance that answers; `options` are those of its `Peering`."""
    near = Neighbours(folder, find, protocols)
    async with listening(near.peering(**options)) as url:
        await near.add(url)
        try:
            yield near
        finally:
            await near.peers.close()


class Sums(Protocol):
    async def double(self, number: int) -> int: ...

    async def echo(self, text: str) -> int: ...

    async def seconds(self) -> float: ...

    async def cause(self) -> Cause: ...

    async def wait(self) -> int: ...

    async def fail(self) -> int: ...

    @command
    async def add(self, by: int) -> int: ...

    @command
    async def add_once(self, by: int, key: str = "") -> int: ...


class Answers:
    """One instance's: what it has answered and how often."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go_on = asyncio.Event()

    def find(self, protocol: type[Any], method: str) -> Any:
        async def answer(*args: Any) -> Any:
            self.asked.append(method)
            return await getattr(self, method)(*args)

        return answer if protocol is Sums else None

    async def double(self, number: int) -> int:
        return number * 2

    async def echo(self, text: str) -> int:
        return len(text)

    async def seconds(self) -> float:
        return seconds_left(99)

    async def cause(self) -> Cause:
        return current_cause.get()

    async def wait(self) -> int:
        await self.go_on.wait()
        return 1

    async def fail(self) -> int:
        raise ValueError("password=swordfish for postgres")

    async def add(self, by: int) -> int:
        return by

    async def add_once(self, by: int, key: str) -> int:
        return by
