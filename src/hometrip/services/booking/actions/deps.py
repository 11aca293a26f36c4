"""What every action of booking needs, and the words in which a change is written and told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from hometrip.kernel.clock import SKEW, Clock
from hometrip.kernel.events import Event
from hometrip.kernel.ids import NewId
from hometrip.ports.database import Database, Tx
from hometrip.services.booking.actions.crowd import Crowd
from hometrip.services.booking.contract import BookingEvent
from hometrip.services.booking.rules import Booking, facts_of
from hometrip.services.listing.contract import ListingQuestions
from hometrip.services.payment.contract import PaymentQuestions


@dataclass(frozen=True)
class Deps:
    db: Database
    clock: Clock
    new_id: NewId
    listing: ListingQuestions
    payment: PaymentQuestions
    crowd: Crowd = field(default_factory=Crowd, init=False, repr=False, compare=False)


class BookingTimer(Event):
    """Booking reminds itself of one of its bookings; not part of what is told of the booking."""

    about = ("booking_timer", "booking_id")

    booking_id: UUID


class HoldEnded(BookingTimer):
    """The time to pay, or the host's time to answer, is over."""

    name = "booking.hold_ended"


class StayEnded(BookingTimer):
    """It is check-out time."""

    name = "booking.stay_ended"


class ChangeEnded(BookingTimer):
    """The time to consent to a change, or to pay for it, is over."""

    name = "booking.change_timed_out"


class HomeTakenDown(Event):
    """A home was taken down, `at` that moment: bookings that were made or paid for then are looked for
    again."""

    name = "booking.home_taken_down"
    about = ("taken_down", "listing_id")

    listing_id: UUID
    staff_id: UUID
    looks: int
    at: datetime | None = None


async def tell(tx: Tx, kind: type[BookingEvent], booking: Booking, **more: Any) -> None:
    await tx.emit(kind(booking_id=booking.id, booking=facts_of(booking), **more))


async def remind_of_hold(tx: Tx, booking: Booking) -> None:
    """The only timer that a new booking needs; there is none to take back."""
    if booking.hold_until is not None:
        await tx.emit_later(HoldEnded(booking_id=booking.id), booking.hold_until, key=f"hold:{booking.id}")


async def remind(tx: Tx, booking: Booking, not_before: datetime | None = None) -> None:
    """Set the timers that the booking's state needs, and take back those it does not need any more."""
    await _remind(tx, HoldEnded(booking_id=booking.id), "hold", booking.hold_until, not_before)
    awaits_end = booking.status in ("confirmed", "checked_in")
    ends_at = booking.check_out_at if awaits_end else None
    await _remind(tx, StayEnded(booking_id=booking.id), "stay", ends_at, not_before)
    if booking.change is not None:  # most bookings never have one
        await _remind(tx, ChangeEnded(booking_id=booking.id), "change", booking.change.until, not_before)


async def remind_again(tx: Tx, booking: Booking, now: datetime) -> None:
    """A timer came for what is not over yet: replaced meanwhile, or fired by a clock that is ahead."""
    await remind(tx, booking, now + SKEW)


async def _remind(
    tx: Tx, timer: BookingTimer, of: str, at: datetime | None, not_before: datetime | None
) -> None:
    key = f"{of}:{timer.booking_id}"
    if at is None:
        await tx.withdraw(key)
    else:
        await tx.emit_later(timer, max(at, not_before or at), key=key)
