"""To change the dates or the party of a booking: asked by the guest, agreed to by the host, paid, applied.

The old nights stay the booking's until the new ones are taken and agreed on; a change that ends otherwise
gives back exactly the nights that were taken for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.access import Caller
from hometrip.kernel.contacts import without_contacts
from hometrip.kernel.errors import Invalid, NotFound, VersionMismatch
from hometrip.kernel.stay import Stay
from hometrip.ports.database import Tx
from hometrip.ports.outbox import Contended
from hometrip.services.booking import store
from hometrip.services.booking.actions.deps import ChangeEnded, Deps, remind, remind_again, tell
from hometrip.services.booking.actions.holds import LetGo, replace_holds, with_room
from hometrip.services.booking.actions.making import must_be_prepared, with_proposal
from hometrip.services.booking.actions.parties import party
from hometrip.services.booking.actions.rivals import decline_rivals
from hometrip.services.booking.actions.settling import is_prepared
from hometrip.services.booking.contract import (
    BOOKED_MEANWHILE,
    BookingChanged,
    BookingChangeEnded,
    BookingChangePending,
    BookingUnpayable,
    CouponRefused,
    DatesTaken,
)
from hometrip.services.booking.rules import (
    SYSTEM,
    Booking,
    BookingView,
    Change,
    ChangeWish,
    HomeClosed,
    asked,
    can_be_late,
    change_moved,
    change_timed_out,
    changed,
    is_agreed,
    is_open,
    may_change,
    needs_payment,
    nights_added,
    nights_left,
    view_of,
    wished,
)
from hometrip.services.listing.contract import StayRefused, Terms, Wish

TRIES = 3


async def ask_change(
    deps: Deps, caller: Caller, booking_id: UUID, wish: ChangeWish, if_match: int | None
) -> BookingView:
    """The booking with its change, which awaits host or payment. An open one is replaced.

    Raises what a booking of that stay would: `DatesTaken`, `StayRefused`; `HomeClosed`. Where another was
    faster, it is asked of the booking as it is now.
    """
    for _ in range(TRIES):
        asked_for = await with_room(
            deps, lambda let_go: _ask(deps, caller, booking_id, wish, if_match, let_go)
        )
        if asked_for is not None:
            return asked_for
    raise Contended("This booking is being changed by another at this moment.")


async def _ask(
    deps: Deps, caller: Caller, booking_id: UUID, wish: ChangeWish, if_match: int | None, let_go: LetGo
) -> BookingView | None:
    """Nothing where the booking has moved on since it was read."""
    async with deps.db.read() as db:
        booking = await store.bookings.get(db, booking_id)
        by, now = await party(db, caller, booking), deps.clock.now()
    _must_be_version(booking, if_match)
    may_change(booking, by, now)
    whole, terms = await _terms(deps, caller, booking, wished(booking, wish))
    try:
        async with deps.db.transaction() as tx:
            live = await store.bookings.get(tx, booking_id)
            if live.version != booking.version:
                return None
            free = await end_change(tx, live, now, "replaced by a newer wish of the guest")
            open_now = asked(free, deps.new_id(), whole, terms, by, now)
            assert open_now.change is not None  # it was asked for
            await _make_room(deps, tx, open_now, open_now.change, let_go)
            await _take(tx, open_now)
            if nights_added(open_now):
                await must_be_prepared(tx, live, open_now.change)
            after = await _go_on(tx, live, open_now, now)
    except (DatesTaken, StayRefused) as refusal:
        guest, home = booking.guest_id, booking.listing_id
        raise await with_proposal(deps, guest, home, whole, refusal) from None
    return view_of(after)


def _must_be_version(booking: Booking, if_match: int | None) -> None:
    if if_match not in (None, booking.version):
        raise VersionMismatch


async def accept_change(
    deps: Deps, caller: Caller, booking_id: UUID, if_match: int | None = None
) -> BookingView:
    """The host's consent: the guest pays the difference, or has it back at once. With `if_match`, to nothing
    else than what the host has seen; the guest may wish for something else meanwhile."""
    now = deps.clock.now()
    async with deps.db.transaction() as tx:
        booking = await store.bookings.get(tx, booking_id)
        by = await party(tx, caller, booking)
        _must_be_version(booking, if_match)
        agreed = change_moved(booking, "accept", by, now)
        return view_of(await _go_on(tx, booking, agreed, now))


async def decline_change(
    deps: Deps, caller: Caller, booking_id: UUID, why: str, if_match: int | None = None
) -> BookingView:
    now, why = deps.clock.now(), reason_for_guest(why)
    async with deps.db.transaction() as tx:
        booking = await store.bookings.get(tx, booking_id)
        by = await party(tx, caller, booking)
        _must_be_version(booking, if_match)
        declined = change_moved(booking, "decline", by, now, why)
        return view_of(await _without(tx, booking, declined))


def reason_for_guest(why: str) -> str:
    """A host's reason as its guest is told it, without contacts; `Invalid` for one that says nothing."""
    told = without_contacts(why).strip()
    if not told:
        raise Invalid.field("reason", "required", "say why: the guest is told")
    return told


async def withdraw_change(deps: Deps, caller: Caller, booking_id: UUID) -> BookingView:
    """The guest does not want it any more. A payment for it that is under way goes back."""
    now = deps.clock.now()
    async with deps.db.transaction() as tx:
        booking = await store.bookings.get(tx, booking_id)
        withdrawn = change_moved(booking, "withdraw", await party(tx, caller, booking), now)
        return view_of(await _without(tx, booking, withdrawn))


async def end_change_in_time(deps: Deps, event: ChangeEnded) -> None:
    """The time of a change is over, unless it was extended or something came of it."""
    async with deps.db.transaction() as tx:
        if not await tx.first_time(event, "booking.end_change"):
            return
        booking, now = await store.bookings.get(tx, event.booking_id), deps.clock.now()
        ended = change_timed_out(booking, now)
        if ended is not None:
            await _without(tx, booking, ended)
        else:
            await remind_again(tx, booking, now)


async def end_change(tx: Tx, booking: Booking, at: datetime, why: str) -> Booking:
    """The booking without its open change, if it has one: for whoever writes the booking next."""
    if not is_open(booking):
        return booking
    ended = change_moved(booking, "expire", SYSTEM, at, why)
    await _give_back(tx, booking, ended)
    return ended


async def change_paid(deps: Deps, tx: Tx, booking: Booking, change_id: UUID, payment_id: UUID) -> None:
    """The difference is captured: apply the change, also a late one whose nights are still free.

    What can no longer be had is paid back.
    """
    now, change = deps.clock.now(), booking.change
    ours = change is not None and change.id == change_id
    held = ours and needs_payment(booking)
    if held or (ours and can_be_late(booking, now) and await _taken_again(tx, booking)):
        await _apply(tx, booking, booking, now)
    elif change is None or not ours or change.status != "done":
        await tell(tx, BookingUnpayable, booking, payment_id=payment_id)


async def _terms(deps: Deps, guest: Caller, booking: Booking, wish: Wish) -> tuple[Wish, Terms]:
    """What the home asks for it now. The booking's coupon is left out where its minimum is not reached."""
    try:
        try:
            quote = await deps.listing.quote(guest, booking.listing_id, wish)
        except CouponRefused:
            wish = replace(wish, coupon=None)
            quote = await deps.listing.quote(guest, booking.listing_id, wish)
        return wish, await deps.listing.terms(booking.listing_id, wish, quote.id, guest.id)
    except NotFound as gone:
        raise HomeClosed from gone


async def _go_on(tx: Tx, before: Booking, open_now: Booking, at: datetime) -> Booking:
    """Apply a change for which nothing is awaited; else say what is."""
    if is_agreed(open_now):
        return await _apply(tx, before, open_now, at)
    after = await store.bookings.change(tx, before, open_now)
    await remind(tx, after)
    change = after.change
    assert change is not None  # it is open
    await tell(
        tx,
        BookingChangePending,
        after,
        change_id=change.id,
        status=change.status,
        stay=change.stay,
        total=change.total,
        difference=change.difference,
        until=change.until,
        guests=change.guests,
        consented=after.history[-1].status == "change_accepted",
    )
    return after


async def _apply(tx: Tx, stored: Booking, agreed: Booking, at: datetime) -> Booking:
    after = await store.bookings.change(tx, stored, changed(agreed, SYSTEM, at))
    await store.nights.release_some(tx, after.id, nights_left(agreed, after))
    await remind(tx, after)
    change = after.change
    assert change is not None  # it was applied
    before = {"before_total": stored.total, "before": stored.split}
    await tell(tx, BookingChanged, after, change_id=change.id, **before)
    await decline_rivals(tx, after, BOOKED_MEANWHILE, at)
    return after


async def _without(tx: Tx, before: Booking, ended: Booking) -> Booking:
    after = await store.bookings.change(tx, before, ended)
    await _give_back(tx, before, after)
    await remind(tx, after)
    return after


async def _give_back(tx: Tx, before: Booking, ended: Booking) -> None:
    await store.nights.release_some(tx, ended.id, nights_added(before))
    change = ended.change
    assert change is not None  # it was ended
    why = ended.history[-1].why or ""
    await tell(tx, BookingChangeEnded, ended, change_id=change.id, status=change.status, why=why)


async def _make_room(deps: Deps, tx: Tx, booking: Booking, change: Change, let_go: LetGo) -> None:
    """No guest stands in their own way: what holds nights of the new stay and is not paid makes room."""
    if nights_added(booking):
        margin, why = timedelta(days=change.preparation_nights), "replaced by a change of another booking"
        wider = Stay(change.check_in - margin, change.check_out + margin)
        await replace_holds(deps, tx, booking.guest_id, booking.listing_id, why, let_go, within=wider)


async def _take(tx: Tx, booking: Booking) -> None:
    await store.nights.take_nights(tx, booking.listing_id, booking.id, "booking", nights_added(booking))


async def _taken_again(tx: Tx, booking: Booking) -> bool:
    """Has the booking the nights of a change that expired, if they can still be had?"""
    if not (wanted := nights_added(booking)):
        return True
    change = booking.change
    assert change is not None  # its payment came
    owners = await store.nights.owners(tx, booking.listing_id, change.stay)
    if any(night in owners for night in wanted):
        return False
    await _take(tx, booking)
    if await is_prepared(tx, booking, change):
        return True
    await store.nights.release_some(tx, booking.id, wanted)
    return False
