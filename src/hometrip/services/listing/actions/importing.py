"""Imports of whole towns: homes, their days and their reviews, streamed from files into this service.

Everything may be done again: what is here already as the source says it stays untouched. No more than one
batch is in memory, and reading happens beside the event loop.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from typing import IO, Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from hometrip.kernel.stay import ONE_NIGHT
from hometrip.ports.documents import DocumentTx
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps, placed
from hometrip.services.listing.contract import ListingCreated, ListingPublished
from hometrip.services.listing.rules.arrivals import (
    arrived,
    days_arrived,
    imported_stays,
    mark_of,
    priced_by_days,
    review_id,
    source_name,
)
from hometrip.services.listing.rules.calendar import Calendar
from hometrip.services.listing.rules.home import DRAFT, PUBLISHED, Home
from hometrip.services.listing.rules.insideairbnb import (
    RowRefused,
    SourceDays,
    SourceHome,
    SourceReview,
    open_text,
    read_days,
    read_homes,
    read_reviews,
)
from hometrip.services.listing.rules.report import MOST_ROWS_NAMED, ImportReport, RowLeftOut
from hometrip.services.listing.rules.spans import nights_of

T = TypeVar("T")

HOMES_AT_ONCE, CALENDARS_AT_ONCE, REVIEWS_AT_ONCE = 50, 20, 1_000

Owners = Callable[[str], UUID]
Progress = Callable[[int, "int | None", str], "Awaitable[None] | None"]


class Run:
    """One import under way: what has been counted so far, and whom to tell."""

    def __init__(self, deps: Deps, owners: Owners, progress: Progress | None) -> None:
        self.deps, self.owners, self._progress = deps, owners, progress
        self.counts: dict[str, int] = {}
        self.left_out: list[RowLeftOut] = []
        self.drafts: list[UUID] = []

    def count(self, what: str, by: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + by

    def leave_out(self, file: str, reason: str, source_id: str | None, row: int | None = None) -> None:
        self.count("rows_left_out")
        if len(self.left_out) < MOST_ROWS_NAMED:
            self.left_out.append(RowLeftOut(file=file, reason=reason, row=row, source_id=source_id))

    def usable(self, file: str, batch: Sequence[T | RowRefused]) -> list[T]:
        """What of a batch is no refusal; those are written down."""
        for found in batch:
            if isinstance(found, RowRefused):
                self.leave_out(file, found.reason, found.source_id, found.row)
        return [found for found in batch if not isinstance(found, RowRefused)]

    async def tell(self, done: int, total: int | None, phase: str) -> None:
        if self._progress and inspect.isawaitable(telling := self._progress(done, total, phase)):
            await telling

    def report(self) -> ImportReport:
        return ImportReport(left_out=list(self.left_out), **self.counts)


async def import_homes(
    deps: Deps,
    homes_file: IO[bytes],
    calendar_file: IO[bytes] | None = None,
    reviews_file: IO[bytes] | None = None,
    *,
    owners: Owners,
    shift_to: date | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Read a publication of Inside Airbnb, plain or gzip, and publish its homes.

    `owners` tells whose a home is, by its host's id at the source ("" where that is not told). With
    `shift_to` the first day of the calendar becomes that day, and all others move with it. `progress` hears
    how many of how many (None: nobody knows) are done of homes, calendar, publish and reviews.
    `ColumnsMissing` where a file is of another kind.
    """
    run = Run(deps, owners, progress)
    with open_text(homes_file) as lines:
        await _homes(run, read_homes(lines))
    if calendar_file is not None:
        with open_text(calendar_file) as lines:
            await _calendars(run, read_days(lines), shift_to)
    await _publish(run)
    if reviews_file is not None:
        with open_text(reviews_file) as lines:
            await _reviews(run, read_reviews(lines))
    return run.report()


async def _batches(of: Iterator[T], size: int) -> AsyncIterator[list[T]]:
    while batch := await asyncio.to_thread(_next, of, size):
        yield batch


def _next(of: Iterator[T], size: int) -> list[T]:
    return list(islice(of, size))


# homes


async def _homes(run: Run, found: Iterator[SourceHome | RowRefused]) -> None:
    seen: set[str] = set()
    async for batch in _batches(found, HOMES_AT_ONCE):
        fresh: dict[str, SourceHome] = {}
        for home in run.usable("homes", batch):
            if home.source_id in seen:
                run.leave_out("homes", "this id came before", home.source_id)
            else:
                seen.add(home.source_id)
                fresh[source_name(home.source_id)] = home
        await _keep_homes(run, fresh)
        run.count("homes", len(fresh))
        await run.tell(len(seen), None, "homes")


async def _keep_homes(run: Run, fresh: dict[str, SourceHome]) -> None:
    """New homes and those that are different at their source now; the others are left alone."""
    deps, now = run.deps, run.deps.clock.now()
    known = await store.by_source(deps.docs, list(fresh))
    written: list[Home] = []
    for name, home in fresh.items():
        old = known.get(name)
        if old is not None and old.status == DRAFT:
            run.drafts.append(old.id)
        if old is not None and old.source_mark == mark_of(home):
            run.count("homes_unchanged")
            continue
        written.append(placed(deps, await _arrived(run, home, old, now)))
    if not written:
        return
    async with deps.docs.transaction() as tx:
        for changed in written:
            if changed.source in known:
                await store.keep_home(tx, changed)
                await tx.delete(store.ASKED, changed.id)  # another hand has written prices: nothing is known
                run.count("homes_changed")
            else:
                await store.add_home(tx, changed)
                await tx.emit(ListingCreated(listing_id=changed.id, host_id=changed.host_id, revision=1))
                run.drafts.append(changed.id)
                run.count("homes_new")


async def _arrived(run: Run, home: SourceHome, old: Home | None, now: datetime) -> Home:
    deps = run.deps
    place = await deps.geocoder.nearest(home.lat, home.lng)
    zone = await deps.geocoder.time_zone(home.lat, home.lng)
    if old is None:
        owner = run.owners(home.host_source_id or "")
        old = Home(id=deps.new_id(), host_id=owner, title=home.title, created_at=now, updated_at=now)
    return arrived(old, home, place, zone, now)


# days


class _Days(NamedTuple):
    """What a calendar will be, and what it was."""

    home: Home
    old_home: Home
    days: Calendar
    old_days: Calendar


async def _calendars(run: Run, found: Iterator[SourceDays | RowRefused], shift_to: date | None) -> None:
    shift: timedelta | None = None if shift_to else timedelta()
    done, total = 0, run.counts.get("homes", 0)
    async for batch in _batches(found, CALENDARS_AT_ONCE):
        told = run.usable("calendar", batch)
        if shift is None and told and shift_to:
            shift = shift_to - told[0].first_date
        for each in _once_a_home(told):
            await _keep_calendars(run, each, shift or timedelta())
        done += len(told)
        await run.tell(done, max(done, total), "calendar")


def _once_a_home(told: list[SourceDays]) -> Iterable[list[SourceDays]]:
    """Split so that no part tells of a home twice: each is written before the next is read."""
    part: dict[str, SourceDays] = {}
    for days in told:
        if days.source_id in part:
            yield list(part.values())
            part = {}
        part[days.source_id] = days
    yield list(part.values())


async def _keep_calendars(run: Run, told: list[SourceDays], shift: timedelta) -> None:
    deps = run.deps
    known = await store.by_source(deps.docs, [source_name(days.source_id) for days in told])
    calendars = {
        days.id: days
        for days in await deps.docs.get_many(store.CALENDARS, [home.id for home in known.values()])
    }
    changed: list[_Days] = []
    for days in told:
        home = known.get(source_name(days.source_id))
        if home is None:
            run.leave_out("calendar", "the home is not among the homes", days.source_id)
            continue
        run.count("days", len(days.dates))
        new_home = priced_by_days(home, days)
        old = calendars[home.id]
        new = days_arrived(new_home, old, days, shift, home.id)
        if new == old and new_home == home:
            run.count("calendars_unchanged")
            continue
        if _is_new(new_home) and new_home.pricing is not None:
            now = deps.clock.now()
            new_home = msgspec.structs.replace(new_home, status=PUBLISHED, updated_at=now)
        run.count("calendars_changed")
        changed.append(_Days(new_home, home, new, old))
    if not changed:
        return
    await _block(run, changed)
    async with deps.docs.transaction() as tx:
        for each in changed:
            await _keep_days(tx, each)


async def _block(run: Run, changed: list[_Days]) -> None:
    """Booking owns the nights: it hears of them first, so that a crash in between is made good by a second
    import. The source's id is the home's: a home comes from one source."""
    since = run.deps.clock.now().date() - ONE_NIGHT
    for each in changed:
        if nights_of(each.days) != nights_of(each.old_days):
            stays = imported_stays(each.days, each.home.id, since)
            clashes = await run.deps.booking.replace_blocks(each.home.id, each.home.id, stays)
            run.count("clashes", len(clashes))


async def _keep_days(tx: DocumentTx, each: _Days) -> None:
    if each.home != each.old_home:
        await tx.replace(store.HOMES, each.home)
    says = (ListingPublished,) if each.home.status != each.old_home.status else ()
    await store.keep_calendar(tx, each.home, each.days, *says)
    await tx.delete(store.ASKED, each.home.id)


# publishing


def _is_new(home: Home) -> bool:
    """Was it never published? What staff have rejected is the host's to change and to publish."""
    return home.status == DRAFT and home.judged is None


async def _publish(run: Run) -> None:
    """Imported homes are published without further ado; those without a price stay drafts, and those that
    staff have rejected."""
    deps, now = run.deps, run.deps.clock.now()
    for at in range(0, len(run.drafts), HOMES_AT_ONCE):
        ids = run.drafts[at : at + HOMES_AT_ONCE]
        async with deps.docs.transaction() as tx:
            for home in await tx.get_many(store.HOMES, ids):
                if not _is_new(home):
                    continue
                if home.pricing is None:
                    run.count("drafts")
                    continue
                published = msgspec.structs.replace(home, status=PUBLISHED, updated_at=now)
                await store.keep_home(tx, published, ListingPublished)
        await run.tell(at + len(ids), len(run.drafts), "publish")


# reviews


async def _reviews(run: Run, found: Iterator[SourceReview | RowRefused]) -> None:
    done = 0
    async for batch in _batches(found, REVIEWS_AT_ONCE):
        told = {review_id(review.id, review.date): review for review in run.usable("reviews", batch)}
        await _keep_reviews(run, told)
        run.count("reviews", len(told))
        done += len(batch)
        await run.tell(done, None, "reviews")


async def _keep_reviews(run: Run, told: dict[UUID, SourceReview]) -> None:
    docs = run.deps.docs
    homes = await store.by_source(docs, sorted({source_name(each.source_id) for each in told.values()}))
    known = {review.id for review in await docs.get_many(store.IMPORTED_REVIEWS, list(told))}
    run.count("reviews_unchanged", len(known))
    new: list[Any] = []
    for own_id, review in told.items():
        home = homes.get(source_name(review.source_id))
        if home is None:
            run.leave_out("reviews", "the home is not among the homes", review.source_id)
        elif own_id not in known:
            new.append(_review(own_id, home.id, review))
    if not new:
        return
    async with docs.transaction() as tx:
        await tx.insert_many(store.IMPORTED_REVIEWS, new)
    run.count("reviews_new", len(new))


def _review(own_id: UUID, listing_id: UUID, review: SourceReview) -> store.ImportedReview:
    return store.ImportedReview(
        id=own_id,
        listing_id=listing_id,
        source=source_name(review.id),
        on=review.date,
        author=review.reviewer_name,
        text=review.text,
    )
