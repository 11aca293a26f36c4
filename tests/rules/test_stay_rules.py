"""Whether a stay can be booked: every rule by example, and all of them against a day-by-day oracle."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hometrip.kernel.clock import HOUR, utc
from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.kernel.stay import Stay
from hometrip.services.booking.contract import (
    BookingCancelled,
    BookingConfirmed,
    BookingCreated,
    BookingEvent,
    BookingExpired,
    BookingFacts,
)
from hometrip.services.listing.rules.calendar import (
    BLOCKED,
    BOOKED,
    IMPORTED,
    Calendar,
    Openings,
    Span,
    board,
    least_stays,
    night_refusal,
    night_refusals,
)
from hometrip.services.listing.rules.home import Home, HouseRules, Pricing, Season, StayLimits
from hometrip.services.listing.rules.instead import REACH, free_instead, nearest, nearest_instead
from hometrip.services.listing.rules.refusal import Refusal, refusal
from hometrip.services.listing.rules.spans import runs, with_booking, with_imported, with_span

NOW = utc(2027, 4, 14, 9)  # a Wednesday, 05:00 at the home
ZONE = "America/New_York"
TODAY = date(2027, 4, 14)
HOME = UUID(int=1)


def day(n: int) -> date:
    return TODAY + timedelta(days=n)


def span(first: int, until: int, kind: str = BOOKED, number: int = 9) -> Span:
    return Span(id=UUID(int=number), kind=kind, check_in=day(first), check_out=day(until))


def home(
    *spans: Span,
    seasons: list[Season] | None = None,
    starts: date | None = None,
    least: list[int] | None = None,
    pets: bool = False,
    **limits: Any,
) -> Openings:
    kept = Home(
        id=HOME,
        host_id=UUID(int=2),
        title="Cabin",
        created_at=NOW,
        updated_at=NOW,
        guests=4,
        time_zone=ZONE,
        rules=HouseRules(pets=pets),
        stay_rules=StayLimits(**limits),
        pricing=Pricing(base=Money(100, "USD"), seasons=seasons or []),
    )
    return Openings(kept, Calendar(id=HOME, spans=list(spans), starts=starts, min_nights=least or []))


def asked(first: int, nights: int) -> Stay:
    return Stay(day(first), day(first + nights))


def season(first: int, until: int, min_nights: int | None) -> Season:
    return Season(first=day(first), until=day(until), price=Money(200, "USD"), min_nights=min_nights)


def test_a_free_stay_is_not_refused() -> None:
    assert refusal(home(), asked(10, 3), NOW, guests=4) is None


def test_check_out_on_the_day_of_anothers_check_in_is_allowed() -> None:
    taken = home(span(10, 12))
    assert refusal(taken, asked(8, 2), NOW) is None
    assert refusal(taken, asked(12, 2), NOW) is None
    assert refusal(taken, asked(11, 2), NOW) == Refusal(BOOKED, False)
    assert refusal(taken, asked(9, 2), NOW) == Refusal(BOOKED, False)
    assert refusal(taken, asked(9, 5), NOW) == Refusal(BOOKED, False)


@pytest.mark.parametrize("kind", [BOOKED, BLOCKED, IMPORTED])
def test_a_refusal_names_what_takes_the_nights(kind: str) -> None:
    assert refusal(home(span(10, 12, kind)), asked(10, 1), NOW) == Refusal(kind, False)


@pytest.mark.parametrize(
    ("limits", "stay", "refused"),
    [
        ({"min_nights": 3}, asked(10, 2), Refusal("min_nights", 3)),
        ({"max_nights": 5}, asked(10, 6), Refusal("max_nights", 5)),
        ({}, asked(10, 400), Refusal("max_nights", 365)),
        ({"check_in_days": [5, 6]}, asked(2, 2), Refusal("check_in_day", [5, 6])),
        ({"check_out_days": [6]}, asked(2, 1), Refusal("check_out_day", [6])),
        ({"notice_hours": 48}, asked(1, 2), Refusal("notice", 48)),
        ({"notice_hours": 48}, asked(2, 2), None),
        ({}, asked(-1, 3), Refusal("notice", 0)),
        ({}, asked(0, 1), None),
        ({"window_days": 90}, asked(89, 2), None),
        ({"window_days": 90}, asked(90, 2), Refusal("window", 90)),
    ],
)
def test_each_rule_has_its_name_and_value(
    limits: dict[str, Any], stay: Stay, refused: Refusal | None
) -> None:
    assert refusal(home(**limits), stay, NOW) == refused


def test_guests_and_pets_are_refused_by_name() -> None:
    assert refusal(home(), asked(10, 2), NOW, guests=5) == Refusal("guests", 4)
    assert refusal(home(), asked(10, 2), NOW, pets=1) == Refusal("pets", False)
    assert refusal(home(pets=True), asked(10, 2), NOW, pets=1) is None


def test_nights_of_preparation_stay_empty_on_either_side_of_a_booking_only() -> None:
    booked = home(span(10, 12), preparation_nights=1)
    assert refusal(booked, asked(12, 2), NOW) == Refusal("preparation", 1)
    assert refusal(booked, asked(8, 2), NOW) == Refusal("preparation", 1)
    assert refusal(booked, asked(13, 2), NOW) is None
    assert refusal(booked, asked(7, 2), NOW) is None
    assert refusal(home(span(10, 12, BLOCKED), preparation_nights=1), asked(12, 2), NOW) is None


def test_the_nights_of_a_booking_are_its_own_whatever_else_has_them() -> None:
    told = home(span(9, 12, IMPORTED), span(13, 15, BLOCKED))
    agreed = asked(8, 4)
    assert refusal(told, asked(8, 3), NOW) == Refusal(IMPORTED, False)
    assert refusal(told, asked(8, 3), NOW, agreed=agreed) is None
    assert refusal(told, agreed, NOW, agreed=agreed) is None
    assert refusal(told, asked(8, 6), NOW, agreed=agreed) == Refusal(IMPORTED, False)
    assert refusal(told, asked(8, 3), NOW, guests=5, agreed=agreed) == Refusal("guests", 4)


def test_the_most_specific_least_stay_wins() -> None:
    told = home(
        min_nights=2,
        seasons=[season(10, 40, 4), season(20, 25, 6), season(21, 22, None)],
        starts=day(24),
        least=[1, 0, 3],
    )
    expected = {5: 2, 10: 4, 19: 4, 20: 6, 21: 6, 24: 1, 25: 4, 26: 3, 40: 2}
    assert {n: told.min_nights(day(n)) for n in expected} == expected


def test_notice_ends_at_the_check_in_hour_at_the_home() -> None:
    told = home(notice_hours=24)
    at_three = datetime(2027, 4, 14, 15, tzinfo=ZoneInfo(ZONE))
    assert refusal(told, asked(1, 2), at_three) is None
    assert refusal(told, asked(1, 2), at_three + timedelta(seconds=1)) == Refusal("notice", 24)


def test_of_least_and_longest_stays_the_most_specific_holds() -> None:
    """The day's own, else the season's, else the weekday's, else the home's. Day 10 is a Saturday."""
    friday, saturday = [None] * 4 + [3, None, None], [None] * 5 + [2, None]
    summer = Season(first=day(15), until=day(25), price=Money(1, "USD"), min_nights=4, max_nights=9)
    told = home(
        seasons=[summer],
        starts=day(16),
        least=[6],
        min_nights_by_day=friday,
        max_nights=5,
        max_nights_by_day=saturday,
    )
    assert [told.min_nights(day(n)) for n in (8, 9, 10, 15, 16, 17)] == [1, 3, 1, 4, 6, 4]
    assert [told.max_nights(day(n)) for n in (9, 10, 11, 15, 17)] == [5, 2, 5, 9, 9]
    assert least_stays(told, day(8), 10) == [told.min_nights(day(n)) for n in range(8, 18)]
    assert refusal(told, asked(9, 2), NOW) == Refusal("min_nights", 3)
    assert refusal(told, asked(10, 3), NOW) == Refusal("max_nights", 2)
    assert refusal(told, asked(15, 9), NOW) is None


def test_a_change_of_clocks_does_not_shift_a_day_of_notice() -> None:
    # Clocks go forward on 14 March 2027: the day has 23 hours, and "a day before" is 15:00 all the same.
    told = home(notice_hours=24)
    stay = Stay(date(2027, 3, 15), date(2027, 3, 17))
    deadline = datetime(2027, 3, 14, 15, tzinfo=ZoneInfo(ZONE))
    assert refusal(told, stay, deadline) is None
    assert refusal(told, stay, deadline + HOUR / 60) == Refusal("notice", 24)


def test_the_nearest_stays_that_would_do_come_closest_first() -> None:
    found = nearest(home(span(10, 15)), asked(11, 3), NOW, most=3)
    assert found == [asked(7, 3), asked(15, 3), asked(6, 3)]


def test_where_no_stay_of_the_length_is_free_the_nearest_length_is_offered_that_is() -> None:
    gaps = [span(n, n + 1, number=200 + n) for n in range(-120, 121, 6)]  # five free nights between them
    assert free_instead(home(*gaps), asked(10, 7), NOW) == [asked(7, 5)]
    assert free_instead(home(*gaps), asked(10, 5), NOW) == [asked(7, 5), asked(13, 5), asked(1, 5)]
    assert free_instead(home(span(-1, 400)), asked(10, 7), NOW) == []


def test_where_the_length_is_refused_the_nearest_has_the_length_that_is_demanded() -> None:
    told = home(span(14, 20), min_nights=5)
    refused = refusal(told, asked(10, 2), NOW)
    assert refused is not None
    assert nearest_instead(told, asked(10, 2), refused, NOW) == asked(9, 5)


def test_where_far_fewer_nights_are_free_than_were_asked_for_as_many_as_there_are_are_offered() -> None:
    told = home(span(0, 20), span(26, 60), span(63, 800))
    refused = refusal(told, asked(10, 30), NOW)
    assert refused == Refusal(BOOKED, False)
    assert nearest_instead(told, asked(10, 30), refused, NOW) == asked(20, 6)
    assert free_instead(told, asked(10, 30), NOW) == [asked(20, 6)]
    longer = home(span(0, 20), span(26, 60), span(63, 800), min_nights=7)
    assert nearest_instead(longer, asked(10, 30), refused, NOW) is None


def test_far_outside_the_window_the_nearest_lies_at_its_end() -> None:
    told = home(window_days=90)
    refused = refusal(told, asked(600, 2), NOW)
    assert refused is not None
    assert nearest_instead(told, asked(600, 2), refused, NOW) == asked(89, 2)


def test_a_stay_in_the_past_is_shown_the_next_that_can_be_had() -> None:
    refused = refusal(home(), asked(-400, 2), NOW)
    assert refused is not None
    assert nearest_instead(home(), asked(-400, 2), refused, NOW) == asked(0, 2)


# Day 10 is a Saturday. Asked for: check-in and nights; what is offered.
SATURDAYS = {"check_in_days": [5], "check_out_days": [5]}


@pytest.mark.parametrize(
    ("first", "nights", "offered"),
    [(10, 5, (10, 7)), (10, 10, (10, 7)), (10, 11, (10, 14)), (12, 3, (10, 7)), (10, 2, (10, 7))],
)
def test_where_no_stay_of_the_length_would_do_the_nearest_length_is_offered(
    first: int, nights: int, offered: tuple[int, int]
) -> None:
    told = home(**SATURDAYS)
    refused = refusal(told, asked(first, nights), NOW)
    assert refused is not None
    assert nearest_instead(told, asked(first, nights), refused, NOW) == asked(*offered)


def test_a_stay_in_the_past_on_a_wrong_day_is_shown_the_next_that_can_be_had() -> None:
    told = home(check_in_days=[5])
    refused = refusal(told, asked(-400, 2), NOW)
    assert refused == Refusal("check_in_day", [5])
    assert nearest_instead(told, asked(-400, 2), refused, NOW) == asked(3, 2)


def test_for_too_many_guests_no_other_stay_would_do() -> None:
    assert nearest_instead(home(), asked(10, 2), Refusal("guests", 4), NOW) is None


# The oracle: looks at every day by itself, as slowly and plainly as can be.


def oracle(told: Openings, stay: Stay, now: datetime) -> bool:
    limits, kept = told.limits, told.spans
    if stay.nights > limits.max_nights or stay.nights < told.min_nights(stay.check_in):
        return False
    if limits.check_in_days is not None and stay.check_in.weekday() not in limits.check_in_days:
        return False
    if limits.check_out_days is not None and stay.check_out.weekday() not in limits.check_out_days:
        return False
    local = now.astimezone(ZoneInfo(ZONE))
    check_in = datetime.combine(stay.check_in, time(15), ZoneInfo(ZONE))
    if local > check_in - timedelta(hours=limits.notice_hours):
        return False
    for night in stay.each_night():
        if night > local.date() + timedelta(days=limits.window_days):
            return False
        for other in kept:
            margin = limits.preparation_nights if other.kind == BOOKED else 0
            taken = {n + timedelta(days=m) for n in days_of(other) for m in range(-margin, margin + 1)}
            if night in taken:
                return False
    return True


def days_of(taken: Span) -> list[date]:
    return list(Stay(taken.check_in, taken.check_out).each_night())


weekdays = st.none() | st.lists(st.integers(0, 6), min_size=1, max_size=6, unique=True)


@st.composite
def homes(draw: st.DrawFn) -> Openings:
    spans = [
        span(first, first + draw(st.integers(1, 8)), draw(st.sampled_from([BOOKED, BLOCKED, IMPORTED])), n)
        for n, first in enumerate(draw(st.lists(st.integers(-5, 60), max_size=6)))
    ]
    seasons = [
        season(first, first + draw(st.integers(1, 30)), draw(st.none() | st.integers(1, 6)))
        for first in draw(st.lists(st.integers(-10, 60), max_size=3))
    ]
    least = draw(st.integers(1, 4))
    return home(
        *spans,
        seasons=seasons,
        starts=day(draw(st.integers(-10, 40))),
        least=draw(st.lists(st.integers(0, 5), max_size=20)),
        min_nights=least,
        max_nights=draw(st.integers(least, 12)),
        # Whole days and hours of a season without a change of clocks, so that the oracle may subtract hours.
        notice_hours=draw(st.integers(0, 168)),
        preparation_nights=draw(st.integers(0, 2)),
        window_days=draw(st.integers(1, 70)),
        check_in_days=draw(weekdays),
        check_out_days=draw(weekdays),
    )


moments = st.integers(0, 3 * 24 * 60).map(lambda minutes: NOW + timedelta(days=-1, minutes=minutes))


@given(told=homes(), first=st.integers(-3, 75), nights=st.integers(1, 14), now=moments)
def test_the_decision_is_the_oracles(told: Openings, first: int, nights: int, now: datetime) -> None:
    assert (refusal(told, asked(first, nights), now) is None) == oracle(told, asked(first, nights), now)


@given(told=homes(), first=st.integers(-3, 75), nights=st.integers(1, 10), now=moments)
def test_what_is_offered_instead_can_be_booked_and_nothing_nearer_can(
    told: Openings, first: int, nights: int, now: datetime
) -> None:
    stay = asked(first, nights)
    found = nearest(told, stay, now, most=3)
    possible = [stay.moved(n) for n in range(-REACH, REACH + 1) if oracle(told, stay.moved(n), now)]
    closest = sorted(possible, key=lambda other: (abs((other.check_in - stay.check_in).days), other.check_in))
    assert found == closest[:3]


@given(told=homes(), now=moments)
def test_a_stay_that_can_be_booked_has_only_nights_that_can_be_had(told: Openings, now: datetime) -> None:
    for first in range(70):
        stay = asked(first, told.min_nights(day(first)))
        if refusal(told, stay, now) is None:
            assert [night_refusal(told, night, now) for night in stay.each_night()] == [None] * stay.nights


@given(told=homes(), first=st.integers(-20, 40), count=st.integers(1, 120))
def test_the_board_says_of_each_night_what_is_said_of_it_alone_whatever_the_time(
    told: Openings, first: int, count: int
) -> None:
    nights = [day(first + n) for n in range(count)]
    made = board(told, day(first), count)
    told.limits = msgspec.structs.replace(told.limits, notice_hours=0, window_days=730)
    early = NOW - timedelta(days=60)
    assert list(made.taken) == [int(night_refusal(told, night, early) is not None) for night in nights]
    assert made.min_nights == [told.min_nights(night) for night in nights]


# How taken nights change


@given(told=homes(), first=st.integers(-20, 75), count=st.integers(1, 120), now=moments)
def test_of_many_nights_is_said_what_is_said_of_each(
    told: Openings, first: int, count: int, now: datetime
) -> None:
    nights = [day(first + n) for n in range(count)]
    assert night_refusals(told, day(first), count, now) == [
        night_refusal(told, night, now) for night in nights
    ]
    assert least_stays(told, day(first), count) == [told.min_nights(night) for night in nights]


def told(kind: type[BookingEvent], event: int, **more: Any) -> BookingEvent:
    money = Money(1, "USD")
    split = Split(payout=money, platform=money, taxes={})
    facts = BookingFacts(
        booking_id=UUID(int=7),
        listing_id=HOME,
        guest_id=UUID(int=3),
        host_id=UUID(int=2),
        title="Cabin",
        check_in=day(10),
        check_out=day(12),
        check_in_at=NOW,
        check_out_at=NOW,
        nights=2,
        guests=1,
        status="pending",
        total=money,
        split=split,
        lines=[],
        cancellation_policy="flexible",
    )
    made = kind(booking_id=facts.booking_id, booking=facts, **more)
    msgspec.structs.force_setattr(made, "event_id", UUID(int=event))
    return made


def cancelled(event: int, by: str) -> BookingEvent:
    money = Money(1, "USD")
    kept = Split(payout=money, platform=money, taxes={})
    return told(BookingCancelled, event, by=by, why="", refund=money, kept=kept)


def after(*events: BookingEvent) -> list[tuple[str, int]]:
    days = Calendar(id=HOME)
    for event in events:
        days = with_booking(days, event) or days
    return [(each.kind, (each.check_in - TODAY).days) for each in days.spans]


def test_a_booking_takes_its_nights_and_gives_them_back() -> None:
    assert after(told(BookingCreated, 1)) == [(BOOKED, 10)]
    assert after(told(BookingCreated, 1), told(BookingExpired, 2)) == []


def test_a_payment_after_the_hold_takes_the_nights_again() -> None:
    assert after(told(BookingCreated, 1), told(BookingExpired, 2), told(BookingConfirmed, 3)) == [
        (BOOKED, 10)
    ]


def test_a_late_event_does_not_revive_what_has_ended() -> None:
    assert after(told(BookingExpired, 2), told(BookingCreated, 1)) == []
    assert after(told(BookingCreated, 1), told(BookingExpired, 2), told(BookingCreated, 1)) == []


def test_a_late_end_does_not_free_what_was_confirmed_since() -> None:
    assert after(told(BookingConfirmed, 3), told(BookingExpired, 2)) == [(BOOKED, 10)]


@pytest.mark.parametrize("by", ["host", "staff"])
def test_the_nights_of_a_confirmed_booking_that_its_host_cancels_stay_blocked(by: str) -> None:
    events = told(BookingCreated, 1), told(BookingConfirmed, 2)
    assert after(*events, cancelled(3, by)) == [(BLOCKED, 10)]
    assert after(*events, cancelled(3, "guest")) == []
    assert after(told(BookingCreated, 1), cancelled(3, by)) == []


@given(st.sets(st.integers(0, 40)))
def test_runs_are_the_fewest_ranges_with_all_the_nights(nights: set[int]) -> None:
    found = runs(sorted(day(n) for n in nights))
    assert sorted(night for stay in found for night in stay.each_night()) == sorted(day(n) for n in nights)
    assert all(one.check_out < other.check_in for one, other in pairwise(found))


def test_an_imported_calendar_replaces_its_own_nights_only() -> None:
    source = UUID(int=5)
    days = with_span(Calendar(id=HOME), span(1, 2, BLOCKED))
    days = with_imported(days, source, [asked(5, 2), asked(9, 1)])
    days = with_imported(days, source, [asked(20, 3)])
    assert [(each.kind, (each.check_in - TODAY).days) for each in days.spans] == [
        (BLOCKED, 1),
        (IMPORTED, 20),
    ]
