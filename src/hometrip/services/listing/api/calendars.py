"""Routes of the days of many homes at once."""

from datetime import date
from typing import Annotated

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter

from hometrip.kernel.access import USER, Caller
from hometrip.kernel.once import Once
from hometrip.kernel.page import DEFAULT_LIMIT, Page
from hometrip.services.listing import actions
from hometrip.services.listing.actions import Deps
from hometrip.services.listing.actions.bulk import HomeDays
from hometrip.services.listing.rules.bulk import MOST_HOMES, DaysEdit, EditMade


@get("/listings/calendars", access=USER, anywhere=True, summary="The caller's homes, night by night")
async def get_calendars(
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    first: Annotated[date | None, QueryParameter(name="from")] = None,
    until: Annotated[date | None, QueryParameter(name="to")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MOST_HOMES)] = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[HomeDays]:
    return await actions.calendars(deps, caller, first, until, limit, cursor)


@post(
    "/listings/calendars",
    access=USER,
    status_code=200,
    idempotent=True,
    summary="Change prices, least stays and blocks of many homes' nights",
)
async def edit_calendars(
    data: JSONBody[DaysEdit],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> EditMade:
    return await actions.edit_days(deps, caller, data, once)


ROUTES = [get_calendars, edit_calendars]
