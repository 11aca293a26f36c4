"""Stripe's objects, as far as they are read, and what they are in the words of the port."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from hometrip.adapters.payments.stripe.units import money_of
from hometrip.kernel.money import Money, total
from hometrip.ports.payments import (
    ChargedCard,
    IntentError,
    ProviderAccount,
    ProviderDispute,
    ProviderEvent,
    ProviderIntent,
    ProviderRefund,
    ProviderTransfer,
    SavedMethod,
)

# Under which our own key of a command is found again at Stripe, long after its idempotency key is forgotten.
KEY = "hometrip_key"
OWNER = "hometrip_account"
NOT_MET = "Your card was declined."
# Why Stripe itself cancels what was authorised and not captured in time.
RAN_OUT = ("automatic", "expired")


T = TypeVar("T")


class Page(msgspec.Struct, Generic[T]):
    """Part of a list, the newest first."""

    data: list[T]
    has_more: bool = False


class Record(msgspec.Struct, kw_only=True):
    id: str


class CardFacts(msgspec.Struct):
    """Stripe promises neither."""

    brand: str | None = None
    last4: str | None = None


class PaidBy(msgspec.Struct):
    """Of whatever was paid with, only a card is told of."""

    card: CardFacts | None = None

    def told(self) -> ChargedCard | None:
        if self.card is None or not self.card.last4:
            return None
        return ChargedCard(self.card.brand or "unknown", self.card.last4)


class Charge(Record):
    amount_refunded: int = 0
    payment_method_details: PaidBy | None = None


class Failure(msgspec.Struct):
    type: str = ""
    code: str = ""
    message: str = ""
    decline_code: str = ""


class Intent(Record):
    status: str
    amount: int
    currency: str
    created: int
    client_secret: str | None = None
    amount_received: int = 0
    customer: str | None = None
    payment_method: str | None = None
    latest_charge: Charge | str | None = None
    setup_future_usage: str | None = None
    next_action: dict[str, Any] | None = None
    last_payment_error: Failure | None = None
    cancellation_reason: str | None = None
    metadata: dict[str, str] = {}

    def told(self) -> ProviderIntent:
        charge = self.latest_charge if isinstance(self.latest_charge, Charge) else None
        paid_by = charge.payment_method_details if charge else None
        waits = self.status == "requires_action"
        paid = self.status in ("succeeded", "requires_capture")
        return ProviderIntent(
            id=self.id,
            status=self.status,
            amount=self._money(self.amount),
            client_secret=self.client_secret or "",
            captured=self._money(self.amount_received),
            refunded=self._money(charge.amount_refunded if charge else 0),
            next_action=_shown(self.next_action) if waits else None,
            last_error=None if paid or waits else _decline(self.last_payment_error),
            method=self.payment_method if paid and self.customer and self.setup_future_usage else None,
            card=paid_by.told() if paid and paid_by else None,
            metadata=self.metadata,
            created=moment(self.created),
            lapsed=self.cancellation_reason in RAN_OUT,
        )

    def _money(self, amount: int) -> Money:
        return money_of(amount, self.currency)


def _shown(action: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a browser needs to go on."""
    if action is None:
        return None
    kind = str(action.get("type", ""))
    return {"type": kind, kind: action.get(kind)} if kind in action else {"type": kind}


def _decline(failure: Failure | None) -> IntentError | None:
    """Of a card's error Stripe's message is written for the cardholder; any other is not passed on."""
    if failure is None:
        return None
    if failure.type != "card_error":
        return IntentError(failure.code or "processing_error", NOT_MET, failure.decline_code)
    code = failure.code or "card_declined"
    return IntentError(code, failure.message or NOT_MET, failure.decline_code or code)


class Refund(Record):
    amount: int
    currency: str
    status: str | None = None
    payment_intent: str | None = None
    metadata: dict[str, str] | None = None

    def told(self) -> ProviderRefund:
        # "requires_action" waits for the cardholder's bank details: it is not over yet.
        status = "pending" if self.status in (None, "requires_action") else self.status
        amount = money_of(self.amount, self.currency)
        return ProviderRefund(
            id=self.id, intent_id=self.payment_intent or "", amount=amount, status=status or ""
        )


class Transfer(Record):
    amount: int
    currency: str
    reversed: bool = False
    metadata: dict[str, str] = {}

    def told(self) -> ProviderTransfer:
        metadata = {name: value for name, value in self.metadata.items() if name != KEY}
        return ProviderTransfer(
            id=self.id,
            amount=money_of(self.amount, self.currency),
            status="failed" if self.reversed else "paid",
            metadata=metadata,
        )


class Movement(msgspec.Struct):
    amount: int


class EvidenceDetails(msgspec.Struct):
    due_by: int | None = None


class Dispute(Record):
    amount: int
    currency: str
    status: str
    reason: str
    payment_intent: str | None = None
    balance_transactions: list[Movement] = []
    evidence_details: EvidenceDetails | None = None

    def told(self) -> ProviderDispute:
        due = self.evidence_details.due_by if self.evidence_details else None
        inquiry = self.status.startswith("warning_")
        return ProviderDispute(
            id=self.id,
            intent_id=self.payment_intent or "",
            amount=money_of(self.amount, self.currency),
            status=_STATUSES.get(self.status, "needs_response"),
            reason=self.reason,
            withdrawn=not inquiry
            and (self.status == "lost" or any(one.amount < 0 for one in self.balance_transactions)),
            due_by=moment(due) if due else None,
        )


# An inquiry that is closed took nothing, as one that was prevented.
_STATUSES = {
    "needs_response": "needs_response",
    "warning_needs_response": "needs_response",
    "under_review": "under_review",
    "warning_under_review": "under_review",
    "won": "won",
    "warning_closed": "won",
    "prevented": "won",
    "lost": "lost",
}


class Card(msgspec.Struct):
    brand: str = ""
    last4: str = ""
    exp_month: int = 0
    exp_year: int = 0


class Method(Record):
    customer: str | None = None
    card: Card | None = None

    def told(self) -> SavedMethod:
        card = self.card or Card()
        return SavedMethod(self.id, card.brand, card.last4, card.exp_month, card.exp_year)


class Requirements(msgspec.Struct):
    currently_due: list[str] | None = None
    past_due: list[str] | None = None


class Account(Record):
    country: str | None = None
    charges_enabled: bool = False
    payouts_enabled: bool = False
    capabilities: dict[str, str] = {}
    requirements: Requirements | None = None

    def told(self) -> ProviderAccount:
        wants = self.requirements or Requirements()
        return ProviderAccount(
            id=self.id,
            can_be_paid=self.payouts_enabled and self.capabilities.get("transfers") == "active",
            missing=sorted({*(wants.currently_due or []), *(wants.past_due or [])}),
        )


class Customer(Record):
    """Nothing more is read of it."""


class Link(msgspec.Struct):
    url: str


class Amount(msgspec.Struct):
    amount: int
    currency: str


class Balance(msgspec.Struct):
    available: list[Amount] = []
    pending: list[Amount] = []

    def settles(self, amount: Money) -> bool:
        """Is it there, once everything that came in has settled?"""
        told = [money_of(one.amount, one.currency) for one in (*self.available, *self.pending)]
        return total((one for one in told if one.currency == amount.currency), amount.currency) >= amount


class Endpoint(Record):
    status: str = ""


class EventObject(msgspec.Struct):
    id: str | None = None
    payment_intent: str | None = None


class Happening(Record):
    """An event of the list of events: of which intent."""

    class Data(msgspec.Struct):
        object: EventObject

    type: str
    data: Data


class Told(Record):
    """An event, by webhook or in the list, as far as it is read: what it says is asked for and not
    believed."""

    class Data(msgspec.Struct):
        object: dict[str, Any]

    type: str
    created: int
    data: Data
    account: str | None = None

    def told(self) -> ProviderEvent:
        return ProviderEvent(
            id=self.id,
            type=self.type,
            created=moment(self.created),
            object=self.data.object,
            account=self.account,
        )


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
