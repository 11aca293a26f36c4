"""Guests at Stripe: a customer for each account that keeps a card, and the cards themselves."""

from __future__ import annotations

from collections import OrderedDict

from hometrip.adapters.payments.stripe.link import StripeLink
from hometrip.adapters.payments.stripe.words import OWNER, Customer, Method, Page
from hometrip.ports.payments import ProviderRefused, SavedMethod

REMEMBERED = 10_000
CARDS = 100


class Customers:
    """Finds the customer of an account by its metadata. Stripe's search sees a new one after a minute; until
    then (and for a day) the idempotency key of its making finds it."""

    def __init__(self, link: StripeLink) -> None:
        self._link = link
        self._known: OrderedDict[str, str] = OrderedDict()

    async def known(self, owner: str) -> str | None:
        """The customer's id; None where there is none yet."""
        if owner in self._known:
            return self._known[owner]
        query = f"metadata['{OWNER}']:'{_quoted(owner)}'"
        found = await self._link.ask(
            lambda v1: v1.customers.search_async({"query": query, "limit": 1}), Page[Customer]
        )
        return self._remember(owner, found.data[0].id) if found.data else None

    async def of(self, owner: str) -> str:
        """The customer's id; it is made if there is none."""
        if (found := await self.known(owner)) is not None:
            return found
        asked = {"metadata": {OWNER: owner}}
        options = {"idempotency_key": f"customer:{owner}"}
        made = await self._link.ask(lambda v1: v1.customers.create_async(asked, options), Customer)
        return self._remember(owner, made.id)

    def _remember(self, owner: str, customer: str) -> str:
        self._known[owner] = customer
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return customer

    async def methods(self, owner: str) -> list[SavedMethod]:
        customer = await self.known(owner)
        if customer is None:
            return []
        asked = {"type": "card", "limit": CARDS}
        kept = await self._link.ask(
            lambda v1: v1.customers.payment_methods.list_async(customer, asked), Page[Method]
        )
        return [one.told() for one in kept.data]

    async def keep(self, owner: str, method: str, key: str) -> SavedMethod:
        asked, options = {"customer": await self.of(owner)}, {"idempotency_key": key}
        kept = await self._link.ask(
            lambda v1: v1.payment_methods.attach_async(method, asked, options), Method
        )
        return kept.told()

    async def forget(self, owner: str, method: str) -> bool:
        customer = await self.known(owner)
        try:
            kept = await self._link.ask(lambda v1: v1.payment_methods.retrieve_async(method), Method)
            if customer is None or kept.customer != customer:
                return False
            await self._link.ask(lambda v1: v1.payment_methods.detach_async(method), Method)
        except ProviderRefused:
            return False
        return True


def _quoted(text: str) -> str:
    """For a word of Stripe's search language."""
    return text.replace("\\", "\\\\").replace("'", "\\'")
