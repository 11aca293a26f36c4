"""Events that repeat (RFC 5545, 3.3.10): the days on which they begin, as far as anyone asks.

Rules finer than a day, of numbered weeks or of days of the year are refused: nobody lets homes by them.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import count
from typing import NamedTuple

from hometrip.services.listing.rules.ical import FeedUnreadable

WEEKDAYS = {name: at for at, name in enumerate(("MO", "TU", "WE", "TH", "FR", "SA", "SU"))}
_READ = frozenset("FREQ INTERVAL COUNT UNTIL BYDAY BYMONTHDAY BYMONTH BYSETPOS WKST".split())
# For all rules of a calendar no more periods than this are looked at, whether or not an event begins in them.
MOST_PERIODS = 20_000


class Steps:
    """How many more periods may be looked at."""

    def __init__(self, left: int = MOST_PERIODS) -> None:
        self.left = left

    def take(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise FeedUnreadable("The events of the calendar repeat more often than can be followed.")


class Rule(NamedTuple):
    """`by_day` has (which one of the month, weekday); 0 is every one, -1 the last."""

    frequency: str
    interval: int
    times: int | None
    until: str
    by_day: list[tuple[int, int]]
    by_month_day: list[int]
    by_month: list[int]
    by_place: list[int]
    week_start: int


def rule_of(text: str) -> Rule:
    parts: dict[str, str] = {}
    for part in text.upper().split(";"):
        name, _, value = part.strip().partition("=")
        if value:
            parts[name] = value
    if unknown := sorted(set(parts) - _READ):
        raise FeedUnreadable(f"An event repeats in a way that is not read here: {unknown[0][:40]}.")
    try:
        rule = Rule(
            frequency=parts["FREQ"],
            interval=int(parts.get("INTERVAL", "1")),
            times=int(parts["COUNT"]) if "COUNT" in parts else None,
            until=parts.get("UNTIL", ""),
            by_day=[(int(day[:-2] or 0), WEEKDAYS[day[-2:]]) for day in _each(parts, "BYDAY")],
            by_month_day=[int(day) for day in _each(parts, "BYMONTHDAY")],
            by_month=[int(month) for month in _each(parts, "BYMONTH")],
            by_place=[int(place) for place in _each(parts, "BYSETPOS")],
            week_start=WEEKDAYS[parts.get("WKST", "MO")],
        )
    except (KeyError, ValueError):
        raise FeedUnreadable(f"An event repeats in a way that cannot be read: {text[:60]!r}.") from None
    _must_be_readable(rule, text)
    return rule


def _each(parts: dict[str, str], name: str) -> list[str]:
    return [each.strip() for each in parts[name].split(",")] if name in parts else []


def _must_be_readable(rule: Rule, text: str) -> None:
    numbered = any(which for which, _ in rule.by_day)
    if (
        rule.frequency not in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
        or not 1 <= rule.interval <= 10_000
        or (rule.times is not None and rule.times < 1)
        or any(not 1 <= month <= 12 for month in rule.by_month)
        or any(not 1 <= abs(day) <= 31 for day in rule.by_month_day)
        or 0 in rule.by_place
        or (numbered and rule.frequency in ("DAILY", "WEEKLY"))
        or (rule.by_day and rule.frequency == "YEARLY" and not rule.by_month)
    ):
        raise FeedUnreadable(f"An event repeats in a way that is not read here: {text[:60]!r}.")


def starts(
    rule: Rule, first: datetime, until: datetime | None, low: date, high: date, steps: Steps
) -> Iterator[date]:
    """The days of `low` and after, before `high`, on which an event begins that first began at `first`.

    `first` and `until` are by the clock of the event's own zone. The first one always counts.
    """
    day, clock, told = first.date(), first.time(), 1
    if low <= day < high:
        yield day
    for period in count(_skippable(rule, day, low)):
        if _beginning(rule, day, period) >= high:
            return
        steps.take()
        for found in _of_period(rule, day, period):
            if found <= day:
                continue
            told += 1
            over = until is not None and datetime.combine(found, clock) > until
            if over or (rule.times is not None and told > rule.times) or found >= high:
                return
            if found >= low:
                yield found


def _skippable(rule: Rule, first: date, low: date) -> int:
    """How many periods lie before `low` for certain. Where they are counted, none may be left out."""
    length = {"DAILY": 1, "WEEKLY": 7}.get(rule.frequency)
    if rule.times is not None or length is None:
        return 0
    return max(0, (low - first).days // (length * rule.interval) - 1)


def _beginning(rule: Rule, first: date, period: int) -> date:
    """The earliest day that a period can have."""
    steps = period * rule.interval
    try:
        match rule.frequency:
            case "DAILY":
                return first + timedelta(days=steps)
            case "WEEKLY":
                return (
                    first - timedelta(days=(first.weekday() - rule.week_start) % 7) + timedelta(weeks=steps)
                )
            case "MONTHLY":
                months = first.year * 12 + first.month - 1 + steps
                return date(months // 12, months % 12 + 1, 1)
        return date(first.year + steps, 1, 1)
    except (ValueError, OverflowError):
        return date.max


def _of_period(rule: Rule, first: date, period: int) -> list[date]:
    begin = _beginning(rule, first, period)
    match rule.frequency:
        case "DAILY":
            days = [begin] if _suits(rule, begin) else []
        case "WEEKLY":
            wanted = {weekday for _, weekday in rule.by_day} or {first.weekday()}
            week = [begin + timedelta(days=n) for n in range(7)]
            days = [day for day in week if day.weekday() in wanted and _month_suits(rule, day)]
        case "MONTHLY":
            days = _of_month(rule, first, begin) if _month_suits(rule, begin) else []
        case _:
            months = rule.by_month or (range(1, 13) if rule.by_month_day else [first.month])
            each = [_of_month(rule, first, begin.replace(month=month)) for month in sorted(set(months))]
            days = [day for month_days in each for day in month_days]
    if rule.by_place:
        places = {place - 1 if place > 0 else len(days) + place for place in rule.by_place}
        days = [day for at, day in enumerate(days) if at in places]
    return days


def _suits(rule: Rule, day: date) -> bool:
    last = monthrange(day.year, day.month)[1]
    return (
        _month_suits(rule, day)
        and (not rule.by_day or day.weekday() in {weekday for _, weekday in rule.by_day})
        and (not rule.by_month_day or bool({day.day, day.day - last - 1} & set(rule.by_month_day)))
    )


def _month_suits(rule: Rule, day: date) -> bool:
    return not rule.by_month or day.month in rule.by_month


def _of_month(rule: Rule, first: date, month: date) -> list[date]:
    last = monthrange(month.year, month.month)[1]
    days = [month.replace(day=n) for n in range(1, last + 1)]
    if rule.by_month_day:
        days = [day for day in days if {day.day, day.day - last - 1} & set(rule.by_month_day)]
    if not rule.by_day:
        return days if rule.by_month_day else [day for day in days if day.day == first.day]
    return [day for day in days if any(_is_the(which, weekday, day, last) for which, weekday in rule.by_day)]


def _is_the(which: int, weekday: int, day: date, last: int) -> bool:
    """Is it that weekday, and if it matters, the one of the month that is asked for?"""
    if day.weekday() != weekday:
        return False
    return which in (0, (day.day - 1) // 7 + 1, -((last - day.day) // 7 + 1))
