"""One look at the nights of a stay before any work is done for it: for a guest, and for many of a crowd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, bindparam, exists, select

from hometrip.kernel.stay import Stay
from hometrip.ports.database import Database, Given, Prepared, Reader
from hometrip.services.booking.store.nights import TAKEN_BY, within_stay
from hometrip.services.booking.store.tables import bookings, nights

# So many of a crowd are looked for at once.
TOGETHER = 64


class Glance(NamedTuple):
    """What a look tells.

    `known`: this guest has made a booking with this Idempotency-Key, perhaps long ago. `gone`: by what the
    first night is taken that is not by a booking of this guest (booked, blocked or imported).
    """

    known: bool
    gone: str | None


_owner = bookings.alias("owner")
_glance = Prepared(
    select(
        exists(
            select(bookings.c.id).where(
                bookings.c.once_key == bindparam("once_key"), bookings.c.guest_id == bindparam("guest")
            )
        ),
        select(nights.c.kind)
        .outerjoin(_owner, and_(_owner.c.id == nights.c.owner_id, _owner.c.guest_id == bindparam("guest")))
        .where(nights.c.listing_id == bindparam("listing"), within_stay, _owner.c.id.is_(None))
        .order_by(nights.c.night)
        .limit(1)
        .scalar_subquery(),
    )
)
_KEYS = [f"key_{number}" for number in range(TOGETHER)]
_known = Prepared(
    select(bookings.c.guest_id, bookings.c.once_key).where(bookings.c.once_key.in_(map(bindparam, _KEYS)))
)
_owners = Prepared(
    select(nights.c.kind, _owner.c.guest_id)
    .outerjoin(_owner, _owner.c.id == nights.c.owner_id)
    .where(nights.c.listing_id == bindparam("listing"), within_stay)
    .order_by(nights.c.night)
)


async def of_one(db: Reader, listing_id: UUID, stay: Stay, guest_id: UUID, once_key: str) -> Glance:
    row = await db.row(_glance_at(listing_id, stay, guest_id, once_key))
    assert row is not None
    return _glance_of(row)


async def of_many(
    db: Reader, listing_id: UUID, stay: Stay, asked: Sequence[tuple[UUID, str]]
) -> list[Glance]:
    """As `of_one`, for several guests with their keys, `TOGETHER` at most."""
    keys = [once_key for _, once_key in asked if once_key]
    known: set[tuple[UUID, str]] = set()
    if keys:
        padded = dict(zip(_KEYS, keys + keys[:1] * (TOGETHER - len(keys)), strict=True))
        known = {(row.guest_id, row.once_key) for row in await db.rows(_known.with_values(**padded))}
    within = {"listing": listing_id, "first": stay.check_in, "end": stay.check_out}
    owners = await db.rows(_owners.with_values(**within))
    return [
        Glance(
            known=(guest_id, once_key) in known,
            gone=next((TAKEN_BY[row.kind] for row in owners if row.guest_id != guest_id), None),
        )
        for guest_id, once_key in asked
    ]


def at_hand(db: Database, listing_id: UUID, stay: Stay, guest_id: UUID, once_key: str) -> Glance | None:
    """As `of_one`, where it need not be waited for."""
    row = db.row_at_hand(_glance_at(listing_id, stay, guest_id, once_key))
    return None if row is None else _glance_of(row)


def _glance_at(listing_id: UUID, stay: Stay, guest_id: UUID, once_key: str) -> Given:
    return _glance.with_values(
        once_key=once_key or None,
        guest=guest_id,
        listing=listing_id,
        first=stay.check_in,
        end=stay.check_out,
    )


def _glance_of(row: Any) -> Glance:
    return Glance(known=bool(row[0]), gone=None if row[1] is None else TAKEN_BY[row[1]])
