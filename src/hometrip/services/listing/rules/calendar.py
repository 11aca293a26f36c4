"""Whether a stay can be booked: the one function that calendar, quote, booking and search all ask.

A stay is a half-open range of nights. It can be booked when each of its nights can be had and its length,
its guests and its weekdays suit the home. `refusal` decides; what would do instead is found in `instead`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import NamedTuple
from uuid import UUID

from hometrip.kernel.record import Frozen
from hometrip.kernel.stay import ONE_NIGHT, Stay, at_local, local_date
from hometrip.ports.documents import Record
from hometrip.services.listing.contract import LONGEST_STAY
from hometrip.services.listing.rules.home import Home, Season, StayLimits
from hometrip.services.listing.rules.seasons import lay_days, lay_seasons, season_of

BOOKED, BLOCKED, IMPORTED = "booked", "blocked", "imported"
TAKEN = frozenset({BOOKED, BLOCKED, IMPORTED})


class Span(Frozen):
    """Nights that are taken, by whom (`kind`) and which (`id`: a booking, a block or an imported calendar).

    Of a booking, `confirmed` tells whether it ever was, and `told_by` is the event that last spoke of it.
    """

    id: UUID
    kind: str
    check_in: date
    check_out: date
    confirmed: bool = False
    told_by: UUID | None = None


class Released(Frozen):
    """A booking whose nights are free again, and the event that said so."""

    id: UUID
    told_by: UUID


class Calendar(Record):
    """The days of a home (same id): what single nights cost, their least stays, and who has taken which.

    `prices` (minor units) and `min_nights` have an entry for each day from `starts` on; 0 means that the day
    has none of its own. `revision` rises with every change of home, price or calendar. `feeds` are the
    imported calendars. `repriced_at` is when nights were last asked for another price than before. `link`
    counts how often the secret links to the calendar were made anew.
    """

    revision: int = 1
    starts: date | None = None
    prices: list[int] = []
    min_nights: list[int] = []
    spans: list[Span] = []
    released: list[Released] = []
    feeds: list[UUID] = []
    repriced_at: datetime | None = None
    link: int = 0


class Openings:
    """What decides about stays at a home, made ready once to be asked often."""

    def __init__(self, home: Home, calendar: Calendar) -> None:
        self.limits: StayLimits = home.stay_rules
        self.guests = home.guests or 0
        self.pets = home.rules.pets
        self.zone = home.time_zone
        self.check_in_from = home.check_in_from
        self.seasons: list[Season] = home.pricing.seasons if home.pricing else []
        self.least_by_day = _by_day(self.limits.min_nights, self.limits.min_nights_by_day)
        self.most_by_day = _by_day(self.limits.max_nights, self.limits.max_nights_by_day)
        most = {*self.most_by_day, *(season.max_nights for season in self.seasons if season.max_nights)}
        self.longest, self.surely = min(max(most), LONGEST_STAY), min(most)
        self.one_longest = len(most) == 1
        seasonal = [season.min_nights for season in self.seasons if season.min_nights]
        self.shortest = min([*self.least_by_day, *seasonal, *filter(None, calendar.min_nights)])
        self.starts = calendar.starts
        self.least = calendar.min_nights
        self._set(calendar.spans)

    def _set(self, spans: Sequence[Span]) -> None:
        self.spans = sorted(spans, key=lambda span: (span.check_in, span.check_out))
        self._ends = _running_ends(self.spans)

    def with_spans(self, spans: Sequence[Span]) -> Openings:
        """The same home, if these were the taken nights."""
        other = object.__new__(Openings)
        other.__dict__.update(self.__dict__)
        other._set(spans)
        return other

    def min_nights(self, check_in: date) -> int:
        """The most specific rule wins: the day's own, else the season's, the weekday's, the home's."""
        if self.least and self.starts is not None:
            at = (check_in - self.starts).days
            if 0 <= at < len(self.least) and self.least[at]:
                return self.least[at]
        if self.seasons:
            season = season_of([each for each in self.seasons if each.min_nights], check_in)
            if season and season.min_nights:
                return season.min_nights
        return self.least_by_day[check_in.weekday()]

    def max_nights(self, check_in: date) -> int:
        """Likewise: the season's, else the weekday's, else the home's; never more than a year."""
        if self.one_longest:
            return self.longest
        season = season_of([each for each in self.seasons if each.max_nights], check_in)
        most = season.max_nights if season else None
        return min(most or self.most_by_day[check_in.weekday()], LONGEST_STAY)

    def overlapping(self, stay: Stay) -> Iterator[Span]:
        """Taken ranges that share a night with the stay, the earliest first."""
        for at in range(bisect_right(self._ends, stay.check_in), len(self.spans)):
            span = self.spans[at]
            if span.check_in >= stay.check_out:
                return
            if span.check_out > stay.check_in:
                yield span

    def booked_beside(self, stay: Stay) -> bool:
        """Is a booking nearer than the nights of preparation?"""
        if not (nights := self.limits.preparation_nights):
            return False
        margin = timedelta(days=nights)
        wider = Stay(stay.check_in - margin, stay.check_out + margin)
        return any(span.kind == BOOKED for span in self.overlapping(wider))

    def too_soon(self, check_in: date, now: datetime) -> bool:
        """Has the time for notice run out? Whole days of it are days at the home, clocks changing or not."""
        if check_in.toordinal() - self.limits.notice_hours // 24 - now.toordinal() > 2:
            return False  # no zone is that far from UTC, so the exact hour cannot matter
        return now > self.last_notice(check_in)

    def last_notice(self, check_in: date) -> datetime:
        """The last instant at which a stay from that day on can be had."""
        days, hours = divmod(self.limits.notice_hours, 24)
        last_day = check_in - timedelta(days=days)
        return at_local(last_day, self.check_in_from, self.zone) - timedelta(hours=hours)

    def beyond_window(self, stay: Stay, now: datetime) -> bool:
        if stay.check_out.toordinal() - now.toordinal() <= self.limits.window_days:
            return False  # no zone's today is earlier than the day before that of UTC
        return stay.check_out - ONE_NIGHT > self.last_night(now)

    def last_night(self, now: datetime) -> date:
        return local_date(now, self.zone) + timedelta(days=self.limits.window_days)


def _by_day(always: int, own: Sequence[int | None] | None) -> list[int]:
    """For each weekday its own number, else the one that always holds."""
    return [one or always for one in own or [None] * 7]


class Board(NamedTuple):
    """Days in a row: `taken` has a 1 where the night cannot be had, `min_nights` the least stay from then."""

    taken: bytes
    min_nights: list[int]


def board(home: Openings, first: date, count: int) -> Board:
    """What `night_refusal` and `min_nights` say of so many days from `first` on, much faster for many.

    Notice and booking window are left out: they move on with every hour, and the board may be kept.
    """
    return Board(taken_nights(home, first, count), least_stays(home, first, count))


def taken_nights(home: Openings, first: date, count: int) -> bytes:
    """A 1 for each of the nights that no stay can have: taken ones, and those of preparation beside them."""
    taken = bytearray(count)

    def mark(since: date, until: date) -> None:
        low, high = max(0, (since - first).days), min(count, (until - first).days)
        if low < high:
            taken[low:high] = b"\x01" * (high - low)

    margin = timedelta(days=home.limits.preparation_nights)
    for span in home.spans:
        beside = margin if span.kind == BOOKED else timedelta()
        mark(span.check_in - beside, span.check_out + beside)
    return bytes(taken)


def reachable(home: Openings, first: date, count: int, now: datetime) -> tuple[int, int]:
    """Of so many nights from `first` on, those from the one place to before the other are far enough ahead
    for the notice and near enough for the booking window: what is told of them does not depend on the hour.
    """
    low = 0
    if home.too_soon(first, now):
        low = bisect_left(range(count), True, key=lambda n: not home.too_soon(first + n * ONE_NIGHT, now))
    high = (home.last_night(now) - first).days + 1
    return low, max(low, min(high, count))


def night_refusals(home: Openings, first: date, count: int, now: datetime | None) -> list[str | None]:
    """What `night_refusal` says of so many nights from `first` on, faster: what wins is laid last. Without a
    `now`, notice and booking window are left out.
    """
    reasons: list[str | None] = [None] * count

    def mark(since: date, until: date, reason: str) -> None:
        low, high = max(0, (since - first).days), min(count, (until - first).days)
        if low < high:
            reasons[low:high] = [reason] * (high - low)

    if margin := timedelta(days=home.limits.preparation_nights):
        for span in home.spans:
            if span.kind == BOOKED:
                mark(span.check_in - margin, span.check_out + margin, "preparation")
    if now is not None:
        low, high = reachable(home, first, count, now)
        reasons[high:] = ["window"] * (count - high)
        reasons[:low] = ["notice"] * low
    for span in reversed(home.spans):
        mark(span.check_in, span.check_out, span.kind)
    return reasons


def least_stays(home: Openings, first: date, count: int) -> list[int]:
    """What `min_nights` says of so many nights from `first` on."""
    begins = first.weekday()
    week = home.least_by_day[begins:] + home.least_by_day[:begins]
    least = (week * (count // 7 + 1))[:count]
    seasons = [season for season in home.seasons if season.min_nights]
    lay_seasons(least, first, seasons, [season.min_nights or 1 for season in seasons])
    if home.starts is not None:
        lay_days(least, first, home.starts, home.least)
    return least


def _running_ends(spans: Sequence[Span]) -> list[date]:
    """The latest end so far, so that a search by date skips all that ended before."""
    return [*accumulate((span.check_out for span in spans), max)]


def night_refusal(home: Openings, night: date, now: datetime) -> str | None:
    """Why a night cannot be had at all, whatever the stay around it; None where it can."""
    one = Stay(night, night + timedelta(days=1))
    taken = next(home.overlapping(one), None)
    if taken is not None:
        return taken.kind
    if home.too_soon(night, now):
        return "notice"
    if night > home.last_night(now):
        return "window"
    return "preparation" if home.booked_beside(one) else None
