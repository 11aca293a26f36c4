"""A pending booking that comes to nothing is ended in one way, whoever ends it."""

from __future__ import annotations

from hometrip.ports.database import Tx
from hometrip.services.booking import store
from hometrip.services.booking.actions.deps import remind, tell
from hometrip.services.booking.contract import BookingDeclined, BookingExpired
from hometrip.services.booking.rules import Booking


async def end(tx: Tx, pending: Booking, ended: Booking) -> Booking:
    """Write that a request is declined or a hold expired: its nights are free, its timers off, and both are
    told the reason that its history names."""
    ended = await store.bookings.change(tx, pending, ended)
    await store.nights.release(tx, ended.id)
    await remind(tx, ended)
    event = BookingDeclined if ended.status == "declined" else BookingExpired
    await tell(tx, event, ended, why=ended.history[-1].why or "")
    return ended
