"""Requests that await the host's answer: one can be accepted instead of others for its nights."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, select

from hometrip.kernel.errors import NotFound
from hometrip.kernel.stay import Stay
from hometrip.ports.database import Prepared, Tx
from hometrip.services.booking.rules import Booking
from hometrip.services.booking.store.bookings import with_history
from hometrip.services.booking.store.tables import bookings, requests_at

_overlapping = Prepared(
    select(bookings)
    .where(
        bookings.c.id.in_(requests_at(bindparam("listing")).where(bookings.c.check_out > bindparam("first"))),
        bookings.c.check_in < bindparam("end"),
    )
    .order_by(bookings.c.id)
    .with_for_update(key_share=True)
)
_home = Prepared(select(bookings.c.listing_id).where(bookings.c.id == bindparam("id")))


async def home_of(tx: Tx, booking_id: UUID) -> UUID:
    """The home that is asked for; `NotFound` where there is no such booking."""
    listing_id: UUID | None = await tx.value(_home.with_values(id=booking_id))
    if listing_id is None:
        raise NotFound
    return listing_id


async def overlapping(tx: Tx, listing_id: UUID, stay: Stay) -> list[Booking]:
    """Nobody else changes them until the transaction ends."""
    bound = {"listing": listing_id, "first": stay.check_in, "end": stay.check_out}
    return await with_history(tx, await tx.rows(_overlapping.with_values(**bound)))
