"""What payment does when booking speaks, and when its own timers come."""

from __future__ import annotations

from hometrip.kernel.service import Reaction, unhurried
from hometrip.services.payment.reactions.bookings import (
    capture_when_accepted,
    hold_payouts_when_disputed,
    plan_when_confirmed,
    refund_when_cancelled,
    refund_when_unpayable,
    release_when_change_ended,
    release_when_declined,
    release_when_expired,
    settle_when_changed,
    settle_when_refunded,
    settle_when_resolved,
)
from hometrip.services.payment.reactions.timers import (
    charge_balance_when_due,
    decide_payout_when_due,
    hear_what_was_missed_when_due,
    hold_deposit_when_due,
    look_at_account_when_due,
    look_at_dispute_when_due,
    look_at_refund_when_due,
    look_at_transfer_when_due,
    look_when_due,
    pass_claim_on_when_unanswered,
    refund_when_due,
    release_deposit_when_over,
    tell_of_balance_when_near,
    transfer_when_due,
)

REACTIONS: tuple[Reaction, ...] = (
    *unhurried(
        capture_when_accepted,
        release_when_declined,
        release_when_expired,
        release_when_change_ended,
        refund_when_unpayable,
        refund_when_cancelled,
        settle_when_changed,
        settle_when_refunded,
        hold_payouts_when_disputed,
        settle_when_resolved,
        plan_when_confirmed,
        tell_of_balance_when_near,
    ),
    charge_balance_when_due,
    hold_deposit_when_due,
    release_deposit_when_over,
    pass_claim_on_when_unanswered,
    look_when_due,
    refund_when_due,
    decide_payout_when_due,
    transfer_when_due,
    look_at_refund_when_due,
    look_at_transfer_when_due,
    look_at_dispute_when_due,
    look_at_account_when_due,
    hear_what_was_missed_when_due,
)
