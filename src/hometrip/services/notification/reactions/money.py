"""What happens to money, told to whose it is."""

from __future__ import annotations

from hometrip.kernel.stay import Stay
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.actions.telling import Told, tell, tell_all, visit_told
from hometrip.services.notification.rules.facts import Facts, TakenOff
from hometrip.services.payment import contract as payment

# By what an event says of a dispute.
DISPUTES = {"open": "dispute_opened", "won": "dispute_won", "lost": "dispute_lost"}


async def send_receipt_when_paid(deps: Deps, event: payment.PaymentSucceeded) -> None:
    visit = await visit_told(deps, event.booking_id, event.change_id)
    await tell(deps, event, "payment_succeeded", event.guest_id, Facts(visit=visit, amount=event.amount))


async def tell_guest_when_payment_failed(deps: Deps, event: payment.PaymentFailed) -> None:
    visit = await visit_told(deps, event.booking_id, event.change_id)
    facts = Facts(visit=visit, amount=event.amount, why=event.why)
    await tell(deps, event, "payment_failed", event.guest_id, facts)


async def tell_guest_when_refunded(deps: Deps, event: payment.PaymentRefunded) -> None:
    visit = await visit_told(deps, event.booking_id)
    facts = Facts(visit=visit, amount=event.amount, reference=event.reference or "")
    kind = "payment_refunded" if event.reference is None else "payment_refunded_otherwise"
    await tell(deps, event, kind, event.guest_id, facts)


async def tell_guest_and_staff_when_refund_failed(deps: Deps, event: payment.RefundFailed) -> None:
    """The guest that it takes longer; support and admins, that it is theirs to pay in another way."""
    if not event.owed:
        return
    facts = Facts(visit=await visit_told(deps, event.booking_id), amount=event.amount, why=event.why)
    staff = Told("refund_owed", await deps.auth.helpers(), facts)
    await tell_all(deps, event, Told("refund_delayed", event.guest_id, facts), staff)


async def tell_host_when_paid_out(deps: Deps, event: payment.PayoutCompleted) -> None:
    await tell(deps, event, "payout_sent", event.host_id, await _paid_out(deps, event))


async def tell_host_when_payout_failed(deps: Deps, event: payment.PayoutFailed) -> None:
    visit = await visit_told(deps, event.booking_id)
    facts = Facts(visit=visit, amount=event.amount, why=event.why)
    await tell(deps, event, "payout_failed", event.host_id, facts)


async def tell_host_when_set_off(deps: Deps, event: payment.PayoutSetOff) -> None:
    await tell(deps, event, "payout_set_off", event.host_id, await _paid_out(deps, event))


async def _paid_out(deps: Deps, event: payment.PayoutEvent) -> Facts:
    """With the stays for which something was taken."""
    taken = []
    for one in event.set_off:
        other = await visit_told(deps, one.booking_id)
        stay = Stay(other.check_in, other.check_out)
        taken.append(TakenOff(title=other.title, stay=stay, amount=one.amount, why=one.why))
    visit = await visit_told(deps, event.booking_id)
    return Facts(visit=visit, amount=event.amount, set_off=taken)


async def tell_host_when_disputed(deps: Deps, event: payment.PaymentDisputed) -> None:
    """That it is open, and how it ended. Guests are told by their bank."""
    if event.late:
        return
    visit = await visit_told(deps, event.booking_id)
    facts = Facts(visit=visit, amount=event.amount)
    await tell(deps, event, DISPUTES[event.status], visit.host_id, facts)


async def tell_guest_when_balance_near(deps: Deps, event: payment.PaymentBalanceSoon) -> None:
    visit = await visit_told(deps, event.booking_id)
    facts = Facts(visit=visit, amount=event.amount, at=event.due_at)
    await tell(deps, event, "balance_due", event.guest_id, facts)


async def tell_guest_when_deposit_held(deps: Deps, event: payment.DepositHeld) -> None:
    facts = Facts(visit=await visit_told(deps, event.booking_id), amount=event.amount)
    await tell(deps, event, "deposit_held", event.guest_id, facts)


async def tell_guest_when_deposit_released(deps: Deps, event: payment.DepositReleased) -> None:
    """And the host, where that is because nothing was granted of the host's claim."""
    visit = await visit_told(deps, event.booking_id)
    guest = Told("deposit_released", event.guest_id, Facts(visit=visit, amount=event.amount))
    host = Told("deposit_refused_host", visit.host_id, Facts(visit=visit, amount=event.refused))
    await tell_all(deps, event, guest, *([host] if event.refused else []))


async def tell_both_when_deposit_taken(deps: Deps, event: payment.DepositTaken) -> None:
    visit = await visit_told(deps, event.booking_id)
    facts = Facts(visit=visit, amount=event.amount)
    host = Told("deposit_taken_host", visit.host_id, facts)
    await tell_all(deps, event, Told("deposit_taken", event.guest_id, facts), host)


async def tell_both_and_staff_when_deposit_failed(deps: Deps, event: payment.DepositFailed) -> None:
    """Guest and host; and support and admins, where that leaves a claim unpaid, which they see to."""
    visit = await visit_told(deps, event.booking_id)
    facts = Facts(visit=visit, amount=event.amount, why=event.why)
    guest = Told("deposit_failed", event.guest_id, facts)
    if event.unpaid is not None:
        claim = Facts(visit=visit, amount=event.unpaid, why=event.why)
        host = Told("deposit_claim_unpaid_host", visit.host_id, claim)
        staff = [Told("deposit_claim_unpaid", await deps.auth.helpers(), claim)]
    else:
        kind = "deposit_lapsed_host" if event.lapsed else "deposit_failed_host"
        host, staff = Told(kind, visit.host_id, facts), []
    await tell_all(deps, event, guest, host, *staff)


async def tell_guest_when_deposit_claimed(deps: Deps, event: payment.DepositClaimed) -> None:
    """Whose silence leaves it to staff."""
    facts = Facts(visit=await visit_told(deps, event.booking_id), amount=event.amount, why=event.why)
    await tell(deps, event, "deposit_claimed", event.guest_id, facts)


async def tell_staff_when_deposit_contested(deps: Deps, event: payment.DepositContested) -> None:
    """Support and admins, who decide."""
    facts = Facts(visit=await visit_told(deps, event.booking_id), amount=event.amount)
    await tell(deps, event, "deposit_claim_waiting", await deps.auth.helpers(), facts)


async def tell_host_when_account_updated(deps: Deps, event: payment.HostAccountUpdated) -> None:
    """What exactly is missing the provider says, where the host fills it in."""
    kind = "payouts_ready" if event.can_be_paid else "payouts_stopped"
    await tell(deps, event, kind, event.host_id, Facts())
