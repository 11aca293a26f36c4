"""T1 over four booking processes on PostgreSQL: many guests at once for one night, and one gets it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from figures import Figure
from hometrip.app.verify import verify_house
from journeys.steps import open_home, stay
from journeys.test_races import crowd, try_to_book
from split_house import Processes, SplitHouse, house_of

pytestmark = pytest.mark.split


@pytest.fixture
async def house() -> AsyncIterator[SplitHouse]:
    processes = Processes("postgres", "--copies", "booking=4")
    try:
        await processes.start()
        async with house_of(processes) as opened:
            yield opened
    finally:
        processes.end()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("guests", "rounds"), [pytest.param(200, 3), pytest.param(1000, 50, marks=pytest.mark.full)]
)
async def test_of_many_guests_at_four_booking_processes_one_gets_the_night(
    house: SplitHouse, guests: int, rounds: int, figure: Figure
) -> None:
    home = await open_home(await house.sign_up("host@example.com", "Hanna Host"))
    people = await crowd(house, guests)
    for number in range(rounds):
        when = stay(house, days=10 + number, nights=1)
        answers = await asyncio.gather(*(try_to_book(guest, home["id"], when) for guest in people))
        assert Counter(answers) == {(201, ""): 1, (409, "dates_taken"): guests - 1}
    await house.settle()
    assert [finding.violations for finding in await verify_house(house.house)] == [[]] * 6
    figure(f"T1: {rounds} rounds of {guests} guests at 4 booking processes on PostgreSQL, one winner each")
