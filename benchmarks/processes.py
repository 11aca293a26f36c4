"""The processes of a run: HomeTrip, what it is measured against, and the load generator beside them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.machine import cpu_seconds, watched
from benchmarks.wire import Lines, request

HOMETRIP = Path(sys.executable).with_name("hometrip")
ROOT = Path(__file__).parents[1]
START_WITHIN = 300.0


class Failed(Exception):
    """A process of the run did not do what it should."""


class Served(msgspec.Struct, frozen=True):
    """A server that answers. `ready_seconds` is from the start of its process to the first 200."""

    port: int
    pid: int
    ready_seconds: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def hometrip(
    data: Path, *options: str, settings: Mapping[str, str] | None = None, several: int = 1
) -> AsyncIterator[Served]:
    """`hometrip up`, as so many processes; its log goes to a file beside its data."""
    port, log = free_port(), data.parent / "hometrip.log"
    command = [str(HOMETRIP), "up", "--data", str(data), "--port", str(port), *options]
    command += ["--processes", str(several)] if several > 1 else []
    async with serving(command, port, "/ready", log, settings) as served:
        while log.read_text(errors="replace").count("HomeTrip is ready beside") < several - 1:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        yield served


@contextlib.asynccontextmanager
async def raw_granian(size: int, folder: Path) -> AsyncIterator[Served]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.raw_granian", "--port", str(port), "--size", str(size)]
    async with serving(command, port, "/", folder / "granian.log") as served:
        yield served


@contextlib.asynccontextmanager
async def serving(
    command: Sequence[str], port: int, path: str, log: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Served]:
    """A process that is there once `path` answers 200, and ended after the block; `settings` are added to its
    environment.
    """
    begun = time.monotonic()
    with log.open("ab") as out:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=out, stderr=out, cwd=ROOT, env=_environment() | dict(settings or {})
        )
    try:
        if not await _answers(process, port, path):
            raise Failed(f"no 200 from {path}; the end of its log:\n" + _end_of(log))
        yield Served(port, process.pid, round(time.monotonic() - begun, 3))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 40)
        except TimeoutError:
            process.kill()
            await process.wait()


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOMETRIP_")}
    return kept | {"HOMETRIP_LIMITS": "off", "PYTHONUNBUFFERED": "1"}


async def _answers(process: asyncio.subprocess.Process, port: int, path: str) -> bool:
    """Asks every 10 ms, over a new connection each time, until there is a 200."""
    deadline = time.monotonic() + START_WITHIN
    while process.returncode is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
            if await _status(port, path) == 200:
                return True
        await asyncio.sleep(0.01)
    return False


async def _status(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request("GET", path))
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head[9:12])
    finally:
        writer.close()


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def lines_to(served: Served, size: int = 8) -> Lines:
    return Lines("127.0.0.1", served.port, size)


async def load(
    served: Served, job: msgspec.Struct, generator: str = "benchmarks.generator"
) -> dict[str, Any]:
    """What the generator reports, and beside it what the server used of CPU and memory meanwhile."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        generator,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        limit=2**24,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(job))
    process.stdin.close()
    await _expect(process.stdout, b"begin")
    async with watched(served.pid) as peak:
        before = cpu_seconds(served.pid)
        await _expect(process.stdout, b"end")
        cpu = cpu_seconds(served.pid) - before
    found: dict[str, Any] = msgspec.json.decode(await process.stdout.readline())
    await process.wait()
    thousands = max(found["answered"], 1) / 1000
    return found | {
        "server_cpu_seconds": round(cpu, 3),
        "server_cpu_per_1000": round(cpu / thousands, 3),
        "generator_cpu_per_1000": round(found["generator_cpu_seconds"] / thousands, 3),
        "peak_memory_mb": peak.mb,
    }


async def _expect(stdout: asyncio.StreamReader, word: bytes) -> None:
    said = (await stdout.readline()).strip()
    if said != word:
        raise Failed(f"the load generator said {said!r} instead of {word!r}")


async def raw_sqlite(folder: Path, seconds: float, group: int) -> dict[str, Any]:
    options = ["--seconds", str(seconds), "--group", str(group)]
    said = await output(sys.executable, "-m", "benchmarks.raw_sqlite", str(folder), *options)
    found: dict[str, Any] = msgspec.json.decode(said[1])
    return found


async def verify(data: Path, settings: Mapping[str, str] | None = None) -> tuple[bool, str]:
    """`hometrip verify`: whether every invariant holds, and its lines."""
    code, said = await output(str(HOMETRIP), "verify", "--data", str(data), settings=settings)
    return code == 0, said.decode() or f"nothing; it ended with exit code {code}"


async def output(*command: str, settings: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """What a command prints, and its exit code."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, cwd=ROOT, env=_environment() | dict(settings or {})
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said
