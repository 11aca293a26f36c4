"""Routes by which staff decide which homes guests may see."""

from typing import Literal
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from hometrip.kernel.access import STAFF, Caller
from hometrip.kernel.page import DEFAULT_LIMIT, Page
from hometrip.services.listing import actions
from hometrip.services.listing.actions import Deps
from hometrip.services.listing.api.homes import PageLimit
from hometrip.services.listing.rules.moderation import Verdict
from hometrip.services.listing.rules.shown import Listing


@get("/listings/moderation", access=STAFF, summary="Homes that wait to be looked at, or that are suspended")
async def to_judge(
    deps: NamedDependency[Deps],
    status: FromQuery[Literal["in_review", "suspended"]] = "in_review",
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[Listing]:
    return await actions.to_judge(deps, status, limit, cursor)


@post(
    "/listings/{listing_id:uuid}/moderate",
    access=STAFF,
    status_code=200,
    summary="Approve, reject or suspend a home",
)
async def moderate(
    listing_id: FromPath[UUID],
    data: JSONBody[Verdict],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    if_match: NamedDependency[int | None],
) -> Listing:
    return await actions.moderate(deps, caller, listing_id, data, if_match)


ROUTES = [to_judge, moderate]
