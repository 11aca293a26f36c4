"""From events as they are written to the nights at the home that they take."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple
from uuid import UUID

from hometrip.kernel.record import Frozen
from hometrip.kernel.stay import ONE_NIGHT, Stay, zone_of
from hometrip.services.listing.rules.ical import Event, FeedUnreadable, Property, day_of, parsed
from hometrip.services.listing.rules.ical_export import name_of
from hometrip.services.listing.rules.ical_repeats import Rule, Steps, rule_of, starts
from hometrip.services.listing.rules.ical_zones import zone_named, zones_of

# Nights further ahead than can ever be booked from here are left for a later reading.
HORIZON = timedelta(days=1_100)
MOST_STAYS = 20_000
_MOMENT = re.compile(r"(\d{8})(?:T(\d\d)(\d\d)(\d\d)(Z?))?")
_DURATION = re.compile(
    r"\+?P(?:(\d{1,4})W|(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,8})S)?)?)"
)


class Home(NamedTuple):
    """What makes nights of times: the zone of the home, and when its nights begin and end. By its `id` those
    are known that went out from here.
    """

    zone: str
    check_in_from: str
    check_out_by: str
    id: UUID = UUID(int=0)


class Busy(Frozen):
    """The nights that an event of a feed takes; `missing` counts the good fetches in a row without it."""

    uid: str
    stays: list[Stay]
    missing: int = 0


class Reading(NamedTuple):
    """What a calendar says. `empty`: there is no event in it, of any kind. `idle` are the UIDs of events that
    take no nights: cancelled ones, those that leave the time free, those that are over."""

    events: list[Busy]
    empty: bool
    idle: frozenset[str] = frozenset()


class Moment(NamedTuple):
    """A day, or a time of it by the clock of `zone`; without a zone, by the home's."""

    day: date
    clock: time | None
    zone: tzinfo


class Length(NamedTuple):
    """How long an event takes: so many days by the calendar, whether or not clocks are changed in them, and
    so much time by a watch."""

    days: int
    time: timedelta = timedelta()


def read_feed(body: bytes, home: Home, today: date, our_host: str) -> Reading:
    """The nights from today on of each event that means that somebody is there.

    Not those that were cancelled or leave the time free, nor those that went out from here and came back, be
    it from `our_host` or from where the house was before it moved. `FeedUnreadable` where any event cannot be
    understood.
    """
    events, zones = parsed(body)
    reader = _Reader(home, zones_of(zones), today)
    by_uid: dict[str, list[Event]] = {}
    for event in events:
        by_uid.setdefault(uid_of(event), []).append(event)
    ours = f"@{our_host}.hometrip".lower()
    read = {
        uid: reader.stays(same)
        for uid, same in by_uid.items()
        if not uid.lower().endswith(ours) and not _went_out_of(home, uid, same[0])
    }
    busy = [Busy(uid=uid, stays=stays) for uid, stays in read.items() if stays]
    return Reading(busy, empty=not events, idle=frozenset(uid for uid, stays in read.items() if not stays))


def uid_of(event: Event) -> str:
    """An event without a name is known by its dates; an endless name by its digest."""
    uid = _text(event, "UID")
    if not uid:
        uid = "without-uid:" + "/".join(_text(event, name) for name in ("DTSTART", "DTEND", "DURATION"))
    return uid if len(uid) <= 300 else "digest:" + hashlib.sha256(uid.encode()).hexdigest()


def _went_out_of(home: Home, uid: str, event: Event) -> bool:
    name, _, host = uid.lower().partition("@")
    days = [_text(event, which)[:8] for which in ("DTSTART", "DTEND")]
    if not host.endswith(".hometrip") or not all(days):
        return False
    return name == str(name_of(home.id, *map(day_of, days)))


def _text(event: Event, name: str) -> str:
    return event[name][0].value if name in event else ""


def _takes_time(event: Event) -> bool:
    return _text(event, "STATUS").upper() != "CANCELLED" and _text(event, "TRANSP").upper() != "TRANSPARENT"


class _Reader:
    """Reads events of one calendar; counts what they come to."""

    def __init__(self, home: Home, zones: dict[str, tzinfo], today: date) -> None:
        self.zone, self.zones = zone_of(home.zone), zones
        check_in, check_out = time.fromisoformat(home.check_in_from), time.fromisoformat(home.check_out_by)
        self.morning, self.evening = min(check_in, check_out), max(check_in, check_out)
        self.today, self.end = today, today + HORIZON
        self.left, self.steps = MOST_STAYS, Steps()

    def stays(self, same: Sequence[Event]) -> list[Stay]:
        """The nights of all events of one UID: the event itself, and single occurrences that were changed."""
        changed: dict[object, Event] = {}
        others: list[Moment] = []
        for event in sorted((each for each in same if "RECURRENCE-ID" in each), key=_sequence):
            others.append(self.moment(event["RECURRENCE-ID"][0]))
            changed[self.key(others[-1])] = event
            if "RANGE" in event["RECURRENCE-ID"][0].params:
                raise FeedUnreadable("An event changes all that follow it, which is not read here.")
        whole = [each for each in same if "RECURRENCE-ID" not in each]
        newest = max((_sequence(each) for each in whole), default=0)
        found: list[Stay] = []
        for event in whole:
            if _sequence(event) == newest and _takes_time(event):
                found += self.occurrences(event, others)
        for event in changed.values():
            if _takes_time(event):
                found += self.within(self.one(event))
        return merged_stays(found)

    def occurrences(self, event: Event, changed: Sequence[Moment]) -> Iterator[Stay]:
        """Without those that were changed, which are told by themselves, and those that are taken out."""
        start, length = self.span(event)
        key = self.whole_day if start.clock is None else self.key
        taken_out = (each for each, _ in self.listed(event, "EXDATE"))
        without = {key(each) for each in (*changed, *taken_out)}
        for each, its_length in self.beginnings(event, start, length):
            if self.key(each) not in without and each.day not in without:
                yield from self.within(self.nights(each, its_length))

    def beginnings(self, event: Event, start: Moment, length: Length) -> Iterator[tuple[Moment, Length]]:
        """Each with how long it takes: a period that is listed has a length of its own."""
        for each, until in self.listed(event, "RDATE"):
            yield each, self.period(each, until) if until else length
        if "RRULE" not in event:
            yield start, length
            return
        rule = rule_of(_text(event, "RRULE"))
        first = datetime.combine(start.day, start.clock or time())
        low = self.today - timedelta(days=length.days + length.time.days + 2)
        for day in starts(rule, first, self.until(rule, start), low, self.end, self.steps):
            yield start._replace(day=day), length

    def until(self, rule: Rule, start: Moment) -> datetime | None:
        """The last beginning allowed, by the clock of the event."""
        if not rule.until:
            return None
        last = self.moment(Property({}, rule.until))
        if last.clock is None or start.clock is None:
            return datetime.combine(last.day, time.max)
        zone = last.zone if rule.until.endswith("Z") else start.zone
        return datetime.combine(last.day, last.clock, zone).astimezone(start.zone).replace(tzinfo=None)

    def one(self, event: Event) -> Stay:
        return self.nights(*self.span(event))

    def span(self, event: Event) -> tuple[Moment, Length]:
        """When it begins, and how long it takes."""
        if "DTSTART" not in event:
            raise FeedUnreadable("An event of the calendar has no beginning.")
        start = self.moment(event["DTSTART"][0])
        if "DTEND" in event:
            return start, self.length(start, event["DTEND"][0])
        if "DURATION" in event:
            return start, duration_of(_text(event, "DURATION"))
        return start, Length(1 if start.clock is None else 0)

    def length(self, start: Moment, until: Property) -> Length:
        """In whole days where the start is a day."""
        end = self.moment(until)
        if start.clock is None:
            length = Length((end.day - start.day).days)
        else:
            length = Length(0, self.instant(end) - self.instant(start))
        if length < Length(0):
            raise FeedUnreadable("An event of the calendar ends before it begins.")
        return length

    def period(self, start: Moment, until: Property) -> Length:
        """Of a period, behind whose start is its end or its duration."""
        return duration_of(until.value) if "P" in until.value.upper() else self.length(start, until)

    def nights(self, start: Moment, length: Length) -> Stay:
        """Days are nights one to one. A time of day belongs to the night after it, and an event that goes on
        past the hours of check-in and check-out takes the night of its last day too. What begins and ends
        before both lies in the night that ends there."""
        if start.clock is None:
            days = timedelta(days=length.days + length.time.days)
            return Stay(start.day, start.day + max(days, ONE_NIGHT))
        day_of_end = start._replace(day=start.day + timedelta(days=length.days))
        begin, end = self.instant(start), self.instant(day_of_end) + length.time
        first, last = begin.astimezone(self.zone), end.astimezone(self.zone)
        if end > begin and first.date() == last.date() and last.time() <= self.morning:
            return Stay(first.date() - ONE_NIGHT, first.date())
        until = last.date() + (ONE_NIGHT if last.time() > self.evening else timedelta())
        return Stay(first.date(), max(until, first.date() + ONE_NIGHT))

    def within(self, stay: Stay) -> Iterator[Stay]:
        """The stay, unless it is over or too far ahead to matter."""
        if stay.check_out <= self.today or stay.check_in >= self.end:
            return
        self.left -= 1
        if self.left < 0:
            raise FeedUnreadable(f"The events of the calendar come to more than {MOST_STAYS} stays.")
        yield Stay(stay.check_in, min(stay.check_out, self.end))

    def listed(self, event: Event, name: str) -> Iterator[tuple[Moment, Property | None]]:
        """The times of a list, each with its end where it is a period."""
        for each in event.get(name, ()):
            for value in filter(str.strip, each.value.split(",")):  # some write the property of an empty list
                begin, slash, end = value.partition("/")
                yield self.moment(Property(each.params, begin)), Property(each.params, end) if slash else None

    def moment(self, written: Property) -> Moment:
        found = _MOMENT.fullmatch(written.value.strip().upper())
        if not found:
            raise FeedUnreadable(f"{written.value[:40]!r} is not a time.")
        day = day_of(found[1])
        if found[2] is None:
            return Moment(day, None, self.zone)
        try:
            clock = time(int(found[2]), int(found[3]), min(int(found[4]), 59))
        except ValueError:
            raise FeedUnreadable(f"{written.value[:40]!r} is not a time.") from None
        return Moment(day, clock, UTC if found[5] else self.zone_of(written.params.get("TZID", "")))

    def zone_of(self, name: str) -> tzinfo:
        return zone_named(name) or self.zones.get(name) or self.zone

    def instant(self, at: Moment) -> datetime:
        return datetime.combine(at.day, at.clock or time(), at.zone).astimezone(UTC)

    def whole_day(self, at: Moment) -> object:
        """Which day of a series of whole days is meant: some write its midnight, there or in UTC."""
        if at.clock is None or at.clock == time():
            return at.day
        return self.instant(at).astimezone(self.zone).date()

    def key(self, at: Moment) -> object:
        """What tells one occurrence from another, however its time is written."""
        return at.day if at.clock is None else self.instant(at)


def _sequence(event: Event) -> int:
    text = _text(event, "SEQUENCE")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def duration_of(text: str) -> Length:
    found = _DURATION.fullmatch(text.strip().upper())
    if not found or not any(found.groups()):
        raise FeedUnreadable(f"{text[:40]!r} is not a duration.")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    by_watch = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return Length(min(weeks * 7 + days, 2 * HORIZON.days), min(by_watch, 2 * HORIZON))


def merged_stays(stays: Sequence[Stay]) -> list[Stay]:
    """The fewest ranges that have all their nights, in order."""
    found: list[Stay] = []
    for stay in sorted(stays):
        if found and stay.check_in <= found[-1].check_out:
            found[-1] = Stay(found[-1].check_in, max(found[-1].check_out, stay.check_out))
        else:
            found.append(stay)
    return found
