"""The sandbox itself: intents, kept cards, and what it tells."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from hometrip.adapters.payments.sandbox.book import Account
from hometrip.adapters.payments.sandbox.cards import BY_TOKEN, GENERIC, NEEDS_ITS_OWNER, Plastic, plastic_of
from hometrip.adapters.payments.sandbox.holds import Holds
from hometrip.adapters.payments.sandbox.hosts import Hosts
from hometrip.adapters.payments.sandbox.refunds import Refunds
from hometrip.adapters.payments.sandbox.signature import check, sign
from hometrip.adapters.payments.sandbox.words import (
    Told,
    changed,
    refusal,
    unexpected,
)
from hometrip.kernel.money import Money, zero
from hometrip.ports.payments import (
    BadSignature,
    Card,
    ChargedCard,
    ProviderEvent,
    ProviderIntent,
    SavedMethod,
)

_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
_CANCELABLE = (*_OPEN, "processing", "requires_capture")


class Webhook(NamedTuple):
    """One event on its way out; the signature is fresh each time it is asked for."""

    id: str
    body: bytes
    signature: str


class SandboxPayments(Holds, Hosts, Refunds):
    """Keeps the promises of `Payments` without a network, and remembers across restarts of the process.

    - The same commands give the same answers: what a card does depends on the card alone.
    - Each change of an intent, refund, transfer, dispute or account queues one signed webhook:
      `undelivered`, `delivered`.
    - `weather` lets one see what happens when the provider is "down" (nothing is done), or when its
      "answers_lost" (what was asked is done, the answer never comes).
    - A card number is looked at and forgotten: only a keyed hash of a request is kept, for its key, and of a
      card that is kept for later what it does, its brand and its last four digits.
    - What is authorised and not captured within seven days is cancelled, as at Stripe.
    - A host's account can be paid once its link was opened; whoever has none is paid all the same.
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
        if amount.amount <= 0 or capture not in ("automatic", "manual"):
            raise refusal("parameter_invalid", "an amount over 0, captured automatic or manual")
        asked = ["create", amount, capture, dict(metadata), customer, *([] if keep else ["keep no card"])]
        made = lambda: self._open(amount, capture, metadata, customer, keep=keep)  # noqa: E731
        return self._once(key, asked, made, ProviderIntent)

    async def confirm_intent(
        self, intent_id: str, *, method: str | None = None, card: Card | None = None, key: str
    ) -> ProviderIntent:
        asked = ["confirm", intent_id, method, card]
        return self._once(key, asked, lambda: self._confirm(intent_id, method, card), ProviderIntent)

    async def charge_again(self, intent_id: str, *, method: str, key: str) -> ProviderIntent:
        asked = ["charge again", intent_id, method]
        return self._once(key, asked, lambda: self._charge_again(intent_id, method), ProviderIntent)

    async def get_intent(self, intent_id: str) -> ProviderIntent:
        with self._transaction():
            self._holds_come_due()
            return self._account(intent_id).intent

    async def capture_intent(
        self, intent_id: str, *, amount: Money | None = None, key: str
    ) -> ProviderIntent:
        asked = ["capture", intent_id, amount]
        return self._once(key, asked, lambda: self._capture(intent_id, amount), ProviderIntent)

    async def cancel_intent(self, intent_id: str, *, key: str) -> ProviderIntent:
        return self._once(key, ["cancel", intent_id], lambda: self._cancel(intent_id), ProviderIntent)

    async def methods(self, customer: str) -> list[SavedMethod]:
        with self._transaction():
            rows = self._db.execute(
                "SELECT id, card FROM methods WHERE customer = ? ORDER BY id", (customer,)
            )
            kept = [(token, msgspec.json.decode(card, type=Plastic)) for token, card in rows]
        return [_saved(token, card) for token, card in kept]

    async def keep_method(self, customer: str, method: str, *, key: str) -> SavedMethod:
        asked = ["keep", customer, method]
        return self._once(key, asked, lambda: self._keep_method(customer, method), SavedMethod)

    async def forget_method(self, customer: str, method: str) -> bool:
        with self._transaction():
            gone = self._db.execute("DELETE FROM methods WHERE id = ? AND customer = ?", (method, customer))
            return gone.rowcount > 0

    async def intents_since(self, since: datetime) -> list[ProviderIntent]:
        with self._transaction():
            self._holds_come_due()
            rows = self._db.execute(
                "SELECT account FROM intents WHERE changed_at >= ? ORDER BY changed_at, id",
                (since.timestamp(),),
            )
            return [msgspec.json.decode(account, type=Account).intent for (account,) in rows]

    def webhook(self, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        check(body, signature, self._secret, now)
        try:
            event = msgspec.json.decode(body, type=Told)
        except msgspec.DecodeError as reason:
            raise BadSignature("the body is signed, but it is no event") from reason
        return _event(event)

    async def events_since(self, since: datetime) -> list[ProviderEvent]:
        with self._transaction():
            self._holds_come_due()
            self._refunds_come_due()
            self._disputes_come_due()
            rows = self._db.execute(
                "SELECT body FROM events WHERE created >= ? ORDER BY number", (int(since.timestamp()),)
            )
            return [_event(msgspec.json.decode(body, type=Told)) for (body,) in rows]

    async def ready(self) -> None:
        with self._transaction():
            self._db.execute("SELECT 1 FROM balance LIMIT 1")

    async def undelivered(self) -> list[Webhook]:
        """Up to 100 events of the last three days that were not taken yet, oldest first."""
        with self._transaction(inside=True):
            self._holds_come_due()
            self._refunds_come_due()
            self._disputes_come_due()
        rows = self._db.execute("SELECT id, body FROM webhooks ORDER BY number LIMIT 100").fetchall()
        return [Webhook(number, body, self.signature(body)) for number, body in rows]

    def signature(self, body: bytes) -> str:
        """What a webhook has that is sent now."""
        return sign(body, self._secret, self._clock.now())

    async def delivered(self, webhook_id: str) -> None:
        """It was taken (answered with 200); it is not offered again."""
        self._db.execute("DELETE FROM webhooks WHERE id = ?", (webhook_id,))

    async def close(self) -> None:
        self._db.close()

    # What each command does, within the transaction that keeps its answer.

    def _open(
        self, amount: Money, capture: str, metadata: Mapping[str, str], customer: str, *, keep: bool
    ) -> ProviderIntent:
        intent_id = f"pi_{self._new_id().hex}"
        tail = hmac.new(self._secret, intent_id.encode(), hashlib.sha256).hexdigest()[:24]
        none = zero(amount.currency)
        intent = ProviderIntent(
            id=intent_id,
            status="requires_payment_method",
            amount=amount,
            client_secret=f"{intent_id}_secret_{tail}",
            captured=none,
            refunded=none,
            metadata=dict(metadata),
            created=self._clock.now(),
        )
        return self._keep(Account(intent, capture, customer, keep), "payment_intent.created")

    def _confirm(self, intent_id: str, method: str | None, card: Card | None) -> ProviderIntent:
        account = self._account(intent_id)
        if account.intent.status not in _OPEN:
            raise unexpected(account.intent, "confirmed")
        if method is None and card is None:
            if account.card is None or account.intent.status != "requires_action":
                raise refusal("parameter_missing", "a payment method is needed", account.intent)
            return self._charge(account, account.card)
        plastic = self._plastic(method, card, account.customer)
        return self._ask(account, plastic) if plastic.asks_first else self._charge(account, plastic)

    def _charge_again(self, intent_id: str, method: str) -> ProviderIntent:
        account = self._account(intent_id)
        if account.intent.status not in _OPEN:
            raise unexpected(account.intent, "charged")
        if account.customer and account.keep:
            # As at Stripe: whose owner is absent cannot agree to its being kept.
            raise refusal(
                "parameter_invalid", "an intent that keeps its card wants its owner", account.intent
            )
        card = self._kept_card(method, account.customer)
        if card is None:
            raise refusal("resource_missing", f"there is no kept card {method!r}")
        if card.alone == "asks":
            return self._charge(account, msgspec.structs.replace(card, decline=NEEDS_ITS_OWNER))
        if card.alone == "declines":
            return self._charge(account, msgspec.structs.replace(card, decline=GENERIC))
        return self._charge(account, card)

    def _plastic(self, method: str | None, card: Card | None, customer: str) -> Plastic:
        if card is not None:
            return plastic_of(card, self._clock.now())
        known = BY_TOKEN.get(method or "") or self._kept_card(method or "", customer)
        if known is None:
            raise refusal("resource_missing", f"there is no payment method {method!r}")
        return known

    def _ask(self, account: Account, card: Plastic) -> ProviderIntent:
        asking = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
        intent = changed(account.intent, status="requires_action", next_action=asking, last_error=None)
        asked = msgspec.structs.replace(account, intent=intent, card=card)
        return self._keep(asked, "payment_intent.requires_action")

    def _charge(self, account: Account, card: Plastic) -> ProviderIntent:
        account = msgspec.structs.replace(account, card=card)
        intent = changed(account.intent, next_action=None, last_error=card.decline)
        if card.decline:
            intent = changed(intent, status="requires_payment_method")
            declined = msgspec.structs.replace(account, intent=intent, card=None)
            return self._keep(declined, "payment_intent.payment_failed")
        shown = ChargedCard(card.brand, card.last4)
        intent = changed(intent, method=self._keep_card(account), card=shown)
        account = msgspec.structs.replace(account, intent=intent)
        if account.capture == "manual":
            return self._hold(account)
        return self._take(account, intent.amount)

    def _take(self, account: Account, amount: Money) -> ProviderIntent:
        self._held_no_more(account.intent.id)
        intent = changed(account.intent, status="succeeded", captured=amount)
        self._move(amount)
        kept = self._keep(msgspec.structs.replace(account, intent=intent), "payment_intent.succeeded")
        if account.card and account.card.dispute:
            self._dispute(kept, account.card)
        return kept

    def _keep_method(self, customer: str, method: str) -> SavedMethod:
        plastic = BY_TOKEN.get(method) or self._kept_card(method, customer)
        if plastic is None:
            raise refusal("resource_missing", f"there is no payment method {method!r}")
        return _saved(self._keep_for(customer, plastic), plastic)

    def _capture(self, intent_id: str, amount: Money | None) -> ProviderIntent:
        self._holds_come_due()
        account = self._account(intent_id)
        whole = account.intent.amount
        if account.intent.status != "requires_capture":
            raise unexpected(account.intent, "captured")
        part = whole if amount is None else amount
        if part.currency != whole.currency or not 0 < part.amount <= whole.amount:
            raise refusal("amount_too_large", f"{whole} can be captured, not {part}", account.intent)
        return self._take(account, part)

    def _cancel(self, intent_id: str) -> ProviderIntent:
        self._holds_come_due()
        account = self._account(intent_id)
        if account.intent.status not in _CANCELABLE:
            raise unexpected(account.intent, "cancelled")
        self._held_no_more(intent_id)
        intent = changed(account.intent, status="canceled", next_action=None)
        return self._keep(msgspec.structs.replace(account, intent=intent), "payment_intent.canceled")


def _event(told: Told) -> ProviderEvent:
    return ProviderEvent(
        id=told.id,
        type=told.type,
        created=datetime.fromtimestamp(told.created, UTC),
        object=told.data.object,
        account=told.account,
    )


def _saved(token: str, card: Plastic) -> SavedMethod:
    return SavedMethod(token, card.brand, card.last4, card.exp_month, card.exp_year)
