"""Money on its way back: promised in one transaction, sent by the provider, completed in another."""

from __future__ import annotations

from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.money import Money
from hometrip.kernel.once import NO_KEY, Once
from hometrip.ports.database import Tx
from hometrip.ports.payments import ProviderDown, ProviderRefund, ProviderRefused
from hometrip.services.listing.contract import Split
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.answers import RefundRecord, refund_of
from hometrip.services.payment.actions.deps import Deps, RefundDue, again
from hometrip.services.payment.actions.paying import told
from hometrip.services.payment.actions.paying_out import follow
from hometrip.services.payment.contract import (
    PaymentRefunded,
    RefundCompleted,
    RefundFailed,
    RefundInitiated,
)


async def refund(
    deps: Deps, caller: Caller, payment_id: UUID, amount: Money | None, reason: str, once: Once = NO_KEY
) -> RefundRecord:
    """Staff give back part of a payment, or all that is left of it. Each share gives in proportion."""
    refund_id = deps.new_id()
    async with deps.db.transaction() as tx:
        await tx.once(once)
        payment = await store.payment(tx, payment_id)
        left = payment.captured - payment.promised_back
        if not payment.captured:
            raise rules.NotRefundable
        back = rules.refund_within(amount, left)
        lines = rules.shared_back(await store.balances(tx, payment.booking_id), back)
        cause = f"{caller.service or caller.id}:{refund_id}"
        made = await _promise(deps, tx, payment, refund_id, back, lines, reason=reason, cause=cause)
        await follow(tx, payment.booking_id)
        answer = refund_of(made)
        await tx.answer(once, answer)
    return answer


async def give_back(
    deps: Deps, tx: Tx, payment: store.Payment, amount: Money, kept: Split, *, reason: str, cause: str
) -> None:
    """After a cancellation: exactly `amount` goes back, and each share falls to what it keeps.

    Where part of it went back before, only what is left can.
    """
    refund_id = deps.new_id()
    left = payment.captured - payment.promised_back
    back = min(amount, left)
    shares = await store.balances(tx, payment.booking_id, without=rules.OUT_TO_HOSTS)
    lines = rules.back_to_kept(shares, back, kept, payment.host_id)
    if back:
        await _promise(deps, tx, payment, refund_id, back, lines, reason=reason, cause=cause)
    else:
        now, booking_id = deps.clock.now(), payment.booking_id
        await store.write(tx, rules.entry(deps.new_id(), now, "cancellation", booking_id, payment.id, lines))


async def give_all_back(deps: Deps, tx: Tx, payment: store.Payment, *, reason: str, cause: str) -> None:
    left = payment.captured - payment.promised_back
    kept = rules.nothing_kept(left.currency)
    await give_back(deps, tx, payment, left, kept, reason=reason, cause=cause)


async def _promise(
    deps: Deps,
    tx: Tx,
    payment: store.Payment,
    refund_id: UUID,
    amount: Money,
    lines: list[rules.Posting],
    *,
    reason: str,
    cause: str,
) -> store.Refund:
    now = deps.clock.now()
    made = store.Refund(
        id=refund_id,
        payment_id=payment.id,
        amount=amount,
        reason=reason,
        cause=cause,
        status="initiated",
        created_at=now,
    )
    await store.promise_back(tx, payment.id, amount)
    await store.add_refund(tx, made)
    await store.write(
        tx, rules.entry(deps.new_id(), now, "refund_promised", payment.booking_id, refund_id, lines)
    )
    await tx.emit(told(RefundInitiated, payment, amount=amount, refund_id=refund_id))
    await tx.emit_later(RefundDue(refund_id=refund_id), now)
    return made


async def send_back(deps: Deps, due: RefundDue) -> None:
    """What the timer does: the provider sends it; when it is down, again after a while."""
    async with deps.db.read() as db:
        wanted = await store.refund(db, due.refund_id)
        payment = await store.payment(db, wanted.payment_id)
    if wanted.status != "initiated":
        return
    key = f"refund:{wanted.id}"
    try:
        sent = await deps.payments.refund(payment.provider_id, wanted.amount, key=key)
    except ProviderDown:
        async with deps.db.transaction() as tx:
            await again(deps, tx, RefundDue(refund_id=wanted.id, tries=due.tries + 1))
    except ProviderRefused as refusal:
        await _failed(deps, payment, wanted, str(refusal.facts.get("provider_code", refusal.code)))
    else:
        await _sent(deps, payment, wanted, sent, due)


async def _sent(
    deps: Deps, payment: store.Payment, wanted: store.Refund, sent: ProviderRefund, due: RefundDue
) -> None:
    if sent.status == "pending":
        async with deps.db.transaction() as tx:
            await again(deps, tx, RefundDue(refund_id=wanted.id, tries=due.tries + 1))
        return
    if sent.status != "succeeded":
        await _failed(deps, payment, wanted, sent.status)
        return
    now, amount = deps.clock.now(), wanted.amount
    async with deps.db.transaction() as tx:
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
