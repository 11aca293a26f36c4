"""What the provider tells by webhook: a reason to ask it, soon and for sure.

What a webhook says is not believed but asked for: repeats do nothing more, and order does not matter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from hometrip.ports.database import Tx
from hometrip.ports.payments import ProviderEvent
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.deps import (
    AccountLookDue,
    Deps,
    DisputeLookDue,
    RefundDue,
    RefundLookDue,
    TransferLookDue,
)
from hometrip.services.payment.actions.paying import look_now


async def hear(deps: Deps, body: bytes, signature: str) -> None:
    """A webhook: its signature and time are checked on the raw body, then it sets a timer for now, which
    outlives this process. `BadSignature` for a forgery; an event about something else is taken and forgotten.
    """
    event = deps.payments.webhook(body, signature, deps.clock.now())
    about = str(event.object.get("object", ""))
    async with deps.db.transaction() as tx:
        await _ABOUT.get(about, _payment)(deps, tx, event)


async def _payment(deps: Deps, tx: Tx, event: ProviderEvent) -> None:
    subject = event.object.get("payment_intent") or event.object.get("id")
    payment = await store.payment_at_provider(tx, str(subject))
    if payment is not None and payment.status not in (rules.SUCCEEDED, rules.CANCELED):
        await look_now(deps, tx, payment.id)


async def _refund(deps: Deps, tx: Tx, event: ProviderEvent) -> None:
    refund = await store.refund_at_provider(tx, _id(event))
    if refund is None:
        return
    due = RefundDue if refund.status == "initiated" else RefundLookDue
    if refund.status in ("initiated", "completed"):
        await tx.emit_later(due(refund_id=refund.id), deps.clock.now())


async def _dispute(deps: Deps, tx: Tx, event: ProviderEvent) -> None:
    """Its payment may not be settled here yet: the look sees to that first."""
    known = await store.of_provider(tx, str(event.object.get("payment_intent")))
    if known is not None:
        dispute = _id(event)
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
