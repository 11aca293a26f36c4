"""What was made ready of homes that were asked for last, so that it is not made again for each question.

It is kept by the versions of home and calendar. A committed version never changes, so nothing of it gets old:
after a change, by whatever process, the records that are read have another version.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from functools import partial
from typing import NamedTuple

from hometrip.kernel.stay import Stay
from hometrip.services.listing.rules.calendar import Calendar, Openings
from hometrip.services.listing.rules.days import Page, page_of, written_days
from hometrip.services.listing.rules.home import Home
from hometrip.services.listing.rules.price import Prices

HOMES, PAGES = 4_096, 8_192


class Ready(NamedTuple):
    """A home's days and prices, made ready to be asked. A home without a price has no prices."""

    openings: Openings
    prices: Prices | None

    @property
    def price_list(self) -> Prices:
        assert self.prices is not None  # whoever asks knows that the home has a price
        return self.prices


_homes: OrderedDict[tuple[int, int, int], Ready] = OrderedDict()
_pages: OrderedDict[tuple[int, int, int, int], Page] = OrderedDict()


def ready(home: Home, days: Calendar) -> Ready:
    """Only for records that are committed: a version within a transaction may yet become another one."""
    key = (home.id.int, home.version, days.version)
    found = _homes.get(key)
    if found is None:
        prices = Prices(home, days) if home.pricing is not None else None
        found = _homes[key] = Ready(Openings(home, days), prices)
        if len(_homes) > HOMES:
            _homes.popitem(last=False)
    return found


def days_in_writing(home: Home, days: Calendar, span: Stay, now: datetime) -> bytes:
    """What there is to say of each night of the span, as JSON. For committed records, too."""
    at = ready(home, days)
    page = partial(_page, (home.id.int, home.version, days.version), at)
    return written_days(at.openings, at.prices, span.check_in, span.nights, now, page)


def _page(of: tuple[int, int, int], at: Ready, number: int) -> Page:
    key = (*of, number)
    found = _pages.get(key)
    if found is None:
        found = _pages[key] = page_of(at.openings, at.prices, number)
        if len(_pages) > PAGES:
            _pages.popitem(last=False)
    return found
