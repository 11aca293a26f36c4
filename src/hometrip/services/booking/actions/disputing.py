"""To dispute a stay, and to settle it: nothing is paid out meanwhile."""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.access import Caller
from hometrip.kernel.contacts import without_contacts
from hometrip.kernel.once import NO_KEY, Once
from hometrip.services.booking import store
from hometrip.services.booking.actions.deps import Deps, tell
from hometrip.services.booking.actions.parties import party
from hometrip.services.booking.contract import DisputeOpened, DisputeResolved
from hometrip.services.booking.rules import (
    BookingView,
    DisputeWish,
    Resolution,
    disputed,
    resolved,
    view_of,
)


async def dispute(deps: Deps, caller: Caller, booking_id: UUID, wish: DisputeWish) -> BookingView:
    """Opened by guest or host; one at a time."""
    dispute_id, wish = deps.new_id(), replace(wish, reason=without_contacts(wish.reason))
    async with deps.db.transaction() as tx:
        stayed = await store.bookings.get(tx, booking_id)
        by = await party(tx, caller, stayed)
        booking = disputed(stayed, dispute_id, wish, by, deps.clock.now())
        booking = await store.bookings.change(tx, stayed, booking)
        await tell(tx, DisputeOpened, booking, dispute_id=dispute_id, by=by.role, why=wish.reason)
    return view_of(booking)


async def resolve(
    deps: Deps,
    caller: Caller,
    booking_id: UUID,
    dispute_id: UUID,
    how: Resolution,
    once: Once = NO_KEY,
) -> BookingView:
    """Settled by staff: what goes back to the guest, and whose the rest is."""
    async with deps.db.transaction() as tx:
        await tx.once(once)
        before = await store.bookings.get(tx, booking_id)
        booking = resolved(before, dispute_id, how, await party(tx, caller, before), deps.clock.now())
        booking = await store.bookings.change(tx, before, booking)
        kept = booking.kept
        await tell(tx, DisputeResolved, booking, dispute_id=dispute_id, refund=how.refund, kept=kept)
        view = view_of(booking)
        await tx.answer(once, view)
    return view
