"""Hosts at Stripe: Express accounts with onboarding links, and money sent to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from hometrip.adapters.payments.stripe.link import StripeLink
from hometrip.adapters.payments.stripe.units import units_of
from hometrip.adapters.payments.stripe.words import KEY, OWNER, Account, Balance, Link, Page, Transfer
from hometrip.kernel.money import Money
from hometrip.ports.payments import ProviderAccount, ProviderRefused, ProviderTransfer


class Hosts:
    """Money goes to a host's account as a transfer out of our balance; from there Stripe pays it to the bank
    by the account's own schedule."""

    def __init__(self, link: StripeLink) -> None:
        self._link = link

    async def open(self, owner: str, key: str) -> ProviderAccount:
        asked = {
            "type": "express",
            "capabilities": {"transfers": {"requested": True}},
            "metadata": {OWNER: owner},
        }
        options = {"idempotency_key": key}
        made = await self._link.ask(lambda v1: v1.accounts.create_async(asked, options), Account)
        return made.told()

    async def get(self, account_id: str) -> ProviderAccount:
        return (await self._link.ask(lambda v1: v1.accounts.retrieve_async(account_id), Account)).told()

    async def link(self, account_id: str, back_to: str) -> str:
        asked = {
            "account": account_id,
            "type": "account_onboarding",
            "return_url": back_to,
            # A link that is too old leads back as well, to where a new one is to be had.
            "refresh_url": back_to,
        }
        return (await self._link.ask(lambda v1: v1.account_links.create_async(asked), Link)).url

    async def transfer(
        self, amount: Money, destination: str, metadata: Mapping[str, str], key: str
    ) -> ProviderTransfer:
        if amount.amount <= 0:
            raise ProviderRefused("an amount over 0", provider_code="parameter_invalid")
        if not destination.startswith("acct_"):
            raise ProviderRefused("the host has no account at the provider", provider_code="account_missing")
        if earlier := await self._sent(key):
            return earlier.told()
        asked = {
            "amount": units_of(amount),
            "currency": amount.currency.lower(),
            "destination": destination,
            "transfer_group": key,
            "metadata": {**metadata, KEY: key},
        }
        options = {"idempotency_key": key}
        try:
            sent = await self._link.ask(lambda v1: v1.transfers.create_async(asked, options), Transfer)
        except ProviderRefused as refusal:
            settles = refusal.facts.get("provider_code") == "balance_insufficient" and await self._settles(
                amount
            )
            if not settles:
                raise
            return ProviderTransfer(id="", amount=amount, status="waits", metadata=dict(metadata))
        return sent.told()

    async def _sent(self, key: str) -> Transfer | None:
        """What was sent under the key before: Stripe forgets its idempotency keys after a day."""
        asked = {"transfer_group": key, "limit": 1}
        sent = await self._link.ask(lambda v1: v1.transfers.list_async(asked), Page[Transfer])
        return next((one for one in sent.data if one.metadata.get(KEY) == key), None)

    async def _settles(self, amount: Money) -> bool:
        balance = await self._link.ask(lambda v1: v1.balance.retrieve_async(), Balance)
        return balance.settles(amount)

    async def sent(self, transfer_id: str) -> ProviderTransfer:
        return (await self._link.ask(lambda v1: v1.transfers.retrieve_async(transfer_id), Transfer)).told()

    async def sent_since(self, since: datetime) -> list[ProviderTransfer]:
        asked = {"created": {"gte": int(since.timestamp())}, "limit": 100}
        sent = self._link.ask_all(lambda v1, after: v1.transfers.list_async({**asked, **after}), Transfer)
        return [one.told() async for one in sent]
