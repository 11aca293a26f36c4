"""What the actions of this service need, and who may do what with a home."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from hometrip.kernel.access import Caller
from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import Forbidden, Invalid, Unavailable, VersionMismatch
from hometrip.kernel.ids import NewId
from hometrip.kernel.service import Settings
from hometrip.kernel.stay import Stay, stay_of
from hometrip.ports.blobs import Blobs
from hometrip.ports.documents import DocumentReader, Documents
from hometrip.ports.fetcher import Fetcher
from hometrip.ports.geocoder import Geocoder
from hometrip.ports.secrets import Secrets
from hometrip.ports.workshop import Workshop
from hometrip.services.auth.contract import AuthQuestions
from hometrip.services.booking.contract import BookingQuestions
from hometrip.services.listing import store
from hometrip.services.listing.rules.home import PUBLISHED, Home
from hometrip.services.listing.rules.price import Fees
from hometrip.services.listing.rules.shown import Listing, findable, shown
from hometrip.services.search.contract import SearchQuestions
from hometrip.services.user.contract import UserQuestions

MOST_SHOWN = 4_096


class ListingSettings(Settings, frozen=True):
    """Shares are basis points; `places_limit` is how many places a search by name answers. `exchange_rates`
    is the path of a table of rates, in the form of the bundled one, that takes its place.
    `platform_currency` is that of amounts which the platform sets, whatever a home's currency."""

    guest_fee_bp: int = 1_200
    host_fee_bp: int = 300
    quote_minutes: int = 15
    places_limit: int = 10
    public_url: str = ""
    review_listings: bool = False
    exchange_rates: str = ""
    platform_currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] = "USD"


@dataclass(frozen=True)
class Deps:
    docs: Documents
    blobs: Blobs
    geocoder: Geocoder
    fetcher: Fetcher
    workshop: Workshop
    secrets: Secrets
    auth: AuthQuestions
    booking: BookingQuestions
    search: SearchQuestions
    user: UserQuestions
    clock: Clock
    new_id: NewId
    settings: ListingSettings

    @cached_property
    def shown(self) -> dict[tuple[int, bool], Listing]:
        """Homes as they were shown last."""
        return {}

    @property
    def fees(self) -> Fees:
        return Fees(self.settings.guest_fee_bp, self.settings.host_fee_bp)


async def own_home(reader: DocumentReader, caller: Caller, listing_id: UUID) -> Home:
    """The home, if the caller acts for it or is staff; `NotFound` to strangers."""
    home = await store.home(reader, listing_id)
    caller.must_be_one_of(*home.hosts)
    return home


async def home_to_change(reader: DocumentReader, caller: Caller, listing_id: UUID) -> Home:
    """The same; `Forbidden` to strangers where they see the home, which they do once it is published."""
    home = await store.home(reader, listing_id)
    if home.status == PUBLISHED and not caller.one_of(*home.hosts):
        raise Forbidden
    caller.must_be_one_of(*home.hosts)
    return home


async def home_of_host(reader: DocumentReader, caller: Caller, listing_id: UUID, *or_else: UUID) -> Home:
    """The same for what is the host's alone (and staff's): `Forbidden` to co-hosts, but for `or_else`."""
    home = await home_to_change(reader, caller, listing_id)
    if not caller.one_of(home.host_id, *or_else):
        raise Forbidden
    return home


def must_be_version(home: Home, if_match: int | None) -> None:
    """`VersionMismatch` where a write is based on another version than the one that is here."""
    if if_match is not None and if_match != home.version:
        raise VersionMismatch(version=home.version)


async def knows_the_place(deps: Deps, caller: Caller, home: Home) -> bool:
    """May the caller see the street and the exact point? Who cannot be sure of it may not."""
    if caller.account_id is None:
        return False
    if caller.one_of(*home.hosts):
        return True
    try:
        return await deps.booking.has_confirmed(home.id, caller.account_id)
    except Unavailable:
        return False


async def seen_home(deps: Deps, caller: Caller, listing_id: UUID) -> tuple[Home, bool]:
    """A home that the caller may see, and whether exactly. One that is not published is seen by those who
    know its place anyway: its hosts, staff, and guests with a booking."""
    home = await store.home(deps.docs, listing_id)
    exact = await knows_the_place(deps, caller, home)
    if home.status != PUBLISHED and not exact:
        caller.must_be_one_of(*home.hosts)
    return home, exact


def placed(deps: Deps, home: Home) -> Home:
    """A home that is about to be written, found on maps where it is shown."""
    return findable(home, deps.secrets.secret("places"))


def as_shown(deps: Deps, home: Home, *, exact: bool = True) -> Listing:
    return shown(home, exact=exact, key=deps.secrets.secret("places"), url=deps.blobs.url)


def shown_again(deps: Deps, home: Home, *, exact: bool) -> Listing:
    """The same for a committed home, made once for a version of it."""
    key = (home.id.int, exact)
    found = deps.shown.get(key)
    if found is None or found.version != home.version:
        if len(deps.shown) >= MOST_SHOWN:
            deps.shown.clear()
        found = deps.shown[key] = as_shown(deps, home, exact=exact)
    return found


def stay_asked(check_in: date, check_out: date) -> Stay:
    """A stay in times for which calendars are kept; anything else is `Invalid`, naming the field."""
    return stay_of(day_asked("check_in", check_in), day_asked("check_out", check_out))


def day_asked(name: str, day: date) -> date:
    """The same day, where calendars are kept of its year."""
    if not 2000 <= day.year < 2200:
        raise Invalid.field(name, "out_of_range", "must be a day of the years 2000 to 2199")
    return day
