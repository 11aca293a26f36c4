"""A booking as its guest, its host and staff see it."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from hometrip.kernel.contacts import without_contacts
from hometrip.kernel.money import Money
from hometrip.kernel.page import Page
from hometrip.kernel.wire import Answer
from hometrip.services.booking.rules.booking import Booking
from hometrip.services.booking.rules.parts import Cancellation, Change, Dispute, PaymentNote
from hometrip.services.listing.contract import QuoteLine, ShownIn


class StepView(Answer):
    """`by` is guest, host, co_host, staff or system."""

    status: str
    at: datetime
    by: str
    why: str | None = None


class ChangeView(Answer):
    """A change of a booking: `difference` is charged, or refunded where it is negative; `until` it waits.
    `shown` is its price in the guest's currency, at the rate of the booking."""

    id: UUID
    status: str
    check_in: date
    check_out: date
    guests: int
    pets: int
    lines: list[QuoteLine]
    total: Money
    difference: Money
    until: datetime | None = None
    shown: ShownIn | None = None
    shown_difference: Money | None = None


class BookingView(Answer):
    """A booking. `awaiting` (payment or host) and `hold_until` only while it is pending; `due_now`, `balance`
    and `balance_due_at` only while its second half is still to be paid; `change` is the last one asked for;
    `shown` as its quote has it; `beside_requests` where it holds no nights, because other requests do.
    """

    id: UUID
    listing_id: UUID
    guest_id: UUID
    host_id: UUID
    title: str
    time_zone: str
    check_in: date
    check_out: date
    check_in_at: datetime
    check_out_at: datetime
    nights: int
    guests: int
    pets: int
    status: str
    lines: list[QuoteLine]
    total: Money
    host_payout: Money
    cancellation_policy: str
    payment: PaymentNote
    history: list[StepView]
    version: int
    created_at: datetime
    awaiting: str | None = None
    hold_until: datetime | None = None
    confirmed_at: datetime | None = None
    cancellation: Cancellation | None = None
    coupon: str | None = None
    message: str | None = None
    deposit: Money | None = None
    due_now: Money | None = None
    balance: Money | None = None
    balance_due_at: datetime | None = None
    change: ChangeView | None = None
    disputes: list[Dispute] | None = None
    shown: ShownIn | None = None
    beside_requests: bool | None = None


_OTHER = (
    "nights host_payout history change disputes due_now balance balance_due_at message beside_requests"
).split()
_SAME = tuple(field for field in BookingView.__struct_fields__ if field not in _OTHER)


def view_of(booking: Booking) -> BookingView:
    return BookingView(
        **{field: getattr(booking, field) for field in _SAME},
        nights=booking.stay.nights,
        message=_between_strangers(booking),
        host_payout=booking.split.payout,
        due_now=booking.due_now if booking.owed else None,
        balance=booking.owed,
        balance_due_at=booking.balance_due_at if booking.owed else None,
        history=[
            StepView(status=step.status, at=step.at, by=step.by, why=step.why) for step in booking.history
        ],
        change=change_view(booking.change) if booking.change else None,
        disputes=booking.disputes or None,
        beside_requests=booking.beside_requests or None,
    )


def change_view(change: Change) -> ChangeView:
    return ChangeView(**{name: getattr(change, name) for name in ChangeView.__struct_fields__})


def _between_strangers(booking: Booking) -> str | None:
    """What the guest wrote to the host: without a way past the marketplace until they have to do with each
    other."""
    if booking.message is None or booking.confirmed_at is not None:
        return booking.message
    return without_contacts(booking.message)


def views_of(page: Page[Booking]) -> Page[BookingView]:
    return Page(items=[view_of(booking) for booking in page.items], next_cursor=page.next_cursor)
