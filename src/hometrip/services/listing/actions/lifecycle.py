"""Homes from the draft to the end: write, publish, pause, delete, show."""

from __future__ import annotations

import re
from uuid import UUID

import msgspec

from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY
from hometrip.kernel.countries import NO_COUNTRY
from hometrip.kernel.errors import Conflict, Invalid
from hometrip.kernel.page import Page
from hometrip.kernel.stay import Stay
from hometrip.ports.documents import eq
from hometrip.services.listing import store
from hometrip.services.listing.actions.co_hosts import dismiss_all
from hometrip.services.listing.actions.days import SETTLE_AFTER
from hometrip.services.listing.actions.deps import (
    Deps,
    home_of_host,
    home_to_change,
    must_be_version,
    placed,
    seen_home,
    shown_again,
)
from hometrip.services.listing.actions.feeds import drop_feeds
from hometrip.services.listing.actions.feeds_reading import FeedRemoved, release
from hometrip.services.listing.actions.files import drop_files, keys_of
from hometrip.services.listing.actions.instant import all_as_own, as_own, with_first_bookings
from hometrip.services.listing.actions.usually import usual_night
from hometrip.services.listing.contract import (
    ListingCreated,
    ListingDeleted,
    ListingEvent,
    ListingPublished,
    ListingUnpublished,
)
from hometrip.services.listing.rules import texts
from hometrip.services.listing.rules.edits import HomeEdit, NewHome, WholeHome, edited, rewritten
from hometrip.services.listing.rules.home import DRAFT, PAUSED, PUBLISHED, SUSPENDED, Home, Place, Point
from hometrip.services.listing.rules.moderation import published
from hometrip.services.listing.rules.publish import must_be_complete
from hometrip.services.listing.rules.shown import Listing, with_judgement

# Nobody books farther ahead: a window of 24 months, and a year's stay.
LONGEST_AHEAD = 4 * 366 * DAY


class BookingsAhead(Conflict):
    """The home cannot be deleted while it has bookings whose check-out lies ahead."""

    code = "bookings_ahead"


class ListingSuspended(Conflict):
    """The home is suspended by staff."""

    code = "listing_suspended"


class NotPublished(Conflict):
    """Only a home that was published can be paused or taken up again; `state` is the one that it is in."""

    code = "listing_not_published"


async def create(deps: Deps, caller: Caller, wish: NewHome) -> Listing:
    """A draft, with whatever of it is known already."""
    now = deps.clock.now()
    draft = Home(id=deps.new_id(), host_id=caller.id, title=wish.title, created_at=now, updated_at=now)
    home = edited(draft, await _located(deps, wish, draft), now)
    async with deps.docs.transaction() as tx:
        home = await store.add_home(tx, placed(deps, home))
        await tx.emit(ListingCreated(listing_id=home.id, host_id=home.host_id, revision=1))
    return await as_own(deps, home)


async def change(
    deps: Deps, caller: Caller, listing_id: UUID, edit: HomeEdit, if_match: int | None
) -> Listing:
    """Write the fields that are given; nothing happens where nothing becomes different."""
    edit = await _located(deps, edit, await home_to_change(deps.docs, caller, listing_id))
    async with deps.docs.transaction() as tx:
        home = await home_to_change(tx, caller, listing_id)
        must_be_version(home, if_match)
        write = rewritten if isinstance(edit, WholeHome) else edited
        changed = placed(deps, write(home, edit, deps.clock.now()))  # type: ignore[arg-type]
        if changed.status == PUBLISHED:
            must_be_complete(changed)
        if changed != home:
            changed = await store.keep_home(tx, changed)
    return await as_own(deps, changed)


async def _located(deps: Deps, edit: HomeEdit, home: Home) -> HomeEdit:
    """The edit with what its place tells: the time zone of the point, the code of a country's name."""
    location, address = edit.location, edit.address
    if location and not await _says_own_zone(deps, edit, home):
        zone = await deps.geocoder.time_zone(location.lat, location.lng)
        edit = msgspec.structs.replace(edit, time_zone=zone)
    if address and address.country and len(address.country.strip()) > 2:
        country = await _country_code(deps, address.country)
        edit = msgspec.structs.replace(edit, address=msgspec.structs.replace(address, country=country))
    return edit


async def _says_own_zone(deps: Deps, edit: HomeEdit, home: Home) -> bool:
    """Does the host say by which clocks it is? Not where that is given back as it was found for the place."""
    if edit.time_zone is msgspec.UNSET:
        return False
    was = home.location
    if edit.time_zone == home.time_zone:
        return was is not None and edit.time_zone != await deps.geocoder.time_zone(was.lat, was.lng)
    return True


async def _country_code(deps: Deps, name: str) -> str:
    wanted = texts.folded(name)
    for place in await deps.geocoder.search(name, limit=10):
        if place.kind == "country" and texts.folded(place.country_name) == wanted:
            return place.country
    raise Invalid.field("address.country", "unknown_country", f"{NO_COUNTRY}, or its name")


async def publish(deps: Deps, caller: Caller, listing_id: UUID) -> Listing:
    """`NotComplete` names everything that is missing; a home without a point gets that of its city. Where
    staff look at homes first, it is then in review."""
    home = await home_to_change(deps.docs, caller, listing_id)
    found = await _city_point(deps, home) if home.location is None else None
    async with deps.docs.transaction() as tx:
        home = await home_to_change(tx, caller, listing_id)
        if home.status == SUSPENDED:
            raise ListingSuspended
        if found and home.location is None:
            point, zone = found
            home = placed(deps, msgspec.structs.replace(home, location=point, time_zone=zone))
        must_be_complete(home)
        status = published(home, reviewed=deps.settings.review_listings)
        if home.status != status:
            home = msgspec.structs.replace(home, status=status, updated_at=deps.clock.now())
            home = await store.keep_home(tx, home, *([ListingPublished] if status == PUBLISHED else []))
            await store.note_asked(tx, listing_id, deps.clock.now())
    return await as_own(deps, home)


async def _city_point(deps: Deps, home: Home) -> tuple[Point, str] | None:
    """Where the city of the address is, and its time zone."""
    address = home.address
    if not (address.city and re.fullmatch("[A-Z]{2}", address.country)):
        return None
    parts = [part for part in (address.city, address.region) if part]
    for place in await deps.geocoder.search(", ".join(parts), limit=20):
        if place.kind == "city" and place.country == address.country:
            zone = await deps.geocoder.time_zone(place.lat, place.lng)
            return Point(lat=place.lat, lng=place.lng), zone
    return None


async def toggle(deps: Deps, caller: Caller, listing_id: UUID, if_match: int | None) -> Listing:
    """Pause a published home, or take a paused one up again."""
    moves: dict[str, tuple[str, type[ListingEvent]]] = {
        PUBLISHED: (PAUSED, ListingUnpublished),
        PAUSED: (PUBLISHED, ListingPublished),
    }
    async with deps.docs.transaction() as tx:
        home = await home_to_change(tx, caller, listing_id)
        must_be_version(home, if_match)
        if home.status == SUSPENDED:
            raise ListingSuspended
        if home.status not in moves:
            raise NotPublished(state=home.status)
        status, says = moves[home.status]
        if status == PUBLISHED:
            must_be_complete(home)
        home = msgspec.structs.replace(home, status=status, updated_at=deps.clock.now())
        home = await store.keep_home(tx, home, says)
        await store.note_asked(tx, listing_id, deps.clock.now())
    return await as_own(deps, home)


async def delete(deps: Deps, caller: Caller, listing_id: UUID, if_match: int | None) -> None:
    """By its host: the home, its calendar, blocks, feeds, pictures and co-hosts. `BookingsAhead` while
    somebody is to come."""
    home = await home_of_host(deps.docs, caller, listing_id)
    must_be_version(home, if_match)
    if await deps.booking.has_open(listing_id):
        raise BookingsAhead
    if home.status != DRAFT:
        await _close(deps, listing_id)
    try:
        await _delete(deps, caller, listing_id, if_match)
    except BaseException:
        await release(deps, listing_id, listing_id)
        raise


async def _close(deps: Deps, listing_id: UUID) -> None:
    """Take every night that is free, so that nobody books the home while it goes.

    Whose booking was faster is refereed by the key of the nights. They are given back when nothing comes of
    it, and a day later, when no payment for a booking of before can come any more.
    """
    now = deps.clock.now()
    async with deps.docs.transaction() as tx:
        await tx.emit_later(FeedRemoved(listing_id=listing_id, feed_id=listing_id), now + SETTLE_AFTER)
    every = Stay(now.date() - DAY, now.date() + LONGEST_AHEAD)
    await deps.booking.replace_blocks(listing_id, listing_id, [every])
    if await deps.booking.has_open(listing_id):
        await release(deps, listing_id, listing_id)
        raise BookingsAhead


async def _delete(deps: Deps, caller: Caller, listing_id: UUID, if_match: int | None) -> None:
    async with deps.docs.transaction() as tx:
        home = await home_of_host(tx, caller, listing_id)
        must_be_version(home, if_match)
        days = await store.calendar(tx, listing_id)
        await tx.delete(store.HOMES, listing_id)
        await tx.delete(store.CALENDARS, listing_id)
        await tx.delete(store.ASKED, listing_id)
        await tx.delete_where(store.BLOCKS, eq("listing_id", listing_id))
        await drop_feeds(tx, days.id, days.feeds)
        await tx.delete_where(store.IMPORTED_REVIEWS, eq("listing_id", listing_id))
        await drop_files(tx, home.id, keys_of(home.photos))
        await store.reports.forget(tx, home.id)
        await dismiss_all(tx, caller, home, days.revision)
        nights_back = FeedRemoved(listing_id=listing_id, feed_id=listing_id)
        await tx.emit_later(nights_back, deps.clock.now() + DAY)
        await tx.emit(ListingDeleted(listing_id=home.id, host_id=home.host_id, revision=days.revision + 1))


async def show(deps: Deps, caller: Caller, listing_id: UUID) -> Listing:
    home, exact = await seen_home(deps, caller, listing_id)
    was = await usual_night(deps, home)
    [found] = await with_first_bookings(deps, [home], [shown_again(deps, home, exact=exact)])
    if caller.one_of(*home.hosts):
        found = with_judgement(found, home)
    return found if was is None else msgspec.structs.replace(found, was=was)


async def mine(deps: Deps, caller: Caller, limit: int, cursor: str | None) -> Page[Listing]:
    page = await store.of_host(deps.docs, caller.id, limit, cursor)
    return Page(await all_as_own(deps, page.items), page.next_cursor)


def place_in_words(place: Place) -> str:
    """On one line, as an envelope would have it."""
    city = " ".join(part for part in (place.postcode, place.city) if part)
    return ", ".join(part for part in (place.line1, city, place.region, place.country) if part)
