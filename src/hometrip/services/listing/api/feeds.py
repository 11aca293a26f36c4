"""Routes of calendars: the home's own for other sites, and theirs for the home."""

from typing import Annotated
from uuid import UUID

from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta

from hometrip.kernel.access import PUBLIC, USER, Caller
from hometrip.kernel.wire import Request
from hometrip.services.listing import actions
from hometrip.services.listing.actions import Deps
from hometrip.services.listing.actions.feeds import Feeds, FeedShown
from hometrip.services.listing.actions.feeds_export import CalendarLink
from hometrip.services.listing.rules.ical_export import tag_of

CALENDAR = "text/calendar"  # the charset is added to every text


class FeedWish(Request):
    """The address of another site's iCalendar file, and what the host calls it (by default, its host)."""

    url: Annotated[str, Meta(min_length=1, max_length=2_000)]
    name: Annotated[str, Meta(max_length=100)] = ""


@get(
    "/listings/{listing_id:uuid}/calendar.ics",
    access=PUBLIC,
    any_query=True,
    tagged=True,
    media_type=CALENDAR,
    summary="What is taken, as iCalendar; the token is in the link that its host has",
)
async def get_calendar(
    listing_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    token: Annotated[str, QueryParameter(max_length=200)] = "",
    besides: FromQuery[UUID | None] = None,
) -> Response[bytes]:
    content = await actions.calendar_file(deps, listing_id, token, besides)
    headers = {"ETag": tag_of(content), "Cache-Control": "private, no-cache"}
    return Response(content, media_type=CALENDAR, headers=headers)


@get("/listings/{listing_id:uuid}/calendar-link", access=USER, summary="The secret link to the calendar")
async def get_calendar_link(
    listing_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> CalendarLink:
    return await actions.calendar_link(deps, caller, listing_id)


@post(
    "/listings/{listing_id:uuid}/calendar-link",
    access=USER,
    status_code=200,
    summary="Make the secret links to the calendar anew: those of before open nothing any more",
)
async def renew_calendar_link(
    listing_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> CalendarLink:
    return await actions.renew_calendar_link(deps, caller, listing_id)


@get("/listings/{listing_id:uuid}/calendar-imports", access=USER, summary="Imported calendars, their health")
async def list_feeds(
    listing_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Feeds:
    return await actions.list_feeds(deps, caller, listing_id)


@post(
    "/listings/{listing_id:uuid}/calendar-imports",
    access=USER,
    limit="upload",
    summary="Import another site's calendar, now and every 15 minutes",
)
async def add_feed(
    listing_id: FromPath[UUID],
    data: JSONBody[FeedWish],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> FeedShown:
    return await actions.add_feed(deps, caller, listing_id, data.url, data.name)


@post(
    "/listings/{listing_id:uuid}/calendar-imports/{feed_id:uuid}/refresh",
    access=USER,
    limit="upload",
    status_code=200,
    summary="Fetch an imported calendar now",
)
async def refresh_feed(
    listing_id: FromPath[UUID],
    feed_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> FeedShown:
    return await actions.refresh_feed(deps, caller, listing_id, feed_id)


@delete("/listings/{listing_id:uuid}/calendar-imports/{feed_id:uuid}", access=USER, summary="Import no more")
async def remove_feed(
    listing_id: FromPath[UUID],
    feed_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> None:
    await actions.remove_feed(deps, caller, listing_id, feed_id)


ROUTES = [
    get_calendar,
    get_calendar_link,
    renew_calendar_link,
    list_feeds,
    add_feed,
    refresh_feed,
    remove_feed,
]
