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
from hometrip.services.payment.actions.deposits import (
    answer_claim,
    claim,
    decide_claim,
    deposit,
    end_deposit,
    hold_deposit,
    pass_to_staff,
)
from hometrip.services.payment.actions.deps import (
    BalanceDue,
    ClaimAnswerDue,
    DepositDue,
    DepositEnds,
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
    "ClaimAnswerDue",
    "DepositDue",
    "DepositEnds",
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
    "answer_claim",
    "cancelled",
    "capture",
    "changed",
    "charge_balance",
    "claim",
    "confirm",
    "confirmed",
    "decide_claim",
    "deposit",
    "disputed",
    "end_deposit",
    "forget_method",
    "hear",
    "history",
    "hold_deposit",
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
    "pass_to_staff",
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
