"""A process of this house that another one starts, keeps running and stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

log = logging.getLogger("hometrip.processes")

COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
# A process that falls is started again after a pause that doubles, up to the last, while it keeps falling.
FIRST_PAUSE, LAST_PAUSE, STEADY_SECONDS = 0.2, 10.0, 30.0
READY_LINE = b"HomeTrip is ready"


class Child(ABC):
    """One process: started, its lines passed on under its name, started again when it falls."""

    def __init__(self, name: str, environment: Mapping[str, str], colour: int) -> None:
        self.name, self._environment = name, environment
        shown = f"{name:15}|"
        self._head = f"\x1b[{colour}m{shown}\x1b[0m " if sys.stderr.isatty() else f"{shown} "
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._stopping = False
        self.is_ready = asyncio.Event()

    @abstractmethod
    def _words(self) -> tuple[list[str], Iterable[int]]:
        """What follows `hometrip` on its command line, and the files that it inherits."""

    async def _begun(self) -> None:
        """It runs, and has what it inherits."""
        return

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        self._keeping = asyncio.create_task(self._keep(), name=self.name)
        self._keeping.add_done_callback(self._kept)

    async def stop(self, within: float) -> None:
        """Ask it to drain; after `within` seconds it is ended."""
        self._stopping = True
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), within)
            except TimeoutError:
                log.warning("did not stop in time", extra={"child": self.name})
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
        if self._keeping:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping:
            began = time.monotonic()
            code = await self._run()
            if self._stopping:
                return
            if time.monotonic() - began > STEADY_SECONDS:
                pause = FIRST_PAUSE
            log.error(
                "a process fell; it is started again",
                extra={"child": self.name, "code": code, "in_seconds": pause},
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE)

    def _kept(self, keeping: asyncio.Task[None]) -> None:
        if not keeping.cancelled() and (error := keeping.exception()):
            log.error("a process is kept no longer", extra={"child": self.name}, exc_info=error)

    async def _run(self) -> int:
        self.is_ready.clear()
        words, inherited = self._words()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hometrip",
            *words,
            pass_fds=tuple(inherited),
            env=dict(self._environment),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=1 << 20,
        )
        await self._begun()
        assert self._process.stdout
        while line := await self._line(self._process.stdout):
            if line.startswith(READY_LINE):
                self.is_ready.set()
            sys.stderr.write(self._head + line.decode("utf-8", "replace"))
        return await self._process.wait()

    @staticmethod
    async def _line(stream: asyncio.StreamReader) -> bytes:
        """The next line; of one that is far too long, a part."""
        try:
            return await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as end:
            return end.partial
        except asyncio.LimitOverrunError as long:
            return await stream.readexactly(long.consumed) + b"\n"
