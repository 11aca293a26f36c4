"""To give back more than must be: by the host; and to hear that staff did, or what a bank keeps."""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.access import Caller
from hometrip.kernel.contacts import without_contacts
from hometrip.kernel.once import Once
from hometrip.kernel.split import total_of
from hometrip.services.booking import store
from hometrip.services.booking.actions.deps import Deps, tell
from hometrip.services.booking.actions.parties import party
from hometrip.services.booking.contract import BookingRefunded
from hometrip.services.booking.rules import (
    BookingView,
    RefundWish,
    charged_back,
    given_back,
    granted,
    kept_without,
    view_of,
)
from hometrip.services.payment.contract import PaymentDisputed, RefundInitiated


async def give_back(
    deps: Deps, caller: Caller, booking_id: UUID, wish: RefundWish, once: Once
) -> BookingView:
    """By the host, out of what the stay brings the host."""
    refund_id, wish = deps.new_id(), replace(wish, reason=without_contacts(wish.reason))
    async with deps.db.transaction() as tx:
        await tx.once(once)
        paid = await store.bookings.get(tx, booking_id)
        booking = given_back(paid, wish, await party(tx, caller, paid), deps.clock.now())
        booking = await store.bookings.change(tx, paid, booking)
        facts = {"refund": wish.amount, "kept": booking.kept, "why": wish.reason}
        await tell(tx, BookingRefunded, booking, refund_id=refund_id, **facts)
        view = view_of(booking)
        await tx.answer(once, view)
    return view


async def reckon_with_refund(deps: Deps, event: RefundInitiated) -> None:
    """What staff gave back is not there any more to be refunded by a cancellation. Payment knows what is left
    of one that was cancelled; else it may not have heard yet of what was given back or changed meanwhile."""
    told = event.kept
    if told is None and not event.granted:
        return
    async with deps.db.transaction() as tx:
        if not await tx.first_time(event, "booking.reckon_with_refund"):
            return
        paid = await store.bookings.get(tx, event.booking_id)
        if paid.confirmed_at is None:
            return
        if event.granted:
            kept = kept_without(paid, event.amount, told)
            await store.bookings.change(tx, paid, granted(paid, kept, deps.clock.now()))
        elif told is not None and total_of(told) != paid.left:
            await store.bookings.change(tx, paid, replace(paid, kept=told))


async def reckon_with_bank(deps: Deps, event: PaymentDisputed) -> None:
    """What a bank keeps for good is not there any more to be refunded, given back or kept."""
    if event.kept is None or event.lost is None:
        return
    async with deps.db.transaction() as tx:
        if not await tx.first_time(event, "booking.reckon_with_bank"):
            return
        paid = await store.bookings.get(tx, event.booking_id)
        after = charged_back(paid, event.lost, event.kept, deps.clock.now())
        if after != paid:
            await store.bookings.change(tx, paid, after)
