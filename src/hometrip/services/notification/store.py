"""The collections of notification, and every query: notifications, their deliveries, and copies of visits."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hometrip.kernel.page import Page
from hometrip.ports.documents import (
    EVERY,
    Change,
    Collection,
    DocumentReader,
    DocumentTx,
    Index,
    Record,
    Where,
    eq,
)
from hometrip.services.notification.rules.facts import Facts, Visit

QUEUED, SENT, FAILED, MUTED = "queued", "sent", "failed", "muted"


class Notification(Record):
    """What one account was told, and because of which event; also the message within the application."""

    user_id: UUID
    kind: str
    facts: Facts
    event_id: UUID
    event_name: str
    event_subject: str
    created_at: datetime
    read: bool = False
    read_at: datetime | None = None


class Delivery(Record):
    """A notification on one channel. `to` is masked; `answer` is the provider's word for it."""

    notification_id: UUID
    user_id: UUID
    event_id: UUID
    kind: str
    channel: str
    status: str
    created_at: datetime
    tries: int = 0
    to: str = ""
    locale: str = ""
    answer: str = ""
    why: str = ""
    next_try_at: datetime | None = None
    done_at: datetime | None = None


class KnownVisit(Record):
    """A booking as its events told it, for the mails about its money; its id is the booking's, or
    that of a change which makes it so."""

    visit: Visit


class CoHosts(Record):
    """Which accounts act for a home beside its host, under the home's id, as listing tells."""

    accounts: list[UUID] = []


# These keys, not our code, are what makes a second mail about the same thing impossible.
notifications = Collection(
    "notifications",
    Notification,
    indexes=(
        Index("told_once", ("event_id", "kind", "user_id"), unique=True),
        Index("of_user", ("user_id", "id")),
        Index("unread", ("user_id", "read", "id")),
    ),
    edition=4,
)
deliveries = Collection(
    "deliveries",
    Delivery,
    indexes=(
        Index("delivered_once", ("event_id", "kind", "user_id", "channel"), unique=True),
        Index("by_user", ("user_id", "id")),
        Index("by_status", ("status", "id")),
    ),
)
visits = Collection("visits", KnownVisit, edition=2)
co_hosts = Collection("co_hosts", CoHosts)

COLLECTIONS = (notifications, deliveries, visits, co_hosts)


async def co_hosts_of(db: DocumentReader, listing_id: UUID) -> list[UUID]:
    found = await db.get(co_hosts, listing_id)
    return found.accounts if found is not None else []


async def add_co_host(tx: DocumentTx, listing_id: UUID, account_id: UUID) -> None:
    if await tx.change(co_hosts, listing_id, Change(push={"accounts": account_id})) is None:
        await tx.insert(co_hosts, CoHosts(id=listing_id, accounts=[account_id]))


async def remove_co_host(tx: DocumentTx, listing_id: UUID, account_id: UUID) -> None:
    await tx.change(co_hosts, listing_id, Change(pull={"accounts": account_id}))


async def page_of(
    db: DocumentReader, user_id: UUID, *, kind: str, unread: bool, limit: int, cursor: str | None
) -> Page[Notification]:
    where = eq("user_id", user_id)
    if unread:
        where &= eq("read", False)
    if kind:
        where &= eq("kind", kind)
    return await db.find(notifications, where, sort=("-id",), limit=limit, cursor=cursor)


async def unread_count(db: DocumentReader, user_id: UUID) -> int:
    return await db.count(notifications, eq("user_id", user_id) & eq("read", False))


async def mark(tx: DocumentTx, told: Notification, *, read: bool, at: datetime) -> Notification:
    """As read or unread; one that is so already stays as it is."""
    change = Change(set={"read": read, "read_at": at if read else None})
    return await tx.change(notifications, told.id, change, when=eq("read", not read)) or told


async def some_unread(tx: DocumentTx, user_id: UUID, limit: int) -> list[Notification]:
    where = eq("user_id", user_id) & eq("read", False)
    return (await tx.find(notifications, where, limit=limit)).items


async def page_of_deliveries(
    db: DocumentReader, filters: dict[str, object], *, limit: int, cursor: str | None
) -> Page[Delivery]:
    where: Where = EVERY
    for field, value in filters.items():
        where = eq(field, value) if where is EVERY else where & eq(field, value)
    return await db.find(deliveries, where, sort=("-id",), limit=limit, cursor=cursor)


async def end(tx: DocumentTx, delivery: Delivery, status: str, **facts: object) -> bool:
    """Move a queued delivery to where it ends; False if it is there already."""
    change = Change(set={"status": status, "next_try_at": None, **facts}, inc={"tries": 1})
    return await tx.change(deliveries, delivery.id, change, when=eq("status", QUEUED)) is not None


async def put_off(tx: DocumentTx, delivery: Delivery, why: str, until: datetime) -> bool:
    """Note a failed try that is not the last; False if another try ended it meanwhile."""
    change = Change(set={"why": why, "next_try_at": until}, inc={"tries": 1})
    return await tx.change(deliveries, delivery.id, change, when=eq("status", QUEUED)) is not None
