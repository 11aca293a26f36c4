"""What is told of the days of a home, one by one: as records, and written out once to be told often.

What is told of most days changes only with the home and its calendar. Those are written as JSON by the page
of `PAGE` days, and a calendar is cut out of the pages. Days that notice or booking window keep from guests
may be told otherwise an hour later; they are made anew each time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import accumulate

import msgspec

from hometrip.kernel.money import Money
from hometrip.kernel.stay import ONE_NIGHT, at_local, local_date
from hometrip.kernel.wire import Answer
from hometrip.services.listing.rules.calendar import Openings, least_stays, night_refusals, reachable
from hometrip.services.listing.rules.price import Prices

PAGE = 32


class Day(Answer):
    """`reason` why the night cannot be had: booked, blocked, imported, notice, window or preparation."""

    date: date
    free: bool
    min_nights: int
    price: Money | None = None
    reason: str | None = None


def each_day(
    openings: Openings, prices: Prices | None, first: date, count: int, now: datetime | None
) -> list[Day]:
    """What there is to say of so many nights from `first` on; without a `now`, whatever the hour is."""
    costs: list[Money | None] = [None] * count
    if prices is not None:
        own = prices.of_nights(first, count)
        known = {price: Money(price, prices.currency) for price in set(own)}
        costs = [known[price] for price in own]
    reasons = night_refusals(openings, first, count, now)
    least = least_stays(openings, first, count)
    begins = first.toordinal()
    return [
        Day(date=date.fromordinal(at), free=reason is None, price=price, min_nights=stay, reason=reason)
        for at, price, stay, reason in zip(range(begins, begins + count), costs, least, reasons, strict=True)
    ]


class Page(msgspec.Struct, frozen=True, gc=False):
    """Days in a row as JSON with a comma after each; day n is what lies between `marks[n]` and the next."""

    text: bytes
    marks: list[int]

    def cut(self, low: int, high: int) -> bytes:
        return self.text[self.marks[low] : self.marks[high]]


def page_of(openings: Openings, prices: Prices | None, number: int) -> Page:
    """The days whose ordinals are `PAGE * number` and on, whatever the hour is."""
    days = each_day(openings, prices, date.fromordinal(PAGE * number), PAGE, None)
    told = [msgspec.json.encode(day) + b"," for day in days]
    return Page(b"".join(told), [*accumulate(map(len, told), initial=0)])


def written_days(
    openings: Openings,
    prices: Prices | None,
    first: date,
    count: int,
    now: datetime,
    page: Callable[[int], Page],
) -> bytes:
    """The JSON of what `each_day` tells, cut out of pages where it does not depend on the hour."""
    low, high = reachable(openings, first, count, now)
    parts = [_anew(openings, prices, first, low, now)] if low else []
    at, end = first.toordinal() + low, first.toordinal() + high
    while at < end:
        number, begin = divmod(at, PAGE)
        until = min(PAGE, begin + end - at)
        parts.append(page(number).cut(begin, until))
        at += until - begin
    if high < count:
        parts.append(_anew(openings, prices, first + timedelta(days=high), count - high, now))
    return b"[" + b"".join(parts)[:-1] + b"]"


def reachable_until(home: Openings, first: date, low: int, now: datetime) -> tuple[datetime, datetime]:
    """How long what `reachable` says at `now` holds, where it says `low`: up to and with the one instant, and
    to before the other.
    """
    midnight = at_local(local_date(now, home.zone) + ONE_NIGHT, "00:00", home.zone)
    return home.last_notice(first + low * ONE_NIGHT), midnight


def _anew(openings: Openings, prices: Prices | None, first: date, count: int, now: datetime) -> bytes:
    return msgspec.json.encode(each_day(openings, prices, first, count, now))[1:-1] + b","
