"""What a booking is, and how one is opened; how its state moves on is in `states`."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from hometrip.kernel.clock import HOUR, MINUTE
from hometrip.kernel.errors import Forbidden
from hometrip.kernel.money import Money
from hometrip.kernel.record import Frozen
from hometrip.kernel.stay import Stay
from hometrip.kernel.wire import Answer, Request
from hometrip.services.booking.contract import BookingFacts
from hometrip.services.listing.contract import QuoteLine, Split, Terms, Wish

PAYMENT, HOST = "payment", "host"  # whom a pending booking awaits
PAY_WITHIN = 15 * MINUTE
PAY_LONGER_BY = 15 * MINUTE  # once, while the guest's bank asks for 3-D Secure
ANSWER_WITHIN = 24 * HOUR
PAY_AFTER_ACCEPTANCE_WITHIN = 24 * HOUR

# Payment states that no card backs yet: such a hold makes room for the guest's next one.
UNPAID = frozenset({"unpaid", "requires_payment_method", "requires_action", "failed"})
# Once money was taken, only its way back changes the payment's state.
TAKEN = ("succeeded", "partially_refunded", "refunded")


class OwnHome(Forbidden):
    """A host cannot book the own home."""

    code = "own_home"


class BookingWish(Request):
    """What a guest sends to book."""

    listing_id: UUID
    check_in: date
    check_out: date
    guests: Annotated[int, Meta(ge=1, le=50)]
    quote_id: Annotated[str, Meta(min_length=1, max_length=2000)]
    pets: Annotated[int, Meta(ge=0, le=20)] = 0
    coupon: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    message: Annotated[str, Meta(max_length=2000)] | None = None

    @property
    def for_listing(self) -> Wish:
        """The same wish in the words of the listing service."""
        return Wish(
            check_in=self.check_in,
            check_out=self.check_out,
            guests=self.guests,
            pets=self.pets,
            coupon=self.coupon,
        )


class Actor(Frozen):
    """Who makes a booking move: `role` is guest, host, staff or system."""

    role: str
    account_id: UUID | None = None


SYSTEM = Actor(role="system")


class Step(Frozen):
    """One line of a booking's history. `status` is the new state, or `accepted` for the host's yes."""

    status: str
    at: datetime
    by: str
    why: str | None = None
    account_id: UUID | None = None


class PaymentNote(Answer):
    """What booking knows of its payment. `status` is unpaid, requires_payment_method, requires_action,
    requires_capture, succeeded, failed, partially_refunded or refunded."""

    status: str
    intent_id: UUID | None = None


class CancelledLine(Answer):
    """What of a paid line comes back."""

    kind: str
    label: str
    paid: Money
    refunded: Money


class Cancellation(Answer):
    """What cancelling refunds, line by line, and the rule that says so; `valid_until` it stays like this.

    `rule` is all_nights, all_but_some_nights, part_of_nights, nothing (the policy's words), grace (within
    24 hours of confirmation), host_cancelled, staff_cancelled or nothing_paid.
    """

    by: str
    policy: str
    rule: str
    refund: Money
    kept: Money
    lines: list[CancelledLine]
    valid_until: datetime


class Booking(Frozen):
    """A booking with all that it was agreed on: later changes of the home do not touch it."""

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
    guests: int
    pets: int
    status: str
    awaiting: str | None
    hold_until: datetime | None
    hold_extended: bool
    lines: list[QuoteLine]
    total: Money
    split: Split
    nightly: list[Money]
    host_funds_coupon: bool
    cancellation_policy: str
    coupon: str | None
    message: str | None
    payment: PaymentNote
    confirmed_at: datetime | None
    cancellation: Cancellation | None
    history: list[Step]
    version: int
    created_at: datetime

    @property
    def stay(self) -> Stay:
        return Stay(self.check_in, self.check_out)


def open_booking(booking_id: UUID, guest_id: UUID, wish: BookingWish, terms: Terms, at: datetime) -> Booking:
    """A pending booking on these terms: of an instant home it awaits payment, else the host's answer."""
    if guest_id == terms.host_id:
        raise OwnHome
    instant = terms.instant_book
    return Booking(
        id=booking_id,
        listing_id=terms.listing_id,
        guest_id=guest_id,
        host_id=terms.host_id,
        title=terms.title,
        time_zone=terms.time_zone,
        check_in=wish.check_in,
        check_out=wish.check_out,
        check_in_at=terms.check_in_at,
        check_out_at=terms.check_out_at,
        guests=wish.guests,
        pets=wish.pets,
        status="pending",
        awaiting=PAYMENT if instant else HOST,
        hold_until=at + (PAY_WITHIN if instant else ANSWER_WITHIN),
        hold_extended=False,
        lines=terms.quote.lines,
        total=terms.quote.total,
        split=terms.split,
        nightly=terms.nightly,
        host_funds_coupon=terms.host_funds_coupon,
        cancellation_policy=terms.cancellation_policy,
        coupon=wish.coupon.upper() if wish.coupon else None,
        message=wish.message,
        payment=PaymentNote(status="unpaid"),
        confirmed_at=None,
        cancellation=None,
        history=[Step(status="pending", at=at, by="guest", account_id=guest_id)],
        version=1,
        created_at=at,
    )


def noted(note: PaymentNote, status: str, intent_id: UUID | None) -> PaymentNote:
    """The payment's new state; news that is older than the money that was taken changes nothing."""
    if note.status in TAKEN and status not in TAKEN[TAKEN.index(note.status) :]:
        return note
    return PaymentNote(status=status, intent_id=intent_id)


def facts_of(booking: Booking) -> BookingFacts:
    return BookingFacts(
        booking_id=booking.id,
        listing_id=booking.listing_id,
        guest_id=booking.guest_id,
        host_id=booking.host_id,
        title=booking.title,
        check_in=booking.check_in,
        check_out=booking.check_out,
        check_in_at=booking.check_in_at,
        check_out_at=booking.check_out_at,
        nights=booking.stay.nights,
        guests=booking.guests,
        status=booking.status,
        total=booking.total,
        split=booking.split,
        lines=booking.lines,
        cancellation_policy=booking.cancellation_policy,
        awaiting=booking.awaiting,
        hold_until=booking.hold_until,
    )


def ranges(nights: list[tuple[UUID, date]]) -> list[Stay]:
    """Nights in order, each with its owner, as stays: neighbouring nights of one owner are one stay."""
    stays: list[Stay] = []
    owner: UUID | None = None
    for owned_by, night in nights:
        if stays and owned_by == owner and stays[-1].check_out == night:
            stays[-1] = Stay(stays[-1].check_in, night + timedelta(days=1))
        else:
            stays.append(Stay(night, night + timedelta(days=1)))
        owner = owned_by
    return stays
