"""Refunds that the provider will not send: paid in another way, or had from the cardholder's bank."""

from __future__ import annotations

from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.access import Caller
from hometrip.kernel.contacts import EMAIL
from hometrip.kernel.errors import Invalid, NotFound
from hometrip.kernel.money import Money
from hometrip.kernel.once import NO_KEY, Once
from hometrip.kernel.page import Page, behind, cursor_of
from hometrip.ports.database import Tx
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.answers import RefundRecord, refund_of
from hometrip.services.payment.actions.deps import Deps, RefundDue, lock_books, told
from hometrip.services.payment.actions.sending import send_promised
from hometrip.services.payment.contract import PaymentRefunded, RefundCompleted, RefundFailed


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
    where the provider has not refused it for good, or the cardholder's bank has the money. The reference goes
    into events: numbers may be in it, an address may not."""
    if EMAIL.search(reference):
        raise Invalid.field("reference", "contact", "must hold no e-mail address")
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


async def give_up(deps: Deps, tx: Tx, payment: store.Payment, had: Money) -> None:
    """The cardholder's bank has given the guest so much of what is owed, first of what was still to be sent:
    that is not refunded any more. What is left of a refund is sent, or owed, on."""
    owed = [one for one in await store.refunds_of(tx, payment.id) if one.is_owed]
    for one in sorted(owed, key=lambda one: one.status == "failed"):
        part = min(one.amount, had)
        had, rest = had - part, one.amount - part
        if not part:
            continue
        # Nothing is asked for twice under one id in two amounts: the rest has an id of its own.
        rest_id, now = deps.new_id(), deps.clock.now()
        left = {"id": rest_id, "amount": rest, "cause": f"{one.cause}/rest:{rest_id}", "created_at": now}
        other = replace(one, provider_id=None, completed_at=None, attempt=0, **left)
        if one.status == "failed":
            await store.had_from_bank(tx, one.id, part)
            if rest:
                await store.add_refund(tx, other)
        else:
            await store.end_refund(tx, one.id, status="failed", why=rules.HELD_BY_BANK, amount=part.amount)
            facts = {"amount": part, "refund_id": one.id, "why": rules.HELD_BY_BANK, "owed": False}
            await tx.emit(told(RefundFailed, payment, **facts))
            if rest:
                await send_promised(deps, tx, payment, other)


async def owe_again(deps: Deps, tx: Tx, payment: store.Payment, had: Money) -> None:
    """The reverse of `give_up`, where so much turns out to be no part of what the bank has given."""
    given = [one for one in await store.refunds_of(tx, payment.id) if one.is_from_bank]
    for one in reversed(given):
        if had.amount > 0:
            await store.reopen_refund(tx, one.id)
            await tx.emit_later(RefundDue(refund_id=one.id, attempt=one.attempt + 1), deps.clock.now())
            had -= one.amount
    await give_up(deps, tx, payment, max(-had, had * 0))
