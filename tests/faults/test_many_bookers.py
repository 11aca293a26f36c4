"""T1 over four booking processes on PostgreSQL: many guests at once for one night, and one gets it."""

from __future__ import annotations

import pytest

from figures import Figure
from journeys.test_races import one_gets_each_night
from split_house import SplitHouse

pytestmark = pytest.mark.split


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("guests", "rounds"), [pytest.param(60, 3), pytest.param(1000, 50, marks=pytest.mark.full)]
)
async def test_of_many_guests_at_four_booking_processes_one_gets_the_night(
    house_of_copies: SplitHouse, guests: int, rounds: int, figure: Figure
) -> None:
    await one_gets_each_night(house_of_copies, guests, rounds)
    figure(f"T1: {rounds} rounds of {guests} guests at 4 booking processes on PostgreSQL, one winner each")
