"""What payment does when others speak, and when its own timers come; each may run twice."""

from __future__ import annotations

from uuid import UUID

from hometrip.kernel.events import Event
from hometrip.services.booking.contract import (
    BookingAccepted,
    BookingCancelled,
    BookingConfirmed,
    BookingDeclined,
    BookingExpired,
    BookingUnpayable,
)
from hometrip.services.payment import actions, rules, store
from hometrip.services.payment.actions import Deps, PaymentLookDue, PayoutDue, RefundDue, TransferDue


async def capture_when_accepted(deps: Deps, event: BookingAccepted) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.capture_when_accepted"):
            payment = await store.live_payment(tx, event.booking_id)
            if payment and payment.status == rules.AUTHORISED:
                await actions.want(deps, tx, payment.id, "capture")


async def release_when_declined(deps: Deps, event: BookingDeclined) -> None:
    await _let_go(deps, event, event.booking_id, "payment.release_when_declined")


async def release_when_expired(deps: Deps, event: BookingExpired) -> None:
    await _let_go(deps, event, event.booking_id, "payment.release_when_expired")


async def refund_when_unpayable(deps: Deps, event: BookingUnpayable) -> None:
    """Booking has seen the payment and cannot have it: all of it goes back."""
    async with deps.db.transaction() as tx:
        if not await tx.first_time(event, "payment.refund_when_unpayable"):
            return
        payment = await store.live_payment(tx, event.booking_id)
        if payment is not None and payment.status == rules.SUCCEEDED:
            cause = f"{event.name}:{event.booking_id}"
            await actions.give_all_back(deps, tx, payment, reason=event.name, cause=cause)
        elif payment is not None:
            await actions.want(deps, tx, payment.id, "cancel")


async def refund_when_cancelled(deps: Deps, event: BookingCancelled) -> None:
    """Exactly what the cancellation showed goes back; what was never captured is released."""
    async with deps.db.transaction() as tx:
        if not await tx.first_time(event, "payment.refund_when_cancelled"):
            return
        payment = await store.live_payment(tx, event.booking_id)
        if payment is None:
            return
        if payment.status != rules.SUCCEEDED:
            await actions.want(deps, tx, payment.id, "cancel")
            return
        kept = event.kept
        if not any((event.refund.amount, kept.payout.amount, kept.platform.amount, kept.taxes)):
            # Cancelled before it was known to be paid: booking hears of the payment yet, and answers it with
            # BookingUnpayable, which gives all of it back.
            return
        cause = f"cancelled:{event.booking_id}"
        await actions.give_back(deps, tx, payment, event.refund, event.kept, reason=event.why, cause=cause)
        await actions.plan_payout(deps, tx, event.booking)


async def plan_payout_when_confirmed(deps: Deps, event: BookingConfirmed) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.plan_payout_when_confirmed"):
            await actions.plan_payout(deps, tx, event.booking)


async def look_when_due(deps: Deps, event: PaymentLookDue) -> None:
    await actions.look_again(deps, event)


async def refund_when_due(deps: Deps, event: RefundDue) -> None:
    await actions.send_back(deps, event)


async def decide_payout_when_due(deps: Deps, event: PayoutDue) -> None:
    await actions.pay_out(deps, event.payout_id)


async def transfer_when_due(deps: Deps, event: TransferDue) -> None:
    await actions.transfer(deps, event)


async def _let_go(deps: Deps, event: Event, booking_id: UUID, effect: str) -> None:
    """The booking is not to be: nothing may be taken for it any more.

    What was taken already stays: booking hears of it, and either confirms after all or says BookingUnpayable.
    """
    async with deps.db.transaction() as tx:
        if not await tx.first_time(event, effect):
            return
        payment = await store.live_payment(tx, booking_id)
        if payment is not None and payment.status != rules.SUCCEEDED:
            await actions.want(deps, tx, payment.id, "cancel")
