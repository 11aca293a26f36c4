"""What the machine is, and what processes use of it, as Linux tells it in /proc."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# At rest: for so many seconds so much of all cores is idle. How long that is waited for.
LOOK, IDLE, PATIENCE = 0.5, 0.9, 60.0
LIBRARIES = ("granian", "litestar", "msgspec", "sqlalchemy", "tantivy", "uvloop")


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in (PROC / str(parent) / "task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_seconds(pid: int) -> float:
    """What a process and all below it have used, those that have ended included."""
    ticks = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            fields = (PROC / str(each) / "stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(fields[at]) for at in (11, 12, 13, 14))
    return ticks / _TICKS


def resident_mb(pid: int) -> float:
    """The memory of a process and all below it; pages that they share are counted for each of them."""
    pages = 0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            pages += int((PROC / str(each) / "statm").read_text().split()[1])
    return round(pages * _PAGE / 1e6, 1)


def idle_seconds() -> float:
    """Of all cores together, since the machine was started."""
    fields = (PROC / "stat").read_text().split(maxsplit=6)
    return (int(fields[4]) + int(fields[5])) / _TICKS


async def rest() -> None:
    """Waits until what a load has left for later is done: it would be counted to whoever is measured next."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        idle, began = idle_seconds(), time.monotonic()
        await asyncio.sleep(LOOK)
        if idle_seconds() - idle > IDLE * (os.cpu_count() or 1) * (time.monotonic() - began):
            return


class Peak:
    """The most memory that was seen."""

    mb = 0.0


@contextlib.asynccontextmanager
async def watched(pid: int) -> AsyncIterator[Peak]:
    """Looks at the memory of a process tree four times a second."""
    peak = Peak()

    async def look() -> None:
        while True:
            peak.mb = max(peak.mb, resident_mb(pid))
            await asyncio.sleep(0.25)

    looking = asyncio.create_task(look())
    try:
        yield peak
    finally:
        looking.cancel()


def describe() -> dict[str, Any]:
    return {
        "cpu": _of_file("cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_mb": round(int(_of_file("meminfo", "MemTotal").split()[0]) / 1024),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": [round(part, 2) for part in os.getloadavg()],
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "libraries": {name: version(name) for name in LIBRARIES},
        "commit": commit(),
    }


def _of_file(name: str, key: str) -> str:
    for line in (PROC / name).read_text().splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return "unknown"


def commit() -> str:
    """With a `+` where the code differs from it."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=here, capture_output=True, text=True, check=False
        ).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/src")
    return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "") or "unknown"
