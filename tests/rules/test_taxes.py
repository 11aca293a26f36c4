"""Taxes by area and exchange rates: every kind by worked figures, and what holds for every rule."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hometrip.kernel.clock import utc
from hometrip.kernel.errors import Invalid
from hometrip.kernel.money import RATE_PARTS, Money, converted
from hometrip.kernel.stay import Stay
from hometrip.services.booking.contract import CouponTerms
from hometrip.services.listing.actions.taxes import BUNDLED
from hometrip.services.listing.rules.calendar import Calendar
from hometrip.services.listing.rules.home import Home, Place, Pricing
from hometrip.services.listing.rules.price import Bill, Fees, Prices, bill, quote_lines, shown_in
from hometrip.services.listing.rules.rates import read_rates, written
from hometrip.services.listing.rules.tax_examples import EXAMPLES
from hometrip.services.listing.rules.taxes import Area, Taxes, TaxTerms, checked

NOW = utc(2027, 4, 14, 9)
MONDAY = date(2027, 6, 7)
HOME = UUID(int=1)
PARIS = Place(city="Paris", region="Île-de-France", country="FR")
RATES = read_rates("Date, USD, JPY, \n2 January 2025, 1.25, 160, \n")


def eur(amount: int) -> Money:
    return Money(amount, "EUR")


def rule(kind: str = "percent_bp", **parts: Any) -> TaxTerms:
    amount: dict[str, Any] = {"bp": 1_000} if kind == "percent_bp" else {"amount": eur(150)}
    terms = {"area": Area(country="FR", city="Paris"), "label": "Tax", "kind": kind, "enabled": True}
    return TaxTerms(**(terms | amount | parts))


def billed(
    *rules: TaxTerms, nights: int = 3, first: date = MONDAY, place: Place = PARIS, **more: Any
) -> Bill:
    """Nights of 100.00 in Paris, cleaning 50.00, for two."""
    currency = more.pop("currency", "EUR")
    pricing = Pricing(
        **(
            {"base": Money(10_000, currency), "cleaning_fee": Money(5_000, currency)}
            | more.pop("pricing", {})
        )
    )
    home = Home(
        id=HOME,
        host_id=HOME,
        title="Flat",
        created_at=NOW,
        updated_at=NOW,
        guests=6,
        pricing=pricing,
        address=place,
    )
    of = Prices(home, more.pop("calendar", Calendar(id=HOME)))
    stay = Stay(first, first + timedelta(days=nights))
    taxes = Taxes(rules, RATES)
    return bill(of, stay, NOW, Fees(1_200, 300), **({"guests": 2, "taxes": taxes} | more))


def taxed(*rules: TaxTerms, **more: Any) -> list[int]:
    return [line.amount for line in billed(*rules, **more).lines if line.kind == "tax"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("percent_bp", 3_000),
        ("per_stay", 150),
        ("per_guest", 300),
        ("per_night", 450),
        ("per_guest_night", 900),
    ],
)
def test_each_kind_takes_its_own(kind: str, expected: int) -> None:
    assert taxed(rule(kind)) == [expected]


def test_a_percentage_is_of_the_nights_or_of_the_nights_and_every_fee() -> None:
    # 300.00 of nights, 50.00 of cleaning, 42.00 of service fee.
    assert taxed(rule()) == [3_000]
    assert taxed(rule(base="nights_and_fees")) == [3_920]
    coupon = CouponTerms(code="X", host_funded=False, fixed=eur(10_000))
    # The coupon takes 100.00 off, and 12.00 off the service fee.
    assert taxed(rule(base="nights_and_fees"), coupon=coupon) == [2_800]
    assert taxed(rule(), coupon=coupon) == [3_000]


def test_discounts_and_extra_guests_are_part_of_the_nights() -> None:
    pricing = {"weekly_discount_bp": 1_000, "extra_guest": eur(1_000), "included_guests": 1}
    # 7 nights of 100.00 less a tenth, and 7 times 10.00 for the second guest.
    assert taxed(rule(), nights=7, pricing=pricing) == [7_000]


def test_only_the_first_nights_are_taxed_where_there_is_a_limit() -> None:
    assert taxed(rule("per_guest_night", most_nights=7), nights=9) == [150 * 2 * 7]
    dear_end = Calendar(id=HOME, starts=MONDAY, prices=[0, 0, 50_000])
    assert taxed(rule(most_nights=2), calendar=dear_end) == [2_000]


def test_a_long_stay_is_free_of_it_altogether() -> None:
    assert taxed(rule(exempt_from_nights=30), nights=29) == [29_000]
    assert taxed(rule(exempt_from_nights=30), nights=30) == []


def test_the_young_are_spared_only_where_the_rule_says_so() -> None:
    assert taxed(rule("per_guest_night", exempt_below_age=18), guests=4, exempt=3) == [150 * 3]
    assert taxed(rule("per_guest_night"), guests=4, exempt=3) == [150 * 12]
    assert taxed(rule("per_guest", exempt_below_age=18), guests=4, exempt=4) == []
    assert taxed(rule(exempt_below_age=18), guests=4, exempt=3) == [750]


def test_nights_are_taxed_by_their_own_date_and_what_comes_once_by_the_day_of_check_in() -> None:
    tuesday = MONDAY + timedelta(days=1)
    assert taxed(rule("per_night", valid_from=tuesday)) == [300]
    assert taxed(rule("per_night", valid_to=tuesday)) == [150]
    assert taxed(rule(valid_to=tuesday)) == [1_000]
    assert taxed(rule("per_stay", valid_from=tuesday)) == []
    assert taxed(rule("per_stay", valid_to=tuesday)) == [150]
    last_year = rule("per_night", valid_to=tuesday)
    this_year = rule("per_night", valid_from=tuesday, amount=eur(200))
    assert taxed(last_year, this_year) == [150, 400]


def test_a_rule_holds_in_its_area_however_it_is_spelled() -> None:
    assert taxed(rule(area=Area(country="FR"))) == [3_000]
    assert taxed(rule(area=Area(country="FR", region="ile-de-france"))) == [3_000]
    assert taxed(rule(area=Area(country="FR", region="Île-de-France", city="PARIS"))) == [3_000]
    assert taxed(rule(area=Area(country="FR", city="Lyon"))) == []
    assert taxed(rule(area=Area(country="US", city="Paris"))) == []
    assert taxed(rule(enabled=False)) == []


def test_each_rule_is_a_line_with_its_area_and_the_split_sums_them_by_area() -> None:
    city, country = rule("per_guest_night"), rule(area=Area(country="FR"), label="Levy")
    made = billed(city, country, rule("per_stay"))
    [first, second, third] = [line for line in quote_lines(made) if line.kind == "tax"]
    assert (first.label, first.area, first.on) == ("Tax", "FR/Paris", ["nights"])
    assert (first.quantity, first.unit, first.amount) == (6, eur(150), eur(900))
    assert (second.label, second.area, second.quantity) == ("Levy (10 %)", "FR", None)
    assert third.amount == eur(150)
    assert made.split.taxes == {"FR/Paris": eur(1_050), "FR": eur(3_000)}
    assert made.split.payout == eur(35_000 - 1_050)
    assert made.split.platform == eur(4_200 + 1_050)
    on_fees = billed(rule(base="nights_and_fees")).lines[-1]
    assert on_fees.on == ["nights", "cleaning", "service_fee"]


def test_an_amount_in_another_currency_is_taken_at_the_days_rate_and_rounded_once() -> None:
    # 6 × 1.55 EUR = 9.30 EUR = 11.625 USD
    fixed = rule("per_guest_night", amount=eur(155))
    assert taxed(fixed, currency="USD") == [1_163]
    assert taxed(fixed, currency="JPY") == [1_488]
    assert taxed(fixed, currency="KWD") == []  # no rate for it in this table


@given(
    rules=st.lists(
        st.builds(
            rule,
            st.sampled_from(["percent_bp", "per_stay", "per_guest", "per_night", "per_guest_night"]),
            area=st.sampled_from([Area(country="FR"), Area(country="FR", city="Paris")]),
            base=st.sampled_from(["nights", "nights_and_fees"]),
            most_nights=st.none() | st.integers(1, 9),
            exempt_from_nights=st.none() | st.integers(1, 40),
            exempt_below_age=st.none() | st.just(18),
            valid_from=st.none() | st.dates(MONDAY - timedelta(5), MONDAY + timedelta(5)),
        ),
        max_size=4,
    ),
    nights=st.integers(1, 35),
    guests=st.integers(1, 6),
    exempt=st.integers(0, 6),
    currency=st.sampled_from(["EUR", "USD", "JPY"]),
    off=st.none() | st.integers(1, 10_000),
)
def test_every_bill_adds_up_and_its_taxes_are_those_of_the_split(
    rules: list[TaxTerms], nights: int, guests: int, exempt: int, currency: str, off: int | None
) -> None:
    coupon = CouponTerms(code="X", host_funded=False, percent_bp=off) if off else None
    party = {"guests": guests, "exempt": min(exempt, guests)}
    made = billed(*rules, nights=nights, currency=currency, coupon=coupon, **party)
    plain = billed(nights=nights, currency=currency, coupon=coupon, **party)
    lines = [line.amount for line in made.lines if line.kind == "tax"]
    assert all(amount > 0 for amount in lines)
    assert sum(line.amount for line in made.lines) == made.total == plain.total + sum(lines)
    assert sum(made.taxes.values()) == sum(lines)
    assert made.payout == plain.payout
    split = made.split
    assert split.payout.amount + split.platform.amount + sum(made.taxes.values()) == made.total


def test_a_rule_that_cannot_be_is_refused_with_every_reason() -> None:
    with pytest.raises(Invalid) as refused:
        checked(rule(bp=None, amount=Money(0, "XXX"), valid_from=MONDAY, valid_to=MONDAY))
    assert [error["field"] for error in refused.value.facts["errors"]] == [
        "bp", "amount", "amount.amount", "amount.currency", "valid_to"
    ]  # fmt: skip


def test_the_shipped_examples_can_be_and_are_switched_off() -> None:
    assert len({example.area.name for example in EXAMPLES}) == 5
    for example in EXAMPLES:
        assert checked(example) is example
        assert not example.enabled
        assert "202" in example.source
        # As they would come through the door.
        assert msgspec.json.decode(msgspec.json.encode(example), type=TaxTerms) == example


# Rates


def test_the_bundled_table_is_of_one_day_and_knows_both_ways() -> None:
    rates = read_rates(BUNDLED.read_text())
    assert rates.on == date(2026, 10, 30)
    assert rates.rate("EUR", "USD") == 11_172_000_000
    assert rates.rate("USD", "EUR") == 8_950_948_801
    assert rates.rate("USD", "USD") == RATE_PARTS
    assert rates.rate("USD", "KWD") is None


def test_a_currency_that_is_held_to_another_has_its_rate_by_that_unless_the_table_says_it() -> None:
    assert RATES.rate("USD", "SAR") == 37_500_000_000
    assert RATES.rate("EUR", "BHD") == 4_700_000_000
    assert RATES.rate("EUR", "XOF") == 6_559_570_000_000
    assert RATES.rate("BHD", "SAR") == 99_734_042_553
    without_dollars = read_rates("Date, JPY, XOF\n2 January 2025, 160, 650\n")
    assert without_dollars.rate("EUR", "SAR") is None
    assert without_dollars.rate("EUR", "XOF") == 6_500_000_000_000


def test_amounts_keep_their_currencys_digits() -> None:
    assert converted(Money(1_000, "EUR"), 1_600_000_000_000, "JPY") == Money(1_600, "JPY")
    assert converted(Money(1_000, "JPY"), 62_500_000, "EUR") == Money(625, "EUR")
    assert converted(Money(1_000, "USD"), 3_000_000_000, "KWD") == Money(3_000, "KWD")
    assert converted(Money(-1, "EUR"), 5_000_000_000, "USD") == Money(-1, "USD")  # halves away from zero


def test_what_is_shown_in_another_currency_is_rounded_line_by_line_and_adds_up() -> None:
    made = billed(rule("per_stay", amount=eur(333)))
    shown = shown_in(quote_lines(made), "USD", RATES.rate("EUR", "USD") or 0, RATES.on)
    assert (shown.currency, shown.rate, shown.on) == ("USD", "1.25", date(2025, 1, 2))
    assert [money.amount for money in shown.lines] == [37_500, 6_250, 5_250, 416]
    assert shown.total == Money(49_416, "USD")


def test_a_rate_is_written_with_as_many_digits_as_it_has() -> None:
    assert [written(rate) for rate in (RATE_PARTS, 62_500_000, 1_600_000_000_001)] == [
        "1",
        "0.00625",
        "160.0000000001",
    ]


@pytest.mark.parametrize(
    "text",
    ["", "Date, USD\n", "Day, USD\n2 January 2025, 1", "Date, USD\n2 January 2025, 1, 2",
     "Date, USD\nnever, 1", "Date, USD\n2 January 2025, 0", "Date, USD\n2 January 2025, one"],
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_rates(text)
