"""Stays of three nights that no two guests want: what the durable bookings are made of."""

from __future__ import annotations

import random
from datetime import timedelta

from benchmarks.mix import Trip
from benchmarks.town import Town

NIGHTS = 3
# From so many days ahead; behind each stay a night stays free, for homes that prepare for one.
FIRST_DAY, EVERY = 40, NIGHTS + 1
PER_TURN = 3_000


def stays_for_bookings(town: Town, seed: int, turn: int) -> list[Trip]:
    """The stays of one turn, in an order given by the seed; those of other turns are other stays.

    Each guest wants each home once: a second unpaid stay there would replace the first.
    """
    homes = [home for home in town.homes if home.min_nights <= NIGHTS]
    pairs = [(home, number) for home in homes for number in range(len(town.guests))]
    random.Random(seed).shuffle(pairs)
    trips = []
    for home, number in pairs[turn * PER_TURN : (turn + 1) * PER_TURN]:
        check_in = town.today + timedelta(days=FIRST_DAY + EVERY * number)
        key = f"{seed}-{home.id}-{number}"
        trips.append(Trip(home, town.guests[number], check_in, check_in + timedelta(days=NIGHTS), key))
    return trips
