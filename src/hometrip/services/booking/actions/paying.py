"""What payments do to a booking: they confirm it, keep its hold, or come too late."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from hometrip.ports.database import Tx
from hometrip.services.booking import store
from hometrip.services.booking.actions.changing import change_paid
from hometrip.services.booking.actions.confirming import confirm
from hometrip.services.booking.actions.deps import Deps, remind, tell
from hometrip.services.booking.actions.making import is_prepared
from hometrip.services.booking.contract import BookingExpired, BookingUnpayable
from hometrip.services.booking.rules import (
    NOT_PAID,
    SYSTEM,
    Actor,
    Booking,
    balance_paid,
    change_held_longer,
    held_longer,
    is_left,
    is_past,
    moved,
    noted,
    state_of,
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
    await store.nights.take_nights(tx, booking.listing_id, booking.id, "booking", booking.stay.each_night())
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
    ended = await store.bookings.change(tx, booking, moved(paid, "expire", SYSTEM, at, NOT_PAID))
    await store.nights.release(tx, booking.id)
    await remind(tx, ended)
    await tell(tx, BookingExpired, ended)
    await tell(tx, BookingUnpayable, ended)
    return ended


async def note(tx: Tx, booking_id: UUID, payment_id: UUID, status: str) -> Booking:
    """Write down how the payment stands."""
    booking = await store.bookings.get(tx, booking_id)
    told = replace(booking, payment=noted(booking.payment, status, payment_id))
    return booking if told == booking else await store.bookings.change(tx, booking, told)


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
