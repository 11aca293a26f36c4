"""What staff do about homes: look at those that wait to be published, and decide; also of published ones."""

from __future__ import annotations

from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.page import Page
from hometrip.ports.documents import EVERY, DocumentTx
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps, must_be_version
from hometrip.services.listing.actions.instant import as_own
from hometrip.services.listing.actions.reporting import ListingToJudge, all_to_judge, reported_homes
from hometrip.services.listing.contract import (
    ListingEvent,
    ListingModerated,
    ListingPublished,
    ListingUnpublished,
)
from hometrip.services.listing.rules.home import PUBLISHED, Home
from hometrip.services.listing.rules.moderation import Verdict, judged
from hometrip.services.listing.rules.publish import must_be_complete
from hometrip.services.listing.rules.reported import NotReported
from hometrip.services.listing.rules.shown import Listing

REPORTED = "reported"


async def to_judge(deps: Deps, status: str, limit: int, cursor: str | None) -> Page[ListingToJudge]:
    """The homes in that state, those that have been here longest first; or those that are `reported`."""
    if status == REPORTED:
        return await reported_homes(deps, limit, cursor)
    page = await store.found(deps.docs, EVERY, "created_at", limit, cursor, status)
    waiting = await store.reports.waiting_of(deps.docs, [home.id for home in page.items])
    return Page(await all_to_judge(deps, page.items, waiting), page.next_cursor)


async def moderate(
    deps: Deps, caller: Caller, listing_id: UUID, verdict: Verdict, if_match: int | None
) -> Listing:
    """Approve, reject or suspend it. The host is told; of a suspended home booking cancels what is booked.
    What was reported of it is decided by that, or dismissed."""
    async with deps.docs.transaction() as tx:
        before = await store.home(tx, listing_id)
        must_be_version(before, if_match)
        waited = await store.reports.close(tx, listing_id)
        if verdict.action == "dismiss":
            if not waited:
                raise NotReported
            home = before
        else:
            home = await _judged(deps, tx, caller, before, verdict)
    return await as_own(deps, home)


async def _judged(deps: Deps, tx: DocumentTx, caller: Caller, before: Home, verdict: Verdict) -> Home:
    now = deps.clock.now()
    after = judged(before, verdict, now)
    if after.status == PUBLISHED:
        must_be_complete(after)
    home = await store.keep_home(tx, after, *_says(before.status, after.status))
    await store.note_asked(tx, home.id, now)
    assert home.judged is not None  # it was judged just now
    told = ListingModerated(
        listing_id=home.id,
        host_id=home.host_id,
        revision=(await store.calendar(tx, home.id)).revision,
        title=home.title,
        action=home.judged.action,
        reason=home.judged.reason,
        staff_id=caller.id,
        at=home.judged.at,
    )
    await tx.emit(told)
    return home


def _says(before: str, after: str) -> list[type[ListingEvent]]:
    if after == PUBLISHED:
        return [ListingPublished]
    return [ListingUnpublished] if before == PUBLISHED else []
