"""Routes by which accounts report homes, and staff decide which of them guests may see."""

from typing import Literal
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from hometrip.kernel.access import STAFF, USER, Caller
from hometrip.kernel.page import DEFAULT_LIMIT, Page
from hometrip.services.listing import actions
from hometrip.services.listing.actions import Deps
from hometrip.services.listing.actions.reporting import ListingToJudge, ReportMade, ReportShown
from hometrip.services.listing.api.homes import PageLimit
from hometrip.services.listing.rules.moderation import Verdict
from hometrip.services.listing.rules.reported import ReportWish
from hometrip.services.listing.rules.shown import Listing


@get("/listings/moderation", access=STAFF, summary="Homes that wait, are reported, or are suspended")
async def to_judge(
    deps: NamedDependency[Deps],
    status: FromQuery[Literal["in_review", "reported", "suspended"]] = "in_review",
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[ListingToJudge]:
    return await actions.to_judge(deps, status, limit, cursor)


@post(
    "/listings/{listing_id:uuid}/moderate",
    access=STAFF,
    status_code=200,
    summary="Approve, reject or suspend a home, or dismiss what was reported of it",
)
async def moderate(
    listing_id: FromPath[UUID],
    data: JSONBody[Verdict],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    if_match: NamedDependency[int | None],
) -> Listing:
    return await actions.moderate(deps, caller, listing_id, data, if_match)


@post("/listings/{listing_id:uuid}/reports", access=USER, limit="report", summary="Report a home to staff")
async def report_home(
    listing_id: FromPath[UUID],
    data: JSONBody[ReportWish],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> ReportMade:
    return await actions.report(deps, caller, listing_id, data)


@get("/listings/{listing_id:uuid}/reports", access=STAFF, summary="What was reported of a home")
async def list_reports(
    listing_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[ReportShown]:
    return await actions.reports(deps, listing_id, limit, cursor)


ROUTES = [to_judge, moderate, report_home, list_reports]
