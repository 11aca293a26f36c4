"""What was made ready of homes that were asked for last, so that it is not made again for each question.

It is kept by the versions of home and calendar. A committed version never changes, so nothing of it gets old:
after a change, by whatever process, the records that are read have another version.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import date, datetime
from functools import partial
from typing import NamedTuple

import msgspec

from hometrip.kernel.stay import ONE_NIGHT, Stay
from hometrip.services.listing.rules.ahead import DAYS, Ahead
from hometrip.services.listing.rules.calendar import Calendar, Openings, reachable
from hometrip.services.listing.rules.days import Page, each_day, page_of, reachable_until, written_days
from hometrip.services.listing.rules.home import Home
from hometrip.services.listing.rules.price import Prices

HOMES, PAGES, TEXT_BYTES = 4_096, 8_192, 32 << 20
# Where there are so many homes that each is asked for now and then, days would be laid out in vain.
WORTH = 3
# Days ahead that begin so many days ago still reach far enough.
FRESH = 45


class Ready:
    """A home's days and prices, made ready to be asked. A home without a price has no prices."""

    __slots__ = ("_ahead", "asked", "openings", "prices", "versions")

    def __init__(self, home: Home, days: Calendar) -> None:
        self.versions = (home.version, days.version)
        self.openings = Openings(home, days)
        self.prices = Prices(home, days) if home.pricing is not None else None
        self.asked = 0
        self._ahead: Ahead | None = None

    @property
    def price_list(self) -> Prices:
        assert self.prices is not None  # whoever asks knows that the home has a price
        return self.prices

    def ahead(self, today: date) -> Ahead:
        """The days ahead, from about today on."""
        found, days = self._ahead, DAYS if self.is_worth_it() else 0
        if found is None or found.days < days or not 0 <= today.toordinal() - found.first <= FRESH:
            found = self._ahead = Ahead(self.openings, self.price_list, today - ONE_NIGHT, days)
        return found

    def is_worth_it(self) -> bool:
        """Is the home asked for often enough that its days should be laid out?"""
        self.asked += 1
        return self.asked >= WORTH


class Told(NamedTuple):
    """The days of a home as they are told from `since` on, until notice runs out for one more of them, and
    before the next day begins there.
    """

    text: bytes
    since: datetime
    notice_ends: datetime
    day_ends: datetime

    def holds(self, now: datetime) -> bool:
        return self.since <= now <= self.notice_ends and now < self.day_ends


class Texts:
    """Calendars as they were told last, as many as `most` bytes hold: the oldest go first."""

    def __init__(self, most: int) -> None:
        self._most, self._bytes = most, 0
        self._kept: OrderedDict[tuple[int, ...], Told] = OrderedDict()

    def find(self, of: tuple[int, ...], now: datetime) -> bytes | None:
        told = self._kept.get(of)
        return told.text if told is not None and told.holds(now) else None

    def keep(self, of: tuple[int, ...], told: Told) -> None:
        if (before := self._kept.pop(of, None)) is not None:
            self._bytes -= len(before.text)
        self._kept[of] = told
        self._bytes += len(told.text)
        while self._bytes > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.text)


_texts = Texts(TEXT_BYTES)
_homes: dict[int, Ready] = {}
_pages: OrderedDict[tuple[int, int, int, int], Page] = OrderedDict()


def ready(home: Home, days: Calendar) -> Ready:
    """Only for records that are committed: a version within a transaction may yet become another one."""
    found = _homes.get(home.id.int)
    if found is None or found.versions != (home.version, days.version):
        if len(_homes) >= HOMES:
            del _homes[next(iter(_homes))]
        found = _homes[home.id.int] = Ready(home, days)
    return found


def days_in_writing(home: Home, days: Calendar, span: Stay, now: datetime) -> bytes:
    """What there is to say of each night of the span, as JSON. For committed records, too."""
    first, count = span.check_in, span.nights
    of = _of(home, days, first, count)
    if (text := _texts.find(of, now)) is not None:
        return text
    at = ready(home, days)
    if not at.is_worth_it():
        return msgspec.json.encode(each_day(at.openings, at.prices, first, count, now))
    page = partial(_page, (home.id.int, *at.versions), at)
    low, _ = reachable(at.openings, first, count, now)
    text = written_days(at.openings, at.prices, first, count, now, page)
    _texts.keep(of, Told(text, now, *reachable_until(at.openings, first, low, now)))
    return text


def told_before(home: Home, days: Calendar, first: date, until: date, now: datetime) -> bytes | None:
    """The same, where it was told before and still holds."""
    return _texts.find(_of(home, days, first, (until - first).days), now)


def _of(home: Home, days: Calendar, first: date, count: int) -> tuple[int, ...]:
    return home.id.int, home.version, days.version, first.toordinal(), count


def _page(of: tuple[int, int, int], at: Ready, number: int) -> Page:
    key = (*of, number)
    found = _pages.get(key)
    if found is None:
        found = _pages[key] = page_of(at.openings, at.prices, number)
        if len(_pages) > PAGES:
            _pages.popitem(last=False)
    return found
