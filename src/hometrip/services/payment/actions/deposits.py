"""Damage deposits: held on the guest's card around the stay, claimed by the host, released.

A hold is no money that came in: the journal tells of it once a part is captured for a claim.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.clock import SKEW
from hometrip.kernel.contacts import without_contacts
from hometrip.kernel.errors import Invalid, NotFound
from hometrip.kernel.money import Money
from hometrip.kernel.once import NO_KEY, Once
from hometrip.kernel.page import Page, behind, cursor_of
from hometrip.ports.database import Tx
from hometrip.ports.payments import ProviderDown
from hometrip.services.booking.contract import BookingFacts
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.answers import ClaimRecord, DepositRecord, claim_of, deposit_of
from hometrip.services.payment.actions.asking import look_later, want
from hometrip.services.payment.actions.deps import (
    ClaimAnswerDue,
    DepositDue,
    DepositEnds,
    Deps,
    later,
    lock_books,
    told,
)
from hometrip.services.payment.actions.holding import give_claim_up, last_hold, let_hold_go
from hometrip.services.payment.actions.opening import Wanted, opened
from hometrip.services.payment.actions.paying import charge_absent, settle, why_declined
from hometrip.services.payment.contract import (
    DepositClaimed,
    DepositContested,
    DepositFailed,
    DepositReleased,
)


async def plan_deposit(deps: Deps, tx: Tx, booking: BookingFacts) -> None:
    """It will be held 48 hours before check-in and released 14 days after check-out; of a stay that was
    moved, on its new days."""
    if not booking.deposit:
        return
    now, booking_id = deps.clock.now(), booking.booking_id
    hold_at = max(now, booking.check_in_at - rules.DEPOSIT_BEFORE_CHECK_IN)
    ends = rules.deposit_ends(booking.check_out_at, booking.time_zone)
    days = {"hold_at": hold_at, "release_at": ends}
    known = await store.deposit_of(tx, booking_id)
    if known is None:
        made = store.Deposit(
            booking_id=booking_id,
            guest_id=booking.guest_id,
            host_id=booking.host_id,
            amount=booking.deposit,
            status="planned",
            hold_at=hold_at,
            release_at=days["release_at"],
        )
        await store.add_deposit(tx, made)
    elif known.status not in ("planned", "held", "renewing", "failed"):
        return
    elif hold_at > now:
        await _plan_anew(deps, tx, known, days)
    else:
        await store.move_deposit(tx, booking_id, known.status, release_at=days["release_at"])
        if known.status in ("held", "renewing"):
            await tx.emit_later(DepositEnds(booking_id=booking_id), days["release_at"])
        if known.status != "planned" or known.tries:
            return
        await store.move_deposit(tx, booking_id, "planned", hold_at=hold_at)
    await tx.emit_later(DepositDue(booking_id=booking_id), hold_at)


async def _plan_anew(deps: Deps, tx: Tx, known: store.Deposit, days: dict[str, datetime]) -> None:
    """The stay was moved to where nothing is to be held yet: what was held or tried for the old days is let
    go."""
    await store.move_deposit(tx, known.booking_id, known.status, status="planned", tries=0, **days)
    await tx.withdraw(f"{DepositEnds.name}:booking/{known.booking_id}")
    payment = await store.live_payment(tx, known.booking_id, rules.DEPOSIT)
    if payment is not None:
        await want(deps, tx, payment.id, "cancel")
    last = await last_hold(tx, known.booking_id)
    if last is not None and known.status in ("held", "renewing"):
        await tx.emit(told(DepositReleased, last))


async def let_deposit_go(deps: Deps, tx: Tx, booking: BookingFacts, at: datetime) -> None:
    """The booking was cancelled `at` that moment: nothing is held for a stay that never began."""
    if at >= booking.check_in_at:
        return
    if await store.move_deposit(tx, booking.booking_id, "planned", status="void"):
        await tx.withdraw(f"{DepositDue.name}:booking/{booking.booking_id}")
    await let_hold_go(deps, tx, booking.booking_id)


async def hold_deposit(deps: Deps, due: DepositDue) -> None:
    """What the timer does: the amount is authorised on the card that paid, its owner absent, or authorised
    anew. Declined three times over 36 hours, it is not held, which others are told."""
    async with deps.db.read() as db:
        deposit = await store.deposit_of(db, due.booking_id)
        first = await store.live_payment(db, due.booking_id)
        claim = await store.claim_on(db, due.booking_id)
    if deposit is None or deposit.status not in rules.TO_BE_HELD or deposit.tries != due.attempt:
        return
    if deposit.hold_at > deps.clock.now() + SKEW:
        return  # it was on its way when the stay was moved to later; the new day has a timer of its own
    over = deps.clock.now() >= deposit.release_at and not rules.is_claimed(claim)
    if over and deposit.status == "renewing":
        await end_deposit(deps, due.booking_id)
        return
    # It is over where the house was down for all of the stay.
    if first is None or over:  # without a payment the stay costs nothing: there is no card
        async with deps.db.transaction() as tx:
            await store.move_deposit(tx, due.booking_id, "planned", status="void" if over else "failed")
        return
    try:
        payment = await opened(deps, _wanted(deposit))
        if payment.wanted == "cancel":  # of the old days: the provider has not closed it yet
            await later(deps, due)
            return
        async with deps.db.transaction() as tx:
            await look_later(deps, tx, payment.id)
        intent = await charge_absent(deps, payment, first.method, f"hold:{payment.id}:{deposit.tries}")
    except ProviderDown:
        await later(deps, due)
        return
    settled = await settle(deps, payment.id, intent)
    if settled.status in rules.OPEN:
        why = why_declined(intent.last_error) if intent.last_error else "no_saved_card"
        await _declined(deps, deposit, settled, why)
    elif settled.status == rules.CANCELED:  # it was over before it was charged: the next one is another
        await later(deps, due)


def _wanted(deposit: store.Deposit) -> Wanted:
    return Wanted(
        booking_id=deposit.booking_id,
        guest_id=deposit.guest_id,
        host_id=deposit.host_id,
        part=rules.DEPOSIT,
        amount=deposit.amount,
        split=rules.nothing_kept(deposit.amount.currency),
        capture="manual",
    )


async def _declined(deps: Deps, deposit: store.Deposit, payment: store.Payment, why: str) -> None:
    tried = deposit.tries + 1
    at = rules.next_try(rules.DEPOSIT_TRIES, tried, deps.clock.now())
    async with deps.db.transaction() as tx:
        await lock_books(tx, deposit.booking_id)
        was = deposit.status
        status = "failed" if at is None else was
        if not await store.move_deposit(tx, deposit.booking_id, was, tries=tried, status=status):
            return
        if at is None:
            unpaid = await give_claim_up(deps, tx, deposit.booking_id)
            more = {"why": why, "lapsed": was == "renewing", "unpaid": unpaid}
            await tx.emit(told(DepositFailed, payment, **more))
            await want(deps, tx, payment.id, "cancel")
        else:
            await tx.emit_later(DepositDue(booking_id=deposit.booking_id, attempt=tried), at)


async def end_deposit(deps: Deps, booking_id: UUID) -> None:
    """What the timer does 14 days after check-out: released, unless a claim is open, which decides then."""
    async with deps.db.transaction() as tx:
        await lock_books(tx, booking_id)
        await let_hold_go(deps, tx, booking_id)


async def deposit(deps: Deps, caller: Caller, booking_id: UUID) -> DepositRecord:
    """For the guest, the host and staff."""
    async with deps.db.read() as db:
        found = await store.deposit_of(db, booking_id)
        made = await store.claim_on(db, booking_id)
    if found is None:
        raise NotFound
    caller.must_be_one_of(found.guest_id, found.host_id)
    return deposit_of(found, made)


async def claims(deps: Deps, status: str | None, limit: int, cursor: str | None) -> Page[ClaimRecord]:
    """For staff: the newest first."""
    async with deps.db.read() as db:
        found = await store.claims_page(db, status, limit + 1, behind(cursor, UUID))
    items = [claim_of(one) for one in found[:limit]]
    return Page(items, cursor_of([items[-1].id]) if len(found) > limit else None)


async def claim(
    deps: Deps, caller: Caller, booking_id: UUID, amount: Money, text: str, once: Once = NO_KEY
) -> ClaimRecord:
    """By the host, from check-in to 14 days after check-out, while the deposit is held or its hold is made
    anew; the guest has 24 hours to answer."""
    now = deps.clock.now()
    async with deps.db.transaction() as tx:
        await lock_books(tx, booking_id)
        held = await store.deposit_of(tx, booking_id)
        stay = await store.stay_of(tx, booking_id)
        payment = await last_hold(tx, booking_id)
        if held is None or stay is None:
            raise NotFound
        caller.must_be(held.host_id, held.guest_id)
        await tx.once(once)
        rules.claimed_in_time(held.status, stay.facts.check_in_at, now, held.release_at)
        let_go = payment is None or payment.wanted == "cancel"
        if held.status not in ("held", "renewing") or payment is None or let_go:
            raise rules.NotClaimable(state=held.status, until=held.release_at)
        _within("amount", amount, 1, held.amount)
        made = store.Claim(
            id=deps.new_id(),
            booking_id=booking_id,
            amount=amount,
            text=text,
            status="open",
            made_at=now,
            answer_until=now + rules.CLAIM_ANSWER,
        )
        await store.add_claim(tx, made)
        said = without_contacts(text)
        await tx.emit(told(DepositClaimed, payment, amount=amount, claim_id=made.id, why=said))
        await tx.emit_later(ClaimAnswerDue(booking_id=booking_id, claim_id=made.id), made.answer_until)
        answer = claim_of(made)
        await tx.answer(once, answer)
    return answer


async def answer_claim(
    deps: Deps, caller: Caller, booking_id: UUID, claim_id: UUID, *, accept: bool, once: Once = NO_KEY
) -> ClaimRecord:
    """By the guest, within 24 hours: accepted, it is paid; otherwise staff decide."""
    async with deps.db.transaction() as tx:
        held, made = await _claimed(tx, booking_id, claim_id)
        caller.must_be(held.guest_id, held.host_id)
        await tx.once(once)
        if made.status != "open":
            raise rules.NotClaimable.as_it_is(made.status)
        if deps.clock.now() >= made.answer_until:
            # Its timer has not come yet, as after a restart.
            raise rules.NotClaimable("The time to answer this claim is over.", state="with_staff")
        if accept:
            await _grant(deps, tx, held, made, made.amount)
        else:
            await _leave_to_staff(tx, made)
        return await _answered(tx, booking_id, claim_id, once)


async def pass_to_staff(deps: Deps, due: ClaimAnswerDue) -> None:
    """What the timer does: the guest has not answered."""
    async with deps.db.transaction() as tx:
        await lock_books(tx, due.booking_id)
        made = await store.claim_on(tx, due.booking_id)
        if made is not None:
            await _leave_to_staff(tx, made)


async def _leave_to_staff(tx: Tx, made: store.Claim) -> None:
    """Unless it was answered, or given up, before."""
    last = await last_hold(tx, made.booking_id)
    if await store.move_claim(tx, made.id, "open", status="with_staff") and last is not None:
        await tx.emit(told(DepositContested, last, amount=made.amount))


async def decide_claim(
    deps: Deps, caller: Caller, booking_id: UUID, claim_id: UUID, amount: Money, once: Once = NO_KEY
) -> ClaimRecord:
    """By staff (not about a stay of their own): all of the claim, part of it, or nothing."""
    async with deps.db.transaction() as tx:
        held, made = await _claimed(tx, booking_id, claim_id)
        caller.must_be_none_of(held.guest_id, held.host_id)
        await tx.once(once)
        if made.status != "with_staff":
            raise rules.NotClaimable.as_it_is(made.status)
        _within("amount", amount, 0, made.amount)
        await _grant(deps, tx, held, made, amount)
        return await _answered(tx, booking_id, claim_id, once)


async def _answered(tx: Tx, booking_id: UUID, claim_id: UUID, once: Once) -> ClaimRecord:
    answer = claim_of((await _claimed(tx, booking_id, claim_id))[1])
    await tx.answer(once, answer)
    return answer


async def _grant(deps: Deps, tx: Tx, held: store.Deposit, made: store.Claim, amount: Money) -> None:
    """That part is captured and the host's, the rest of the hold is released by it. What is being held anew
    is captured once it is; of what is not held nothing can be."""
    covered = held.status in ("held", "renewing")
    status = ("granted" if covered else "not_covered") if amount else "refused"
    ends = {"status": status, "granted": amount.amount, "decided_at": deps.clock.now()}
    await store.move_claim(tx, made.id, made.status, **ends)
    payment = await store.live_payment(tx, made.booking_id, rules.DEPOSIT)
    if not amount:
        await let_hold_go(deps, tx, made.booking_id)
    elif covered and payment is not None and payment.status == rules.AUTHORISED:
        await want(deps, tx, payment.id, "capture")


async def _claimed(tx: Tx, booking_id: UUID, claim_id: UUID) -> tuple[store.Deposit, store.Claim]:
    await lock_books(tx, booking_id)
    held, made = await store.deposit_of(tx, booking_id), await store.claim_on(tx, booking_id)
    if held is None or made is None or made.id != claim_id:
        raise NotFound
    return held, made


def _within(field: str, amount: Money, least: int, most: Money) -> None:
    if amount.currency != most.currency:
        raise Invalid.field(field, "other_currency", f"this deposit is in {most.currency}")
    if not least <= amount.amount <= most.amount:
        told = f"must be from {Money(least, most.currency)} to {most}"
        raise Invalid.field(field, "out_of_range", told)
