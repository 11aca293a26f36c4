"""A home as it is kept: its parts and the record that holds them. No decisions here."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

import msgspec

from hometrip.kernel.money import Money
from hometrip.kernel.record import Frozen
from hometrip.kernel.wire import Request
from hometrip.ports.documents import Record
from hometrip.services.listing.contract import LONGEST_STAY

DRAFT, IN_REVIEW, PUBLISHED, PAUSED, SUSPENDED = "draft", "in_review", "published", "paused", "suspended"


class Place(Frozen):
    """Where the home stands. `country` is the ISO 3166-1 alpha-2 code; "" is not known yet."""

    line1: str = ""
    city: str = ""
    region: str = ""
    postcode: str = ""
    country: str = ""


class Point(Frozen):
    """Degrees, WGS 84."""

    lat: float
    lng: float


class HouseRules(Frozen):
    pets: bool = False
    smoking: bool = False
    parties: bool = False
    quiet_from: str | None = None
    quiet_to: str | None = None


class StayLimits(Frozen):
    """Which stays the host takes. Weekdays are 0 (Monday) to 6; None allows every day. What is told by day
    has seven entries, Monday first, for stays that begin on that weekday; None where it has none of its own.

    Nights must end by `window_days` from today on; `notice_hours` lie between booking and check-in;
    `preparation_nights` stay empty before and after each booking.
    """

    min_nights: int = 1
    max_nights: int = LONGEST_STAY
    notice_hours: int = 0
    preparation_nights: int = 0
    window_days: int = 730
    check_in_days: list[int] | None = None
    check_out_days: list[int] | None = None
    min_nights_by_day: list[int | None] | None = None
    max_nights_by_day: list[int | None] | None = None


class InstantDemands(Frozen):
    """What a guest must have to book at once; all others ask. `verified` are badges (email, phone,
    id_document, selfie), `min_rating` is of 5 (a guest whom nobody has rated passes); with
    `first_bookings_ask` a home's first five are requests."""

    verified: list[str] = []
    min_rating: float | None = None
    first_bookings_ask: bool = False


MOST_PHOTOS = 10


class Size(Frozen):
    """One of a photo's files."""

    key: str
    width: int
    height: int


class Photo(Frozen):
    """Its files by the names of their sizes: small, medium, large. A home's first photo is its cover."""

    id: UUID
    sizes: dict[str, Size]
    caption: str = ""


class Season(Request):
    """Nights from `first` to before `until` have this price, and stays that begin then these bounds."""

    first: date = msgspec.field(name="from")
    until: date = msgspec.field(name="to")
    price: Money
    min_nights: int | None = None
    max_nights: int | None = None


class Early(Request):
    """Booked at least `days` before check-in."""

    days: int
    discount_bp: int


class Late(Request):
    """Booked at most `days` before check-in."""

    days: int
    discount_bp: int


class Pricing(Request):
    """What a host asks. Everything is in the currency of `base`; `bp` are basis points.

    `dates` are prices of single nights and win over seasons, those over the weekend, that over `base`.
    `weekend_nights` are the weekdays (0 is Monday) whose nights have the weekend price. A season's `to` is
    exclusive. The kept record has no `dates`: they are in the home's calendar.
    """

    base: Money
    weekend: Money | None = None
    weekend_nights: tuple[int, ...] = (4, 5)
    seasons: list[Season] = []
    dates: dict[date, Money] = {}
    weekly_discount_bp: int = 0
    monthly_discount_bp: int = 0
    early_bird: Early | None = None
    last_minute: Late | None = None
    cleaning_fee: Money | None = None
    included_guests: int | None = None
    extra_guest: Money | None = None
    pet_fee: Money | None = None
    deposit: Money | None = None

    @property
    def currency(self) -> str:
        return self.base.currency


class Judged(Frozen):
    """What staff decided of a home last: approved, rejected or suspended, and what its host is told of it.
    `paused`: by its host, when it was suspended."""

    action: str
    reason: str
    at: datetime
    paused: bool = False


class Home(Record):
    """A listing. `source` tells where an imported one came from ("insideairbnb:<id>"), `source_mark` which
    state of it was read last. `rating` is in hundredths. `co_hosts` are accounts; nothing that is shown of a
    home names them."""

    host_id: UUID
    title: str
    created_at: datetime
    updated_at: datetime
    status: str = DRAFT
    description: str = ""
    structure: str | None = None
    type: str | None = None
    guests: int | None = None
    bedrooms: int = 0
    beds: int = 0
    bathrooms: float = 0.0
    address: Place = Place()
    neighbourhood: str = ""
    location: Point | None = None
    time_zone: str = "UTC"
    amenities: list[str] = []
    photos: list[Photo] = []
    instant_book: bool = True
    instant_demands: InstantDemands = InstantDemands()
    cancellation_policy: str = "flexible"
    check_in_from: str = "15:00"
    check_out_by: str = "11:00"
    rules: HouseRules = HouseRules()
    stay_rules: StayLimits = StayLimits()
    pricing: Pricing | None = None
    rating: int | None = None
    review_count: int = 0
    city_key: str = ""
    source: str | None = None
    source_mark: str | None = None
    judged: Judged | None = None
    co_hosts: list[UUID] = []
    seen: Point | None = None

    @property
    def hosts(self) -> tuple[UUID, ...]:
        """Who may act for the home: its host, and its co-hosts in all but what is the host's alone."""
        return (self.host_id, *self.co_hosts)

    @property
    def cover(self) -> Photo | None:
        return self.photos[0] if self.photos else None
