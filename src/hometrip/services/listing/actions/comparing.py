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
from hometrip.services.listing.rules.pricing import HIGHEST

Amount = Annotated[int, Meta(ge=0, le=2**62)]


class Prices(NamedTuple):
    """What is asked of them: limits, in which currency, and whether they make the order."""

    lowest: int | None
    highest: int | None
    currency: str | None
    ordered: bool

    @property
    def compared(self) -> bool:
        return self.ordered or self.lowest is not None or self.highest is not None


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
            behind = lt if falling else gt
            return behind(store.PRICE, self.price) | (
                eq(store.PRICE, self.price) & behind("id", self.home_id)
            )
        bound = _bound(measure, own, self.worth + (own < self.currency))
        return (lt if falling else ge)(store.PRICE, bound)


class Pages(NamedTuple):
    """What pages are taken of: of the homes of these currencies, those within the limits. Without a measure,
    all homes, each page in the order that the storage knows."""

    reader: DocumentReader
    where: Where
    currencies: list[str]
    prices: Prices
    measure: Measure | None

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
        """The first of each currency, in one order."""
        last, falling = Position.at(cursor) if cursor else None, sort.startswith("-")
        found, more = list[Home](), False
        for own in self.currencies:
            where = self.where & self._within(own, measure)
            where = where if last is None else where & last.rest(own, measure, falling)
            page = await store.found(self.reader, where, sort, limit, None)
            found, more = found + page.items, more or page.next_cursor is not None
        found.sort(key=lambda home: Position.of(home, measure), reverse=falling)
        more, found = more or len(found) > limit, found[:limit]
        return Page(found, cursor_of([*Position.of(found[-1], measure)]) if more else None)

    def _within(self, own: str, measure: Measure) -> Where:
        where, lowest, highest = eq(store.PRICED_IN, own), self.prices.lowest, self.prices.highest
        if lowest is not None:
            where = where & ge(store.PRICE, _bound(measure, own, lowest))
        if highest is not None:
            where = where & lt(store.PRICE, _bound(measure, own, highest + 1))
        return where


async def compared(deps: Deps, where: Where, prices: Prices, cursor: str | None) -> Pages:
    """With the currency that is asked for as the measure, or the page before has, else that of most homes.

    Homes in currencies without a rate are left out where prices are compared. `Invalid` where the one that is
    asked for has none.
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
    return Pages(deps.docs, where, [own for own in counts if measure.rate_of(own)], prices, measure)


def _bound(measure: Measure, own: str, worth: int) -> int:
    """The least price that is worth so much, or more than any price can be."""
    return min(measure.least(own, worth), HIGHEST + 1)
