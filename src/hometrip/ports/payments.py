"""The payments port: a provider that takes, holds, returns and pays out money. Stripe's words for all of
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from hometrip.kernel.errors import Conflict, Malformed, Unavailable
from hometrip.kernel.money import Money

# All the files of a dispute's evidence together.
EVIDENCE_BYTES = 4_500_000
# For how long a provider lists what it has told.
EVENTS_KEPT = timedelta(days=29)
# What it tells of money that has moved, or will: the events that nobody may miss.
MOVES = (
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.succeeded",
    "refund.failed",
    "refund.updated",
    "transfer.reversed",
)


class Card(msgspec.Struct, frozen=True):
    """A test card for the sandbox; a real card's number never reaches this system."""

    number: str
    exp_month: int
    exp_year: int
    cvc: str


class ChargedCard(msgspec.Struct, frozen=True):
    """What may be told of the card that paid: `brand` in Stripe's words (visa, mastercard, amex, …)."""

    brand: str
    last4: str


class IntentError(msgspec.Struct, frozen=True, omit_defaults=True):
    code: str
    detail: str
    decline_code: str = ""


class ProviderIntent(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider says of a payment. `status` is one of Stripe's:

    requires_payment_method, requires_confirmation, requires_action, processing, requires_capture, succeeded,
    canceled. `method` is the token of the card that paid, where it is kept for a customer; `card` what may be
    told of it, also while it is only authorised. `lapsed`: it was cancelled by nobody, but authorised for
    longer than the card's network allows.
    """

    id: str
    status: str
    amount: Money
    client_secret: str
    captured: Money
    refunded: Money
    next_action: dict[str, Any] | None = None
    last_error: IntentError | None = None
    method: str | None = None
    card: ChargedCard | None = None
    metadata: dict[str, str] = {}
    created: datetime | None = None
    lapsed: bool = False


class ProviderRefund(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is pending, succeeded, failed or canceled."""

    id: str
    intent_id: str
    amount: Money
    status: str


class ProviderTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """Money sent to a host's account.

    `status` is paid, pending, failed (it came back), or waits: nothing was sent, because what came in has not
    settled at the provider yet; ask again, with another key. That one has no `id`.
    """

    id: str
    amount: Money
    status: str
    metadata: dict[str, str] = {}


class ProviderDispute(msgspec.Struct, frozen=True, kw_only=True):
    """A cardholder's bank asks for the money of a payment back (a chargeback).

    `status` is needs_response (evidence is taken until `due_by`), under_review, won or lost. `withdrawn`: the
    bank has taken the amount, if only for a time; of a mere inquiry nothing is taken. A dispute that was won
    has given it back.
    """

    id: str
    intent_id: str
    amount: Money
    status: str
    reason: str
    withdrawn: bool
    due_by: datetime | None = None


class SavedMethod(msgspec.Struct, frozen=True):
    """A card that is kept at the provider, by its token."""

    id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int


class ProviderAccount(msgspec.Struct, frozen=True, kw_only=True):
    """A host's account at the provider. `missing` names what it still wants to know of its owner."""

    id: str
    can_be_paid: bool
    missing: list[str] = []


class ProviderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider tells, by a webhook whose signature and time are right or in the list of what it has
    told: `payment_intent.succeeded` and the like. `account` is the host's account that it is about, if it is
    about one."""

    id: str
    type: str
    created: datetime
    object: dict[str, Any]
    account: str | None = None


class ProviderRefused(Conflict):
    """The provider refuses this for good; `provider_code` says why in its words."""

    code = "payment_refused"


class ProviderDown(Unavailable):
    """The provider did not answer: what was asked may or may not have happened; ask again with the same
    key.
    """

    code = "provider_down"


class BadSignature(Malformed):
    """The webhook was not signed by the provider, or too long ago."""

    code = "bad_signature"


class Payments(Protocol):
    """A payment provider. Every command takes a `key`: the same key has its effect once and answers the same.

    - Declines are not errors: the intent comes back with `last_error` and status requires_payment_method.
    - With `capture="manual"` a confirmed intent is authorised (requires_capture), and captured or cancelled
      later; of what was authorised a part may be captured, and the rest is released then. What is neither
      within the time that the card's network allows, about a week, is cancelled by the provider (`lapsed`).
    - An intent that is made for a `customer` keeps the card that pays it, to be charged again; with
      `keep=False` it does not, and may itself be charged to a card that was kept (`charge_again`).
    - A failure is told by code. A text of the provider's is passed on only where it is written for a
      cardholder (`IntentError.detail`).
    - Amounts never exceed what is there: capturing more than authorised, or refunding more than captured, is
      `ProviderRefused`.
    """

    async def create_intent(
        self,
        amount: Money,
        *,
        capture: str,
        metadata: Mapping[str, str],
        key: str,
        customer: str = "",
        keep: bool = True,
    ) -> ProviderIntent:
        """`capture` is "automatic" or "manual"."""
        ...

    async def confirm_intent(
        self, intent_id: str, *, method: str | None = None, card: Card | None = None, key: str
    ) -> ProviderIntent:
        """With a token such as pm_card_visa, or with a test card (sandbox only).

        An intent in requires_action is completed by confirming it again without either (3-D Secure done).
        """
        ...

    async def charge_again(self, intent_id: str, *, method: str, key: str) -> ProviderIntent:
        """Charge a card that is kept for the intent's customer, its owner absent.

        Where the bank wants to hear from them it is a decline, `authentication_required`.
        """
        ...

    async def get_intent(self, intent_id: str) -> ProviderIntent: ...

    async def capture_intent(
        self, intent_id: str, *, amount: Money | None = None, key: str
    ) -> ProviderIntent:
        """All that was authorised, or that part of it."""
        ...

    async def cancel_intent(self, intent_id: str, *, key: str) -> ProviderIntent:
        """Release the authorisation, or make an unpaid intent unpayable."""
        ...

    async def refund(self, intent_id: str, amount: Money, *, key: str) -> ProviderRefund:
        """Refused as `balance_insufficient`, nothing was sent, as the provider holds too little of ours: once
        money has come in, another key may be answered otherwise."""
        ...

    async def get_refund(self, refund_id: str) -> ProviderRefund:
        """As it stands now: a pending one ends later, and one that succeeded may still come back (failed)."""
        ...

    async def transfer(
        self, amount: Money, *, destination: str, metadata: Mapping[str, str], key: str
    ) -> ProviderTransfer:
        """Pay that much out to a host's account. What is refused as `balance_insufficient` may be covered
        later, as with a refund."""
        ...

    async def get_transfer(self, transfer_id: str) -> ProviderTransfer: ...

    async def transfers_since(self, since: datetime) -> list[ProviderTransfer]:
        """Everything sent since then, for reconciliation."""
        ...

    async def get_dispute(self, dispute_id: str) -> ProviderDispute: ...

    async def keep_evidence(self, content: bytes, name: str, *, key: str) -> str:
        """A file for a dispute's evidence, a PDF, JPEG or PNG of at most `EVIDENCE_BYTES`; its id there."""
        ...

    async def send_evidence(
        self, dispute_id: str, evidence: Mapping[str, str], *, key: str
    ) -> ProviderDispute:
        """Answer a dispute, once and for all. `evidence` has Stripe's names (`uncategorized_text`,
        `product_description`, `service_date`, `cancellation_policy_disclosure`, and `uncategorized_file` for
        the id of a file that it keeps). A dispute that takes none any more is `ProviderRefused`."""
        ...

    async def disputes_since(self, since: datetime) -> list[ProviderDispute]:
        """Everything opened since then, for reconciliation."""
        ...

    async def methods(self, customer: str) -> list[SavedMethod]:
        """The cards that are kept for a customer."""
        ...

    async def keep_method(self, customer: str, method: str, *, key: str) -> SavedMethod:
        """Keep the card of a token for a customer, to be charged later."""
        ...

    async def forget_method(self, customer: str, method: str) -> bool:
        """Keep the card no longer; False where the customer has no such card. Safe to repeat."""
        ...

    async def open_account(self, owner: str, *, key: str) -> ProviderAccount:
        """The account of a host, which is opened if there is none."""
        ...

    async def get_account(self, account_id: str) -> ProviderAccount: ...

    async def account_link(self, account_id: str, *, back_to: str) -> str:
        """A page on which the owner tells the provider what is missing, and from which they come `back_to`.
        It is good once, for a few minutes."""
        ...

    async def intents_since(self, since: datetime) -> list[ProviderIntent]:
        """Everything created or changed since then, for reconciliation."""
        ...

    async def events_since(self, since: datetime) -> list[ProviderEvent]:
        """Those of `MOVES` since then, taken by a webhook or not, the earliest first; the last 29 days at
        most."""
        ...

    def webhook(self, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        """The event, once signature and age (5 minutes) are checked on the raw bytes; else `BadSignature`."""
        ...

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""
        ...
