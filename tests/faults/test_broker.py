"""The broker dies, a consumer dies between effect and acknowledgement, an event is poison: none lost, none
twice in effect, order kept within a subject.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from engines import NOT_INSTALLED, SCRIPT
from faults.broker_consumer import PATIENCE
from figures import Figure
from hometrip.adapters.bus.rabbitmq import RabbitBus
from hometrip.adapters.clock.system import SystemClock
from hometrip.kernel.clock import utc
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.events import Envelope
from vhosts import vhost

SET = f"broker-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
SUBJECTS, POISONED = 200, 5
TESTS = Path(__file__).parents[1]


async def engine(command: str) -> str:
    """A broker of this test's own: others must not fall with it."""
    done = await asyncio.to_thread(
        subprocess.run,
        [SCRIPT, command, "--set", SET, "rabbitmq"],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode == NOT_INSTALLED and not os.environ.get("CI"):
        pytest.skip("rabbitmq is not installed: scripts/engines get rabbitmq")
    assert done.returncode == 0, done.stderr
    return done.stdout


async def end_and_start() -> None:
    await engine("kill")
    await engine("start")


@pytest.fixture
async def url() -> AsyncIterator[str]:
    settings = dict(line.split("=", 1) for line in (await engine("start")).splitlines())
    try:
        with vhost(settings) as own:
            yield own.url
    finally:
        await engine("stop")


class Copy:
    """A process that consumes; one that dies is started again."""

    def __init__(self, url: str, file: Path, die_after: int = 0) -> None:
        self._command = [sys.executable, str(TESTS / "faults" / "broker_consumer.py"), url, str(file)]
        self._environment = os.environ | {"PYTHONPATH": f"{TESTS.parent / 'src'}:{TESTS}"}
        self.deaths = 0
        self._start(die_after)

    def _start(self, die_after: int) -> None:
        self._process = subprocess.Popen(
            [*self._command, str(die_after)],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def again(self) -> None:
        if self._process.poll() is not None:
            assert self._process.returncode == -signal.SIGKILL
            self.deaths += 1
            self._start(0)

    def end(self) -> None:
        self._process.terminate()
        self._process.wait(30)


class Story:
    """What was published, and how far it has got."""

    def __init__(self, number: int, file: Path) -> None:
        self.each = number // SUBJECTS
        self.published = 0
        self.poison: list[Envelope] = []
        self._file = sqlite3.connect(file, timeout=30)

    def close(self) -> None:
        self._file.close()

    async def publish(self, bus: RabbitBus) -> None:
        await asyncio.gather(*(self._publish_subject(bus, number) for number in range(SUBJECTS)))

    async def _publish_subject(self, bus: RabbitBus, number: int) -> None:
        for sequence in range(self.each):
            poison = number < POISONED and sequence == self.each // 2
            event = Envelope(
                id=uuid4(),
                name="booking.created",
                version=1,
                occurred_at=utc(2027, 4, 14),
                producer="booking",
                subject=f"booking/{number}",
                sequence=sequence,
                correlation_id="c",
                data=msgspec.Raw(b'"poison"' if poison else b'{"x":1}'),
            )
            if poison:
                self.poison.append(event)
            while True:
                with contextlib.suppress(Unavailable):
                    await bus.publish(event)
                    break
                await asyncio.sleep(0.2)
            self.published += 1

    def effects(self) -> list[tuple[str, int]]:
        return list(self._file.execute("select subject, sequence from effects order by number"))

    def count(self, table: str) -> int:
        try:
            return int(self._file.execute(f"select count(*) from {table}").fetchone()[0])
        except sqlite3.OperationalError:
            return 0

    def check(self) -> None:
        by_subject: dict[str, list[int]] = {}
        for subject, sequence in self.effects():
            by_subject.setdefault(subject, []).append(sequence)
        for number in range(SUBJECTS):
            expected = list(range(self.each))
            if number < POISONED:
                expected.remove(self.each // 2)
            assert by_subject[f"booking/{number}"] == expected


async def until(condition: object, seconds: float) -> None:
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("number", "restarts"),
    [
        pytest.param(2_000, 2, marks=pytest.mark.slow),
        pytest.param(100_000, 20, marks=[pytest.mark.full, pytest.mark.timeout(1_800)]),
    ],
)
async def test_restarts_of_the_broker_and_deaths_of_consumers_lose_nothing_and_repeat_nothing(
    number: int, restarts: int, url: str, tmp_path: Path, figure: Figure
) -> None:
    file = tmp_path / "effects.db"
    story = Story(number, file)
    bus = RabbitBus(url, SystemClock(), patience=PATIENCE, heard={"payment": ["booking.created"]})
    await bus.open()
    copies = [Copy(url, file, die_after=number // 10), Copy(url, file)]
    try:
        publishing = asyncio.create_task(story.publish(bus))
        for restart in range(restarts):
            share = (restart + 1) / (restarts + 1)
            await until(lambda share=share: story.count("effects") >= share * number, 120)
            copies[0].again()
            # As its operator would, and as a power cut would.
            await (engine("restart") if restart % 2 else end_and_start())
        await publishing
        await until(lambda: story.count("effects") >= number - POISONED, 120)
        copies[0].again()
        parked = await bus.parked("payment")
        story.check()
        assert {one.envelope.id for one in parked} == {event.id for event in story.poison}
        assert {one.tries for one in parked} == {3}
        assert story.count("tries") >= 3 * POISONED
        assert copies[0].deaths == 1
        assert copies[1].deaths == 0
    finally:
        for copy in copies:
            copy.end()
        await bus.stop()
        story.close()
    figure(
        f"T7: {number:,} events, {restarts} restarts of the broker, 1 death of a consumer: 0 lost, 0 twice, "
        f"0 out of order, {len(parked)} poisoned and parked"
    )
