"""A payment meets its booking: what can be had is confirmed, what cannot goes back."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from hometrip.ports.database import Tx
from hometrip.services.booking import store
from hometrip.services.booking.actions.confirming import confirm
from hometrip.services.booking.actions.deps import Deps, tell
from hometrip.services.booking.actions.ending import end
from hometrip.services.booking.contract import NOT_PAID, BookingUnpayable
from hometrip.services.booking.rules import (
    SYSTEM,
    Booking,
    Change,
    is_left,
    is_past,
    moved,
    noted,
    state_of,
)


async def settle(deps: Deps, tx: Tx, booking: Booking, payment_id: UUID | None = None) -> Booking:
    """The money is captured: confirm what can be had, send back what cannot. Safe to repeat.

    A hold that has ended is confirmed if its nights, those of preparation and the use of its coupon are still
    free, and its first night is not over. Of a confirmed booking the payment that confirmed it stays known:
    another is its second half, of which a change has saved the whole meanwhile.
    """
    status = "succeeded" if booking.balance is None else "partially_paid"
    known = booking.payment.intent_id
    payment = noted(booking.payment, status, (booking.confirmed_at and known) or payment_id or known)
    paid = replace(booking, payment=payment)
    if booking.confirmed_at is not None:
        return booking if paid == booking else await store.bookings.change(tx, booking, paid)
    now = deps.clock.now()
    if state_of(booking) == "pending/payment":
        if is_past(booking, now):
            return await _expire_paid(tx, booking, paid, now)
        return await confirm(deps, tx, booking, paid)
    if booking.status == "expired" and not is_past(booking, now) and await _had_again(tx, booking):
        return await confirm(deps, tx, booking, paid)
    if booking.status != "pending":
        await tell(tx, BookingUnpayable, booking)
    return await store.bookings.change(tx, booking, paid)


async def _had_again(tx: Tx, booking: Booking) -> bool:
    """Take what an expired booking gave back, its nights and the use of its coupon, if nobody else has it."""
    if await store.nights.any_taken(tx, booking.listing_id, booking.stay):
        return False
    await store.nights.take_stay(tx, booking)
    if await is_prepared(tx, booking, booking) and await _has_its_coupon(tx, booking):
        return True
    await store.nights.release(tx, booking.id)
    return False


async def _has_its_coupon(tx: Tx, booking: Booking) -> bool:
    if booking.coupon is None:
        return True
    coupon = await store.coupons.find(tx, booking.coupon)
    return is_left(coupon, await store.coupons.all_uses(tx, booking.coupon, booking.guest_id))


async def _expire_paid(tx: Tx, booking: Booking, paid: Booking, at: datetime) -> Booking:
    """Its time is over for long; only the timer that says so has not come yet."""
    ended = await end(tx, booking, moved(paid, "expire", SYSTEM, at, NOT_PAID))
    await tell(tx, BookingUnpayable, ended)
    return ended


async def note(tx: Tx, booking_id: UUID, payment_id: UUID, status: str) -> Booking:
    """Write down how the payment stands."""
    booking = await store.bookings.get(tx, booking_id)
    told = replace(booking, payment=noted(booking.payment, status, payment_id))
    return booking if told == booking else await store.bookings.change(tx, booking, told)


async def is_prepared(tx: Tx, booking: Booking, agreed: Booking | Change) -> bool:
    """Is no other booking nearer to the stay, its own or that of its change, than was agreed on?

    Asked once its nights are taken, so that all wait for each other in one order. The listing service may not
    have heard yet of one right beside it.
    """
    return not await store.nights.booked_beside(
        tx, booking.listing_id, booking.id, agreed.stay, agreed.preparation_nights
    )
