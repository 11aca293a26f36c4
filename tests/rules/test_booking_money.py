"""The money of a stay in booking's rules: plan, penalty, half-paid, disputes, receipt, calendar."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hometrip.kernel.clock import DAY, HOUR, MINUTE, SECOND
from hometrip.kernel.errors import Forbidden, Invalid, NotFound
from hometrip.kernel.money import Money, total
from hometrip.kernel.split import Split, is_nothing, left_of, less, more, owes, part_of, to_come_at, total_of
from hometrip.kernel.stay import at_local
from hometrip.services.booking.contract import WrongState
from hometrip.services.booking.rules import (
    POLICIES,
    Actor,
    Booking,
    BookingWish,
    DisputeOpen,
    DisputeWish,
    PaymentNote,
    PlanRefused,
    Resolution,
    TooEarly,
    TooLate,
    calendar,
    cancellation,
    disputed,
    kept_split,
    open_booking,
    receipt,
    resolved,
)
from hometrip.services.booking.rules.disputes import left_after
from hometrip.services.listing.contract import Quote, QuoteLine, Terms
from hometrip.services.payment.contract import Taken
from rules.test_cancellation import CHECK_IN, LONG_AGO, ZONE, H, stayed

GUEST, HOST, STAFF = (Actor(role=role, account_id=UUID(int=9)) for role in ("guest", "host", "staff"))
WRONG = DisputeWish(reason="not clean", text="Dust everywhere.")


def line(kind: str, amount: int, **more: str | list[str]) -> QuoteLine:
    return QuoteLine(kind=kind, label=kind, amount=Money(amount, "USD"), **more)  # type: ignore[arg-type]


def priced(policy: str = "flexible", nightly: int = 10_000, nights: int = 5, fee: int = 6_601) -> Booking:
    """A stay with every kind of line, its split exact."""
    lines = [
        line("nights", nightly * nights),
        line("length_discount", -nightly // 10),
        line("cleaning", 5_003),
        line("coupon", -1_999),
        line("service_fee", fee),
        line("tax", 777, area="Albany", on=["nights", "cleaning"]),
    ]
    price = total((found.amount for found in lines), "USD")
    payout, tax = Money((nightly * nights * 9) // 10, "USD"), Money(777, "USD")
    split = Split(payout=payout, platform=price - payout - tax, taxes={"Albany": tax})
    return stayed(policy, nightly=[Money(nightly, "USD")] * nights, lines=lines, split=split)


def halved(booking: Booking) -> Booking:
    balance = Money(booking.total.amount // 2, "USD")
    note = PaymentNote(status="partially_paid")
    return replace(booking, balance=balance, balance_due_at=H - 14 * DAY, payment=note)


# Half now


def wished(amount: int, currency: str, *, plan: bool = True, at: datetime = LONG_AGO) -> Booking:
    price = Money(amount, currency)
    quote = Quote(
        id="q",
        listing_id=UUID(int=2),
        check_in=CHECK_IN,
        check_out=CHECK_IN + timedelta(days=3),
        nights=3,
        guests=2,
        lines=[QuoteLine(kind="nights", label="3 nights", amount=price)],
        total=price,
        host_payout=price,
        expires_at=at + HOUR,
    )
    terms = Terms(
        listing_id=UUID(int=2),
        host_id=UUID(int=4),
        title="Mill",
        time_zone=ZONE,
        check_in_at=H,
        check_out_at=at_local(CHECK_IN + timedelta(days=3), "11:00", ZONE),
        instant_book=True,
        cancellation_policy="firm",
        quote=quote,
        quoted_total=price,
        split=Split(payout=price, platform=price * 0, taxes={}),
        nightly=[price],
        host_funds_coupon=False,
        deposit=Money(300, currency),
    )
    wish = BookingWish(
        listing_id=UUID(int=2),
        check_in=CHECK_IN,
        check_out=quote.check_out,
        guests=2,
        quote_id="q",
        plan="half" if plan else None,
    )
    return open_booking(UUID(int=1), UUID(int=3), wish, terms, at)


@pytest.mark.parametrize(
    ("amount", "currency", "now_due"),
    [(25_000, "USD", 12_500), (25_001, "USD", 12_501), (250, "JPY", 125), (250_001, "KWD", 125_001)],
)
def test_half_is_due_now_and_the_rest_two_weeks_before(amount: int, currency: str, now_due: int) -> None:
    booking = wished(amount, currency)
    assert booking.due_now == Money(now_due, currency)
    assert booking.balance == Money(amount - now_due, currency)
    assert booking.balance_due_at == at_local(CHECK_IN - timedelta(days=14), "15:00", ZONE)
    assert booking.deposit == Money(300, currency)


@pytest.mark.parametrize(("amount", "currency"), [(24_999, "USD"), (249, "JPY"), (249_999, "KWD")])
def test_small_totals_are_paid_at_once(amount: int, currency: str) -> None:
    with pytest.raises(PlanRefused) as refusal:
        wished(amount, currency)
    assert refusal.value.facts["least"]["amount"] == amount + 1
    assert wished(amount, currency, plan=False).due_now is None


def test_late_bookings_are_paid_at_once() -> None:
    due = at_local(CHECK_IN - timedelta(days=14), "15:00", ZONE)
    assert wished(30_000, "USD", at=due).balance is not None
    with pytest.raises(PlanRefused):
        wished(30_000, "USD", at=due + SECOND)


# Cancelled half-paid


@given(
    policy=st.sampled_from(sorted(POLICIES)),
    nightly=st.integers(0, 90_000),
    nights=st.integers(1, 40),
    fee=st.integers(0, 30_000),
    before=st.integers(-40 * 24, 90 * 24),
    by=st.sampled_from(["guest", "host", "staff"]),
)
def test_what_is_kept_of_half_is_what_is_kept_of_all_as_far_as_it_goes(
    policy: str, nightly: int, nights: int, fee: int, before: int, by: str
) -> None:
    whole = priced(policy, nightly, nights, fee)
    half, at = halved(whole), H - before * HOUR
    of_all, of_half = (cancellation(booking, by, at, 0) for booking in (whole, half))
    paid = whole.total.amount - half.balance.amount if half.balance else 0
    assert of_half.refund.amount == max(0, paid - of_all.kept.amount)
    assert of_half.refund + of_half.kept == half.left == Money(paid, "USD")
    assert total((found.refunded for found in of_half.lines), "USD") == of_half.refund
    assert total((found.paid for found in of_half.lines), "USD").amount == paid
    assert total_of(kept_split(half, of_half)) == of_half.kept
    if of_all.kept.amount <= paid:
        assert kept_split(half, of_half) == kept_split(whole, of_all)


@pytest.mark.parametrize("by", ["guest", "host", "staff"])
def test_what_a_half_paid_stay_gives_back_is_valid_until_the_other_half_is_charged(by: str) -> None:
    due, half = H - 14 * DAY, halved(priced("moderate"))
    assert cancellation(half, by, H - 20 * DAY, 0).valid_until == due - SECOND
    assert cancellation(half, by, due + HOUR, 0).valid_until == due + HOUR  # it may be charged at any moment
    assert cancellation(priced("moderate"), by, H - 20 * DAY, 0).valid_until >= H - 5 * DAY


def test_a_half_paid_stay_that_the_policy_keeps_whole_gives_nothing_back() -> None:
    told = cancellation(halved(priced("non_refundable")), "guest", H - 20 * DAY, 0)
    assert (told.refund, told.kept) == (Money(0, "USD"), halved(priced()).left)


def test_at_the_hour_of_check_in_the_cleaning_is_kept() -> None:
    refunds = [cancellation(priced("limited"), "guest", at, 0).refund for at in (H - SECOND, H)]
    assert refunds[0] > refunds[1] == Money(0, "USD")


# Penalty


@pytest.mark.parametrize(
    ("notice", "basis_points"),
    [
        (31 * DAY, 1_000),
        (30 * DAY + SECOND, 1_000),
        (30 * DAY, 2_500),
        (48 * HOUR + SECOND, 2_500),
        (48 * HOUR, 5_000),
        (MINUTE, 5_000),
        (-DAY, 5_000),
    ],
)
@pytest.mark.parametrize("by", ["host", "staff"])
def test_a_host_is_charged_the_more_the_later(notice: timedelta, basis_points: int, by: str) -> None:
    # Five nights of 200 and cleaning: 1,050 before fee and taxes, a tenth of which is over the least.
    booking = stayed(nightly=[Money(20_000, "USD")] * 5)
    told = cancellation(booking, by, H - notice, 0)
    assert told.penalty == Money(105_000, "USD").share(basis_points)
    assert told.refund == booking.total
    assert notice < timedelta(0) or told.valid_until >= H - notice
    assert cancellation(booking, by, told.valid_until, 0).penalty == told.penalty


def test_a_penalty_has_a_least_and_a_most() -> None:
    def charged(nightly: Money, notice: timedelta, rate: str | None = None) -> Money | None:
        lines = [QuoteLine(kind="nights", label="nights", amount=nightly * 5)]
        booking = stayed(nightly=[nightly] * 5, lines=[])
        booking = replace(booking, lines=lines, total=nightly * 5)
        booking = replace(booking, split=Split(payout=nightly * 5, platform=nightly * 0, taxes={}))
        booking = replace(booking, platform_rate=rate)
        return cancellation(booking, "host", H - notice, 0).penalty

    assert charged(Money(1_000, "USD"), 40 * DAY) == Money(5_000, "USD")
    assert charged(Money(100_000, "USD"), HOUR) == Money(100_000, "USD")
    assert charged(Money(10, "JPY"), 40 * DAY) == Money(50, "JPY")
    assert charged(Money(900_000, "KWD"), HOUR) == Money(1_000_000, "KWD")
    # 50 and 1,000 of the platform's currency where its rate was known when it was booked.
    yen, dinar = {"rate": "157.2502685285"}, {"rate": "0.3067"}
    assert charged(Money(10, "JPY"), 40 * DAY, **yen) == Money(7_863, "JPY")
    assert charged(Money(20_000, "JPY"), HOUR, **yen) == Money(50_000, "JPY")
    assert charged(Money(900_000, "JPY"), HOUR, **yen) == Money(157_250, "JPY")
    assert charged(Money(100, "KWD"), 40 * DAY, **dinar) == Money(15_335, "KWD")
    assert charged(Money(900_000, "KWD"), HOUR, **dinar) == Money(306_700, "KWD")


def test_no_penalty_for_a_guest_who_cancels_or_for_a_stay_that_was_never_paid() -> None:
    assert cancellation(priced(), "guest", H - DAY, 0).penalty is None
    held = stayed(status="pending", confirmed_at=None)
    assert cancellation(held, "host", H - DAY, 0).penalty is None


# Disputes

AFTER = H + 2 * DAY


def test_a_dispute_is_opened_from_check_in_to_two_weeks_after_check_out() -> None:
    booking = priced()
    with pytest.raises(TooEarly):
        disputed(booking, UUID(int=7), WRONG, GUEST, H - SECOND)
    until = at_local(booking.check_out + timedelta(days=14), "11:00", ZONE)
    for at in (H, until):
        opened = disputed(booking, UUID(int=7), WRONG, HOST, at)
        assert [(found.status, found.by) for found in opened.disputes] == [("open", "host")]
        assert (opened.history[-1].status, opened.history[-1].why) == ("dispute_opened", "not clean")
    with pytest.raises(TooLate):
        disputed(booking, UUID(int=7), WRONG, GUEST, until + SECOND)
    here = replace(booking, status="checked_in")  # before the hour of check-in
    assert disputed(here, UUID(int=7), WRONG, GUEST, H - HOUR).disputes
    with pytest.raises(Forbidden):
        disputed(booking, UUID(int=7), WRONG, STAFF, H)
    with pytest.raises(WrongState):
        disputed(stayed(confirmed_at=None, status="expired"), UUID(int=7), WRONG, GUEST, H)


def test_one_dispute_at_a_time_and_each_is_settled_once() -> None:
    opened = disputed(priced(), UUID(int=7), WRONG, GUEST, AFTER)
    with pytest.raises(DisputeOpen):
        disputed(opened, UUID(int=8), WRONG, HOST, AFTER)
    nothing = Resolution(refund=Money(0, "USD"), note="No evidence.")
    with pytest.raises(Forbidden):
        resolved(opened, UUID(int=7), nothing, GUEST, AFTER)
    with pytest.raises(NotFound):
        resolved(opened, UUID(int=8), nothing, STAFF, AFTER)
    settled = resolved(opened, UUID(int=7), nothing, STAFF, AFTER)
    assert (settled.disputes[0].status, settled.kept, settled.left) == (
        "resolved",
        opened.split,
        opened.total,
    )
    with pytest.raises(WrongState):
        resolved(settled, UUID(int=7), nothing, STAFF, AFTER)
    assert len(disputed(settled, UUID(int=8), WRONG, HOST, AFTER).disputes) == 2


@given(refund=st.integers(0, 60_000), second=st.integers(0, 60_000), from_platform=st.booleans())
def test_refunds_of_disputes_are_taken_from_the_shares_exactly(
    refund: int, second: int, from_platform: bool
) -> None:
    booking = priced()
    for number, amount in enumerate((refund, second)):
        dispute_id, left = UUID(int=number), booking.left
        opened = disputed(booking, dispute_id, WRONG, GUEST, AFTER)
        how = Resolution(refund=Money(amount, "USD"), from_platform=from_platform)
        if amount > left.amount:
            with pytest.raises(Invalid):
                resolved(opened, dispute_id, how, STAFF, AFTER)
            return
        before, booking = opened.kept or opened.split, resolved(opened, dispute_id, how, STAFF, AFTER)
        assert booking.kept is not None
        assert total_of(booking.kept) == booking.left == left - how.refund
        parts = [booking.kept.payout, booking.kept.platform, *booking.kept.taxes.values()]
        assert all(part.amount >= 0 for part in parts)
        first, last = ("platform", "payout") if from_platform else ("payout", "platform")
        assert getattr(booking.kept, last) == getattr(before, last) or not getattr(booking.kept, first)
    told = cancellation(booking, "guest", AFTER, 0)
    assert told.refund + told.kept == booking.left
    assert total_of(kept_split(booking, told)) == told.kept


def test_a_refund_is_in_the_bookings_currency_and_not_negative() -> None:
    opened = disputed(priced(), UUID(int=7), WRONG, GUEST, AFTER)
    for wrong in (Money(1, "EUR"), Money(-1, "USD"), Money(opened.total.amount + 1, "USD")):
        with pytest.raises(Invalid):
            resolved(opened, UUID(int=7), Resolution(refund=wrong), STAFF, AFTER)


# Receipt and calendar


def taken_of(paid: Money, refunded: int = 0) -> Taken:
    return Taken(paid=paid, refunded=Money(refunded, "USD"), charged_back=Money(0, "USD"))


def test_a_receipt_adds_up_at_every_time() -> None:
    half = halved(priced())
    given_back = resolved(
        disputed(priced(), UUID(int=7), WRONG, GUEST, AFTER),
        UUID(int=7),
        Resolution(refund=Money(1_234, "USD")),
        STAFF,
        AFTER,
    )
    for booking, refunded in ((priced(), 0), (half, 0), (given_back, 1_234)):
        taken = taken_of(booking.due_now or booking.total, refunded)
        shown = receipt(booking, taken, AFTER, with_cards=True)
        assert shown.total == total((found.amount for found in shown.lines), "USD")
        assert shown.total == shown.paid + (shown.balance or Money(0, "USD"))
        assert (shown.refunded, shown.valid_at) == (Money(refunded, "USD"), AFTER)
    assert half.due_now is not None
    taken = taken_of(half.due_now)
    assert receipt(half, taken, AFTER, with_cards=True).balance_due_at == H - 14 * DAY
    gone = receipt(replace(half, status="cancelled"), taken, AFTER, with_cards=True)
    assert (gone.paid, gone.balance, gone.balance_due_at) == (half.due_now, None, None)
    with pytest.raises(WrongState):
        receipt(stayed(confirmed_at=None, status="expired"), taken, AFTER, with_cards=True)


def properties(text: str) -> dict[str, str]:
    """The content lines of an iCalendar object, unfolded; of a property that comes twice, the last."""
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    assert all(len(found.encode()) <= 75 for found in text.split("\r\n"))
    unfolded = text.replace("\r\n ", "").removesuffix("\r\n")
    return dict(found.split(":", 1) for found in unfolded.split("\r\n"))


def test_the_calendar_tells_the_stay_in_utc_and_in_order() -> None:
    shown = properties(calendar(priced(), "1 Creek Road, Albany", AFTER))
    assert shown["DTSTART"] == "20270615T190000Z"
    assert shown["DTEND"] == "20270620T150000Z"
    assert (shown["SUMMARY"], shown["LOCATION"]) == ("Creek cabin", "1 Creek Road\\, Albany")
    assert (shown["STATUS"], shown["UID"]) == ("CONFIRMED", f"{UUID(int=1)}@hometrip")
    assert "LOCATION" not in properties(calendar(priced(), None, AFTER))
    for status, told in {"pending": "TENTATIVE", "cancelled": "CANCELLED", "expired": "CANCELLED"}.items():
        assert properties(calendar(replace(priced(), status=status), None, AFTER))["STATUS"] == told


@given(title=st.text(max_size=200))
def test_no_title_breaks_the_calendar(title: str) -> None:
    text = calendar(replace(priced(), title=title), None, AFTER)
    summary = properties(text)["SUMMARY"]
    plain = summary.replace("\\\\", "\0").replace("\\n", "\n").replace("\\,", ",").replace("\\;", ";")
    expected = title.replace("\r\n", "\n").replace("\r", "\n")
    assert plain.replace("\0", "\\") == "".join(found for found in expected if found >= " " or found == "\n")


@given(st.lists(st.integers(0, 10**9), min_size=3, max_size=5), st.integers(0, 10_000))
def test_a_part_is_shared_exactly_and_no_share_has_more_of_it_than_of_the_whole(
    shares: list[int], bp: int
) -> None:
    payout, platform, *taxes = (Money(share, "EUR") for share in shares)
    split = Split(payout=payout, platform=platform, taxes={f"area {at}": tax for at, tax in enumerate(taxes)})
    part = total_of(split).share(bp)
    shared = part_of(split, part)
    assert total_of(shared) == part
    for whole, got in zip(
        (payout, platform, *taxes), (shared.payout, shared.platform, *shared.taxes.values()), strict=True
    ):
        assert 0 <= got.amount <= whole.amount


splits = st.builds(
    lambda shares: Split(
        payout=Money(shares[0], "JPY"),
        platform=Money(shares[1], "JPY"),
        taxes={f"area {at}": Money(tax, "JPY") for at, tax in enumerate(shares[2:])},
    ),
    st.lists(st.integers(0, 10**6), min_size=2, max_size=4),
)


@given(splits, splits)
def test_whoever_gives_what_they_have_the_sum_is_exact_and_nobody_owes(has: Split, gives: Split) -> None:
    back = min(total_of(gives), total_of(has))
    left = left_of(has, part_of(gives, back))
    assert total_of(left) == total_of(has) - back
    assert min(left.payout, left.platform, *left.taxes.values()).amount >= 0


@given(splits, st.integers(0, 10_000), st.lists(splits, min_size=1, max_size=4))
def test_however_often_half_a_price_changes_no_share_is_below_nothing_and_the_sums_are_exact(
    whole: Split, bp: int, prices: list[Split]
) -> None:
    paid = part_of(whole, total_of(whole).share(bp))
    rest = less(whole, paid)
    for price in prices:
        still = to_come_at(rest, whole, price)
        saved = total_of(whole) - total_of(price)
        off = min(max(saved, saved * 0), total_of(rest))
        assert total_of(still) == total_of(rest) - off
        assert not owes(still)
        assert not owes(less(price, still))  # what is here
        whole, rest = price, still


@given(splits, splits, st.integers(0, 10_000))
def test_what_is_to_come_is_shared_otherwise_only_where_a_share_would_be_below_nothing(
    whole: Split, dearer_by: Split, bp: int
) -> None:
    rest = part_of(whole, total_of(whole).share(bp))
    dearer = more(whole, dearer_by)
    assert is_nothing(less(rest, to_come_at(rest, whole, dearer)))
    assert is_nothing(less(rest, to_come_at(rest, dearer, dearer)))


def test_a_tax_that_a_change_ends_is_not_to_come_either() -> None:
    before, price, half = _jpy(2_700, 270, 27), _jpy(2_900, 290, 0), _jpy(1_350, 135, 14)
    still = to_come_at(half, before, price)
    assert still.taxes.get("area", Money(0, "JPY")).amount == 0
    assert total_of(still) == total_of(half)


def test_what_a_coupon_of_the_marketplace_makes_its_share_below_nothing_is_shared_too() -> None:
    before, price, half = _jpy(2_700, -100, 27), _jpy(2_900, -20, 0), _jpy(1_350, -50, 14)
    still = to_come_at(half, before, price)
    assert (total_of(still), still.platform) == (total_of(half), Money(-20, "JPY"))


def _jpy(payout: int, platform: int, tax: int) -> Split:
    return Split(
        payout=Money(payout, "JPY"), platform=Money(platform, "JPY"), taxes={"area": Money(tax, "JPY")}
    )


usd = st.integers(0, 50_000).map(lambda cents: Money(cents, "USD"))


@given(
    payout=usd,
    platform=st.integers(-50_000, 50_000).map(lambda cents: Money(cents, "USD")),
    taxes=st.dictionaries(st.sampled_from(["albany", "new york"]), usd),
    part=st.integers(0, 1_000),
    from_platform=st.booleans(),
)
def test_no_more_tax_is_left_than_money_whoever_bears_what_goes_back(
    payout: Money, platform: Money, taxes: dict[str, Money], part: int, *, from_platform: bool
) -> None:
    """The platform's share is below nothing once it has borne what was paid out to a host."""
    kept = Split(payout=payout, platform=platform, taxes=taxes)
    left = total_of(kept)
    if left.amount < total(taxes.values(), "USD").amount:
        return
    refund = left.share(part * 10)
    after = left_after(kept, refund, from_platform=from_platform)
    assert total_of(after) == left - refund
    assert total(after.taxes.values(), "USD") <= left - refund
    assert all(Money(0, "USD") <= after.taxes[area] <= taxes[area] for area in taxes)
    assert Money(0, "USD") <= after.payout <= payout


@given(
    payout=st.integers(0, 500),
    tax=st.integers(0, 300),
    owed=st.integers(1, 200),
    part=st.integers(0, 1_000),
    from_platform=st.booleans(),
)
def test_a_tax_that_is_less_than_nothing_makes_no_money_where_some_goes_back(
    payout: int, tax: int, owed: int, part: int, *, from_platform: bool
) -> None:
    """A change may have made less of a tax than was refunded of it before."""
    taxes = {"albany": Money(-owed, "USD"), "new york": Money(tax, "USD")}
    kept = Split(payout=Money(payout + owed, "USD"), platform=Money(0, "USD"), taxes=taxes)
    refund = total_of(kept).share(part * 10)
    after = left_after(kept, refund, from_platform=from_platform)
    assert total_of(after) == total_of(kept) - refund
    assert after.taxes["albany"] == taxes["albany"]
