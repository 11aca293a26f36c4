"""To look: bookings one by one and in lists, free nights, prices, and the invariants."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Forbidden
from hometrip.kernel.page import Page
from hometrip.kernel.stay import Stay, stay_of
from hometrip.kernel.wire import Answer
from hometrip.ports.database import Reader
from hometrip.services.booking import rules, store
from hometrip.services.booking.actions.deps import Deps
from hometrip.services.booking.actions.parties import party
from hometrip.services.booking.contract import BookingFacts, DatesTaken
from hometrip.services.booking.rules import Actor, Booking, BookingView, Receipt, view_of, views_of
from hometrip.services.booking.store.lists import Hosted
from hometrip.services.listing.contract import StayRefused, Wish


class Availability(Answer):
    """Can the stay be had? If not, `rule` and its `value` say why, as a quote's refusal does; `taken` whether
    nights are gone, `requested` that only requests have them, beside which one can ask. `free_instead` lists
    the nearest stays of that length that can be had, or one of another length, `nearest` is one that the rule
    allows, perhaps of another length."""

    listing_id: UUID
    check_in: date
    check_out: date
    available: bool
    taken: bool
    requested: bool | None = None
    rule: str | None = None
    value: int | list[int] | bool | None = None
    nearest: Stay | None = None
    free_instead: list[Stay] | None = None


class Shown(Answer):
    """Which bookings a list shows; those `hosted_by` an account are of its homes and of those it co-hosts."""

    when: str | None = None
    status: str | None = None
    listing_id: UUID | None = None
    guest_id: UUID | None = None
    host_id: UUID | None = None
    hosted_by: UUID | None = None
    limit: int = 20
    cursor: str | None = None


async def booking(deps: Deps, caller: Caller, booking_id: UUID) -> BookingView:
    found, _ = await _seen(deps, caller, booking_id)
    return view_of(found)


async def _seen(deps: Deps, caller: Caller, booking_id: UUID) -> tuple[Booking, Actor]:
    """The booking, and in which role the caller meets it."""
    async with deps.db.read() as db:
        found = await store.bookings.get(db, booking_id)
        return found, await party(db, caller, found)


async def paid_booking(deps: Deps, caller: Caller, booking_id: UUID) -> BookingView:
    """How it stands, for the guest who pays it (and staff)."""
    found, by = await _seen(deps, caller, booking_id)
    if by.role == "host":
        raise Forbidden
    return view_of(found)


async def receipt(deps: Deps, caller: Caller, booking_id: UUID) -> Receipt:
    """`WrongState` for a booking that was never paid. With which card it was is not for the host."""
    return (await _receipt(deps, caller, booking_id))[0]


async def _receipt(deps: Deps, caller: Caller, booking_id: UUID) -> tuple[Receipt, bool]:
    """The receipt, and whether it tells the cards."""
    found, by = await _seen(deps, caller, booking_id)
    with_cards = by.role != "host"
    taken = await deps.payment.taken(found.id, found.total.currency)
    return rules.receipt(found, taken, deps.clock.now(), with_cards=with_cards), with_cards


async def receipt_pdf(deps: Deps, caller: Caller, booking_id: UUID) -> bytes:
    """The same on paper."""
    _, with_cards = await _receipt(deps, caller, booking_id)
    return await deps.payment.receipt_pdf(booking_id, with_cards)


async def calendar(deps: Deps, caller: Caller, booking_id: UUID) -> str:
    """For the guest (and staff), as iCalendar; with the address once the booking is confirmed."""
    found, by = await _seen(deps, caller, booking_id)
    if by.role == "host":
        raise Forbidden
    homes = await deps.listing.homes([found.listing_id]) if found.confirmed_at else []
    return rules.calendar(found, next((home.address for home in homes), None), deps.clock.now())


async def bookings(deps: Deps, shown: Shown) -> Page[BookingView]:
    only = {name: getattr(shown, name) for name in ("status", "listing_id", "guest_id", "host_id")}
    async with deps.db.read() as db:
        hosted = await _hosted(db, shown.hosted_by) if shown.hosted_by else None
        found = await store.lists.page(
            db, only, shown.when, deps.clock.now(), shown.limit, shown.cursor, hosted
        )
    return views_of(found)


async def _hosted(db: Reader, account_id: UUID) -> Hosted:
    return Hosted(account_id, await store.co_hosts.homes_of(db, account_id))


async def availability(deps: Deps, listing_id: UUID, check_in: date, check_out: date) -> Availability:
    """`NotFound` for a home that is not published."""
    stay, wish = stay_of(check_in, check_out), Wish(check_in=check_in, check_out=check_out, guests=1)
    async with deps.db.read() as db:
        gone = await store.nights.any_taken(db, listing_id, stay)
        taken = await store.nights.taken(db, listing_id) if gone else []
        booked = await store.nights.taken_but_for_requests(db, listing_id, None) if gone else []
    refusal = await _refusal(deps, listing_id, wish)
    beside = refusal and await _refusal(deps, listing_id, replace(wish, beside_requests=True))
    if refusal is None and gone:
        refusal = DatesTaken(rule="booked")  # a moment ago: the listing service has not heard of it yet
    why = {} if refusal is None else refusal.facts
    return Availability(
        listing_id=listing_id,
        check_in=check_in,
        check_out=check_out,
        available=refusal is None,
        taken=gone or isinstance(refusal, DatesTaken),
        requested=True if refusal and not beside and not any(map(stay.overlaps, booked)) else None,
        rule=why.get("rule"),
        value=why.get("value"),
        nearest=why.get("nearest"),
        free_instead=await deps.listing.free_instead(listing_id, wish, taken) if refusal else None,
    )


async def _refusal(deps: Deps, listing_id: UUID, wish: Wish) -> DatesTaken | StayRefused | None:
    """What a quote would say against the stay."""
    try:
        await deps.listing.quote(Caller(), listing_id, wish)
    except (DatesTaken, StayRefused) as refusal:
        return refusal
    return None


async def verify(deps: Deps) -> list[str]:
    """What contradicts that no night has two live bookings, each live booking has its nights and only those,
    and a confirmed one has its payment; nothing where all is well."""
    async with deps.db.read() as db:
        return await store.checks.contradictions(db, deps.clock.now())


async def ever_confirmed(deps: Deps) -> list[BookingFacts]:
    """What others must know of by now."""
    async with deps.db.read() as db:
        return await store.checks.ever_confirmed(db)
