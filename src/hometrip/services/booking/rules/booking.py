"""What a booking is, and how one is opened; how its state moves on is in `states`."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from hometrip.kernel.clock import HOUR, MINUTE
from hometrip.kernel.errors import Conflict, Forbidden
from hometrip.kernel.money import Money, digits_of, half_up
from hometrip.kernel.record import Frozen
from hometrip.kernel.split import Split, total_of
from hometrip.kernel.stay import ONE_NIGHT, Stay, at_local, clock_at
from hometrip.kernel.wire import Request
from hometrip.services.booking.contract import BookingFacts, CouponTerms
from hometrip.services.booking.rules.parts import Cancellation, Change, Dispute, PaymentNote, Step
from hometrip.services.listing.contract import QuoteLine, ShownIn, Terms, Wish

PAYMENT, HOST = "payment", "host"  # whom a pending booking awaits
PAY_WITHIN = 15 * MINUTE
PAY_LONGER_BY = 15 * MINUTE  # once, while the guest's bank asks for 3-D Secure
ANSWER_WITHIN = 24 * HOUR
PAY_AFTER_ACCEPTANCE_WITHIN = 24 * HOUR

LIVE = ("pending", "confirmed", "checked_in")
# Payment states that no card backs yet: such a hold makes room for the guest's next one.
UNPAID = frozenset({"unpaid", "requires_payment_method", "requires_action", "failed", "canceled"})
# Once money was taken, only the rest of it or its way back changes the payment's state, in this order.
TAKEN = ("partially_paid", "succeeded", "partially_refunded", "refunded")

# Half now, the rest so many days before check-in: for totals of so many major units and more.
HALF_PLAN_FROM = 250
BALANCE_DUE_DAYS = 14


# What a booking takes over from the home's terms as it is.
AS_IN_TERMS = (
    "listing_id host_id title time_zone check_in_at check_out_at split nightly host_funds_coupon "
    "cancellation_policy deposit exempt_guests platform_rate preparation_nights "
    "check_in_from"
).split()


class OwnHome(Forbidden):
    """Nobody books a home that they host or co-host."""

    code = "own_home"


class PlanRefused(Conflict):
    """Half can be paid later only of larger totals (from `least` on), booked early enough (up to `until`)."""

    code = "plan_refused"


class BookingWish(Request):
    """What a guest sends to book. The price agreed on is that of `quote_id`, or `expected_total`.

    `exempt_guests` are those of the quote, or of the total. `plan` "half": half of it is paid now, the rest
    14 days before check-in. `beside_requests`: nights that other guests' requests hold are asked for as well.
    """

    listing_id: UUID
    check_in: date
    check_out: date
    guests: Annotated[int, Meta(ge=1, le=50)]
    quote_id: Annotated[str, Meta(min_length=1, max_length=2000)] | None = None
    expected_total: Money | None = None
    pets: Annotated[int, Meta(ge=0, le=20)] = 0
    coupon: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    message: Annotated[str, Meta(max_length=2000)] | None = None
    plan: Literal["half"] | None = None
    exempt_guests: Annotated[int, Meta(ge=0, le=50)] = 0
    beside_requests: bool = False

    @property
    def for_listing(self) -> Wish:
        """The same wish in the words of the listing service."""
        return Wish(
            check_in=self.check_in,
            check_out=self.check_out,
            guests=self.guests,
            pets=self.pets,
            coupon=self.coupon,
            exempt_guests=self.exempt_guests,
            beside_requests=self.beside_requests,
        )


class Booking(Frozen):
    """A booking with all that it was agreed on: later changes of the home do not touch it.

    `balance` is the second half, due at `balance_due_at`, until it is paid; `balance_split` says whose it is
    where that is no part of the `split`, as the price was another one when half of it was paid. `kept` says
    whose the money is once some of it went back; before, that is the `split`. `change` is the last one asked
    for. `exempt_guests` of the guests are too young for taxes that spare them. `platform_rate` is as of its
    terms, and so are how many `preparation_nights` lie between it and other bookings, and the check-in time
    by the clock (`check_in_from`; bookings of earlier versions have none). `shown` is the price in the
    guest's currency, at the rate that was frozen in the quote. A request `beside_requests` of other guests
    for the same nights holds none until the host accepts it.
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
    deposit: Money | None = None
    balance: Money | None = None
    balance_due_at: datetime | None = None
    balance_split: Split | None = None
    coupon_terms: CouponTerms | None = None
    kept: Split | None = None
    change: Change | None = None
    disputes: list[Dispute] = []
    exempt_guests: int = 0
    platform_rate: str | None = None
    preparation_nights: int = 0
    check_in_from: str | None = None
    shown: ShownIn | None = None
    beside_requests: bool = False

    @property
    def stay(self) -> Stay:
        return Stay(self.check_in, self.check_out)

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def live_since(self) -> datetime:
        """Since when it holds its nights: one that was over and was paid all the same, since then."""
        revived = [now.at for before, now in pairwise(self.history) if before.status == "expired"]
        return revived[-1] if revived else self.created_at

    @property
    def owed(self) -> Money | None:
        """The second half while it is still to be paid: after the stay too, where it could not be charged
        before, but not once it was cancelled."""
        return self.balance if self.is_live or self.status == "completed" else None

    @property
    def due_now(self) -> Money | None:
        """The first half, while the second is not paid."""
        return None if self.balance is None else self.total - self.balance

    @property
    def left(self) -> Money:
        """What was paid, less what went back (of a confirmed booking)."""
        if self.kept is not None:
            return total_of(self.kept)
        return self.total if self.balance is None else self.total - self.balance


def open_booking(booking_id: UUID, guest_id: UUID, wish: BookingWish, terms: Terms, at: datetime) -> Booking:
    """A pending booking on these terms: of an instant home it awaits payment, else the host's answer."""
    if guest_id in (terms.host_id, *terms.co_hosts):
        raise OwnHome
    balance, balance_due_at = _balance(terms, wish, at)
    within = PAY_WITHIN if terms.instant_book else ANSWER_WITHIN
    return Booking(
        **{name: getattr(terms, name) for name in AS_IN_TERMS},
        id=booking_id,
        guest_id=guest_id,
        check_in=wish.check_in,
        check_out=wish.check_out,
        guests=wish.guests,
        pets=wish.pets,
        status="pending",
        awaiting=PAYMENT if terms.instant_book else HOST,
        hold_until=min(at + within, first_night_over(wish.check_in, terms.time_zone)),
        hold_extended=False,
        lines=terms.quote.lines,
        total=terms.quote.total,
        shown=terms.quote.shown,
        coupon=wish.coupon.upper() if wish.coupon else None,
        message=wish.message,
        payment=PaymentNote(status="unpaid"),
        confirmed_at=None,
        cancellation=None,
        history=[Step(status="pending", at=at, by="guest", account_id=guest_id)],
        version=1,
        created_at=at,
        balance=balance,
        balance_due_at=balance_due_at,
    )


def first_night_over(check_in: date, zone: str) -> datetime:
    """From when on nobody comes to a stay that is not confirmed: the end of its first day at the home."""
    return at_local(check_in + ONE_NIGHT, "00:00", zone)


def _balance(terms: Terms, wish: BookingWish, at: datetime) -> tuple[Money | None, datetime | None]:
    """The second half and when it is due; the first is rounded half-up."""
    if wish.plan is None:
        return None, None
    price = terms.quote.total
    least = Money(HALF_PLAN_FROM * 10 ** digits_of(price.currency), price.currency)
    due = before_check_in(terms, wish.check_in, BALANCE_DUE_DAYS)
    if price < least or at > due:
        raise PlanRefused(least=least, until=due)
    return price - Money(half_up(price.amount, 2), price.currency), due


def before_check_in(agreed: Booking | Terms, check_in: date, days: int) -> datetime:
    """So many days before a check-in on that day: the home's check-in time by the clock there, also where a
    change of clocks skips it on the day itself."""
    clock_time = agreed.check_in_from or clock_at(agreed.check_in_at, agreed.time_zone)
    return at_local(check_in - timedelta(days=days), clock_time, agreed.time_zone)


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
        due_now=booking.due_now,
        balance_due_at=booking.balance_due_at,
        deposit=booking.deposit,
        shown=booking.shown,
        time_zone=booking.time_zone,
        holds_nights=not booking.beside_requests,
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
