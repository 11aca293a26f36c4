"""The nights of every home: whose they are. Their key refuses an overlap; this module names the refusal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from hometrip.kernel.stay import Stay
from hometrip.ports.database import Reader, Tx
from hometrip.services.booking.contract import DatesTaken
from hometrip.services.booking.rules import ranges
from hometrip.services.booking.store.tables import bookings, nights


async def take_nights(tx: Tx, listing_id: UUID, owner_id: UUID, kind: str, wanted: Iterable[date]) -> None:
    """`DatesTaken` where one of them is somebody's already; then the transaction cannot go on."""
    rows = [
        {"listing_id": listing_id, "night": night, "owner_id": owner_id, "kind": kind} for night in wanted
    ]
    try:
        await tx.execute(insert(nights), rows)
    except IntegrityError as refusal:
        raise DatesTaken(free_instead=[]) from refusal


async def release(tx: Tx, owner_id: UUID) -> None:
    """All nights of a booking or a block are free again."""
    await tx.execute(delete(nights).where(nights.c.owner_id == owner_id))


async def release_block(tx: Tx, block_id: UUID) -> None:
    """Never a booking's nights, whatever id is given."""
    await tx.execute(delete(nights).where(nights.c.owner_id == block_id, nights.c.kind != "booking"))


async def release_some(tx: Tx, owner_id: UUID, given_back: list[date]) -> None:
    statement = delete(nights).where(nights.c.owner_id == owner_id, nights.c.night.in_(given_back))
    await tx.execute(statement)


async def keep_blocked(tx: Tx, booking_id: UUID) -> None:
    """The nights of a booking that its host cancelled stay the host's to open again."""
    await tx.execute(update(nights).where(nights.c.owner_id == booking_id).values(kind="block"))


async def any_taken(db: Reader, listing_id: UUID, stay: Stay) -> bool:
    return await db.value(_within(select(nights.c.night), listing_id, stay).limit(1)) is not None


async def taken_by_others(db: Reader, listing_id: UUID, stay: Stay, guest_id: UUID) -> bool:
    """Is a night of the stay taken by anything but a booking of this guest?"""
    owner = bookings.alias("owner")
    statement = select(nights.c.night).outerjoin(
        owner, and_(owner.c.id == nights.c.owner_id, owner.c.guest_id == guest_id)
    )
    statement = _within(statement, listing_id, stay).where(owner.c.id.is_(None))
    return await db.value(statement.limit(1)) is not None


async def taken(db: Reader, listing_id: UUID, within: Stay | None = None) -> list[Stay]:
    """Every taken range of the home, in order; neighbours of different owners are told apart."""
    statement = select(nights.c.owner_id, nights.c.night).where(nights.c.listing_id == listing_id)
    if within is not None:
        statement = _within(statement, listing_id, within)
    rows = await db.rows(statement.order_by(nights.c.night))
    return ranges([(row.owner_id, row.night) for row in rows])


async def of_owner(db: Reader, owner_id: UUID) -> set[date]:
    return {row.night for row in await db.rows(select(nights.c.night).where(nights.c.owner_id == owner_id))}


async def owners(db: Reader, listing_id: UUID, span: Stay) -> dict[date, UUID]:
    """Who has which night of the span."""
    statement = _within(select(nights.c.night, nights.c.owner_id), listing_id, span)
    return {row.night: row.owner_id for row in await db.rows(statement)}


def _within(statement: Select[Any], listing_id: UUID, stay: Stay) -> Select[Any]:
    return statement.where(
        nights.c.listing_id == listing_id,
        nights.c.night >= stay.check_in,
        nights.c.night < stay.check_out,
    )
