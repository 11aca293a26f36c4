"""What is shown of a home, and to whom: strangers see neither street nor postcode nor the exact place."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable
from datetime import date, datetime
from uuid import UUID

import msgspec

from hometrip.kernel.money import Money, zero
from hometrip.kernel.wire import Answer
from hometrip.services.listing.contract import StayRules
from hometrip.services.listing.rules.home import Home, Photo, Point, Pricing, Season

# Metres between the place shown and the real one: never less, so that it tells nothing, never more.
NEAREST, FARTHEST = 120.0, 480.0
_METRES_A_DEGREE = 111_320.0

Url = Callable[[str], str]


class AddressShown(Answer):
    """The street and the postcode, which in some countries names it, only where `exact` is true."""

    city: str
    region: str
    country: str
    line1: str | None = None
    postcode: str | None = None


class PointShown(Answer):
    lat: float
    lng: float


class RulesShown(Answer):
    pets: bool
    smoking: bool
    parties: bool
    quiet_from: str | None = None
    quiet_to: str | None = None


class DemandsShown(Answer):
    verified: list[str]
    first_bookings_ask: bool
    min_rating: float | None = None


class SizeShown(Answer):
    url: str
    width: int
    height: int


class PhotoShown(Answer):
    """`url`, `width` and `height` are those of the largest; `sizes` are small, medium and large."""

    id: UUID
    url: str
    width: int
    height: int
    caption: str
    sizes: dict[str, SizeShown]


class JudgedShown(Answer):
    """What staff decided last (approved, rejected, suspended), and why."""

    action: str
    reason: str
    at: datetime


class Listing(Answer):
    """A home. `exact` tells whether address and location are the real ones or those shown to strangers; `was`
    is what `nightly` usually was, only where it is clearly less now; `judged` is for its host and staff.
    `instant_book` is what the host wants, `books_at_once` whether a guest who meets the demands books at once
    now: nobody does while a home's first bookings are requests."""

    id: UUID
    host_id: UUID
    title: str
    description: str
    structure: str | None
    type: str | None
    guests: int | None
    bedrooms: int
    beds: int
    bathrooms: float
    address: AddressShown
    neighbourhood: str
    location: PointShown | None
    exact: bool
    time_zone: str
    amenities: list[str]
    photos: list[PhotoShown]
    instant_book: bool
    instant_demands: DemandsShown
    cancellation_policy: str
    check_in_from: str
    check_out_by: str
    rules: RulesShown
    stay_rules: StayRules
    review_count: int
    status: str
    version: int
    created_at: datetime
    updated_at: datetime
    rating: float | None = None
    nightly: Money | None = None
    was: Money | None = None
    judged: JudgedShown | None = None
    books_at_once: bool | None = None

    @property
    def aspect(self) -> str:
        """What may be otherwise in the same version: who has booked sees where it is, its host what staff
        decided, `was` comes and goes with the days, and a home's first bookings come to an end."""
        parts = ["near"] * (not self.exact) + ["judged"] * (self.judged is not None)
        parts += ["asks"] * (not self.books_at_once)
        return "-".join([*parts, f"was-{self.was.amount}"] if self.was else parts)


class SeasonShown(Answer):
    first: date = msgspec.field(name="from")
    until: date = msgspec.field(name="to")
    price: Money
    min_nights: int | None = None
    max_nights: int | None = None


class LeadShown(Answer):
    days: int
    discount_bp: int


class PricingShown(Answer):
    """A price list with every amount written out."""

    base: Money
    weekend_nights: tuple[int, ...]
    seasons: list[SeasonShown]
    dates: dict[date, Money]
    weekly_discount_bp: int
    monthly_discount_bp: int
    cleaning_fee: Money
    included_guests: int
    extra_guest: Money
    pet_fee: Money
    deposit: Money
    weekend: Money | None = None
    early_bird: LeadShown | None = None
    last_minute: LeadShown | None = None


def shown(home: Home, *, exact: bool, key: bytes, url: Url) -> Listing:
    """The home as an answer. `key` hides the place: whoever has it not cannot find the way back."""
    place = home.address
    point = home.location if exact or home.location is None else blurred(home.location, home.id, key)
    return Listing(
        **{name: getattr(home, name) for name in _AS_KEPT},
        address=AddressShown(
            line1=place.line1 if exact else None,
            city=place.city,
            region=place.region,
            postcode=place.postcode if exact else None,
            country=place.country,
        ),
        location=PointShown(lat=point.lat, lng=point.lng) if point else None,
        exact=exact,
        photos=[photo_shown(photo, url) for photo in home.photos],
        rules=RulesShown(**msgspec.structs.asdict(home.rules)),
        instant_demands=DemandsShown(**msgspec.structs.asdict(home.instant_demands)),
        stay_rules=StayRules(**msgspec.structs.asdict(home.stay_rules)),
        rating=None if home.rating is None else home.rating / 100,
        nightly=home.pricing.base if home.pricing else None,
        books_at_once=home.instant_book and not home.instant_demands.first_bookings_ask,
    )


def with_judgement(listing: Listing, home: Home) -> Listing:
    """For its host and staff."""
    if home.judged is None:
        return listing
    last = home.judged
    shown = JudgedShown(action=last.action, reason=last.reason, at=last.at)
    return msgspec.structs.replace(listing, judged=shown)


_AS_KEPT = (
    "id host_id title description structure type guests bedrooms beds bathrooms neighbourhood time_zone "
    "amenities instant_book cancellation_policy check_in_from check_out_by review_count status version "
    "created_at updated_at"
).split()


def blurred(real: Point, home: UUID, key: bytes) -> Point:
    """A point within 500 m, always the same shift for a home: neither many looks nor a small move of the home
    can average it away."""
    chance = hmac.digest(key, home.bytes, hashlib.sha256)
    turn = int.from_bytes(chance[:6]) / 2**48 * 2 * math.pi
    # The square root spreads the points evenly over the ring.
    near, far = NEAREST**2, FARTHEST**2
    metres = math.sqrt(near + (far - near) * int.from_bytes(chance[6:12]) / 2**48)
    lat = real.lat + metres * math.cos(turn) / _METRES_A_DEGREE
    # Near a pole degrees of longitude shrink to nothing: the shift goes along the meridian instead.
    narrow = math.cos(math.radians(real.lat))
    lng = real.lng + (metres * math.sin(turn) / (_METRES_A_DEGREE * narrow) if narrow > 0.01 else 0.0)
    return Point(lat=round(max(-90.0, min(90.0, lat)), 6), lng=round((lng + 180.0) % 360.0 - 180.0, 6))


def findable(home: Home, key: bytes) -> Home:
    """The home with the point by which strangers find it: the one that they are shown."""
    seen = None if home.location is None else blurred(home.location, home.id, key)
    return home if seen == home.seen else msgspec.structs.replace(home, seen=seen)


def photo_shown(photo: Photo, url: Url) -> PhotoShown:
    sizes = {
        name: SizeShown(url=url(size.key), width=size.width, height=size.height)
        for name, size in photo.sizes.items()
    }
    large = sizes["large"]
    return PhotoShown(
        id=photo.id,
        url=large.url,
        width=large.width,
        height=large.height,
        caption=photo.caption,
        sizes=sizes,
    )


def pricing_shown(pricing: Pricing, guests: int | None) -> PricingShown:
    """`dates` must be in it already."""
    nothing = zero(pricing.currency)
    early, late = pricing.early_bird, pricing.last_minute
    return PricingShown(
        base=pricing.base,
        weekend=pricing.weekend,
        weekend_nights=pricing.weekend_nights,
        seasons=[season_shown(season) for season in pricing.seasons],
        dates=dict(sorted(pricing.dates.items())),
        weekly_discount_bp=pricing.weekly_discount_bp,
        monthly_discount_bp=pricing.monthly_discount_bp,
        early_bird=LeadShown(days=early.days, discount_bp=early.discount_bp) if early else None,
        last_minute=LeadShown(days=late.days, discount_bp=late.discount_bp) if late else None,
        cleaning_fee=pricing.cleaning_fee or nothing,
        included_guests=pricing.included_guests or guests or 1,
        extra_guest=pricing.extra_guest or nothing,
        pet_fee=pricing.pet_fee or nothing,
        deposit=pricing.deposit or nothing,
    )


def season_shown(season: Season) -> SeasonShown:
    return SeasonShown(
        first=season.first,
        until=season.until,
        price=season.price,
        min_nights=season.min_nights,
        max_nights=season.max_nights,
    )
