"""What every workshop promises: heavy work in a process of its own, that harms nobody else."""

from __future__ import annotations

import asyncio
import os
import select
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from hometrip.adapters.workshop.processes import MEBIBYTE, ProcessWorkshop, WorkFailed
from hometrip.adapters.workshop.worker import done
from hometrip.kernel.errors import Invalid
from hometrip.kernel.money import CurrencyMismatch, Money, total
from hometrip.kernel.stay import zone_of
from hometrip.ports.workshop import WorkRefused, Workshop, WorkshopBusy


def processes() -> Workshop:
    return ProcessWorkshop(workers=1, waiting=3, memory=400 * MEBIBYTE, idle=0.2)


ADAPTERS: dict[str, Callable[[], Workshop]] = {"processes": processes}


@pytest.fixture(params=ADAPTERS)
async def workshop(request: pytest.FixtureRequest) -> AsyncIterator[Workshop]:
    opened = ADAPTERS[request.param]()
    yield opened
    await opened.close()


async def test_work_is_done_in_another_process(workshop: Workshop) -> None:
    assert await workshop.run(os.getpid) != os.getpid()


async def test_an_answer_is_of_the_type_that_the_function_names(workshop: Workshop) -> None:
    assert await workshop.run(Money(100, "EUR").share, 2_500) == Money(25, "EUR")
    assert await workshop.run(bytes, 1_000) == bytes(1_000)


async def test_large_arguments_and_answers_pass(workshop: Workshop) -> None:
    content = os.urandom(8 * MEBIBYTE)
    assert await workshop.run(bytes, content) == content


async def test_an_error_of_the_house_comes_back_as_itself(workshop: Workshop) -> None:
    with pytest.raises(Invalid) as refused:
        await workshop.run(zone_of, "Mars/Olympus")
    assert refused.value.facts["errors"][0]["code"] == "unknown_time_zone"
    with pytest.raises(CurrencyMismatch):
        await workshop.run(total, [Money(1, "USD")], "EUR")


async def test_work_that_takes_too_long_is_ended_and_later_work_is_not_affected(workshop: Workshop) -> None:
    begun = time.monotonic()
    with pytest.raises(WorkRefused):
        await workshop.run(time.sleep, 60.0, seconds=0.3)
    assert time.monotonic() - begun < 10
    assert await workshop.run(len, "abc") == 3


async def test_work_that_eats_memory_is_ended_and_later_work_is_not_affected(workshop: Workshop) -> None:
    with pytest.raises(WorkRefused):
        await workshop.run(bytes, 1 << 31)
    assert await workshop.run(len, "abc") == 3


async def test_work_that_kills_its_process_is_refused_and_later_work_is_not_affected(
    workshop: Workshop,
) -> None:
    with pytest.raises(WorkRefused):
        await workshop.run(os.abort)
    assert await workshop.run(len, "abc") == 3


async def test_many_at_once_wait_their_turn(workshop: Workshop) -> None:
    answers = await asyncio.gather(*(workshop.run(divmod, n, 2) for n in range(4)))
    assert [tuple(answer) for answer in answers] == [(0, 0), (0, 1), (1, 0), (1, 1)]


async def test_more_than_may_wait_are_told_so_at_once(workshop: Workshop) -> None:
    answers = await asyncio.gather(*(workshop.run(len, "abc") for _ in range(7)), return_exceptions=True)
    assert answers[:4] == [3, 3, 3, 3]
    assert all(isinstance(answer, WorkshopBusy) for answer in answers[4:])
    assert await workshop.run(len, "abc") == 3


async def test_a_caller_who_gives_up_leaves_a_workshop_that_works(workshop: Workshop) -> None:
    waiting = asyncio.create_task(workshop.run(time.sleep, 60.0, seconds=60))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waiting, 0.5)
    assert await workshop.run(len, "abc") == 3


async def test_a_workshop_that_was_closed_opens_again(workshop: Workshop) -> None:
    assert await workshop.run(len, "abc") == 3
    await workshop.close()
    assert await workshop.run(len, "abcd") == 4


# of processes alone


async def test_a_fault_of_the_function_is_told_as_such() -> None:
    workshop = processes()
    with pytest.raises(WorkFailed, match="ZeroDivisionError"):
        await workshop.run(divmod, 1, 0)
    await workshop.close()


async def test_jobs_that_follow_each_other_share_a_worker_and_an_idle_one_ends() -> None:
    workshop = ProcessWorkshop(idle=0.1)
    first, second = await workshop.run(os.getpid), await workshop.run(os.getpid)
    assert first == second
    await asyncio.to_thread(wait_for_end, first)
    assert await workshop.run(os.getpid) != first
    await workshop.close()


async def test_no_worker_runs_before_there_is_work() -> None:
    workshop = ProcessWorkshop()
    await workshop.close()
    assert workers() == []
    await workshop.run(len, "abc")
    assert len(workers()) == 1
    await workshop.close()
    assert workers() == []


def workers() -> list[str]:
    """Worker processes of this process, whichever of its threads started them."""
    lists = Path("/proc/self/task").glob("*/children")
    children = [child for found in lists for child in found.read_text().split()]
    return [child for child in children if b"workshop.worker" in Path(f"/proc/{child}/cmdline").read_bytes()]


def wait_for_end(process: int) -> None:
    """Ten seconds at most."""
    watched = os.pidfd_open(process)
    try:
        assert select.select([watched], [], [], 10.0)[0]
    finally:
        os.close(watched)


def test_a_job_that_cannot_be_read_is_a_fault_and_not_the_end() -> None:
    assert done(b"no pickle").startswith(b"f")
