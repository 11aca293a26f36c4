"""To look: bookings one by one and in lists, free nights, prices, and the invariants."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Forbidden, NotFound
from hometrip.kernel.page import Page
from hometrip.kernel.stay import Stay, stay_of
from hometrip.kernel.wire import Answer
from hometrip.services.booking import rules, store
from hometrip.services.booking.actions.deps import Deps
from hometrip.services.booking.rules import BookingView, Receipt, actor_of, view_of, views_of
from hometrip.services.listing.contract import Wish


class Availability(Answer):
    """Can the stay be had? If not, `taken` says whether nights are gone (else a rule of the home refuses it)
    and `free_instead` lists the nearest stays that can."""

    listing_id: UUID
    check_in: date
    check_out: date
    available: bool
    taken: bool
    free_instead: list[Stay] | None = None


class Shown(Answer):
    """Which bookings a list shows."""

    when: str | None = None
    status: str | None = None
    listing_id: UUID | None = None
    guest_id: UUID | None = None
    host_id: UUID | None = None
    limit: int = 20
    cursor: str | None = None


async def booking(deps: Deps, caller: Caller, booking_id: UUID) -> BookingView:
    async with deps.db.read() as db:
        found = await store.bookings.get(db, booking_id)
    actor_of(caller, found)
    return view_of(found)


async def receipt(deps: Deps, caller: Caller, booking_id: UUID) -> Receipt:
    """`WrongState` for a booking that was never paid."""
    async with deps.db.read() as db:
        found = await store.bookings.get(db, booking_id)
    actor_of(caller, found)
    taken = await deps.payment.taken(found.id, found.total.currency)
    return rules.receipt(found, taken, deps.clock.now())


async def receipt_pdf(deps: Deps, caller: Caller, booking_id: UUID) -> bytes:
    """The receipt on paper; `NotFound` where nothing was paid."""
    async with deps.db.read() as db:
        actor_of(caller, await store.bookings.get(db, booking_id))
    return await deps.payment.receipt_pdf(booking_id)


async def calendar(deps: Deps, caller: Caller, booking_id: UUID) -> str:
    """For the guest (and staff), as iCalendar; with the address once the booking is confirmed."""
    async with deps.db.read() as db:
        found = await store.bookings.get(db, booking_id)
    if actor_of(caller, found).role == "host":
        raise Forbidden
    homes = await deps.listing.homes([found.listing_id]) if found.confirmed_at else []
    return rules.calendar(found, next((home.address for home in homes), None), deps.clock.now())


async def bookings(deps: Deps, shown: Shown) -> Page[BookingView]:
    only = {name: getattr(shown, name) for name in ("status", "listing_id", "guest_id", "host_id")}
    async with deps.db.read() as db:
        found = await store.bookings.page(db, only, shown.when, deps.clock.now(), shown.limit, shown.cursor)
    return views_of(found)


async def availability(deps: Deps, listing_id: UUID, check_in: date, check_out: date) -> Availability:
    """`NotFound` for a home that is not published."""
    stay = stay_of(check_in, check_out)
    if not any(home.status == "published" for home in await deps.listing.homes([listing_id])):
        raise NotFound
    async with deps.db.read() as db:
        gone = await store.nights.any_taken(db, listing_id, stay)
        taken = await store.nights.taken(db, listing_id) if gone else []
    offered = [] if gone else await deps.listing.offers([listing_id], check_in, check_out, 1, 0, None)
    free = None
    if not offered:
        wish = Wish(check_in=check_in, check_out=check_out, guests=1)
        free = await deps.listing.free_instead(listing_id, wish, taken)
    return Availability(
        listing_id=listing_id,
        check_in=check_in,
        check_out=check_out,
        available=bool(offered),
        taken=gone,
        free_instead=free,
    )


async def verify(deps: Deps) -> list[str]:
    """What contradicts that no night has two live bookings, each live booking has its nights, and a
    confirmed one has its payment; nothing where all is well."""
    async with deps.db.read() as db:
        return await store.checks.contradictions(db, deps.clock.now())
