"""Whether what is kept agrees with itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select

from hometrip.kernel.clock import MINUTE
from hometrip.ports.database import Reader
from hometrip.services.booking.contract import BookingFacts
from hometrip.services.booking.rules import LIVE, TAKEN, Booking, facts_of, is_open, nights_added
from hometrip.services.booking.store.bookings import booking_of
from hometrip.services.booking.store.tables import bookings, nights


async def contradictions(db: Reader, at: datetime) -> list[str]:
    """Bookings whose nights, hold or payment are not what their state and their open change say, and nights
    of no booking."""
    has: defaultdict[UUID, set[tuple[UUID, date]]] = defaultdict(set)
    for row in await db.rows(select(nights).where(nights.c.kind == "booking")):
        has[row.owner_id].add((row.listing_id, row.night))
    found: list[str] = []
    for row in await db.rows(select(bookings)):
        booking = booking_of(row, [])
        found += _about_nights(booking, has.pop(booking.id, set()))
        if row.status == "pending" and row.hold_until < at - MINUTE:
            found.append(f"booking {row.id} is held since {row.hold_until}, past its time")
        if row.confirmed_at is not None and row.payment_status not in TAKEN:
            found.append(f"booking {row.id} was confirmed with its payment {row.payment_status}")
    return found + [
        f"{len(left)} nights are of booking {one}, which is not there" for one, left in has.items()
    ]


def _about_nights(booking: Booking, has: set[tuple[UUID, date]]) -> Iterator[str]:
    holds = booking.status in (*LIVE, "completed") and not booking.beside_requests
    nights_of = [*booking.stay.each_night()] if holds else []
    nights_of += nights_added(booking) if is_open(booking) else []
    wanted = {(booking.listing_id, night) for night in nights_of}
    if len(has) != len(wanted):
        yield f"booking {booking.id} is {booking.status} and has {len(has)} nights, not {len(wanted)}"
    elif has != wanted:
        other = ", ".join(f"{night} at {home}" for home, night in sorted(has - wanted)[:5])
        yield f"booking {booking.id} is {booking.status} and has other nights than its own: {other}"


async def ever_confirmed(db: Reader) -> list[BookingFacts]:
    """Every booking that is or was confirmed, as it is now."""
    rows = await db.rows(select(bookings).where(bookings.c.confirmed_at.is_not(None)))
    return [facts_of(booking_of(row, [])) for row in rows]
