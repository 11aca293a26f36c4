"""What payments do to a booking: they confirm it, keep its hold, or come too late."""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace

from hometrip.ports.database import Tx
from hometrip.services.booking import store
from hometrip.services.booking.actions.deps import Deps, remind, tell
from hometrip.services.booking.contract import BookingConfirmed, BookingUnpayable
from hometrip.services.booking.rules import SYSTEM, Booking, confirmed, held_longer, noted, state_of


async def settle(deps: Deps, tx: Tx, booking: Booking, payment_id: UUID | None = None) -> Booking:
    """The money is captured: confirm what can be had, send back what cannot. Safe to repeat.

    A hold that has ended is confirmed if its nights are still free.
    """
    payment = noted(booking.payment, "succeeded", payment_id or booking.payment.intent_id)
    paid = replace(booking, payment=payment)
    if booking.confirmed_at is not None:
        return booking if paid == booking else await store.bookings.change(tx, booking, paid)
    if state_of(booking) == "pending/payment":
        return await _confirm(deps, tx, booking, paid)
    if booking.status == "expired" and not await store.nights.any_taken(tx, booking.listing_id, booking.stay):
        await store.nights.take_nights(
            tx, booking.listing_id, booking.id, "booking", booking.stay.each_night()
        )
        return await _confirm(deps, tx, booking, paid)
    if booking.status != "pending":
        await tell(tx, BookingUnpayable, booking)
    return await store.bookings.change(tx, booking, paid)


async def _confirm(deps: Deps, tx: Tx, before: Booking, paid: Booking) -> Booking:
    booking = await store.bookings.change(tx, before, confirmed(paid, SYSTEM, deps.clock.now()))
    await remind(tx, booking)
    await tell(tx, BookingConfirmed, booking)
    return booking


async def note(tx: Tx, booking_id: UUID, payment_id: UUID, status: str) -> Booking:
    """Write down how the payment stands."""
    booking = await store.bookings.get(tx, booking_id)
    told = replace(booking, payment=noted(booking.payment, status, payment_id))
    return booking if told == booking else await store.bookings.change(tx, booking, told)


async def hold_longer(tx: Tx, booking_id: UUID) -> None:
    """Once 15 minutes more while the guest's bank asks."""
    booking = await store.bookings.get(tx, booking_id)
    longer = held_longer(booking)
    if longer != booking:
        await remind(tx, await store.bookings.change(tx, booking, longer))


async def refuse_payment(tx: Tx, booking: Booking) -> None:
    """A card was authorised for a booking that is over: all of it goes back."""
    if booking.status in ("declined", "expired", "cancelled") and booking.confirmed_at is None:
        await tell(tx, BookingUnpayable, booking)
