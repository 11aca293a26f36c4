"""Which stays would do instead of one that is refused; whether a stay will do is decided in `calendar`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from hometrip.kernel.stay import ONE_NIGHT, Stay, local_date
from hometrip.services.listing.rules.calendar import Openings, taken_nights
from hometrip.services.listing.rules.refusal import Refusal, refusal

# How far from the stay asked for another one is looked for, in days.
REACH = 90
# By how many nights what is offered may be longer, where no stay of the length asked for would do. It may be
# as much shorter as it has to be.
STRETCH = 14


def nearest(home: Openings, stay: Stay, now: datetime, *, most: int = 1) -> list[Stay]:
    """Up to `most` stays of the same length that can be booked, the closest first, the earlier of two.

    None begins before today, not even on a day that the home's calendar has skipped, as Samoa's did in 2011.
    """
    found: list[Stay] = []
    nights, earliest = stay.nights, (local_date(now, home.zone) - stay.check_in).days
    taken = taken_nights(home, stay.check_in - timedelta(days=REACH), 2 * REACH + nights)
    if bytes(nights) not in taken[max(0, REACH + earliest) :]:
        return []  # so many in a row are free nowhere from today on
    for days in range(REACH + 1):
        for shift in (-days, days) if days else (0,):
            if shift < earliest or 1 in taken[REACH + shift : REACH + shift + nights]:
                continue  # most of those that cannot be had, found out at a hundredth of the cost
            other = stay.moved(shift)
            if refusal(home, other, now) is None:
                found.append(other)
                if len(found) == most:
                    return found
    return found


def free_instead(home: Openings, stay: Stay, now: datetime) -> list[Stay]:
    """What would do instead of nights that are taken: up to three of the nearest stays of that length; where
    there is none, the closest of another length, as `nearest_instead` finds it."""
    found = nearest(home, stay, now, most=3)
    return found or [other for other in (_of_any_length(home, stay, now),) if other]


def nearest_instead(home: Openings, stay: Stay, refused: Refusal, now: datetime) -> Stay | None:
    """The closest stay that would do; of the length that the rule demands where that was refused.

    Where no stay of that length would do, as in homes that are let from Saturday to Saturday, it is one whose
    length differs as little as possible.
    """
    if refused.rule in ("guests", "pets"):
        return None
    if refused.rule in ("min_nights", "max_nights") and isinstance(refused.value, int):
        stay = Stay(stay.check_in, stay.check_in + timedelta(days=refused.value))
    return _of_any_length(home, stay, now)


def _of_any_length(home: Openings, stay: Stay, now: datetime) -> Stay | None:
    """The closest stay that would do, of the length nearest to that of the stay."""
    for length in _lengths(home, stay.nights):
        other = _in_reach(home, Stay(stay.check_in, stay.check_in + length * ONE_NIGHT), now)
        if found := nearest(home, other, now):
            return found[0]
    return None


def _lengths(home: Openings, nights: int) -> Iterator[int]:
    """The length itself, then those around it, the longer one of two."""
    yield nights
    for more in range(1, max(STRETCH + 1, nights)):
        if more <= STRETCH and nights + more <= home.longest:
            yield nights + more
        if home.shortest <= nights - more <= home.longest:
            yield nights - more


def _in_reach(home: Openings, stay: Stay, now: datetime) -> Stay:
    """Not before today, and not beyond the booking window."""
    stay = stay.moved(max(0, (local_date(now, home.zone) - stay.check_in).days))
    return stay.moved(min(0, (home.last_night(now) - stay.check_out).days + 1))
