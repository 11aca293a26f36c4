"""Reading: an account's own notifications in its own language, and what was delivered for staff."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Invalid, NotFound
from hometrip.kernel.page import Page
from hometrip.kernel.wire import Answer
from hometrip.services.notification import store
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.rules.content import headline
from hometrip.services.notification.rules.kinds import kind_of


class Notice(Answer):
    """A notification as its reader sees it; `why` names the event that it was sent for."""

    id: UUID
    kind: str
    category: str
    title: str
    text: str
    path: str
    read: bool
    created_at: datetime
    version: int
    why: Why
    read_at: datetime | None = None


class Why(Answer):
    event: str
    subject: str


class UnreadCount(Answer):
    unread: int


class Marked(Answer):
    """How many were marked."""

    marked: int


class DeliveryView(Answer):
    """What was sent where; `answer` is the provider's word for it, `why` the reason of the last failure."""

    id: UUID
    notification_id: UUID
    user_id: UUID
    kind: str
    channel: str
    status: str
    tries: int
    created_at: datetime
    to: str | None = None
    locale: str | None = None
    answer: str | None = None
    why: str | None = None
    next_try_at: datetime | None = None
    done_at: datetime | None = None


async def inbox(
    deps: Deps, caller: Caller, *, kind: str, unread: bool, limit: int, cursor: str | None
) -> Page[Notice]:
    """The caller's own, newest first."""
    if kind:
        _known(kind)
    page = await store.page_of(deps.db, caller.id, kind=kind, unread=unread, limit=limit, cursor=cursor)
    locale, zone = await _reading(deps, caller)
    return Page([_notice(told, locale, zone) for told in page.items], page.next_cursor)


async def notice(deps: Deps, caller: Caller, notification_id: UUID) -> Notice:
    told = await _own(deps, caller, notification_id)
    return _notice(told, *await _reading(deps, caller))


async def mark(deps: Deps, caller: Caller, notification_id: UUID, *, read: bool) -> Notice:
    told = await _own(deps, caller, notification_id)
    if caller.id != told.user_id:
        raise NotFound
    async with deps.db.transaction() as tx:
        marked = await store.mark(tx, told, read=read, at=deps.clock.now())
    return _notice(marked, *await _reading(deps, caller))


async def mark_all_read(deps: Deps, caller: Caller) -> Marked:
    """In pieces, so that no transaction is long."""
    marked = 0
    while True:
        async with deps.db.transaction() as tx:
            some = await store.some_unread(tx, caller.id, 100)
            for told in some:
                await store.mark(tx, told, read=True, at=deps.clock.now())
        marked += len(some)
        if len(some) < 100:
            return Marked(marked=marked)


async def unread(deps: Deps, caller: Caller) -> UnreadCount:
    return UnreadCount(unread=await store.unread_count(deps.db, caller.id))


async def delivery_log(
    deps: Deps, filters: Mapping[str, object], *, limit: int, cursor: str | None
) -> Page[DeliveryView]:
    """`filters`: user_id, kind, channel, status, notification_id; those that are given."""
    given = {name: value for name, value in filters.items() if value}
    page = await store.page_of_deliveries(deps.db, given, limit=limit, cursor=cursor)
    return Page([_view(delivery) for delivery in page.items], page.next_cursor)


async def _own(deps: Deps, caller: Caller, notification_id: UUID) -> store.Notification:
    told = await deps.db.get(store.notifications, notification_id)
    if told is None:
        raise NotFound
    caller.must_be_one_of(told.user_id)
    return told


async def _reading(deps: Deps, caller: Caller) -> tuple[str, str]:
    found = await deps.user.preferences([caller.id])
    return (found[0].locale, found[0].time_zone) if found else (caller.locale, "UTC")


def _known(kind: str) -> None:
    try:
        kind_of(kind)
    except NotFound as reason:
        raise Invalid.field("kind", "unknown_kind", reason.detail) from reason


def _notice(told: store.Notification, locale: str, zone: str) -> Notice:
    kind = kind_of(told.kind)
    title, text = headline(told.kind, told.facts, locale, zone)
    return Notice(
        id=told.id,
        kind=told.kind,
        category=kind.category,
        title=title,
        text=text,
        path=kind.path.partition("?")[0].format(**told.facts.of_path),
        read=told.read,
        created_at=told.created_at,
        version=told.version,
        why=Why(event=told.event_name, subject=told.event_subject),
        read_at=told.read_at,
    )


def _view(delivery: store.Delivery) -> DeliveryView:
    return DeliveryView(
        id=delivery.id,
        notification_id=delivery.notification_id,
        user_id=delivery.user_id,
        kind=delivery.kind,
        channel=delivery.channel,
        status=delivery.status,
        tries=delivery.tries,
        created_at=delivery.created_at,
        to=delivery.to or None,
        locale=delivery.locale or None,
        answer=delivery.answer or None,
        why=delivery.why or None,
        next_try_at=delivery.next_try_at,
        done_at=delivery.done_at,
    )
