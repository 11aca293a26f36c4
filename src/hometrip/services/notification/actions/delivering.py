"""Delivering: tried until the provider has taken it, refused it for good, or has been down for too long."""

from __future__ import annotations

import asyncio
from uuid import UUID

from hometrip.kernel.errors import NotFound, Unavailable
from hometrip.ports.courier import Message, Undeliverable
from hometrip.services.auth.contract import Address
from hometrip.services.listing.contract import HomeCard
from hometrip.services.notification import store
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.contract import DeliveryDue, NotificationDelivered, NotificationFailed
from hometrip.services.notification.rules.content import content
from hometrip.services.notification.rules.facts import Around, Reader
from hometrip.services.notification.rules.kinds import is_muted, kind_of, masked, next_try
from hometrip.services.notification.rules.mail import mail
from hometrip.services.user.contract import Preferences


async def deliver(deps: Deps, due: DeliveryDue) -> None:
    """One try. A crash after the sending repeats it with the same id, by which couriers know it again."""
    delivery = await deps.db.get(store.deliveries, due.delivery_id)
    if delivery is None or delivery.status != store.QUEUED:
        return None
    told = await deps.db.get(store.notifications, delivery.notification_id)
    if told is None:
        return await _fail(deps, due, delivery, "the notification was deleted")
    try:
        address, preferences = await _reader_of(deps, delivery.user_id)
        if is_muted(delivery.kind, delivery.channel, preferences.muted):
            return await _mute(deps, due, delivery)
        message = await _message(deps, told, delivery, address, preferences)
        answer = await deps.courier.send(message)
    except (Undeliverable, NotFound) as refusal:
        return await _fail(deps, due, delivery, refusal.detail)
    except Unavailable as reason:
        return await _try_again(deps, due, delivery, reason.detail)
    return await _sent(deps, due, delivery, masked(address.email), preferences.locale, answer)


async def _reader_of(deps: Deps, user_id: UUID) -> tuple[Address, Preferences]:
    """Where the account is reached, and how it wants to be spoken to: before its profile exists, as it said
    when it signed up."""
    addresses = await deps.auth.addresses([user_id])
    if not addresses:
        raise Undeliverable("there is no such account any more")
    found = await deps.user.preferences([user_id])
    default = Preferences(user_id=user_id, locale=addresses[0].locale, currency="", time_zone="UTC", muted=[])
    return addresses[0], found[0] if found else default


async def _message(
    deps: Deps, told: store.Notification, delivery: store.Delivery, address: Address, how: Preferences
) -> Message:
    """The message as its reader will see it, with names and tokens asked for now."""
    reader = Reader(name=address.display_name, locale=how.locale, time_zone=how.time_zone)
    around = await _around(deps, told)
    # In a thread: the first mail loads the templates and the languages, which takes a third of a second.
    letter = await asyncio.to_thread(lambda: mail(content(told.kind, told.facts, reader, around)))
    return Message(
        id=delivery.id,
        channel=delivery.channel,
        to=address.email,
        kind=told.kind,
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        # The time that the notification was made, not of this try: a repeated message is the same message.
        at=delivery.created_at,
    )


async def _around(deps: Deps, told: store.Notification) -> Around:
    visit, kind = told.facts.visit, kind_of(told.kind)
    token = ""
    if kind.token:
        token = await deps.auth.mail_token(told.user_id, kind.token, told.facts.request_id)
    site = deps.settings.public_url.rstrip("/")
    link = site + kind.path.format(token=token, **told.facts.of_path)
    if visit is None:
        return Around(link=link, site=site)
    profiles = await deps.user.public_profiles([visit.guest_id, visit.host_id])
    names = {profile.id: profile.first_name for profile in profiles}
    homes: list[HomeCard] = await deps.listing.homes([visit.listing_id])
    return Around(
        guest=names.get(visit.guest_id, ""),
        host=names.get(visit.host_id, ""),
        home=homes[0] if homes else None,
        link=link,
        site=site,
    )


async def _sent(
    deps: Deps, due: DeliveryDue, delivery: store.Delivery, to: str, locale: str, answer: str
) -> None:
    done = {"to": to, "locale": locale, "answer": answer, "why": "", "done_at": deps.clock.now()}
    async with deps.db.transaction() as tx:
        if await tx.first_time(due, "notification.deliver") and await store.end(
            tx, delivery, store.SENT, **done
        ):
            await tx.emit(
                NotificationDelivered(
                    notification_id=delivery.notification_id,
                    user_id=delivery.user_id,
                    kind=delivery.kind,
                    channel=delivery.channel,
                )
            )


async def _mute(deps: Deps, due: DeliveryDue, delivery: store.Delivery) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(due, "notification.deliver"):
            await store.end(tx, delivery, store.MUTED, done_at=deps.clock.now())


async def _try_again(deps: Deps, due: DeliveryDue, delivery: store.Delivery, why: str) -> None:
    now = deps.clock.now()
    again = next_try(delivery.tries + 1, now)
    if again is None:
        return await _fail(deps, due, delivery, why)
    async with deps.db.transaction() as tx:
        if await tx.first_time(due, "notification.deliver") and await store.put_off(tx, delivery, why, again):
            await tx.emit_later(DeliveryDue(delivery_id=delivery.id), again)
    return None


async def _fail(deps: Deps, due: DeliveryDue, delivery: store.Delivery, why: str) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(due, "notification.deliver") and await store.end(
            tx, delivery, store.FAILED, why=why, done_at=deps.clock.now()
        ):
            await tx.emit(
                NotificationFailed(
                    notification_id=delivery.notification_id,
                    user_id=delivery.user_id,
                    kind=delivery.kind,
                    channel=delivery.channel,
                    why=why,
                )
            )
