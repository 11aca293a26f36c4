"""The relay: in order within a subject, at least once, and not ended by what fails for a moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.waiting import until
from harness import IMPATIENT, START
from hometrip.adapters.bus.memory import MemoryBus
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.documents.sqlite import SqliteDocuments
from hometrip.app.relay import Relay
from hometrip.kernel.clock import SECOND
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.events import Envelope, Event
from hometrip.kernel.ids import ids


class Chimed(Event):
    """Something that a trial says, numbered."""

    name = "trial.chimed"
    about = ("trial", "trial_id")

    trial_id: UUID
    number: int


class Trouble:
    """Stands before a storage or a bus. What `fails` names raises that many times first; `held` waits."""

    def __init__(self, behind: Any) -> None:
        self._behind = behind
        self.fails: dict[str, int] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.called: dict[str, asyncio.Event] = {}

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._behind, name)

        async def call(*args: Any) -> Any:
            self.called.setdefault(name, asyncio.Event()).set()
            if self.fails.get(name, 0):
                self.fails[name] -= 1
                raise Unavailable(f"no {name} now")
            if name in self.held:
                await self.held[name].wait()
            return await real(*args)

        return call


class Scene:
    def __init__(self, docs: SqliteDocuments, storage: Trouble, bus: Trouble, relay: Relay) -> None:
        self.docs, self.storage, self.bus, self.relay = docs, storage, bus, relay
        self.heard: list[int] = []

    async def say(self, subject: UUID, *numbers: int) -> None:
        for number in numbers:
            async with self.docs.transaction() as tx:
                await tx.emit(Chimed(trial_id=subject, number=number))

    async def hear(self, envelope: Envelope) -> None:
        self.heard.append(envelope.open(Chimed).number)

    async def all_sent(self) -> list[int]:
        await until(self.relay.idle)
        return self.heard


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    clock = MovableClock(SystemClock(), frozen_at=START)
    new_id = ids(clock)
    docs = SqliteDocuments(tmp_path / "trial.db", service="trial", clock=clock, new_id=new_id, collections=[])
    memory = MemoryBus(tmp_path / "parked.db", clock, patience=IMPATIENT)
    storage, bus = Trouble(docs), Trouble(memory)
    made: Any = Relay
    scene = Scene(docs, storage, bus, made("trial", storage, bus, clock))
    await memory.listen("trial", ["trial.chimed"], scene.hear)
    scene.relay.start()
    yield scene
    await scene.relay.stop()
    await memory.stop()
    await docs.close()


A, B = UUID(int=1), UUID(int=2)


async def test_events_of_a_subject_arrive_in_their_order(scene: Scene) -> None:
    await scene.say(A, *range(100))
    assert await scene.all_sent() == list(range(100))


async def test_the_order_outlives_a_bus_that_refuses(scene: Scene) -> None:
    scene.bus.fails["publish"] = 2
    await scene.say(A, *range(20))
    assert await scene.all_sent() == list(range(20))


async def test_what_is_said_while_a_lane_is_given_back_is_neither_lost_nor_overtakes(scene: Scene) -> None:
    scene.bus.fails["publish"] = 1
    scene.storage.held["release"] = asyncio.Event()
    scene.storage.called["release"] = asyncio.Event()
    await scene.say(A, 1, 2)
    await scene.storage.called["release"].wait()
    await scene.say(A, 3)
    await scene.say(B, 100)
    await until(lambda: 100 in scene.heard)
    scene.storage.held.pop("release").set()
    assert [number for number in await scene.all_sent() if number != 100] == [1, 2, 3]


async def test_what_is_given_back_and_claimed_again_at_once_is_sent_in_the_end(scene: Scene) -> None:
    real, claims = scene.storage._behind, 0

    class Slow:
        """Answers a release only when the relay has claimed once more, as a busy storage may."""

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        async def claim(self, limit: int) -> list[Envelope]:
            nonlocal claims
            found: list[Envelope] = await real.claim(limit)
            claims += 1
            return found

        async def release(self, released: list[UUID]) -> None:
            await real.release(released)
            before = claims
            await until(lambda: claims > before + 1)

    scene.storage._behind = Slow()
    scene.bus.fails["publish"] = 2
    await scene.say(A, *range(10))
    assert await scene.all_sent() == list(range(10))


@pytest.mark.parametrize("trouble", ["claim", "sent", "release", "fire_due", "next_due", "wait_for_unsent"])
async def test_a_storage_that_is_away_for_a_moment_does_not_end_the_relay(scene: Scene, trouble: str) -> None:
    if trouble == "release":
        scene.bus.fails["publish"] = 1
    scene.storage.fails[trouble] = 1
    await scene.say(A, 1)
    async with scene.docs.transaction() as tx:
        await tx.emit_later(Chimed(trial_id=B, number=2), START - SECOND, key="due")
    await until(lambda: set(scene.heard) == {1, 2})
    await scene.all_sent()
    assert scene.storage.fails[trouble] == 0


async def test_a_claim_whose_answer_is_lost_delays_nothing(scene: Scene) -> None:
    real, lost = scene.storage._behind, 0

    class Lossy:
        """Claims, and does not get to say so three times."""

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        async def claim(self, limit: int) -> list[Envelope]:
            nonlocal lost
            found: list[Envelope] = await real.claim(min(limit, 3))
            if found and lost < 3:
                lost += 1
                raise Unavailable("the answer was lost")
            return found

    scene.storage._behind = Lossy()
    await scene.say(A, *range(10))
    await scene.say(B, *range(100, 110))
    heard = await scene.all_sent()
    assert lost == 3
    assert [number for number in heard if number < 100] == list(range(10))
    assert [number for number in heard if number >= 100] == list(range(100, 110))


@pytest.mark.parametrize(("awaited", "least", "most"), [(["trial.chimed"], 10, 20), ([], 1, 8)])
async def test_beside_a_batch_under_way_only_what_somebody_waits_for_is_claimed_at_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, awaited: list[str], least: int, most: int
) -> None:
    monkeypatch.setattr("hometrip.app.relay.BATCH", 2)
    monkeypatch.setattr("hometrip.app.relay.SELDOM_SECONDS", 0.1)
    await scene.relay.stop()
    scene.bus.held["publish"] = asyncio.Event()
    made: Any = Relay
    scene.relay = made("trial", scene.storage, scene.bus, MovableClock(SystemClock()), awaited)
    scene.relay.start()
    for number in range(20):
        await scene.say(UUID(int=number), number)
        await asyncio.sleep(0.005)
    assert least <= scene.relay._in_flight <= most
    scene.bus.held["publish"].set()
    assert sorted(await scene.all_sent()) == list(range(20))


async def test_what_a_stop_leaves_is_sent_by_the_next_start(scene: Scene) -> None:
    await scene.relay.stop()
    await scene.say(A, 1, 2, 3)
    assert scene.heard == []
    scene.relay.start()
    assert await scene.all_sent() == [1, 2, 3]


async def test_a_stop_in_the_middle_sends_nothing_twice_that_was_marked(scene: Scene) -> None:
    await scene.say(A, *range(50))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.02):
            await scene.all_sent()
    await scene.relay.stop()
    heard = list(scene.heard)
    assert heard == list(range(len(heard)))
    assert (await scene.docs.unsent()).count == 50 - len(heard)
    scene.relay.start()
    assert await scene.all_sent() == list(range(50))
