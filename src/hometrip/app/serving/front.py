"""The server of every process: HTTP/1.1 on a port, for an application in ASGI with a short way through it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import socket
from collections.abc import Callable
from typing import Any, Protocol

from hometrip.app.edge.exchange import App, Scope
from hometrip.app.edge.ring import Ring
from hometrip.app.serving.line import Line
from hometrip.app.serving.shares import Shares
from hometrip.kernel.errors import HomeTripError

log = logging.getLogger("hometrip.front")

BACKLOG = 2048
# So many connections are taken in a round of the event loop. Left to the loop it would be one, and of a crowd
# that comes at once the last would wait for as many rounds, while who is in is served again and again.
A_ROUND = 128
SWEEP_SECONDS = 1.0
# Of several processes at one socket, who is ahead leaves it to the others for so long: else the first to wake
# takes all of a crowd.
OTHERS_SECONDS = 0.001
# How soon it is tried again to pass on a connection on which earlier answers are still being written.
AGAIN_SECONDS = 0.005
# A connection on which nothing is under way is left open for so long after a stop: what its client is sending
# just then is still answered.
LEAVE_SECONDS = 2.0


class Way(Protocol):
    """To another process of the house, that `answers` some requests instead of this one."""

    def answers(self, scope: Scope) -> bool: ...

    def give(self, connection: int, heard: bytes) -> None:
        """The connection by the number of its file, which is its to close; what was read of a request."""


class Elsewhere(Way, Protocol):
    """The same, for whatever connection."""

    def returns_to(self, adopt: Callable[[socket.socket, bytes], None]) -> None:
        """What comes back from there goes to `adopt`."""


class Lane(Protocol):
    """A short way for the common request. `takes` tells whether it sees to one; `line.over` follows."""

    def start(self) -> None: ...
    async def stop(self) -> None: ...
    def takes(self, line: Line, scope: Scope) -> bool: ...


class Front:
    """`serve` until `stop`: then nothing new is taken, and what is under way is answered.

    Every request goes to `lane`, which takes those that it can; the others go to `app`, a task each, or with
    their connections `elsewhere`: to another process, which `adopt`s them.
    """

    def __init__(
        self,
        app: App,
        ring: Ring,
        lane: Lane,
        *,
        host: str = "",
        port: int = 0,
        sock: socket.socket | None = None,
        leave_seconds: float = LEAVE_SECONDS,
        elsewhere: Elsewhere | None = None,
        shares: Shares | None = None,
    ) -> None:
        """With `sock`, on that socket, which is bound already; `shares` tells what the others have who listen
        there as well. `ring` is the one in `app` and lane.
        """
        self._app, self._ring = app, ring
        self._place: dict[str, Any] = {"sock": sock} if sock else {"host": host, "port": port}
        self.lane = lane
        self._leave_seconds = leave_seconds
        # Those that it listens on, once it does.
        self.ports: list[int] = []
        self._shares = shares
        self._elsewhere, self.passes_on = elsewhere, elsewhere is not None
        if elsewhere is not None:
            elsewhere.returns_to(self.adopt)
        self._lines: set[Line] = set()
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        # What is begun from within a connection's callbacks is begun in no request's name.
        self.context = contextvars.copy_context()
        self.loop = asyncio.get_running_loop()

    async def serve(self) -> None:
        bound = await self.loop.create_server(lambda: Line(self), start_serving=False, **self._place)
        doors = [one.dup() for one in bound.sockets]
        for door in doors:
            door.setblocking(False)
            door.listen(BACKLOG)
            self._listen(door)
        if self._shares:
            self._shares.join()
        self.lane.start()
        self.ports = [door.getsockname()[1] for door in doors]
        sweeping = asyncio.create_task(self._sweep(), name="front sweep")
        try:
            await self._stopping.wait()
            self._shut(bound, doors)
            await self._leave()
            while self._ring.busy or self._tasks:  # noqa: ASYNC110 - once, at the end
                await asyncio.sleep(0.02)
        finally:
            self._shut(bound, doors)
            sweeping.cancel()
            await asyncio.gather(sweeping, self.lane.stop(), return_exceptions=True)
            for line in list(self._lines):
                line.abort()

    def stop(self) -> None:
        self._stopping.set()

    def _shut(self, bound: asyncio.Server, doors: list[socket.socket]) -> None:
        if self._shares:
            self._shares.leave()
        while doors:
            self.loop.remove_reader(door := doors.pop())
            door.close()
        bound.close()

    def _listen(self, door: socket.socket) -> None:
        if door.fileno() >= 0:  # it may have been shut meanwhile
            self.loop.add_reader(door, self._accept, door)

    def _accept(self, door: socket.socket) -> None:
        shares = self._shares
        for _ in range(min(A_ROUND, shares.room) if shares else A_ROUND):
            try:
                connection, _ = door.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as reason:
                # Most likely there are no files left to open: those that wait are tried again later.
                log.error("a connection cannot be taken", exc_info=reason)
                self.loop.remove_reader(door)
                self.loop.call_later(SWEEP_SECONDS, self._listen, door)
                return
            self.adopt(connection)
        if shares and shares.ahead > 0:
            self.loop.remove_reader(door)
            self.loop.call_later(OTHERS_SECONDS, self._listen, door)

    def adopt(self, connection: socket.socket, heard: bytes = b"", back: Way | None = None) -> None:
        """Answer on this connection, of which so much has been read already, until it goes `back`."""
        if self._shares:
            self._shares.add(1)
        connection.setblocking(False)
        work = self._connect(connection, lambda: Line(self, heard, back))
        task = self.loop.create_task(work, context=self.context.copy())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: socket.socket, line: Callable[[], Line]) -> None:
        try:
            await self.loop.connect_accepted_socket(line, connection)
        except OSError:
            connection.close()  # it is gone already
            self._let_go()

    def _let_go(self) -> None:
        if self._shares:
            self._shares.add(-1)

    # what the lines tell

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def opened(self, line: Line) -> None:
        self._lines.add(line)

    def lost(self, line: Line) -> None:
        self._lines.discard(line)
        self._let_go()

    def take(self, line: Line, scope: Scope) -> None:
        """A request has come. `line.over` follows in any case, or the line is another process's."""
        if line.back is not None and line.back.answers(scope):
            self._give_away(line, line.back)
            return
        if self.lane.takes(line, scope):
            return
        if self._elsewhere is not None and self._elsewhere.answers(scope):
            self._give_away(line, self._elsewhere)
        else:
            task = self.loop.create_task(self._run(line, scope), context=self.context.copy())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _give_away(self, line: Line, way: Way) -> None:
        if not line.give_away(way.give):
            self.loop.call_later(AGAIN_SECONDS, self._give_away, line, way)

    def refuse(self, line: Line, scope: Scope, error: HomeTripError) -> None:
        """What came is no request."""
        exchange = self._ring.open(scope, line.send)
        line.answer(*exchange.whole(*exchange.refusal(error)))
        self._ring.close(exchange)

    async def _run(self, line: Line, scope: Scope) -> None:
        try:
            await self._app(scope, line.receive, line.send)
        except Exception as error:
            log.error("a request was left without an answer", exc_info=error)
        finally:
            line.over()

    async def _leave(self) -> None:
        """Every answer is the last of its connection now; who asks nothing more is left after a while."""
        until = self.loop.time() + self._leave_seconds
        while self._lines and self.loop.time() < until:  # noqa: ASYNC110 - once, at the end
            await asyncio.sleep(0.02)
        for line in list(self._lines):
            line.leave()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = self.loop.time()
            for line in list(self._lines):
                line.sweep(now)
