"""Where homes, calendars and blocks are kept, and every query of them; other nouns have a file beside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from hometrip.kernel.errors import NotFound
from hometrip.kernel.once import Once
from hometrip.kernel.page import Page
from hometrip.kernel.stay import Stay
from hometrip.ports.documents import (
    Change,
    Collection,
    DocumentReader,
    DocumentTx,
    Index,
    LocationIndex,
    Record,
    Where,
    eq,
    gt,
    ne,
    one_of,
)
from hometrip.ports.fetcher import Mark
from hometrip.services.listing.contract import ListingEvent, ListingUpdated
from hometrip.services.listing.rules.bulk import DaysEdit, HomePlan
from hometrip.services.listing.rules.calendar import Calendar
from hometrip.services.listing.rules.home import PUBLISHED, Home
from hometrip.services.listing.rules.ical_events import Busy
from hometrip.services.listing.rules.was import Asked, asking_of, noted
from hometrip.services.listing.store import co_hosts, imports, reports, taxes

PLACING, PLACED, LIFTING = "placing", "placed", "lifting"


class Block(Record):
    """Nights a host keeps. `placing` until booking has taken them, `lifting` until it gives them back."""

    listing_id: UUID
    check_in: date
    check_out: date
    reason: str
    state: str
    created_at: datetime


class Edit(Record):
    """An edit of the days of many homes, from before booking is asked for its nights until it is made. `once`
    is the request's: whoever ends the edit answers it."""

    account_id: UUID
    asked: DaysEdit
    plans: list[HomePlan]
    once: Once
    created_at: datetime


class Feed(Record):
    """A calendar of another site. `round` counts what was learnt of it; good is a fetch that could be read.

    `failures` is how many failed since the last good one. `clashes` are nights that it takes and others have;
    of them, `conflicts` are confirmed bookings'.
    """

    listing_id: UUID
    url: str
    name: str
    created_at: datetime
    events: list[Busy] = []
    round: int = 0
    mark: Mark = Mark()
    asked_at: datetime | None = None
    read_at: datetime | None = None
    good_at: datetime | None = None
    failed_at: datetime | None = None
    failure: str = ""
    failure_detail: str = ""
    failures: int = 0
    clashes: list[Stay] = []
    conflicts: list[Stay] = []


class ImportedReview(Record):
    """What a guest wrote elsewhere. The id is made of the source's, so that it cannot come twice."""

    listing_id: UUID
    source: str
    on: date
    author: str
    text: str


SEEN_LAT = "seen.lat"
PRICE, PRICED_IN = "pricing.base.amount", "pricing.base.currency"
HOMES: Collection[Home] = Collection(
    "homes",
    Home,
    edition=3,
    indexes=(
        Index("of_host", ("host_id", "created_at")),
        Index("of_source", ("source",), unique=True, where=ne("source", None)),
        Index("newest", ("status", "created_at")),
        Index("priced", ("status", PRICED_IN, PRICE)),
        Index("rated", ("status", "rating")),
        Index("in_city", ("status", "city_key", "created_at")),
        Index("seen_at", (SEEN_LAT,)),
    ),
    location=LocationIndex("seen"),
)
CALENDARS: Collection[Calendar] = Collection("calendars", Calendar)
BLOCKS: Collection[Block] = Collection(
    "blocks", Block, indexes=(Index("of_listing", ("listing_id", "check_in")),)
)
ASKED: Collection[Asked] = Collection("asked_prices", Asked)
EDITS: Collection[Edit] = Collection("edits", Edit)
IMPORTED_REVIEWS: Collection[ImportedReview] = Collection(
    "imported_reviews", ImportedReview, indexes=(Index("of_listing", ("listing_id", "on")),)
)
FEEDS: Collection[Feed] = Collection(
    "feeds", Feed, indexes=(Index("of_address", ("listing_id", "url"), unique=True),)
)
COLLECTIONS = (
    HOMES,
    CALENDARS,
    ASKED,
    BLOCKS,
    EDITS,
    IMPORTED_REVIEWS,
    FEEDS,
    co_hosts.CO_HOSTS,
    imports.IMPORTS,
    reports.REPORTS,
    reports.REPORTED,
    taxes.TAX_RULES,
)


async def home(reader: DocumentReader, listing_id: UUID) -> Home:
    """`NotFound` where there is none."""
    found = await reader.get(HOMES, listing_id)
    if found is None:
        raise NotFound("There is no such listing.")
    return found


async def published(reader: DocumentReader, listing_id: UUID) -> tuple[Home, Calendar]:
    """A home that can be asked for a price, with its days; `NotFound` for any other."""
    found = await home(reader, listing_id)
    if found.status != PUBLISHED or found.pricing is None:
        raise NotFound("There is no such listing.")
    return found, await calendar(reader, listing_id)


async def calendar(reader: DocumentReader, listing_id: UUID) -> Calendar:
    found = await reader.get(CALENDARS, listing_id)
    if found is None:
        raise NotFound("There is no such listing.")
    return found


async def add_home(tx: DocumentTx, new: Home) -> Home:
    """The home and its empty calendar."""
    added = await tx.insert(HOMES, new)
    await tx.insert(CALENDARS, Calendar(id=new.id))
    return added


async def keep_home(tx: DocumentTx, changed: Home, *says: type[ListingEvent]) -> Home:
    """Put the changed home in its place and tell that it was updated, and what else there is to say.

    `VersionMismatch` where the stored one is no longer the one that was changed.
    """
    kept = await tx.replace(HOMES, changed)
    days = await tx.change(CALENDARS, kept.id, Change(inc={"revision": 1}))
    assert days is not None  # a home and its calendar come and go in the same transactions
    await _say(tx, kept, days, says)
    return kept


async def keep_calendar(tx: DocumentTx, of: Home, changed: Calendar, *says: type[ListingEvent]) -> Calendar:
    """Put the changed days in their place and tell that the home was updated, and what else there is."""
    kept = await tx.replace(CALENDARS, msgspec.structs.replace(changed, revision=changed.revision + 1))
    await _say(tx, of, kept, says)
    return kept


async def _say(tx: DocumentTx, of: Home, days: Calendar, says: Sequence[type[ListingEvent]]) -> None:
    kinds: tuple[type[ListingEvent], ...] = (*says, ListingUpdated)
    for kind in kinds:
        await tx.emit(kind(listing_id=of.id, host_id=of.host_id, revision=days.revision))


async def note_asked(tx: DocumentTx, listing_id: UUID, at: datetime) -> None:
    """Remember what the home asks for its nights from now on, after its price or state was changed."""
    kept, days = await home(tx, listing_id), await calendar(tx, listing_id)
    asked = await tx.get(ASKED, listing_id)
    changed = noted(asked or Asked(id=listing_id, changes=[]), asking_of(kept, days), at)
    if changed is None:
        return
    await tx.upsert(ASKED, changed)
    if asked is not None:
        await tx.change(CALENDARS, listing_id, Change(set={"repriced_at": at}))


async def asked_lately(
    reader: DocumentReader, calendars: Sequence[Calendar], since: datetime
) -> dict[UUID, Asked]:
    """What was asked by those homes whose price has changed since then; all others ask what they asked."""
    ids = [days.id for days in calendars if days.repriced_at is not None and days.repriced_at > since]
    return {asked.id: asked for asked in await reader.get_many(ASKED, ids)} if ids else {}


async def unplaced(reader: DocumentReader) -> list[Home]:
    """Some of those that no map shows yet though it is known where they are."""
    where = eq(SEEN_LAT, None) & ne("location", None)
    return (await reader.find(HOMES, where, limit=500)).items


async def of_host(reader: DocumentReader, account_id: UUID, limit: int, cursor: str | None) -> Page[Home]:
    """The account's own homes and those that it co-hosts, the newest first."""
    where, co_hosted = eq("host_id", account_id), await co_hosts.homes_of(reader, account_id)
    if co_hosted:
        where = where | one_of("id", co_hosted)
    return await reader.find(HOMES, where, sort=("-created_at",), limit=limit, cursor=cursor)


async def found(
    reader: DocumentReader, where: Where, sort: str, limit: int, cursor: str | None, status: str = PUBLISHED
) -> Page[Home]:
    return await reader.find(HOMES, eq("status", status) & where, sort=(sort,), limit=limit, cursor=cursor)


async def currencies(reader: DocumentReader, where: Where) -> dict[str, int]:
    """How many published homes have their prices in each."""
    return await reader.count_by(HOMES, PRICED_IN, eq("status", PUBLISHED) & where)


async def ids_after(reader: DocumentReader, after: UUID | None, limit: int) -> list[UUID]:
    where = gt("id", after) if after is not None else Where("and")
    page = await reader.find(HOMES, where, sort=("id",), limit=limit)
    return [each.id for each in page.items]


async def homes_and_days(reader: DocumentReader, ids: Sequence[UUID]) -> list[tuple[Home, Calendar]]:
    """Of those that exist, in the same order. The days are read first: what is said of them is never newer
    than what is said of the home."""
    days = {each.id.int: each for each in await reader.get_many(CALENDARS, ids)}
    homes = await reader.get_many(HOMES, ids)
    return [(home, found) for home in homes if (found := days.get(home.id.int)) is not None]


async def blocks_of(reader: DocumentReader, listing_id: UUID) -> list[Block]:
    page = await reader.find(BLOCKS, eq("listing_id", listing_id), sort=("check_in",), limit=1_000)
    return page.items


async def block(reader: DocumentReader, listing_id: UUID, block_id: UUID) -> Block:
    found = await reader.get(BLOCKS, block_id)
    if found is None or found.listing_id != listing_id:
        raise NotFound("There is no such block.")
    return found


async def by_source(reader: DocumentReader, sources: Sequence[str]) -> dict[str, Home]:
    """The homes that came from there, by the name of their source."""
    page: Page[Home] = await reader.find(HOMES, one_of("source", sources), limit=max(1, len(sources)))
    return {each.source: each for each in page.items if each.source is not None}


async def feeds_of(reader: DocumentReader, days: Calendar) -> list[Feed]:
    return await reader.get_many(FEEDS, days.feeds)


async def feed(reader: DocumentReader, listing_id: UUID, feed_id: UUID) -> Feed:
    found = await reader.get(FEEDS, feed_id)
    if found is None or found.listing_id != listing_id:
        raise NotFound("There is no such imported calendar.")
    return found
