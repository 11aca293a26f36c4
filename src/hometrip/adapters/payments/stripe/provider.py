"""Stripe itself: intents, refunds, disputes, and the promises of the port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import msgspec

from hometrip.adapters.payments.stripe.customers import Customers
from hometrip.adapters.payments.stripe.hosts import Hosts
from hometrip.adapters.payments.stripe.link import API_VERSION, EXTENDED, Declined, StripeLink
from hometrip.adapters.payments.stripe.signature import check
from hometrip.adapters.payments.stripe.units import card_units_of
from hometrip.adapters.payments.stripe.words import (
    KEY,
    Account,
    Dispute,
    Endpoint,
    Happening,
    Intent,
    Page,
    Record,
    Refund,
    Told,
)
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.money import Money
from hometrip.ports.engine import Finding, Unfit
from hometrip.ports.payments import (
    EVENTS_KEPT,
    MOVES,
    BadSignature,
    Card,
    ProviderAccount,
    ProviderDispute,
    ProviderEvent,
    ProviderIntent,
    ProviderRefund,
    ProviderRefused,
    ProviderTransfer,
    SavedMethod,
)

PAGE = 100
# What changes an intent that was made before.
CHANGES = [
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "refund.created",
    "refund.updated",
    "refund.failed",
]
WHOLE = {"expand": ["latest_charge"]}


class StripePayments:
    """Keeps the promises of `Payments` at Stripe, with the API version that this is written for.

    - The key of a command is Stripe's idempotency key, which Stripe remembers for a day. What moves money
      out is found by the key also later, by its metadata.
    - Stripe's refusals come with their code and never with its message; a declined card with the message
      that Stripe writes for the cardholder.
    - Whatever is not answered for good (no connection, too many requests, an error at Stripe, a key that is
      no longer good) is `ProviderDown`: it may have happened.
    - No card number is taken here: cards are confirmed by Stripe's own scripts, or by token.
    """

    def __init__(self, url: str, *, secret_key: str, webhook_secrets: Sequence[str]) -> None:
        """`stripe:`; `webhook_secrets` are those of the endpoints that Stripe sends to (`whsec_…`)."""
        self._link = StripeLink(url, secret_key)
        self._secrets = tuple(webhook_secrets)
        self._customers, self._hosts = Customers(self._link), Hosts(self._link)

    # living

    async def open(self) -> None:
        if wrong := [finding for finding in await self.examine() if not finding.fine]:
            raise Unfit("; ".join(f"{one.detail}: {one.advice}" for one in wrong))

    async def examine(self) -> list[Finding]:
        if self._link.wrong:
            return [Finding("settings", False, self._link.wrong, "see docs/how-to/take-real-payments.md")]
        try:
            account = await self._link.ask(lambda v1: v1.accounts.retrieve_current_async(), Account)
            hooks = await self._link.ask(
                lambda v1: v1.webhook_endpoints.list_async({"limit": PAGE}), Page[Endpoint]
            )
        except (Unavailable, ProviderRefused) as reason:
            return [
                Finding("reachable", False, reason.detail, "look at the key and at https://status.stripe.com")
            ]
        mode = "live" if self._link.live else "test"
        may_charge = account.charges_enabled or not self._link.live
        heard = any(one.status == "enabled" for one in hooks.data) or not self._link.live
        return [
            Finding("reachable", True, f"{self._link.base} answers, {mode} mode"),
            Finding("version", True, f"requests are written for {API_VERSION}"),
            Finding(
                "rights",
                may_charge,
                f"the account {account.id} may {'' if may_charge else 'not '}take payments",
                "finish its activation in Stripe's dashboard",
            ),
            Finding(
                "webhooks",
                heard,
                f"{len(hooks.data)} endpoints" if heard else "no endpoint is enabled",
                "add one for /api/webhook/stripe in Stripe's dashboard",
            ),
        ]

    async def ready(self) -> None:
        await self._link.ready()

    async def close(self) -> None:
        await self._link.close()

    # money in

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
            raise _refusal("parameter_invalid", "an amount over 0, captured automatic or manual")
        asked: dict[str, Any] = {
            "amount": card_units_of(amount),
            "currency": amount.currency.lower(),
            "capture_method": capture,
            "allowed_payment_method_types": ["card"],
            "metadata": dict(metadata),
            **WHOLE,
        }
        if customer:
            asked["customer"] = await self._customers.of(customer)
            # Of an intent that is to keep its card Stripe takes no charge in the absence of its owner.
            asked |= {"setup_future_usage": "off_session"} if keep else {}
        if capture == "manual" and not keep and self._link.holds == EXTENDED:
            # A deposit's; a request is answered within a day. An account that may not is refused to confirm.
            asked["payment_method_options"] = {"card": {"request_extended_authorization": "if_available"}}
        return await self._intent(lambda v1: v1.payment_intents.create_async(asked, _once(key)))

    async def confirm_intent(
        self, intent_id: str, *, method: str | None = None, card: Card | None = None, key: str
    ) -> ProviderIntent:
        """Without a token nothing is asked of Stripe but how the intent stands: after 3-D Secure, which the
        browser brings to its end, it goes on by itself."""
        if card is not None:
            raise _refusal("card_numbers_refused", "a card's number must not come here; use a token")
        if method is None:
            intent = await self.get_intent(intent_id)
            if intent.status in ("requires_payment_method", "requires_confirmation", "canceled"):
                raise _refusal("parameter_missing", "a payment method is needed")
            return intent
        asked = {"payment_method": method, "use_stripe_sdk": True, **WHOLE}
        return await self._intent(lambda v1: v1.payment_intents.confirm_async(intent_id, asked, _once(key)))

    async def charge_again(self, intent_id: str, *, method: str, key: str) -> ProviderIntent:
        asked = {"payment_method": method, "off_session": True, **WHOLE}
        return await self._intent(lambda v1: v1.payment_intents.confirm_async(intent_id, asked, _once(key)))

    async def get_intent(self, intent_id: str) -> ProviderIntent:
        return await self._intent(lambda v1: v1.payment_intents.retrieve_async(intent_id, {**WHOLE}))

    async def capture_intent(
        self, intent_id: str, *, amount: Money | None = None, key: str
    ) -> ProviderIntent:
        asked: dict[str, Any] = {**WHOLE}
        if amount is not None:
            await self._same_currency(intent_id, amount)
            asked["amount_to_capture"] = card_units_of(amount)
        return await self._intent(lambda v1: v1.payment_intents.capture_async(intent_id, asked, _once(key)))

    async def cancel_intent(self, intent_id: str, *, key: str) -> ProviderIntent:
        asked = {**WHOLE}
        return await self._intent(lambda v1: v1.payment_intents.cancel_async(intent_id, asked, _once(key)))

    async def intents_since(self, since: datetime) -> list[ProviderIntent]:
        """What was made before `since` and changed after it is known for the last 29 days."""
        asked = {"created": {"gte": int(since.timestamp())}, "limit": PAGE, "expand": ["data.latest_charge"]}
        made = self._link.ask_all(lambda v1, after: v1.payment_intents.list_async({**asked, **after}), Intent)
        found = {intent.id: intent.told() async for intent in made}
        if datetime.now(UTC) - since < EVENTS_KEPT:
            for intent_id in await self._changed(since):
                if intent_id not in found:
                    found[intent_id] = await self.get_intent(intent_id)
        return list(found.values())

    async def _changed(self, since: datetime) -> list[str]:
        asked = {"created": {"gte": int(since.timestamp())}, "types": CHANGES, "limit": PAGE}
        events = self._link.ask_all(lambda v1, after: v1.events.list_async({**asked, **after}), Happening)
        named = [
            one.data.object.payment_intent or one.data.object.id
            async for one in events
            if one.type in CHANGES
        ]
        return list(dict.fromkeys(name for name in named if name))

    async def _intent(self, ask: Any) -> ProviderIntent:
        """The intent as it is then; a declined card is an answer too."""
        try:
            return (await self._link.ask(ask, Intent)).told()
        except Declined as declined:
            return msgspec.convert(declined.intent, type=Intent).told()

    async def _same_currency(self, intent_id: str, amount: Money) -> None:
        intent = await self.get_intent(intent_id)
        if amount.amount <= 0 or intent.amount.currency != amount.currency:
            raise _refusal("parameter_invalid", f"an amount over 0 in {intent.amount.currency}")

    # money back

    async def refund(self, intent_id: str, amount: Money, *, key: str) -> ProviderRefund:
        await self._same_currency(intent_id, amount)
        made = self._link.ask_all(
            lambda v1, after: v1.refunds.list_async({"payment_intent": intent_id, "limit": PAGE, **after}),
            Refund,
        )
        # Stripe forgets idempotency keys after a day; a refund that is asked for again later is this one.
        async for one in made:
            if (one.metadata or {}).get(KEY) == key:
                return one.told()
        asked = {"payment_intent": intent_id, "amount": card_units_of(amount), "metadata": {KEY: key}}
        return (await self._link.ask(lambda v1: v1.refunds.create_async(asked, _once(key)), Refund)).told()

    async def get_refund(self, refund_id: str) -> ProviderRefund:
        return (await self._link.ask(lambda v1: v1.refunds.retrieve_async(refund_id), Refund)).told()

    async def get_dispute(self, dispute_id: str) -> ProviderDispute:
        return (await self._link.ask(lambda v1: v1.disputes.retrieve_async(dispute_id), Dispute)).told()

    async def keep_evidence(self, content: bytes, name: str, *, key: str) -> str:
        def ask(v1: Any) -> Any:
            file = BytesIO(content)
            file.name = name  # the library sends it on
            return v1.files.create_async({"purpose": "dispute_evidence", "file": file}, _once(key))

        return (await self._link.ask(ask, Record)).id

    async def send_evidence(
        self, dispute_id: str, evidence: Mapping[str, str], *, key: str
    ) -> ProviderDispute:
        asked = {"evidence": dict(evidence), "submit": True}
        ask = lambda v1: v1.disputes.update_async(dispute_id, asked, _once(key))  # noqa: E731
        return (await self._link.ask(ask, Dispute)).told()

    async def disputes_since(self, since: datetime) -> list[ProviderDispute]:
        asked = {"created": {"gte": int(since.timestamp())}, "limit": PAGE}
        opened = self._link.ask_all(lambda v1, after: v1.disputes.list_async({**asked, **after}), Dispute)
        return [one.told() async for one in opened]

    # money out

    async def transfer(
        self, amount: Money, *, destination: str, metadata: Mapping[str, str], key: str
    ) -> ProviderTransfer:
        return await self._hosts.transfer(amount, destination, metadata, key)

    async def get_transfer(self, transfer_id: str) -> ProviderTransfer:
        return await self._hosts.sent(transfer_id)

    async def transfers_since(self, since: datetime) -> list[ProviderTransfer]:
        return await self._hosts.sent_since(since)

    async def open_account(self, owner: str, *, key: str) -> ProviderAccount:
        return await self._hosts.open(owner, key)

    async def get_account(self, account_id: str) -> ProviderAccount:
        return await self._hosts.get(account_id)

    async def account_link(self, account_id: str, *, back_to: str) -> str:
        return await self._hosts.link(account_id, back_to)

    # cards

    async def methods(self, customer: str) -> list[SavedMethod]:
        return await self._customers.methods(customer)

    async def keep_method(self, customer: str, method: str, *, key: str) -> SavedMethod:
        return await self._customers.keep(customer, method, key)

    async def forget_method(self, customer: str, method: str) -> bool:
        return await self._customers.forget(customer, method)

    # what Stripe tells

    def webhook(self, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        check(body, signature, self._secrets, now)
        try:
            event = msgspec.json.decode(body, type=Told)
        except (msgspec.DecodeError, UnicodeDecodeError) as reason:
            raise BadSignature("the body is signed, but it is no event") from reason
        return event.told()

    async def events_since(self, since: datetime) -> list[ProviderEvent]:
        asked = {"created": {"gte": int(since.timestamp())}, "types": [*MOVES], "limit": PAGE}
        events = self._link.ask_all(lambda v1, after: v1.events.list_async({**asked, **after}), Told)
        found = [one.told() async for one in events if one.type in MOVES]
        return found[::-1]


def _once(key: str) -> dict[str, str]:
    return {"idempotency_key": key}


def _refusal(code: str, detail: str) -> ProviderRefused:
    return ProviderRefused(detail, provider_code=code)
