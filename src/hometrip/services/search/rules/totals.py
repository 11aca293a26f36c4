"""What stays cost in all, of all homes that match at once: the same that their quotes say.

Every line is rounded half-up once, as in a quote. What cannot be told from the board is `rough`, to be asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from msgspec.structs import replace

from hometrip.kernel.stay import Stay
from hometrip.services.listing.contract import MONTH, WEEK, Tariff, TaxCharge
from hometrip.services.search.rules.asked import Wanted
from hometrip.services.search.rules.board import DAYS, Board, Mask, Numbers
from hometrip.services.search.rules.matching import Matches, all_converted, cost_of, exchanged, todays

# Shares of more than this do not fit into the numbers of a column.
_MOST = 2**63 // (2 * 10_000)


class Totals(NamedTuple):
    """The matches with the totals of their stays; `rough` are those whose total, or whether the stay can be
    had at all, the board does not know for sure."""

    found: Matches
    rough: Mask | None


def totals(board: Board, found: Matches, wanted: Wanted, tariff: Tariff, now: datetime) -> Totals:
    """Of the stay that is wanted, at each home moved by its shift, and what they are worth in the measure."""
    stay, rough = wanted.stay, None
    assert stay is not None
    prices, worth = np.zeros_like(found.prices), np.zeros_like(found.prices)
    for shift in np.unique(found.shifts).tolist() if wanted.flexible else (0,):
        these = found.shifts == shift if wanted.flexible else slice(None)
        lines = Lines(board, found.only(these), stay.moved(shift), wanted, tariff, now)
        prices[these] = lines.total
        if wanted.currency is not None:
            worth[these] = lines.shown_in(wanted, wanted.currency)
        if lines.rough is not None:
            rough = np.full(len(prices), False) if rough is None else rough
            rough[these] = lines.rough
    found = exchanged(board, replace(found, prices=prices), wanted)
    return Totals(found if wanted.currency is None else replace(found, worth=worth), rough)


class Lines:
    """The lines of the bills of one stay, a number for each home; those in `less` come off."""

    def __init__(
        self, board: Board, found: Matches, stay: Stay, wanted: Wanted, tariff: Tariff, now: datetime
    ) -> None:
        self.board, self.rows, self.stay, self.now = board, found.rows, stay, now
        self.guests, self.charged = wanted.guests, board.charged
        self.rough: Mask | None = None
        self.more, self.less = [found.prices], list[Numbers]()
        nights = found.prices
        for shares in self._shares():
            self.less.append(_share(nights, shares))
            nights = nights - self.less[-1]
        if self.charged.has("extra_guest"):
            nights = nights + self._added(self._extra_guests())
        self.total = nights
        if wanted.pets and self.charged.has("pet"):
            self.total = self.total + self._added(wanted.pets * self._column("pet"))
        if self.charged.has("cleaning"):
            self.total = self.total + self._added(self._column("cleaning"))
        self.total = self.total + self._added(_share(self.total, tariff.guest_bp))
        if tariff.taxes:
            self._add_taxes(tariff.taxes, nights, self.total)
        self._doubt()

    def shown_in(self, wanted: Wanted, currency: str) -> Numbers:
        """The totals in a currency, each line by itself; those without a rate as they are."""
        shown, numbers = self.total.copy(), self.board.currency[self.rows]
        for number in np.unique(numbers).tolist():
            own, these = self.board.values["currency"].shown[number], numbers == number
            if own != currency and (rate := wanted.rate_of(own)) is not None:
                more, less = (
                    sum(all_converted(line[these], own, rate, currency) for line in lines)
                    for lines in (self.more, self.less)
                )
                shown[these] = more - less
        return shown

    def _column(self, name: str) -> Numbers:
        return self.charged.of(name, self.rows)

    def _added(self, line: Numbers) -> Numbers:
        self.more.append(line)
        return line

    def _shares(self) -> Iterator[Numbers]:
        """Of what the nights cost, each of what the one before left of them."""
        if self.stay.nights >= WEEK and self.charged.has("weekly_bp", "monthly_bp"):
            shares = self._column("weekly_bp")
            if self.stay.nights >= MONTH:
                monthly = self._column("monthly_bp")
                shares = np.where(monthly, monthly, shares)
            yield shares
        if self.charged.has("early_bp", "late_bp"):
            lead = (self.stay.check_in.toordinal() - todays(self.board, self.now))[self._column("zone")]
            early = self._column("early_bp") * (lead >= self._column("early_days"))
            late = self._column("late_bp") * (lead <= self._column("late_days"))
            yield np.maximum(early, late)
        if self.charged.has("policy_bp"):
            yield self._column("policy_bp")

    def _extra_guests(self) -> Numbers:
        beyond = (self.guests - self._column("included")).clip(0)
        return np.asarray(beyond * self.stay.nights * self._column("extra_guest"), np.int64)

    # Taxes

    def _add_taxes(self, taxes: list[TaxCharge], nights: Numbers, with_fees: Numbers) -> None:
        """What each takes of the homes in its area; one in another currency than the home's is left out."""
        spots, currencies = self._column("spot"), self.board.currency[self.rows]
        for tax in taxes:
            if tax.exempt_from_nights is not None and self.stay.nights >= tax.exempt_from_nights:
                continue
            near = np.array([_lies_in(spot, tax.spot) for spot in self.charged.spots], np.bool_)[spots]
            if tax.amount is None:
                line = self._part(tax, nights if tax.base == "nights" else with_fees) * near
            else:
                own = currencies == self.board.values["currency"].numbers.get(tax.amount.currency, -1)
                line = near * own * np.int64(tax.amount.amount * self._times(tax))
                self._not_sure(near & ~own)
            self.total = self.total + self._added(line)

    def _part(self, tax: TaxCharge, paid: Numbers) -> Numbers:
        """The tax on as much of what is paid as falls on the nights that are taxed."""
        first, end = _taxed(tax, self.stay)
        if end - first == self.stay.nights:
            return _share(paid, tax.bp or 0)
        if first >= end:
            return np.zeros_like(paid)
        begin = self.stay.check_in + timedelta(days=first)
        of_taxed = cost_of(self.board, self.rows, Stay(begin, begin + timedelta(days=end - first)))
        exact: Any = paid.astype(object) * of_taxed * (tax.bp or 0)
        parts: Any = self.more[0].astype(object) * 10_000
        return np.asarray((2 * exact + parts) // (2 * parts), np.int64)

    def _times(self, tax: TaxCharge) -> int:
        first, end = _taxed(tax, self.stay)
        once, nights = int(_in_force(tax, self.stay.check_in)), max(0, end - first)
        return {
            "per_stay": once,
            "per_guest": once * self.guests,
            "per_night": nights,
            "per_guest_night": nights * self.guests,
        }[tax.kind]

    # What is not sure

    def _doubt(self) -> None:
        """Nights whose prices nobody told, and stays that are too long on some days."""
        until, nights = self.stay.check_out.toordinal(), self.stay.nights
        if until > self.board.starts.toordinal() + DAYS:
            self._not_sure(np.full(len(self.rows), True))
        elif until > self.charged.all_known_until:
            self._not_sure(self._column("known_until") < until)
        if nights > self.charged.all_surely:
            self._not_sure(self._column("surely") < nights)

    def _not_sure(self, these: Mask) -> None:
        these = these if self.rough is None else self.rough | these
        self.rough = these if these.any() else self.rough


def _share(amounts: Numbers, shares: Numbers | int) -> Numbers:
    """So many basis points of amounts that are not less than nothing, half-up."""
    if amounts.max(initial=0) < _MOST:
        return np.asarray((amounts * shares + 5_000) // 10_000)
    exact: Any = amounts.astype(object)
    return np.asarray((exact * shares + 5_000) // 10_000, np.int64)


def _lies_in(spot: tuple[str, str, str], area: tuple[str, str, str]) -> bool:
    return all(wanted in ("", told) for wanted, told in zip(area, spot, strict=True))


def _taxed(tax: TaxCharge, stay: Stay) -> tuple[int, int]:
    """Which of the nights are, from the first of them to before the second; none where that is not more."""
    first = max(0, (tax.valid_from - stay.check_in).days) if tax.valid_from else 0
    end = min(stay.nights, tax.most_nights or stay.nights)
    return first, min(end, (tax.valid_to - stay.check_in).days) if tax.valid_to else end


def _in_force(tax: TaxCharge, day: date) -> bool:
    return not (tax.valid_from and day < tax.valid_from) and not (tax.valid_to and day >= tax.valid_to)
