"""One function per verb; each owns one short transaction and the events that it emits."""

from __future__ import annotations

from hometrip.services.payment.actions.changing import (
    cancelled,
    changed,
    confirmed,
    disputed,
    resolved,
    unpayable,
)
from hometrip.services.payment.actions.deps import (
    BalanceDue,
    Deps,
    PaymentLookDue,
    PayoutDue,
    RefundDue,
    TransferDue,
)
from hometrip.services.payment.actions.opening import open_intent
from hometrip.services.payment.actions.paying import (
    capture,
    confirm,
    hear,
    look,
    look_again,
    settle,
    want,
)
from hometrip.services.payment.actions.paying_out import (
    pay_out,
    replan,
    transfer,
)
from hometrip.services.payment.actions.plans import charge_balance
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
from hometrip.services.payment.actions.refunding import refund, send_back

__all__ = [
    "BalanceDue",
    "Deps",
    "PaymentLookDue",
    "PayoutDue",
    "RefundDue",
    "TransferDue",
    "cancelled",
    "capture",
    "changed",
    "charge_balance",
    "confirm",
    "confirmed",
    "disputed",
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
    "reconciliation",
    "refund",
    "refunds",
    "replan",
    "resolved",
    "send_back",
    "settle",
    "transfer",
    "unpayable",
    "verify",
    "want",
]
