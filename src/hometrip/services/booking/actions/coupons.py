"""Coupons: the platform's, and those of hosts for their own homes."""

from __future__ import annotations

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Forbidden, Invalid, NotFound, VersionMismatch
from hometrip.kernel.page import Page
from hometrip.services.booking import store
from hometrip.services.booking.actions.deps import Deps
from hometrip.services.booking.rules import Coupon, CouponWish, NewCoupon, checked, coupon_of


async def coupons(deps: Deps, caller: Caller, limit: int, cursor: str | None) -> Page[Coupon]:
    """All of them for staff, else the caller's own."""
    async with deps.db.read() as db:
        return await store.coupons.page(db, None if caller.is_staff else caller.id, limit, cursor)


async def coupon(deps: Deps, caller: Caller, code: str) -> Coupon:
    async with deps.db.read() as db:
        found = await store.coupons.get(db, code)
    if found.host_id != caller.id and not caller.is_staff:
        raise NotFound
    return found


async def add_coupon(deps: Deps, caller: Caller, wish: NewCoupon) -> Coupon:
    """Raises `CouponTaken` where the code is in use."""
    await _allow(deps, caller, wish)
    made = coupon_of(wish, wish.code, None if caller.is_admin else caller.id, 1, deps.clock.now())
    async with deps.db.transaction() as tx:
        await store.coupons.add(tx, made)
    return made


async def change_coupon(
    deps: Deps, caller: Caller, code: str, wish: CouponWish, if_match: int | None
) -> Coupon:
    """All of its fields anew; bookings that were made with it keep what they were agreed on."""
    await _allow(deps, caller, wish)
    async with deps.db.transaction() as tx:
        before = _own(caller, await store.coupons.get(tx, code))
        if if_match not in (None, before.version):
            raise VersionMismatch
        after = coupon_of(wish, before.code, before.host_id, before.version + 1, before.created_at)
        await store.coupons.change(tx, after, before.version)
    return after


async def remove_coupon(deps: Deps, caller: Caller, code: str) -> None:
    async with deps.db.transaction() as tx:
        _own(caller, await store.coupons.get(tx, code))
        await store.coupons.remove(tx, code)


def _own(caller: Caller, coupon: Coupon) -> Coupon:
    if coupon.host_id != caller.id and not caller.is_admin:
        raise Forbidden if caller.is_staff else NotFound
    return coupon


async def _allow(deps: Deps, caller: Caller, wish: CouponWish) -> None:
    """Hosts give only their own money away: for their own homes, out of their own payout."""
    checked(wish)
    if caller.is_admin:
        return
    if not wish.host_funded:
        raise Invalid.field("host_funded", "host_funds", "a host's coupon is taken from the host's payout")
    if not wish.listing_ids:
        raise Invalid.field("listing_ids", "missing", "name the homes that the coupon is for")
    homes = {home.id: home for home in await deps.listing.homes(wish.listing_ids)}
    foreign = [one for one in wish.listing_ids if one not in homes or homes[one].host_id != caller.id]
    if foreign:
        raise Forbidden("These homes are not yours.", listing_ids=foreign)
