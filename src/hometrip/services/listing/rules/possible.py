"""Rules of a home that contradict each other, so that no stay could ever satisfy them: the host is told when
they are written. What contradicted itself before and stays as it was is let be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

from hometrip.kernel.errors import FieldError
from hometrip.services.listing.contract import LONGEST_STAY
from hometrip.services.listing.rules.calendar import Calendar, Openings
from hometrip.services.listing.rules.home import Home, Season, StayLimits
from hometrip.services.listing.rules.seasons import season_of


class Closed(NamedTuple):
    """A season in which no stay can begin, as one is to last `least` nights, and `most` at the same time."""

    season: Season
    least: int
    most: int


def wrong_limits(home: Home, before: Home) -> list[FieldError]:
    """What the stay rules contradict now: themselves, or a season of the price list."""
    were = [*_out_of_window(before), *_out_of_week(before)]
    wrong = [error for error in (*_out_of_window(home), *_out_of_week(home)) if error not in were]
    known = [one.season for one in closed(before.stay_rules, _seasons(before))]
    for one in closed(home.stay_rules, _seasons(home)):
        if one.season not in known:
            by_least = one.season.min_nights == one.least
            name, code = ("max_nights", "less_than_min") if by_least else ("min_nights", "more_than_max")
            wrong.append(FieldError(f"stay_rules.{name}", code, _detail(one)))
    return wrong


def wrong_seasons(
    limits: StayLimits, seasons: Sequence[Season], before: Sequence[Season]
) -> list[FieldError]:
    """Which seasons no stay can begin in, other than those that were so before."""
    known = [one.season for one in closed(limits, before)]
    wrong = []
    for one in closed(limits, seasons):
        if one.season not in known:
            by_least = one.season.min_nights == one.least
            name, code = ("min_nights", "more_than_max") if by_least else ("max_nights", "less_than_min")
            path = f"seasons[{list(seasons).index(one.season)}].{name}"
            wrong.append(FieldError(path, code, _detail(one)))
    return wrong


def shut_nights(home: Home, days: Calendar, nights: Iterable[date], least: int) -> list[date]:
    """The nights of these on which a stay may begin, but none of so many nights."""
    openings, allowed = Openings(home, days), home.stay_rules.check_in_days
    may = (night for night in nights if allowed is None or night.weekday() in allowed)
    return [night for night in may if least > openings.max_nights(night)]


def closed(limits: StayLimits, seasons: Sequence[Season]) -> list[Closed]:
    """The seasons that decide about the length of stays on some day, and let none begin on any."""
    seen: dict[int, tuple[Season, list[tuple[int, int]]]] = {}
    least_by_day, most_by_day = _by_day(limits)
    for day in _days_apart(seasons):
        if limits.check_in_days is not None and day.weekday() not in limits.check_in_days:
            continue
        low = season_of([each for each in seasons if each.min_nights], day)
        high = season_of([each for each in seasons if each.max_nights], day)
        least = (low and low.min_nights) or least_by_day[day.weekday()]
        most = min((high and high.max_nights) or most_by_day[day.weekday()], LONGEST_STAY)
        for season in (low, high):
            if season is not None:
                seen.setdefault(id(season), (season, []))[1].append((least, most))
    return [
        Closed(season, *bounds[0])
        for season, bounds in seen.values()
        if all(least > most for least, most in bounds)
    ]


def _days_apart(seasons: Sequence[Season]) -> Iterator[date]:
    """Each weekday of each run of days of which the same seasons hold."""
    turns = sorted({day for season in seasons for day in (season.first, season.until)})
    for first, until in pairwise(turns):
        for n in range(min(7, (until - first).days)):
            yield first + timedelta(days=n)


def _out_of_window(home: Home) -> Iterator[FieldError]:
    """Does no stay that is asked for in time end within the booking window?"""
    limits, (least, _) = home.stay_rules, _widest(home)
    days, hours = divmod(limits.notice_hours, 24)
    hour, minute = (int(part) for part in home.check_in_from.split(":"))
    nearest = days if hours * 60 <= hour * 60 + minute else days + 1
    if nearest + least - 1 > limits.window_days:
        told = f"is {limits.window_days}, too few for notice_hours {limits.notice_hours}, min_nights {least}"
        yield FieldError("stay_rules.window_days", "shorter_than_notice", told)


def _out_of_week(home: Home) -> Iterator[FieldError]:
    """Does no stay that begins on an allowed weekday end on one?"""
    limits, (least, most) = home.stay_rules, _widest(home)
    ins, outs = limits.check_in_days, limits.check_out_days
    if ins is None or outs is None or least > most:
        return
    lengths = range(least, min(most, least + 6) + 1)
    if not any((day + nights) % 7 in outs for day in ins for nights in lengths):
        told = f"are {outs}: no stay of {least} to {most} nights from check_in_days {ins} ends on one of them"
        yield FieldError("stay_rules.check_out_days", "out_of_reach", told)


def _widest(home: Home) -> tuple[int, int]:
    """The shortest and the longest stay that any day may have."""
    least_by_day, most_by_day = _by_day(home.stay_rules)
    allowed = home.stay_rules.check_in_days
    days = range(7) if allowed is None else allowed
    least = [least_by_day[day] for day in days]
    most = [most_by_day[day] for day in days]
    for season in _seasons(home):
        least += [season.min_nights] if season.min_nights else []
        most += [season.max_nights] if season.max_nights else []
    return min(least), min(max(most), LONGEST_STAY)


def _by_day(limits: StayLimits) -> tuple[list[int], list[int]]:
    least = [own or limits.min_nights for own in limits.min_nights_by_day or [None] * 7]
    most = [own or limits.max_nights for own in limits.max_nights_by_day or [None] * 7]
    return least, most


def _seasons(home: Home) -> list[Season]:
    return home.pricing.seasons if home.pricing else []


def _detail(one: Closed) -> str:
    when = f"from {one.season.first} to {one.season.until}"
    return f"no stay can begin {when}: it is to last {one.least} nights at least and {one.most} at most"
