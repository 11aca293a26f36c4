"""Rules of a home that no stay could satisfy, against the rule that decides about stays."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from hometrip.kernel.clock import HOUR, utc
from hometrip.kernel.money import Money
from hometrip.kernel.stay import Stay
from hometrip.services.listing.rules.calendar import Calendar, Openings
from hometrip.services.listing.rules.home import Home, Pricing, Season, StayLimits
from hometrip.services.listing.rules.possible import closed, wrong_limits
from hometrip.services.listing.rules.refusal import refusal

MIDNIGHT = utc(2027, 4, 14, 4)  # 0:00 at the home
TODAY = date(2027, 4, 14)

lengths = st.integers(1, 9)
weekdays = st.none() | st.lists(st.integers(0, 6), min_size=1, max_size=3, unique=True)
by_day = st.none() | st.lists(st.none() | lengths, min_size=7, max_size=7)
limits = st.builds(
    StayLimits,
    min_nights=lengths,
    max_nights=lengths,
    notice_hours=st.integers(0, 168),
    window_days=st.integers(1, 20),
    check_in_days=weekdays,
    check_out_days=weekdays,
    min_nights_by_day=by_day,
    max_nights_by_day=by_day,
)
seasons = st.lists(
    st.builds(
        lambda first, days, least, most: Season(
            first=TODAY + timedelta(days=first),
            until=TODAY + timedelta(days=first + days),
            price=Money(200, "USD"),
            min_nights=least,
            max_nights=most,
        ),
        st.integers(0, 40),
        st.integers(1, 20),
        st.none() | lengths,
        st.none() | lengths,
    ),
    max_size=3,
)


def home(of: StayLimits, told: list[Season]) -> Home:
    return Home(
        id=UUID(int=1),
        host_id=UUID(int=2),
        title="Cabin",
        created_at=MIDNIGHT,
        updated_at=MIDNIGHT,
        guests=4,
        time_zone="America/New_York",
        stay_rules=of,
        pricing=Pricing(base=Money(100, "USD"), seasons=told),
    )


def begins(openings: Openings, first: date, now_at: int | None = None) -> bool:
    """Can a stay begin on that day, asked for in time, or at one hour of today?"""
    now = MIDNIGHT if now_at is None else MIDNIGHT + now_at * HOUR
    return any(refusal(openings, Stay(first, first + timedelta(days=n)), now) is None for n in range(1, 10))


@given(of=limits, told=seasons)
def test_in_a_season_that_is_closed_no_stay_begins_that_it_decides_about(
    of: StayLimits, told: list[Season]
) -> None:
    open_all = StayLimits(
        min_nights=of.min_nights,
        max_nights=of.max_nights,
        check_in_days=of.check_in_days,
        min_nights_by_day=of.min_nights_by_day,
        max_nights_by_day=of.max_nights_by_day,
    )
    openings = Openings(home(open_all, told), Calendar(id=UUID(int=1)))
    shut = [one.season for one in closed(of, told)]
    for season in told:
        days = [season.first + timedelta(days=n) for n in range((season.until - season.first).days)]
        decides = [
            day
            for day in days
            if (season.min_nights and openings.min_nights(day) == season.min_nights)
            or (season.max_nights and openings.max_nights(day) == season.max_nights)
        ]
        if len(told) == 1 and decides:
            could = any(begins(openings, day) for day in decides)
            allowed = of.check_in_days is None or any(day.weekday() in of.check_in_days for day in days)
            assert (season in shut) == (not could and allowed)
        elif season in shut:
            assert not all(begins(openings, day) for day in days)


@given(of=limits, told=seasons)
def test_where_the_rules_contradict_each_other_no_stay_can_ever_be_booked(
    of: StayLimits, told: list[Season]
) -> None:
    known = home(of, told)
    fine = home(StayLimits(), [])
    named = {error.field for error in wrong_limits(known, fine)}
    if named & {"stay_rules.window_days", "stay_rules.check_out_days"}:
        openings = Openings(known, Calendar(id=UUID(int=1)))
        for ahead in range(30):
            assert not begins(openings, TODAY + timedelta(days=ahead))
    assert wrong_limits(known, known) == []
