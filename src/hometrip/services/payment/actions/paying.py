"""From an intent to money: confirming, capturing, releasing, and settling what the provider says.

The provider is asked outside of every transaction, with a key made of our own ids, so that asking twice is
harmless. Before it is asked, the payment is marked and a timer set: whatever is lost between its answer and
our write is found by looking again.
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

import msgspec

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Invalid
from hometrip.kernel.events import Event
from hometrip.kernel.money import Money
from hometrip.kernel.once import NO_KEY, Once
from hometrip.kernel.split import Split
from hometrip.ports.database import Tx
from hometrip.ports.payments import Card, IntentError, ProviderDown, ProviderIntent, ProviderRefused
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.answers import Intent, intent_of
from hometrip.services.payment.actions.asking import look_later
from hometrip.services.payment.actions.deps import (
    BalanceDue,
    Deps,
    PaymentLookDue,
    again,
    lock_books,
    told,
)
from hometrip.services.payment.actions.holding import hold_moved
from hometrip.services.payment.actions.papering import INVOICE, issue
from hometrip.services.payment.actions.paying_out import replan
from hometrip.services.payment.actions.refunding import give_payment_back
from hometrip.services.payment.actions.settling import give_or_wait
from hometrip.services.payment.contract import (
    NotPayable,
    PaymentActionRequired,
    PaymentCanceled,
    PaymentCreated,
    PaymentFailed,
    PaymentSucceeded,
)


async def confirm(
    deps: Deps,
    caller: Caller,
    payment_id: UUID,
    *,
    method: str | None = None,
    card: Card | None = None,
    once: Once = NO_KEY,
) -> Intent:
    """Charge a test card, or go on after 3-D Secure when neither is given; a decline is in `last_error`.

    Confirming what is paid or authorised already answers it as it is; `NotPayable` once it is cancelled.
    """
    if method is not None and card is not None:
        raise Invalid.field("card", "one_of_two", "give a payment_method or a card, not both")
    payment = await _marked(deps, caller, payment_id, once)
    if payment.status not in rules.OPEN:
        return intent_of(payment, secret=True)
    key = f"confirm:{payment.id}:{payment.attempt}:{method or ('card' if card else 'next')}"
    try:
        intent = await deps.payments.confirm_intent(payment.provider_id, method=method, card=card, key=key)
    except ProviderRefused:
        # Perhaps because it is paid already, by another request or in another way.
        settled = await settle(deps, payment.id, await deps.payments.get_intent(payment.provider_id))
        if settled.status in rules.OPEN:
            raise
        return intent_of(settled, secret=True)
    return intent_of(await settle(deps, payment.id, intent, attempt=payment.attempt, once=once), secret=True)


async def _marked(deps: Deps, caller: Caller, payment_id: UUID, once: Once) -> store.Payment:
    """Before the provider is asked: remember that it was, so that a lost answer is looked for."""
    async with deps.db.transaction() as tx:
        payment = await store.payment(tx, payment_id)
        caller.must_be(payment.guest_id)
        await tx.once(once)
        if payment.status == rules.CANCELED or payment.wanted == "cancel":
            raise NotPayable("this payment was cancelled", state=rules.CANCELED)
        if payment.status in rules.OPEN:
            await look_later(deps, tx, payment.id)
    return payment


async def settle(
    deps: Deps,
    payment_id: UUID,
    intent: ProviderIntent,
    *,
    attempt: int | None = None,
    once: Once = NO_KEY,
    quiet: bool = False,
) -> store.Payment:
    """Write what the provider says, with its journal entry and its event; the same answer has effect once.

    `attempt` numbers the confirmation that this is the answer to. Without it (a webhook, a later look) only
    what differs from what is known has an effect. `quiet` leaves it to the caller to tell of a decline.
    """
    async with deps.db.transaction() as tx:
        await lock_books(tx, await store.booking_of(tx, payment_id))
        before = await store.payment(tx, payment_id)
        if rules.moves_on(before.status, intent) and (
            attempt == before.attempt or rules.tells_more(before, intent)
        ):
            await _write(deps, tx, before, intent, quiet=quiet)
        after = await _answered(deps, tx, payment_id, by_confirming=attempt is not None)
        if once:
            await tx.once(once)
            await tx.answer(once, intent_of(after, secret=True))
    return after


async def _answered(deps: Deps, tx: Tx, payment_id: UUID, *, by_confirming: bool) -> store.Payment:
    """No answer is awaited any more, unless a confirmation is still under way and this is not its answer."""
    payment = await store.payment(tx, payment_id)
    given_up = deps.clock.now() - rules.wait(0)
    if by_confirming or payment.asked_at is None or payment.asked_at <= given_up:
        await store.change_payment(tx, payment_id, asked_at=None)
        if payment.wanted is None:
            await tx.withdraw(f"{PaymentLookDue.name}:payment/{payment_id}")
        payment = msgspec.structs.replace(payment, asked_at=None)
    return payment


async def _write(deps: Deps, tx: Tx, before: store.Payment, intent: ProviderIntent, *, quiet: bool) -> None:
    ended = intent.status in (rules.SUCCEEDED, rules.CANCELED)
    changes = {
        "status": intent.status,
        "captured": intent.captured.amount,
        "next_action": intent.next_action,
        "last_error": intent.last_error,
        "method": intent.method,
        "card": intent.card or before.card,
        "attempt": before.attempt + 1,
        "wanted": None if ended else before.wanted,
    }
    await store.change_payment(tx, before.id, **changes)
    wanted_now = True
    if before.part == rules.DEPOSIT:
        await hold_moved(deps, tx, before, intent)
    elif intent.status == rules.SUCCEEDED:
        wanted_now = await _taken(deps, tx, before, intent.captured)
    event = _event_of(before, intent) if wanted_now else None
    if event and not (quiet and isinstance(event, PaymentFailed)):
        await tx.emit(event)


async def _taken(deps: Deps, tx: Tx, before: store.Payment, captured: Money) -> bool:
    """The money is here: in the journal, on an invoice, and in what the host will be paid.

    False where it comes too late: a second half that nobody waits for any more goes back at once. (Of a
    booking's own price, and of what a change costs, booking decides.)
    """
    split = await _shared(tx, before)
    lines = rules.capture(captured, split, before.host_id)
    entry = rules.entry(deps.new_id(), deps.clock.now(), "capture", before.booking_id, before.id, lines)
    await store.write(tx, entry)
    await issue(deps, tx, INVOICE, before.id, before, captured, split)
    if before.part == rules.BALANCE and not await _rest_taken(deps, tx, before):
        paid = await store.payment(tx, before.id)
        await give_payment_back(deps, tx, paid, reason="too_late", cause=f"too_late:{before.id}")
        return False
    await replan(deps, tx, before.booking_id)
    return True


async def _shared(tx: Tx, before: store.Payment) -> Split:
    """Whose the payment is. What a change takes back of a share, of a tax that it ends, may have gone back
    since the payment was opened: the others have so much less of it. What a bank has for now is still there.
    """
    if not rules.owes(before.split):
        return before.split
    there = Counter(await store.shares(tx, before.booking_id))
    there.update(await store.shares_of_banks(tx, before.booking_id))
    has = rules.split_of(there, before.host_id, before.amount.currency)
    after = rules.more(has, before.split)
    if min((after.payout, *after.taxes.values())).amount >= 0:
        return before.split
    gives = rules.less(rules.nothing_kept(before.amount.currency), before.split)
    split = rules.less(rules.left_of(has, gives), has)
    await store.change_payment(tx, before.id, split=split)
    return split


async def _rest_taken(deps: Deps, tx: Tx, before: store.Payment) -> bool:
    """Was the second half still waited for? What a change has made it less by, while it was being paid, goes
    back, and what it has made others' is theirs."""
    booking_id, plan = before.booking_id, await store.plan_of(tx, before.booking_id)
    await tx.withdraw(f"{BalanceDue.name}:booking/{booking_id}")
    if plan is None or not await store.move_plan(tx, plan, status="paid"):
        return False
    await store.count_with(tx, booking_id, rules.BALANCE)
    gives = rules.less(before.split, plan.split)
    if not rules.is_nothing(gives):
        saved = before.amount - plan.amount
        why: dict[str, Any] = {"reason": "changed", "cause": f"saved:{before.id}", "payment_id": before.id}
        await give_or_wait(deps, tx, booking_id, saved, gives, keeps=False, **why)
    return True


def _event_of(before: store.Payment, intent: ProviderIntent) -> Event | None:
    """What the others are told of this answer."""
    if before.part == rules.DEPOSIT:
        return None
    if intent.status == rules.SUCCEEDED:
        return told(PaymentSucceeded, before)
    if intent.status == rules.AUTHORISED:
        return told(PaymentCreated, before)
    if intent.status == rules.WITH_BANK:
        return told(PaymentActionRequired, before)
    if intent.status == rules.CANCELED and before.wanted == "capture":
        return told(PaymentFailed, before, why="authorisation_expired")
    if intent.status == rules.CANCELED:
        return told(PaymentCanceled, before)
    if intent.last_error:
        return told(PaymentFailed, before, why=why_declined(intent.last_error))
    return None


async def charge_absent(deps: Deps, payment: store.Payment, method: str | None, key: str) -> ProviderIntent:
    """Charge a card that is kept, its owner absent: `method`, or another of theirs where that is kept no
    longer; where that cannot be, how the payment is now.
    """
    kept = [card.id for card in await deps.payments.methods(str(payment.guest_id))]
    if kept and method not in kept:
        method = kept[0]
    if method is not None:
        try:
            return await deps.payments.charge_again(payment.provider_id, method=method, key=key)
        except ProviderRefused:
            # Perhaps it is paid or held already, or the card is kept no longer.
            pass
    return await deps.payments.get_intent(payment.provider_id)


def why_declined(error: IntentError) -> str:
    """As the guest may know it."""
    shown = rules.shown_decline(error)
    return shown.decline_code or shown.code


async def capture(deps: Deps, booking_id: UUID) -> str:
    """The question of the same name: "captured", "nothing_authorised" or "failed"."""
    async with deps.db.transaction() as tx:
        payment = await store.live_payment(tx, booking_id)
        let_go = payment is not None and payment.wanted == "cancel"  # cancelled since the host's yes
        if payment is not None and payment.status == rules.AUTHORISED and not let_go:
            await look_later(deps, tx, payment.id, wanted="capture")
    if payment is None or payment.status in rules.OPEN or let_go:
        return "nothing_authorised"
    if payment.status == rules.AUTHORISED:
        payment = await look(deps, payment.id)
    return "captured" if payment.status == rules.SUCCEEDED else "failed"


async def let_go(deps: Deps, booking_id: UUID) -> tuple[UUID, str] | None:
    """The question of the same name: from its mark on no confirmation begins, and the provider says what has
    become of one that was under way."""
    async with deps.db.transaction() as tx:
        payment = await store.live_payment(tx, booking_id)
        if payment is not None and payment.status in rules.OPEN:
            await look_later(deps, tx, payment.id, wanted="cancel")
    if payment is None:
        return None
    if payment.status in rules.OPEN:
        payment = await look(deps, payment.id)
    return payment.id, payment.status


async def look(deps: Deps, payment_id: UUID) -> store.Payment:
    """How does it stand at the provider? What is wanted is done there, what has become of it is settled."""
    async with deps.db.read() as db:
        payment = await store.payment(db, payment_id)
        claim = await store.claim_on(db, payment.booking_id) if payment.part == rules.DEPOSIT else None
    intent = await deps.payments.get_intent(payment.provider_id)
    try:
        intent = await _carry_out(deps, payment, intent, claim.granted if claim else None)
    except ProviderRefused:
        # It moved on between the two requests.
        intent = await deps.payments.get_intent(payment.provider_id)
    settled = await settle(deps, payment_id, intent)
    if payment.wanted == settled.wanted == "capture":
        # The provider will not: nothing is authorised there, or no longer.
        async with deps.db.transaction() as tx:
            await store.change_payment(tx, payment_id, wanted=None)
    return settled


async def _carry_out(
    deps: Deps, payment: store.Payment, intent: ProviderIntent, part: Money | None
) -> ProviderIntent:
    if payment.wanted == "capture" and intent.status == rules.AUTHORISED:
        return await deps.payments.capture_intent(intent.id, amount=part, key=f"capture:{payment.id}")
    if payment.wanted == "cancel" and intent.status in (*rules.OPEN, rules.AUTHORISED):
        return await deps.payments.cancel_intent(intent.id, key=f"cancel:{payment.id}")
    return intent


async def look_again(deps: Deps, due: PaymentLookDue) -> None:
    """What the timer does; with a provider that is down it is set again."""
    if due.closes:
        await _close(deps, due.payment_id)
    try:
        done = (await look(deps, due.payment_id)).wanted != "cancel"
    except ProviderDown:
        done = False
    if not done:
        async with deps.db.transaction() as tx:
            await again(deps, tx, PaymentLookDue(payment_id=due.payment_id, tries=due.tries + 1))


async def _close(deps: Deps, payment_id: UUID) -> None:
    async with deps.db.transaction() as tx:
        if (await store.payment(tx, payment_id)).status not in (rules.SUCCEEDED, rules.CANCELED):
            await store.change_payment(tx, payment_id, wanted="cancel")
