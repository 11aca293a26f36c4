"""The routes of bookings: request records and handlers of a few lines."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta

from hometrip.kernel.access import PUBLIC, STAFF, USER, Caller
from hometrip.kernel.once import Once
from hometrip.kernel.page import DEFAULT_LIMIT, MOST, Page
from hometrip.kernel.wire import Request
from hometrip.services.booking import actions
from hometrip.services.booking.actions import Availability, Deps, Shown
from hometrip.services.booking.rules import (
    BookingView,
    BookingWish,
    Cancellation,
)
from hometrip.services.listing.contract import Quote, Wish

PageLimit = Annotated[int, QueryParameter(ge=1, le=MOST)]

When = Literal["upcoming", "current", "past", "cancelled"]
Status = Literal["pending", "confirmed", "checked_in", "completed", "declined", "expired", "cancelled"]
Fault = Literal["host", "guest", "platform"]
Guests = Annotated[int, Meta(ge=1, le=50)]
Pets = Annotated[int, Meta(ge=0, le=20)]
Word = Annotated[str, Meta(min_length=1, max_length=40)]


class PriceWish(Request):
    """Which stay is to be priced."""

    listing_id: UUID
    check_in: date
    check_out: date
    guests: Guests
    pets: Pets = 0
    coupon: Word | None = None
    currency: Word | None = None
    exempt_guests: Annotated[int, Meta(ge=0, le=50)] = 0
    changing: UUID | None = None
    beside_requests: bool = False


class Refusal(Request):
    """Why the host declines."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class Farewell(Request):
    """Why it is cancelled; may be left out. `fault` only by staff: where it is not the host's, the host is
    not charged."""

    reason: Annotated[str, Meta(max_length=500)] = ""
    fault: Fault | None = None


NOTHING_SAID = Farewell()


@post(
    "/bookings/calculate-price",
    access=PUBLIC,
    status_code=200,
    tells={"quote_id": "/id"},
    anywhere=True,
    summary="What a stay would cost",
)
async def calculate_price(
    data: JSONBody[PriceWish], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Quote:
    wish = Wish(
        check_in=data.check_in,
        check_out=data.check_out,
        guests=data.guests,
        pets=data.pets,
        coupon=data.coupon,
        currency=data.currency,
        exempt_guests=data.exempt_guests,
        changing=data.changing,
        beside_requests=data.beside_requests,
    )
    return await deps.listing.quote(caller, data.listing_id, wish)


@get("/bookings/availability", access=PUBLIC, summary="Can this stay be had?")
async def availability(
    deps: NamedDependency[Deps],
    listing_id: FromQuery[UUID],
    check_in: FromQuery[date],
    check_out: FromQuery[date],
) -> Availability:
    return await actions.availability(deps, listing_id, check_in, check_out)


@post(
    "/bookings",
    access=USER,
    idempotent=True,
    at_hand=actions.refusal_at_hand,
    anywhere=True,
    summary="Book a stay",
)
async def create_booking(
    data: JSONBody[BookingWish],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> BookingView:
    return await actions.book(deps, caller, data, once)


@get("/bookings", access=STAFF, summary="All bookings, filtered")
async def all_bookings(
    deps: NamedDependency[Deps],
    when: FromQuery[When | None] = None,
    status: FromQuery[Status | None] = None,
    listing_id: FromQuery[UUID | None] = None,
    guest_id: FromQuery[UUID | None] = None,
    host_id: FromQuery[UUID | None] = None,
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[BookingView]:
    shown = Shown(
        when=when,
        status=status,
        listing_id=listing_id,
        guest_id=guest_id,
        host_id=host_id,
        limit=limit,
        cursor=cursor,
    )
    return await actions.bookings(deps, shown)


@get("/bookings/user", access=USER, summary="My trips")
async def my_trips(
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    when: FromQuery[When | None] = None,
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[BookingView]:
    return await actions.bookings(deps, Shown(when=when, guest_id=caller.id, limit=limit, cursor=cursor))


@get("/bookings/host", access=USER, summary="Bookings of my homes, and of those that I co-host")
async def my_guests(
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    when: FromQuery[When | None] = None,
    listing_id: FromQuery[UUID | None] = None,
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[BookingView]:
    shown = Shown(when=when, hosted_by=caller.id, listing_id=listing_id, limit=limit, cursor=cursor)
    return await actions.bookings(deps, shown)


@get("/bookings/{booking_id:uuid}", access=USER, anywhere=True, summary="A booking")
async def booking(
    booking_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> BookingView:
    return await actions.booking(deps, caller, booking_id)


@post("/bookings/{booking_id:uuid}/accept", access=USER, status_code=200, summary="Say yes to a request")
async def accept(
    booking_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> BookingView:
    return await actions.accept(deps, caller, booking_id)


@post("/bookings/{booking_id:uuid}/decline", access=USER, status_code=200, summary="Say no to a request")
async def decline(
    booking_id: FromPath[UUID],
    data: JSONBody[Refusal],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> BookingView:
    return await actions.decline(deps, caller, booking_id, data.reason)


@post(
    "/bookings/{booking_id:uuid}/confirm-payment",
    access=USER,
    status_code=200,
    summary="How a booking stands after its payment was confirmed",
)
async def confirm_payment(
    booking_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> BookingView:
    """Nothing has to be sent: the payment itself confirms the booking, this answers how it stands."""
    return await actions.paid_booking(deps, caller, booking_id)


@post("/bookings/{booking_id:uuid}/check-in", access=USER, status_code=200, summary="The guest has come")
async def check_in(
    booking_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> BookingView:
    return await actions.check_in(deps, caller, booking_id)


@post("/bookings/{booking_id:uuid}/complete", access=USER, status_code=200, summary="The guest has left")
async def complete(
    booking_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> BookingView:
    return await actions.complete(deps, caller, booking_id)


@get("/bookings/{booking_id:uuid}/cancellation", access=USER, summary="What cancelling now would refund")
async def cancellation(
    booking_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    fault: FromQuery[Fault | None] = None,
) -> Cancellation:
    return await actions.preview_cancellation(deps, caller, booking_id, fault)


@post(
    "/bookings/{booking_id:uuid}/cancel",
    access=USER,
    idempotent=True,
    status_code=200,
    summary="Cancel a booking",
)
async def cancel(
    booking_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
    data: JSONBody[Farewell | None] = None,
) -> BookingView:
    said = data or NOTHING_SAID
    return await actions.cancel(deps, caller, booking_id, said.reason, once, said.fault)


@get(
    "/bookings/{booking_id:uuid}/calendar.ics",
    access=USER,
    summary="The stay for a calendar",
    media_type="text/calendar",
)
async def calendar(
    booking_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> str:
    return await actions.calendar(deps, caller, booking_id)


ROUTES = [
    calculate_price,
    availability,
    create_booking,
    all_bookings,
    my_trips,
    my_guests,
    booking,
    accept,
    decline,
    confirm_payment,
    check_in,
    complete,
    cancellation,
    cancel,
    calendar,
]
