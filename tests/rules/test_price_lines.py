"""Each kind of line that a price has is told in one place, and has its words, its refund and its total."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from hometrip.kernel.errors import Invalid
from hometrip.kernel.lines import KINDS, SUBTOTAL
from hometrip.kernel.money import Money
from hometrip.kernel.stay import Stay
from hometrip.services.booking.contract import CouponTerms
from hometrip.services.booking.rules.lines import UNTIL_CHECK_IN, WITH_NIGHTS
from hometrip.services.listing.rules.ahead import Ahead, Sought, total_of
from hometrip.services.listing.rules.calendar import Calendar, Openings
from hometrip.services.listing.rules.home import Early, Home, Late, Pricing
from hometrip.services.listing.rules.price import Bill, Line, Prices, bill, quote_lines
from hometrip.services.listing.rules.pricing import FEES, checked
from hometrip.services.listing.rules.taxes import NO_TAXES, Area, Taxes, TaxTerms
from hometrip.services.notification.rules.kinds import LOCALES
from hometrip.services.notification.rules.wording import language
from rules.test_price import FEES as SHARES
from rules.test_price import HOME, MONDAY, NOW, prices, usd

WEEK = Stay(MONDAY, MONDAY + timedelta(days=7))


def dearest(lead: str) -> Prices:
    """Of a home whose price list has everything; of the two discounts there is only one in a price."""
    discounts = {"early_bird": Early(days=1, discount_bp=500), "last_minute": Late(days=99, discount_bp=500)}
    fees = {name: usd(1_000) for name in FEES}
    return prices(
        policy="non_refundable",
        weekly_discount_bp=1_000,
        included_guests=1,
        **{lead: discounts[lead]},
        **fees,
    )


@pytest.mark.parametrize("lead", ["early_bird", "last_minute"])
def test_a_price_with_everything_has_every_kind_in_order(lead: str) -> None:
    [tax] = [TaxTerms(area=Area(country=""), label="Tax", kind="percent_bp", bp=500, enabled=True)]
    coupon = CouponTerms(code="TEN", host_funded=False, percent_bp=1_000)
    made = bill(dearest(lead), WEEK, NOW, SHARES, guests=2, pets=1, coupon=coupon, taxes=Taxes([tax]))
    other = {"early_bird", "last_minute"} - {lead}
    assert [line.kind for line in made.lines] == [kind for kind in KINDS if kind not in other]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_words_in_a_quote_and_in_every_language(kind: str) -> None:
    tax = TaxTerms(area=Area(country="FR"), label="Taxe", kind="percent_bp") if kind == "tax" else None
    made = Bill("USD", [100], [Line(kind, 100, tax=tax)], 100, 0, {})
    assert quote_lines(made)[0].label
    # A tax is called what the place calls it.
    assert kind == "tax" or all(
        kind in language(locale).lines or kind in language(locale).counts for locale in LOCALES
    )


def test_of_every_line_of_the_subtotal_it_is_told_how_it_comes_back() -> None:
    assert sorted((*WITH_NIGHTS, *UNTIL_CHECK_IN)) == sorted(SUBTOTAL)


def test_no_amount_of_a_price_list_is_forgotten() -> None:
    amounts = {field.name for field in msgspec.structs.fields(Pricing) if "Money" in str(field.type)}
    assert amounts - {"seasons", "dates"} == {"base", "weekend", "deposit", *FEES}
    for name in amounts - {"base", "seasons", "dates"}:
        with pytest.raises(Invalid) as refused:
            checked(Pricing(base=usd(1_000), **{name: Money(1_000, "EUR")}))
        assert [wrong["field"] for wrong in refused.value.facts["errors"]] == [name]


@pytest.mark.parametrize("fee", FEES)
def test_each_fee_alone_is_in_the_total_that_search_is_told(fee: str) -> None:
    pricing = Pricing(base=usd(10_000), included_guests=1, **{fee: usd(1_000)})
    home = Home(id=HOME, host_id=HOME, title="", created_at=NOW, updated_at=NOW, guests=6, pricing=pricing)
    of, calendar = prices(included_guests=1, **{fee: usd(1_000)}), Calendar(id=HOME)
    made = bill(of, WEEK, NOW, SHARES, guests=2, pets=1)
    sought = Sought(WEEK, NOW, SHARES, NO_TAXES, guests=2, pets=1)
    at = Ahead(Openings(home, calendar), of, MONDAY)
    assert (
        total_of(at, sought, sum(made.nightly))
        == made.total
        > bill(prices(), WEEK, NOW, SHARES, guests=2).total
    )
