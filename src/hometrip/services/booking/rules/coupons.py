"""Who may use a coupon, when, where and how often; what it takes off is computed where prices are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from hometrip.kernel.clock import is_instant
from hometrip.kernel.errors import Conflict, Invalid
from hometrip.kernel.money import CURRENCIES, Money
from hometrip.kernel.wire import Answer, Request
from hometrip.services.booking.contract import CouponRefused, CouponTerms
from hometrip.services.booking.rules.booking import Booking

Code = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{2,39}$")]
HIGHEST = 10**12
Uses = Annotated[int, Meta(ge=1, le=1_000_000)]


REFUSALS = {
    "not_yet": "This coupon cannot be used yet.",
    "over": "The time of this coupon is over.",
    "other_home": "This coupon is for other homes.",
    "used_up": "This coupon has been used as often as it can be.",
    "used_by_you": "You have used this coupon as often as you can.",
}


class CouponTaken(Conflict):
    """There is a coupon of this code already."""

    code = "coupon_taken"


class CouponWish(Request):
    """A coupon as it is to be: `percent_bp` off, or `fixed`; limits that are left out do not hold.

    `host_funded` takes it out of the host's payout, which is the only kind a host may make.
    """

    percent_bp: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    fixed: Money | None = None
    minimum: Money | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    total_limit: Uses | None = None
    account_limit: Uses | None = None
    host_funded: bool = False
    listing_ids: Annotated[list[UUID], Meta(min_length=1, max_length=1000)] | None = None


class NewCoupon(CouponWish):
    code: Code


class Coupon(Answer):
    """A coupon and its limits; without `host_id` it is the platform's own."""

    code: str
    host_funded: bool
    version: int
    created_at: datetime
    host_id: UUID | None = None
    percent_bp: int | None = None
    fixed: Money | None = None
    minimum: Money | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    total_limit: int | None = None
    account_limit: int | None = None
    listing_ids: list[UUID] | None = None

    @property
    def terms(self) -> CouponTerms:
        return CouponTerms(
            code=self.code,
            host_funded=self.host_funded,
            percent_bp=self.percent_bp,
            fixed=self.fixed,
            minimum=self.minimum,
        )


class CouponUses(Answer):
    """How often a coupon was used: by everybody, and by one account."""

    total: int
    by_account: int


def coupon_of(
    wish: CouponWish, code: str, host_id: UUID | None, version: int, created_at: datetime
) -> Coupon:
    """The coupon that is wished for; codes are the same in capitals and small letters."""
    return Coupon(
        **{name: getattr(wish, name) for name in CouponWish.__struct_fields__},
        code=code.upper(),
        host_id=host_id,
        version=version,
        created_at=created_at,
    )


def is_left(coupon: Coupon | None, uses: CouponUses) -> bool:
    """May it be used once more? One that is gone has no limits."""
    return coupon is None or not any(_used(coupon, uses).values())


def _used(coupon: Coupon, uses: CouponUses) -> dict[str, bool]:
    return {
        "used_up": coupon.total_limit is not None and uses.total >= coupon.total_limit,
        "used_by_you": coupon.account_limit is not None and uses.by_account >= coupon.account_limit,
    }


def admit(coupon: Coupon | None, listing_id: UUID, uses: CouponUses, at: datetime) -> CouponTerms:
    """What the coupon takes off; `CouponRefused` with the `reason` where it cannot be used here and now."""
    if coupon is None:
        raise CouponRefused("There is no such coupon.", reason="unknown")
    refusals = {
        "not_yet": coupon.starts_at is not None and at < coupon.starts_at,
        "over": coupon.ends_at is not None and at >= coupon.ends_at,
        "other_home": coupon.listing_ids is not None and listing_id not in coupon.listing_ids,
        **_used(coupon, uses),
    }
    for reason, refused in refusals.items():
        if refused:
            raise CouponRefused(REFUSALS[reason], reason=reason)
    return coupon.terms


def kept_coupon(booking: Booking, code: str, coupon: Coupon | None) -> CouponTerms:
    """What a booking's coupon takes off its change: on the terms that it was booked with, whatever has become
    of the `coupon` and its limits. `CouponRefused` for any other. Bookings of before know no terms."""
    if booking.coupon != code.upper():
        raise CouponRefused("A change keeps the coupon of its booking.", reason="other_booking")
    terms = booking.coupon_terms or (coupon.terms if coupon else None)
    if terms is None:
        raise CouponRefused("There is no such coupon.", reason="unknown")
    return terms


def checked(wish: CouponWish) -> None:
    """`Invalid` for a coupon that makes no sense."""
    if (wish.percent_bp is None) == (wish.fixed is None):
        raise Invalid.field("percent_bp", "one_of_two", "give either percent_bp or fixed")
    amounts = {"fixed": wish.fixed, "minimum": wish.minimum}
    for name, money in amounts.items():
        if money is not None and (money.currency not in CURRENCIES or not 0 < money.amount <= HIGHEST):
            raise Invalid.field(name, "bad_amount", f"an amount of 1 to {HIGHEST}, of an ISO 4217 currency")
    if wish.fixed and wish.minimum and wish.fixed.currency != wish.minimum.currency:
        raise Invalid.field("minimum", "other_currency", "minimum must be in the currency of fixed")
    for name, instant in {"starts_at": wish.starts_at, "ends_at": wish.ends_at}.items():
        if instant is not None and instant.tzinfo is None:
            raise Invalid.field(name, "no_time_zone", "an instant needs its time zone, such as Z")
        if instant is not None and not is_instant(instant):
            raise Invalid.field(name, "out_of_range", "must be in one of the years 1 to 9999 of UTC")
    if wish.starts_at and wish.ends_at and wish.ends_at <= wish.starts_at:
        raise Invalid.field("ends_at", "not_after_start", "ends_at must be later than starts_at")
