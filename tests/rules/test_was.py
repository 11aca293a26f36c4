"""What may be struck through: the rule against a second reading of its words, by quarter hours."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hometrip.kernel.clock import DAY, HOUR, utc
from hometrip.kernel.money import Money
from hometrip.kernel.stay import Stay
from hometrip.services.listing.rules.calendar import Calendar
from hometrip.services.listing.rules.home import PAUSED, PUBLISHED, Home, Pricing
from hometrip.services.listing.rules.was import (
    MOST_CHANGES,
    Asked,
    asking_of,
    noted,
    was_for_base,
    was_for_stay,
)

QUARTER = timedelta(minutes=15)
NOW = utc(2027, 4, 14, 9)  # clocks changed in New York on the 14th of March
DAYS = Calendar(id=UUID(int=1))
History = list[tuple[datetime, int | None]]


def home(price: int | None, zone: str = "America/New_York") -> Home:
    """Not shown where there is no price."""
    return Home(
        id=UUID(int=1),
        host_id=UUID(int=2),
        title="Cabin",
        created_at=NOW,
        updated_at=NOW,
        time_zone=zone,
        status=PAUSED if price is None else PUBLISHED,
        pricing=Pricing(base=Money(price or 1, "USD")),
    )


def asked_by(history: History, zone: str = "America/New_York") -> Asked:
    asked = Asked(id=UUID(int=1), changes=[])
    for at, price in history:
        asked = noted(asked, asking_of(home(price, zone), DAYS), at) or asked
    return asked


def was(history: History, zone: str = "America/New_York", now: datetime = NOW) -> int | None:
    return was_for_base(asked_by(history, zone), home(history[-1][1], zone), DAYS, now)


def oracle(history: History, zone: str, now: datetime) -> int | None:
    """By the words: the least price of each of the 60 days before today, at any of its quarter hours."""
    current, local = history[-1][1], ZoneInfo(zone)
    today = now.astimezone(local).date()
    least: dict[date, int] = {}
    at, place, price, known = now - timedelta(days=63), -1, None, False
    while at < now:
        while place + 1 < len(history) and history[place + 1][0] <= at:
            place += 1
            price, known = history[place][1], True
        day = at.astimezone(local).date()
        if today - timedelta(days=60) <= day < today:
            if not known:
                return None
            if price is not None:
                least[day] = min(least.get(day, price), price)
        at += QUARTER
    days = sorted(least.values())
    if current is None or len(days) < 30:
        return None
    middle = days[(len(days) - 1) // 2]
    return middle if Fraction(current, middle) <= Fraction(9, 10) else None


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Changes at quarter hours; some within a day, some far apart; most begin before the 60 days."""
    quarters = draw(st.lists(st.integers(0, 75 * 96), min_size=1, max_size=12, unique=True))
    if draw(st.integers(0, 3)):
        quarters = [*quarters, draw(st.integers(62 * 96, 75 * 96))]
    prices = st.sampled_from([None, 80, 89, 90, 91, 99, 100, 101, 120])
    return [(NOW - quarter * QUARTER, draw(prices)) for quarter in sorted(set(quarters), reverse=True)]


ZONES = st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland"])


@settings(max_examples=150)
@given(history=histories(), zone=ZONES)
def test_the_rule_is_the_oracles(history: History, zone: str) -> None:
    assert was(history, zone) == oracle(history, zone, NOW)


@pytest.mark.full
@pytest.mark.timeout(1800)
@settings(max_examples=20_000)
@given(history=histories(), zone=ZONES)
def test_the_rule_is_the_oracles_in_many_histories(history: History, zone: str) -> None:
    assert was(history, zone) == oracle(history, zone, NOW)


def test_ten_per_cent_under_is_enough_and_less_is_not() -> None:
    long_ago = NOW - 90 * DAY
    assert was([(long_ago, 100), (NOW - HOUR, 90)]) == 100
    assert was([(long_ago, 100), (NOW - HOUR, 91)]) is None


def test_a_price_of_a_day_or_of_an_hour_is_not_the_usual_one() -> None:
    """Raised for a day and lowered again, or raised every evening: the usual price stays what it was."""
    long_ago = NOW - 90 * DAY
    assert was([(long_ago, 100), (NOW - 2 * DAY, 200), (NOW - DAY, 100)]) is None
    evenings: History = [(long_ago, 100)]
    for n in range(62, 0, -1):
        evenings += [(NOW - n * DAY, 200), (NOW - n * DAY + 2 * HOUR, 100)]
    assert was(evenings) is None


def test_a_lower_price_becomes_the_usual_one_after_thirty_days() -> None:
    history: History = [(NOW - 90 * DAY, 100), (NOW - 10 * DAY, 80)]
    seen = [was(history, now=NOW + n * DAY) for n in range(30)]
    # The day of the change counts with the lower price: from 30 such days on it is the one in the middle.
    assert seen == [100] * 20 + [None] * 10


def test_a_home_that_was_not_shown_for_sixty_days_or_shown_too_little_shows_nothing() -> None:
    assert was([(NOW - 59 * DAY, 100), (NOW - HOUR, 50)]) is None
    assert was([(NOW - 90 * DAY, None), (NOW - 20 * DAY, 100), (NOW - HOUR, 50)]) is None
    assert was([(NOW - 90 * DAY, None), (NOW - 40 * DAY, 100), (NOW - HOUR, 50)]) == 100
    assert was([(NOW - 90 * DAY, 100), (NOW - HOUR, None)]) is None


def test_prices_that_somebody_else_has_written_are_not_compared() -> None:
    asked = asked_by([(NOW - 90 * DAY, 100), (NOW - HOUR, 50)])
    assert was_for_base(asked, home(50), DAYS, NOW) == 100
    assert was_for_base(asked, home(49), DAYS, NOW) is None
    euros = msgspec.structs.replace(home(50), pricing=Pricing(base=Money(50, "EUR")))
    changed = noted(asked, asking_of(euros, DAYS), NOW)
    assert changed is not None
    assert was_for_base(changed, euros, DAYS, NOW) is None


def test_the_nights_of_a_stay_are_compared_with_what_these_nights_cost() -> None:
    """One night of three is lowered from 100 to 60: 260 is more than 10 % under 300."""
    starts = date(2027, 5, 1)
    lower = msgspec.structs.replace(DAYS, starts=starts, prices=[60])
    asked = noted(asked_by([(NOW - 90 * DAY, 100)]), asking_of(home(100), lower), NOW - HOUR)
    assert asked is not None
    stay = Stay(starts, starts + timedelta(days=3))
    assert was_for_stay(asked, home(100), lower, stay, NOW) == 300
    assert was_for_stay(asked, home(100), lower, stay.moved(1), NOW) is None
    assert was_for_base(asked, home(100), lower, NOW) is None


def test_what_is_remembered_is_bounded() -> None:
    asked = asked_by([(NOW - 200 * DAY + n * DAY, 100 + n % 2) for n in range(200)])
    assert len(asked.changes) <= 65
    asked = asked_by([(NOW - 10 * DAY + n * QUARTER, 100 + n % 2) for n in range(900)])
    assert len(asked.changes) == MOST_CHANGES
