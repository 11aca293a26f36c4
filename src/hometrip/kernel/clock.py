"""Time as an argument: the port through which everything learns what time it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
# Clocks of two machines may be so far apart.
SKEW = 5 * SECOND


class Clock(Protocol):
    """Tells the time.

    - `now` is an aware instant in UTC and never goes back within a process.
    - `sleep_until` returns once `now() >= at`; with a clock that can be moved, a move wakes it.
    """

    def now(self) -> datetime: ...

    async def sleep_until(self, at: datetime) -> None: ...


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def is_instant(at: datetime) -> bool:
    """Has it a time zone, and is there such a time in UTC? Of the first and the last hours of all years there
    may be none.
    """
    try:
        return at.tzinfo is not None and bool(at.astimezone(UTC))
    except OverflowError:
        return False
