"""What a host does with calendars of other sites: import them, look after them, give them up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Conflict, Invalid
from hometrip.kernel.stay import Stay, local_date
from hometrip.kernel.wire import Answer
from hometrip.ports.documents import DocumentTx, Duplicate
from hometrip.ports.fetcher import FetchRefused, Limits
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps, own_home
from hometrip.services.listing.actions.feeds_export import link_of
from hometrip.services.listing.actions.feeds_reading import (
    FeedDue,
    FeedRemoved,
    due_after,
    fetch,
    learnt,
    refresh,
    release,
    take,
    timer_of,
)
from hometrip.services.listing.rules import texts
from hometrip.services.listing.rules.calendar import Calendar
from hometrip.services.listing.rules.spans import nights_of, without_span
from hometrip.services.listing.store import Feed

MOST_FEEDS = 10


class FeedKnown(Conflict):
    """This home imports that calendar already."""

    code = "feed_known"


class TooManyFeeds(Conflict):
    """A home imports at most so many calendars as `limit` says."""

    code = "too_many_feeds"


class Failure(Answer):
    """`code` is fetch_refused, fetch_unreachable, fetch_too_slow, fetch_too_large, fetch_status,
    feed_unreadable or empty."""

    code: str
    detail: str
    at: datetime


class FeedShown(Answer):
    """`state` is waiting (never read yet), good or failing; `lag_seconds` is how old what is known is.

    `events` are those of its events that take nights now, `conflicts` the nights that confirmed bookings have
    here too. `export_url` is this home's calendar without what came from there: the one to give to that site.
    """

    id: UUID
    name: str
    url: str
    export_url: str
    state: str
    events: int
    nights: int
    conflicts: list[Stay]
    failures: int
    created_at: datetime
    last_tried_at: datetime | None = None
    last_good_at: datetime | None = None
    lag_seconds: int | None = None
    last_error: Failure | None = None


class Feeds(Answer):
    items: list[FeedShown]


def feed_shown(deps: Deps, days: Calendar, feed: Feed) -> FeedShown:
    lag = None if feed.good_at is None else int((deps.clock.now() - feed.good_at) / timedelta(seconds=1))
    error = None
    if feed.failed_at is not None:
        error = Failure(code=feed.failure, detail=feed.failure_detail, at=feed.failed_at)
    return FeedShown(
        id=feed.id,
        name=feed.name,
        url=feed.url,
        export_url=link_of(deps, days, besides=feed.id),
        state="failing" if feed.failures else "good" if feed.good_at else "waiting",
        events=len(feed.events),
        nights=sum(stay.nights for event in feed.events for stay in event.stays),
        conflicts=feed.conflicts,
        failures=feed.failures,
        created_at=feed.created_at,
        last_tried_at=feed.asked_at,
        last_good_at=feed.good_at,
        lag_seconds=lag,
        last_error=error,
    )


async def list_feeds(deps: Deps, caller: Caller, listing_id: UUID) -> Feeds:
    await own_home(deps.docs, caller, listing_id)
    days = await store.calendar(deps.docs, listing_id)
    return Feeds(items=[feed_shown(deps, days, feed) for feed in await store.feeds_of(deps.docs, days)])


async def add_feed(deps: Deps, caller: Caller, listing_id: UUID, url: str, name: str) -> FeedShown:
    """Fetch it at once and every 15 minutes from now on. An address that may not be fetched is refused; one
    that does not answer now is kept, and its health says so."""
    url = asked_url(url)
    home = await own_home(deps.docs, caller, listing_id)
    now = deps.clock.now()
    name = texts.one_line(name)[:100] or (urlsplit(url).hostname or "")[:100]
    feed = Feed(id=deps.new_id(), listing_id=listing_id, url=url, name=name, created_at=now)
    _must_be_new(feed, await store.feeds_of(deps.docs, await store.calendar(deps.docs, listing_id)))
    got = await fetch(deps, feed, home, Limits().seconds)
    if got.failure == FetchRefused.code:
        raise Invalid.field("url", "not_public", got.detail)
    feed = learnt(feed, got, local_date(now, home.time_zone))
    async with deps.docs.transaction() as tx:
        days = await store.calendar(tx, listing_id)
        _must_be_new(feed, await store.feeds_of(tx, days))
        try:
            await tx.insert(store.FEEDS, feed)
        except Duplicate as known:
            raise FeedKnown from known
        await tx.replace(store.CALENDARS, msgspec.structs.replace(days, feeds=[*days.feeds, feed.id]))
        await tx.emit_later(FeedDue(feed_id=feed.id), due_after(feed.id, now))
    await take(deps, feed.id)
    return feed_shown(deps, days, await store.feed(deps.docs, listing_id, feed.id))


def asked_url(text: str) -> str:
    """`webcal:` is how calendar programs write https."""
    url = text.strip()
    scheme, colon, rest = url.partition(":")
    return f"https:{rest}" if colon and scheme.lower() in ("webcal", "webcals") else url


def _must_be_new(feed: Feed, others: Sequence[Feed]) -> None:
    if any(other.url == feed.url for other in others):
        raise FeedKnown
    if len(others) >= MOST_FEEDS:
        raise TooManyFeeds(limit=MOST_FEEDS)


async def refresh_feed(deps: Deps, caller: Caller, listing_id: UUID, feed_id: UUID) -> FeedShown:
    """Fetch it now; its health says how that went."""
    await own_home(deps.docs, caller, listing_id)
    await store.feed(deps.docs, listing_id, feed_id)
    await refresh(deps, feed_id)
    days = await store.calendar(deps.docs, listing_id)
    return feed_shown(deps, days, await store.feed(deps.docs, listing_id, feed_id))


async def remove_feed(deps: Deps, caller: Caller, listing_id: UUID, feed_id: UUID) -> None:
    """Its nights are free again, unless others have them."""
    async with deps.docs.transaction() as tx:
        home = await own_home(tx, caller, listing_id)
        await store.feed(tx, listing_id, feed_id)
        days = await store.calendar(tx, listing_id)
        await drop_feeds(tx, listing_id, [feed_id])
        left = msgspec.structs.replace(
            without_span(days, feed_id), feeds=[other for other in days.feeds if other != feed_id]
        )
        if nights_of(left) != nights_of(days):
            await store.keep_calendar(tx, home, left)
        else:
            await tx.replace(store.CALENDARS, left)
    await release(deps, listing_id, feed_id)


async def drop_feeds(tx: DocumentTx, listing_id: UUID, feed_ids: Sequence[UUID]) -> None:
    """Forget the feeds and their timers. Their nights are given back by whoever hears of it."""
    for feed_id in feed_ids:
        await tx.delete(store.FEEDS, feed_id)
        await tx.withdraw(timer_of(feed_id))
        await tx.emit(FeedRemoved(feed_id=feed_id, listing_id=listing_id))
