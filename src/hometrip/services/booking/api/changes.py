"""The routes of changes, refunds and disputes: what comes after a booking is confirmed."""

from uuid import UUID

from litestar import post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from hometrip.kernel.access import STAFF, USER, Caller
from hometrip.kernel.once import Once
from hometrip.services.booking import actions
from hometrip.services.booking.actions import Deps
from hometrip.services.booking.api.bookings import Refusal
from hometrip.services.booking.rules import BookingView, ChangeWish, DisputeWish, RefundWish, Resolution


@put("/bookings/{booking_id:uuid}", access=USER, summary="Change dates or guests")
async def change(
    booking_id: FromPath[UUID],
    data: JSONBody[ChangeWish],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    if_match: NamedDependency[int | None],
) -> BookingView:
    return await actions.ask_change(deps, caller, booking_id, data, if_match)


@post(
    "/bookings/{booking_id:uuid}/change/accept", access=USER, status_code=200, summary="Consent to a change"
)
async def accept_change(
    booking_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    if_match: NamedDependency[int | None],
) -> BookingView:
    return await actions.accept_change(deps, caller, booking_id, if_match)


@post(
    "/bookings/{booking_id:uuid}/change/decline", access=USER, status_code=200, summary="Say no to a change"
)
async def decline_change(
    booking_id: FromPath[UUID],
    data: JSONBody[Refusal],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    if_match: NamedDependency[int | None],
) -> BookingView:
    return await actions.decline_change(deps, caller, booking_id, data.reason, if_match)


@post(
    "/bookings/{booking_id:uuid}/change/withdraw",
    access=USER,
    status_code=200,
    summary="Not to want a change any more",
)
async def withdraw_change(
    booking_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> BookingView:
    return await actions.withdraw_change(deps, caller, booking_id)


@post(
    "/bookings/{booking_id:uuid}/refund",
    access=USER,
    idempotent=True,
    summary="Give money back out of the host's share",
)
async def give_back(
    booking_id: FromPath[UUID],
    data: JSONBody[RefundWish],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> BookingView:
    return await actions.give_back(deps, caller, booking_id, data, once)


@post("/bookings/{booking_id:uuid}/disputes", access=USER, summary="Dispute a stay")
async def dispute(
    booking_id: FromPath[UUID],
    data: JSONBody[DisputeWish],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> BookingView:
    return await actions.dispute(deps, caller, booking_id, data)


@post(
    "/bookings/{booking_id:uuid}/disputes/{dispute_id:uuid}/resolve",
    access=STAFF,
    idempotent=True,
    status_code=200,
    summary="Settle a dispute",
)
async def resolve(
    booking_id: FromPath[UUID],
    dispute_id: FromPath[UUID],
    data: JSONBody[Resolution],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> BookingView:
    return await actions.resolve(deps, caller, booking_id, dispute_id, data, once)


ROUTES = [change, accept_change, decline_change, withdraw_change, give_back, dispute, resolve]
