"""What others may know of homes, their prices and calendars: events, public records, errors, questions."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Protocol
from uuid import UUID

import msgspec

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Conflict
from hometrip.kernel.events import Event
from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.kernel.stay import Stay
from hometrip.kernel.wire import Answer, Request

# From so many nights on the weekly discount holds, and the monthly one where there is one.
WEEK, MONTH = 7, 28
LONGEST_STAY = 365  # nights
MOST_PREPARATION = 2  # nights that a host may keep free on either side of a booking


class ListingEvent(Event):
    about = ("listing", "listing_id")

    listing_id: UUID
    host_id: UUID
    revision: int


class ListingCreated(ListingEvent):
    name = "listing.created"


class ListingUpdated(ListingEvent):
    """Something of the home, its price or its calendar changed; `revision` rises with every such change."""

    name = "listing.updated"


class ListingPublished(ListingEvent):
    """Guests can find and book the home, for the first time or again."""

    name = "listing.published"


class ListingUnpublished(ListingEvent):
    """Guests can book the home no more: its host has paused it, or staff have suspended it."""

    name = "listing.unpublished"


class ListingDeleted(ListingEvent):
    name = "listing.deleted"


class ListingModerated(ListingEvent):
    """Staff decided `at` that moment: `action` is approved, rejected or suspended."""

    name = "listing.moderated"

    title: str
    action: str
    reason: str
    staff_id: UUID
    at: datetime | None = None


class CoHostEvent(ListingEvent):
    """`co_host_id` names the time for which the account acts for the home; `by` is who began or ended it:
    the host, staff, or the co-host."""

    co_host_id: UUID
    account_id: UUID
    title: str
    by: UUID


class CoHostAdded(CoHostEvent):
    """The account acts for the home beside its host from now on."""

    name = "listing.co_host_added"


class CoHostRemoved(CoHostEvent):
    """The account acts for the home no more; also of a home that was deleted."""

    name = "listing.co_host_removed"


class CalendarBlocked(ListingEvent):
    name = "calendar.blocked"

    stay: Stay


class CalendarUnblocked(ListingEvent):
    name = "calendar.unblocked"

    stay: Stay


class CalendarConflict(ListingEvent):
    """Another site's calendar takes nights that confirmed bookings have here. Nothing was cancelled."""

    name = "calendar.import_conflict"

    feed_id: UUID
    feed_name: str
    stays: list[Stay]
    title: str = ""


class CalendarImportFailed(ListingEvent):
    """Another site's calendar could not be read for a while; told once until it can be read again."""

    name = "calendar.import_failed"

    feed_id: UUID
    feed_name: str
    why: str
    title: str = ""


class StayRefused(Conflict):
    """A rule of the home refuses this stay.

    Facts: `rule` (min_nights, max_nights, notice, preparation, window, check_in_day, check_out_day, guests,
    pets), its `value`, and `nearest`, the closest stay that would do."""

    code = "stay_refused"
    UNPREPARED = "The host keeps {} free beside every booking."  # so many nights


class QuoteExpired(Conflict):
    """The time for which this quote was good (15 minutes by default) is over; `quote` is a new one."""

    code = "quote_expired"


class QuoteMismatch(Conflict):
    """This quote is not for this home, stay and party, or was not made here."""

    code = "quote_mismatch"


class Wish(Request):
    """What a guest asks a price for. `exempt_guests` of the guests are too young for taxes that spare them;
    in `currency` the price is shown besides the home's own. It is the price of a change of the own confirmed
    booking `changing`, whose nights and coupon the stay may have; on its dates, only the party is looked at.
    Who asks `beside_requests` of other guests may have the nights that those hold, if the host so chooses."""

    check_in: date
    check_out: date
    guests: int
    pets: int = 0
    coupon: Annotated[str, msgspec.Meta(min_length=1, max_length=40)] | None = None
    currency: str | None = None
    exempt_guests: int = 0
    changing: UUID | None = None
    beside_requests: bool = False


class QuoteLine(Answer):
    """`kind` is nights, length_discount, early_bird, last_minute, non_refundable, extra_guests, pets,
    cleaning, coupon, service_fee or tax; discounts are negative. `area` and `on` (the kinds it is computed
    on) only for a tax. `was` only where the nights cost clearly less than they did."""

    kind: str
    label: str
    amount: Money
    quantity: int | None = None
    unit: Money | None = None
    area: str | None = None
    on: list[str] | None = None
    was: Money | None = None


class ShownIn(Answer):
    """A quote in the guest's currency: each line at the `rate` of the day `on`, half-up once; `total` is
    their sum. What is charged stays in the home's currency."""

    currency: str
    rate: str
    on: date
    total: Money
    lines: list[Money]


class Quote(Answer):
    """The price of a stay, line by line, under the cancellation policy that it would be booked on. `id` is
    signed and good until `expires_at`, and holds rate and policy. `instant_book` tells whether whoever asks
    for it books at once now, or asks the host."""

    id: str
    listing_id: UUID
    check_in: date
    check_out: date
    nights: int
    guests: int
    lines: list[QuoteLine]
    total: Money
    host_payout: Money
    expires_at: datetime
    shown: ShownIn | None = None
    cancellation_policy: str | None = None
    instant_book: bool | None = None


class Terms(Answer):
    """All that a booking needs of a home, at one moment: who, what, when, how much, on which conditions.

    `quoted_total` and `quoted_policy` are those of the quote that was shown (of one of an earlier version no
    policy is known), all else is as it is now. `co_hosts` act for the home beside its host. `check_in_from`
    is a clock time, "15:00". `platform_rate` is what one of the platform's currency is in the home's, as a
    decimal number: only where the two are not the same and there is a rate."""

    listing_id: UUID
    host_id: UUID
    title: str
    time_zone: str
    check_in_at: datetime
    check_out_at: datetime
    instant_book: bool
    cancellation_policy: str
    quote: Quote
    quoted_total: Money
    split: Split
    nightly: list[Money]
    host_funds_coupon: bool
    deposit: Money | None = None
    exempt_guests: int = 0
    preparation_nights: int = 0
    platform_rate: str | None = None
    check_in_from: str | None = None
    co_hosts: list[UUID] = []
    quoted_policy: str | None = None


class HomeCard(Answer):
    """A home in one line, for mails and lists."""

    id: UUID
    host_id: UUID
    title: str
    city: str
    country: str
    time_zone: str
    status: str
    address: str
    check_in_from: str
    check_out_by: str
    cover: str | None = None


class StayRules(Answer):
    """The rules of stays as the host set them. Weekdays are 0 (Monday) to 6; lists by day begin on Monday."""

    min_nights: int
    max_nights: int
    notice_hours: int
    preparation_nights: int
    window_days: int
    check_in_days: list[int] | None = None
    check_out_days: list[int] | None = None
    min_nights_by_day: list[int | None] | None = None
    max_nights_by_day: list[int | None] | None = None


class Charges(Answer):
    """What a stay at a home costs besides its nights, and what comes off them, in minor units and basis
    points. `early` and `late` are days before check-in and a share. `spot` is what areas of taxes are
    compared with. Stays of up to `surely_nights` are nowhere too long."""

    time_zone: str
    spot: tuple[str, str, str]
    surely_nights: int
    weekly_bp: int = 0
    monthly_bp: int = 0
    policy_bp: int = 0
    early: tuple[int, int] | None = None
    late: tuple[int, int] | None = None
    included: int | None = None
    extra_guest: int = 0
    pet: int = 0
    cleaning: int = 0


class TaxCharge(Answer):
    """A tax that is switched on, with the meaning that it has where staff write it."""

    spot: tuple[str, str, str]
    kind: str
    base: str
    bp: int | None = None
    amount: Money | None = None
    most_nights: int | None = None
    exempt_from_nights: int | None = None
    valid_from: date | None = None
    valid_to: date | None = None


class Tariff(Answer):
    """What is added to every stay: the guest's fee in basis points, and the taxes of each area."""

    guest_bp: int
    taxes: list[TaxCharge] = []


class SearchCard(Answer):
    """All that search knows of a home.

    The board describes days from `board_from` on, one entry a day: `taken` (1 where the night cannot be had),
    `prices` in minor units of `currency`, `min_nights`. It narrows candidates; the answer is always
    re-checked by `offers`. `cover` is a picture's url. `instant_book` tells whether the next booking is one
    at once, of a guest who has all badges of `demands`. Cards of before have no `charges` or `demands`."""

    id: UUID
    revision: int
    published: bool
    host_id: UUID
    title: str
    description: str
    city: str
    region: str
    country: str
    neighbourhood: str
    structure: str
    type: str
    amenities: list[str]
    lat: float
    lng: float
    shown_lat: float
    shown_lng: float
    guests: int
    bedrooms: int
    beds: int
    bathrooms: float
    pets: bool
    instant_book: bool
    review_count: int
    currency: str
    nightly: int
    rules: StayRules
    board_from: date
    taken: bytes
    prices: list[int]
    min_nights: list[int]
    created_at: datetime
    rating: float | None = None
    cover: str | None = None
    charges: Charges | None = None
    demands: list[str] | None = None


class Offer(msgspec.Struct, frozen=True):
    """A home that can be booked for the stay asked for, and its total: the same that its quote would have.
    `was` is what `nightly` usually is, only where it is clearly less now."""

    listing_id: UUID
    total: Money
    nightly: Money
    was: Money | None = None


class ListingQuestions(Protocol):
    async def quote(self, caller: Caller, listing_id: UUID, wish: Wish) -> Quote:
        """The price of a stay that can be booked now, as `POST /listings/{id}/quote` answers it."""

    async def terms(self, listing_id: UUID, wish: Wish, quote_id: str, guest_id: UUID) -> Terms:
        """Everything for a booking, with a fresh quote, and the total that `quote_id` promised.

        Raises `NotFound` (no published home), `StayRefused`, booking's `DatesTaken` as far as known here,
        `QuoteMismatch`, `QuoteExpired` (with the new quote), booking's `CouponRefused`."""

    async def free_instead(self, listing_id: UUID, wish: Wish, taken: list[Stay]) -> list[Stay]:
        """Up to three of the nearest stays of the same length that would do, or where there is none, one of
        another length; `taken` is known to be taken. For the change of a booking it is all that others have:
        the own nights may be had again."""

    async def homes(self, listing_ids: list[UUID]) -> list[HomeCard]: ...

    async def search_cards(self, listing_ids: list[UUID]) -> list[SearchCard]:
        """Of those that exist, published or not."""

    async def offers(
        self, ids: list[UUID], check_in: date, check_out: date, guests: int, pets: int, currency: str | None
    ) -> list[Offer]:
        """Those that can be booked for this stay, with their totals, in `currency` where there is a rate."""

    async def tariff(self) -> Tariff: ...

    async def rates(self, currency: str) -> dict[str, int]:
        """What one of each currency is in this one, in `RATE_PARTS`; those of which it is known."""

    async def all_ids(self, after: UUID | None, limit: int) -> list[UUID]:
        """Ids of all homes in order, a page at a time: to fill an index anew."""
