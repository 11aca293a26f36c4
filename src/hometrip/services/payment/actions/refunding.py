"""Money on its way back: promised in one transaction, sent by the provider, completed in another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import NotFound
from hometrip.kernel.money import Money, total
from hometrip.kernel.once import NO_KEY, Once
from hometrip.kernel.page import Page, behind, cursor_of
from hometrip.ports.database import Tx
from hometrip.ports.payments import ProviderDown, ProviderRefund, ProviderRefused
from hometrip.services.listing.contract import QuoteLine, Split
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.answers import RefundRecord, refund_of
from hometrip.services.payment.actions.deps import (
    Deps,
    RefundDue,
    RefundLookDue,
    again,
    later,
    lock_books,
    told,
)
from hometrip.services.payment.actions.papering import CREDIT_NOTE, issue
from hometrip.services.payment.actions.paying_out import replan
from hometrip.services.payment.contract import (
    PaymentRefunded,
    RefundCompleted,
    RefundFailed,
    RefundInitiated,
)


class _Told(NamedTuple):
    """Why a refund is made, what made it (each cause makes one), and what booking is told of it."""

    reason: str
    cause: str
    kept: Split | None = None
    granted: bool = False


async def refund(
    deps: Deps, caller: Caller, payment_id: UUID, amount: Money | None, reason: str, once: Once = NO_KEY
) -> RefundRecord:
    """Staff give back part of a payment, or all that is left of it. Each share gives in proportion."""
    refund_id = deps.new_id()
    async with deps.db.transaction() as tx:
        await tx.once(once)
        await lock_books(tx, await store.booking_of(tx, payment_id))
        payment = await store.payment(tx, payment_id)
        left = payment.left
        if not payment.captured or payment.part == rules.DEPOSIT:
            raise rules.NotRefundable
        back = rules.refund_within(amount, left)
        lines = rules.shared_back(await store.balances(tx, payment.booking_id), back)
        shares = await store.balances(tx, payment.booking_id, without=rules.BESIDES_THE_STAY)
        kept = rules.split_after(shares, lines, payment.host_id, back.currency)
        told_as = _Told(reason, f"{caller.service or caller.id}:{refund_id}", kept, granted=True)
        made = await _promise(deps, tx, payment, refund_id, back, lines, told_as)
        await _credit(deps, tx, payment, refund_id, back, lines)
        await replan(deps, tx, payment.booking_id)
        answer = refund_of(made, payment.booking_id)
        await tx.answer(once, answer)
    return answer


async def give_back(
    deps: Deps,
    tx: Tx,
    payments: list[store.Payment],
    amount: Money,
    kept: Split,
    *,
    reason: str,
    cause: str,
    price: Sequence[QuoteLine] = (),
) -> None:
    """Exactly `amount` of a booking's payments goes back, the latest first, and each share falls to what it
    keeps. Where part of it went back before, only what is left can. `price`: what comes back of its lines."""
    host_id, booking_id, currency = payments[0].host_id, payments[0].booking_id, amount.currency
    left = total((one.left for one in payments), currency)
    back = min(amount, left)
    shares = await store.balances(tx, booking_id, without=rules.BESIDES_THE_STAY)
    lines = rules.back_to_kept(shares, back, kept, host_id)
    if not back:
        await share_anew(deps, tx, booking_id, lines)
        return
    stay = await store.stay_of(tx, booking_id)
    after = rules.split_after(shares, lines, host_id, currency) if stay and stay.over else None
    first, rest = deps.new_id(), back
    for number, payment in enumerate(reversed(payments)):
        part = min(rest, payment.left)
        if part:
            refund_id = deps.new_id() if lines == [] else first
            this = cause if lines else f"{cause}:{number}"
            await _promise(deps, tx, payment, refund_id, part, lines, _Told(reason, this, after))
            if lines:
                await _credit(deps, tx, payment, refund_id, back, lines, price)
            rest, lines = rest - part, []


async def share_anew(deps: Deps, tx: Tx, booking_id: UUID, lines: list[rules.Posting]) -> None:
    """Nothing goes back; what there is, or what a stay that costs nothing is worth, is others' now."""
    now, entry_id = deps.clock.now(), deps.new_id()
    await store.write(tx, rules.entry(entry_id, now, "shared_anew", booking_id, entry_id, lines))


async def give_payment_back(deps: Deps, tx: Tx, payment: store.Payment, *, reason: str, cause: str) -> None:
    """What is left of one payment goes back, and each share gives what it got of it."""
    left = payment.left
    if left:
        shares = await store.balances(tx, payment.booking_id, without=rules.BESIDES_THE_STAY)
        kept = rules.less(rules.split_of(shares, payment.host_id, left.currency), payment.split)
        await give_back(deps, tx, [payment], left, kept, reason=reason, cause=cause)


async def _credit(
    deps: Deps,
    tx: Tx,
    payment: store.Payment,
    refund_id: UUID,
    back: Money,
    lines: list[rules.Posting],
    price: Sequence[QuoteLine] = (),
) -> None:
    gives = {line.account: -line.amount.amount for line in lines}
    split = rules.split_of(gives, payment.host_id, back.currency)
    await issue(deps, tx, CREDIT_NOTE, refund_id, payment, back, split, price)


async def _promise(
    deps: Deps,
    tx: Tx,
    payment: store.Payment,
    refund_id: UUID,
    amount: Money,
    lines: list[rules.Posting],
    why: _Told,
) -> store.Refund:
    now = deps.clock.now()
    made = store.Refund(
        id=refund_id,
        payment_id=payment.id,
        amount=amount,
        reason=why.reason,
        cause=why.cause,
        status="initiated",
        created_at=now,
    )
    await store.promise_back(tx, payment.id, amount)
    await store.add_refund(tx, made)
    entry = rules.entry(deps.new_id(), now, "refund_promised", payment.booking_id, refund_id, lines)
    await store.write(tx, entry)
    facts = {"amount": amount, "refund_id": refund_id, "kept": why.kept, "granted": why.granted}
    await tx.emit(told(RefundInitiated, payment, **facts))
    await tx.emit_later(RefundDue(refund_id=refund_id), now)
    return made


async def send_back(deps: Deps, due: RefundDue) -> None:
    """What the timer does: the provider sends it; when it is down, or the cardholder's bank has the money for
    now, again after a while."""
    async with deps.db.read() as db:
        wanted = await store.refund(db, due.refund_id)
        payment = await store.payment(db, wanted.payment_id)
    if wanted.status == "initiated":
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
            await _send(deps, payment, one, RefundDue(refund_id=one.id))


async def _send(deps: Deps, payment: store.Payment, wanted: store.Refund, due: RefundDue) -> None:
    try:
        if wanted.provider_id is not None:
            sent = await deps.payments.get_refund(wanted.provider_id)
        else:
            key = f"refund:{wanted.id}"
            sent = await deps.payments.refund(payment.provider_id, wanted.amount, key=key)
            if deps.clock.now() >= wanted.created_at + rules.wait(0):
                # Perhaps it was sent before, with an answer that was lost. A provider says again what it said
                # then, and what it told since was of a refund that we did not know.
                sent = await deps.payments.get_refund(sent.id)
    except ProviderRefused as refusal:
        why = str(refusal.facts.get("provider_code", refusal.code))
        if why == rules.HELD_BY_BANK:
            await later(deps, due)
        else:
            await _failed(deps, payment, wanted, why)
    else:
        await _sent(deps, payment, wanted, sent, due)


async def give_up(tx: Tx, payment: store.Payment, had: Money) -> None:
    """The cardholder's bank has given the money back: what was still to be sent is not, and of what the
    provider had refused the guest is owed no more what the bank gave of it."""
    unsent = [one for one in await store.refunds_of(tx, payment.id) if not one.is_sent]
    rest = had - total((one.amount for one in unsent if one.status == "initiated"), had.currency)
    for one in unsent:
        if one.status == "failed" and one.why != rules.HELD_BY_BANK and one.amount <= rest:
            await store.had_from_bank(tx, one.id)
            rest -= one.amount
        if await store.end_refund(tx, one.id, status="failed", why=rules.HELD_BY_BANK):
            await tx.emit(
                told(RefundFailed, payment, amount=one.amount, refund_id=one.id, why=rules.HELD_BY_BANK)
            )


async def _sent(
    deps: Deps, payment: store.Payment, wanted: store.Refund, sent: ProviderRefund, due: RefundDue
) -> None:
    if sent.status == "pending":
        async with deps.db.transaction() as tx:
            await store.note_refund(tx, wanted.id, sent.id)
            await again(deps, tx, RefundDue(refund_id=wanted.id, tries=due.tries + 1))
        return
    if sent.status != "succeeded":
        await _failed(deps, payment, wanted, sent.status)
        return
    now, amount = deps.clock.now(), wanted.amount
    async with deps.db.transaction() as tx:
        await lock_books(tx, payment.booking_id)
        ends = {"status": "completed", "provider_id": sent.id, "completed_at": now}
        if not await store.end_refund(tx, wanted.id, **ends):
            return
        lines = rules.refunded(amount)
        entry = rules.entry(deps.new_id(), now, "refund", payment.booking_id, wanted.id, lines)
        await store.write(tx, entry)
        left = await store.left_to_refund(tx, payment.id)
        await tx.emit(told(RefundCompleted, payment, amount=amount, refund_id=wanted.id))
        await tx.emit(told(PaymentRefunded, payment, amount=amount, all=not left))


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


async def owed_refunds(deps: Deps, limit: int, cursor: str | None) -> Page[RefundRecord]:
    """What guests are owed and the provider will not send, the newest first."""
    async with deps.db.read() as db:
        found = await store.owed_refunds(db, limit + 1, behind(cursor, UUID))
        bookings = await store.bookings_of(db, found)
    items = [refund_of(one, bookings[one.payment_id]) for one in found[:limit]]
    return Page(items, cursor_of([items[-1].id]) if len(found) > limit else None)


async def pay_otherwise(
    deps: Deps, caller: Caller, refund_id: UUID, reference: str, once: Once = NO_KEY
) -> RefundRecord:
    """By staff (not about a stay of their own), once: all of it was paid in another way. `RefundNotOwed`
    where the provider has not refused it for good, or the cardholder's bank has the money."""
    now, entry_id = deps.clock.now(), deps.new_id()
    async with deps.db.transaction() as tx:
        await tx.once(once)
        wanted = await store.refund(tx, refund_id)
        await lock_books(tx, await store.booking_of(tx, wanted.payment_id))
        payment = await store.payment(tx, wanted.payment_id)
        if caller.account_id in (payment.guest_id, payment.host_id):
            raise NotFound
        owed = -(await store.balances(tx, payment.booking_id)).get(rules.GUEST, 0)
        if owed < wanted.amount.amount or not await store.pay_otherwise(tx, refund_id, reference, now):
            raise rules.RefundNotOwed(state=wanted.status)
        lines = rules.paid_otherwise(wanted.amount)
        await store.write(tx, rules.entry(entry_id, now, "refund_paid", payment.booking_id, refund_id, lines))
        left = await store.left_to_refund(tx, payment.id)
        await tx.emit(told(RefundCompleted, payment, amount=wanted.amount, refund_id=refund_id))
        facts = {"amount": wanted.amount, "all": not left, "reference": reference}
        await tx.emit(told(PaymentRefunded, payment, **facts))
        answer = refund_of(await store.refund(tx, refund_id), payment.booking_id)
        await tx.answer(once, answer)
    return answer


async def _failed(deps: Deps, payment: store.Payment, wanted: store.Refund, why: str) -> None:
    """The guest is still owed it (account `guest`); staff see the failed refund and pay it in another way."""
    async with deps.db.transaction() as tx:
        if await store.end_refund(tx, wanted.id, status="failed", why=why):
            await tx.emit(told(RefundFailed, payment, amount=wanted.amount, refund_id=wanted.id, why=why))
