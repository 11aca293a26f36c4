"""What the provider tells: a reason to ask it, soon and for sure.

Most of it comes by webhook. What none has brought, because the provider has given up or the house was away,
is looked for in the provider's own list. Nothing of it is believed but asked for: repeats do nothing more,
and order does not matter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from hometrip.ports.database import Tx
from hometrip.ports.payments import EVENTS_KEPT, ProviderDispute, ProviderDown, ProviderEvent
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.asking import look_now
from hometrip.services.payment.actions.deps import (
    AccountLookDue,
    Deps,
    DisputeLookDue,
    HearingDue,
    RefundDue,
    RefundLookDue,
    TransferLookDue,
    later,
)

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


async def hear(deps: Deps, body: bytes, signature: str) -> None:
    """A webhook: its signature and time are checked on the raw body, then it sets a timer for now, which
    outlives this process. `BadSignature` for a forgery; an event about something else is taken and forgotten.
    """
    await _take(deps, deps.payments.webhook(body, signature, deps.clock.now()))


async def begin_to_hear(deps: Deps) -> None:
    """What was told while this house was away is looked for at once, then regularly, by one of all copies."""
    async with deps.db.transaction() as tx:
        await tx.emit_later(HearingDue(), deps.clock.now())


async def hear_what_was_missed(deps: Deps, due: HearingDue) -> None:
    """What the timer does: all that was told since the last look is heard. With a provider that is down it is
    set again, to hear from there on. No list tells of accounts: those to which a pay-out was refused are
    looked at."""
    now = deps.clock.now()
    async with deps.db.read() as db:
        until = await store.heard_until(db)
    all_told = until is not None and now - until < EVENTS_KEPT - rules.HEARD_AGAIN
    since = until - rules.HEARD_AGAIN if until is not None and all_told else now - EVENTS_KEPT
    try:
        events = await deps.payments.events_since(since)
        disputes = [] if all_told else await deps.payments.disputes_since(_BEGINNING)
    except ProviderDown:
        await later(deps, due)
        return
    for event in {_id(event): event for event in events}.values():
        await _take(deps, event)
    for dispute in disputes:
        await _compare(deps, dispute)
    async with deps.db.read() as db:
        refused = await store.hosts_owed(db, rules.CANNOT_BE_PAID)
    async with deps.db.transaction() as tx:
        for host_id in refused:
            await tx.emit_later(AccountLookDue(host_id=host_id), now)
        await store.note_heard(tx, now)
        await tx.emit_later(HearingDue(), now + rules.HEAR_EVERY)


async def _take(deps: Deps, event: ProviderEvent) -> None:
    about = str(event.object.get("object", ""))
    async with deps.db.transaction() as tx:
        await _ABOUT.get(about, _payment)(deps, tx, event)


async def _compare(deps: Deps, dispute: ProviderDispute) -> None:
    """Of a dispute that was opened too long ago to be listed among the events."""
    async with deps.db.transaction() as tx:
        known = await store.chargeback_at_provider(tx, dispute.id)
        if known is None or (known.status, known.withdrawn) != (dispute.status, dispute.withdrawn):
            await _look_at_dispute(deps, tx, dispute.intent_id, dispute.id)


async def _payment(deps: Deps, tx: Tx, event: ProviderEvent) -> None:
    subject = event.object.get("payment_intent") or event.object.get("id")
    payment = await store.payment_at_provider(tx, str(subject))
    if payment is not None and payment.status not in (rules.SUCCEEDED, rules.CANCELED):
        await look_now(deps, tx, payment.id)


async def _refund(deps: Deps, tx: Tx, event: ProviderEvent) -> None:
    refund = await store.refund_at_provider(tx, _id(event))
    if refund is None:
        return
    if refund.status == "initiated":
        await tx.emit_later(RefundDue(refund_id=refund.id, attempt=refund.attempt), deps.clock.now())
    elif refund.status == "completed":
        await tx.emit_later(RefundLookDue(refund_id=refund.id), deps.clock.now())


async def _dispute(deps: Deps, tx: Tx, event: ProviderEvent) -> None:
    """Its payment may not be settled here yet: the look sees to that first."""
    await _look_at_dispute(deps, tx, str(event.object.get("payment_intent")), _id(event))


async def _look_at_dispute(deps: Deps, tx: Tx, intent: str, dispute: str) -> None:
    known = await store.of_provider(tx, intent)
    if known is not None:
        due = DisputeLookDue(payment_id=known[0], dispute=dispute)
        await tx.emit_later(due, deps.clock.now(), key=f"{DisputeLookDue.name}:{dispute}")


async def _transfer(deps: Deps, tx: Tx, event: ProviderEvent) -> None:
    payout = await store.payout_at_provider(tx, _id(event))
    if payout is not None and payout.status == "completed":
        await tx.emit_later(TransferLookDue(payout_id=payout.id), deps.clock.now())


async def _account(deps: Deps, tx: Tx, event: ProviderEvent) -> None:
    """Of the account itself, or of a payment from it to the host's bank."""
    host_id = await store.host_of_account(tx, event.account or _id(event))
    if host_id is not None:
        await tx.emit_later(AccountLookDue(host_id=host_id), deps.clock.now())


def _id(event: ProviderEvent) -> str:
    return str(event.object.get("id"))


# By the kind of object that an event is about, in Stripe's words.
_ABOUT: dict[str, Callable[[Deps, Tx, ProviderEvent], Awaitable[Any]]] = {
    "payment_intent": _payment,
    "charge": _payment,
    "refund": _refund,
    "dispute": _dispute,
    "transfer": _transfer,
    "account": _account,
    "payout": _account,
}
