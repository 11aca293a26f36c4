"""The routes of coupons: handlers of a few lines."""

from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from hometrip.kernel.access import USER, Caller
from hometrip.kernel.page import DEFAULT_LIMIT, Page
from hometrip.services.booking import actions
from hometrip.services.booking.actions import Deps
from hometrip.services.booking.api.bookings import PageLimit
from hometrip.services.booking.rules import Coupon, CouponWish, NewCoupon


@get("/coupons", access=USER, summary="Coupons: mine, or all for staff")
async def coupons(
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[Coupon]:
    return await actions.coupons.coupons(deps, caller, limit, cursor)


@post("/coupons", access=USER, summary="Make a coupon")
async def add_coupon(
    data: JSONBody[NewCoupon], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Coupon:
    return await actions.coupons.add_coupon(deps, caller, data)


@get("/coupons/{code:str}", access=USER, summary="A coupon")
async def coupon(code: FromPath[str], deps: NamedDependency[Deps], caller: NamedDependency[Caller]) -> Coupon:
    return await actions.coupons.coupon(deps, caller, code)


@put("/coupons/{code:str}", access=USER, summary="Change a coupon")
async def change_coupon(
    code: FromPath[str],
    data: JSONBody[CouponWish],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    if_match: NamedDependency[int | None],
) -> Coupon:
    return await actions.coupons.change_coupon(deps, caller, code, data, if_match)


@delete("/coupons/{code:str}", access=USER, summary="Remove a coupon")
async def remove_coupon(
    code: FromPath[str], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> None:
    await actions.coupons.remove_coupon(deps, caller, code)


ROUTES = [coupons, add_coupon, coupon, change_coupon, remove_coupon]
