"""A house: its time, its events that could not be handled, and two processes on one folder."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from app.waiting import until
from harness import START, TestHouse, house_in, settings_in
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.app.cli import main
from hometrip.app.opening import open_house
from hometrip.app.settings import BadSettings
from hometrip.app.timekeeping import CLOCK_FILE
from hometrip.app.wiring import House
from hometrip.kernel.events import Envelope, Event
from journeys.steps import ok


class Rang(Event):
    """A trial's timer, named."""

    name = "trial.rang"
    about = ("trial", "trial_id")

    trial_id: UUID
    word: str


async def set_timer(house: House, room: str, word: str, at: datetime) -> None:
    storage = house.rooms[room].storage
    assert storage is not None
    async with storage.transaction() as tx:
        await tx.emit_later(Rang(trial_id=house.new_id(), word=word), at, key=f"trial:{word}")


class Listener:
    """Hears every timer of a trial; fails while `fails` is on."""

    def __init__(self, house: House, *, fails: bool = False) -> None:
        self.house, self.fails = house, fails
        self.heard: list[tuple[str, datetime]] = []
        self.tries = 0

    async def begin(self) -> Listener:
        await self.house.bus.listen("trial", ["trial.rang"], self._hear)
        return self

    async def _hear(self, envelope: Envelope) -> None:
        self.tries += 1
        if self.fails:
            raise ValueError("the bell is broken")
        word = envelope.open(Rang).word
        self.heard.append((word, self.house.clock.now()))
        if word == "first":
            await set_timer(self.house, "user", "between", self.house.clock.now() + timedelta(minutes=5))

    @property
    def words(self) -> list[str]:
        return [word for word, _ in self.heard]


# time


async def test_time_passes_in_order_and_everything_happens_at_its_own_time(house: TestHouse) -> None:
    listener = await Listener(house.house).begin()
    await set_timer(house.house, "booking", "late", START + timedelta(minutes=30))
    await set_timer(house.house, "listing", "first", START + timedelta(minutes=10))
    await set_timer(house.house, "listing", "tomorrow", START + timedelta(days=1))
    await house.advance(3600)
    assert listener.heard == [
        ("first", START + timedelta(minutes=10)),
        ("between", START + timedelta(minutes=15)),
        ("late", START + timedelta(minutes=30)),
    ]
    assert house.clock.now() == START + timedelta(hours=1)


async def test_timers_go_on_after_a_restart(tmp_path: Path) -> None:
    async with house_in(tmp_path) as house:
        await set_timer(house.house, "booking", "kept", START + timedelta(hours=1))
    later = MovableClock(SystemClock(), frozen_at=START + timedelta(hours=2))
    async with house_in(tmp_path, clock=later) as house:
        listener = await Listener(house.house).begin()
        await house.settle()
        await until(lambda: listener.words == ["kept"])


async def test_the_sandboxs_time_outlives_a_restart(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with open_house(settings) as opened:
        before = await opened.house.advance(86_400)
    async with open_house(settings) as opened:
        assert before <= opened.house.clock.now() < before + timedelta(minutes=5)


async def test_the_time_is_kept_before_anything_happens_at_it(house: TestHouse) -> None:
    kept: list[tuple[float, float]] = []

    async def look(envelope: Envelope) -> None:
        file = house.house.settings.data / CLOCK_FILE
        kept.append((float(file.read_text()), house.clock.shift.total_seconds()))

    await house.house.bus.listen("trial", ["trial.rang"], look)
    await set_timer(house.house, "booking", "now", START + timedelta(hours=1))
    await house.advance(86_400)
    assert kept == [(3600.0, 3600.0)]


async def test_a_house_is_ready_once_it_is_open_and_no_more_when_it_stops(house: TestHouse) -> None:
    assert ok(await house.client.get("/ready")) == {"status": "ready", "wrong": {}}
    house.house.close_for_business()
    answer = await house.client.get("/ready")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["wrong"] == {"house": "the marketplace is stopping"}
    assert ok(await house.client.get("/health")) == {"status": "ok"}


# two processes


async def test_a_folder_has_one_house_that_runs(house: TestHouse) -> None:
    with pytest.raises(BadSettings, match="another HomeTrip is running"):
        async with open_house(house.house.settings):
            pass
    ok(await house.client.get("/ready"))


async def test_a_house_beside_another_leaves_events_and_timers_to_it(house: TestHouse) -> None:
    listener = await Listener(house.house).begin()
    await house.settle()
    later = MovableClock(SystemClock(), frozen_at=START + timedelta(days=9))
    await set_timer(house.house, "booking", "mine", START + timedelta(hours=1))
    async with open_house(house.house.settings, clock=later, beside=True) as beside:
        assert not beside.started
        stolen = await Listener(beside.house).begin()
        await set_timer(beside.house, "booking", "yours", START + timedelta(hours=2))
        storage = beside.house.rooms["booking"].storage
        assert storage is not None
        async with storage.transaction() as tx:
            await tx.emit(Rang(trial_id=beside.house.new_id(), word="said"))
        await until(lambda: listener.words == ["said"])
        assert await storage.next_due() == START + timedelta(hours=1)
    await house.advance(3 * 3600)
    assert listener.words == ["said", "mine", "yours"]
    assert stolen.heard == []


# what could not be handled


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["events", *words, "--data", str(folder)])


async def events(house: TestHouse, *words: str) -> Result:
    """The command line, as another process would: not in the loop of the house."""
    return await asyncio.to_thread(run, house.house.settings.data, *words)


async def park(house: TestHouse) -> tuple[Listener, Envelope]:
    listener = await Listener(house.house, fails=True).begin()
    await set_timer(house.house, "booking", "bell", house.clock.now())
    await house.settle()
    (parked,) = await house.house.bus.parked("trial")
    assert (listener.tries, parked.tries) == (3, 3)
    return listener, parked.envelope


async def test_what_cannot_be_handled_is_parked_and_shown(house: TestHouse) -> None:
    _, envelope = await park(house)
    listed = await events(house, "list")
    assert listed.exit_code == 0
    for part in ("trial", str(envelope.id), "trial.rang", "ValueError: the bell is broken"):
        assert part in listed.stdout
    assert "No event is parked." in (await events(house, "list", "--service", "booking")).stdout
    shown = await events(house, "show", str(envelope.id))
    assert '"word": "bell"' in shown.stdout
    assert '"reason": "ValueError: the bell is broken"' in shown.stdout


async def test_a_running_house_delivers_again_what_is_replayed(house: TestHouse) -> None:
    listener, envelope = await park(house)
    again = await events(house, "replay", "trial", str(envelope.id))
    assert again.exit_code == 0, again.output
    await until(lambda: listener.tries == 4)
    assert len(await house.house.bus.parked("trial")) == 1
    listener.fails = False
    await events(house, "replay", "trial", str(envelope.id))
    await until(lambda: listener.words == ["bell"])
    assert "No event is parked." in (await events(house, "list")).stdout


async def test_a_dropped_event_is_gone(house: TestHouse) -> None:
    listener, envelope = await park(house)
    assert (await events(house, "drop", "trial", str(envelope.id))).exit_code == 0
    assert "No event is parked." in (await events(house, "list")).stdout
    for words in (
        ("show", str(envelope.id)),
        ("drop", "trial", str(envelope.id)),
        ("replay", "trial", str(envelope.id)),
    ):
        missing = await events(house, *words)
        assert (missing.exit_code, missing.stderr) == (1, "Error: no such parked event\n")
    assert listener.heard == []


async def test_a_stopped_house_delivers_at_its_next_start(tmp_path: Path) -> None:
    async with house_in(tmp_path) as house:
        _, envelope = await park(house)
    listed = await asyncio.to_thread(run, tmp_path, "list")
    assert str(envelope.id) in listed.stdout
    assert (await asyncio.to_thread(run, tmp_path, "replay", "trial", str(envelope.id))).exit_code == 0
    async with house_in(tmp_path) as house:
        listener = await Listener(house.house).begin()
        await until(lambda: listener.words == ["bell"])


def test_a_folder_without_a_marketplace_has_no_events(tmp_path: Path) -> None:
    missing = run(tmp_path, "list")
    assert (missing.exit_code, missing.stderr) == (1, f"Error: {tmp_path} holds no marketplace\n")
