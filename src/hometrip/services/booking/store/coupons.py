"""Coupons, and how often each was used: every query about them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, case, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from hometrip.kernel.errors import NotFound, VersionMismatch
from hometrip.kernel.money import Money
from hometrip.kernel.page import Page, behind, cursor_of
from hometrip.ports.database import Reader, Tx
from hometrip.services.booking.rules import Coupon, CouponTaken, CouponUses
from hometrip.services.booking.store.tables import bookings, could_have_of, coupons

_SAME = (
    "code host_id percent_bp starts_at ends_at total_limit account_limit host_funded version created_at"
).split()
# A booking that came to nothing gives its coupon back.
_SPENT = ("pending", "confirmed", "checked_in", "completed")


async def find(db: Reader, code: str) -> Coupon | None:
    """In a transaction nobody else spends or changes it until that ends, so that its uses can be counted."""
    row = await db.row(select(coupons).where(coupons.c.code == code.upper()).with_for_update())
    return _coupon_of(row) if row else None


async def get(db: Reader, code: str) -> Coupon:
    """`NotFound` where there is none."""
    coupon = await find(db, code)
    if coupon is None:
        raise NotFound
    return coupon


async def uses(
    db: Reader, code: str, account_id: UUID | None, listing_id: UUID, changing: UUID | None = None
) -> CouponUses:
    """By all, and by this account; its unpaid hold of this home does not count, as a new one replaces it, nor
    its confirmed booking `changing`: who changes that keeps the coupon.
    """
    besides = could_have_of(account_id, listing_id, changing)
    return await _count(db, code, account_id, bookings.c.id.not_in(besides))


async def all_uses(db: Reader, code: str, account_id: UUID) -> CouponUses:
    """By every booking that is or may yet be."""
    return await _count(db, code, account_id)


async def _count(db: Reader, code: str, account_id: UUID | None, *only: ColumnElement[bool]) -> CouponUses:
    mine = func.coalesce(func.sum(case((bookings.c.guest_id == account_id, 1), else_=0)), 0)
    row = await db.row(
        select(func.count().label("total"), mine.label("mine")).where(
            bookings.c.coupon == code.upper(), bookings.c.status.in_(_SPENT), *only
        )
    )
    assert row is not None  # an aggregate has one row
    return CouponUses(total=int(row.total), by_account=int(row.mine))


async def page(db: Reader, host_id: UUID | None, limit: int, cursor: str | None) -> Page[Coupon]:
    """Those of a host, or all of them, by code."""
    statement = select(coupons)
    if host_id is not None:
        statement = statement.where(coupons.c.host_id == host_id)
    if (code := behind(cursor, str)) is not None:
        statement = statement.where(coupons.c.code > code)
    rows = await db.rows(statement.order_by(coupons.c.code).limit(limit + 1))
    items = [_coupon_of(row) for row in rows[:limit]]
    return Page(items=items, next_cursor=cursor_of([items[-1].code]) if len(rows) > limit else None)


async def add(tx: Tx, coupon: Coupon) -> None:
    try:
        await tx.execute(insert(coupons).values(_row_of(coupon)))
    except IntegrityError as refusal:
        raise CouponTaken from refusal


async def change(tx: Tx, coupon: Coupon, read_version: int) -> None:
    statement = update(coupons).where(coupons.c.code == coupon.code, coupons.c.version == read_version)
    if await tx.execute(statement.values(_row_of(coupon))) != 1:
        raise VersionMismatch


async def remove(tx: Tx, code: str) -> None:
    await tx.execute(delete(coupons).where(coupons.c.code == code.upper()))


def _row_of(coupon: Coupon) -> dict[str, Any]:
    money = coupon.fixed or coupon.minimum
    return {name: getattr(coupon, name) for name in _SAME} | {
        "fixed": coupon.fixed.amount if coupon.fixed else None,
        "minimum": coupon.minimum.amount if coupon.minimum else None,
        "currency": money.currency if money else None,
        "listing_ids": msgspec.json.encode(coupon.listing_ids).decode() if coupon.listing_ids else None,
    }


def _coupon_of(row: Any) -> Coupon:
    return Coupon(
        **{name: getattr(row, name) for name in _SAME},
        fixed=None if row.fixed is None else Money(row.fixed, row.currency),
        minimum=None if row.minimum is None else Money(row.minimum, row.currency),
        listing_ids=msgspec.json.decode(row.listing_ids, type=list[UUID]) if row.listing_ids else None,
    )
