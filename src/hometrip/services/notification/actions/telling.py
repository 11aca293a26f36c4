"""Telling people: a notification is recorded once, with a delivery for each channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.errors import Unavailable
from hometrip.kernel.events import Event
from hometrip.ports.documents import DocumentTx
from hometrip.services.notification import store
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.contract import DeliveryDue, NotificationCreated
from hometrip.services.notification.rules.facts import Facts, Visit
from hometrip.services.notification.rules.kinds import kind_of


class BookingNotHeardOf(Unavailable):
    """A payment was heard of before its booking; the booking's own event is on its way."""

    code = "booking_not_heard_of"


class Told(NamedTuple):
    """What is told, to one account or to each of several."""

    kind: str
    whom: UUID | list[UUID]
    facts: Facts


async def tell(deps: Deps, event: Event, kind: str, whom: UUID | list[UUID], facts: Facts) -> None:
    """Record once that this account, or each of these, is told of this event, and have it delivered."""
    await tell_all(deps, event, Told(kind, whom, facts))


async def tell_all(deps: Deps, event: Event, *told: Told, visits: Mapping[UUID, Visit] = {}) -> None:
    """`tell` each in one transaction, which also keeps the `visits`, by booking or change, for mails that
    come later."""
    async with deps.db.transaction() as tx:
        for known_as, visit in visits.items():
            await tx.upsert(store.visits, store.KnownVisit(id=known_as, visit=visit))
        for kind, whom, facts in told:
            to_co_hosts = ".co_hosts" if facts.as_co_host else ""
            if await tx.first_time(event, f"notification.{kind}{to_co_hosts}"):
                for user_id in whom if isinstance(whom, list) else [whom]:
                    await _tell(deps, tx, event, kind, user_id, facts)


async def _tell(deps: Deps, tx: DocumentTx, event: Event, kind: str, user_id: UUID, facts: Facts) -> None:
    assert event.event_id is not None, "an event that was heard has its id"
    now, notification_id = deps.clock.now(), deps.new_id()
    told = store.Notification(
        id=notification_id,
        user_id=user_id,
        kind=kind,
        facts=facts,
        event_id=event.event_id,
        event_name=event.name,
        event_subject=event.subject,
        created_at=now,
    )
    await tx.insert(store.notifications, told)
    await tx.emit(NotificationCreated(notification_id=notification_id, user_id=user_id, kind=kind))
    for channel in kind_of(kind).channels:
        delivery = store.Delivery(
            id=deps.new_id(),
            notification_id=notification_id,
            user_id=user_id,
            event_id=event.event_id,
            kind=kind,
            channel=channel,
            status=store.QUEUED,
            created_at=now,
        )
        await tx.insert(store.deliveries, delivery)
        await tx.emit(DeliveryDue(delivery_id=delivery.id))


async def to_hosts(deps: Deps, kind: str, listing_id: UUID, host_id: UUID, facts: Facts) -> list[Told]:
    """The host and all who act for the home beside it."""
    co_hosts = await store.co_hosts_of(deps.db, listing_id)
    host = Told(kind, host_id, facts)
    return [host, Told(kind, co_hosts, replace(facts, as_co_host=True))] if co_hosts else [host]


async def visit_told(deps: Deps, booking_id: UUID, change_id: UUID | None = None) -> Visit:
    """The stay, or how that change makes it. `BookingNotHeardOf` where the booking's own event has not come
    yet: it is tried again."""
    known = await deps.db.get(store.visits, change_id or booking_id)
    if known is None:
        raise BookingNotHeardOf(booking_id=booking_id)
    return known.visit
