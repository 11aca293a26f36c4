"""Whether a price list can be, and where it is kept: single nights in the calendar, the rest in the home."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, timedelta

import msgspec

from hometrip.kernel.errors import FieldError, Invalid
from hometrip.kernel.money import CURRENCIES, Money
from hometrip.services.listing.contract import LONGEST_STAY
from hometrip.services.listing.rules.calendar import Calendar
from hometrip.services.listing.rules.home import Home, Pricing
from hometrip.services.listing.rules.possible import wrong_seasons

# A year's stay of 50 guests at these, with fees and taxes, is a number of 64 bits in any currency.
HIGHEST, HIGHEST_EXTRA_GUEST = 10**11, 10**10
# What a host asks besides the nights, as it is named in the price list.
FEES = ("cleaning_fee", "extra_guest", "pet_fee")
MOST_SEASONS = 60
# From the first single night to come with a price or a least stay of its own to the last, in days.
LONGEST_RUN = 1_500
TOO_FAR = f"the days to come with a price or a least stay of their own must lie within {LONGEST_RUN} days"


def checked(pricing: Pricing) -> Pricing:
    """The same price list; `Invalid` names every part that cannot be as it is written."""
    wrong = [*_wrong_amounts(pricing), *_wrong_shares(pricing), *_wrong_seasons(pricing)]
    if pricing.included_guests is not None and not 1 <= pricing.included_guests <= 50:
        wrong.append(FieldError("included_guests", "out_of_range", "must be 1 to 50"))
    days = pricing.weekend_nights
    if len(set(days)) != len(days) or not all(0 <= day <= 6 for day in days):
        wrong.append(FieldError("weekend_nights", "out_of_range", "must be different weekdays, 0 to 6"))
    if wrong:
        raise Invalid("The price list cannot be as it is written.", errors=wrong)
    return pricing


def _amounts(pricing: Pricing) -> Iterator[tuple[str, Money | None]]:
    """Every amount with its path, the base first."""
    for name in ("base", "weekend", *FEES, "deposit"):
        yield name, getattr(pricing, name)
    for at, season in enumerate(pricing.seasons):
        yield f"seasons[{at}].price", season.price
    for night, price in pricing.dates.items():
        yield f"dates.{night}", price


def _wrong_amounts(pricing: Pricing) -> Iterator[FieldError]:
    if pricing.currency not in CURRENCIES:
        yield FieldError("base.currency", "unknown_currency", "is not an ISO 4217 currency")
    for path, price in _amounts(pricing):
        if price is None:
            continue
        if price.currency != pricing.currency:
            yield FieldError(path, "other_currency", "must be in the currency of base")
        least, most = (
            int(path not in (*FEES, "deposit")),
            HIGHEST_EXTRA_GUEST if path == "extra_guest" else HIGHEST,
        )
        if not least <= price.amount <= most:
            yield FieldError(path, "out_of_range", f"must be {least} to {most} minor units")


def _wrong_shares(pricing: Pricing) -> Iterator[FieldError]:
    shares = {
        "weekly_discount_bp": pricing.weekly_discount_bp,
        "monthly_discount_bp": pricing.monthly_discount_bp,
        "early_bird.discount_bp": pricing.early_bird.discount_bp if pricing.early_bird else 0,
        "last_minute.discount_bp": pricing.last_minute.discount_bp if pricing.last_minute else 0,
    }
    for path, bp in shares.items():
        if not 0 <= bp <= 9_900:
            yield FieldError(path, "out_of_range", "must be 0 to 9900 basis points")
    for path, lead in (("early_bird.days", pricing.early_bird), ("last_minute.days", pricing.last_minute)):
        if lead and not 0 <= lead.days <= 730:
            yield FieldError(path, "out_of_range", "must be 0 to 730 days")


def _wrong_seasons(pricing: Pricing) -> Iterator[FieldError]:
    if len(pricing.seasons) > MOST_SEASONS:
        yield FieldError("seasons", "too_many", f"must be at most {MOST_SEASONS}")
    for at, season in enumerate(pricing.seasons):
        if season.until <= season.first:
            yield FieldError(f"seasons[{at}].to", "not_after_from", "must be a later day than from")
        for name in ("min_nights", "max_nights"):
            nights = getattr(season, name)
            if nights is not None and not 1 <= nights <= LONGEST_STAY:
                yield FieldError(f"seasons[{at}].{name}", "out_of_range", f"must be 1 to {LONGEST_STAY}")
        if season.min_nights and season.max_nights and season.min_nights > season.max_nights:
            yield FieldError(f"seasons[{at}].max_nights", "less_than_min", "must not be less than min_nights")


def must_be_possible(home: Home, pricing: Pricing) -> None:
    """`Invalid` names every season in which no stay could begin at this home, but those it has already."""
    before = home.pricing.seasons if home.pricing else []
    if wrong := wrong_seasons(home.stay_rules, pricing.seasons, before):
        raise Invalid("No stay could satisfy the price list.", errors=wrong)


def must_be_near(pricing: Pricing, calendar: Calendar, today: date) -> None:
    """`Invalid` where its single nights, with those that have a least stay of their own, reach too far."""
    if reaches_too_far(msgspec.structs.replace(calendar, prices=[]), pricing.dates, today):
        raise Invalid.field("dates", "too_far_apart", TOO_FAR)


def reaches_too_far(calendar: Calendar, nights: Collection[date], today: date) -> bool:
    """Are the calendar's single nights and these more than `LONGEST_RUN` days apart? Those that are over do
    not count: the calendar lets go of them where there is no room."""
    known = [*nights]
    if calendar.starts is not None:
        count = max(len(calendar.prices), len(calendar.min_nights), 1)
        known += [calendar.starts, calendar.starts + timedelta(days=count - 1)]
    if not known or (max(known) - min(known)).days < LONGEST_RUN:
        return False
    told = [_told(calendar, of) for of in (calendar.prices, calendar.min_nights)]
    known = [*nights, *(night for each in told for night, value in each.items() if value)]
    ahead = [night for night in known if night >= today]
    return bool(ahead) and (max(ahead) - min(ahead)).days >= LONGEST_RUN


def dated(pricing: Pricing, calendar: Calendar) -> Calendar:
    """The calendar with the price list's single nights in the place of those it had."""
    days = {night: price.amount for night, price in pricing.dates.items()}
    return _with_days(calendar, days, _told(calendar, calendar.min_nights))


def laid(calendar: Calendar, prices: dict[date, int], least: dict[date, int]) -> Calendar:
    """The calendar with these prices and least stays of single nights; 0 takes what a night had."""
    return _with_days(
        calendar,
        _told(calendar, calendar.prices) | prices,
        _told(calendar, calendar.min_nights) | least,
    )


def _with_days(calendar: Calendar, prices: dict[date, int], least: dict[date, int]) -> Calendar:
    known = [night for told in (prices, least) for night, value in told.items() if value]
    if not known:
        return msgspec.structs.replace(calendar, starts=None, prices=[], min_nights=[])
    last = max(known).toordinal()
    begins = max(min(known).toordinal(), last - LONGEST_RUN + 1)
    first, count = date.fromordinal(begins), last - begins + 1
    run = [first + timedelta(days=n) for n in range(count)]
    costs, stays = [prices.get(night, 0) for night in run], [least.get(night, 0) for night in run]
    return msgspec.structs.replace(
        calendar,
        starts=first,
        prices=costs if any(costs) else [],
        min_nights=stays if any(stays) else [],
    )


def with_dates(pricing: Pricing, calendar: Calendar) -> Pricing:
    """The price list as its host sees it, with the prices of single nights out of the calendar."""
    told = _told(calendar, calendar.prices)
    dates = {night: Money(price, pricing.currency) for night, price in told.items() if price}
    return msgspec.structs.replace(pricing, dates=dates)


def _told(calendar: Calendar, of: list[int]) -> dict[date, int]:
    """What the calendar tells of single nights, night by night; 0 is nothing."""
    first = calendar.starts
    return {first + timedelta(days=n): value for n, value in enumerate(of)} if first is not None else {}
