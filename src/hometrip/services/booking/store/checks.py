"""Whether what is kept agrees with itself."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, func, select

from hometrip.kernel.clock import MINUTE
from hometrip.ports.database import Reader
from hometrip.services.booking.rules import LIVE, TAKEN, is_open, nights_added
from hometrip.services.booking.store.bookings import booking_of
from hometrip.services.booking.store.tables import bookings, nights


async def contradictions(db: Reader, at: datetime) -> list[str]:
    """Bookings whose nights, hold or payment are not what their state and their open change say."""
    held = and_(nights.c.owner_id == bookings.c.id, nights.c.kind == "booking")
    statement = (
        select(bookings, func.count(nights.c.night).label("held"))
        .outerjoin(nights, held)
        .group_by(bookings.c.id)
    )
    found = []
    for row in await db.rows(statement):
        booking = booking_of(row, [])
        holds = booking.status in (*LIVE, "completed") and not booking.beside_requests
        wanted = booking.stay.nights if holds else 0
        wanted += len(nights_added(booking)) if is_open(booking) else 0
        if row.held != wanted:
            found.append(f"booking {row.id} is {row.status} and has {row.held} nights, not {wanted}")
        if row.status == "pending" and row.hold_until < at - MINUTE:
            found.append(f"booking {row.id} is held since {row.hold_until}, past its time")
        if row.confirmed_at is not None and row.payment_status not in TAKEN:
            found.append(f"booking {row.id} was confirmed with its payment {row.payment_status}")
    return found
