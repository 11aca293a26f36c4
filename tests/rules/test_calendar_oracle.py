"""Which rule refuses a stay, and what would do instead, is what a day-by-day oracle says of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from figures import Figure
from hometrip.kernel.clock import utc
from hometrip.kernel.money import Money
from hometrip.kernel.stay import Stay
from hometrip.services.listing.rules.calendar import Calendar, Openings, Span
from hometrip.services.listing.rules.home import Home, HouseRules, Pricing, Season, StayLimits
from hometrip.services.listing.rules.instead import nearest_instead
from hometrip.services.listing.rules.refusal import refusal
from rules.oracle_calendar import DAY, ORDER, Asked, LeastStay, Taken, instead, refused
from rules.oracle_hunt import ALWAYS, hunt, whole_proof
from rules.oracle_instants import ZONES, instant, shown, some_day

KINDS = ("booked", "blocked", "imported")
CLOCKS = ("15:00", "15:00", "15:00", "12:00", "16:30", "00:00", "01:30", "02:15", "23:00")
SECOND = timedelta(seconds=1)


def a_case(chance: Random) -> Asked:
    zone = chance.choice(ZONES)
    check_in = some_day(chance, zone, (0, 1, 2, 7))
    clock = chance.choice(CLOCKS)
    around = check_in - DAY * chance.choice((0, 0, 1, 2, 5, 7, 30, 80, 90))
    least = chance.choice((1, 1, 1, 2, 3, 5))
    seasons = tuple(
        LeastStay(
            first,
            first + DAY * chance.randint(1, 40),
            chance.choice((None, 1, 2, 4, 7, 30)),
            chance.choice((None, None, 3, 30, 60)),
        )
        for first in _some_days(chance, check_in, 3)
    )
    taken = tuple(
        Taken(chance.choice(KINDS), first, first + DAY * _length(chance))
        for first in _some_days(chance, check_in, 7)
    )
    case = Asked(
        zone=zone,
        clock=clock,
        min_nights=least,
        max_nights=max(least, chance.choice((3, 7, 14, 30, 365, 365))),
        notice_hours=chance.choice((0, 0, 1, 3, 12, 24, 30, 48, 72, 167, 168)),
        preparation_nights=chance.choice((0, 0, 1, 2)),
        window_days=chance.choice((5, 30, 90, 91, 180, 365, 730)),
        check_in_days=_weekdays(chance),
        check_out_days=_weekdays(chance),
        least_by_day=_by_day(chance, (None, 1, 2, 5)),
        most_by_day=_by_day(chance, (None, 4, 10, 365)),
        most_guests=4,
        pets_allowed=chance.random() < 0.5,
        seasons=seasons,
        days=tuple({day: chance.randint(1, 6) for day in _some_days(chance, check_in, 6)}.items()),
        taken=tuple(sorted(taken, key=lambda each: (each.first, each.until))),
        check_in=check_in,
        nights=chance.choice((1, 1, 2, 2, 3, 4, 5, 7, 14, 28)) if chance.random() < 0.97 else 366,
        guests=5 if chance.random() < 0.02 else 2,
        pets=int(chance.random() < 0.04),
        now=instant(around, "12:00", zone),
    )
    return replace(case, now=_moment(chance, case, around))


def _some_days(chance: Random, near: date, most: int) -> list[date]:
    return [near + DAY * chance.randint(-12, 25) for _ in range(chance.randint(0, most))]


def _length(chance: Random) -> int:
    return chance.choice((1, 1, 2, 2, 3, 3, 7, 30)) if chance.random() < 0.99 else chance.choice((120, 400))


def _weekdays(chance: Random) -> tuple[int, ...] | None:
    return tuple(sorted(chance.sample(range(7), chance.randint(1, 6)))) if chance.random() < 0.25 else None


def _by_day(chance: Random, nights: tuple[int | None, ...]) -> tuple[int | None, ...] | None:
    return tuple(chance.choice(nights) for _ in range(7)) if chance.random() < 0.25 else None


def _moment(chance: Random, case: Asked, day: date) -> datetime:
    """Some time of the day, its midnights, or where the notice ends."""
    kind = chance.random()
    if kind < 0.3:
        at = instant(day, "00:00", case.zone) + SECOND * chance.randrange(86_400)
    elif kind < 0.5:
        at = instant(day, "00:00", case.zone)
    else:
        ahead = case.check_in - DAY * (case.notice_hours // 24)
        at = instant(ahead, case.clock, case.zone) - timedelta(hours=case.notice_hours % 24)
    return at + SECOND * chance.choice((0, 0, 1, -1, 3_600, -3_600))


def openings_of(case: Asked) -> Openings:
    limits = StayLimits(
        min_nights=case.min_nights,
        max_nights=case.max_nights,
        notice_hours=case.notice_hours,
        preparation_nights=case.preparation_nights,
        window_days=case.window_days,
        check_in_days=list(case.check_in_days) if case.check_in_days is not None else None,
        check_out_days=list(case.check_out_days) if case.check_out_days is not None else None,
        min_nights_by_day=list(case.least_by_day) if case.least_by_day is not None else None,
        max_nights_by_day=list(case.most_by_day) if case.most_by_day is not None else None,
    )
    seasons = [
        Season(
            first=season.first,
            until=season.until,
            price=Money(200, "USD"),
            min_nights=season.nights,
            max_nights=season.most,
        )
        for season in case.seasons
    ]
    home = Home(
        id=UUID(int=1),
        host_id=UUID(int=2),
        title="Cabin",
        created_at=utc(2026, 1, 1),
        updated_at=utc(2026, 1, 1),
        guests=case.most_guests,
        time_zone=case.zone,
        check_in_from=case.clock,
        rules=HouseRules(pets=case.pets_allowed),
        stay_rules=limits,
        pricing=Pricing(base=Money(100, "USD"), seasons=seasons),
    )
    spans = [
        Span(id=UUID(int=number), kind=taken.kind, check_in=taken.first, check_out=taken.until)
        for number, taken in enumerate(case.taken, 10)
    ]
    own = dict(case.days)
    starts = min(own, default=None)
    count = (max(own) - min(own)).days + 1 if own else 0
    least = [own.get(min(own) + DAY * n, 0) for n in range(count)]
    return Openings(home, Calendar(id=UUID(int=1), spans=spans, starts=starts, min_nights=least))


def difference(case: Asked) -> str | None:
    """In what rule and oracle differ, if they do."""
    home, stay = openings_of(case), Stay(case.check_in, case.check_in + DAY * case.nights)
    made, expected = refusal(home, stay, case.now, guests=case.guests, pets=case.pets), refused(case)
    if (made and (made.rule, made.value)) != expected:
        return f"the rule refuses by {made}, the oracle by {expected}"
    if made is None:
        return None
    offered, nearest = nearest_instead(home, stay, made, case.now), instead(case)
    if (offered and (offered.check_in, offered.nights)) != nearest:
        return f"instead ({made}): the rule offers {offered}, the oracle {nearest}"
    return None


def simpler(case: Asked) -> Iterator[Asked]:
    """Cases with less in them."""
    for name in ("taken", "seasons", "days"):
        whole = getattr(case, name)
        for number in range(len(whole)):
            yield replace(case, **{name: whole[:number] + whole[number + 1 :]})
    for number, taken in enumerate(case.taken):
        if taken.until - taken.first > DAY:
            short = replace(taken, until=taken.first + DAY)
            yield replace(case, taken=(*case.taken[:number], short, *case.taken[number + 1 :]))
    plain: dict[str, Any] = {
        "zone": "Asia/Kathmandu",
        "clock": "15:00",
        "min_nights": 1,
        "max_nights": 365,
        "notice_hours": 0,
        "preparation_nights": 0,
        "window_days": 730,
        "check_in_days": None,
        "check_out_days": None,
        "least_by_day": None,
        "most_by_day": None,
        "guests": 2,
        "pets": 0,
        "nights": 1,
    }
    for name, value in plain.items():
        if getattr(case, name) != value:
            yield replace(case, **{name: value})


def test_random_stays_are_refused_as_the_oracle_says() -> None:
    hunt(a_case, difference, simpler, seed=1, count=ALWAYS)


def test_nothing_is_offered_for_a_day_that_the_calendar_skipped() -> None:
    """Samoa went from the 29th to the 31st of December 2011; `now` is the first instant of the 31st."""
    case = Asked(
        zone="Pacific/Apia",
        clock="15:00",
        min_nights=1,
        max_nights=365,
        notice_hours=0,
        preparation_nights=0,
        window_days=730,
        check_in_days=(0, 1, 3, 4, 6),
        check_out_days=None,
        least_by_day=None,
        most_by_day=None,
        most_guests=4,
        pets_allowed=True,
        seasons=(),
        days=(),
        taken=(),
        check_in=date(2011, 12, 31),
        nights=1,
        guests=2,
        pets=0,
        now=utc(2011, 12, 30, 10),
    )
    assert difference(case) is None


def test_the_cases_break_every_rule_and_none() -> None:
    cases = [a_case(Random(number)) for number in range(ALWAYS)]
    told = [refused(case) for case in cases]
    named = {answer[0] for answer in told if answer is not None}
    assert named == {*ORDER, *KINDS} - {"taken"}
    assert told.count(None) > ALWAYS / 20
    assert {case.zone for case in cases} == set(ZONES)
    today = [shown(case.now, case.zone).date() for case in cases]
    assert sum(case.now.date() != day for case, day in zip(cases, today, strict=True)) > ALWAYS / 20


@pytest.mark.full
@pytest.mark.timeout(3_600)
def test_two_hundred_thousand_stays_are_refused_as_the_oracle_says(figure: Figure) -> None:
    whole_proof("calendar", a_case, difference, simpler, of=200_000, figure=figure)
