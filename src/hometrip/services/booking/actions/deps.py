"""What every action of booking needs, and the words in which a change is written and told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hometrip.kernel.clock import Clock
from hometrip.kernel.events import Event
from hometrip.kernel.ids import NewId
from hometrip.ports.database import Database, Tx
from hometrip.services.booking.actions.crowd import Crowd
from hometrip.services.booking.contract import BookingEvent
from hometrip.services.booking.rules import Booking, Change, facts_of
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


async def tell(tx: Tx, kind: type[BookingEvent], booking: Booking, **more: Any) -> None:
    await tx.emit(kind(booking_id=booking.id, booking=facts_of(booking), **more))


async def remind_of_hold(tx: Tx, booking: Booking) -> None:
    """The only timer that a new booking needs; there is none to take back."""
    if booking.hold_until is not None:
        await tx.emit_later(HoldEnded(booking_id=booking.id), booking.hold_until, key=f"hold:{booking.id}")


async def remind(tx: Tx, booking: Booking) -> None:
    """Set the timers that the booking's state needs, and take back those it does not need any more."""
    await remind_of_hold(tx, booking)
    if booking.hold_until is None:
        await tx.withdraw(f"hold:{booking.id}")
    if booking.status in ("confirmed", "checked_in"):
        await tx.emit_later(StayEnded(booking_id=booking.id), booking.check_out_at, key=f"stay:{booking.id}")
    else:
        await tx.withdraw(f"stay:{booking.id}")
    if booking.change is not None:  # most bookings never have one
        await _remind_of_change(tx, booking, booking.change)


async def _remind_of_change(tx: Tx, booking: Booking, change: Change) -> None:
    if change.until is not None:
        await tx.emit_later(ChangeEnded(booking_id=booking.id), change.until, key=f"change:{booking.id}")
    else:
        await tx.withdraw(f"change:{booking.id}")
