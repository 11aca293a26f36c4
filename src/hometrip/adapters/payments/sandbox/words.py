"""The sandbox's words: its events, its objects and its refusals, as Stripe writes them."""

from __future__ import annotations

from typing import Any

import msgspec

from hometrip.kernel.money import Money
from hometrip.ports.payments import (
    ProviderDispute,
    ProviderIntent,
    ProviderRefund,
    ProviderRefused,
    ProviderTransfer,
)


class About(msgspec.Struct):
    object: dict[str, Any]


class Told(msgspec.Struct, kw_only=True):
    id: str
    object: str = "event"
    type: str
    created: int
    data: About
    livemode: bool = False
    account: str | None = None


def changed(intent: ProviderIntent, **fields: Any) -> ProviderIntent:
    return msgspec.structs.replace(intent, **fields)


def refusal(code: str, detail: str, intent: ProviderIntent | None = None) -> ProviderRefused:
    facts = {"status": intent.status} if intent else {}
    return ProviderRefused(detail, provider_code=code, **facts)


def unexpected(intent: ProviderIntent, wish: str) -> ProviderRefused:
    return refusal("payment_intentunexpected_state", f"a {intent.status} intent cannot be {wish}", intent)


def money_of(amount: Money) -> dict[str, Any]:
    return {"amount": amount.amount, "currency": amount.currency.lower()}


def intent_object(intent: ProviderIntent) -> dict[str, Any]:
    error = intent.last_error
    return {
        "id": intent.id,
        "object": "payment_intent",
        **money_of(intent.amount),
        "amount_received": intent.captured.amount,
        "status": intent.status,
        "client_secret": intent.client_secret,
        "last_payment_error": error and {"type": "card_error", **msgspec.to_builtins(error)},
        "next_action": intent.next_action,
        "cancellation_reason": "automatic" if intent.lapsed else None,
        "metadata": intent.metadata,
    }


def refund_object(refund: ProviderRefund, intent: ProviderIntent) -> dict[str, Any]:
    return {
        "id": refund.id,
        "object": "refund",
        **money_of(refund.amount),
        "payment_intent": intent.id,
        "status": refund.status,
        "metadata": intent.metadata,
    }


def transfer_object(transfer: ProviderTransfer, destination: str) -> dict[str, Any]:
    return {
        "id": transfer.id,
        "object": "transfer",
        "destination": destination,
        **money_of(transfer.amount),
        "reversed": transfer.status == "failed",
        "metadata": transfer.metadata,
    }


def dispute_object(dispute: ProviderDispute) -> dict[str, Any]:
    due = dispute.due_by
    return {
        "id": dispute.id,
        "object": "dispute",
        **money_of(dispute.amount),
        "payment_intent": dispute.intent_id,
        "status": dispute.status,
        "reason": dispute.reason,
        "evidence_details": {"due_by": int(due.timestamp()) if due else None},
    }
