"""Delivering: tried until the provider has taken it, refused it for good, or has been down for too long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hometrip.kernel.errors import NotFound, Unavailable
from hometrip.kernel.service import Heard
from hometrip.ports.courier import Message, Undeliverable
from hometrip.ports.documents import DocumentTx
from hometrip.services.auth.contract import Address
from hometrip.services.listing.contract import HomeCard
from hometrip.services.notification import store
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.contract import DeliveryDue, NotificationDelivered, NotificationFailed
from hometrip.services.notification.rules.content import content
from hometrip.services.notification.rules.facts import Around, Reader
from hometrip.services.notification.rules.kinds import is_muted, kind_of, masked, next_try
from hometrip.services.notification.rules.mail import Mail, mail
from hometrip.services.user.contract import Preferences


class Try(NamedTuple):
    """A delivery that is to be tried now; without `told`, its notification was deleted."""

    due: Heard[DeliveryDue]
    delivery: store.Delivery
    told: store.Notification | None


class Known(NamedTuple):
    """What the other services say of the readers, people and homes of some deliveries, by id."""

    addresses: dict[UUID, Address]
    preferences: dict[UUID, Preferences]
    names: dict[UUID, str]
    homes: dict[UUID, HomeCard]


class Outcome(NamedTuple):
    """How a try has ended: with a status that is the last one, or (`QUEUED`) to be tried again."""

    status: str
    facts: dict[str, str] = {}
    why: str = ""


class Letter(NamedTuple):
    """Whom a delivery is to reach, and everything that its words are made of."""

    told: store.Notification
    delivery: store.Delivery
    address: Address
    reader: Reader
    around: Around


async def deliver(deps: Deps, due: Sequence[Heard[DeliveryDue]]) -> None:
    """One try of each. A crash after the sending repeats it with the same id, by which couriers know it
    again."""
    tries = await _tries(deps, due)
    if not tries:
        return
    try:
        known = await _known(deps, tries)
    except Unavailable as away:
        outcomes = [Outcome(store.QUEUED, why=away.detail)] * len(tries)
    else:
        outcomes = await _outcomes(deps, tries, known)
    async with deps.db.transaction() as tx:
        for each, outcome in zip(tries, outcomes, strict=True):
            with each.due.within() as event:
                if await tx.first_time(event, "notification.deliver"):
                    await _end(deps, tx, each.delivery, outcome)


async def _tries(deps: Deps, due: Sequence[Heard[DeliveryDue]]) -> list[Try]:
    """Of those that have not ended yet."""
    found = await deps.db.get_many(store.deliveries, [each.event.delivery_id for each in due])
    queued = {delivery.id: delivery for delivery in found if delivery.status == store.QUEUED}
    about = [delivery.notification_id for delivery in queued.values()]
    told = {each.id: each for each in await deps.db.get_many(store.notifications, about)}
    waiting = [(each, queued[each.event.delivery_id]) for each in due if each.event.delivery_id in queued]
    return [Try(each, delivery, told.get(delivery.notification_id)) for each, delivery in waiting]


async def _known(deps: Deps, tries: Sequence[Try]) -> Known:
    readers = list({each.delivery.user_id: None for each in tries if each.told})
    visits = [each.told.facts.visit for each in tries if each.told and each.told.facts.visit]
    parties = [person for visit in visits for person in (visit.guest_id, visit.host_id)]
    others = [each.told.facts.other for each in tries if each.told and each.told.facts.other]
    people = list(dict.fromkeys([*parties, *others]))
    homes = list({visit.listing_id: None for visit in visits})
    return Known(
        {each.user_id: each for each in await deps.auth.addresses(readers)} if readers else {},
        {each.user_id: each for each in await deps.user.preferences(readers)} if readers else {},
        {each.id: each.first_name for each in await deps.user.public_profiles(people)} if people else {},
        {each.id: each for each in await deps.listing.homes(homes)} if homes else {},
    )


async def _outcomes(deps: Deps, tries: Sequence[Try], known: Known) -> list[Outcome]:
    """What becomes of each; those that can be sent are written and sent together."""
    prepared = [await _prepared(deps, each, known) for each in tries]
    letters = [letter for letter in prepared if isinstance(letter, Letter)]
    # In a thread: the first mail loads the templates and the languages, which takes a third of a second.
    mails = await asyncio.to_thread(lambda: [_written(letter) for letter in letters])
    sendings = (_sent(deps, *both) for both in zip(letters, mails, strict=True))
    sent = iter(await asyncio.gather(*sendings))
    return [next(sent) if isinstance(letter, Letter) else letter for letter in prepared]


async def _prepared(deps: Deps, each: Try, known: Known) -> Letter | Outcome:
    """The letter, or why there is none."""
    if each.told is None:
        return Outcome(store.FAILED, why="the notification was deleted")
    address = known.addresses.get(each.delivery.user_id)
    if address is None:
        return Outcome(store.FAILED, why="there is no such account any more")
    how = _preferences(address, known)
    if is_muted(each.delivery.kind, each.delivery.channel, how.muted):
        return Outcome(store.MUTED)
    try:
        around = await _around(deps, each.told, known)
    except NotFound as refusal:
        return Outcome(store.FAILED, why=refusal.detail)
    except Unavailable as away:
        return Outcome(store.QUEUED, why=away.detail)
    reader = Reader(name=address.display_name, locale=how.locale, time_zone=how.time_zone)
    return Letter(each.told, each.delivery, address, reader, around)


def _preferences(address: Address, known: Known) -> Preferences:
    """How the account wants to be spoken to: before its profile exists, as it said when it signed up."""
    default = Preferences(
        user_id=address.user_id, locale=address.locale, currency="", time_zone="UTC", muted=[]
    )
    return known.preferences.get(address.user_id, default)


async def _around(deps: Deps, told: store.Notification, known: Known) -> Around:
    """What its words speak of besides the facts, with a token asked for now."""
    visit, kind, token = told.facts.visit, kind_of(told.kind), ""
    if kind.token:
        token = await deps.auth.mail_token(told.user_id, kind.token, told.facts.request_id)
    site = deps.settings.public_url.rstrip("/")
    link = site + kind.path.format(token=token, **told.facts.of_path)
    if visit is None:
        other = told.facts.other
        return Around(other=known.names.get(other, "") if other else "", link=link, site=site)
    return Around(
        guest=known.names.get(visit.guest_id, ""),
        host=known.names.get(visit.host_id, ""),
        home=known.homes.get(visit.listing_id),
        link=link,
        site=site,
    )


def _written(letter: Letter) -> Mail:
    return mail(content(letter.told.kind, letter.told.facts, letter.reader, letter.around))


async def _sent(deps: Deps, letter: Letter, written: Mail) -> Outcome:
    message = Message(
        id=letter.delivery.id,
        channel=letter.delivery.channel,
        to=letter.address.email,
        kind=letter.told.kind,
        subject=written.subject,
        text=written.text,
        html=written.html,
        # The time that the notification was made, not of this try: a repeated message is the same message.
        at=letter.delivery.created_at,
    )
    try:
        answer = await deps.courier.send(message)
    except (Undeliverable, NotFound) as refusal:
        return Outcome(store.FAILED, why=refusal.detail)
    except Unavailable as away:
        return Outcome(store.QUEUED, why=away.detail)
    to = masked(letter.address.email)
    return Outcome(store.SENT, {"to": to, "locale": letter.reader.locale, "answer": answer})


async def _end(deps: Deps, tx: DocumentTx, delivery: store.Delivery, outcome: Outcome) -> None:
    """Keep it, and tell of it where the delivery has not ended meanwhile."""
    now = deps.clock.now()
    again = next_try(delivery.tries + 1, now) if outcome.status == store.QUEUED else None
    if again is not None:
        if await store.put_off(tx, delivery, outcome.why, again):
            await tx.emit_later(DeliveryDue(delivery_id=delivery.id), again)
        return
    status = store.FAILED if outcome.status == store.QUEUED else outcome.status
    if not await store.end(tx, delivery, status, **outcome.facts, why=outcome.why, done_at=now):
        return
    whose, user_id, kind = delivery.notification_id, delivery.user_id, delivery.kind
    if status == store.SENT:
        await tx.emit(
            NotificationDelivered(notification_id=whose, user_id=user_id, kind=kind, channel=delivery.channel)
        )
    elif status == store.FAILED:
        await tx.emit(
            NotificationFailed(
                notification_id=whose,
                user_id=user_id,
                kind=kind,
                channel=delivery.channel,
                why=outcome.why,
            )
        )
