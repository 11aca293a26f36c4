"""Kept cards, hosts' accounts at the provider, and a look at one's payments in figures."""

from __future__ import annotations

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import NotFound
from hometrip.kernel.money import Money
from hometrip.ports.payments import ProviderAccount
from hometrip.services.payment import store
from hometrip.services.payment.actions.answers import (
    AccountLink,
    HostAccount,
    Method,
    Methods,
    PaymentStats,
    PaymentSum,
)
from hometrip.services.payment.actions.deps import Deps


async def methods(deps: Deps, caller: Caller) -> Methods:
    """The cards that the provider keeps for the caller."""
    kept = await deps.payments.methods(str(caller.id))
    return Methods(
        items=[
            Method(
                id=one.id,
                brand=one.brand,
                last4=one.last4,
                exp_month=one.exp_month,
                exp_year=one.exp_year,
            )
            for one in kept
        ]
    )


async def forget_method(deps: Deps, caller: Caller, method_id: str) -> None:
    """Whatever is still to be charged to it will have to be paid in another way."""
    if not await deps.payments.forget_method(str(caller.id), method_id):
        raise NotFound


async def open_account(deps: Deps, caller: Caller) -> HostAccount:
    """The caller's account at the provider, opened if there is none; pay-outs go there from now on."""
    made = await deps.payments.open_account(str(caller.id), key=f"account:{caller.id}")
    async with deps.db.transaction() as tx:
        await store.keep_account(tx, caller.id, made.id)
    return _shown(made)


async def account(deps: Deps, caller: Caller) -> HostAccount:
    return _shown(await deps.payments.get_account(await _own(deps, caller)))


async def account_link(deps: Deps, caller: Caller, back_to: str) -> AccountLink:
    """Where the caller tells the provider what is missing."""
    url = await deps.payments.account_link(await _own(deps, caller), back_to=back_to)
    return AccountLink(url=url)


async def stats(deps: Deps, caller: Caller) -> PaymentStats:
    """The caller's own payments in figures; everybody's for an admin."""
    async with deps.db.read() as db:
        rows = await store.sums_of_guest(db, None if caller.is_admin else caller.id)
    return PaymentStats(
        payments=[
            PaymentSum(
                currency=currency,
                status=status,
                count=count,
                captured=Money(captured, currency),
                refunded=Money(refunded, currency),
            )
            for currency, status, count, captured, refunded in rows
        ]
    )


async def _own(deps: Deps, caller: Caller) -> str:
    async with deps.db.read() as db:
        found = await store.account_of(db, caller.id)
    if found is None:
        raise NotFound
    return found


def _shown(told: ProviderAccount) -> HostAccount:
    return HostAccount(id=told.id, can_be_paid=told.can_be_paid, missing=told.missing)
