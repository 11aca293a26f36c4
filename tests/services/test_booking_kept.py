"""A booking is read back as it was written: no field of it is forgotten by its table."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from harness import TestHouse
from hometrip.kernel.clock import DAY, HOUR, utc
from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.services.booking import store
from hometrip.services.booking.contract import CouponTerms
from hometrip.services.booking.rules import Booking, Cancellation, Change, Dispute, PaymentNote, Step
from hometrip.services.listing.contract import QuoteLine, ShownIn

AT = utc(2027, 4, 14, 9)
# What is agreed on once and for all.
FIXED = {"id", "listing_id", "guest_id", "host_id", "title", "cancellation_policy", "message", "created_at"}


def usd(amount: int) -> Money:
    return Money(amount, "USD")


def whole(number: int) -> Booking:
    """A booking in which no field has its default, nor what it has in one of another number."""
    line = QuoteLine(kind="nights", label=f"{number} nights", amount=usd(number * 100))
    split = Split(payout=usd(number * 90), platform=usd(number * 10), taxes={})
    shown = ShownIn(
        currency="EUR", rate="0.5", on=date(2027, 4, number), total=usd(number), lines=[usd(number)]
    )
    stay: dict[str, Any] = {
        "check_in": date(2027, 6, number),
        "check_out": date(2027, 6, number + 2),
        "check_in_at": AT + number * DAY,
        "check_out_at": AT + (number + 2) * DAY,
        "guests": number,
        "pets": number,
        "lines": [line],
        "total": usd(number * 100),
        "split": split,
        "nightly": [usd(number * 50)] * 2,
        "host_funds_coupon": number % 2 == 1,
        "coupon": f"CODE{number}",
        "exempt_guests": number,
        "preparation_nights": number,
        "check_in_from": f"{number + 10}:00",
        "shown": shown,
    }
    change = Change(
        id=UUID(int=number), status="done", difference=usd(number), until=AT + number * HOUR, **stay
    )
    dispute = Dispute(
        id=UUID(int=number), by="guest", reason="other", text=f"{number}", status="open", opened_at=AT
    )
    cancelled = Cancellation(
        by="guest", policy="firm", rule="nothing", refund=usd(0), kept=usd(number), lines=[], valid_until=AT
    )
    statuses = ("pending", "accepted")[:number]
    return Booking(
        **stay,
        id=UUID(int=10 + number),
        listing_id=UUID(int=20 + number),
        guest_id=UUID(int=30 + number),
        host_id=UUID(int=40 + number),
        title=f"Cabin {number}",
        time_zone=("Europe/Paris", "America/New_York")[number - 1],
        status=("pending", "cancelled")[number - 1],
        awaiting="host" if number == 1 else "payment",
        hold_until=AT + number * HOUR,
        hold_extended=number == 1,
        cancellation_policy=("firm", "strict")[number - 1],
        message=f"Hello {number}",
        payment=PaymentNote(status=("failed", "refunded")[number - 1], intent_id=UUID(int=50 + number)),
        confirmed_at=AT + number * HOUR,
        cancellation=cancelled,
        history=[
            Step(status=status, at=AT + timedelta(hours=n), by="host") for n, status in enumerate(statuses)
        ],
        version=number,
        created_at=AT + number * HOUR,
        coupon_terms=CouponTerms(code=f"CODE{number}", host_funded=number == 1, percent_bp=number),
        deposit=usd(number),
        balance=usd(number * 50),
        balance_due_at=AT + number * DAY,
        balance_split=split,
        kept=split,
        change=change,
        disputes=[dispute],
        platform_rate=f"0.{number}",
        beside_requests=number == 1,
    )


def test_the_bookings_of_these_tests_leave_nothing_out() -> None:
    one, other = whole(1), whole(2)
    assert [
        field.name
        for field in msgspec.structs.fields(Booking)
        if getattr(one, field.name) in (field.default, getattr(other, field.name))
    ] == []


async def test_a_booking_is_read_as_it_was_added(house: TestHouse) -> None:
    async with house.deps("booking").db.transaction() as tx:
        await store.bookings.add(tx, whole(1), "")
        assert await store.bookings.get(tx, whole(1).id) == whole(1)


async def test_all_that_may_change_of_a_booking_is_written(house: TestHouse) -> None:
    before = whole(1)
    after = replace(whole(2), **{name: getattr(before, name) for name in FIXED})
    async with house.deps("booking").db.transaction() as tx:
        await store.bookings.add(tx, before, "")
        await store.bookings.change(tx, before, replace(after, version=before.version))
        assert await store.bookings.get(tx, before.id) == after
