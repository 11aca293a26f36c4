"""The days of a home: what guests see of them, what a host keeps for itself, what bookings take."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec

from hometrip.kernel.access import Caller
from hometrip.kernel.clock import SECOND
from hometrip.kernel.errors import Invalid, NotFound, Unavailable
from hometrip.kernel.events import Event
from hometrip.kernel.stay import Stay, local_date
from hometrip.kernel.wire import Answer, written
from hometrip.ports.documents import Change, DocumentTx, eq
from hometrip.services.booking.contract import BookingEvent, DatesTaken
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps, day_asked, own_home, seen_home
from hometrip.services.listing.actions.feeds_reading import retake
from hometrip.services.listing.actions.ready import days_in_writing, told_before
from hometrip.services.listing.contract import CalendarBlocked, CalendarUnblocked
from hometrip.services.listing.rules import texts
from hometrip.services.listing.rules.calendar import BLOCKED, Span
from hometrip.services.listing.rules.days import Day
from hometrip.services.listing.rules.home import PUBLISHED
from hometrip.services.listing.rules.instant import takes_at_once
from hometrip.services.listing.rules.spans import nights_of, with_booking, with_span, without_span
from hometrip.services.listing.store import LIFTING, PLACED, PLACING, Block

LONGEST_LOOK, LONGEST_BLOCK = 730, 730
# After so long a block that is neither placed nor refused is taken up again.
SETTLE_AFTER = 30 * SECOND


class BlockUnsettled(Event):
    """A timer: a block is still on its way to booking, or on its way back."""

    name = "listing.block_unsettled"
    about = ("listing_block", "block_id")

    block_id: UUID


class Availability(Answer):
    days: list[Day]


class BlockShown(Answer):
    id: UUID
    first: date = msgspec.field(name="from")
    until: date = msgspec.field(name="to")
    reason: str


class Blocks(Answer):
    items: list[BlockShown]


async def availability(
    deps: Deps, caller: Caller, listing_id: UUID, first: date | None, until: date | None
) -> Availability:
    """Night by night from `first` (today at the home) to before `until` (90 days later); 730 at most."""
    home = await store.home(deps.docs, listing_id)
    if home.status != PUBLISHED:
        await seen_home(deps, caller, listing_id)
    now = deps.clock.now()
    span = days_between(first or local_date(now, home.time_zone), until, 90)
    if span.nights > LONGEST_LOOK:
        raise Invalid.field("to", "too_far", f"must be at most {LONGEST_LOOK} days after from")
    days = await store.calendar(deps.docs, listing_id)
    return Availability(days=written(days_in_writing(home, days, span, now), list[Day]))


def days_at_hand(
    deps: Deps, caller: Caller, listing_id: UUID, first: date | None = None, until: date | None = None
) -> Availability | None:
    """The same without waiting, where both days are named and what is told of them was told before."""
    home = deps.docs.at_hand(store.HOMES, listing_id)
    if home is None or home.status != PUBLISHED or first is None or until is None:
        return None
    days = deps.docs.at_hand(store.CALENDARS, listing_id)
    text = told_before(home, days, first, until, deps.clock.now()) if days is not None else None
    return None if text is None else Availability(days=written(text, list[Day]))


def days_between(first: date, until: date | None, days: int) -> Stay:
    """As `stay_asked`, with the field names of a range; without an end it is so many `days`."""
    first = day_asked("from", first)
    until = first + timedelta(days=days) if until is None else day_asked("to", until)
    if until <= first:
        raise Invalid.field("to", "not_after_from", "must be a later day than from")
    return Stay(first, until)


async def block(
    deps: Deps, caller: Caller, listing_id: UUID, first: date, until: date, reason: str
) -> BlockShown:
    """Keep nights from guests; `DatesTaken` over a booking or another block.

    Booking owns the nights. The block is written down first, so that it is settled later, whatever happens
    on the way.
    """
    stay = days_between(first, until, LONGEST_BLOCK)
    if stay.nights > LONGEST_BLOCK:
        raise Invalid.field("to", "too_far", f"must be at most {LONGEST_BLOCK} days after from")
    home = await own_home(deps.docs, caller, listing_id)
    now = deps.clock.now()
    if stay.check_out <= local_date(now, home.time_zone):
        raise Invalid.field("to", "past", "these days are over")
    kept = Block(
        id=deps.new_id(),
        listing_id=listing_id,
        check_in=stay.check_in,
        check_out=stay.check_out,
        reason=texts.one_line(reason)[:500],
        state=PLACING,
        created_at=now,
    )
    async with deps.docs.transaction() as tx:
        await tx.insert(store.BLOCKS, kept)
        await tx.emit_later(BlockUnsettled(block_id=kept.id), now + SETTLE_AFTER)
    await place(deps, kept)
    return block_shown(kept)


async def place(deps: Deps, kept: Block) -> None:
    """Have booking take the nights, then say so; safe to repeat. A refused block is forgotten."""
    stay = Stay(kept.check_in, kept.check_out)
    try:
        await deps.booking.block(kept.listing_id, kept.id, stay)
    except DatesTaken:
        async with deps.docs.transaction() as tx:
            await tx.delete(store.BLOCKS, kept.id)
            await tx.withdraw(_timer(kept.id))
        raise
    async with deps.docs.transaction() as tx:
        await tx.withdraw(_timer(kept.id))
        changed = await tx.change(store.BLOCKS, kept.id, Change(set={"state": PLACED}), eq("state", PLACING))
        if changed is None:
            return
        home, days = await store.home(tx, kept.listing_id), await store.calendar(tx, kept.listing_id)
        span = Span(id=kept.id, kind=BLOCKED, check_in=kept.check_in, check_out=kept.check_out)
        days = await store.keep_calendar(tx, home, with_span(days, span))
        await tx.emit(
            CalendarBlocked(listing_id=home.id, host_id=home.host_id, revision=days.revision, stay=stay)
        )


async def unblock(deps: Deps, caller: Caller, listing_id: UUID, block_id: UUID) -> None:
    await own_home(deps.docs, caller, listing_id)
    kept = await store.block(deps.docs, listing_id, block_id)
    async with deps.docs.transaction() as tx:
        await tx.change(store.BLOCKS, kept.id, Change(set={"state": LIFTING}))
        await tx.emit_later(BlockUnsettled(block_id=kept.id), deps.clock.now() + SETTLE_AFTER)
    await lift(deps, kept)
    with suppress(Unavailable):  # what another site has of them is taken by the next fetch otherwise
        await retake(deps, listing_id)


async def lift(deps: Deps, kept: Block) -> None:
    """Have booking give the nights back, then forget the block; safe to repeat."""
    await deps.booking.unblock(kept.id)
    async with deps.docs.transaction() as tx:
        await tx.withdraw(_timer(kept.id))
        if not await tx.delete(store.BLOCKS, kept.id):
            return
        home, days = await store.home(tx, kept.listing_id), await store.calendar(tx, kept.listing_id)
        days = await store.keep_calendar(tx, home, without_span(days, kept.id))
        stay = Stay(kept.check_in, kept.check_out)
        await tx.emit(
            CalendarUnblocked(listing_id=home.id, host_id=home.host_id, revision=days.revision, stay=stay)
        )


async def settle(deps: Deps, block_id: UUID) -> None:
    """Bring a block to its end that was left half way, by a crash or a peer that did not answer."""
    kept = await deps.docs.get(store.BLOCKS, block_id)
    if kept is None or kept.state == PLACED:
        return
    try:
        await (place if kept.state == PLACING else lift)(deps, kept)
    except DatesTaken:
        return  # the host was told, or will see that it is not there


def _timer(block_id: UUID) -> str:
    return f"{BlockUnsettled.name}:listing_block/{block_id}"


async def blocks(deps: Deps, caller: Caller, listing_id: UUID) -> Blocks:
    await own_home(deps.docs, caller, listing_id)
    return Blocks(items=[block_shown(kept) for kept in await store.blocks_of(deps.docs, listing_id)])


def block_shown(kept: Block) -> BlockShown:
    return BlockShown(id=kept.id, first=kept.check_in, until=kept.check_out, reason=kept.reason)


async def note_booking(tx: DocumentTx, event: BookingEvent, at: datetime) -> None:
    """Enter into the home's days what an event says of a booking; homes that are gone have none."""
    booking = event.booking
    try:
        home = await store.home(tx, booking.listing_id)
    except NotFound:
        return
    days = await store.calendar(tx, home.id)
    changed = with_booking(days, event)
    if changed is None:
        return
    begun = takes_at_once(home, changed) != takes_at_once(home, days)
    if nights_of(changed) == nights_of(days) and not begun:
        await tx.replace(store.CALENDARS, changed)
        return
    await store.keep_calendar(tx, home, changed)
    if any(span.id == booking.booking_id and span.kind == BLOCKED for span in changed.spans):
        # The host, who has them now, may give them back like those of any other block.
        kept = Block(
            id=booking.booking_id,
            listing_id=home.id,
            check_in=booking.check_in,
            check_out=booking.check_out,
            reason="A confirmed booking was cancelled.",
            state=PLACED,
            created_at=at,
        )
        await tx.upsert(store.BLOCKS, kept)
