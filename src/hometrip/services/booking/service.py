"""The booking service's table of contents."""

from __future__ import annotations

from hometrip.kernel.pace import FIRST
from hometrip.kernel.service import Service, unhurried
from hometrip.services.booking import actions, api, reactions, store
from hometrip.services.booking.contract import BookingQuestions

SERVICE = Service(
    name="booking",
    port=4004,
    deps=actions.Deps,
    haste=FIRST,
    routes=api.ROUTES,
    reactions=[
        *unhurried(
            reactions.confirm_when_paid,
            reactions.note_when_intent_created,
            reactions.hold_longer_when_action_required,
            reactions.note_when_payment_failed,
            reactions.note_when_refunded,
            reactions.note_when_refund_failed,
            reactions.reckon_when_refund_initiated,
            reactions.reckon_when_bank_has_decided,
            reactions.note_when_payment_canceled,
            reactions.cancel_when_balance_failed,
            reactions.end_hold_when_due,
            reactions.end_stay_when_due,
            reactions.end_change_when_due,
        ),
        reactions.admit_when_co_host_added,
        reactions.forget_when_co_host_removed,
        reactions.capture_when_authorised_late,
        reactions.cancel_when_taken_down,
        reactions.cancel_again_when_due,
    ],
    answers={BookingQuestions: actions.questions},
    storage=store.tables,
)
