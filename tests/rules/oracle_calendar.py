"""Whether a stay can be booked, a second time: every rule by itself, day by day, from their words alone.

Nothing is shared with the rule but the words. Where they leave a choice, what is read here is said beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from rules.oracle_instants import instant, shown

# Reading: of several rules that a stay breaks the first of these is named, and among what takes its nights
# the range that begins first.
ORDER = (
    "guests",
    "pets",
    "max_nights",
    "min_nights",
    "check_in_day",
    "check_out_day",
    "notice",
    "window",
    "taken",
    "preparation",
)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Taken:
    kind: str
    first: date
    until: date


@dataclass(frozen=True)
class LeastStay:
    """What a season says of stays that begin in it: at least `nights`, at most `most`."""

    first: date
    until: date
    nights: int | None
    most: int | None = None


@dataclass(frozen=True)
class Asked:
    """A home with its rules, and the stay that somebody asks for. `days` are least stays of single days."""

    zone: str
    clock: str
    min_nights: int
    max_nights: int
    notice_hours: int
    preparation_nights: int
    window_days: int
    check_in_days: tuple[int, ...] | None
    check_out_days: tuple[int, ...] | None
    least_by_day: tuple[int | None, ...] | None
    most_by_day: tuple[int | None, ...] | None
    most_guests: int
    pets_allowed: bool
    seasons: tuple[LeastStay, ...]
    days: tuple[tuple[date, int], ...]
    taken: tuple[Taken, ...]  # the earliest first
    check_in: date
    nights: int
    guests: int
    pets: int
    now: datetime


def refused(asked: Asked) -> tuple[str, object] | None:
    """The rule that is named, and its value."""
    broken = _broken(asked, asked.check_in, asked.nights)
    if asked.guests > asked.most_guests:
        broken["guests"] = ("guests", asked.most_guests)
    if asked.pets and not asked.pets_allowed:
        broken["pets"] = ("pets", False)
    return next((broken[rule] for rule in ORDER if rule in broken), None)


def instead(asked: Asked) -> tuple[date, int] | None:
    """The nearest stay that would do, of the length that is demanded where the length was refused.

    Reading: the nearest is that whose check-in is fewest days away, the earlier one of two. It is looked for
    within 90 days of what was asked for, or of where bookings are taken. Where there is none of that length,
    the next length counts, up to 14 nights more or any fewer, the longer one of two.
    """
    told = refused(asked)
    if told is None or told[0] in ("guests", "pets"):
        return None
    nights = asked.nights
    if told[0] in ("min_nights", "max_nights"):
        assert isinstance(told[1], int)
        nights = told[1]
    for length in sorted(range(1, nights + 15), key=lambda n: (abs(n - nights), -n)):
        if length == nights or length <= 365:
            found = _closest(asked, length)
            if found is not None:
                return found, length
    return None


def _closest(asked: Asked, nights: int) -> date | None:
    today = _today(asked.now, asked.zone)
    around = max(asked.check_in, today)
    last = today + DAY * (asked.window_days + 1 - nights)
    around = min(around, last)
    for away in range(91):
        for day in (around - DAY * away, around + DAY * away):
            if today <= day <= last and not _broken(asked, day, nights):
                return day
    return None


def _broken(asked: Asked, check_in: date, nights: int) -> dict[str, tuple[str, object]]:
    """Every rule about dates that a stay breaks."""
    broken: dict[str, tuple[str, object]] = {}
    check_out = check_in + DAY * nights
    least = _least(asked, check_in)
    if nights < least:
        broken["min_nights"] = ("min_nights", least)
    if nights > (most := _most(asked, check_in)):
        broken["max_nights"] = ("max_nights", most)
    if asked.check_in_days is not None and check_in.weekday() not in asked.check_in_days:
        broken["check_in_day"] = ("check_in_day", list(asked.check_in_days))
    if asked.check_out_days is not None and check_out.weekday() not in asked.check_out_days:
        broken["check_out_day"] = ("check_out_day", list(asked.check_out_days))
    if asked.now > _notice_ends(asked, check_in):
        broken["notice"] = ("notice", asked.notice_hours)
    # Reading: the last night is at most so many days after today at the home.
    if check_out - DAY > _today(asked.now, asked.zone) + DAY * asked.window_days:
        broken["window"] = ("window", asked.window_days)
    wished = {check_in + DAY * n for n in range(nights)}
    for taken in asked.taken:
        if "taken" not in broken and not wished.isdisjoint(_nights(taken, 0)):
            broken["taken"] = (taken.kind, False)
        # Reading: a home is prepared for guests, so beside bookings, not beside what else takes nights.
        if taken.kind == "booked" and not wished.isdisjoint(_nights(taken, asked.preparation_nights)):
            broken["preparation"] = ("preparation", asked.preparation_nights)
    return broken


def _least(asked: Asked, check_in: date) -> int:
    """The most specific that says something: the day itself, the shortest season (of two alike the one listed
    last), the weekday, the home."""
    own = dict(asked.days).get(check_in)
    if own is not None:
        return own
    told = [(season, season.nights) for season in asked.seasons]
    return (
        _of_season(told, check_in)
        or (asked.least_by_day or (None,) * 7)[check_in.weekday()]
        or asked.min_nights
    )


def _most(asked: Asked, check_in: date) -> int:
    told = [(season, season.most) for season in asked.seasons]
    most = _of_season(told, check_in) or (asked.most_by_day or (None,) * 7)[check_in.weekday()]
    return most or asked.max_nights


def _of_season(told: list[tuple[LeastStay, int | None]], check_in: date) -> int | None:
    best, length = None, None
    for season, nights in told:
        if nights is None or not season.first <= check_in < season.until:
            continue
        if length is None or season.until - season.first <= length:
            best, length = nights, season.until - season.first
    return best


def _notice_ends(asked: Asked, check_in: date) -> datetime:
    """Whole days of notice are days of the calendar at check-in time, what is left are hours by the clock."""
    days, hours = divmod(asked.notice_hours, 24)
    return instant(check_in - DAY * days, asked.clock, asked.zone) - timedelta(hours=hours)


@lru_cache(maxsize=1_000)
def _nights(taken: Taken, margin: int) -> frozenset[date]:
    count = (taken.until - taken.first).days
    return frozenset(taken.first + DAY * n for n in range(-margin, count + margin))


@lru_cache(maxsize=1_000)
def _today(now: datetime, zone: str) -> date:
    return shown(now, zone).date()
