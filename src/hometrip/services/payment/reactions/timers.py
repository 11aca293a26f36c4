"""What payment does when its own timers come; each may come twice."""

from __future__ import annotations

from hometrip.services.payment import actions
from hometrip.services.payment.actions import (
    AccountLookDue,
    BalanceDue,
    BalanceReminder,
    ClaimAnswerDue,
    DepositDue,
    DepositEnds,
    Deps,
    DisputeLookDue,
    HearingDue,
    PaymentLookDue,
    PayoutDue,
    RefundDue,
    RefundLookDue,
    TransferDue,
    TransferLookDue,
)


async def charge_balance_when_due(deps: Deps, event: BalanceDue) -> None:
    await actions.charge_balance(deps, event)


async def tell_of_balance_when_near(deps: Deps, event: BalanceReminder) -> None:
    await actions.tell_of_balance(deps, event)


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


async def hear_what_was_missed_when_due(deps: Deps, event: HearingDue) -> None:
    await actions.hear_what_was_missed(deps, event)
