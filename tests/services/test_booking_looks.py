"""Looking together: who shares a look with whom, and that nobody is told what was there before they asked."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from harness import TestHouse
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.once import Once
from hometrip.services.booking.actions.looks import Looks
from hometrip.services.booking.store import glances
from hometrip.services.booking.store.glances import TOGETHER
from journeys.steps import ok
from services.booking_scene import Scene, scene_in, somebody

PLACE, OTHER = "a week", "another week"


class Finding:
    """Finds what `now` is when it is let go on, for all who are asked for."""

    def __init__(self) -> None:
        self.now = 0
        self.asked: list[list[str]] = []
        self.steps: list[asyncio.Event] = []

    async def __call__(self, asked: Sequence[str]) -> list[tuple[str, int]]:
        self.asked.append(list(asked))
        began, step = self.now, asyncio.Event()
        self.steps.append(step)
        await step.wait()
        if began < 0:
            raise Unavailable("nothing can be found")
        return [(each, began) for each in asked]


async def a_while() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_those_who_ask_while_one_looks_are_told_together_what_was_there_after_they_asked() -> None:
    looks, find = Looks[str, tuple[str, int]](3), Finding()
    first = asyncio.create_task(looks.look(PLACE, "first", find))
    await a_while()
    find.now = 1
    late = [asyncio.create_task(looks.look(PLACE, f"late {number}", find)) for number in range(4)]
    elsewhere = asyncio.create_task(looks.look(OTHER, "elsewhere", find))
    await a_while()
    assert find.asked == [["first"], ["elsewhere"]]
    find.steps[0].set()
    await a_while()
    find.steps[2].set()
    find.now = 2
    assert await first == ("first", 0)
    assert await asyncio.gather(*late[:3]) == [(f"late {number}", 1) for number in range(3)]
    assert find.asked[2:] == [["late 0", "late 1", "late 2"], ["late 3"]]
    for step in find.steps:
        step.set()
    assert (await late[3], await elsewhere) == (("late 3", 2), ("elsewhere", 1))
    # Nothing is left: who comes now looks at once.
    again = asyncio.create_task(looks.look(PLACE, "again", find))
    await a_while()
    assert find.asked[-1] == ["again"]
    find.steps[-1].set()
    assert await again == ("again", 2)


async def test_one_who_gives_up_or_fails_keeps_nobody_from_looking() -> None:
    looks, find = Looks[str, tuple[str, int]](3), Finding()
    tasks = [asyncio.create_task(looks.look(PLACE, name, find)) for name in ("gives up", "gone", "waits")]
    await a_while()
    tasks[0].cancel()
    tasks[1].cancel()
    find.now = -1
    await a_while()
    assert find.asked == [["gives up"], ["waits"]]
    later = asyncio.create_task(looks.look(PLACE, "later", find))
    await a_while()
    find.steps[1].set()
    with pytest.raises(Unavailable, match="nothing can be found"):
        await tasks[2]
    find.now = 7
    await a_while()
    find.steps[2].set()
    with pytest.raises(Unavailable):
        await later
    fine = asyncio.create_task(looks.look(PLACE, "fine", find))
    await a_while()
    find.steps[3].set()
    assert await fine == ("fine", 7)


@pytest.fixture
async def scene(house: TestHouse) -> Scene:
    return await scene_in(house)


async def test_many_are_told_what_each_would_be_told_alone(scene: Scene) -> None:
    """Over stays and blocks of every order: keys that were used, by whom, and others; nights of one's own."""
    chance = random.Random(20270601)
    guests = [somebody() for _ in range(4)]
    for number, guest in enumerate(guests):
        once = Once(key=f"key-{number}", scope=f"{guest.account_id} POST", fingerprint="f", status=201)
        await scene.book(guest, 30 + 4 * number, 3, once)
    ok(
        await scene.host.post(
            f"/api/listings/{scene.home_id}/block-dates",
            {"from": str(scene.day(50)), "to": str(scene.day(52))},
        ),
        201,
    )
    strangers = [somebody() for _ in range(3)]
    keys = ["", "key-0", "key-1", "key-2", "key-3", "another", "one more"]
    seen: set[tuple[bool, str | None]] = set()
    for _ in range(60):
        first = chance.randrange(26, 54)
        stay = scene.stay(first, first + chance.randrange(1, 14))
        asked = [
            (chance.choice([*guests, *strangers]).id, chance.choice(keys))
            for _ in range(chance.choice([2, 3, 10, TOGETHER]))
        ]
        async with scene.deps.db.read() as db:
            alone = [await glances.of_one(db, scene.home_id, stay, *each) for each in asked]
            assert await glances.of_many(db, scene.home_id, stay, asked) == alone
        seen |= {(each.known, each.gone) for each in alone}
    assert seen == {(known, gone) for known in (True, False) for gone in (None, "booked", "blocked")}
