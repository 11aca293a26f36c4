"""Chargebacks: a cardholder's bank asks for the money back, and decides. What staff answer: `answering`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hometrip.kernel.events import Envelope
from hometrip.kernel.money import Money, total, zero
from hometrip.kernel.page import Page, behind, cursor_of
from hometrip.ports.database import Tx
from hometrip.ports.payments import ProviderDispute, ProviderDown
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.answers import DisputeRecord, dispute_of
from hometrip.services.payment.actions.deps import Deps, DisputeLookDue, later, lock_books, told
from hometrip.services.payment.actions.owing import give_up, owe_again
from hometrip.services.payment.actions.papering import credit_lost
from hometrip.services.payment.actions.paying import look
from hometrip.services.payment.actions.paying_out import replan
from hometrip.services.payment.actions.sending import find_sent
from hometrip.services.payment.actions.settling import reckoned_with, settle_what_waits
from hometrip.services.payment.contract import PaymentDisputed


async def disputes(deps: Deps, status: str | None, limit: int, cursor: str | None) -> Page[DisputeRecord]:
    """The newest first."""
    async with deps.db.read() as db:
        found = await store.chargebacks_page(db, status, limit + 1, behind(cursor, UUID))
    items = [dispute_of(one) for one in found[:limit]]
    return Page(items, cursor_of([items[-1].id]) if len(found) > limit else None)


async def look_at_dispute(deps: Deps, due: DisputeLookDue) -> None:
    """What the timer does: how does it stand at the provider? With one that is down it is set again."""
    key = f"{DisputeLookDue.name}:{due.dispute}"
    try:
        async with deps.db.read() as db:
            payment = await store.payment(db, due.payment_id)
        if payment.status != rules.SUCCEEDED:
            # The webhook of the dispute was faster than that of the payment.
            payment = await look(deps, payment.id)
        await find_sent(deps, payment)
        dispute = await deps.payments.get_dispute(due.dispute)
    except ProviderDown:
        await later(deps, due, key)
        return
    if payment.status == rules.CANCELED:
        return
    if payment.status != rules.SUCCEEDED:
        await later(deps, due, key)
        return
    await settle_dispute(deps, due.payment_id, dispute)


async def tell_of_lost(deps: Deps) -> None:
    """Bookings hear of what banks kept for good before there was a version that tells of it; each once."""
    async with deps.db.read() as db:
        untold = await store.lost_untold(db)
    for booking_id in sorted({one.booking_id for one in untold}):
        await _tell_late(deps, booking_id)


async def _tell_late(deps: Deps, booking_id: UUID) -> None:
    """Nothing yet while another bank has money of it: what that decides is told with all that is lost."""
    events = await deps.db.history(f"books/{booking_id}")
    async with deps.db.transaction() as tx:
        await lock_books(tx, booking_id)
        lost = await store.lost_untold(tx, booking_id)
        if not lost or await store.is_set_aside(tx, booking_id):
            return
        last, payment = lost[-1], await store.payment(tx, lost[-1].payment_id)
        if any(_tells(event, last) for event in events):
            await store.note_told(tx, booking_id)  # by a version that kept no note of it
            return
        before = await _known_before(tx, booking_id, last.taken.currency)
        await _tell(tx, payment, last, "lost", late=True, **await _what_is_left(tx, payment, before))


def _tells(event: Envelope, last: store.Chargeback) -> bool:
    """Has it told booking of all that was lost up to this one?"""
    if event.name != PaymentDisputed.name or last.closed_at is None or event.occurred_at < last.closed_at:
        return False
    return event.open(PaymentDisputed).kept is not None


async def settle_dispute(deps: Deps, payment_id: UUID, dispute: ProviderDispute) -> store.Chargeback:
    """Write what the provider says of it, with its journal entries; the same has effect once.

    What was decided before it was ever heard of leaves the same entries as what was heard step by step.
    """
    async with deps.db.transaction() as tx:
        await lock_books(tx, await store.booking_of(tx, payment_id))
        payment = await store.payment(tx, payment_id)
        known = await store.chargeback_at_provider(tx, dispute.id)
        is_new = known is None
        if known is None:
            known = await _opened(deps, tx, payment, dispute)
        takes = known.closed_at is None and dispute.withdrawn and not known.withdrawn
        moves = rules.dispute_moves_on(known.status, dispute.status)
        if takes:
            kind = rules.DEPOSIT_DISPUTED if payment.part == rules.DEPOSIT else "disputed"
            await _set_aside(deps, tx, payment, known, kind)
        if moves:
            await _moved(deps, tx, payment, known.id, dispute.status)
        if is_new or takes or moves:
            await replan(deps, tx, payment.booking_id)
        return await store.chargeback(tx, known.id)


async def _opened(deps: Deps, tx: Tx, payment: store.Payment, dispute: ProviderDispute) -> store.Chargeback:
    made = store.Chargeback(
        id=deps.new_id(),
        provider_id=dispute.id,
        payment_id=payment.id,
        booking_id=payment.booking_id,
        amount=dispute.amount,
        status="needs_response",
        reason=dispute.reason,
        opened_at=deps.clock.now(),
        taken=zero(dispute.amount.currency),
        due_by=dispute.due_by,
    )
    await store.add_chargeback(tx, made)
    await _tell(tx, payment, made, "open")
    return made


async def _set_aside(deps: Deps, tx: Tx, payment: store.Payment, known: store.Chargeback, kind: str) -> None:
    """The bank has taken the money: it is nobody's. What was on its way back to the guest, the guest is not
    owed meanwhile; what of it had gone back before, the platform bears."""
    taken, refunds = min(known.amount, payment.left), await store.refunds_of(tx, payment.id)
    nothing = zero(taken.currency)
    unsent = total((one.amount for one in refunds if one.is_owed), taken.currency)
    # Of what is unsent another bank's dispute may have some already.
    unsent -= await store.had_for_now(tx, payment.id) or nothing
    owed = min(known.amount - taken, max(unsent, nothing))
    shares = await _shares(tx, payment)
    await store.count_as_disputed(tx, payment.id, taken)
    await store.change_chargeback(tx, known.id, withdrawn=True, taken=taken.amount)
    balances = await store.balances(tx, payment.booking_id)
    lines = rules.disputed(shares, balances, known.amount, taken, owed)
    await _write(deps, tx, known, kind, lines)


async def _shares(tx: Tx, payment: store.Payment) -> dict[str, int]:
    """Whose the price is; what was taken of a damage deposit is the host's alone."""
    if payment.part == rules.DEPOSIT:
        return {rules.host_payable(payment.host_id): -payment.captured.amount}
    return await store.shares(tx, payment.booking_id)


async def _moved(deps: Deps, tx: Tx, payment: store.Payment, chargeback_id: UUID, status: str) -> None:
    known = await store.chargeback(tx, chargeback_id)
    before = await _known_before(tx, known.booking_id, known.amount.currency)
    over = status in ("won", "lost")
    ends = {"closed_at": deps.clock.now()} if over else {}
    await store.change_chargeback(tx, known.id, status=status, **ends)
    if known.withdrawn and status == "won":
        await _give_back(deps, tx, known)
    elif known.withdrawn and status == "lost":
        await _reckon_anew_if_changed(deps, tx, payment, known)
        await _write(deps, tx, known, "chargeback", rules.charged_back(known.amount))
        await give_up(deps, tx, payment, await _had(tx, known))
    if over:
        await credit_lost(deps, tx, known.booking_id)
        await settle_what_waits(deps, tx, known.booking_id)
        await _tell(tx, payment, known, status, **await _what_is_left(tx, payment, before))


async def _known_before(tx: Tx, booking_id: UUID, currency: str) -> Money:
    """What booking knows to be left; of what an earlier version wrote on a credit note it was not told."""
    known = await reckoned_with(tx, booking_id, currency)
    without_note = {one.id for one in await store.lost_without_note(tx, booking_id)}
    untold = [one for one in await store.lost_untold(tx, booking_id) if one.id not in without_note]
    return known + total((one.taken for one in untold), currency)


async def _what_is_left(tx: Tx, payment: store.Payment, before: Money) -> dict[str, Any]:
    """For booking, once no bank has money of it for now: then it knows all that banks keep."""
    if await store.is_set_aside(tx, payment.booking_id):
        return {}
    await store.note_told(tx, payment.booking_id)
    shares = await store.shares(tx, payment.booking_id)
    kept = rules.split_of(shares, payment.host_id, before.currency)
    return {"lost": before - rules.total_of(kept), "kept": kept}


async def _give_back(deps: Deps, tx: Tx, won: store.Chargeback) -> None:
    """Each share has again what the bank had of it. What was set aside after that, for other disputes of the
    booking, was reckoned of the little that this one had left: those are reckoned anew, lost ones as well, so
    that it does not matter in which order banks ask and decide."""
    others = await store.set_aside_since(tx, won)
    for other in reversed(others):
        if other.status == "lost":
            payment = await store.payment(tx, other.payment_id)
            await owe_again(deps, tx, payment, await _had(tx, other))
        await _undo(deps, tx, other, f"dispute_undone:{won.id}")
    payment = await store.payment(tx, won.payment_id)
    await _undo(deps, tx, won, rules.DEPOSIT_WON if payment.part == rules.DEPOSIT else "dispute_won")
    for other in others:
        payment = await store.payment(tx, other.payment_id)
        await _set_aside(deps, tx, payment, other, f"disputed_anew:{won.id}")
        if other.status == "lost":
            await give_up(deps, tx, payment, await _had(tx, other))


async def _reckon_anew_if_changed(deps: Deps, tx: Tx, payment: store.Payment, lost: store.Chargeback) -> None:
    """A dearer change of which the taxes are less may have been paid while the bank had all of them. Then the
    bank has of each share as if it had asked after the change."""
    shares = await _shares(tx, payment)
    if any(amount > 0 for account, amount in shares.items() if account.startswith(rules.TAX)):
        await _undo(deps, tx, lost, f"dispute_undone:{lost.id}")
        payment = await store.payment(tx, payment.id)
        await _set_aside(deps, tx, payment, lost, f"disputed_anew:{lost.id}")


async def _undo(deps: Deps, tx: Tx, known: store.Chargeback, kind: str) -> None:
    await store.count_as_disputed(tx, known.payment_id, -known.taken)
    await _write(deps, tx, known, kind, rules.dispute_won(await store.taken_by(tx, known.id)))


async def _had(tx: Tx, known: store.Chargeback) -> Money:
    """What of it the guest was owed."""
    lines = await store.taken_by(tx, known.id)
    return total((one.amount for one in lines if one.account == rules.GUEST), known.amount.currency)


async def _write(deps: Deps, tx: Tx, known: store.Chargeback, kind: str, lines: list[rules.Posting]) -> None:
    now = deps.clock.now()
    await store.write(tx, rules.entry(deps.new_id(), now, kind, known.booking_id, known.id, lines))


async def _tell(tx: Tx, payment: store.Payment, known: store.Chargeback, status: str, **more: Any) -> None:
    facts = {"amount": known.amount, "dispute_id": known.id, "status": status, "why": known.reason, **more}
    await tx.emit(told(PaymentDisputed, payment, **facts))
