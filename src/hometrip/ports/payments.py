"""The payments port: a provider that takes, holds, returns and pays out money. Stripe's words for all of
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import msgspec

from hometrip.kernel.errors import Conflict, Malformed, Unavailable
from hometrip.kernel.money import Money


class Card(msgspec.Struct, frozen=True):
    """A test card for the sandbox; a real card's number never reaches this system."""

    number: str
    exp_month: int
    exp_year: int
    cvc: str


class IntentError(msgspec.Struct, frozen=True, omit_defaults=True):
    code: str
    detail: str
    decline_code: str = ""


class ProviderIntent(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider says of a payment. `status` is one of Stripe's:

    requires_payment_method, requires_confirmation, requires_action, processing, requires_capture, succeeded,
    canceled.
    """

    id: str
    status: str
    amount: Money
    client_secret: str
    captured: Money
    refunded: Money
    next_action: dict[str, Any] | None = None
    last_error: IntentError | None = None
    metadata: dict[str, str] = {}
    created: datetime | None = None


class ProviderRefund(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is pending, succeeded, failed or canceled."""

    id: str
    intent_id: str
    amount: Money
    status: str


class ProviderTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """Money sent to a host's account. `status` is paid, pending or failed."""

    id: str
    amount: Money
    status: str


class ProviderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook whose signature and time are right: `payment_intent.succeeded` and the like."""

    id: str
    type: str
    created: datetime
    object: dict[str, Any]


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
      later.
    - Amounts never exceed what is there: capturing more than authorised, or refunding more than captured, is
      `ProviderRefused`.
    """

    async def create_intent(
        self, amount: Money, *, capture: str, metadata: Mapping[str, str], key: str
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

    async def get_intent(self, intent_id: str) -> ProviderIntent: ...

    async def capture_intent(self, intent_id: str, *, key: str) -> ProviderIntent: ...

    async def cancel_intent(self, intent_id: str, *, key: str) -> ProviderIntent:
        """Release the authorisation, or make an unpaid intent unpayable."""
        ...

    async def refund(self, intent_id: str, amount: Money, *, key: str) -> ProviderRefund: ...

    async def transfer(
        self, amount: Money, *, destination: str, metadata: Mapping[str, str], key: str
    ) -> ProviderTransfer:
        """Pay that much out to a host's account."""
        ...

    async def intents_since(self, since: datetime) -> list[ProviderIntent]:
        """Everything created or changed since then, for reconciliation."""
        ...

    def webhook(self, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        """The event, once signature and age (5 minutes) are checked on the raw bytes; else `BadSignature`."""
        ...

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""
        ...
