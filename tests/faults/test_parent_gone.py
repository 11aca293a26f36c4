"""What becomes of a service's processes when one of them is killed, and when the one that keeps them is."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from os import kill
from pathlib import Path

import httpx2
import pytest

from app.waiting import until
from faults.falling import processes_of
from server import Server, free_port
from split_house import engines, without_queues

pytestmark = pytest.mark.slow


class Workers(Server):
    """Two doors of a house whose services do not run: they answer, and are not ready."""

    verb = ("serve", "gateway", "--workers", "2")


async def test_a_process_that_falls_is_started_again_and_those_whose_parent_is_killed_stop_by_themselves(
    tmp_path: Path,
) -> None:
    environment = engines(name := f"gone{free_port()}", "postgres") | {"HOMETRIP_REGISTRY_URL": "static:"}
    workers = Workers(tmp_path / "data", **environment)
    starting = asyncio.create_task(workers.start(within=60))

    async def answers() -> bool:
        with contextlib.suppress(httpx2.TransportError):
            return (await client.get("/health")).status_code == 200
        return False

    try:
        async with httpx2.AsyncClient(base_url=workers.url) as client:
            await until(answers, within=60)
        children = processes_of(workers)
        assert [*children.values()] == ["gateway", "gateway"]
        first = next(iter(children))
        kill(first, signal.SIGKILL)
        await until(lambda: len(processes_of(workers)) == 2 and first not in processes_of(workers), within=20)
        await until(lambda: "a process fell; it is started again" in workers.log.read_text(), within=5)
        children = processes_of(workers)
        starting.cancel()
        workers.kill()
        await until(lambda: not any(Path(f"/proc/{child}").exists() for child in children), within=20)
    finally:
        starting.cancel()
        workers.end()
        without_queues(name)
