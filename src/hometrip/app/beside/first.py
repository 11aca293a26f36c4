"""The first process of a house, as those beside it see it: it starts them, and is asked by them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterable
from datetime import timedelta

from hometrip.adapters.cache.cable import Lending
from hometrip.adapters.search.cable import lend
from hometrip.adapters.traces.cable import keep_told
from hometrip.app.beside.cable import Cable
from hometrip.app.beside.passing import Passage
from hometrip.app.child import COLOURS, Child
from hometrip.app.edge.exchange import Scope
from hometrip.app.edge.routes import anywhere_of
from hometrip.app.edge.straight import Straight
from hometrip.app.opening import Open
from hometrip.app.serving.front import Front
from hometrip.kernel.errors import Unavailable
from hometrip.ports.cache import Cache
from hometrip.ports.search import Search
from hometrip.ports.traces import Traces

STOP_SECONDS = 8.0

# After so many requests in a row that it answers as well, a connection goes back to where it came from.
IN_A_ROW = 2


class Beside:
    """The processes beside the one that runs a house, all of them on its port's socket. `start`, `stop`.
    `front` goes on with the connections that they do not answer.

    They keep the limits and hear the announcements of the house's cache, tell of the events that they have
    written down, and of their steps of traces; their clocks are moved and their counts are read with its own.
    """

    def __init__(self, opened: Open, front: Front, counts: int) -> None:
        """`counts` is the memory of their shares of the port's connections."""
        assert opened.sock
        assert opened.shares
        self.house, self.front, self.shares = opened.house, front, opened.shares
        self.files = opened.sock.fileno(), counts
        house = self.house
        self.anywhere = anywhere_of(house)
        self._lending = Lending(house.shared[Cache])
        self.children = [Second(self, number) for number in range(1, house.settings.processes)]
        house.here.moving.append(self._move)
        house.counted_beside = self._counted

    def start(self) -> None:
        for child in self.children:
            child.start()

    async def stop(self) -> None:
        await asyncio.gather(*(child.stop(STOP_SECONDS) for child in self.children))

    def heed(self, cable: Cable) -> None:
        """What is said on this cable."""
        house = self.house
        self._lending.to(cable)
        lend(house.shared[Search], cable)
        cable.on("news", self._news)
        keep_told(house.shared[Traces], cable)

    def _news(self, service: str) -> None:
        storage = self.house.rooms[service].storage
        assert storage is not None
        storage.hear_of_unsent()

    async def _move(self, shift: timedelta) -> None:
        """One that is just beginning may have read the time already: it is waited for."""
        for child in self.children:
            with contextlib.suppress(Unavailable):  # it is gone, and will read the time when it begins again
                if child.cable:
                    await child.cable.call("clock", shift.total_seconds())

    async def _counted(self) -> list[bytes]:
        told = []
        for child in self.children:
            with contextlib.suppress(Unavailable):
                if child.cable and child.is_ready.is_set():
                    told.append(await child.cable.call("metrics"))
        return told


class Second(Child):
    """One of those beside, with our ends of what is between it and us."""

    def __init__(self, beside: Beside, number: int) -> None:
        environment = dict(os.environ)
        super().__init__(f"beside.{number}", environment, COLOURS[number % len(COLOURS)])
        self._beside, self._place = beside, number
        self.cable: Cable | None = None
        self._passage: Passage | None = None
        self._ends: list[socket.socket] = []

    def _words(self) -> tuple[list[str], Iterable[int]]:
        cable, theirs = socket.socketpair()
        passing, theirs_too = socket.socketpair()
        self._ends = [theirs, theirs_too]
        self.cable = Cable(cable)
        self._beside.heed(self.cable)
        self._passage = Passage(passing)
        self._passage.returns_to(self._adopt)
        settings = self._beside.house.settings
        words = ["beside", "--place", str(self._place), "--data", str(settings.data), "--host", settings.host]
        words += ["--port", str(settings.port), "--under", str(os.getpid())]
        files = [*self._beside.files, theirs.fileno(), theirs_too.fileno()]
        return [*words, *map(str, files)], files

    async def _begun(self) -> None:
        self._let_go()
        assert self.cable is not None
        await self.cable.open()

    async def _run(self) -> int:
        try:
            return await super()._run()
        finally:
            self._beside.shares.leave(self._place)
            self._let_go()
            if self.cable:
                await self.cable.close()
            if self._passage:
                self._passage.close()

    def _let_go(self) -> None:
        """Of the ends that are the other process's."""
        while self._ends:
            self._ends.pop().close()

    def _adopt(self, connection: socket.socket, heard: bytes) -> None:
        assert self._passage is not None
        self._beside.front.adopt(connection, heard, Back(self._beside.anywhere, self._passage))


class Back:
    """The way back of one connection to the process that has passed it on."""

    def __init__(self, anywhere: Straight, passage: Passage) -> None:
        self._anywhere, self._passage, self._row = anywhere, passage, 0

    def answers(self, scope: Scope) -> bool:
        fits = not self._passage.is_gone and self._anywhere.find(scope) is not None
        self._row = self._row + 1 if fits else 0
        return self._row >= IN_A_ROW

    def give(self, connection: int, heard: bytes) -> None:
        self._passage.give(connection, heard)
