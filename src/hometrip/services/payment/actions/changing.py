"""What booking tells, in terms of money: a stay is confirmed, changed, cancelled, disputed, or not to be."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hometrip.kernel.split import Split
from hometrip.kernel.stay import Stay
from hometrip.ports.database import Tx
from hometrip.services.booking.contract import (
    BookingAccepted,
    BookingCancelled,
    BookingChanged,
    BookingFacts,
    BookingRefunded,
    BookingUnpayable,
    DisputeOpened,
    DisputeResolved,
)
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.asking import close_later, look_now, want
from hometrip.services.payment.actions.deposits import let_deposit_go, plan_deposit
from hometrip.services.payment.actions.deps import BalanceDue, Deps, lock_books
from hometrip.services.payment.actions.paying_out import replan
from hometrip.services.payment.actions.plans import keep_plan, remind_of_balance
from hometrip.services.payment.actions.settling import give_or_wait, taken_for


async def accepted(deps: Deps, tx: Tx, event: BookingAccepted) -> None:
    """The host said yes: what was authorised is captured."""
    payment = await store.live_payment(tx, event.booking_id)
    if payment and payment.status == rules.AUTHORISED:
        await want(deps, tx, payment.id, "capture")


async def not_to_be(deps: Deps, tx: Tx, booking_id: UUID, change_id: UUID | None = None) -> None:
    """A booking was declined, or a change of it, or that has expired: nothing may be taken for it any more.

    What was taken already stays: booking hears of it, and either has it after all or says BookingUnpayable.
    """
    part = rules.FIRST if change_id is None else f"{rules.CHANGE}{change_id}"
    payment = await store.live_payment(tx, booking_id, part)
    if payment is not None and payment.status != rules.SUCCEEDED:
        await want(deps, tx, payment.id, "cancel")


async def expired(deps: Deps, tx: Tx, booking_id: UUID) -> None:
    """A hold has ended: what its guest has begun to pay can be paid for an hour more. Booking has it after
    all where that can still be had, and else it goes back at once."""
    payment = await store.live_payment(tx, booking_id)
    if payment is None or payment.status not in rules.OPEN or payment.wanted == "cancel":
        await not_to_be(deps, tx, booking_id)
    else:
        await look_now(deps, tx, payment.id)  # perhaps it was paid, and we have not heard of it
        await close_later(deps, tx, payment.id, rules.PAID_LATE_WITHIN)


async def confirmed(deps: Deps, tx: Tx, booking: BookingFacts) -> None:
    """Booking has reckoned with what was paid; what is still to come is planned."""
    await lock_books(tx, booking.booking_id)
    await _keep(tx, booking)
    if not booking.total:
        await _grant(deps, tx, booking)
    await store.count_with(tx, booking.booking_id)
    await keep_plan(tx, booking, await store.live_payment(tx, booking.booking_id), deps.clock.now())
    await plan_deposit(deps, tx, booking)
    await replan(deps, tx, booking.booking_id)


async def _grant(deps: Deps, tx: Tx, booking: BookingFacts) -> None:
    """No payment tells whose a stay is that costs its guest nothing: what a coupon of ours gives away is
    owed to the host all the same."""
    booking_id, lines = booking.booking_id, rules.capture(booking.total, booking.split, booking.host_id)
    entry = rules.entry(deps.new_id(), deps.clock.now(), "granted", booking_id, booking_id, lines)
    await store.write(tx, entry)


async def unpayable(deps: Deps, tx: Tx, event: BookingUnpayable) -> None:
    """Booking has seen a payment and cannot have it: all of what it has not reckoned with goes back, or that
    payment alone."""
    await lock_books(tx, event.booking_id)
    for payment in await store.payments_of(tx, event.booking_id):
        if payment.counted or payment.part == rules.DEPOSIT or event.payment_id not in (None, payment.id):
            continue
        if payment.status == rules.SUCCEEDED:
            why: dict[str, Any] = {
                "reason": event.name,
                "cause": f"{event.name}:{payment.id}",
                "payment_id": payment.id,
            }
            back = payment.captured - payment.promised_back
            await give_or_wait(deps, tx, event.booking_id, back, payment.split, keeps=False, **why)
        elif payment.status != rules.CANCELED:
            await want(deps, tx, payment.id, "cancel")
    await replan(deps, tx, event.booking_id)  # of a stay that is confirmed: it was planned to be paid out


async def cancelled(deps: Deps, tx: Tx, event: BookingCancelled) -> None:
    """Exactly what the cancellation showed goes back; what was never captured is released.

    What came in meanwhile (a second half that was charged while the guest cancelled) and is not kept goes
    back as well; of a stay that is half paid no more is kept than there is. A host's penalty is owed from
    now on.
    """
    booking_id, kept = event.booking_id, event.kept
    await lock_books(tx, booking_id)
    if event.penalty:
        lines = rules.penalty(event.penalty, event.booking.host_id)
        now, entry_id = deps.clock.now(), deps.new_id()
        await store.write(tx, rules.entry(entry_id, now, "penalty", booking_id, booking_id, lines))
    await _let_go(deps, tx, booking_id)
    await let_deposit_go(deps, tx, event.booking, event.at or deps.clock.now())
    nothing = not any((event.refund, kept.payout, kept.platform, *kept.taxes.values()))
    # Of a stay that is known all may have gone back before: whose the rest is, is told anew all the same.
    unpaid = nothing and await store.stay_of(tx, booking_id) is None
    if unpaid or (event.booking.total and not await taken_for(tx, booking_id)):
        # Cancelled before it was known to be paid: booking hears of the payment yet, and answers it with
        # BookingUnpayable, which gives all of it back. Of a request for nothing there is no payment.
        return
    await _keep(tx, event.booking, over=True)
    why: dict[str, Any] = {"reason": event.why, "cause": f"cancelled:{booking_id}", "lines": event.lines}
    of = event.refund + rules.total_of(kept)
    await give_or_wait(deps, tx, booking_id, event.refund, kept, keeps=True, of=of, **why)
    await store.count_with(tx, booking_id)
    await replan(deps, tx, booking_id)


async def _let_go(deps: Deps, tx: Tx, booking_id: UUID) -> None:
    """Nothing may be taken for the booking any more."""
    plan = await store.plan_of(tx, booking_id)
    if plan is not None and await store.move_plan(tx, plan, status="over"):
        await tx.withdraw(f"{BalanceDue.name}:booking/{booking_id}")
    for payment in await store.payments_of(tx, booking_id):
        if payment.part != rules.DEPOSIT and payment.status not in (rules.SUCCEEDED, rules.CANCELED):
            await want(deps, tx, payment.id, "cancel")


async def changed(deps: Deps, tx: Tx, event: BookingChanged) -> None:
    """A dearer booking was paid for before; of a cheaper one the difference comes off what is still to be
    paid, then goes back."""
    booking = event.booking
    await lock_books(tx, event.booking_id)
    known = await store.stay_of(tx, event.booking_id)
    if known is not None:
        before, now = Stay(known.facts.check_in, known.facts.check_out), deps.clock.now()
        await store.note_stay_before(tx, event.booking_id, event.change_id, before, now)
    await _keep(tx, booking)
    await store.count_with(tx, event.booking_id, f"{rules.CHANGE}{event.change_id}")
    await plan_deposit(deps, tx, booking)
    off = await _less_to_come(deps, tx, booking, event.before)
    gives = await _given_by(tx, event, off)
    if not rules.is_nothing(gives):
        lines = rules.lines_less(known.facts.lines, booking.lines) if known else []
        why: dict[str, Any] = {"reason": "changed", "cause": f"changed:{event.change_id}", "lines": lines}
        back = rules.total_of(gives)
        await give_or_wait(deps, tx, event.booking_id, back, gives, keeps=False, **why)
    await replan(deps, tx, event.booking_id)


async def _given_by(tx: Tx, event: BookingChanged, off: Split | None) -> Split:
    """What the shares of what was paid give by a change, beside what comes `off` what is still to come.

    The payment of a dearer one has moved already what those had too much of, unless the second half, which
    was to have that, was paid meanwhile.
    """
    saved = rules.less(event.before, event.booking.split)
    if event.before_total >= event.booking.total:
        return saved if off is None else rules.less(saved, off)
    plan = await store.plan_of(tx, event.booking_id)
    paid = await store.live_payment(tx, event.booking_id, f"{rules.CHANGE}{event.change_id}")
    if paid is None or plan is None or plan.status != "paid":
        return rules.nothing_kept(saved.payout.currency)
    return rules.more(paid.split, saved)


async def _less_to_come(deps: Deps, tx: Tx, booking: BookingFacts, before: Split) -> Split | None:
    """The second half is less by what the change saves, shared anew, and due on its new day; what that takes
    off it is answered. One that no card has paid is due no more, but nothing of it can go back either."""
    plan = await store.plan_of(tx, booking.booking_id)
    if plan is None or plan.status not in ("waiting", "failed"):
        return None
    rest, now = rules.to_come_at(plan.split, before, booking.split), deps.clock.now()
    left, due_at = rules.total_of(rest), booking.balance_due_at or plan.due_at
    # A new day that is still to come has tries of its own.
    anew = plan.status == "waiting" and due_at > now
    fields = {"amount": left.amount, "split": rest, "due_at": due_at}
    fields |= {"status": plan.status if left else "paid", "tries": 0 if anew else plan.tries}
    await store.move_plan(tx, plan, was=plan.status, **fields)
    if left and (anew or plan.tries == 0):
        await tx.emit_later(BalanceDue(booking_id=plan.booking_id), max(due_at, now))
        await remind_of_balance(tx, plan.booking_id, due_at, now)
    elif not left:
        await tx.withdraw(f"{BalanceDue.name}:booking/{plan.booking_id}")
    payment = await store.live_payment(tx, plan.booking_id, rules.BALANCE)
    if payment is not None and (payment.amount != left or (anew and plan.tries)):
        # Opened for the old rest, or declined for the old day; the next try opens another.
        await want(deps, tx, payment.id, "cancel")
    return rules.less(plan.split, rest)


async def refunded(deps: Deps, tx: Tx, event: BookingRefunded) -> None:
    """The host gives more back than must be; what was paid out already is owed by the host."""
    await lock_books(tx, event.booking_id)
    why: dict[str, Any] = {"reason": event.why, "cause": f"refund:{event.refund_id}"}
    await give_or_wait(deps, tx, event.booking_id, event.refund, event.kept, keeps=True, **why)
    await replan(deps, tx, event.booking_id)


async def disputed(deps: Deps, tx: Tx, event: DisputeOpened) -> None:
    """Nothing is paid out for the booking meanwhile."""
    await lock_books(tx, event.booking_id)
    await store.open_dispute(tx, event.dispute_id, event.booking_id, deps.clock.now())
    await replan(deps, tx, event.booking_id)


async def resolved(deps: Deps, tx: Tx, event: DisputeResolved) -> None:
    """What was agreed goes back, each share falls to what it keeps, and pay-outs go on."""
    await lock_books(tx, event.booking_id)
    await store.close_dispute(tx, event.dispute_id, event.booking_id, deps.clock.now())
    why: dict[str, Any] = {"reason": "dispute", "cause": f"dispute:{event.dispute_id}"}
    await give_or_wait(deps, tx, event.booking_id, event.refund, event.kept, keeps=True, **why)
    await replan(deps, tx, event.booking_id)


async def _keep(tx: Tx, booking: BookingFacts, *, over: bool = False) -> None:
    stay = store.Stay(booking_id=booking.booking_id, host_id=booking.host_id, facts=booking, over=over)
    await store.keep_stay(tx, stay)
