"""To cancel: what is shown beforehand is what is then paid."""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.access import Caller
from hometrip.kernel.once import Once
from hometrip.services.booking import store
from hometrip.services.booking.actions.deps import Deps, remind, tell
from hometrip.services.booking.contract import BookingCancelled
from hometrip.services.booking.rules import (
    BookingView,
    Cancellation,
    actor_of,
    cancellation,
    kept_split,
    moved,
    view_of,
)


async def preview_cancellation(deps: Deps, caller: Caller, booking_id: UUID) -> Cancellation:
    """What a cancellation by the caller now would refund; of a cancelled booking, what it did refund."""
    now = deps.clock.now()
    async with deps.db.read() as db:
        booking = await store.bookings.get(db, booking_id)
        by = actor_of(caller, booking)
        if booking.cancellation is not None:
            return booking.cancellation
        fees = await store.bookings.fees_returned(db, booking.guest_id, now)
    return cancellation(booking, by.role, now, fees)


async def cancel(deps: Deps, caller: Caller, booking_id: UUID, why: str, once: Once) -> BookingView:
    """Cancelled by guest, host or staff. The nights are free again, but a host's stay blocked."""
    now = deps.clock.now()
    async with deps.db.transaction() as tx:
        await tx.once(once)
        live = await store.bookings.get(tx, booking_id)
        by = actor_of(caller, live)
        booking = moved(live, "cancel", by, now, why or None)
        told = cancellation(live, by.role, now, await store.bookings.fees_returned(tx, live.guest_id, now))
        booking = await store.bookings.change(tx, live, replace(booking, cancellation=told))
        if by.role != "guest" and live.confirmed_at is not None:
            await store.nights.keep_blocked(tx, booking_id)
        else:
            await store.nights.release(tx, booking_id)
        await remind(tx, booking)
        kept = kept_split(live, told)
        await tell(tx, BookingCancelled, booking, by=by.role, why=why, refund=told.refund, kept=kept)
        view = view_of(booking)
        await tx.answer(once, view)
    return view
