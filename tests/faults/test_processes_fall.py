"""Stories of a stay and its money, told while the processes and engines of a house fall one after the other:
to patient people they are the same stories.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from itertools import cycle
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from engines import Engines, engines_of_its_own
from faults.falling import processes_of
from figures import Figure
from harness import TestHouse
from hometrip.app.verify import Finding
from journeys.steps import ok
from split_house import Processes, SplitHouse, house_of
from stories import test_after_the_stay as after
from stories import test_before_the_stay as before

pytestmark = [pytest.mark.split, pytest.mark.full, pytest.mark.timeout(900)]

PATIENCE = 120.0
# For how long all is well in between.
BETWEEN = 2.0, 6.0
# Whose journals have one order: of two refunds at once, one that is tried again may come later.
STORIES: tuple[Callable[[TestHouse], Awaitable[None]], ...] = (
    before.test_a_request_is_declined,
    before.test_the_host_cancels_twenty_hours_before_check_in,
    before.test_the_second_instalment_fails_three_times,
    after.test_a_host_claims_part_of_the_deposit,
    after.test_a_bank_takes_the_money_back,
    after.test_a_coupon_and_a_tax,
    after.test_a_stay_in_yen_which_have_no_cents,
    after.test_a_stay_in_dinars_which_have_a_thousand_parts,
)
SERVICES = ("booking", "payment", "listing", "notification", "gateway")
ENGINES = ("rabbitmq", "redis", "postgres")


class Patient(httpx2.AsyncClient):
    """Asks again, under the same key, while the answer is that it is not possible now, or there is none."""

    def build_request(self, method: str, *args: Any, **options: Any) -> httpx2.Request:
        request = super().build_request(method, *args, **options)
        if method == "POST":
            request.headers.setdefault("Idempotency-Key", str(uuid4()))
        return request

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(httpx2.TransportError):
                    answer = await super().send(request, **options)
                    if answer.status_code != 503:
                        return answer
                    assert answer.headers["retry-after"], answer.text
                await asyncio.sleep(0.2)


class Falling(SplitHouse):
    """A house of which something falls every few seconds."""

    def __init__(self, house: SplitHouse, client: Patient, processes: Processes, own: Engines) -> None:
        super().__init__(house._settings, house.house, client, house._mark)
        self._processes, self._own, self._plain = processes, own, house.client
        self._still = asyncio.Lock()
        self.fallen: list[str] = []

    async def advance(self, seconds: float) -> None:
        """As far in all, however often it is broken off."""
        until = self.clock.now() + timedelta(seconds=seconds)
        while True:
            left = max(0, math.ceil((until - self.clock.now()).total_seconds()))
            with contextlib.suppress(httpx2.TransportError):
                answer = await self._plain.post(
                    "/api/sandbox/clock/advance", json={"seconds": left}, timeout=PATIENCE
                )
                if answer.status_code == 200:
                    return
                assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.2)

    async def verify(self) -> list[Finding]:
        async with self._still:
            await self.settle()
            return await super().verify()

    @contextlib.asynccontextmanager
    async def falls(self, seed: int) -> AsyncIterator[None]:
        falling = asyncio.create_task(self._fall(random.Random(seed)))
        try:
            yield
        finally:
            falling.cancel()
            await asyncio.gather(falling, return_exceptions=True)

    async def _fall(self, chance: random.Random) -> None:
        for name in cycle(chance.sample([*SERVICES, *ENGINES], len(SERVICES + ENGINES))):
            await asyncio.sleep(chance.uniform(*BETWEEN))
            async with self._still:
                print(f"{self.clock.now():%m-%d %H:%M} {name} falls")
                self.fallen.append(name)
                if name in ENGINES:
                    await asyncio.to_thread(self._own.kill, name)
                    await asyncio.to_thread(self._own.start, name)
                else:
                    for pid, service in processes_of(self._processes.server).items():
                        if service == name:
                            os.kill(pid, signal.SIGKILL)
                ok(await self.client.get("/ready"))


@pytest.fixture(scope="module")
def own() -> Iterator[Engines]:
    with engines_of_its_own() as engines:
        yield engines


@pytest.fixture
async def processes(own: Engines) -> AsyncIterator[Processes]:
    started = Processes("postgres", of=own)
    try:
        await started.start()
        yield started
    finally:
        print(started.server.log.read_text()[-3000:])
        started.end()


async def test_stories_are_the_same_while_everything_falls(
    processes: Processes, own: Engines, figure: Figure
) -> None:
    seed = int(os.environ.get("HOMETRIP_TEST_SEED", random.randrange(1_000_000)))
    print(f"replay with HOMETRIP_TEST_SEED={seed}")
    async with house_of(processes) as house, Patient(base_url=processes.server.url, timeout=30) as client:
        falling = Falling(house, client, processes, own)
        async with falling.falls(seed):
            for number, story in enumerate(cycle(STORIES)):
                if number >= len(STORIES) and {*SERVICES, *ENGINES} <= {*falling.fallen}:
                    break
                falling._mark = f"-{number}"
                print(story.__name__)
                await story(falling)
    figure(f"{number} stories told while {len(falling.fallen)} times something fell", seed)
