"""T20: every service is replaced by a new process under a small constant load, and nobody notices."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from faults.falling import Town, processes_of
from split_house import Processes, SplitHouse, house_of

pytestmark = [pytest.mark.split, pytest.mark.full, pytest.mark.timeout(400)]


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    started = Processes(
        "postgres", "--copies", "booking=2", "--copies", "listing=2", HOMETRIP_LOG_LEVEL="info"
    )
    try:
        await started.start()
        yield started
    finally:
        started.end()


@pytest.fixture
async def house(processes: Processes) -> AsyncIterator[SplitHouse]:
    async with house_of(processes) as opened:
        yield opened


async def test_while_every_process_is_replaced_no_request_fails(
    house: SplitHouse, processes: Processes
) -> None:
    town = await Town.of(house)
    async with town.busy():
        await town.each_once_more()
        before = processes_of(processes.server)
        assert processes.server.process
        processes.server.process.send_signal(signal.SIGHUP)
        while "every process was replaced" not in processes.server.log.read_text():  # noqa: ASYNC110 - a log
            await asyncio.sleep(0.1)
        await town.each_once_more()
    after = processes_of(processes.server)
    assert before.keys().isdisjoint(after)
    assert sorted(before.values()) == sorted(after.values())
    assert [(name, one) for name, one in town.since(0) if one.fits != "works"] == []
    async with asyncio.timeout(10):
        await town.confirmed()
