"""The days ahead of a home in columns: whether a stay can be had and what it costs, without a walk along its
nights. It is the same that `refusal` and `bill` say, for search, which asks it of many homes at once.
"""

from __future__ import annotations

from array import array
from datetime import date, datetime
from itertools import accumulate

from hometrip.kernel.money import half_up
from hometrip.kernel.stay import Stay
from hometrip.services.listing.contract import WEEK
from hometrip.services.listing.rules.calendar import Openings, board
from hometrip.services.listing.rules.price import Fees, Prices, bill, extras, lead_bp, length_bp
from hometrip.services.listing.rules.refusal import refusal
from hometrip.services.listing.rules.taxes import Taxes

DAYS = 600


class Sought:
    """A stay that somebody looks for at many homes, and all of its price that is no matter of the home."""

    __slots__ = (
        "begin", "fees", "guests", "lead", "nights", "now", "pets", "reach", "stay", "taxes", "weekdays"
    )  # fmt: skip

    def __init__(
        self, stay: Stay, now: datetime, fees: Fees, taxes: Taxes, *, guests: int, pets: int = 0
    ) -> None:
        self.stay, self.now, self.fees, self.taxes = stay, now, fees, taxes
        self.guests, self.pets, self.nights = guests, pets, stay.nights
        self.begin = stay.check_in.toordinal()
        self.weekdays = stay.check_in.weekday(), stay.check_out.weekday()
        # How many days lie between a day in UTC and the first and the last one of the stay.
        self.lead = self.begin - now.toordinal()
        self.reach = self.lead + self.nights


class Ahead:
    """`days` days from `first` on: nights that no stay can have, least stays, and what all nights before each
    cost together. Beside them lies what rules and prices need for nearly every stay. Of all other days the
    plain rules are asked."""

    __slots__ = (
        "cleaning", "currency", "days", "first", "guests", "least", "longest", "notice_days", "openings",
        "plain", "prices", "spent", "spot", "taken", "weekdays", "window_days",
    )  # fmt: skip

    def __init__(self, openings: Openings, prices: Prices, first: date, days: int = DAYS) -> None:
        self.openings, self.prices, self.first, self.days = openings, prices, first.toordinal(), days
        limits, pricing = openings.limits, prices.pricing
        self.guests, self.longest = openings.guests, openings.longest
        self.notice_days, self.window_days = limits.notice_hours // 24, limits.window_days
        self.weekdays = limits.check_in_days is not None or limits.check_out_days is not None
        made = board(openings, first, days)
        self.taken, self.least = made.taken, array("I", made.min_nights)
        self.spent = array("q", accumulate(prices.of_nights(first, days), initial=0))
        self.currency, self.spot = prices.currency, prices.spot
        self.cleaning = pricing.cleaning_fee.amount if pricing.cleaning_fee else 0
        # Nothing but nights and cleaning is paid, whoever comes when.
        less = pricing.early_bird or pricing.last_minute or prices.policy_bp
        self.plain = not (less or pricing.extra_guest or pricing.pet_fee)


def cost_of_nights(at: Ahead, sought: Sought) -> int | None:
    """What the nights of the stay cost together; None where it cannot be had."""
    stay, nights, home = sought.stay, sought.nights, at.openings
    begin = sought.begin - at.first
    end = begin + nights
    if begin < 0 or end > at.days:
        if refusal(home, stay, sought.now, guests=sought.guests, pets=sought.pets) is not None:
            return None
        return sum(at.prices.of_nights(stay.check_in, nights))
    if (
        1 in at.taken[begin:end]
        or not at.least[begin] <= nights <= at.longest
        or not (home.one_longest or nights <= home.max_nights(stay.check_in))
        or sought.guests > at.guests
        or (sought.pets and not home.pets)
        or (at.weekdays and not _suits(home, *sought.weekdays))
        # No zone is more than a day from UTC: where more is left, the hour need not be looked at.
        or (sought.lead <= at.notice_days + 2 and home.too_soon(stay.check_in, sought.now))
        or (sought.reach > at.window_days and home.beyond_window(stay, sought.now))
    ):
        return None
    return at.spent[end] - at.spent[begin]


def _suits(home: Openings, check_in: int, check_out: int) -> bool:
    limits = home.limits
    return (limits.check_in_days is None or check_in in limits.check_in_days) and (
        limits.check_out_days is None or check_out in limits.check_out_days
    )


def total_of(at: Ahead, sought: Sought, for_nights: int) -> int:
    """The total of the stay's bill, whose nights cost so much."""
    prices, stay, nights, fees = at.prices, sought.stay, sought.nights, sought.fees
    guests, pets, now = sought.guests, sought.pets, sought.now
    if sought.taxes.at(at.spot):  # few places have any
        return bill(prices, stay, now, fees, guests=guests, pets=pets, taxes=sought.taxes).total
    besides = at.cleaning
    if nights >= WEEK:
        for_nights -= half_up(for_nights * length_bp(prices.pricing, nights), 10_000)
    if not at.plain:
        for_nights -= half_up(for_nights * lead_bp(prices, stay.check_in, now)[1], 10_000)
        for_nights -= half_up(for_nights * prices.policy_bp, 10_000)
        besides = sum([many * each for _, many, each in extras(prices, nights, guests, pets)])
    subtotal = for_nights + besides
    return subtotal + half_up(subtotal * fees.guest_bp, 10_000)
