"""A stay: the nights from check-in (inclusive) to check-out (exclusive), local dates at the listing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from hometrip.kernel.errors import Invalid

ONE_NIGHT = timedelta(days=1)


class Stay(msgspec.Struct, frozen=True, order=True, gc=False):
    """Half-open: another stay may begin on the day that this one ends."""

    check_in: date
    check_out: date

    @property
    def nights(self) -> int:
        return (self.check_out - self.check_in).days

    def each_night(self) -> Iterator[date]:
        return (self.check_in + timedelta(days=n) for n in range(self.nights))

    def overlaps(self, other: Stay) -> bool:
        return self.check_in < other.check_out and other.check_in < self.check_out

    def moved(self, days: int) -> Stay:
        return Stay(self.check_in + timedelta(days=days), self.check_out + timedelta(days=days))


def stay_of(check_in: date, check_out: date) -> Stay:
    """A stay of one night or more; anything else is `Invalid`, naming the field."""
    if check_out <= check_in:
        raise Invalid.field("check_out", "not_after_check_in", "check_out must be a later day than check_in")
    return Stay(check_in, check_out)


def at_local(day: date, clock_time: str, zone: str) -> datetime:
    """The instant (UTC) when a clock at the listing shows `clock_time` ("15:00") on `day`.

    A time skipped by a change of clocks is the instant just as long after the change; of a time that comes
    twice it is the first (PEP 495, fold 0). So no change of clocks moves "5 days before".
    """
    hour, minute = clock_time.split(":")
    return datetime.combine(day, time(int(hour), int(minute)), zone_of(zone)).astimezone(UTC)


def local_date(at: datetime, zone: str) -> date:
    """What day it is at the listing."""
    return at.astimezone(zone_of(zone)).date()


def clock_at(at: datetime, zone: str) -> str:
    """What a clock at the listing shows then, such as "15:00"."""
    return at.astimezone(zone_of(zone)).strftime("%H:%M")


def days_later(at: datetime, days: int, zone: str) -> datetime:
    """When a clock at the listing shows the same so many days later: no change of clocks moves it."""
    return at_local(local_date(at, zone) + timedelta(days=days), clock_at(at, zone), zone)


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    if name not in _names():
        raise Invalid.field("time_zone", "unknown_time_zone", f"{name!r} is not an IANA time zone")
    return ZoneInfo(name)


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones())
