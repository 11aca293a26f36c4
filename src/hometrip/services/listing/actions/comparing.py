"""Pages of homes where their prices are compared: those of several currencies by what they are worth."""

from __future__ import annotations

from functools import partial, reduce
from operator import or_
from typing import Annotated, NamedTuple, Self
from uuid import UUID

from msgspec import Meta

from hometrip.kernel.errors import Invalid
from hometrip.kernel.measure import Measure, by_number, measure_for
from hometrip.kernel.page import Page, cursor_of, values_of
from hometrip.ports.documents import DocumentReader, Where, eq, ge, gt, lt
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps
from hometrip.services.listing.actions.quoting import rates
from hometrip.services.listing.rules.home import Home

MOST = 2**62
Amount = Annotated[int, Meta(ge=0, le=MOST)]


class Prices(NamedTuple):
    """What is asked of them: limits, in which currency, and whether they make the order."""

    lowest: int | None
    highest: int | None
    currency: str | None
    ordered: bool

    @property
    def limited(self) -> bool:
        return self.lowest is not None or self.highest is not None

    @property
    def compared(self) -> bool:
        return self.ordered or self.limited


class Position(NamedTuple):
    """The last home of a page by price, from where on the next one begins: in this measure worth so much."""

    measure: str
    worth: int
    currency: str
    price: int
    home_id: UUID

    @classmethod
    def of(cls, home: Home, measure: Measure) -> Self:
        assert home.pricing is not None  # its currency was asked for
        base = home.pricing.base
        return cls(measure.currency, measure.worth(base), base.currency, base.amount, home.id)

    @classmethod
    def at(cls, cursor: str) -> Self:
        return cls._make(values_of(cursor, [str, Amount, str, Amount, UUID]))

    def rest(self, own: str, measure: Measure, falling: bool) -> Where:
        """The homes of this currency that come behind it. Equal worth is in the order of the currencies."""
        if own == self.currency:
            return self.behind(falling)
        bound = _bound(measure, own, self.worth + (own < self.currency))
        return (lt if falling else ge)(store.PRICE, bound)

    def behind(self, falling: bool) -> Where:
        """The homes of the same currency that come behind it."""
        behind = lt if falling else gt
        return behind(store.PRICE, self.price) | (eq(store.PRICE, self.price) & behind("id", self.home_id))


class Pages(NamedTuple):
    """What pages are taken of: of the homes of these currencies, those within the limits. Without a measure,
    all homes, each page in the order that the storage knows. Without limits, those of the `unrated`
    currencies come behind an order by price; so many homes are `uncompared`, and left out, with them."""

    reader: DocumentReader
    where: Where
    currencies: list[str]
    prices: Prices
    measure: Measure | None
    unrated: list[str] = []
    uncompared: int = 0

    async def after(self, cursor: str | None, sort: str, limit: int) -> Page[Home]:
        if self.measure is None:
            return await store.found(self.reader, self.where, sort, limit, cursor)
        if self.prices.ordered:
            return await self._by_price(self.measure, cursor, sort, limit)
        if not self.currencies:
            return Page([])
        where = reduce(or_, (self._within(own, self.measure) for own in self.currencies))
        return await store.found(self.reader, self.where & where, sort, limit, cursor)

    async def _by_price(self, measure: Measure, cursor: str | None, sort: str, limit: int) -> Page[Home]:
        """An order leaves nobody out: behind those with a rate come the others, currency by currency."""
        last = Position.at(cursor) if cursor else None
        found, more = list[Home](), False
        if last is None or measure.rate_of(last.currency) is not None:
            found, more = await self._rated(measure, last, sort, limit)
            last = None
        for own in self.unrated:
            if more or (last and own < last.currency):
                continue
            if len(found) == limit:
                more = True
                break
            where = self.where & eq(store.PRICED_IN, own)
            if last and own == last.currency:
                where = where & last.behind(sort.startswith("-"))
            page = await store.found(self.reader, where, sort, limit - len(found), None)
            found, more = found + page.items, page.next_cursor is not None
        return Page(found, cursor_of([*Position.of(found[-1], measure)]) if more else None)

    async def _rated(
        self, measure: Measure, last: Position | None, sort: str, limit: int
    ) -> tuple[list[Home], bool]:
        """The first of each currency, in one order, and whether there are more."""
        found, more, falling = list[Home](), False, sort.startswith("-")
        for own in self.currencies:
            where = self.where & self._within(own, measure)
            where = where if last is None else where & last.rest(own, measure, falling)
            page = await store.found(self.reader, where, sort, limit, None)
            found, more = found + page.items, more or page.next_cursor is not None
        found.sort(key=lambda home: Position.of(home, measure), reverse=falling)
        return found[:limit], more or len(found) > limit

    def _within(self, own: str, measure: Measure) -> Where:
        where, lowest, highest = eq(store.PRICED_IN, own), self.prices.lowest, self.prices.highest
        if lowest is not None:
            where = where & ge(store.PRICE, _bound(measure, own, lowest))
        if highest is not None:
            where = where & lt(store.PRICE, _bound(measure, own, highest + 1))
        return where


async def compared(deps: Deps, where: Where, prices: Prices, cursor: str | None) -> Pages:
    """With the currency that is asked for as the measure, or the page before has, else that of most homes.

    Homes in currencies without a rate are left out by limits: nobody knows whether they are within. `Invalid`
    where the currency that is asked for has none.
    """
    if not prices.compared:
        return Pages(deps.docs, where, [], prices, None)
    counts = await store.currencies(deps.docs, where)
    currency = Position.at(cursor).measure if cursor and prices.ordered else prices.currency
    if currency is not None:
        measure = Measure.of(currency, await rates(deps, currency))
    else:
        found = await measure_for(by_number(counts), partial(rates, deps))
        measure = found or Measure.of(next(iter(counts), deps.settings.platform_currency), {})
    if len(measure.rates) == 1 and prices.currency not in (None, *counts):
        raise Invalid.field("currency", "unknown_currency", "there is no rate for this currency")
    rated = [own for own in counts if measure.rate_of(own)]
    unrated = sorted({*counts} - {*rated})
    if prices.limited:
        left_out = sum(counts[own] for own in unrated)
        return Pages(deps.docs, where, rated, prices, measure, uncompared=left_out)
    return Pages(deps.docs, where, rated, prices, measure, unrated)


def _bound(measure: Measure, own: str, worth: int) -> int:
    """The least price that is worth so much, or more than any price is: that of earlier versions too."""
    return min(measure.least(own, worth), MOST)
