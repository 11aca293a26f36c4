"""The workshop port on processes of this machine, each a new interpreter that does one job after another.

Jobs go in pickled: they are ours. Answers come back as MessagePack, read as the type that the function says
it returns, and are never unpickled: who has handled untrusted bytes is not trusted.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast, get_type_hints

import msgspec

from hometrip.kernel.errors import Told, rebuild
from hometrip.ports.workshop import WorkRefused, WorkshopBusy

T = TypeVar("T")

MEBIBYTE = 1 << 20
# A worker has begun after 0.1 s; so long a wait means that the machine has no room for one.
START_SECONDS = 30.0
LENGTH = struct.Struct(">Q")
MOST_BYTES = 512 * MEBIBYTE
DONE, TOLD, EXHAUSTED, FAILED = b"d", b"t", b"e", b"f"


class WorkFailed(Exception):
    """The function itself is at fault: it raised what is no error of the house. The text says what."""


class ProcessWorkshop:
    """`workers` jobs at once, `waiting` more in line; `memory` bytes of address space for each worker.

    A worker that has had nothing to do for `idle` seconds ends.
    """

    def __init__(
        self, *, workers: int = 1, waiting: int = 64, memory: int = 1_536 * MEBIBYTE, idle: float = 30.0
    ) -> None:
        self._most, self._memory, self._idle = workers + waiting, memory, idle
        self._jobs = 0
        self._turns = asyncio.Semaphore(workers)
        self._resting: list[_Worker] = []

    async def run(self, function: Callable[..., T], *args: object, seconds: float = 10.0) -> T:
        if self._jobs >= self._most:
            raise WorkshopBusy(retry_after=1)
        self._jobs += 1
        try:
            job = pickle.dumps((function, args), pickle.HIGHEST_PROTOCOL)
            async with self._turns:
                return cast(T, await self._do(job, _answer_type(function), seconds))
        finally:
            self._jobs -= 1

    async def _do(self, job: bytes, answer: Any, seconds: float) -> Any:
        worker = self._resting.pop() if self._resting else None
        if worker is None or not worker.wake():
            worker = await _Worker.start(self._memory)
        try:
            async with asyncio.timeout(seconds):
                kind, body = await worker.do(job)
        except BaseException as broken:
            # Whatever it was, it is not known what the worker is doing now.
            await worker.end()
            if isinstance(broken, TimeoutError):
                raise WorkRefused("The work took too long.") from None
            if isinstance(broken, (EOFError, OSError)):
                raise WorkRefused("The work could not be finished.") from None
            raise
        if kind == EXHAUSTED:
            await worker.end()
            raise WorkRefused("The work needs too much memory.")
        self._resting.append(worker)
        worker.rest(self._idle, self._resting)
        return _answered(kind, body, answer)

    async def close(self) -> None:
        while self._resting:
            await self._resting.pop().end()


def _answer_type(function: Callable[..., Any]) -> Any:
    try:
        return get_type_hints(function).get("return", Any)
    except (TypeError, AttributeError):  # what is written in C has no hints
        return Any


def _answered(kind: bytes, body: bytes, answer: Any) -> Any:
    if kind == DONE:
        return msgspec.msgpack.decode(body, type=answer)
    if kind == TOLD:
        raise rebuild(msgspec.msgpack.decode(body, type=Told))
    raise WorkFailed(body.decode(errors="replace"))


class _Worker:
    """A process, and the ends of its pipes."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._going: asyncio.TimerHandle | None = None
        self._leaving: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, memory: int) -> _Worker:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hometrip.adapters.workshop.worker",
            str(memory),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                # Each arena reserves 64 MiB of address space, which is what is counted here.
                "MALLOC_ARENA_MAX": "1",
            },
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(START_SECONDS):
                await worker._read()
        except BaseException as broken:
            await worker.end()
            if isinstance(broken, (TimeoutError, EOFError, OSError)):
                raise WorkshopBusy("No worker could be started.", retry_after=10) from broken
            raise
        return worker

    async def do(self, job: bytes) -> tuple[bytes, bytes]:
        """What became of it, and the answer. EOFError or OSError where the worker died of it."""
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(LENGTH.pack(len(job)))
        pipe.write(job)
        await pipe.drain()
        answer = await self._read()
        return answer[:1], answer[1:]

    async def _read(self) -> bytes:
        pipe = self._process.stdout
        assert pipe is not None
        (length,) = LENGTH.unpack(await pipe.readexactly(LENGTH.size))
        if length > MOST_BYTES:
            raise EOFError("the answer is too long")
        return await pipe.readexactly(length)

    def rest(self, seconds: float, among: list[_Worker]) -> None:
        """Wait for more to do, and go home when nothing has come for so long."""

        def leave() -> None:
            among.remove(self)
            self._leaving = loop.create_task(self.end())

        loop = asyncio.get_running_loop()
        self._going = loop.call_later(seconds, leave)

    def wake(self) -> bool:
        """Back to work; False where the process has died meanwhile."""
        if self._going is not None:
            self._going.cancel()
        return self._process.returncode is None

    async def end(self) -> None:
        """It holds nothing that is worth keeping, so it is killed."""
        if self._going is not None:
            self._going.cancel()
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        # Closes the pipes now, not when the garbage is collected.
        self._process._transport.close()  # type: ignore[attr-defined]
