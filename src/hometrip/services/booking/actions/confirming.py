"""A booking that is paid, or that costs nothing, is confirmed."""

from __future__ import annotations

from msgspec.structs import replace

from hometrip.ports.database import Tx
from hometrip.services.booking import store
from hometrip.services.booking.actions.deps import Deps, remind, tell
from hometrip.services.booking.actions.rivals import decline_rivals
from hometrip.services.booking.contract import BOOKED_MEANWHILE, BookingConfirmed
from hometrip.services.booking.rules import PAYMENT, SYSTEM, Booking, confirmed, noted


async def confirm(deps: Deps, tx: Tx, before: Booking, paid: Booking) -> Booking:
    now = deps.clock.now()
    booking = await store.bookings.change(tx, before, confirmed(paid, SYSTEM, now))
    await remind(tx, booking)
    await tell(tx, BookingConfirmed, booking)
    await decline_rivals(tx, booking, BOOKED_MEANWHILE, now)
    return booking


async def confirm_if_free(deps: Deps, tx: Tx, booking: Booking) -> Booking:
    """Where a coupon or the host gives all of it away, no payment will ever come; any other booking stays as
    it is."""
    if booking.total or booking.awaiting != PAYMENT:
        return booking
    return await confirm(
        deps, tx, booking, replace(booking, payment=noted(booking.payment, "succeeded", None))
    )
