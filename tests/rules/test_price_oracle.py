"""What a stay costs, line by line, is what an oracle that counts in fractions, night by night, says of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from figures import Figure
from hometrip.kernel.clock import utc
from hometrip.kernel.money import Money
from hometrip.kernel.stay import Stay
from hometrip.services.booking.contract import CouponRefused, CouponTerms
from hometrip.services.listing.rules.calendar import Calendar
from hometrip.services.listing.rules.home import Early, Home, HouseRules, Late, Pricing, Season
from hometrip.services.listing.rules.price import Fees, Prices, bill, quote_lines
from rules.oracle_hunt import ALWAYS, hunt, whole_proof
from rules.oracle_instants import ZONES, instant, some_day
from rules.oracle_price import Cost, Coupon, Dear, Wished, cost

DAY = timedelta(days=1)
CURRENCIES = {"USD": 60_000, "JPY": 90_000, "KWD": 200_000}  # and what a night costs at most, in minor units
SHARES = (1, 333, 500, 550, 1_000, 1_050, 1_250, 2_000, 3_333, 5_000, 9_900)


def a_case(chance: Random) -> Wished:
    currency, zone = chance.choice(tuple(CURRENCIES)), chance.choice(ZONES)
    check_in = some_day(chance, zone, (0, 1, 7, 30))
    most = chance.choice((9, CURRENCIES[currency]))
    nights = chance.choice((chance.randint(1, 10), 6, 7, 8, 27, 28, 29, chance.randint(11, 60)))
    ahead = chance.choice((0, 1, 2, 3, 7, 8, 29, 30, 31, 60, 90))
    hour = chance.choice(("00:00", "12:00", "15:00", "23:59"))

    def amount() -> int:
        return chance.randint(1, most)

    def perhaps() -> int | None:
        return chance.choice((None, 0, amount(), amount()))

    return Wished(
        currency=currency,
        zone=zone,
        base=amount(),
        weekend=amount() if chance.random() < 0.5 else None,
        weekend_nights=chance.choice(((4, 5), (4, 5), (3, 4, 5), (6,), ())),
        seasons=tuple(
            Dear(first, first + DAY * chance.choice((1, 2, 7, 10, 10, 30)), amount())
            for first in _some_days(chance, check_in, nights, 4)
        ),
        dates=tuple({day: amount() for day in _some_days(chance, check_in, nights, 4)}.items()),
        weekly_bp=chance.choice((0, *SHARES)),
        monthly_bp=chance.choice((0, *SHARES)),
        early_bird=_with_days(chance),
        last_minute=_with_days(chance),
        cleaning=perhaps(),
        included_guests=chance.choice((None, 1, 2, 4)),
        extra_guest=perhaps(),
        pet=perhaps(),
        guest_fee_bp=chance.choice((1_200, 1_200, 0, 1_175)),
        host_fee_bp=chance.choice((300, 300, 0, 1_500)),
        check_in=check_in,
        nights=nights,
        guests=chance.randint(1, 6),
        pets=chance.choice((0, 0, 1, 2)),
        coupon=_coupon(chance, most) if chance.random() < 0.6 else None,
        now=_now(chance, check_in - DAY * ahead, hour, zone),
        refundable=chance.random() < 0.8,
    )


def _some_days(chance: Random, check_in: date, nights: int, most: int) -> list[date]:
    return [check_in + DAY * chance.randint(-5, nights + 1) for _ in range(chance.randint(0, most))]


def _with_days(chance: Random) -> tuple[int, int] | None:
    return chance.choice((None, (chance.choice((0, 1, 2, 3, 7, 30, 31, 60)), chance.choice(SHARES))))


def _now(chance: Random, day: date, clock: str, zone: str) -> datetime:
    return instant(day, clock, zone) + timedelta(seconds=chance.choice((0, 0, 1, -1, 3_599)))


def _coupon(chance: Random, most: int) -> Coupon:
    by_percent = chance.random() < 0.5
    return Coupon(
        host_funded=chance.random() < 0.5,
        percent_bp=chance.choice((*SHARES, 10_000)) if by_percent else None,
        fixed=None if by_percent else chance.randint(1, most * 8),
        minimum=chance.randint(1, most * 6) if chance.random() < 0.3 else None,
    )


def prices_of(case: Wished) -> Prices:
    def money(amount: int) -> Money:
        return Money(amount, case.currency)

    def perhaps(amount: int | None) -> Money | None:
        return None if amount is None else money(amount)

    pricing = Pricing(
        base=money(case.base),
        weekend=perhaps(case.weekend),
        weekend_nights=case.weekend_nights,
        seasons=[
            Season(first=each.first, until=each.until, price=money(each.price)) for each in case.seasons
        ],
        weekly_discount_bp=case.weekly_bp,
        monthly_discount_bp=case.monthly_bp,
        early_bird=Early(days=case.early_bird[0], discount_bp=case.early_bird[1])
        if case.early_bird
        else None,
        last_minute=Late(days=case.last_minute[0], discount_bp=case.last_minute[1])
        if case.last_minute
        else None,
        cleaning_fee=perhaps(case.cleaning),
        included_guests=case.included_guests,
        extra_guest=perhaps(case.extra_guest),
        pet_fee=perhaps(case.pet),
    )
    home = Home(
        id=UUID(int=1),
        host_id=UUID(int=2),
        title="Cabin",
        created_at=utc(2008, 1, 1),
        updated_at=utc(2008, 1, 1),
        guests=6,
        time_zone=case.zone,
        rules=HouseRules(pets=True),
        cancellation_policy="flexible" if case.refundable else "non_refundable",
        pricing=pricing,
    )
    own = dict(case.dates)
    starts = min(own, default=None)
    count = (max(own) - min(own)).days + 1 if own else 0
    told = [own.get(min(own) + DAY * n, 0) for n in range(count)]
    return Prices(home, Calendar(id=UUID(int=1), starts=starts, prices=told))


def _terms(case: Wished) -> CouponTerms | None:
    coupon = case.coupon
    if coupon is None:
        return None
    return CouponTerms(
        code="SPRING",
        host_funded=coupon.host_funded,
        percent_bp=coupon.percent_bp,
        fixed=Money(coupon.fixed, case.currency) if coupon.fixed is not None else None,
        minimum=Money(coupon.minimum, case.currency) if coupon.minimum is not None else None,
    )


def difference(case: Wished) -> str | None:
    """In what rule and oracle differ, if they do."""
    stay = Stay(case.check_in, case.check_in + DAY * case.nights)
    fees, expected = Fees(case.guest_fee_bp, case.host_fee_bp), cost(case)
    try:
        made = bill(
            prices_of(case), stay, case.now, fees, guests=case.guests, pets=case.pets, coupon=_terms(case)
        )
    except CouponRefused as refused:
        return (
            None if expected is None and refused.facts["reason"] == "minimum" else f"refused {refused.facts}"
        )
    if expected is None:
        return "a coupon under its minimum was taken"
    lines = tuple((line.kind, line.amount) for line in made.lines)
    was = Cost(tuple(made.nightly), lines, made.total, made.payout, made.split.platform.amount)
    if was != expected:
        return f"the rule says {was}, the oracle {expected}"
    first, alike = made.lines[0], len(set(expected.nightly)) == 1
    if (first.quantity, first.unit) != (case.nights, expected.nightly[0] if alike else None):
        return f"the nights are told as {first}"
    told = [(line.kind, line.amount) for line in quote_lines(made)]
    split = made.split
    if told != [(kind, Money(amount, case.currency)) for kind, amount in expected.lines]:
        return f"the lines as they are told are {told}"
    if (split.payout, split.taxes) != (Money(expected.payout, case.currency), {}):
        return f"the payout as it is told is {split}"
    return None


def simpler(case: Wished) -> Iterator[Wished]:
    """Cases with less in them."""
    for name in ("seasons", "dates"):
        whole = getattr(case, name)
        for number in range(len(whole)):
            yield replace(case, **{name: whole[:number] + whole[number + 1 :]})
    plain: dict[str, Any] = {
        "currency": "USD",
        "zone": "Asia/Kathmandu",
        "coupon": None,
        "early_bird": None,
        "last_minute": None,
        "weekend": None,
        "weekly_bp": 0,
        "monthly_bp": 0,
        "cleaning": None,
        "included_guests": None,
        "extra_guest": None,
        "pet": None,
        "guest_fee_bp": 0,
        "host_fee_bp": 0,
        "guests": 1,
        "pets": 0,
        "nights": 1,
        "base": 100,
        "refundable": True,
    }
    for name, value in plain.items():
        if getattr(case, name) != value:
            yield replace(case, **{name: value})


def test_random_stays_cost_what_the_oracle_says() -> None:
    hunt(a_case, difference, simpler, seed=1, count=ALWAYS)


def test_the_cases_have_every_line() -> None:
    told = [cost(a_case(Random(number))) for number in range(ALWAYS)]
    often = [kind for answer in told if answer is not None for kind, _ in answer.lines]
    kinds = (
        "length_discount early_bird last_minute non_refundable extra_guests pets cleaning coupon service_fee"
    ).split()
    assert all(often.count(kind) > ALWAYS / 20 for kind in ("nights", *kinds))
    assert told.count(None) > ALWAYS / 50


@pytest.mark.full
@pytest.mark.timeout(3_600)
def test_two_hundred_thousand_stays_cost_what_the_oracle_says(figure: Figure) -> None:
    whole_proof("price", a_case, difference, simpler, of=200_000, figure=figure)
