"""Money on its way to hosts: planned at confirmation, decided and sent 24 hours after check-in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hometrip.kernel.events import Event
from hometrip.kernel.money import Money
from hometrip.ports.database import Tx
from hometrip.ports.payments import ProviderDown, ProviderRefused
from hometrip.services.booking.contract import BookingFacts
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.deps import Deps, PayoutDue, TransferDue, again
from hometrip.services.payment.contract import PayoutCompleted, PayoutFailed, PayoutInitiated


async def plan_payout(deps: Deps, tx: Tx, booking: BookingFacts) -> None:
    """What the host is owed for the booking will be paid out 24 hours after check-in.

    Planned again after the journal has changed it follows it; with nothing owed it is void; once decided it
    stays as it is.
    """
    due_at = rules.payout_due_at(booking.check_in_at, deps.clock.now())
    amount = await _owed(tx, booking.booking_id, booking.host_id, booking.total.currency)
    planned = await store.payout_of(tx, booking.booking_id)
    payout_id = planned.id if planned else deps.new_id()
    status = "due" if amount.amount > 0 else "void"
    if planned is None:
        if status == "void":
            return
        await store.add_payout(
            tx,
            store.Payout(
                id=payout_id,
                booking_id=booking.booking_id,
                host_id=booking.host_id,
                amount=amount,
                status=status,
                due_at=due_at,
            ),
        )
    elif not await store.move_payout(
        tx, payout_id, "due", status=status, amount=max(0, amount.amount), due_at=due_at
    ):
        return
    if status == "due":
        await tx.emit_later(PayoutDue(payout_id=payout_id), due_at)
    else:
        await tx.withdraw(f"{PayoutDue.name}:payout/{payout_id}")


async def follow(tx: Tx, booking_id: UUID) -> None:
    """A part of what the host was owed went back to the guest: the plan says so."""
    planned = await store.payout_of(tx, booking_id)
    if planned is not None:
        left = await _owed(tx, booking_id, planned.host_id, planned.amount.currency)
        await store.move_payout(tx, planned.id, "due", amount=max(0, left.amount))


async def _owed(tx: Tx, booking_id: UUID, host_id: UUID, currency: str) -> Money:
    balances = await store.balances(tx, booking_id)
    return Money(-balances.get(rules.host_payable(host_id), 0), currency)


async def pay_out(deps: Deps, payout_id: UUID) -> None:
    """On its day: what the host is owed for the booking then is taken from the journal and sent."""
    now = deps.clock.now()
    async with deps.db.transaction() as tx:
        payout = await store.payout(tx, payout_id)
        if payout.status != "due" or payout.due_at > now:
            return
        owed = await _owed(tx, payout.booking_id, payout.host_id, payout.amount.currency)
        amount = await _less_debts(deps, tx, payout, owed)
        if amount.amount <= 0:
            await store.move_payout(tx, payout_id, "due", status="void", amount=0)
            return
        await store.move_payout(tx, payout_id, "due", status="initiated", amount=amount.amount)
        lines = rules.paid_out(amount, payout.host_id)
        entry = rules.entry(deps.new_id(), now, "payout", payout.booking_id, payout_id, lines)
        await store.write(tx, entry)
        await tx.emit(_told(PayoutInitiated, payout, amount))
        await tx.emit_later(TransferDue(payout_id=payout_id), now)


async def _less_debts(deps: Deps, tx: Tx, payout: store.Payout, owed: Money) -> Money:
    """What a host was paid for other bookings and had to give back is taken from this pay-out.

    The money stays at the provider; it only moves from this booking's story to those others'.
    """
    left, now, account = owed, deps.clock.now(), rules.host_payable(payout.host_id)
    for booking_id, debt in await store.debts(tx, account, owed.currency):
        taken = min(debt, left)
        if taken.amount > 0:
            lines = rules.returned(taken, payout.host_id)
            entry = rules.entry(deps.new_id(), now, "offset_taken", booking_id, payout.id, lines)
            await store.write(tx, entry)
            left -= taken
    lines = rules.paid_out(owed - left, payout.host_id)
    entry = rules.entry(deps.new_id(), now, "offset_given", payout.booking_id, payout.id, lines)
    await store.write(tx, entry)
    return left


async def transfer(deps: Deps, due: TransferDue) -> None:
    """What the timer does: the provider sends it; when it is down, again after a while."""
    async with deps.db.read() as db:
        payout = await store.payout(db, due.payout_id)
    if payout.status != "initiated":
        return
    try:
        sent = await deps.payments.transfer(
            payout.amount,
            destination=str(payout.host_id),
            metadata={"booking_id": str(payout.booking_id), "payout_id": str(payout.id)},
            key=f"payout:{payout.id}",
        )
    except ProviderDown:
        await _later(deps, due)
    except ProviderRefused as refusal:
        await _failed(deps, payout, str(refusal.facts.get("provider_code", refusal.code)))
    else:
        if sent.status == "pending":
            await _later(deps, due)
        elif sent.status == "paid":
            await _completed(deps, payout, sent.id)
        else:
            await _failed(deps, payout, sent.status)


async def _later(deps: Deps, due: TransferDue) -> None:
    async with deps.db.transaction() as tx:
        await again(deps, tx, TransferDue(payout_id=due.payout_id, tries=due.tries + 1))


async def _completed(deps: Deps, payout: store.Payout, provider_id: str) -> None:
    ends = {"status": "completed", "provider_id": provider_id, "completed_at": deps.clock.now()}
    async with deps.db.transaction() as tx:
        if await store.move_payout(tx, payout.id, "initiated", **ends):
            await tx.emit(_told(PayoutCompleted, payout, payout.amount))


async def _failed(deps: Deps, payout: store.Payout, why: str) -> None:
    """The provider will not: the host is owed it again."""
    async with deps.db.transaction() as tx:
        if await store.move_payout(tx, payout.id, "initiated", status="failed", why=why):
            now, lines = deps.clock.now(), rules.returned(payout.amount, payout.host_id)
            entry = rules.entry(deps.new_id(), now, "payout_returned", payout.booking_id, payout.id, lines)
            await store.write(tx, entry)
            await tx.emit(_told(PayoutFailed, payout, payout.amount, why=why))


def _told(kind: type[Any], payout: store.Payout, amount: Money, **more: Any) -> Event:
    event: Event = kind(
        payout_id=payout.id, booking_id=payout.booking_id, host_id=payout.host_id, amount=amount, **more
    )
    return event
