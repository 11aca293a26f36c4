"""Calendars of other sites: how each is fetched, what is learnt of it, and how its nights are taken.

The fetch lies before every transaction. What was learnt is written down first; then booking, which owns the
nights, is asked for them, as often as needed until it has what is written.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec

from hometrip.kernel.clock import DAY, MINUTE
from hometrip.kernel.contacts import without_contacts
from hometrip.kernel.errors import HomeTripError, NotFound, Unavailable
from hometrip.kernel.events import Event
from hometrip.kernel.stay import Stay, local_date
from hometrip.ports.documents import Change, DocumentTx
from hometrip.ports.fetcher import FAILURES, FetchTooSlow, Limits, Mark
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps
from hometrip.services.listing.contract import CalendarConflict, CalendarImportFailed
from hometrip.services.listing.rules import ical_events, ical_merge
from hometrip.services.listing.rules.calendar import BOOKED, Calendar
from hometrip.services.listing.rules.home import Home
from hometrip.services.listing.rules.ical import FeedUnreadable
from hometrip.services.listing.rules.ical_events import Reading
from hometrip.services.listing.rules.ical_export import host_of
from hometrip.services.listing.rules.spans import nights_of, runs, with_imported
from hometrip.services.listing.store import Feed

EVERY = 15 * MINUTE
# A guest at the checkout waits at most so long, and only for calendars that nobody asked for a minute before.
CHECKOUT_SECONDS, CHECKOUT_AGE = 2.0, 1 * MINUTE
# The last of it is kept for writing down what has come and been read by then.
TO_WRITE_SECONDS = 0.3
# So many failed fetches in a row are told to the host: with a timer of 15 minutes, an hour of them.
TOLD_AFTER = 4
# After so long the whole calendar is read again, even if its server says that it has not changed: the nights
# that it has far ahead have come nearer. So it is when the home was changed: other hours make other nights.
WHOLE_AFTER = 1 * DAY
EMPTIED = "empty"
FAILED: tuple[type[HomeTripError], ...] = (*FAILURES, FeedUnreadable)


class FeedDue(Event):
    """A timer: a calendar of another site is to be fetched again."""

    name = "listing.feed_due"
    about = ("listing_feed", "feed_id")

    feed_id: UUID


class FeedRemoved(Event):
    """This service's own: a calendar is no longer imported, or its home is gone, and the nights that are held
    for it are to be given back."""

    name = "listing.feed_removed"
    about = ("listing_feed", "feed_id")

    feed_id: UUID
    listing_id: UUID


class Fetch(NamedTuple):
    """What came of a fetch that was begun at `begun`: a reading, or why there is none.

    `unchanged`: the server says that its calendar is the one read last.
    """

    begun: datetime
    reading: Reading | None = None
    unchanged: bool = False
    mark: Mark = Mark()
    failure: str = ""
    detail: str = ""


def due_after(feed_id: UUID, now: datetime) -> datetime:
    """Each calendar has its own second of the quarter of an hour, so that not all are fetched at once."""
    return now + EVERY - timedelta(seconds=feed_id.int % 60)


def timer_of(feed_id: UUID) -> str:
    return f"{FeedDue.name}:listing_feed/{feed_id}"


async def fetch(deps: Deps, feed: Feed, home: Home, seconds: float) -> Fetch:
    """Never raises for what the other side does."""
    begun = deps.clock.now()
    is_known = feed.read_at is not None and max(begun - WHOLE_AFTER, home.updated_at) <= feed.read_at
    try:
        found = await deps.fetcher.get(
            feed.url, known=feed.mark if is_known else Mark(), limits=Limits(seconds=seconds)
        )
        if found.body is None:
            return Fetch(begun, unchanged=True, mark=found.mark)
        # A large one takes its time: others are answered meanwhile.
        reading = await asyncio.to_thread(
            ical_events.read_feed,
            found.body,
            ical_events.Home(home.time_zone, home.check_in_from, home.check_out_by, home.id),
            local_date(begun, home.time_zone),
            host_of(deps.settings.public_url),
        )
    except FAILED as failed:
        return Fetch(begun, failure=failed.code, detail=failed.detail)
    return Fetch(begun, reading=reading, mark=found.mark)


def learnt(feed: Feed, got: Fetch, today: date) -> Feed:
    """The feed after a fetch. One that was emptied while nights of it are held is not believed."""
    known = ical_merge.ahead(feed.events, today)
    emptied = got.reading is not None and got.reading.empty and bool(known)
    if got.failure or emptied:
        return msgspec.structs.replace(
            feed,
            asked_at=got.begun,
            failed_at=got.begun,
            failure=got.failure or EMPTIED,
            failure_detail=got.detail or "The calendar has no events any more; what it had is kept.",
            failures=feed.failures + 1,
        )
    reading = ical_merge.as_before(known) if got.unchanged else got.reading
    return msgspec.structs.replace(
        feed,
        events=ical_merge.after(known, reading),
        round=feed.round + 1,
        mark=got.mark,
        asked_at=got.begun,
        read_at=feed.read_at if got.unchanged else got.begun,
        good_at=got.begun,
        failures=0,
    )


async def refresh(
    deps: Deps, feed_id: UUID, *, why: Event | None = None, seconds: float | None = None
) -> None:
    """Fetch it, write down what was learnt, have its nights taken. With `seconds` nobody waits longer for it
    to come and be read, and being later than that is no failure. What `why` tells is learnt once."""
    found = await _feed_and_home(deps, feed_id)
    if found is None:
        return
    feed, home = found
    begun = deps.clock.now()
    try:
        async with asyncio.timeout(seconds):
            got = await fetch(deps, feed, home, seconds or Limits().seconds)
    except TimeoutError:  # it has come, but is so large that it is being read still
        got = Fetch(begun, failure=FetchTooSlow.code)
    is_late = seconds is not None and got.failure == FetchTooSlow.code
    async with deps.docs.transaction() as tx:
        if why is None or await tx.first_time(why, "listing.refresh_feed"):
            if is_late:
                await tx.change(store.FEEDS, feed_id, Change(set={"asked_at": got.begun}))
            else:
                await learn(tx, home, feed_id, got)
    if not is_late:
        await take(deps, feed_id)


async def _feed_and_home(deps: Deps, feed_id: UUID) -> tuple[Feed, Home] | None:
    """None where one of them was removed meanwhile."""
    feed = await deps.docs.get(store.FEEDS, feed_id)
    if feed is None:
        return None
    try:
        return feed, await store.home(deps.docs, feed.listing_id)
    except NotFound:
        return None


async def learn(tx: DocumentTx, home: Home, feed_id: UUID, got: Fetch) -> None:
    """What a fetch says that was begun before another one ended is old already, and is left out."""
    feed = await tx.get(store.FEEDS, feed_id)
    if feed is None or (feed.good_at is not None and feed.good_at > got.begun):
        return
    kept = await tx.replace(store.FEEDS, learnt(feed, got, local_date(got.begun, home.time_zone)))
    if kept.failures == TOLD_AFTER:
        days = await store.calendar(tx, home.id)
        failed = CalendarImportFailed(
            listing_id=home.id,
            host_id=home.host_id,
            revision=days.revision,
            feed_id=kept.id,
            feed_name=without_contacts(kept.name, links=True),
            why=kept.failure,
            title=home.title,
        )
        await tx.emit(failed)


class Noted(NamedTuple):
    """What taking a feed's nights has changed: some of them are `given_back`; `clashes` are not as before."""

    given_back: bool
    clashes: bool


async def take(deps: Deps, feed_id: UUID) -> None:
    """Have booking give the feed the nights that it takes, no more and no less; safe to repeat.

    Nights that it gives back are another feed's that wants them. Who gives nights back looks for feeds with a
    clash written down: so booking is asked once more after one was.
    """
    given_back = False
    for _ in range(5):
        found = await _feed_and_home(deps, feed_id)
        if found is None:
            return
        feed, home = found
        stays = ical_merge.nights_taken(feed.events, local_date(deps.clock.now(), home.time_zone))
        refused = await deps.booking.replace_blocks(feed.listing_id, feed.id, stays)
        noted = None
        async with deps.docs.transaction() as tx:
            now = await tx.get(store.FEEDS, feed_id)
            if now is not None and now.round == feed.round:
                noted = await note_taken(tx, now, stays, refused)
        if now is None:  # removed meanwhile: what was just taken is given back
            await release(deps, feed.listing_id, feed_id)
            return
        given_back |= noted is not None and noted.given_back
        if noted is not None and not noted.clashes:
            if given_back:
                await retake(deps, feed.listing_id)
            return
    raise Unavailable("This calendar is being changed too often to be taken over now.")


async def note_taken(tx: DocumentTx, feed: Feed, wanted: Sequence[Stay], refused: Sequence[Stay]) -> Noted:
    """Enter into the home's days what booking gave; tell the host of confirmed bookings in the way."""
    home, days = await store.home(tx, feed.listing_id), await store.calendar(tx, feed.listing_id)
    clashing = _nights(refused)
    taken = _nights(wanted) - clashing
    changed = with_imported(days, feed.id, runs(sorted(taken)))
    given_back = not _nights_of(feed.id, days) <= taken
    if nights_of(changed) != nights_of(days):
        days = await store.keep_calendar(tx, home, changed)
    conflicting = clashing & _confirmed_nights(days)
    clashes, conflicts = runs(sorted(clashing)), runs(sorted(conflicting))
    noted = Noted(given_back=given_back, clashes=clashes != feed.clashes)
    if (clashes, conflicts) == (feed.clashes, feed.conflicts):
        return noted
    await tx.change(store.FEEDS, feed.id, Change(set={"clashes": clashes, "conflicts": conflicts}))
    if news := runs(sorted(conflicting - _nights(feed.conflicts))):
        conflict = CalendarConflict(
            listing_id=home.id,
            host_id=home.host_id,
            revision=days.revision,
            feed_id=feed.id,
            feed_name=without_contacts(feed.name, links=True),
            stays=news,
            title=home.title,
        )
        await tx.emit(conflict)
    return noted


def _nights_of(feed_id: UUID, days: Calendar) -> set[date]:
    return _nights([Stay(span.check_in, span.check_out) for span in days.spans if span.id == feed_id])


def _nights(stays: Sequence[Stay]) -> set[date]:
    return {night for stay in stays for night in stay.each_night()}


def _confirmed_nights(days: Calendar) -> set[date]:
    spans = [span for span in days.spans if span.kind == BOOKED and span.confirmed]
    return _nights([Stay(span.check_in, span.check_out) for span in spans])


async def release(deps: Deps, listing_id: UUID, feed_id: UUID) -> None:
    """Give back what a feed that is gone may still have; safe to repeat."""
    await deps.booking.replace_blocks(listing_id, feed_id, [])


async def refresh_when_due(deps: Deps, event: FeedDue) -> None:
    """The next time is set first: whatever becomes of this one, it goes on."""
    async with deps.docs.transaction() as tx:
        if await tx.get(store.FEEDS, event.feed_id) is None:
            return
        await tx.emit_later(FeedDue(feed_id=event.feed_id), due_after(event.feed_id, deps.clock.now()))
    await refresh(deps, event.feed_id, why=event)


async def retake(deps: Deps, listing_id: UUID) -> None:
    """Nights that feeds wanted and bookings had may be free now, or the booking a confirmed one."""
    try:
        days = await store.calendar(deps.docs, listing_id)
    except NotFound:
        return
    for feed in await store.feeds_of(deps.docs, days) if days.feeds else []:
        if feed.clashes:
            await take(deps, feed.id)


async def freshen(deps: Deps, days: Calendar) -> bool:
    """At the checkout: fetch the home's feeds, all at once, and go on with what is known where that takes too
    long; what is not written down soon after is left to their next reading. Answers whether something was
    asked."""
    if not days.feeds:
        return False
    now = deps.clock.now()
    feeds = await store.feeds_of(deps.docs, days)
    stale = [feed.id for feed in feeds if feed.asked_at is None or now - feed.asked_at >= CHECKOUT_AGE]
    asked = [refresh(deps, feed_id, seconds=CHECKOUT_SECONDS - TO_WRITE_SECONDS) for feed_id in stale]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CHECKOUT_SECONDS):
            for outcome in await asyncio.gather(*asked, return_exceptions=True):
                if isinstance(outcome, BaseException) and not isinstance(outcome, Unavailable):
                    raise outcome
    return bool(stale)
