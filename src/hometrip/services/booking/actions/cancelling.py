"""To cancel: what is shown beforehand is what is then paid."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY, MINUTE
from hometrip.kernel.contacts import without_contacts
from hometrip.kernel.events import Event
from hometrip.kernel.once import Once
from hometrip.ports.database import Tx
from hometrip.services.booking import store
from hometrip.services.booking.actions.changing import end_change
from hometrip.services.booking.actions.deps import Deps, HomeTakenDown, remind, tell
from hometrip.services.booking.actions.parties import party
from hometrip.services.booking.contract import WHY_TAKEN_DOWN, BookingBalanceOwed, BookingCancelled
from hometrip.services.booking.rules import (
    SYSTEM,
    Actor,
    Booking,
    BookingView,
    Cancellation,
    at_fault,
    cancellation,
    kept_after,
    lines_back,
    moved,
    view_of,
    with_step,
)

TAKEN_DOWN = "suspended"  # what staff decide of a home that is taken down, and its state then
LOOKS_AGAIN = (MINUTE, DAY)


async def preview_cancellation(
    deps: Deps, caller: Caller, booking_id: UUID, fault: str | None = None
) -> Cancellation:
    """What a cancellation by the caller now would refund; of a cancelled booking, what it did refund."""
    now = deps.clock.now()
    async with deps.db.read() as db:
        booking = await store.bookings.get(db, booking_id)
        by = await party(db, caller, booking)
        if booking.cancellation is not None:
            return booking.cancellation
        fees = await store.bookings.fees_returned(db, booking.guest_id, now)
    return cancellation(booking, by.role, now, fees, at_fault(fault, by.role))


async def cancel(
    deps: Deps, caller: Caller, booking_id: UUID, why: str, once: Once, fault: str | None = None
) -> BookingView:
    """Cancelled by guest, host or staff. The nights are free again, but a host's stay blocked."""
    now = deps.clock.now()
    async with deps.db.transaction() as tx:
        await tx.once(once)
        live = await store.bookings.get(tx, booking_id)
        by = await party(tx, caller, live)
        told = {"why": without_contacts(why), "fault": at_fault(fault, by.role)}
        view = view_of(await _cancelled(tx, live, "cancel", by, by.role, now, **told))
        await tx.answer(once, view)
    return view


async def lapse(deps: Deps, event: Event, booking_id: UUID, why: str) -> None:
    """The second half never came: cancelled as if by the guest, who gets back what the policy leaves of the
    first. After the stay it stays owed, which all are told."""
    async with deps.db.transaction() as tx:
        if not await tx.first_time(event, "booking.lapse"):
            return
        live = await store.bookings.get(tx, booking_id)
        if live.status in ("confirmed", "checked_in") and live.balance is not None:
            told = f"the second half was not paid: {why}"
            await _cancelled(tx, live, "lapse", SYSTEM, "guest", deps.clock.now(), why=told)
        elif live.status == "completed" and live.balance is not None:
            owing = with_step(live, "balance_owed", SYSTEM, deps.clock.now())
            booking = await store.bookings.change(tx, live, owing)
            await tell(tx, BookingBalanceOwed, booking, amount=live.balance, why=why)


async def take_down(deps: Deps, event: Event, down: HomeTakenDown) -> None:
    """Staff have taken a home down: whoever is in it or is to come is cancelled, at its host's fault. Where
    it was put up again before this is heard of, that is who had booked it by the moment in which it was taken
    down: what becomes of a booking does not hang on how fast staff were.

    Bookings are looked for again a minute later, when whatever was asked of the home before has its answer,
    and a day later, when no payment for a hold of before can come any more.
    """
    homes = await deps.listing.homes([down.listing_id])
    is_down = bool(homes) and homes[0].status == TAKEN_DOWN
    by_then = None if is_down or down.looks else down.at
    if not is_down and by_then is None:
        return  # it was put up again meanwhile, or deleted
    by = Actor(role="staff", account_id=down.staff_id)
    async with deps.db.read() as db:
        found = await store.bookings.live_at(db, down.listing_id)
    for booking_id in found:
        async with deps.db.transaction() as tx:
            live = await store.bookings.get(tx, booking_id)
            if live.is_live and (by_then is None or live.live_since <= by_then):
                await _cancelled(tx, live, "cancel", by, by.role, deps.clock.now(), why=WHY_TAKEN_DOWN)
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "booking.take_down") and down.looks < len(LOOKS_AGAIN):
            due = deps.clock.now() + LOOKS_AGAIN[down.looks]
            await tx.emit_later(replace(down, looks=down.looks + 1), due)


async def _cancelled(
    tx: Tx, live: Booking, verb: str, mover: Actor, by: str, now: datetime, *, why: str, fault: str = "host"
) -> Booking:
    """`mover` is who the history names, `by` whose cancellation it counts as."""
    free = await end_change(tx, live, now, "the booking was cancelled")
    moved_on = moved(free, verb, mover, now, why or None)
    await tx.lock(f"fees/{live.guest_id}")  # they are counted, over all bookings of the guest
    fees = await store.bookings.fees_returned(tx, live.guest_id, now)
    told = cancellation(live, by, now, fees, fault)
    kept = kept_after(live, told, now, fees)
    # What was not paid by now is due no more.
    after = replace(
        moved_on, cancellation=told, kept=kept if live.confirmed_at else None, balance_due_at=None
    )
    booking = await store.bookings.change(tx, live, after)
    if by != "guest" and live.confirmed_at is not None:
        await store.nights.keep_blocked(tx, live.id)
    else:
        await store.nights.release(tx, live.id)
    await remind(tx, booking)
    facts = {"refund": told.refund, "kept": kept, "penalty": told.penalty, "lines": lines_back(live, told)}
    whose = {"by": by, "lapsed": verb == "lapse", "by_co_host": mover.co_host}
    await tell(tx, BookingCancelled, booking, at=now, why=why, **whose, **facts)
    return booking
