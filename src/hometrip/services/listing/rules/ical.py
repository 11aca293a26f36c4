"""Calendars that other sites publish (RFC 5545), read for one thing: the nights that each event takes.

What is wrong is refused whole, so that half a calendar never passes for all of it; what has no bearing on
nights is not looked at. Who reads what is left, and what becomes of it, is in `ical_merge`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from hometrip.kernel.errors import Invalid


class FeedUnreadable(Invalid):
    """This is not a calendar that can be read."""

    code = "feed_unreadable"


class Property(NamedTuple):
    params: dict[str, str]
    value: str


# An event's properties by name; of most there is one, of EXDATE and RDATE there may be many.
Event = dict[str, list[Property]]


class ZoneTold(NamedTuple):
    """A zone as a calendar describes it: its name for it, the usual one, and when which offset begins."""

    name: str
    usual: str
    parts: list[dict[str, str]]


class Parsed(NamedTuple):
    """The events as they are written, and the zones that the calendar describes."""

    events: list[Event]
    zones: list[ZoneTold]


MOST_EVENTS = 20_000
_FIRST, _LAST = date(1970, 1, 1), date(2199, 12, 31)
_WANTED = frozenset(
    "UID DTSTART DTEND DURATION RRULE RDATE EXDATE RECURRENCE-ID STATUS TRANSP SEQUENCE".split()
)
_OF_ZONES = frozenset("TZID X-LIC-LOCATION TZOFFSETTO DTSTART RRULE".split())
# When in a zone clocks are changed; nobody describes more of them.
_TURNS, _MOST_TURNS = frozenset({"STANDARD", "DAYLIGHT"}), 500
_FOLD = re.compile(rb"(?:\r\n|\n|\r)[ \t]")
_LINE = re.compile(r"\r\n|\n|\r")
_NAME = re.compile(r"[A-Za-z0-9-]+")
_PARAMETER = re.compile(r';([A-Za-z0-9-]+)=((?:"[^"]*"|[^";:])*)')


def parsed(body: bytes) -> Parsed:
    """`FeedUnreadable` for anything but whole calendars: a web page, a torn file, parts out of order."""
    lines = _lines(body)
    events: list[Event] = []
    zones: list[ZoneTold] = []
    within: list[str] = []
    described: list[dict[str, str]] = []
    for line in lines:
        found = _NAME.match(line)
        name = found[0].upper() if found else ""
        if name in ("BEGIN", "END") and line[len(name) :].startswith(":"):
            what = line.partition(":")[2].strip().upper()
            if name == "BEGIN":
                _begin(what, within, events)
                if within[1:2] == ["VTIMEZONE"] and len(described) < _MOST_TURNS:
                    described.append({"BEGIN": what})
            else:
                if not within or within.pop() != what:
                    raise FeedUnreadable(f"The calendar is out of order at END:{what[:40]}.")
                if what == "VTIMEZONE" and described:
                    zones.append(_zone_told(*described))
                    described = []
        elif within == ["VCALENDAR", "VEVENT"]:
            if name in _WANTED:
                events[-1].setdefault(name, []).append(_property(line, len(name)))
        elif name in _OF_ZONES and within[1:2] == ["VTIMEZONE"] and len(within) < 4:
            described[-1][name] = _property(line, len(name)).value
        elif not within:
            raise FeedUnreadable("This is not a calendar.")
    if within:
        raise FeedUnreadable("The calendar ends before its end.")
    return Parsed(events, zones)


def _zone_told(zone: dict[str, str], *parts: dict[str, str]) -> ZoneTold:
    turns = [part for part in parts if part["BEGIN"] in _TURNS]
    return ZoneTold(zone.get("TZID", ""), zone.get("X-LIC-LOCATION", ""), turns)


def _begin(what: str, within: list[str], events: list[Event]) -> None:
    if not within and what != "VCALENDAR":
        raise FeedUnreadable("This is not a calendar.")
    within.append(what)
    if within == ["VCALENDAR", "VEVENT"]:
        events.append({})
        if len(events) > MOST_EVENTS:
            raise FeedUnreadable(f"The calendar has more than {MOST_EVENTS} events.")
    elif len(within) > 10:
        raise FeedUnreadable("The calendar is nested too deep.")


def _lines(body: bytes) -> Iterator[str]:
    """Whole lines: a fold may fall into the middle of a letter, so it is undone before letters are read."""
    if b"\x00" in body:
        raise FeedUnreadable("This is not a calendar in UTF-8.")
    text = _FOLD.sub(b"", body).decode("utf-8-sig", "replace")
    lines = [line for line in _LINE.split(text) if line and not line.isspace()]
    if not lines:
        raise FeedUnreadable("There is nothing at this address.")
    return iter(lines)


def _property(line: str, at: int) -> Property:
    """Parameters and value of a line, from behind its name."""
    params: dict[str, str] = {}
    while found := _PARAMETER.match(line, at):
        params[found[1].upper()] = found[2].strip('"')
        at = found.end()
    if line[at : at + 1] != ":":
        raise FeedUnreadable(f"A line of the calendar cannot be read: {line[:60]!r}.")
    return Property(params, line[at + 1 :].strip())


def day_of(digits: str) -> date:
    """A day as eight digits. Days far away are brought near enough to count with."""
    try:
        return min(max(date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])), _FIRST), _LAST)
    except ValueError:
        raise FeedUnreadable(f"{digits[:20]!r} is not a day.") from None
