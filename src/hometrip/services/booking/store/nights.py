"""The nights of every home: whose they are. Their key refuses an overlap; this module names the refusal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, delete, insert, or_, select, update

from hometrip.kernel.stay import Stay
from hometrip.ports.database import Prepared, Reader, Tx
from hometrip.services.booking.contract import BlockEdit, DatesTaken
from hometrip.services.booking.rules import Booking, ranges
from hometrip.services.booking.store.tables import bookings, could_have_of, nights, requests_at

# What a refusal calls each kind of owner.
TAKEN_BY = {"booking": "booked", "block": "blocked", "import": "imported"}

_insert = Prepared(insert(nights), final=True, refused=lambda: DatesTaken(free_instead=[]))
_release = Prepared(delete(nights).where(nights.c.owner_id == bindparam("owner")))


async def take_nights(tx: Tx, listing_id: UUID, owner_id: UUID, kind: str, wanted: Iterable[date]) -> None:
    """`DatesTaken` where one of them is somebody's already: then the transaction cannot go on, and at its end
    is told so at the latest.
    """
    await _take(tx, listing_id, kind, ((owner_id, night) for night in wanted))


async def take_stay(tx: Tx, booking: Booking) -> None:
    """As `take_nights`, for all nights of a booking's stay."""
    await take_nights(tx, booking.listing_id, booking.id, "booking", booking.stay.each_night())


async def _take(tx: Tx, listing_id: UUID, kind: str, wanted: Iterable[tuple[UUID, date]]) -> None:
    rows = [
        {"listing_id": listing_id, "night": night, "owner_id": owner_id, "kind": kind}
        for owner_id, night in wanted
    ]
    await tx.execute(_insert, rows)


async def release(tx: Tx, owner_id: UUID) -> None:
    """All nights of a booking or a block are free again."""
    await tx.execute(_release.with_values(owner=owner_id))


async def release_block(tx: Tx, block_id: UUID) -> None:
    """Never a booking's nights, whatever id is given."""
    await tx.execute(delete(nights).where(nights.c.owner_id == block_id, nights.c.kind != "booking"))


async def release_blocks(tx: Tx, listing_id: UUID, block_ids: Iterable[UUID]) -> None:
    """As `release_block`, for many blocks of a home at once."""
    of_home = and_(nights.c.listing_id == listing_id, nights.c.kind != "booking")
    for ids in _lots(block_ids, 500):
        await tx.execute(delete(nights).where(of_home, nights.c.owner_id.in_(ids)))


async def edit_blocks(tx: Tx, edit: BlockEdit) -> list[date]:
    """Give back what is to go and take what is to come, as `take_nights`; safe to repeat. The nights that
    others have, in order: where there are any, none are taken."""
    await release_blocks(tx, edit.listing_id, edit.release)
    if not edit.take:
        return []
    there = await owners(tx, edit.listing_id, _around(edit.take))
    wanted = [(block_id, night) for block_id, stay in edit.take.items() for night in stay.each_night()]
    gone = sorted(night for block_id, night in wanted if there.get(night, block_id) not in edit.take)
    if not gone:
        await _take(tx, edit.listing_id, "block", (each for each in wanted if each[1] not in there))
    return gone


async def in_the_way_of(db: Reader, edit: BlockEdit) -> list[date]:
    """The nights that the edit's blocks are to have and that others have, in order."""
    if not edit.take:
        return []
    others = await owners(db, edit.listing_id, _around(edit.take))
    own = {*edit.release, *edit.take}
    taken = {night for night, owner_id in others.items() if owner_id not in own}
    return sorted(taken.intersection(night for stay in edit.take.values() for night in stay.each_night()))


async def release_some(tx: Tx, owner_id: UUID, given_back: list[date]) -> None:
    statement = delete(nights).where(nights.c.owner_id == owner_id, nights.c.night.in_(given_back))
    await tx.execute(statement)


async def keep_blocked(tx: Tx, booking_id: UUID) -> None:
    """The nights of a booking that its host cancelled stay the host's to open again."""
    await tx.execute(update(nights).where(nights.c.owner_id == booking_id).values(kind="block"))


async def any_taken(db: Reader, listing_id: UUID, stay: Stay) -> bool:
    bound = {"listing": listing_id, "first": stay.check_in, "end": stay.check_out}
    return await db.value(_first.with_values(**bound)) is not None


within_stay = and_(nights.c.night >= bindparam("first"), nights.c.night < bindparam("end"))
_of_home = select(nights.c.owner_id, nights.c.night).where(nights.c.listing_id == bindparam("listing"))
_taken = _of_home.order_by(nights.c.night)
_taken_besides = _taken.where(
    nights.c.owner_id.not_in(could_have_of(bindparam("guest"), bindparam("listing"), bindparam("changing")))
)
_all, _all_besides = Prepared(_taken), Prepared(_taken_besides)
_some, _some_besides = Prepared(_taken.where(within_stay)), Prepared(_taken_besides.where(within_stay))
_taken_but_for_requests = Prepared(
    _taken.where(
        nights.c.owner_id.not_in(could_have_of(bindparam("guest"), bindparam("listing"), None)),
        nights.c.owner_id.not_in(
            requests_at(bindparam("listing")).where(bookings.c.guest_id != bindparam("guest"))
        ),
    )
)
_of_others = Prepared(_taken.where(nights.c.owner_id != bindparam("booking")))
_first = Prepared(_of_home.with_only_columns(nights.c.night).where(within_stay).limit(1))


async def taken(
    db: Reader,
    listing_id: UUID,
    within: Stay | None = None,
    besides: UUID | None = None,
    changing: UUID | None = None,
) -> list[Stay]:
    """Every taken range of the home, in order; neighbours of different owners are told apart.

    What does not stand in the way of the guest `besides` is left out: own unpaid holds, and the confirmed
    booking that is `changing`.
    """
    bound: dict[str, Any] = {"listing": listing_id}
    if besides is not None:
        bound |= {"guest": besides, "changing": changing}
    if within is None:
        statement = _all if besides is None else _all_besides
    else:
        statement = _some if besides is None else _some_besides
        bound |= {"first": within.check_in, "end": within.check_out}
    rows = await db.rows(statement.with_values(**bound))
    return ranges([(row.owner_id, row.night) for row in rows])


async def taken_by_others(db: Reader, listing_id: UUID, booking_id: UUID) -> list[Stay]:
    """As `taken`, without the nights of that booking and those that are held for its change."""
    rows = await db.rows(_of_others.with_values(listing=listing_id, booking=booking_id))
    return ranges([(row.owner_id, row.night) for row in rows])


async def taken_but_for_requests(db: Reader, listing_id: UUID, guest_id: UUID | None) -> list[Stay]:
    """As `taken`, without what the guest could have all the same, or could ask for beside others."""
    nobody = UUID(int=0)
    rows = await db.rows(_taken_but_for_requests.with_values(listing=listing_id, guest=guest_id or nobody))
    return ranges([(row.owner_id, row.night) for row in rows])


async def booked_beside(tx: Tx, listing_id: UUID, booking_id: UUID, stay: Stay, nights_free: int) -> bool:
    """Does another booking have one of so many nights before or after the stay? Asked by one at a time."""
    if not nights_free:
        return False
    await tx.lock(f"preparation/{listing_id}")
    margin = timedelta(days=nights_free)
    wider = _within(select(nights.c.night), listing_id, Stay(stay.check_in - margin, stay.check_out + margin))
    others = wider.where(nights.c.kind == "booking", nights.c.owner_id != booking_id)
    return await tx.value(others.limit(1)) is not None


async def in_the_way(db: Reader, listing_id: UUID, stay: Stay, prepared: Stay) -> set[UUID]:
    """Whoever has nights of the stay, and the bookings that have some of it with its preparation."""
    booked = and_(nights.c.kind == "booking", nights.c.night < prepared.check_out)
    within = and_(nights.c.night >= stay.check_in, nights.c.night < stay.check_out)
    statement = select(nights.c.owner_id).where(
        nights.c.listing_id == listing_id, nights.c.night >= prepared.check_in, or_(booked, within)
    )
    return {row.owner_id for row in await db.rows(statement.distinct())}


async def of_owner(db: Reader, owner_id: UUID) -> set[date]:
    return {row.night for row in await db.rows(select(nights.c.night).where(nights.c.owner_id == owner_id))}


async def why_taken(db: Reader, listing_id: UUID, owner_id: UUID, stay: Stay) -> dict[date, str]:
    """Which nights of the stay others have, in order, and by what they are taken."""
    statement = _within(select(nights.c.night, nights.c.kind), listing_id, stay)
    rows = await db.rows(statement.where(nights.c.owner_id != owner_id).order_by(nights.c.night))
    return {row.night: TAKEN_BY[row.kind] for row in rows}


async def owners(db: Reader, listing_id: UUID, span: Stay) -> dict[date, UUID]:
    """Who has which night of the span."""
    bound = {"listing": listing_id, "first": span.check_in, "end": span.check_out}
    return {row.night: row.owner_id for row in await db.rows(_some.with_values(**bound))}


def _lots(ids: Iterable[UUID], size: int) -> Iterator[list[UUID]]:
    """In lots that the parameters of a statement have room for."""
    left = iter(ids)
    while lot := list(islice(left, size)):
        yield lot


def _around(stays: Mapping[UUID, Stay]) -> Stay:
    """From the first of their nights to the last."""
    return Stay(min(stay.check_in for stay in stays.values()), max(stay.check_out for stay in stays.values()))


def _within(statement: Select[Any], listing_id: UUID, stay: Stay) -> Select[Any]:
    return statement.where(
        nights.c.listing_id == listing_id,
        nights.c.night >= stay.check_in,
        nights.c.night < stay.check_out,
    )
