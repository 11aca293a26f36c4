"""What search is told of a stay in a moment is what the oracles of stay rules and prices say of it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from figures import Figure
from hometrip.kernel.money import Money
from hometrip.kernel.stay import Stay
from hometrip.services.listing.rules.ahead import DAYS, Ahead, Sought, cost_of_nights, total_of
from hometrip.services.listing.rules.calendar import Calendar, Openings
from hometrip.services.listing.rules.home import Home, HouseRules, Pricing, StayLimits
from hometrip.services.listing.rules.price import Fees, Prices
from hometrip.services.listing.rules.taxes import NO_TAXES
from rules import test_calendar_oracle, test_price_oracle
from rules.oracle_calendar import Asked, refused
from rules.oracle_hunt import ALWAYS, hunt, whole_proof
from rules.oracle_price import Wished, cost
from rules.test_calendar_oracle import DAY, openings_of
from rules.test_price_oracle import prices_of
from rules.test_stay_rules import HOME, NOW

NO_FEES = Fees(0, 0)
# How long before the stay the days ahead begin: around it, long before, and so that it is at their end.
BEGINS = (-1, 0, 1, 30, DAYS - 1, DAYS)
# Prices are asked of stays that may lie in the past: no notice refuses those.
PLAIN = Home(
    id=HOME,
    host_id=HOME,
    title="",
    created_at=NOW,
    updated_at=NOW,
    guests=50,
    pricing=Pricing(base=Money(9, "USD")),
)

ALWAYS_OPEN = Openings(
    msgspec.structs.replace(
        PLAIN,
        rules=HouseRules(pets=True),
        stay_rules=StayLimits(window_days=100_000, notice_hours=-1_000_000),
    ),
    Calendar(id=HOME),
)


def wrongly_had(case: Asked) -> str | None:
    """Where a stay can be had and its rules say no, or the other way round."""
    stay = Stay(case.check_in, case.check_in + DAY * case.nights)
    sought = Sought(stay, case.now, NO_FEES, NO_TAXES, guests=case.guests, pets=case.pets)
    home, prices = openings_of(case), Prices(PLAIN, Calendar(id=HOME))
    for days in BEGINS:
        for count in (0, DAYS):
            told = cost_of_nights(Ahead(home, prices, case.check_in - DAY * days, count), sought)
            if told != (9 * case.nights if refused(case) is None else None):
                return f"from {days} days before on it costs {told}, and is refused by {refused(case)}"
    return None


def dearer_or_cheaper(case: Wished) -> str | None:
    """Where the total is another than that of the bill."""
    case = replace(case, coupon=None)
    expected = cost(case)
    assert expected is not None
    stay, prices = Stay(case.check_in, case.check_in + DAY * case.nights), prices_of(case)
    fees = Fees(case.guest_fee_bp, case.host_fee_bp)
    sought = Sought(stay, case.now, fees, NO_TAXES, guests=case.guests, pets=case.pets)
    for days in BEGINS:
        at = Ahead(ALWAYS_OPEN, prices, case.check_in - DAY * days)
        nights = cost_of_nights(at, sought)
        if nights != sum(expected.nightly):
            return f"from {days} days before on the nights cost {nights}, not {sum(expected.nightly)}"
        if (total := total_of(at, sought, nights)) != expected.total:
            return f"from {days} days before on the total is {total}, not {expected.total}"
    return None


def test_random_stays_can_be_had_where_the_oracle_says_so() -> None:
    hunt(test_calendar_oracle.a_case, wrongly_had, test_calendar_oracle.simpler, seed=2, count=ALWAYS)


def test_random_stays_have_the_total_that_the_oracle_says() -> None:
    hunt(test_price_oracle.a_case, dearer_or_cheaper, test_price_oracle.simpler, seed=2, count=ALWAYS)


@pytest.mark.full
@pytest.mark.timeout(3_600)
def test_a_hundred_thousand_stays_are_told_of_as_the_oracles_do(figure: Figure) -> None:
    whole_proof(
        "offers: stays", test_calendar_oracle.a_case, wrongly_had, test_calendar_oracle.simpler,
        of=50_000, figure=figure,
    )  # fmt: skip
    whole_proof(
        "offers: totals", test_price_oracle.a_case, dearer_or_cheaper, test_price_oracle.simpler,
        of=50_000, figure=figure,
    )  # fmt: skip
