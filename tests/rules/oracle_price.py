"""What a stay costs, a second time: night by night, in fractions, from the words of the rule alone. No taxes.

Nothing is shared with the rule but the words. Where they leave a choice, what is read here is said beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import floor

from rules.oracle_instants import shown

HOST_LINES = "nights length_discount early_bird last_minute non_refundable extra_guests pets cleaning".split()


@dataclass(frozen=True)
class Dear:
    """What nights cost in a season."""

    first: date
    until: date
    price: int


@dataclass(frozen=True)
class Coupon:
    host_funded: bool
    percent_bp: int | None
    fixed: int | None
    minimum: int | None


@dataclass(frozen=True)
class Wished:
    """A home's price list, and a stay there; amounts are minor units, `bp` basis points. Early-bird and
    last-minute discounts are (days, basis points)."""

    currency: str
    zone: str
    base: int
    weekend: int | None
    weekend_nights: tuple[int, ...]
    seasons: tuple[Dear, ...]
    dates: tuple[tuple[date, int], ...]
    weekly_bp: int
    monthly_bp: int
    early_bird: tuple[int, int] | None
    last_minute: tuple[int, int] | None
    cleaning: int | None
    included_guests: int | None
    extra_guest: int | None
    pet: int | None
    guest_fee_bp: int
    host_fee_bp: int
    check_in: date
    nights: int
    guests: int
    pets: int
    coupon: Coupon | None
    now: datetime
    refundable: bool = True


@dataclass(frozen=True)
class Cost:
    nightly: tuple[int, ...]
    lines: tuple[tuple[str, int], ...]
    total: int
    payout: int
    platform: int


def cost(wished: Wished) -> Cost | None:
    """None where the coupon does not fit: the subtotal is under its minimum."""
    nightly = tuple(_price(wished, wished.check_in + timedelta(days=n)) for n in range(wished.nights))
    lines = {"nights": sum(nightly)}
    # Reading: a host who gives nothing by the month gives long stays what is given by the week.
    length_bp = wished.monthly_bp if wished.nights >= 28 and wished.monthly_bp else 0
    if not length_bp and wished.nights >= 7:
        length_bp = wished.weekly_bp
    lines["length_discount"] = -_percent(length_bp, lines["nights"])
    kind, bp = _for_the_time(wished)
    lines[kind] = -_percent(bp, lines["nights"] + lines["length_discount"])
    # Reading: a tenth off the nights, after the other discounts.
    lines["non_refundable"] = 0 if wished.refundable else -_percent(1_000, sum(lines.values()))
    # Reading: where no number is given, all guests are included; pets pay each.
    beyond = 0 if wished.included_guests is None else max(0, wished.guests - wished.included_guests)
    lines["extra_guests"] = sum(beyond * (wished.extra_guest or 0) for _ in nightly)
    lines["pets"] = wished.pets * (wished.pet or 0)
    lines["cleaning"] = wished.cleaning or 0
    subtotal = sum(lines.values())
    coupon = wished.coupon
    if coupon is not None and coupon.minimum is not None and subtotal < coupon.minimum:
        return None
    lines["coupon"] = -_taken_off(coupon, subtotal)
    lines["service_fee"] = _percent(wished.guest_fee_bp, subtotal + lines["coupon"])
    # Reading: the host's fee is of what the host has after the own coupon.
    host = subtotal + (lines["coupon"] if coupon is not None and coupon.host_funded else 0)
    payout = host - _percent(wished.host_fee_bp, host)
    total = sum(lines.values())
    told = tuple((kind, amount) for kind, amount in lines.items() if amount)
    return Cost(nightly, told, total, payout, total - payout)


def _price(wished: Wished, night: date) -> int:
    own = [price for day, price in wished.dates if day == night]
    if own:
        return own[-1]
    # Reading: of several seasons the shortest, as the most specific; of two alike the one listed last.
    around = [season for season in wished.seasons if season.first <= night < season.until]
    if around:
        least = min(season.until - season.first for season in around)
        return [season.price for season in around if season.until - season.first == least][-1]
    if wished.weekend is not None and night.weekday() in wished.weekend_nights:
        return wished.weekend
    return wished.base


def _for_the_time(wished: Wished) -> tuple[str, int]:
    """Reading: days ahead are counted from the day that it is at the home; alike, it is an early bird."""
    days = (wished.check_in - shown(wished.now, wished.zone).date()).days
    early = wished.early_bird[1] if wished.early_bird is not None and days >= wished.early_bird[0] else 0
    late = wished.last_minute[1] if wished.last_minute is not None and days <= wished.last_minute[0] else 0
    return ("early_bird", early) if early >= late else ("last_minute", late)


def _taken_off(coupon: Coupon | None, subtotal: int) -> int:
    if coupon is None:
        return 0
    if coupon.percent_bp is not None:
        return min(subtotal, _percent(coupon.percent_bp, subtotal))
    return min(subtotal, coupon.fixed or 0)


def _percent(bp: int, amount: int) -> int:
    return floor(Fraction(bp, 10_000) * amount + Fraction(1, 2))
