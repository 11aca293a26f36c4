"""Bookings of before know the terms of their coupon: those that it has now, as nobody knows those of then."""

import json
from typing import Any

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, String, Table, Text, Uuid, select

revision = "0004"
down_revision = "0003"

_tables = MetaData()
_bookings = Table(
    "bookings",
    _tables,
    Column("id", Uuid(), primary_key=True),
    Column("status", String()),
    Column("coupon", String()),
    Column("agreed", Text()),
)
_coupons = Table(
    "coupons",
    _tables,
    Column("code", String(), primary_key=True),
    Column("percent_bp", Integer()),
    Column("fixed", BigInteger()),
    Column("minimum", BigInteger()),
    Column("currency", String()),
    Column("host_funded", Boolean()),
)


def upgrade() -> None:
    link = op.get_bind()
    live = _bookings.c.status.in_(("pending", "confirmed", "checked_in"))
    used = _bookings.join(_coupons, _coupons.c.code == _bookings.c.coupon)
    for row in link.execute(select(_bookings, _coupons).select_from(used).where(live)).all():
        agreed = json.loads(row.agreed)
        if agreed.get("coupon_terms") is None:
            told = json.dumps(agreed | {"coupon_terms": _terms(row)}, separators=(",", ":"))
            link.execute(_bookings.update().where(_bookings.c.id == row.id).values(agreed=told))


def _terms(coupon: Any) -> dict[str, Any]:
    def money(amount: int | None) -> dict[str, Any] | None:
        return None if amount is None else {"amount": amount, "currency": coupon.currency}

    return {
        "code": coupon.code,
        "host_funded": coupon.host_funded,
        "percent_bp": coupon.percent_bp,
        "fixed": money(coupon.fixed),
        "minimum": money(coupon.minimum),
    }
