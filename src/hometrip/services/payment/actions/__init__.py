"""One function per verb; each owns one short transaction and the events that it emits."""

from __future__ import annotations

from hometrip.services.payment.actions.deps import (
    Deps,
    PaymentLookDue,
    PayoutDue,
    RefundDue,
    TransferDue,
)
from hometrip.services.payment.actions.paying import (
    capture,
    confirm,
    hear,
    look,
    look_again,
    open_intent,
    settle,
    want,
)
from hometrip.services.payment.actions.paying_out import pay_out, plan_payout, transfer
from hometrip.services.payment.actions.reading import (
    history,
    host_balance,
    ledger,
    payment,
    payouts,
    reconciliation,
    refunds,
    verify,
)
from hometrip.services.payment.actions.refunding import give_all_back, give_back, refund, send_back

__all__ = [
    "Deps",
    "PaymentLookDue",
    "PayoutDue",
    "RefundDue",
    "TransferDue",
    "capture",
    "confirm",
    "give_all_back",
    "give_back",
    "hear",
    "history",
    "host_balance",
    "ledger",
    "look",
    "look_again",
    "open_intent",
    "pay_out",
    "payment",
    "payouts",
    "plan_payout",
    "reconciliation",
    "refund",
    "refunds",
    "send_back",
    "settle",
    "transfer",
    "verify",
    "want",
]
