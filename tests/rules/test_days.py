"""Calendars in writing: what was written at one hour is told at another as if it were made anew."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hometrip.kernel.money import Money
from hometrip.kernel.stay import at_local
from hometrip.services.listing.rules.calendar import Calendar, Openings, reachable
from hometrip.services.listing.rules.days import Page, each_day, page_of, reachable_until, written_days
from hometrip.services.listing.rules.home import Home, Pricing
from hometrip.services.listing.rules.price import Prices
from rules.test_stay_rules import HOME, NOW, TODAY, ZONE, day, home, homes, moments


def prices_of(chance: Random) -> Prices | None:
    if chance.random() < 0.2:
        return None
    pricing = Pricing(base=Money(10_000, "USD"), weekend=Money(12_000, "USD"))
    own = [chance.choice((0, 9_000, 15_000)) for _ in range(chance.randrange(60))]
    kept = Home(
        id=HOME, host_id=HOME, title="Cabin", created_at=NOW, updated_at=NOW, time_zone=ZONE, pricing=pricing
    )
    return Prices(kept, Calendar(id=HOME, starts=TODAY if own else None, prices=own))


@given(
    told=homes(),
    chance=st.randoms(use_true_random=False),
    asked=st.lists(st.tuples(st.integers(-20, 75), st.integers(1, 120), moments), min_size=1, max_size=5),
)
def test_pages_written_at_any_hour_tell_what_each_day_tells(
    told: Openings, chance: Random, asked: list[tuple[int, int, datetime]]
) -> None:
    prices, pages = prices_of(chance), dict[int, Page]()

    def page(number: int) -> Page:
        return pages.setdefault(number, page_of(told, prices, number))

    for first, count, now in asked:
        made = written_days(told, prices, day(first), count, now, page)
        assert made == msgspec.json.encode(each_day(told, prices, day(first), count, now))


def test_a_page_tells_of_the_next_day_from_midnight_at_the_home_on() -> None:
    told, pages = home(notice_hours=3, window_days=5), dict[int, Page]()
    midnight, second = at_local(day(1), "00:00", ZONE), timedelta(seconds=1)
    notice_ends = at_local(TODAY, "15:00", ZONE) - timedelta(hours=3)

    def free(now: datetime) -> str:
        days = written_days(
            told, None, TODAY, 8, now, lambda number: pages.setdefault(number, page_of(told, None, number))
        )
        reasons = [each.get("reason", "-")[0] for each in msgspec.json.decode(days)]
        return "".join(reasons)

    assert free(notice_ends) == "------ww"
    assert free(notice_ends + second) == "n-----ww"
    assert free(midnight - second) == "n-----ww"
    assert free(midnight) == "n------w"


@given(told=homes(), first=st.integers(-20, 75), count=st.integers(1, 120), now=moments, later=moments)
def test_what_was_found_reachable_holds_until_it_says(
    told: Openings, first: int, count: int, now: datetime, later: datetime
) -> None:
    low, high = reachable(told, day(first), count, now)
    notice_ends, day_ends = reachable_until(told, day(first), low, now)
    second = timedelta(microseconds=1)
    for then in (later, notice_ends, notice_ends + second, day_ends - second, day_ends):
        if now <= then <= notice_ends and then < day_ends:
            assert reachable(told, day(first), count, then) == (low, high)
    # Where it ends, something has changed, unless there is no further night for it to change.
    assert low == count or reachable(told, day(first), count, notice_ends + second)[0] > low
    assert told.last_night(day_ends) > told.last_night(now)
