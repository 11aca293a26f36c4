"""Refunds that were promised, on their way: sent by the provider, completed, refused, or come back."""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.split import Split
from hometrip.ports.database import Tx
from hometrip.ports.payments import ProviderDown, ProviderRefund, ProviderRefused
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.deps import (
    Deps,
    RefundDue,
    RefundLookDue,
    again,
    later,
    lock_books,
    told,
)
from hometrip.services.payment.contract import (
    PaymentRefunded,
    RefundCompleted,
    RefundFailed,
    RefundInitiated,
)


async def send_promised(
    deps: Deps,
    tx: Tx,
    payment: store.Payment,
    made: store.Refund,
    kept: Split | None = None,
    *,
    granted: bool = False,
) -> None:
    """It is written down, told (see `RefundInitiated`), and sent as soon as this is committed."""
    await store.add_refund(tx, made)
    facts = {"amount": made.amount, "refund_id": made.id, "kept": kept, "granted": granted}
    await tx.emit(told(RefundInitiated, payment, **facts))
    await tx.emit_later(RefundDue(refund_id=made.id), deps.clock.now())


async def send_back(deps: Deps, due: RefundDue) -> None:
    """What the timer does: the provider sends it; when it is down, holds too little, or the cardholder's bank
    has the money for now, again after a while."""
    async with deps.db.read() as db:
        wanted = await store.refund(db, due.refund_id)
        payment = await store.payment(db, wanted.payment_id)
    if wanted.status == "initiated" and wanted.attempt == due.attempt:
        try:
            await _send(deps, payment, wanted, due)
        except ProviderDown:
            await later(deps, due)


async def find_sent(deps: Deps, payment: store.Payment) -> None:
    """What was sent of a payment, with an answer that was lost, is known from now on; raises `ProviderDown`.

    While a cardholder's bank has the money nothing more is sent.
    """
    async with deps.db.read() as db:
        known = await store.refunds_of(db, payment.id)
    for one in known:
        if one.status == "initiated":
            await _send(deps, payment, one, RefundDue(refund_id=one.id, attempt=one.attempt))


async def look_at_refund(deps: Deps, due: RefundLookDue) -> None:
    """What the timer does: a refund that was sent may have come back, and is owed again then."""
    async with deps.db.read() as db:
        sent = await store.refund(db, due.refund_id)
        payment = await store.payment(db, sent.payment_id)
    if sent.status != "completed" or sent.provider_id is None:
        return
    try:
        stands = await deps.payments.get_refund(sent.provider_id)
    except ProviderDown:
        await later(deps, due)
        return
    if stands.status not in ("failed", "canceled"):
        return
    async with deps.db.transaction() as tx:
        await lock_books(tx, payment.booking_id)
        if await store.return_refund(tx, sent.id, stands.status):
            now, lines = deps.clock.now(), rules.refund_returned(sent.amount)
            entry = rules.entry(deps.new_id(), now, "refund_returned", payment.booking_id, sent.id, lines)
            await store.write(tx, entry)
            facts = {"amount": sent.amount, "refund_id": sent.id, "why": stands.status}
            await tx.emit(told(RefundFailed, payment, **facts))


async def _send(deps: Deps, payment: store.Payment, wanted: store.Refund, due: RefundDue) -> None:
    try:
        if wanted.provider_id is not None:
            sent = await deps.payments.get_refund(wanted.provider_id)
        else:
            # What was put off has certainly not been sent; a provider answers the same key the same.
            key = f"refund:{wanted.id}" + (f":{wanted.attempt}" if wanted.attempt else "")
            sent = await deps.payments.refund(payment.provider_id, wanted.amount, key=key)
            if deps.clock.now() >= wanted.created_at + rules.wait(0):
                # Perhaps it was sent before, with an answer that was lost. A provider says again what it said
                # then, and what it told since was of a refund that we did not know.
                sent = await deps.payments.get_refund(sent.id)
    except ProviderRefused as refusal:
        why = str(refusal.facts.get("provider_code", refusal.code))
        if why == rules.NOT_COVERED and rules.may_be_covered(wanted.attempt):
            await _put_off(deps, due)
        elif why != rules.HELD_BY_BANK:
            await _failed(deps, payment, wanted, why)
        elif await _is_lost(deps, payment.id):
            await _failed(deps, payment, wanted, rules.LOST_TO_BANK)
        else:
            await later(deps, due)
    else:
        await _sent(deps, payment, wanted, sent, due)


async def _put_off(deps: Deps, due: RefundDue) -> None:
    async with deps.db.transaction() as tx:
        if await store.put_off_refund(tx, due.refund_id, due.attempt):
            # It waits the longer, the more often it was put off, whatever else has kept it.
            again_at = deps.clock.now() + rules.wait(due.attempt)
            await tx.emit_later(RefundDue(refund_id=due.refund_id, attempt=due.attempt + 1), again_at)


async def _is_lost(deps: Deps, payment_id: UUID) -> bool:
    async with deps.db.read() as db:
        return await store.lost_to_bank(db, payment_id)


async def _sent(
    deps: Deps, payment: store.Payment, wanted: store.Refund, sent: ProviderRefund, due: RefundDue
) -> None:
    if sent.status == "pending":
        async with deps.db.transaction() as tx:
            await store.note_refund(tx, wanted.id, sent.id)
            await again(deps, tx, replace(due, tries=due.tries + 1))
        return
    if sent.status != "succeeded":
        await _failed(deps, payment, wanted, sent.status)
        return
    now, amount = deps.clock.now(), wanted.amount
    async with deps.db.transaction() as tx:
        await lock_books(tx, payment.booking_id)
        if -(await store.balances(tx, payment.booking_id)).get(rules.GUEST, 0) < amount.amount:
            # The bank has decided for us, or the provider would not have sent it; the books have yet to hear.
            await store.note_refund(tx, wanted.id, sent.id)
            await again(deps, tx, replace(due, tries=due.tries + 1))
            return
        ends = {"status": "completed", "provider_id": sent.id, "completed_at": now}
        if not await store.end_refund(tx, wanted.id, **ends):
            return
        lines = rules.refunded(amount)
        entry = rules.entry(deps.new_id(), now, "refund", payment.booking_id, wanted.id, lines)
        await store.write(tx, entry)
        left = await store.left_to_refund(tx, payment.id)
        await tx.emit(told(RefundCompleted, payment, amount=amount, refund_id=wanted.id))
        await tx.emit(told(PaymentRefunded, payment, amount=amount, all=not left))


async def _failed(deps: Deps, payment: store.Payment, wanted: store.Refund, why: str) -> None:
    """The guest is still owed it (account `guest`); staff see the failed refund and pay it in another way."""
    async with deps.db.transaction() as tx:
        if await store.end_refund(tx, wanted.id, status="failed", why=why):
            await tx.emit(told(RefundFailed, payment, amount=wanted.amount, refund_id=wanted.id, why=why))
