"""What booking answers to other services."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.errors import NotFound
from hometrip.kernel.stay import ONE_NIGHT, Stay
from hometrip.ports.database import Reader
from hometrip.ports.outbox import Contended
from hometrip.services.booking import store
from hometrip.services.booking.actions.deps import Deps
from hometrip.services.booking.contract import (
    Agreed,
    BlockEdit,
    CouponTerms,
    DatesTaken,
    NightsTaken,
    Payable,
)
from hometrip.services.booking.rules import (
    HOST,
    Booking,
    CouponUses,
    admit,
    kept_coupon,
    needs_payment,
    ranges,
    split_of_difference,
)

# So many nights of blocks are taken or given back at once: for some milliseconds nobody else can book.
NIGHTS_AT_ONCE = 1_000


async def payable(deps: Deps, booking_id: UUID) -> Payable:
    async with deps.db.read() as db:
        booking = await store.bookings.get(db, booking_id)
    asked = Payable(
        booking_id=booking.id,
        guest_id=booking.guest_id,
        host_id=booking.host_id,
        status=booking.status,
        total=booking.total,
        split=booking.split,
        capture="manual" if booking.awaiting == HOST else "automatic",
        check_in_at=booking.check_in_at,
        hold_until=booking.hold_until,
        due_now=booking.due_now,
        balance_due_at=booking.balance_due_at,
        lines=booking.lines,
    )
    change = booking.change
    if change is None or not needs_payment(booking):
        return asked
    split = split_of_difference(booking)
    return replace(
        asked, split=split, hold_until=change.until, due_now=change.difference, change_id=change.id, lines=[]
    )


async def coupon(
    deps: Deps, code: str, home: UUID, guest: UUID | None, changing: UUID | None = None
) -> CouponTerms:
    async with deps.db.read() as db:
        found = await store.coupons.find(db, code)
        changed = await _own_confirmed(db, changing, home, guest) if changing and guest else None
        if changed is not None:
            return kept_coupon(changed, code, found)
        uses = CouponUses(total=0, by_account=0)
        if found is not None:
            uses = await store.coupons.uses(db, code, guest, home, changing)
    return admit(found, home, uses, deps.clock.now())


async def has_confirmed(deps: Deps, listing_id: UUID, guest_id: UUID) -> bool:
    async with deps.db.look() as db:
        return await store.bookings.was_confirmed(db, listing_id, guest_id)


async def agreed(deps: Deps, booking_id: UUID, home: UUID, guest: UUID) -> Agreed | None:
    async with deps.db.read() as db:
        booking = await _own_confirmed(db, booking_id, home, guest)
    if booking is None:
        return None
    return Agreed(stay=booking.stay, policy=booking.cancellation_policy, coupon=booking.coupon)


async def _own_confirmed(db: Reader, booking_id: UUID, home: UUID, guest: UUID) -> Booking | None:
    with suppress(NotFound):
        booking = await store.bookings.get(db, booking_id)
        if (booking.guest_id, booking.listing_id, booking.status) == (guest, home, "confirmed"):
            return booking
    return None


async def has_open(deps: Deps, listing_id: UUID) -> bool:
    async with deps.db.read() as db:
        return await store.bookings.is_ahead(db, listing_id, deps.clock.now())


async def taken(
    deps: Deps, home: UUID, besides: UUID | None = None, changing: UUID | None = None
) -> list[Stay]:
    async with deps.db.read() as db:
        return await store.nights.taken(db, home, besides=besides, changing=changing)


async def taken_but_for_requests(deps: Deps, home: UUID, guest: UUID | None) -> list[Stay]:
    async with deps.db.read() as db:
        return await store.nights.taken_but_for_requests(db, home, guest)


async def co_hosts(deps: Deps, listing_ids: list[UUID]) -> dict[UUID, list[UUID]]:
    async with deps.db.look() as db:
        return await store.co_hosts.of_homes(db, listing_ids)


async def forget_co_host(deps: Deps, co_host_id: UUID) -> None:
    async with deps.db.transaction() as tx:
        await store.co_hosts.remove(tx, co_host_id)


async def block(deps: Deps, listing_id: UUID, block_id: UUID, stay: Stay) -> None:
    try:
        async with deps.db.transaction() as tx:
            if set(stay.each_night()) != await store.nights.of_owner(tx, block_id):
                await store.nights.release(tx, block_id)
                await store.nights.take_nights(tx, listing_id, block_id, "block", stay.each_night())
    except DatesTaken as refusal:
        async with deps.db.read() as db:
            others = await store.nights.why_taken(db, listing_id, block_id, stay)
        if not others:
            raise  # they were given back at this moment
        taken = [NightsTaken(listing_id=listing_id, nights=list(others))]
        raise DatesTaken(rule=next(iter(others.values())), free_instead=[], taken=taken) from refusal


async def unblock(deps: Deps, block_id: UUID) -> None:
    async with deps.db.transaction() as tx:
        await store.nights.release_block(tx, block_id)


async def edit_blocks(deps: Deps, edits: list[BlockEdit]) -> None:
    """Lot by lot, so that bookings are made between them. Where a guest was faster with some of the nights,
    none of the others are kept."""
    edits = sorted(edits, key=lambda one: one.listing_id)  # of two at once, one waits for the other
    try:
        async with deps.db.read() as db:
            _must_be_free({edit.listing_id: await store.nights.in_the_way_of(db, edit) for edit in edits})
        for lot in _lots(edits):
            async with deps.db.transaction() as tx:
                _must_be_free({edit.listing_id: await store.nights.edit_blocks(tx, edit) for edit in lot})
            await asyncio.sleep(0)
    except DatesTaken:
        for lot in _lots(edits):
            async with deps.db.transaction() as tx:
                for edit in lot:
                    await store.nights.release_blocks(tx, edit.listing_id, edit.take)
        raise


def _must_be_free(others: dict[UUID, list[date]]) -> None:
    if taken := [NightsTaken(listing_id=home, nights=nights) for home, nights in others.items() if nights]:
        raise DatesTaken(free_instead=[], taken=taken)


def _lots(edits: list[BlockEdit]) -> Iterator[list[BlockEdit]]:
    """A few homes each; all of them at once where some give nights back for others: what a guest has had of
    them since could not be given back."""
    if any(edit.release and edit.take for edit in edits):
        yield edits
        return
    lot, nights = list[BlockEdit](), 0
    for edit in edits:
        lot.append(edit)
        nights += len(edit.release) + sum(stay.nights for stay in edit.take.values())
        if nights >= NIGHTS_AT_ONCE:
            yield lot
            lot, nights = [], 0
    if lot:
        yield lot


async def replace_blocks(deps: Deps, listing_id: UUID, source_id: UUID, stays: list[Stay]) -> list[Stay]:
    wanted = {night for stay in stays for night in stay.each_night()}
    try:
        others = await _replace(deps, listing_id, source_id, wanted)
    except DatesTaken as race:
        raise Contended("Nights of this home were booked at this moment; ask again.") from race
    return ranges([(others[night], night) for night in sorted(wanted & others.keys())])


async def _replace(deps: Deps, listing_id: UUID, source_id: UUID, wanted: set[date]) -> dict[date, UUID]:
    """Who else has which nights around those that are wanted, and keeps them."""
    async with deps.db.transaction() as tx:
        mine = await store.nights.of_owner(tx, source_id)
        others: dict[date, UUID] = {}
        if wanted:
            span = Stay(min(wanted), max(wanted) + ONE_NIGHT)
            owners = await store.nights.owners(tx, listing_id, span)
            others = {night: owner for night, owner in owners.items() if owner != source_id}
        if dropped := sorted(mine - wanted):
            await store.nights.release_some(tx, source_id, dropped)
        added = sorted(wanted - mine - others.keys())
        await store.nights.take_nights(tx, listing_id, source_id, "import", added)
    return others
