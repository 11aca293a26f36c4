"""The calendar: which days of a home are free, at what price, and for stays of what length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import lru_cache

import msgspec

from hometrip.services.listing.rules.insideairbnb import cells
from hometrip.services.listing.rules.insideairbnb.rows import RowRefused, Table

# A home with more days than this in one run is told in several records, so that memory stays bounded.
MOST_DAYS = 1_200
_NEEDED = ("listing_id", "date", "available")


class SourceDays(msgspec.Struct, frozen=True):
    """Days of one home in the order of their dates, which may have gaps; five lists of one length.

    `prices` are minor units; `min_nights` and `max_nights` hold for stays that begin on the day. All
    three are None where the publication does not say.
    """

    source_id: str
    dates: list[date]
    available: list[bool]
    prices: list[int | None]
    min_nights: list[int | None]
    max_nights: list[int | None]

    @property
    def first_date(self) -> date:
        return self.dates[0]


Day = tuple[bool, int | None, int | None, int | None]


def read_days(lines: Iterable[str], currency: str | None = None) -> Iterator[SourceDays | RowRefused]:
    """One record for each run of consecutive rows of one home; rows in two places make two records.

    Of a day given twice in a run the last row wins. Prices are in `currency`; without it, the sign of each
    tells how many digits its money has ("$" has two). Raises `ColumnsMissing` at once.
    """
    return _runs(Table(lines, _NEEDED), currency)


def _runs(table: Table, currency: str | None) -> Iterator[SourceDays | RowRefused]:
    read_day = _day_reader(table.columns, currency)
    home_at, date_at = table.columns.index("listing_id"), table.columns.index("date")
    written: str | None = None
    home: str | None = None
    days: dict[date, Day] = {}
    for found in table.cells():
        if isinstance(found, RowRefused):
            yield found
            continue
        line, row = found
        if row[home_at] != written or len(days) >= MOST_DAYS:
            if home is not None and days:
                yield _record(home, days)
            written, days = row[home_at], {}
            home = cells.identifier(written)
        on, known = cells.day(row[date_at]), read_day(row)
        if home is None:
            yield RowRefused(line, None, "no listing_id")
        elif on is None:
            yield RowRefused(line, home, f"“{row[date_at][:40]}” is not a date")
        elif known is None:
            yield RowRefused(line, home, "it says neither free (t) nor taken (f)")
        else:
            days[on] = known
    if home is not None and days:
        yield _record(home, days)


def _day_reader(columns: list[str], currency: str | None) -> Callable[[list[str]], Day | None]:
    """Reads what a row says of its day. Most rows of a calendar say the same, so answers are remembered."""
    names = ("available", "price", "minimum_nights", "maximum_nights")
    free_at, price_at, least_at, most_at = (columns.index(name) if name in columns else -1 for name in names)

    @lru_cache(maxsize=4096)
    def read(free: str, price: str, least: str, most: str) -> Day | None:
        available = cells.yes(free)
        if available is None:
            return None
        paid_in = currency or cells.currency_of(price) or "USD"
        return available, cells.price(price, paid_in), cells.whole(least, 1), cells.whole(most, 1)

    def read_row(row: list[str]) -> Day | None:
        return read(
            row[free_at],
            row[price_at] if price_at >= 0 else "",
            row[least_at] if least_at >= 0 else "",
            row[most_at] if most_at >= 0 else "",
        )

    return read_row


def _record(home: str, days: dict[date, Day]) -> SourceDays:
    dates = sorted(days)
    available, prices, least, most = zip(*(days[on] for on in dates), strict=True)
    return SourceDays(home, dates, list(available), list(prices), list(least), list(most))
