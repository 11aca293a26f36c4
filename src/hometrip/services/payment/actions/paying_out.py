"""Money on its way to hosts: planned as the journal stands, decided and sent when its day has come."""

from __future__ import annotations

from itertools import count
from typing import Any
from uuid import UUID

import msgspec

from hometrip.kernel.access import Caller
from hometrip.kernel.clock import SKEW
from hometrip.kernel.errors import NotFound
from hometrip.kernel.events import Event
from hometrip.kernel.money import Money, zero
from hometrip.kernel.once import NO_KEY, Once
from hometrip.ports.database import Tx
from hometrip.ports.payments import ProviderDown, ProviderRefused, ProviderTransfer
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.answers import PayoutRecord, payout_of
from hometrip.services.payment.actions.deps import (
    AccountLookDue,
    Deps,
    PayoutDue,
    TransferDue,
    TransferLookDue,
    later,
    lock_books,
)
from hometrip.services.payment.contract import (
    PayoutCompleted,
    PayoutFailed,
    PayoutInitiated,
    PayoutSetOff,
)

DECIDED, OPEN = ("initiated", "completed", "set_off"), ("due", "held", "void")


async def replan(deps: Deps, tx: Tx, booking_id: UUID) -> None:
    """What the host will be paid for a confirmed booking, and when, as the journal stands now.

    24 hours after check-in, or month by month; all at once where the stay is over early. What was decided
    stays, what failed is due again, and more that is owed is paid at once; nothing during a dispute.
    """
    await lock_books(tx, booking_id)
    stay = await store.stay_of(tx, booking_id)
    if stay is None:
        return
    earned, owed = await _earned_and_owed(tx, stay)
    planned = await store.payouts_of(tx, booking_id)
    decided = [one for one in planned if one.status in DECIDED]
    open_ones = [one for one in planned if one.status in OPEN]
    status = "held" if await is_held(tx, booking_id) else "due"
    nights, out, numbers = stay.facts.nights, earned - owed, count(planned[-1].number + 1 if planned else 0)
    for step in _steps(stay)[len(decided) :] or [_at_once(deps, stay)]:
        part = min(rules.earned_until(earned, step.until, nights) - out, owed)
        amount = max(part, zero(part.currency))
        row = {
            "status": status if amount else "void",
            "amount": amount.amount,
            "due_at": max(step.due_at, deps.clock.now()),
            "until": step.until,
            "nights": nights,
        }
        if open_ones:
            payout_id = open_ones.pop(0).id
            await store.change_payout(tx, payout_id, **row)
        elif amount:
            payout_id = deps.new_id()
            made = {**row, "amount": amount, "number": next(numbers)}
            await store.add_payout(tx, _payout(stay, payout_id, made))
        else:
            continue
        await _set_timer(tx, payout_id, row)
        out, owed = out + amount, owed - amount
    for one in open_ones:
        await store.change_payout(tx, one.id, status="void", amount=0)
        await _set_timer(tx, one.id, {"status": "void"})


async def is_held(tx: Tx, booking_id: UUID) -> bool:
    """While guest and host disagree, or a cardholder's bank has asked for the money back."""
    return await store.is_disputed(tx, booking_id) or await store.is_charged_back(tx, booking_id)


def _payout(stay: store.Stay, payout_id: UUID, fields: dict[str, Any]) -> store.Payout:
    return store.Payout(id=payout_id, booking_id=stay.booking_id, host_id=stay.host_id, **fields)


def _steps(stay: store.Stay) -> list[rules.PayoutStep]:
    facts = stay.facts
    steps = rules.payout_steps(facts.check_in, facts.check_out, facts.check_in_at)
    return [rules.PayoutStep(steps[0].due_at, facts.nights)] if stay.over else steps


def _at_once(deps: Deps, stay: store.Stay) -> rules.PayoutStep:
    return rules.PayoutStep(deps.clock.now(), stay.facts.nights)


async def _set_timer(tx: Tx, payout_id: UUID, row: dict[str, Any]) -> None:
    if row["status"] == "due":
        await tx.emit_later(PayoutDue(payout_id=payout_id), row["due_at"])
    else:
        await tx.withdraw(f"{PayoutDue.name}:payout/{payout_id}")


async def _earned_and_owed(tx: Tx, stay: store.Stay) -> tuple[Money, Money]:
    """What is the host's of the booking, and what of it was not paid out yet."""
    account, currency = rules.host_payable(stay.host_id), stay.facts.total.currency
    earned = await store.balances(tx, stay.booking_id, without=rules.OUT_TO_HOSTS)
    owed = await store.balances(tx, stay.booking_id)
    return Money(-earned.get(account, 0), currency), Money(-owed.get(account, 0), currency)


async def pay_out_now(deps: Deps, caller: Caller, booking_id: UUID, once: Once = NO_KEY) -> PayoutRecord:
    """By an admin (not for a stay of their own): the next pay-out for a booking, or what one that failed
    still owes, without waiting for its day. `PayoutHeld` while a dispute is open, `NothingOwed` where that is
    so."""
    async with deps.db.transaction() as tx:
        await tx.once(once)
        await lock_books(tx, booking_id)
        stay = await store.stay_of(tx, booking_id)
        if stay is None:
            raise NotFound
        caller.must_be_none_of(stay.host_id, stay.facts.guest_id)
        await replan(deps, tx, booking_id)
        if await is_held(tx, booking_id):
            raise rules.PayoutHeld
        due = [one for one in await store.payouts_of(tx, booking_id) if one.status == "due"]
        if not due:
            raise rules.NothingOwed
        now = deps.clock.now()
        await store.change_payout(tx, due[0].id, due_at=now)
        await tx.emit_later(PayoutDue(payout_id=due[0].id), now)
        answer = payout_of(await store.payout(tx, due[0].id))
        await tx.answer(once, answer)
    return answer


async def pay_out(deps: Deps, payout_id: UUID) -> None:
    """On its day: what the host is owed for the booking by then is taken from the journal and sent."""
    now = deps.clock.now()
    async with deps.db.read() as db:
        known = await store.payout(db, payout_id)
        account = rules.host_payable(known.host_id)
        debtors = {one for one, _ in await store.debts(db, account, known.amount.currency)}
    async with deps.db.transaction() as tx:
        for booking_id in sorted({known.booking_id, *debtors}):  # of two at once, one waits for the other
            await lock_books(tx, booking_id)
        payout = await store.payout(tx, payout_id)
        stay = await store.stay_of(tx, payout.booking_id)
        if payout.status != "due" or stay is None:
            return
        if payout.due_at > now:  # put off meanwhile, or the clock of the machine that fired it is ahead
            await tx.emit_later(PayoutDue(payout_id=payout_id), max(payout.due_at, now + SKEW))
            return
        earned, owed = await _earned_and_owed(tx, stay)
        part = rules.earned_until(earned, payout.until, payout.nights) - (earned - owed)
        part = min(part, owed)
        amount = await _less_debts(deps, tx, payout, part, debtors)
        if amount.amount <= 0:
            await _nothing_to_send(deps, tx, payout, part)
            return
        destination = await store.account_of(tx, payout.host_id) or str(payout.host_id)
        fields = {"status": "initiated", "amount": amount.amount, "destination": destination}
        await store.move_payout(tx, payout_id, "due", **fields)
        lines = rules.paid_out(amount, payout.host_id)
        entry = rules.entry(deps.new_id(), now, "payout", payout.booking_id, payout_id, lines)
        await store.write(tx, entry)
        await tx.emit(await _told(tx, PayoutInitiated, payout, amount))
        await tx.emit_later(TransferDue(payout_id=payout_id), now)


async def _nothing_to_send(deps: Deps, tx: Tx, payout: store.Payout, part: Money) -> None:
    """Nothing was due any more, or all of it was set off, which the host is told."""
    if part.amount <= 0:
        await store.move_payout(tx, payout.id, "due", status="void", amount=0)
        return
    ends = {"status": "set_off", "amount": 0, "completed_at": deps.clock.now()}
    await store.move_payout(tx, payout.id, "due", **ends)
    await tx.emit(await _told(tx, PayoutSetOff, payout, part * 0))


async def _less_debts(deps: Deps, tx: Tx, payout: store.Payout, owed: Money, debtors: set[UUID]) -> Money:
    """What a host was paid for other bookings and had to give back is taken from this pay-out.

    The money stays at the provider; it only moves from this booking's story to those others', whose books
    are locked as well. A debt of this very moment is taken from the next pay-out.
    """
    await tx.lock(f"debts/{payout.host_id}")  # of two pay-outs at once, one takes a debt
    left, now, account = owed, deps.clock.now(), rules.host_payable(payout.host_id)
    for booking_id, debt in await store.debts(tx, account, owed.currency):
        taken = min(debt, left)
        if taken.amount > 0 and booking_id in debtors:
            lines = rules.returned(taken, payout.host_id)
            entry = rules.entry(deps.new_id(), now, "offset_taken", booking_id, payout.id, lines)
            await store.write(tx, entry)
            left -= taken
    lines = rules.paid_out(owed - left, payout.host_id)
    entry = rules.entry(deps.new_id(), now, "offset_given", payout.booking_id, payout.id, lines)
    await store.write(tx, entry)
    return left


async def transfer(deps: Deps, due: TransferDue) -> None:
    """What the timer does: the provider sends it; when it is down or holds too little, again after a while.
    What it has put off is taken back during a dispute."""
    async with deps.db.read() as db:
        payout = await store.payout(db, due.payout_id)
    if payout.status != "initiated" or payout.attempt != due.attempt:
        return
    if due.put_off:
        await _go_on_or_back(deps, payout, due)
        return
    try:
        sent = await deps.payments.transfer(
            payout.amount,
            destination=payout.destination or str(payout.host_id),
            metadata={"booking_id": str(payout.booking_id), "payout_id": str(payout.id)},
            # What was put off has certainly not been sent; a provider answers the same key the same.
            key=f"payout:{payout.id}" + (f":{due.attempt}" if due.attempt else ""),
        )
        if due.tries:
            # Perhaps it was sent before, with an answer that was lost, and has come back since.
            sent = await _as_it_is(deps, sent)
    except ProviderDown:
        await later(deps, due)
    except ProviderRefused as refusal:
        why = str(refusal.facts.get("provider_code", refusal.code))
        if why == rules.NOT_COVERED and rules.may_be_covered(due.uncovered):
            await _put_off(deps, due, uncovered=1)
        else:
            await _failed(deps, payout, why)
    else:
        if sent.status == "waits":
            await _put_off(deps, due)
        elif sent.status == "pending":
            await later(deps, due)
        elif sent.status == "paid":
            await _completed(deps, payout, sent.id)
        else:
            await _failed(deps, payout, sent.status)


async def _as_it_is(deps: Deps, sent: ProviderTransfer) -> ProviderTransfer:
    """A provider says again what it said at first."""
    return await deps.payments.get_transfer(sent.id) if sent.status == "paid" else sent


async def _put_off(deps: Deps, due: TransferDue, uncovered: int = 0) -> None:
    """It waits the longer, the more often it was put off, whatever else has kept it."""
    counted = {"attempt": due.attempt + 1, "tries": due.tries + 1, "uncovered": due.uncovered + uncovered}
    async with deps.db.transaction() as tx:
        if await store.put_off(tx, due.payout_id, due.attempt):
            again_at = deps.clock.now() + rules.wait(due.attempt)
            await tx.emit_later(msgspec.structs.replace(due, **counted, put_off=True), again_at)


async def _go_on_or_back(deps: Deps, payout: store.Payout, due: TransferDue) -> None:
    """Decided once, before the provider is asked again: afterwards nobody can be sure that it was not
    sent."""
    async with deps.db.transaction() as tx:
        if not await tx.first_time(due, "payment.go_on_with_transfer"):
            return
        await lock_books(tx, payout.booking_id)
        if await is_held(tx, payout.booking_id):
            await _owed_again(deps, tx, payout, "disputed", "initiated")
            await replan(deps, tx, payout.booking_id)
        else:
            await tx.emit_later(msgspec.structs.replace(due, put_off=False), deps.clock.now())


async def look_at_transfer(deps: Deps, due: TransferLookDue) -> None:
    """What the timer does: a pay-out that was sent may have come back, and is owed again then."""
    async with deps.db.read() as db:
        payout = await store.payout(db, due.payout_id)
    if payout.status != "completed" or payout.provider_id is None:
        return
    try:
        stands = await deps.payments.get_transfer(payout.provider_id)
    except ProviderDown:
        await later(deps, due)
        return
    if stands.status == "failed":
        await _failed(deps, payout, "returned", was="completed")


async def _completed(deps: Deps, payout: store.Payout, provider_id: str) -> None:
    ends = {"status": "completed", "provider_id": provider_id, "completed_at": deps.clock.now()}
    async with deps.db.transaction() as tx:
        if await store.move_payout(tx, payout.id, "initiated", **ends):
            await tx.emit(await _told(tx, PayoutCompleted, payout, payout.amount))


async def _failed(deps: Deps, payout: store.Payout, why: str, was: str = "initiated") -> None:
    """The provider will not, or held too little for a week: the host is owed it again. It goes out once their
    account can be paid, or when an admin says so; during a dispute it is held as what is planned is.

    Perhaps the account can be paid by now, and that was heard of before this is written: it is looked at once
    more, but not where the same was refused just before.
    """
    async with deps.db.transaction() as tx:
        await lock_books(tx, payout.booking_id)
        await _owed_again(deps, tx, payout, why, was)
        if why == rules.CANNOT_BE_PAID and await _why_before(tx, payout) != why:
            await tx.emit_later(AccountLookDue(host_id=payout.host_id), deps.clock.now())
        if await is_held(tx, payout.booking_id):
            await replan(deps, tx, payout.booking_id)


async def _why_before(tx: Tx, payout: store.Payout) -> str | None:
    """For what reason the pay-out of the booking that was decided before it had failed."""
    decided = [one for one in await store.payouts_of(tx, payout.booking_id) if one.status not in OPEN]
    return next((one.why for one in reversed(decided) if one.number < payout.number), None)


async def _owed_again(deps: Deps, tx: Tx, payout: store.Payout, why: str, was: str) -> None:
    if await store.move_payout(tx, payout.id, was, status="failed", why=why):
        now, lines = deps.clock.now(), rules.returned(payout.amount, payout.host_id)
        entry = rules.entry(deps.new_id(), now, "payout_returned", payout.booking_id, payout.id, lines)
        await store.write(tx, entry)
        await tx.emit(await _told(tx, PayoutFailed, payout, payout.amount, why=why))


async def _told(tx: Tx, kind: type[Any], payout: store.Payout, amount: Money, **more: Any) -> Event:
    facts = {"payout_id": payout.id, "booking_id": payout.booking_id, "host_id": payout.host_id, **more}
    set_off = (await store.set_offs(tx, [payout.id])).get(payout.id, [])
    event: Event = kind(**facts, amount=amount, set_off=set_off)
    return event
