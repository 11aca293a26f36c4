"""The routes of notification: an account's own notifications, and for staff what was delivered."""

from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from hometrip.kernel.access import STAFF, USER, Caller
from hometrip.kernel.page import DEFAULT_LIMIT, MOST, Page
from hometrip.services.notification.actions import reading
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.actions.reading import DeliveryView, Marked, Notice, UnreadCount

PageLimit = Annotated[int, QueryParameter(ge=1, le=MOST)]


@get("/notifications", access=USER, summary="Your notifications, newest first")
async def list_notifications(
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    kind: FromQuery[str] = "",
    unread: FromQuery[bool] = False,
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[Notice]:
    return await reading.inbox(deps, caller, kind=kind, unread=unread, limit=limit, cursor=cursor)


@get("/notifications/{notification_id:uuid}", access=USER, summary="One notification, and why it was sent")
async def get_notification(
    notification_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Notice:
    return await reading.notice(deps, caller, notification_id)


@post("/notifications/{notification_id:uuid}/read", access=USER, status_code=200, summary="Mark as read")
async def mark_read(
    notification_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Notice:
    return await reading.mark(deps, caller, notification_id, read=True)


@post("/notifications/{notification_id:uuid}/unread", access=USER, status_code=200, summary="Mark as unread")
async def mark_unread(
    notification_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Notice:
    return await reading.mark(deps, caller, notification_id, read=False)


@post("/notifications/read-all", access=USER, status_code=200, summary="Mark all of yours as read")
async def mark_all_read(deps: NamedDependency[Deps], caller: NamedDependency[Caller]) -> Marked:
    return await reading.mark_all_read(deps, caller)


@get("/notifications/stats/unread", access=USER, summary="How many you have not read")
async def count_unread(deps: NamedDependency[Deps], caller: NamedDependency[Caller]) -> UnreadCount:
    return await reading.unread(deps, caller)


@get("/notifications/deliveries", access=STAFF, summary="What was sent where, with the provider's answer")
async def list_deliveries(
    deps: NamedDependency[Deps],
    user_id: FromQuery[UUID | None] = None,
    notification_id: FromQuery[UUID | None] = None,
    kind: FromQuery[str] = "",
    channel: FromQuery[str] = "",
    status: FromQuery[str] = "",
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[DeliveryView]:
    filters = {
        "user_id": user_id,
        "notification_id": notification_id,
        "kind": kind,
        "channel": channel,
        "status": status,
    }
    return await reading.delivery_log(deps, filters, limit=limit, cursor=cursor)


ROUTES = (
    list_notifications,
    get_notification,
    mark_read,
    mark_unread,
    mark_all_read,
    count_unread,
    list_deliveries,
)
