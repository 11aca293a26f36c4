"""What the host (or staff) does with a booking, and what time does to it."""

from __future__ import annotations

from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Unavailable
from hometrip.services.booking import store
from hometrip.services.booking.actions.changing import end_change, reason_for_guest
from hometrip.services.booking.actions.confirming import confirm_if_free
from hometrip.services.booking.actions.deps import Deps, HoldEnded, StayEnded, remind, remind_again, tell
from hometrip.services.booking.actions.ending import end
from hometrip.services.booking.actions.making import must_be_prepared, with_proposal
from hometrip.services.booking.actions.parties import party
from hometrip.services.booking.actions.rivals import decline_rivals, one_at_a_time, take_from_rivals
from hometrip.services.booking.actions.settling import settle
from hometrip.services.booking.contract import (
    OTHER_ACCEPTED,
    BookingAccepted,
    BookingCheckedIn,
    BookingCompleted,
    DatesTaken,
)
from hometrip.services.booking.rules import (
    SYSTEM,
    Booking,
    BookingView,
    accepted,
    checked_in,
    completed,
    moved,
    timed_out,
    view_of,
)
from hometrip.services.listing.contract import StayRefused, Wish


async def accept(deps: Deps, caller: Caller, booking_id: UUID) -> BookingView:
    """Say yes to a request: confirmed at once where the card was authorised or it costs nothing, else the
    guest pays now. Others for the same nights are declined.

    One that was made beside others takes its nights only now: `DatesTaken` and `StayRefused` tell what its
    guest could have instead.
    """
    try:
        booking = await _accepted(deps, caller, booking_id)
    except (DatesTaken, StayRefused) as refusal:
        async with deps.db.read() as db:
            asked = await store.bookings.get(db, booking_id)
        first, end = asked.check_in, asked.check_out
        wish = Wish(check_in=first, check_out=end, guests=asked.guests, pets=asked.pets)
        raise await with_proposal(deps, asked.guest_id, asked.listing_id, wish, refusal) from None
    if booking.confirmed_at is not None:
        return view_of(booking)
    try:
        outcome = await deps.payment.capture(booking_id)
    except Unavailable:
        return view_of(booking)  # payment hears of the acceptance by its event as well, and captures then
    if outcome != "captured":
        return view_of(booking)
    async with deps.db.transaction() as tx:
        return view_of(await settle(deps, tx, await store.bookings.get(tx, booking_id)))


async def _accepted(deps: Deps, caller: Caller, booking_id: UUID) -> Booking:
    async with deps.db.transaction() as tx:
        await one_at_a_time(tx, await store.requests.home_of(tx, booking_id))
        asked = await store.bookings.get(tx, booking_id)
        now = deps.clock.now()
        booking = accepted(asked, await party(tx, caller, asked), now)
        if asked.beside_requests:
            await take_from_rivals(tx, booking, OTHER_ACCEPTED, now)
            await must_be_prepared(tx, booking, booking)
        else:
            await decline_rivals(tx, booking, OTHER_ACCEPTED, now)
        booking = await store.bookings.change(tx, asked, booking)
        await remind(tx, booking)
        await tell(tx, BookingAccepted, booking)
        return await confirm_if_free(deps, tx, booking)


async def decline(deps: Deps, caller: Caller, booking_id: UUID, why: str) -> BookingView:
    why = reason_for_guest(why)
    async with deps.db.transaction() as tx:
        asked = await store.bookings.get(tx, booking_id)
        booking = moved(asked, "decline", await party(tx, caller, asked), deps.clock.now(), why)
        booking = await end(tx, asked, booking)
    return view_of(booking)


async def check_in(deps: Deps, caller: Caller, booking_id: UUID) -> BookingView:
    async with deps.db.transaction() as tx:
        expected = await store.bookings.get(tx, booking_id)
        now = deps.clock.now()
        free = await end_change(tx, expected, now, "the stay has begun")
        booking = checked_in(free, await party(tx, caller, expected), now)
        booking = await store.bookings.change(tx, expected, booking)
        await remind(tx, booking)
        await tell(tx, BookingCheckedIn, booking)
    return view_of(booking)


async def complete(deps: Deps, caller: Caller, booking_id: UUID) -> BookingView:
    async with deps.db.transaction() as tx:
        stayed = await store.bookings.get(tx, booking_id)
        now = deps.clock.now()
        free = await end_change(tx, stayed, now, "the stay is over")
        booking = completed(free, await party(tx, caller, stayed), now)
        booking = await store.bookings.change(tx, stayed, booking)
        await remind(tx, booking)
        await tell(tx, BookingCompleted, booking)
    return view_of(booking)


async def end_hold(deps: Deps, event: HoldEnded) -> None:
    """The time of a pending booking is over, unless it was extended meanwhile or something came of it."""
    async with deps.db.transaction() as tx:
        if not await tx.first_time(event, "booking.end_hold"):
            return
        pending, now = await store.bookings.get(tx, event.booking_id), deps.clock.now()
        booking = timed_out(pending, now)
        if booking is None:
            await remind_again(tx, pending, now)
            return
        await end(tx, pending, booking)


async def end_stay(deps: Deps, event: StayEnded) -> None:
    """Completed by itself at check-out, unless the host did it before or it was cancelled."""
    async with deps.db.transaction() as tx:
        if not await tx.first_time(event, "booking.end_stay"):
            return
        stayed = await store.bookings.get(tx, event.booking_id)
        now = deps.clock.now()
        if stayed.status not in ("confirmed", "checked_in") or now < stayed.check_out_at:
            await remind_again(tx, stayed, now)
            return
        free = await end_change(tx, stayed, now, "the stay is over")
        booking = await store.bookings.change(tx, stayed, completed(free, SYSTEM, now))
        await remind(tx, booking)
        await tell(tx, BookingCompleted, booking)
