"""What becomes of the hold of a damage deposit: it begins, runs out, is made anew, is captured or let go.

No authorisation lasts as long as a deposit is to be held. One that the provider lets run out leaves the
deposit `renewing` until it is authorised anew, as a payment of its own. Only what is over at the provider is
made anew: there are never two holds on a card.
"""

from __future__ import annotations

from uuid import UUID

from hometrip.kernel.money import Money
from hometrip.ports.database import Tx
from hometrip.ports.payments import ProviderIntent
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.asking import want
from hometrip.services.payment.actions.deps import DepositDue, DepositEnds, Deps, told
from hometrip.services.payment.actions.paying_out import replan
from hometrip.services.payment.contract import DepositHeld, DepositReleased, DepositTaken


async def hold_moved(deps: Deps, tx: Tx, before: store.Payment, intent: ProviderIntent) -> None:
    """The provider says that it is held, is held no longer, or that a part was captured, which is the
    host's at once."""
    if intent.status == rules.AUTHORISED:
        await _begun(deps, tx, before)
    elif intent.status == rules.CANCELED:
        await _gone(deps, tx, before, lapsed=intent.lapsed)
    elif intent.status == rules.SUCCEEDED:
        await _taken(deps, tx, before, intent.captured)


async def _begun(deps: Deps, tx: Tx, before: store.Payment) -> None:
    """Of a hold that was made anew nobody is told; what was granted meanwhile is taken from it."""
    booking_id = before.booking_id
    known = await store.deposit_of(tx, booking_id)
    awaited = known is not None and known.status in rules.TO_BE_HELD and before.wanted != "cancel"
    if (
        known is None
        or not awaited
        or not await store.move_deposit(tx, booking_id, known.status, status="held")
    ):
        await want(deps, tx, before.id, "cancel")
    elif known.status == "planned":
        await tx.emit(told(DepositHeld, before))
        await tx.emit_later(DepositEnds(booking_id=booking_id), known.release_at)
    else:
        claim = await store.claim_on(tx, booking_id)
        if claim is not None and claim.status == "granted":
            await want(deps, tx, before.id, "capture")


async def _gone(deps: Deps, tx: Tx, before: store.Payment, *, lapsed: bool) -> None:
    """Let go because that was wanted, here or by hand at the provider; or it has run out before its time.
    While a claim is open, it is made anew in any case: the claim decides."""
    booking_id, now = before.booking_id, deps.clock.now()
    known, claim = await store.deposit_of(tx, booking_id), await store.claim_on(tx, booking_id)
    in_time = known is not None and now < known.release_at
    if before.wanted != "cancel" and (rules.is_claimed(claim) or (lapsed and in_time)):
        if await store.move_deposit(tx, booking_id, "held", status="renewing", tries=0):
            await tx.emit_later(DepositDue(booking_id=booking_id), now)
    elif await store.move_deposit(tx, booking_id, "held", status="released"):
        await _tell_released(tx, before)


async def _taken(deps: Deps, tx: Tx, before: store.Payment, taken: Money) -> None:
    booking_id = before.booking_id
    for kind, lines in (
        ("capture", rules.held_back(taken)),
        ("deposit_claim", rules.claimed(taken, before.host_id)),
    ):
        entry = rules.entry(deps.new_id(), deps.clock.now(), kind, booking_id, before.id, lines)
        await store.write(tx, entry)
    await store.move_deposit(tx, booking_id, "held", status="captured")
    await replan(deps, tx, booking_id)
    await tx.emit(told(DepositTaken, before, amount=taken))
    if rest := before.amount - taken:
        await tx.emit(told(DepositReleased, before, amount=rest))


async def let_hold_go(deps: Deps, tx: Tx, booking_id: UUID) -> None:
    """Nothing is to be held any more, unless it is claimed. The caller has the booking's books."""
    known, claim = await store.deposit_of(tx, booking_id), await store.claim_on(tx, booking_id)
    if known is None or rules.is_claimed(claim):
        return
    payment = await store.live_payment(tx, booking_id, rules.DEPOSIT)
    if known.status in ("held", "renewing") and payment is not None:
        await want(deps, tx, payment.id, "cancel")
    last = await last_hold(tx, booking_id)
    if last is not None and await store.move_deposit(tx, booking_id, "renewing", status="released"):
        await tx.withdraw(f"{DepositDue.name}:booking/{booking_id}")
        await _tell_released(tx, last)


async def last_hold(tx: Tx, booking_id: UUID) -> store.Payment | None:
    """The one that is, or was the last; nothing where none was begun."""
    holds = [one for one in await store.payments_of(tx, booking_id) if one.part == rules.DEPOSIT]
    return holds[-1] if holds else None


async def give_claim_up(deps: Deps, tx: Tx, booking_id: UUID) -> Money | None:
    """What is held no longer pays no claim. The amount that stays unpaid, if one was claimed."""
    claim = await store.claim_on(tx, booking_id)
    if claim is None or not rules.is_claimed(claim):
        return None
    ends = {"status": "not_covered", "decided_at": claim.decided_at or deps.clock.now()}
    await store.move_claim(tx, claim.id, claim.status, **ends)
    return claim.granted or claim.amount


async def _tell_released(tx: Tx, payment: store.Payment) -> None:
    claim = await store.claim_on(tx, payment.booking_id)
    refused = claim.amount if claim is not None and claim.status == "refused" else None
    await tx.emit(told(DepositReleased, payment, refused=refused))
