"""What payments do to a booking: they confirm it, keep its hold, or come too late."""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace

from hometrip.ports.database import Tx
from hometrip.services.booking import store
from hometrip.services.booking.actions.changing import change_paid
from hometrip.services.booking.actions.deps import Deps, remind, tell
from hometrip.services.booking.actions.settling import settle
from hometrip.services.booking.contract import BookingUnpayable
from hometrip.services.booking.rules import (
    SYSTEM,
    Actor,
    Booking,
    balance_paid,
    change_held_longer,
    held_longer,
    noted,
    with_step,
)
from hometrip.services.payment.contract import PaymentRefunded, PaymentSucceeded


async def hear_of_payment(deps: Deps, tx: Tx, booking: Booking, paid: PaymentSucceeded) -> None:
    """Money was captured: for the booking, for a change of it, or its second half."""
    first = booking.payment.intent_id
    of_another = booking.confirmed_at is not None and first is not None and paid.payment_id != first
    if paid.change_id is not None:
        await change_paid(deps, tx, booking, paid.change_id, paid.payment_id)
    elif of_another and booking.balance is not None:
        await _pay_balance(deps, tx, booking, paid)
    else:
        await settle(deps, tx, booking, paid.payment_id)


async def _pay_balance(deps: Deps, tx: Tx, booking: Booking, paid: PaymentSucceeded) -> None:
    """What comes for a booking that was cancelled meanwhile goes back."""
    if booking.status != "cancelled":
        await store.bookings.change(tx, booking, balance_paid(booking, paid.amount, deps.clock.now()))
    else:
        await tell(tx, BookingUnpayable, booking, payment_id=paid.payment_id)


async def note_refund(deps: Deps, tx: Tx, event: PaymentRefunded) -> None:
    """Write down that money went back, and in the history that staff paid what the card did not take.

    A payment that could not be used (of a change that ended) leaves the booking as paid as it was.
    """
    booking = await store.bookings.get(tx, event.booking_id)
    told, first = booking, booking.payment.intent_id
    if event.reference is not None:
        told = with_step(told, "refund_paid", Actor(role="staff"), deps.clock.now())
    unused = event.all and booking.kept is None and event.payment_id != first and booking.confirmed_at
    if not unused:
        status = "partially_refunded" if (booking.kept and booking.left) or not event.all else "refunded"
        told = replace(told, payment=noted(booking.payment, status, first or event.payment_id))
    if told != booking:
        await store.bookings.change(tx, booking, told)


async def note_failed_refund(deps: Deps, tx: Tx, booking_id: UUID) -> None:
    """Write in the history that what was to go back did not: it is paid in another way."""
    booking = await store.bookings.get(tx, booking_id)
    await store.bookings.change(tx, booking, with_step(booking, "refund_failed", SYSTEM, deps.clock.now()))


async def hold_longer(tx: Tx, booking_id: UUID) -> None:
    """Once 15 minutes more while the guest's bank asks, for the booking or for its change."""
    booking = await store.bookings.get(tx, booking_id)
    longer = change_held_longer(held_longer(booking))
    if longer != booking:
        await remind(tx, await store.bookings.change(tx, booking, longer))


async def refuse_payment(tx: Tx, booking: Booking) -> None:
    """A card was authorised for a booking that is over: all of it goes back."""
    if booking.status in ("declined", "expired", "cancelled") and booking.confirmed_at is None:
        await tell(tx, BookingUnpayable, booking)
