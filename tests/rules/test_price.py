"""What a stay costs: worked figures line by line, and properties that hold for every price list."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hometrip.kernel.clock import utc
from hometrip.kernel.errors import Invalid
from hometrip.kernel.money import Money
from hometrip.kernel.stay import Stay
from hometrip.services.booking.contract import CouponRefused, CouponTerms
from hometrip.services.listing.contract import QuoteMismatch
from hometrip.services.listing.rules.calendar import Calendar
from hometrip.services.listing.rules.home import Early, Home, Late, Pricing, Season
from hometrip.services.listing.rules.price import Bill, Fees, Prices, bill, quote_lines
from hometrip.services.listing.rules.pricing import LONGEST_RUN, checked, dated, must_be_near, with_dates
from hometrip.services.listing.rules.quotes import Promise, opened, sealed

NOW = utc(2027, 4, 14, 9)
MONDAY = date(2027, 6, 7)
FEES = Fees(1_200, 300)
HOME = UUID(int=1)
# As in the rule: coupon and later lines are not the host's.
HOST_KINDS = {
    *("nights", "length_discount", "early_bird", "last_minute", "non_refundable"),
    *("extra_guests", "pets", "cleaning"),
}


def usd(amount: int) -> Money:
    return Money(amount, "USD")


def prices(calendar: Calendar | None = None, policy: str = "flexible", **parts: Any) -> Prices:
    home = Home(
        id=HOME,
        host_id=HOME,
        title="Cabin",
        created_at=NOW,
        updated_at=NOW,
        guests=6,
        cancellation_policy=policy,
        pricing=Pricing(**({"base": usd(10_000)} | parts)),
    )
    return Prices(home, calendar or Calendar(id=HOME))


def billed(of: Prices, nights: int = 3, first: date = MONDAY, **more: Any) -> Bill:
    stay = Stay(first, first + timedelta(days=nights))
    return bill(of, stay, NOW, FEES, **({"guests": 2} | more))


def lines(made: Bill) -> dict[str, int]:
    return {line.kind: line.amount for line in made.lines}


def test_a_tenth_is_off_the_nights_where_nothing_is_refunded() -> None:
    parts = {"weekly_discount_bp": 1_000, "early_bird": Early(days=30, discount_bp=500)}
    of = prices(policy="non_refundable", cleaning_fee=usd(5_000), base=usd(9_999), **parts)
    made = billed(of, 7)
    assert [(line.kind, line.amount) for line in made.lines] == [
        ("nights", 69_993),
        ("length_discount", -6_999),
        ("early_bird", -3_150),
        ("non_refundable", -5_984),  # 5,984.4
        ("cleaning", 5_000),
        ("service_fee", 7_063),
    ]
    assert made.payout == 58_860 - 1_766
    told = next(line for line in quote_lines(made) if line.kind == "non_refundable")
    assert told.label == "Non-refundable discount (10 %)"
    for policy in ("strict", "super_strict_60"):
        assert "non_refundable" not in lines(billed(prices(policy=policy)))


def test_every_line_in_its_order() -> None:
    of = prices(
        weekly_discount_bp=1_000,
        early_bird=Early(days=30, discount_bp=500),
        extra_guest=usd(1_500),
        included_guests=2,
        pet_fee=usd(2_500),
        cleaning_fee=usd(5_000),
    )
    coupon = CouponTerms(code="SPRING", host_funded=True, fixed=usd(4_000))
    made = billed(of, 7, guests=4, pets=2, coupon=coupon)
    assert [(line.kind, line.amount) for line in made.lines] == [
        ("nights", 70_000),
        ("length_discount", -7_000),
        ("early_bird", -3_150),
        ("extra_guests", 21_000),
        ("pets", 5_000),
        ("cleaning", 5_000),
        ("coupon", -4_000),
        ("service_fee", 10_422),
    ]
    assert made.total == 97_272
    assert made.payout == 90_850 - 4_000 - 2_606
    assert made.split.payout == usd(84_244)
    assert made.split.platform == usd(97_272 - 84_244)


def test_lines_of_nothing_are_left_out() -> None:
    of = prices(cleaning_fee=usd(0), extra_guest=usd(0), pet_fee=usd(0), weekly_discount_bp=0)
    assert list(lines(billed(of, 8, guests=5, pets=1))) == ["nights", "service_fee"]


def test_the_price_of_a_night_is_its_own_else_the_seasons_else_the_weekends_else_the_base() -> None:
    seasons = [
        Season(first=MONDAY + timedelta(days=10), until=MONDAY + timedelta(days=20), price=usd(30_000)),
        Season(first=MONDAY + timedelta(days=14), until=MONDAY + timedelta(days=16), price=usd(40_000)),
    ]
    calendar = Calendar(id=HOME, starts=MONDAY + timedelta(days=12), prices=[0, 50_000])
    of = prices(calendar, weekend=usd(15_000), seasons=seasons)
    told = [of.of_night(MONDAY + timedelta(days=n)) // 1_000 for n in range(22)]
    assert told == [10, 10, 10, 10, 15, 15, 10, 10, 10, 10, 30, 30, 30, 50, 40, 40, 30, 30, 30, 30, 10, 10]


def test_the_line_of_nights_has_a_unit_where_all_nights_cost_the_same() -> None:
    of = prices(weekend=usd(15_000))
    [weekdays, _] = quote_lines(billed(of, 3))
    assert (weekdays.quantity, weekdays.unit, weekdays.amount) == (3, usd(10_000), usd(30_000))
    [mixed, _] = quote_lines(billed(of, 5))
    assert (mixed.quantity, mixed.unit, mixed.amount) == (5, None, usd(55_000))


@pytest.mark.parametrize(
    ("nights", "weekly", "monthly", "off"),
    [
        (6, 1_000, 2_000, 0),
        (7, 1_000, 2_000, 7_000),
        (27, 1_000, 2_000, 27_000),
        (28, 1_000, 2_000, 56_000),
        (30, 1_000, 0, 30_000),
        (30, 0, 2_000, 60_000),
        (7, 0, 2_000, 0),
    ],
)
def test_the_monthly_discount_holds_from_28_nights_else_the_weekly_from_7(
    nights: int, weekly: int, monthly: int, off: int
) -> None:
    of = prices(weekly_discount_bp=weekly, monthly_discount_bp=monthly)
    assert lines(billed(of, nights)).get("length_discount", 0) == -off


@pytest.mark.parametrize(
    ("ahead", "kind"),
    [(0, "last_minute"), (7, "last_minute"), (8, None), (29, None), (30, "early_bird"), (60, "early_bird")],
)
def test_early_bird_from_its_days_on_and_last_minute_up_to_its_own(ahead: int, kind: str | None) -> None:
    of = prices(early_bird=Early(days=30, discount_bp=1_000), last_minute=Late(days=7, discount_bp=2_000))
    made = billed(of, first=NOW.date() + timedelta(days=ahead))
    assert [line.kind for line in made.lines[1:-1]] == ([kind] if kind else [])


@pytest.mark.parametrize(("early", "late", "kind"), [(1_000, 900, "early_bird"), (900, 1_000, "last_minute")])
def test_of_early_bird_and_last_minute_the_larger_one_counts(early: int, late: int, kind: str) -> None:
    of = prices(early_bird=Early(days=5, discount_bp=early), last_minute=Late(days=20, discount_bp=late))
    made = billed(of, first=NOW.date() + timedelta(days=10))
    assert [line.kind for line in made.lines[1:-1]] == [kind]


def test_each_line_is_rounded_half_up_once() -> None:
    of = prices(base=usd(333), weekly_discount_bp=1_050)
    made = billed(of, 7)
    # 2331 less 244.755; 12 % of 2086 is 250.32
    assert lines(made) == {"nights": 2_331, "length_discount": -245, "service_fee": 250}
    assert made.payout == 2_086 - 63


@pytest.mark.parametrize(
    ("coupon", "off"),
    [
        (CouponTerms(code="A", host_funded=False, percent_bp=1_500), 5_250),
        (CouponTerms(code="A", host_funded=False, fixed=usd(1_000)), 1_000),
        (CouponTerms(code="A", host_funded=False, fixed=usd(99_999)), 35_000),
        (CouponTerms(code="A", host_funded=False, percent_bp=10_000), 35_000),
        (CouponTerms(code="A", host_funded=False, fixed=usd(1_000), minimum=usd(35_000)), 1_000),
    ],
)
def test_a_coupon_takes_off_no_more_than_there_is(coupon: CouponTerms, off: int) -> None:
    made = billed(prices(cleaning_fee=usd(5_000)), coupon=coupon)
    assert lines(made)["coupon"] == -off
    assert made.total == 35_000 - off + (35_000 - off) * 12 // 100


def test_a_coupon_under_its_minimum_or_in_other_money_is_refused() -> None:
    with pytest.raises(CouponRefused) as refused:
        billed(prices(), coupon=CouponTerms(code="A", host_funded=False, fixed=usd(1), minimum=usd(30_001)))
    assert refused.value.facts["reason"] == "minimum"
    with pytest.raises(CouponRefused):
        billed(prices(), coupon=CouponTerms(code="A", host_funded=False, fixed=Money(1, "EUR")))


def test_a_coupon_of_the_marketplace_comes_out_of_its_own_share() -> None:
    coupon = CouponTerms(code="A", host_funded=False, percent_bp=10_000)
    made = billed(prices(), coupon=coupon)
    assert made.total == 0
    assert made.split.payout == usd(29_100)
    assert made.split.platform == usd(-29_100)


# Properties

shares = st.integers(0, 9_900)
amounts = st.integers(1, 200_000).map(usd)
fees = st.none() | st.integers(0, 50_000).map(usd)


@st.composite
def price_lists(draw: st.DrawFn) -> Pricing:
    seasons = [
        Season(
            first=MONDAY + timedelta(days=first),
            until=MONDAY + timedelta(days=first + draw(st.integers(1, 60))),
            price=draw(amounts),
        )
        for first in draw(st.lists(st.integers(-30, 90), max_size=3))
    ]
    dates = draw(st.dictionaries(st.integers(-30, 120), amounts, max_size=8))
    return Pricing(
        base=draw(amounts),
        weekend=draw(st.none() | amounts),
        weekend_nights=tuple(draw(st.sets(st.integers(0, 6)))),
        seasons=seasons,
        dates={MONDAY + timedelta(days=n): price for n, price in dates.items()},
        weekly_discount_bp=draw(shares),
        monthly_discount_bp=draw(shares),
        early_bird=draw(st.none() | st.builds(Early, days=st.integers(0, 90), discount_bp=shares)),
        last_minute=draw(st.none() | st.builds(Late, days=st.integers(0, 90), discount_bp=shares)),
        cleaning_fee=draw(fees),
        included_guests=draw(st.none() | st.integers(1, 6)),
        extra_guest=draw(fees),
        pet_fee=draw(fees),
    )


coupons = st.none() | st.builds(
    CouponTerms,
    code=st.just("A"),
    host_funded=st.booleans(),
    percent_bp=st.none() | st.integers(0, 10_000),
    fixed=st.none() | amounts,
)


def made_of(pricing: Pricing) -> Prices:
    return prices(
        dated(pricing, Calendar(id=HOME)),
        **{name: getattr(pricing, name) for name in pricing.__struct_fields__ if name != "dates"},
    )


def half_up(value: Fraction) -> int:
    return int(abs(value) + Fraction(1, 2)) * (1 if value >= 0 else -1)


@given(pricing=price_lists(), nights=st.integers(1, 60), guests=st.integers(1, 6), coupon=coupons)
def test_payout_platform_and_taxes_are_the_total_and_the_total_is_the_lines(
    pricing: Pricing, nights: int, guests: int, coupon: CouponTerms | None
) -> None:
    made = billed(made_of(pricing), nights, guests=guests, pets=1, coupon=coupon)
    split = made.split
    assert split.payout.amount + split.platform.amount + sum(tax.amount for tax in split.taxes.values()) == (
        made.total
    )
    assert made.total == sum(line.amount for line in made.lines) >= 0
    assert all(line.amount for line in made.lines[1:])
    host = sum(line.amount for line in made.lines if line.kind in HOST_KINDS)
    if coupon is not None and coupon.host_funded:
        host += lines(made).get("coupon", 0)
    assert made.payout == host - half_up(Fraction(host * 3, 100))
    before_fee = sum(line.amount for line in made.lines if line.kind != "service_fee")
    assert lines(made).get("service_fee", 0) == half_up(Fraction(before_fee * 12, 100))


@given(pricing=price_lists(), nights=st.integers(1, 60))
def test_the_nights_are_the_sum_of_their_prices_told_one_by_one(pricing: Pricing, nights: int) -> None:
    of = made_of(pricing)
    made = billed(of, nights)
    assert made.nightly == [expected(pricing, MONDAY + timedelta(days=n)) for n in range(nights)]
    assert made.lines[0].amount == sum(made.nightly)


def expected(pricing: Pricing, night: date) -> int:
    """The price of one night, as the rule says it."""
    if night in pricing.dates:
        return pricing.dates[night].amount
    around = [season for season in pricing.seasons if season.first <= night < season.until]
    if around:
        shortest = min((season.until - season.first).days for season in around)
        return [season.price.amount for season in around if (season.until - season.first).days == shortest][
            -1
        ]
    if pricing.weekend is not None and night.weekday() in pricing.weekend_nights:
        return pricing.weekend.amount
    return pricing.base.amount


@given(pricing=price_lists())
def test_single_nights_are_kept_in_the_calendar_and_come_back(pricing: Pricing) -> None:
    calendar = dated(checked(pricing), Calendar(id=HOME))
    bare = with_dates(pricing, Calendar(id=HOME))
    assert bare.dates == {}
    assert with_dates(bare, calendar).dates == pricing.dates


def test_new_single_nights_leave_the_least_stays_of_the_calendar_alone() -> None:
    calendar = Calendar(id=HOME, starts=MONDAY, prices=[7, 8], min_nights=[3, 4])
    pricing = Pricing(base=usd(100), dates={MONDAY + timedelta(days=3): usd(900)})
    changed = dated(pricing, calendar)
    assert (changed.starts, changed.prices, changed.min_nights) == (MONDAY, [0, 0, 0, 900], [3, 4, 0, 0])
    assert dated(Pricing(base=usd(100)), Calendar(id=HOME, starts=MONDAY, prices=[7])).starts is None


def test_single_nights_that_are_over_make_room_for_those_to_come() -> None:
    long_ago, soon, far = date(1, 1, 1), MONDAY + timedelta(days=1), MONDAY + timedelta(days=LONGEST_RUN)
    calendar = Calendar(id=HOME, starts=long_ago, prices=[7], min_nights=[2])
    pricing = Pricing(base=usd(100), dates={long_ago: usd(7), soon: usd(8), far: usd(9)})
    must_be_near(pricing, calendar, MONDAY)
    assert set(with_dates(pricing, dated(pricing, calendar)).dates) == {soon, far}
    assert dated(pricing, calendar).min_nights == []


@pytest.mark.parametrize("least", [[], [2]])
def test_single_nights_to_come_lie_near_each_other_and_those_with_a_least_stay(least: list[int]) -> None:
    far = MONDAY + timedelta(days=LONGEST_RUN)
    dates = {far: usd(9)} if least else {MONDAY: usd(8), far: usd(9)}
    pricing = Pricing(base=usd(100), dates=dates)
    calendar = Calendar(id=HOME, starts=MONDAY, min_nights=least)
    must_be_near(pricing, calendar, MONDAY + timedelta(days=1))
    with pytest.raises(Invalid) as refused:
        must_be_near(pricing, calendar, MONDAY)
    assert [error["field"] for error in refused.value.facts["errors"]] == ["dates"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"base": usd(0)}, "base"),
        ({"base": Money(100, "XXX")}, "base.currency"),
        ({"cleaning_fee": usd(-1)}, "cleaning_fee"),
        ({"cleaning_fee": Money(1, "EUR")}, "cleaning_fee"),
        ({"dates": {MONDAY: Money(1, "EUR")}}, "dates.2027-06-07"),
        ({"weekly_discount_bp": 10_000}, "weekly_discount_bp"),
        ({"monthly_discount_bp": -1}, "monthly_discount_bp"),
        ({"early_bird": Early(days=-1, discount_bp=1)}, "early_bird.days"),
        ({"seasons": [Season(first=MONDAY, until=MONDAY, price=usd(1))]}, "seasons[0].to"),
        ({"included_guests": 0}, "included_guests"),
        ({"weekend_nights": (7,)}, "weekend_nights"),
    ],
)
def test_a_price_list_that_cannot_be_is_refused_by_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(Pricing(**({"base": usd(100)} | wrong)))
    assert field in [error["field"] for error in refused.value.facts["errors"]]


# The id of a quote

KEY = b"k" * 32
PROMISE = Promise(
    id=UUID(int=5),
    listing_id=HOME,
    check_in=MONDAY,
    check_out=MONDAY + timedelta(days=2),
    guests=2,
    pets=0,
    coupon="",
    total=22_400,
    currency="USD",
    until=1_800_000_000,
)


def test_a_quote_id_holds_what_was_promised() -> None:
    text = sealed(PROMISE, KEY)
    assert opened(text, KEY) == PROMISE
    assert len(text) < 200
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.integers(0), st.integers(1, 255))
def test_a_quote_id_of_which_anything_was_changed_is_refused(at: int, by: int) -> None:
    text = sealed(PROMISE, KEY)
    at %= len(text)
    other = chr((ord(text[at]) + by) % 256)
    if other != text[at]:
        with pytest.raises(QuoteMismatch):
            opened(text[:at] + other + text[at + 1 :], KEY)


@given(st.text(max_size=60))
def test_a_quote_id_that_was_not_made_here_is_refused(text: str) -> None:
    with pytest.raises(QuoteMismatch):
        opened(text, KEY)
    with pytest.raises(QuoteMismatch):
        opened(sealed(PROMISE, b"another key"), KEY)
