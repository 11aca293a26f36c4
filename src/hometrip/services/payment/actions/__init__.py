"""One function per verb; each owns one short transaction and the events that it emits."""

from __future__ import annotations

from hometrip.services.payment.actions.accounts import (
    account,
    account_link,
    forget_method,
    methods,
    open_account,
    stats,
)
from hometrip.services.payment.actions.answers import Intent
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
from hometrip.services.payment.actions.papers import (
    invoice,
    invoice_pdf,
    invoices,
    statement,
    statement_pdf,
    tax_report,
)
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
from hometrip.services.payment.actions.printing import Paper, Party, Sheet, pdf_of
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
    "Intent",
    "Paper",
    "Party",
    "PaymentLookDue",
    "PayoutDue",
    "RefundDue",
    "Sheet",
    "TransferDue",
    "account",
    "account_link",
    "cancelled",
    "capture",
    "changed",
    "charge_balance",
    "confirm",
    "confirmed",
    "disputed",
    "forget_method",
    "hear",
    "history",
    "host_balance",
    "invoice",
    "invoice_pdf",
    "invoices",
    "ledger",
    "look",
    "look_again",
    "methods",
    "open_account",
    "open_intent",
    "pay_out",
    "payment",
    "payouts",
    "pdf_of",
    "reconciliation",
    "refund",
    "refunds",
    "replan",
    "resolved",
    "send_back",
    "settle",
    "statement",
    "statement_pdf",
    "stats",
    "tax_report",
    "transfer",
    "unpayable",
    "verify",
    "want",
]
