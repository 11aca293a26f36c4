"""The second half of a stay that is paid in two: kept in mind, charged on its day, tried three times."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hometrip.kernel.clock import SKEW
from hometrip.ports.database import Tx
from hometrip.ports.payments import ProviderDown
from hometrip.services.booking.contract import BookingFacts
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.asking import look_later
from hometrip.services.payment.actions.deps import BalanceDue, BalanceReminder, Deps, later, lock_books, told
from hometrip.services.payment.actions.opening import balance_of, opened
from hometrip.services.payment.actions.paying import charge_absent, settle, why_declined
from hometrip.services.payment.contract import PaymentBalanceFailed, PaymentBalanceSoon, PaymentFailed

NO_CARD = "no_saved_card"


async def keep_plan(tx: Tx, booking: BookingFacts, first: store.Payment | None, now: datetime) -> None:
    """Once the first half is paid: the rest of each share is due on the plan's day."""
    if booking.due_now is None or booking.balance_due_at is None or first is None:
        return
    if first.captured >= booking.total or await store.plan_of(tx, booking.booking_id) is not None:
        return
    rest = booking.total - first.captured
    plan = store.Plan(
        booking_id=booking.booking_id,
        amount=rest,
        split=rules.less(booking.split, first.split),
        due_at=booking.balance_due_at,
    )
    await store.add_plan(tx, plan)
    await tx.emit_later(BalanceDue(booking_id=plan.booking_id), plan.due_at)
    await remind_of_balance(tx, plan.booking_id, plan.due_at, now)


async def remind_of_balance(tx: Tx, booking_id: UUID, due_at: datetime, now: datetime) -> None:
    """A timer to tell the guest some days before, where there are so many; it replaces one of before."""
    at = due_at - rules.BALANCE_TOLD_BEFORE
    if at > now:
        await tx.emit_later(BalanceReminder(booking_id=booking_id), at)


async def tell_of_balance(deps: Deps, due: BalanceReminder) -> None:
    """What the timer does: nothing where it was paid meanwhile, and nothing yet where the stay was moved."""
    now = deps.clock.now()
    async with deps.db.transaction() as tx:
        if not await tx.first_time(due, "payment.tell_of_balance"):
            return
        plan = await store.plan_of(tx, due.booking_id)
        first = await store.live_payment(tx, due.booking_id)
        if plan is None or first is None or plan.status != "waiting" or plan.tries or plan.due_at <= now:
            return
        if plan.due_at - now > rules.BALANCE_TOLD_BEFORE + SKEW:
            await remind_of_balance(tx, plan.booking_id, plan.due_at, now)
        else:
            await tx.emit(told(PaymentBalanceSoon, first, amount=plan.amount, due_at=plan.due_at))


async def charge_balance(deps: Deps, due: BalanceDue) -> None:
    """What the timer does: the card that paid the first half is charged, its owner absent.

    A guest who is with their bank for it (3-D Secure) is left ten minutes for that.

    Declined three times over 72 hours, or by the check-in where that comes earlier, it is charged no more:
    booking hears of it, and cancels, which closes the payment. After a stay it does not, and the guest may
    still pay.
    """
    async with deps.db.read() as db:
        plan = await store.plan_of(db, due.booking_id)
        first = await store.live_payment(db, due.booking_id)
    if plan is None or first is None or plan.status != "waiting" or plan.tries != due.attempt:
        return
    if plan.due_at > deps.clock.now() + SKEW:
        return  # it was on its way when the stay was moved to later; the new day has a timer of its own
    try:
        payment = await opened(deps, balance_of(first, plan))
        if payment.wanted == "cancel":  # of an old rest, or an old day: the provider has not closed it yet
            await later(deps, due)
            return
        if payment.status == rules.WITH_BANK and not due.tries:  # the guest pays just now, and is given time
            await later(deps, due)
            return
        async with deps.db.transaction() as tx:
            await look_later(deps, tx, payment.id)
        intent = await charge_absent(deps, payment, first.method, f"charge:{payment.id}:{plan.tries}")
    except ProviderDown:
        await later(deps, due)
        return
    settled = await settle(deps, payment.id, intent, quiet=True)
    if settled.status != rules.SUCCEEDED:
        why = why_declined(intent.last_error) if intent.last_error else NO_CARD
        await _declined(deps, plan, settled, why)


async def _declined(deps: Deps, plan: store.Plan, payment: store.Payment, why: str) -> None:
    tried = plan.tries + 1
    async with deps.db.transaction() as tx:
        await lock_books(tx, plan.booking_id)
        stay = await store.stay_of(tx, plan.booking_id)
        if stay is None or not await store.move_plan(tx, plan, tries=tried):
            return
        at = rules.next_balance_try(tried, deps.clock.now(), stay.facts.check_in_at)
        await tx.emit(told(PaymentFailed, payment, why=why))
        if at is None:
            await tx.emit(told(PaymentBalanceFailed, payment, why=why))
        else:
            await tx.emit_later(BalanceDue(booking_id=plan.booking_id, attempt=tried), at)
