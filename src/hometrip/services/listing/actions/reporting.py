"""Homes that accounts report to staff: what is wrong with them, and who looks at that. Hosts are not told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.page import Page
from hometrip.kernel.wire import Answer
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps, seen_home
from hometrip.services.listing.actions.instant import all_as_own
from hometrip.services.listing.rules.home import Home
from hometrip.services.listing.rules.reported import OwnHomeReported, ReportWish, worded
from hometrip.services.listing.rules.shown import Listing
from hometrip.services.listing.store.reports import Report, Reported


class ReportMade(Answer):
    """What somebody has reported."""

    id: UUID
    listing_id: UUID
    reason: str
    text: str
    created_at: datetime


class ReportShown(ReportMade):
    """A report as staff read it: by whom, and whether it waits."""

    account_id: UUID
    open: bool


class Reports(Answer):
    """What waits of a home: how many, by reason, and since when the first of them."""

    count: int
    reasons: dict[str, int]
    since: datetime


class ListingToJudge(Listing):
    """A home as staff see it in their list."""

    reports: Reports | None = None


async def report(deps: Deps, caller: Caller, listing_id: UUID, wish: ReportWish) -> ReportMade:
    """By anybody who sees the home, but for its hosts; once until staff have decided."""
    home, _ = await seen_home(deps, caller, listing_id)
    if caller.id in home.hosts:
        raise OwnHomeReported
    said = worded(wish)
    made = Report(
        id=deps.new_id(),
        listing_id=listing_id,
        account_id=caller.id,
        round=1,
        reason=said.reason,
        text=said.text,
        created_at=deps.clock.now(),
    )
    async with deps.docs.transaction() as tx:
        await store.home(tx, listing_id)  # it may be gone by now
        made = await store.reports.add(tx, made)
    return ReportMade(**_said(made))


def _said(made: Report) -> dict[str, Any]:
    return {name: getattr(made, name) for name in ReportMade.__struct_fields__}


async def reports(deps: Deps, listing_id: UUID, limit: int, cursor: str | None) -> Page[ReportShown]:
    """Those that staff have decided on, too."""
    await store.home(deps.docs, listing_id)
    now = await store.reports.round_of(deps.docs, listing_id)
    page = await store.reports.of_home(deps.docs, listing_id, limit, cursor)
    return Page(
        [ReportShown(**_said(one), account_id=one.account_id, open=one.round == now) for one in page.items],
        page.next_cursor,
    )


async def reported_homes(deps: Deps, limit: int, cursor: str | None) -> Page[ListingToJudge]:
    """The homes of which something waits, whatever their state, those first that have waited longest."""
    page = await store.reports.waiting(deps.docs, limit, cursor)
    waiting = {each.id: each for each in page.items}
    homes = await deps.docs.get_many(store.HOMES, list(waiting))
    return Page(await all_to_judge(deps, homes, waiting), page.next_cursor)


async def all_to_judge(
    deps: Deps, homes: Sequence[Home], waiting: Mapping[UUID, Reported]
) -> list[ListingToJudge]:
    return [_to_judge(shown, waiting.get(shown.id)) for shown in await all_as_own(deps, homes)]


def _to_judge(shown: Listing, of: Reported | None) -> ListingToJudge:
    told = None
    if of is not None and of.since is not None:
        told = Reports(count=of.count, reasons=of.reasons, since=of.since)
    return ListingToJudge(**{name: getattr(shown, name) for name in Listing.__struct_fields__}, reports=told)
