"""The payment service's table of contents."""

from __future__ import annotations

from hometrip.kernel.pace import FIRST
from hometrip.kernel.service import Service, unhurried
from hometrip.services.payment import actions, api, contract, reactions, store

SERVICE = Service(
    name="payment",
    port=4005,
    deps=actions.Deps,
    haste=FIRST,
    routes=api.ROUTES,
    reactions=[
        *unhurried(
            reactions.capture_when_accepted,
            reactions.release_when_declined,
            reactions.release_when_expired,
            reactions.release_when_change_ended,
            reactions.refund_when_unpayable,
            reactions.refund_when_cancelled,
            reactions.settle_when_changed,
            reactions.settle_when_refunded,
            reactions.hold_payouts_when_disputed,
            reactions.settle_when_resolved,
            reactions.plan_when_confirmed,
            reactions.tell_of_balance_when_near,
        ),
        reactions.charge_balance_when_due,
        reactions.hold_deposit_when_due,
        reactions.release_deposit_when_over,
        reactions.pass_claim_on_when_unanswered,
        reactions.look_when_due,
        reactions.refund_when_due,
        reactions.decide_payout_when_due,
        reactions.transfer_when_due,
        reactions.look_at_refund_when_due,
        reactions.look_at_transfer_when_due,
        reactions.look_at_dispute_when_due,
        reactions.look_at_account_when_due,
        reactions.hear_what_was_missed_when_due,
    ],
    answers={contract.PaymentQuestions: actions},
    storage=store.tables,
    starts=[actions.begin_to_hear, actions.tell_of_lost],
)
