"""What payment does when others speak, and when its own timers come; each may run twice."""

from __future__ import annotations

from uuid import UUID

from hometrip.services.booking.contract import (
    BookingAccepted,
    BookingCancelled,
    BookingChanged,
    BookingChangeEnded,
    BookingConfirmed,
    BookingDeclined,
    BookingEvent,
    BookingExpired,
    BookingRefunded,
    BookingUnpayable,
    DisputeOpened,
    DisputeResolved,
)
from hometrip.services.payment import actions
from hometrip.services.payment.actions import (
    AccountLookDue,
    BalanceDue,
    ClaimAnswerDue,
    DepositDue,
    DepositEnds,
    Deps,
    DisputeLookDue,
    PaymentLookDue,
    PayoutDue,
    RefundDue,
    RefundLookDue,
    TransferDue,
    TransferLookDue,
)


async def capture_when_accepted(deps: Deps, event: BookingAccepted) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.capture_when_accepted"):
            await actions.accepted(deps, tx, event)


async def release_when_declined(deps: Deps, event: BookingDeclined) -> None:
    await _let_go(deps, event, "payment.release_when_declined")


async def release_when_expired(deps: Deps, event: BookingExpired) -> None:
    await _let_go(deps, event, "payment.release_when_expired")


async def release_when_change_ended(deps: Deps, event: BookingChangeEnded) -> None:
    await _let_go(deps, event, "payment.release_when_change_ended", event.change_id)


async def refund_when_unpayable(deps: Deps, event: BookingUnpayable) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.refund_when_unpayable"):
            await actions.unpayable(deps, tx, event)


async def refund_when_cancelled(deps: Deps, event: BookingCancelled) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.refund_when_cancelled"):
            await actions.cancelled(deps, tx, event)


async def settle_when_changed(deps: Deps, event: BookingChanged) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.settle_when_changed"):
            await actions.changed(deps, tx, event)


async def settle_when_refunded(deps: Deps, event: BookingRefunded) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.settle_when_refunded"):
            await actions.refunded(deps, tx, event)


async def hold_payouts_when_disputed(deps: Deps, event: DisputeOpened) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.hold_payouts_when_disputed"):
            await actions.disputed(deps, tx, event)


async def settle_when_resolved(deps: Deps, event: DisputeResolved) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.settle_when_resolved"):
            await actions.resolved(deps, tx, event)


async def plan_when_confirmed(deps: Deps, event: BookingConfirmed) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "payment.plan_when_confirmed"):
            await actions.confirmed(deps, tx, event.booking)


async def charge_balance_when_due(deps: Deps, event: BalanceDue) -> None:
    await actions.charge_balance(deps, event)


async def hold_deposit_when_due(deps: Deps, event: DepositDue) -> None:
    await actions.hold_deposit(deps, event)


async def release_deposit_when_over(deps: Deps, event: DepositEnds) -> None:
    await actions.end_deposit(deps, event.booking_id)


async def pass_claim_on_when_unanswered(deps: Deps, event: ClaimAnswerDue) -> None:
    await actions.pass_to_staff(deps, event)


async def look_when_due(deps: Deps, event: PaymentLookDue) -> None:
    await actions.look_again(deps, event)


async def refund_when_due(deps: Deps, event: RefundDue) -> None:
    await actions.send_back(deps, event)


async def decide_payout_when_due(deps: Deps, event: PayoutDue) -> None:
    await actions.pay_out(deps, event.payout_id)


async def transfer_when_due(deps: Deps, event: TransferDue) -> None:
    await actions.transfer(deps, event)


async def look_at_refund_when_due(deps: Deps, event: RefundLookDue) -> None:
    await actions.look_at_refund(deps, event)


async def look_at_transfer_when_due(deps: Deps, event: TransferLookDue) -> None:
    await actions.look_at_transfer(deps, event)


async def look_at_dispute_when_due(deps: Deps, event: DisputeLookDue) -> None:
    await actions.look_at_dispute(deps, event)


async def look_at_account_when_due(deps: Deps, event: AccountLookDue) -> None:
    await actions.look_at_account(deps, event)


async def _let_go(deps: Deps, event: BookingEvent, effect: str, change_id: UUID | None = None) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, effect):
            await actions.not_to_be(deps, tx, event.booking_id, change_id)
