"""When a clock at the home shows what, found by looking: only ever from an instant to local time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from random import Random
from zoneinfo import ZoneInfo

# Half an hour's change, changes at midnight, none at all, an odd offset, a day that was left out, and a
# summer time that pauses.
ZONES = (
    "America/New_York",
    "Europe/Paris",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "America/Santiago",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Africa/Casablanca",
)
LEAP_DAYS = tuple(date(year, 2, 29) for year in range(2008, 2045, 4))
FARTHER_THAN_ANY_OFFSET = timedelta(hours=26)


def shown(at: datetime, zone: str) -> datetime:
    """What calendar and clock at the home show at that instant."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@lru_cache(maxsize=200_000)
def instant(day: date, clock: str, zone: str) -> datetime:
    """The first instant at which the home shows this day and clock time. A time that a change of clocks
    leaves out is counted with the clock as it went before."""
    showing, as_before = _showing(day, clock, zone)
    return min(showing, default=as_before)


def times(day: date, clock: str, zone: str) -> int:
    """How often the home shows this day and clock time: a change of clocks leaves out some, and others come
    twice."""
    return len(_showing(day, clock, zone)[0])


def _showing(day: date, clock: str, zone: str) -> tuple[set[datetime], datetime]:
    """The instants that show it, and the one that would with the clock as it went before."""
    wall = datetime.combine(day, time.fromisoformat(clock))
    as_utc = wall.replace(tzinfo=UTC)
    before, after = (
        shown(probe, zone) - probe.replace(tzinfo=None)
        for probe in (as_utc - FARTHER_THAN_ANY_OFFSET, as_utc + FARTHER_THAN_ANY_OFFSET)
    )
    return {at for at in (as_utc - before, as_utc - after) if shown(at, zone) == wall}, as_utc - before


@lru_cache(maxsize=64)
def days_of_change(zone: str) -> tuple[date, ...]:
    """The days from 2008 to 2044 by whose end the home's clock is another than at their beginning."""
    days, day, ahead = [], datetime(2008, 1, 1, tzinfo=UTC), None
    while day.year < 2045:
        offset = shown(day, zone) - day.replace(tzinfo=None)
        if ahead is not None and offset != ahead:
            days.append(day.date())
        day, ahead = day + timedelta(days=1), offset
    return tuple(days)


def some_day(chance: Random, zone: str, ahead: tuple[int, ...]) -> date:
    """A day, often one of those `ahead` of a change of clocks or of a leap day."""
    kind, changes = chance.random(), days_of_change(zone)
    if kind < 0.5 and changes:
        return chance.choice(changes) + timedelta(days=chance.choice(ahead) + chance.randrange(-2, 2))
    if kind < 0.65:
        return chance.choice(LEAP_DAYS) + timedelta(days=chance.choice(ahead) + chance.randrange(-1, 2))
    return date(2009, 1, 1) + timedelta(days=chance.randrange(12_000))
