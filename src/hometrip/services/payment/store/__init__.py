"""Payments, refunds, pay-outs and the journal: tables, and every query as a function of a transaction."""

from __future__ import annotations

from hometrip.services.payment.store.journal import (
    balances,
    debts,
    entries_of,
    moved,
    trial_balance,
    unbalanced,
    write,
)
from hometrip.services.payment.store.money_back import (
    add_refund,
    end_refund,
    left_to_refund,
    payments_with_open_refunds,
    promise_back,
    refund,
    refunds_of,
)
from hometrip.services.payment.store.money_in import (
    add_payment,
    change_payment,
    every_payment,
    live_payment,
    payment,
    payment_at_provider,
    payments_of,
    payments_of_guest,
)
from hometrip.services.payment.store.money_out import (
    add_payout,
    move_payout,
    payout,
    payout_of,
    payout_sums,
    payouts_of_host,
)
from hometrip.services.payment.store.rows import AlreadyOpen, Payment, Payout, Refund
from hometrip.services.payment.store.tables import tables

__all__ = [
    "AlreadyOpen",
    "Payment",
    "Payout",
    "Refund",
    "add_payment",
    "add_payout",
    "add_refund",
    "balances",
    "change_payment",
    "debts",
    "end_refund",
    "entries_of",
    "every_payment",
    "left_to_refund",
    "live_payment",
    "move_payout",
    "moved",
    "payment",
    "payment_at_provider",
    "payments_of",
    "payments_of_guest",
    "payments_with_open_refunds",
    "payout",
    "payout_of",
    "payout_sums",
    "payouts_of_host",
    "promise_back",
    "refund",
    "refunds_of",
    "tables",
    "trial_balance",
    "unbalanced",
    "write",
]
