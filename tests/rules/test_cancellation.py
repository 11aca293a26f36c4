"""What a cancellation refunds: the worked figures cell by cell, the edges, and what holds for every stay."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hometrip.kernel.clock import DAY, HOUR, SECOND, utc
from hometrip.kernel.money import Money, total
from hometrip.kernel.split import Split
from hometrip.kernel.stay import at_local
from hometrip.services.booking.contract import CANCELLATION_POLICIES, WrongState
from hometrip.services.booking.rules import (
    POLICIES,
    Booking,
    Cancellation,
    PaymentNote,
    cancellation,
    fees_count_from,
    kept_split,
    returns_fee,
)
from hometrip.services.listing.contract import QuoteLine

ZONE = "America/New_York"
CHECK_IN = date(2027, 6, 15)
LONG_AGO = utc(2026, 12, 1)


def dollars(amount: int) -> Money:
    return Money(amount * 100, "USD")


def cents(amount: int) -> Money:
    return Money(amount, "USD")


def stayed(
    policy: str = "flexible",
    *,
    nightly: list[Money] | None = None,
    lines: list[QuoteLine] | None = None,
    split: Split | None = None,
    check_in: date = CHECK_IN,
    zone: str = ZONE,
    confirmed_at: datetime | None = LONG_AGO,
    status: str = "confirmed",
    host_funds_coupon: bool = False,
) -> Booking:
    """Five nights of 100 and cleaning 50, unless it is said otherwise."""
    nightly = nightly or [dollars(100)] * 5
    if lines is None:
        lines = [
            QuoteLine(kind="nights", label="nights", amount=total(nightly, "USD")),
            QuoteLine(kind="cleaning", label="cleaning", amount=dollars(50)),
        ]
    paid = total((line.amount for line in lines), "USD")
    check_out = check_in + timedelta(days=len(nightly))
    return Booking(
        id=UUID(int=1),
        listing_id=UUID(int=2),
        guest_id=UUID(int=3),
        host_id=UUID(int=4),
        title="Creek cabin",
        time_zone=zone,
        check_in=check_in,
        check_out=check_out,
        check_in_at=at_local(check_in, "15:00", zone),
        check_out_at=at_local(check_out, "11:00", zone),
        guests=2,
        pets=0,
        status=status,
        awaiting="payment" if status == "pending" else None,
        hold_until=None,
        hold_extended=False,
        lines=lines,
        total=paid,
        split=split or Split(payout=paid, platform=cents(0), taxes={}),
        nightly=nightly,
        host_funds_coupon=host_funds_coupon,
        cancellation_policy=policy,
        coupon=None,
        message=None,
        payment=PaymentNote(status="succeeded"),
        confirmed_at=confirmed_at,
        cancellation=None,
        history=[],
        version=1,
        created_at=LONG_AGO,
    )


def refunded(told: Cancellation, kind: str) -> Money:
    return total((line.refunded for line in told.lines if line.kind == kind), "USD")


H = at_local(CHECK_IN, "15:00", ZONE)
WHEN = {
    "40 d before": H - 40 * DAY,
    "10 d before": H - 10 * DAY,
    "3 d before": H - 3 * DAY,
    "12 h before": H - 12 * HOUR,
    "after 2 nights": at_local(CHECK_IN + timedelta(days=2), "10:00", ZONE),
}
POLICY_OF_COLUMN = "flexible moderate limited firm strict super_strict_30 super_strict_60".split()
WORKED = {
    "40 d before": ["500+50", "500+50", "500+50", "500+50", "250+50", "250+50", "0+50"],
    "10 d before": ["500+50", "500+50", "250+50", "250+50", "250+50", "0+50", "0+50"],
    "3 d before": ["500+50", "200+50", "0+50", "0+50", "0+50", "0+50", "0+50"],
    "12 h before": ["400+50", "200+50", "0+50", "0+50", "0+50", "0+50", "0+50"],
    "after 2 nights": ["200+0", "100+0", "0+0", "0+0", "0+0", "0+0", "0+0"],
}


def test_every_policy_that_a_host_can_choose_says_what_it_gives_back() -> None:
    assert list(POLICIES) == list(CANCELLATION_POLICIES)


@pytest.mark.parametrize(
    ("when", "policy", "figures"),
    [
        (when, policy, cell)
        for when, row in WORKED.items()
        for policy, cell in zip(POLICY_OF_COLUMN, row, strict=True)
    ],
)
def test_the_worked_figures(when: str, policy: str, figures: str) -> None:
    nights, cleaning = (dollars(int(figure)) for figure in figures.split("+"))
    told = cancellation(stayed(policy), "guest", WHEN[when], 0)
    assert (refunded(told, "nights"), refunded(told, "cleaning")) == (nights, cleaning)
    assert told.refund == nights + cleaning
    assert told.kept == dollars(550) - told.refund
    assert (told.by, told.policy) == ("guest", policy)


@pytest.mark.parametrize(
    ("policy", "until", "rule_then"),
    [
        ("flexible", H - 24 * HOUR, "all_but_some_nights"),
        ("moderate", H - 5 * DAY, "part_of_nights"),
        ("limited", H - 14 * DAY, "part_of_nights"),
        ("limited", H - 7 * DAY, "nothing"),
        ("firm", H - 30 * DAY, "part_of_nights"),
        ("firm", H - 7 * DAY, "nothing"),
        ("strict", H - 7 * DAY, "nothing"),
        ("super_strict_30", H - 30 * DAY, "nothing"),
        ("super_strict_60", H - 60 * DAY, "nothing"),
        ("long_term", H - 30 * DAY, "all_but_some_nights"),
    ],
)
def test_a_deadline_holds_to_its_very_second(policy: str, until: datetime, rule_then: str) -> None:
    booking = stayed(policy)
    just_in_time = cancellation(booking, "guest", until, 0)
    too_late = cancellation(booking, "guest", until + SECOND, 0)
    assert just_in_time.rule != rule_then
    assert too_late.rule == rule_then
    assert just_in_time.refund > too_late.refund
    assert just_in_time.valid_until == until


def test_days_before_are_the_homes_days_and_no_change_of_clocks_moves_them() -> None:
    # New York goes to summer time on 14 March 2027: five days before are 119 hours, not 120.
    booking = stayed("moderate", check_in=date(2027, 3, 16))
    deadline = at_local(date(2027, 3, 11), "15:00", ZONE)
    assert booking.check_in_at - deadline == 119 * HOUR
    assert cancellation(booking, "guest", deadline, 0).rule == "all_nights"
    assert cancellation(booking, "guest", deadline + SECOND, 0).rule == "part_of_nights"


def test_days_before_a_check_in_time_that_is_skipped_that_day_have_it_all_the_same() -> None:
    # On 14 March 2027 the clocks of New York go from 02:00 to 03:00.
    night = date(2027, 3, 14)
    booking = replace(
        stayed("moderate", check_in=night), check_in_at=at_local(night, "02:30", ZONE), check_in_from="02:30"
    )
    deadline = at_local(date(2027, 3, 9), "02:30", ZONE)
    assert booking.check_in_at == at_local(night, "03:30", ZONE)
    assert cancellation(booking, "guest", deadline, 0).rule == "all_nights"
    assert cancellation(booking, "guest", deadline + SECOND, 0).rule == "part_of_nights"


def test_within_a_day_of_confirmation_everything_comes_back_if_it_was_a_week_ahead() -> None:
    confirmed = H - 7 * DAY
    booking = stayed("non_refundable", confirmed_at=confirmed)
    in_grace = cancellation(booking, "guest", confirmed + 24 * HOUR, 0)
    assert (in_grace.rule, in_grace.refund) == ("grace", booking.total)
    assert in_grace.valid_until == confirmed + 24 * HOUR
    assert cancellation(booking, "guest", confirmed + 24 * HOUR + SECOND, 0).rule == "nothing"
    later = replace(booking, confirmed_at=confirmed + SECOND)
    assert cancellation(later, "guest", confirmed + HOUR, 0).rule == "nothing"


def test_long_stays_have_no_grace_and_the_host_keeps_thirty_nights() -> None:
    confirmed = H - 20 * DAY
    booking = stayed("long_term", nightly=[dollars(100)] * 40, confirmed_at=confirmed)
    told = cancellation(booking, "guest", confirmed + HOUR, 0)
    assert refunded(told, "nights") == dollars(1_000)
    after_five = at_local(CHECK_IN + timedelta(days=5), "10:00", ZONE)
    assert refunded(cancellation(booking, "guest", after_five, 0), "nights") == dollars(500)
    after_ten = at_local(CHECK_IN + timedelta(days=10), "10:00", ZONE)
    assert refunded(cancellation(booking, "guest", after_ten, 0), "nights") == dollars(0)
    four_weeks = stayed("strict", nightly=[dollars(100)] * 28, confirmed_at=confirmed)
    assert cancellation(four_weeks, "guest", confirmed + HOUR, 0).rule == "part_of_nights"


def test_nights_not_stayed_cost_what_they_were_sold_for() -> None:
    nightly = [dollars(price) for price in (100, 100, 100, 180, 180)]
    after_two = WHEN["after 2 nights"]
    told = cancellation(stayed("flexible", nightly=nightly), "guest", after_two, 0)
    assert refunded(told, "nights") == dollars(360)
    told = cancellation(stayed("moderate", nightly=nightly), "guest", after_two, 0)
    assert refunded(told, "nights") == dollars(180)


def test_a_night_is_over_at_the_homes_midnight() -> None:
    midnight = at_local(CHECK_IN + timedelta(days=1), "00:00", ZONE)
    booking = stayed("flexible")
    first_evening = cancellation(booking, "guest", midnight - SECOND, 0)
    assert refunded(first_evening, "nights") == dollars(400)
    assert first_evening.valid_until == midnight - SECOND
    assert refunded(cancellation(booking, "guest", midnight, 0), "nights") == dollars(300)


def test_a_guest_who_was_checked_in_early_has_begun_the_stay() -> None:
    morning = at_local(CHECK_IN, "09:00", ZONE)
    told = cancellation(stayed("flexible", status="checked_in"), "guest", morning, 0)
    assert (refunded(told, "nights"), refunded(told, "cleaning")) == (dollars(400), dollars(0))


FEES = [
    QuoteLine(kind="nights", label="nights", amount=dollars(500)),
    QuoteLine(kind="length_discount", label="weekly", amount=dollars(-50)),
    QuoteLine(kind="cleaning", label="cleaning", amount=dollars(50)),
    QuoteLine(kind="coupon", label="SPRING", amount=dollars(-100)),
    QuoteLine(kind="service_fee", label="service fee", amount=dollars(48)),
    QuoteLine(
        kind="tax",
        label="occupancy",
        amount=cents(3_000),
        area="US-NY",
        on=["nights", "length_discount", "cleaning"],
    ),
]


def test_the_service_fee_comes_back_with_a_full_refund_three_times_a_year() -> None:
    booking, early = stayed("moderate", lines=FEES), WHEN["40 d before"]
    third = cancellation(booking, "guest", early, 2)
    assert third.refund == booking.total
    assert returns_fee(third)
    fourth = cancellation(booking, "guest", early, 3)
    assert fourth.refund == booking.total - dollars(48)
    assert not returns_fee(fourth)
    partial = cancellation(booking, "guest", WHEN["3 d before"], 0)
    assert refunded(partial, "service_fee") == dollars(0)


@pytest.mark.parametrize(
    ("at", "since"),
    [
        (utc(2027, 6, 15, 12), utc(2026, 6, 15, 12)),
        (utc(2028, 2, 29, 12), utc(2027, 3, 1)),
        (utc(2028, 3, 1), utc(2027, 3, 1)),
        (utc(2029, 2, 28), utc(2028, 2, 28)),
    ],
)
def test_twelve_months_are_a_year_of_the_calendar(at: datetime, since: datetime) -> None:
    assert fees_count_from(at) == since


def test_a_fee_that_counts_no_more_never_counts_again() -> None:
    hours = [utc(2028, 2, 27) + hour * timedelta(hours=1) for hour in range(5 * 24)]
    since = [fees_count_from(at) for at in hours]
    assert since == sorted(since)


def test_discounts_coupon_and_taxes_follow_what_they_were_computed_on() -> None:
    told = cancellation(stayed("strict", lines=FEES), "guest", WHEN["10 d before"], 0)
    assert [line.refunded for line in told.lines] == [
        dollars(250),
        dollars(-25),
        dollars(50),
        cents(-5_500),  # 275 of 500 came back
        dollars(0),
        cents(1_650),  # as of the tax's base
    ]


@pytest.mark.parametrize("by", ["host", "staff"])
def test_who_is_cancelled_on_gets_everything_back(by: str) -> None:
    booking = stayed("non_refundable", lines=FEES)
    told = cancellation(booking, by, WHEN["after 2 nights"], 9)
    assert (told.refund, told.kept, told.rule) == (booking.total, dollars(0), f"{by}_cancelled")
    assert not returns_fee(told)


def test_nothing_was_paid_for_what_was_never_confirmed() -> None:
    booking = stayed(status="pending", confirmed_at=None)
    told = cancellation(booking, "guest", WHEN["40 d before"], 0)
    assert (told.refund, told.kept, told.rule) == (dollars(0), dollars(0), "nothing_paid")
    kept = kept_split(booking, told)
    assert (kept.payout, kept.platform) == (dollars(0), dollars(0))


@pytest.mark.parametrize("status", ["completed", "cancelled", "declined", "expired"])
def test_what_is_over_cannot_be_cancelled(status: str) -> None:
    with pytest.raises(WrongState):
        cancellation(stayed(status=status), "guest", WHEN["40 d before"], 0)


def test_the_host_gets_the_kept_nights_less_the_fee_and_the_platform_the_rest() -> None:
    split = Split(payout=dollars(485), platform=dollars(63), taxes={"US-NY": cents(3_000)})
    lines = [line for line in FEES if line.kind not in ("coupon", "length_discount", "tax")]
    lines.append(QuoteLine(kind="tax", label="tax", amount=cents(3_000), area="US-NY", on=["nights"]))
    booking = stayed("strict", lines=lines, split=split)
    told = cancellation(booking, "guest", WHEN["10 d before"], 0)
    kept = kept_split(booking, told)
    # 250 of 550 stay with the host, as agreed at 485 of 550; half the tax; the service fee.
    assert kept.payout == cents(22_045)
    assert kept.taxes == {"US-NY": cents(1_500)}
    assert kept.platform == dollars(250) - cents(22_045) + dollars(48)


amounts = st.integers(min_value=0, max_value=500_000)


@st.composite
def bookings(draw: st.DrawFn) -> Booking:
    nightly = [cents(draw(amounts)) for _ in range(draw(st.integers(1, 40)))]
    nights = sum(night.amount for night in nightly)
    lines = [QuoteLine(kind="nights", label="n", amount=cents(nights))]
    lines.append(QuoteLine(kind="length_discount", label="d", amount=cents(-draw(st.integers(0, nights)))))
    lines.append(QuoteLine(kind="extra_guests", label="e", amount=cents(draw(amounts))))
    lines.append(QuoteLine(kind="cleaning", label="c", amount=cents(draw(amounts))))
    subtotal = sum(line.amount.amount for line in lines)
    lines.append(QuoteLine(kind="coupon", label="x", amount=cents(-draw(st.integers(0, subtotal)))))
    lines.append(QuoteLine(kind="service_fee", label="s", amount=cents(draw(amounts))))
    taxes = draw(amounts)
    on = draw(st.sampled_from([["nights"], ["nights", "cleaning"], ["nights", "service_fee"]]))
    lines.append(QuoteLine(kind="tax", label="t", amount=cents(taxes), area="A", on=on))
    paid = sum(line.amount.amount for line in lines)
    host_funds = draw(st.booleans())
    coupon = lines[4].amount.amount
    payout = max(0, round((subtotal + (coupon if host_funds else 0)) * 97 / 100))
    split = Split(payout=cents(payout), platform=cents(paid - payout - taxes), taxes={"A": cents(taxes)})
    return stayed(
        draw(st.sampled_from(sorted(POLICIES))),
        nightly=nightly,
        lines=lines,
        split=split,
        host_funds_coupon=host_funds,
        zone=draw(st.sampled_from(["Europe/Paris", ZONE, "Pacific/Apia", "Asia/Kolkata"])),
        confirmed_at=CONFIRMED + draw(st.integers(0, 90)) * DAY,
    )


CONFIRMED = utc(2027, 3, 10, 12)
moments = st.integers(min_value=0, max_value=150 * 24 * 3600).map(
    lambda seconds: CONFIRMED + seconds * SECOND
)


@given(bookings(), moments, st.integers(0, 4))
def test_every_cancellation_adds_up(booking: Booking, at: datetime, fees: int) -> None:
    told = cancellation(booking, "guest", at, fees)
    assert told.refund == total((line.refunded for line in told.lines), "USD")
    assert told.refund + told.kept == booking.total
    for line in told.lines:
        low, high = sorted((0, line.paid.amount))
        assert low <= line.refunded.amount <= high
    kept = kept_split(booking, told)
    assert kept.payout + kept.platform + total(kept.taxes.values(), "USD") == told.kept
    assert cents(0) <= kept.payout <= booking.split.payout
    assert cents(0) <= kept.taxes["A"] <= booking.split.taxes["A"]


@given(bookings(), moments, st.integers(0, 4))
def test_a_preview_holds_until_it_says(booking: Booking, at: datetime, fees: int) -> None:
    told = cancellation(booking, "guest", at, fees)
    assert told.valid_until >= at
    assert cancellation(booking, "guest", told.valid_until, fees) == told


@given(bookings(), moments)
def test_a_preview_for_the_host_holds_until_it_says_and_a_second_later_costs_more(
    booking: Booking, at: datetime
) -> None:
    told = cancellation(booking, "host", at, 0)
    assert told.valid_until >= at
    assert cancellation(booking, "host", told.valid_until, 0) == told
    deadline = told.valid_until + SECOND
    if deadline < booking.check_in_at:
        assert deadline in {booking.check_in_at - notice for notice in (30 * DAY, 48 * HOUR)}


@pytest.mark.parametrize("before", [SECOND, SECOND / 2, SECOND / 1000])
@pytest.mark.parametrize("by", ["guest", "host"])
def test_a_preview_in_the_last_second_is_not_over_when_it_is_given(by: str, before: timedelta) -> None:
    for turn in (H - 30 * DAY, H - 48 * HOUR, H, H + 9 * HOUR):  # the last is midnight
        at = turn - before
        told = cancellation(stayed("moderate"), by, at, 0)
        assert at <= told.valid_until
        assert cancellation(stayed("moderate"), by, told.valid_until, 0) == told


@pytest.mark.parametrize(
    ("by", "until", "last"),
    [
        ("guest", H - 5 * DAY, H - 5 * DAY),
        ("guest", H, H - SECOND),
        ("host", H - 30 * DAY, H - 30 * DAY - SECOND),
        ("host", H - 48 * HOUR, H - 48 * HOUR - SECOND),
    ],
)
def test_valid_until_is_the_last_second_for_guests_and_hosts_alike(
    by: str, until: datetime, last: datetime
) -> None:
    """A guest's deadline is in time; at a host's the penalty has risen, and at check-in the stay begun."""
    booking = stayed("moderate")
    told = cancellation(booking, by, until - HOUR, 0)
    assert told.valid_until == last
    assert cancellation(booking, by, last, 0) == told
    after = cancellation(booking, by, last + SECOND, 0)
    assert (after.refund, after.penalty) != (told.refund, told.penalty)


def test_what_nothing_was_paid_for_can_be_cancelled_until_the_second_before_its_hold_ends() -> None:
    booking = replace(stayed(), status="pending", confirmed_at=None, hold_until=H - 20 * DAY)
    assert cancellation(booking, "guest", H - 21 * DAY, 0).valid_until == H - 20 * DAY - SECOND
    assert cancellation(booking, "guest", H - 19 * DAY, 0).valid_until == H - 19 * DAY


@given(bookings(), moments, moments)
def test_waiting_never_brings_more_nights_back(booking: Booking, one: datetime, other: datetime) -> None:
    early, late = sorted((one, other))
    before = cancellation(booking, "guest", early, 0)
    after = cancellation(booking, "guest", late, 0)
    assert refunded(before, "nights") >= refunded(after, "nights")
    assert refunded(before, "cleaning") >= refunded(after, "cleaning")


@given(bookings())
def test_a_cancelling_host_keeps_nothing(booking: Booking) -> None:
    told = cancellation(booking, "host", H, 0)
    assert told.refund == booking.total
    kept = kept_split(booking, told)
    assert (kept.payout, kept.platform, kept.taxes) == (cents(0), cents(0), {"A": cents(0)})
