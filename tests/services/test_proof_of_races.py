"""T1 and T4 at full size, behind the door, on SQLite and on PostgreSQL opened four times: `make prove`.

`test_booking_races.py` and `test_postgres_races.py` hold what runs always.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from random import Random
from uuid import uuid4

import pytest

from figures import Figure
from harness import TestHouse
from hometrip.adapters.database.postgres import PostgresDatabase
from hometrip.kernel.access import Caller
from hometrip.kernel.errors import AlreadyAnswered, KeyReused
from hometrip.kernel.once import NO_KEY, Once
from hometrip.kernel.stay import Stay
from hometrip.services.booking import actions
from hometrip.services.booking.actions import questions
from hometrip.services.booking.rules import BookingView
from rules.oracle_hunt import size
from services.booking_scene import Scene, scene_in, somebody
from services.test_booking_races import kinds, outcome
from services.test_postgres_races import Four, Spread

pytestmark = [pytest.mark.full, pytest.mark.timeout(3_600)]

CROWD, ROUNDS = 1_000, 200
# Its name, and PostgreSQL as four processes have it open.
Storage = tuple[str, Sequence[PostgresDatabase]]


@pytest.fixture(params=["sqlite", "postgres"])
async def storage(request: pytest.FixtureRequest, house: TestHouse) -> AsyncIterator[Storage]:
    name = str(request.param)
    if name == "sqlite":
        yield name, []
    else:
        async with Four("booking", house.clock) as databases:
            yield name, databases


async def scene_on(house: TestHouse, storage: Storage, *, instant_book: bool = True) -> Scene:
    found = await scene_in(house, instant_book=instant_book)
    return Spread(found, storage[1]) if storage[1] else found


async def test_one_night(house: TestHouse, storage: Storage, figure: Figure) -> None:
    scene = await scene_on(house, storage)
    count, _ = size(ROUNDS)
    for number in range(count):
        wish = await scene.wish(somebody(), 20 + number % 30, nights=1)
        guests = [somebody() for _ in range(CROWD)]
        outcomes = await asyncio.gather(
            *(outcome(actions.book(scene.deps, guest, wish, NO_KEY)) for guest in guests)
        )
        assert kinds(outcomes) == {"BookingView": 1, "DatesTaken": CROWD - 1}, number
        (won,) = (found for found in outcomes if isinstance(found, BookingView))
        await actions.cancel(scene.deps, Caller(account_id=won.guest_id), won.id, "", NO_KEY)
    assert await actions.verify(scene.deps) == []
    figure(f"T1: {count} rounds of {CROWD:,} at once for one night on {storage[0]}, one winner each")


async def test_ranges_that_overlap(house: TestHouse, storage: Storage, figure: Figure) -> None:
    scene = await scene_on(house, storage)
    count, seed = size(ROUNDS)
    chance, sold = Random(seed), 0
    for number in range(count):
        guests = [somebody() for _ in range(40)]
        wishes = [await scene.wish(who, chance.randint(20, 30), chance.randint(1, 6)) for who in guests]
        outcomes = await asyncio.gather(
            *(
                outcome(actions.book(scene.deps, who, wish, NO_KEY))
                for who, wish in zip(guests, wishes, strict=True)
            )
        )
        assert set(kinds(outcomes)) == {"BookingView", "DatesTaken"}, number
        won = [found for found in outcomes if isinstance(found, BookingView)]
        stays = sorted(Stay(each.check_in, each.check_out) for each in won)
        assert not any(one.overlaps(other) for one, other in pairwise(stays)), stays
        sold += len(won)
        for each in won:
            await actions.cancel(scene.deps, Caller(account_id=each.guest_id), each.id, "", NO_KEY)
    assert await actions.verify(scene.deps) == []
    figure(f"T1: {count} rounds of 40 ranges that overlap on {storage[0]}, {sold} sold, none overlap", seed)


async def test_a_block_and_an_import_against_a_booking(
    house: TestHouse, storage: Storage, figure: Figure
) -> None:
    scene = await scene_on(house, storage)
    count, _ = size(ROUNDS)
    for number in range(count):
        guest, block, feed = somebody(), uuid4(), uuid4()
        wish = await scene.wish(guest, 20 + number % 30)
        stay = Stay(wish.check_in, wish.check_out)
        outcomes = await asyncio.gather(
            outcome(questions.block(scene.deps, scene.home_id, block, stay)),
            outcome(actions.book(scene.deps, guest, wish, NO_KEY)),
            outcome(questions.replace_blocks(scene.deps, scene.home_id, feed, [stay])),
        )
        blocked, booking, clashes = outcomes
        winners = [blocked is None, isinstance(booking, BookingView), clashes == []]
        assert sum(winners) == 1, outcomes
        taken = [found for found in await questions.taken(scene.deps, scene.home_id) if found.overlaps(stay)]
        assert taken == [stay]
        if isinstance(booking, BookingView):
            await actions.cancel(scene.deps, guest, booking.id, "", NO_KEY)
        for owner in (block, feed):
            await questions.replace_blocks(scene.deps, scene.home_id, owner, [])
    assert await actions.verify(scene.deps) == []
    figure(f"T1: {count} rounds of block, import and booking at once on {storage[0]}, one winner each")


async def test_accept_against_cancel_and_decline(house: TestHouse, storage: Storage, figure: Figure) -> None:
    scene = await scene_on(house, storage, instant_book=False)
    host = Caller(account_id=scene.host.id)
    count, _ = size(ROUNDS)
    for number in range(count):
        guest = somebody()
        booking = await scene.book(guest, 20 + number % 30)
        await asyncio.gather(
            outcome(actions.accept(scene.deps, host, booking.id)),
            outcome(actions.cancel(scene.deps, guest, booking.id, "", NO_KEY)),
            outcome(actions.decline(scene.deps, host, booking.id, "no")),
        )
        steps = [step.status for step in (await scene.look(booking.id)).history]
        assert steps in (
            ["pending", "accepted", "cancelled"],
            ["pending", "cancelled"],
            ["pending", "declined"],
        )
    assert await questions.taken(scene.deps, scene.home_id) == []
    figure(f"T1: {count} rounds of accept, cancel and decline at once on {storage[0]}, one story each")


async def test_one_key_a_hundred_times_at_once(house: TestHouse, storage: Storage, figure: Figure) -> None:
    scene = await scene_on(house, storage)
    count, _ = size(ROUNDS)
    for number in range(count):
        guest = somebody()
        wish = await scene.wish(guest, 20 + number % 30)
        once = Once(key=f"key {number}", scope="guest POST /bookings", fingerprint="one", status=201)
        outcomes = await asyncio.gather(
            *(outcome(actions.book(scene.deps, guest, wish, once)) for _ in range(100))
        )
        assert kinds(outcomes) == {"BookingView": 1, "AlreadyAnswered": 99}
        answers = {found.answer for found in outcomes if isinstance(found, AlreadyAnswered)}
        assert len(answers) == 1
        other_body = Once(key=once.key, scope=once.scope, fingerprint="other", status=201)
        assert isinstance(await outcome(actions.book(scene.deps, guest, wish, other_body)), KeyReused)
        (won,) = (found for found in outcomes if isinstance(found, BookingView))
        await actions.cancel(scene.deps, guest, won.id, "", NO_KEY)
    assert await actions.verify(scene.deps) == []
    figure(f"T4: {count} keys 100 times at once and with another body on {storage[0]}, one effect each")
