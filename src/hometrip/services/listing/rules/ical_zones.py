"""Time zones as calendars name them, or describe them under names of their own (RFC 5545, 3.6.5)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import NamedTuple

from hometrip.kernel.errors import Invalid
from hometrip.kernel.stay import zone_of
from hometrip.services.listing.rules.ical import FeedUnreadable, ZoneTold, day_of
from hometrip.services.listing.rules.ical_repeats import Rule, Steps, rule_of, starts

_OFFSET = re.compile(r"([+-])(\d\d)(\d\d)")
_BEGINNING = re.compile(r"(\d{8})T(\d\d)(\d\d)")


class Turn(NamedTuple):
    """From `first` on by the clock there, and again by the rule up to `until`, it is `offset` from UTC."""

    first: datetime
    rule: Rule | None
    until: datetime | None
    offset: timedelta


class DescribedZone(tzinfo):
    """A zone that changes its clocks as its turns say. Its years are worked out once."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.turns = turns
        self._years: dict[int, list[tuple[datetime, timedelta]]] = {}

    def utcoffset(self, at: datetime | None) -> timedelta:
        if at is None:
            return self.turns[0].offset
        if at.year not in self._years:
            self._years[at.year] = sorted(self._beginnings(at.year))
        clock = at.replace(tzinfo=None)
        begun = [offset for begins, offset in self._years[at.year] if begins <= clock]
        return begun[-1] if begun else self.turns[0].offset

    def dst(self, _: datetime | None) -> timedelta:
        return timedelta()

    def tzname(self, _: datetime | None) -> str | None:
        return None

    def _beginnings(self, year: int) -> Iterator[tuple[datetime, timedelta]]:
        """Those of the year and of the one before it; of what ended or came but once, the last."""
        low, high = date(year - 1, 1, 1), date(year + 1, 1, 1)
        for turn in self.turns:
            if turn.rule is None or (turn.until is not None and turn.until.date() < low):
                yield turn.until or turn.first, turn.offset
                continue
            for day in starts(turn.rule, turn.first, turn.until, low, high, Steps()):
                yield datetime.combine(day, turn.first.time()), turn.offset


def zones_of(told: Sequence[ZoneTold]) -> dict[str, tzinfo]:
    """The zones of a calendar by its names for them: the usual one where there is one, else as described."""
    found: dict[str, tzinfo] = {}
    for each in told:
        zone = zone_named(each.usual) or zone_named(each.name) or _described(each)
        if zone is not None:
            found[each.name] = zone
    return found


def zone_named(name: str) -> tzinfo | None:
    """The IANA zone of a name that may have a path of its maker in front ("/example.org/1/Europe/Berlin")."""
    parts = name.strip("/").split("/") if len(name) < 100 else []
    for skip in range(len(parts)):
        try:
            return zone_of("/".join(parts[skip:]))
        except Invalid:
            continue
    return None


def _described(told: ZoneTold) -> tzinfo | None:
    """What cannot be followed in a description leaves the offset in winter, or nothing."""
    winter = [offset for part in told.parts if part["BEGIN"] == "STANDARD" and (offset := _offset(part))]
    try:
        turns = [turn for part in told.parts if (turn := _turn(part))]
    except FeedUnreadable:
        turns = []
    if turns and len(turns) == len(told.parts):
        return DescribedZone(sorted(turns, key=lambda turn: turn.first))
    return timezone(winter[-1]) if winter else None


def _turn(part: dict[str, str]) -> Turn | None:
    begins, offset = _BEGINNING.match(part.get("DTSTART", "")), _offset(part)
    if begins is None or offset is None or int(begins[2]) > 23 or int(begins[3]) > 59:
        return None
    first = datetime.combine(day_of(begins[1]), time(int(begins[2]), int(begins[3])))
    rule = rule_of(part["RRULE"]) if "RRULE" in part else None
    until = datetime.combine(day_of(rule.until[:8]), time.max) if rule and rule.until else None
    return Turn(first, rule, until, offset)


def _offset(part: dict[str, str]) -> timedelta | None:
    found = _OFFSET.match(part.get("TZOFFSETTO", ""))
    if not found or int(found[2]) > 23 or int(found[3]) > 59:
        return None
    east = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -east if found[1] == "-" else east
