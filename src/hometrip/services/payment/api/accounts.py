"""The routes of kept cards and of hosts' accounts."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from hometrip.kernel.access import ADMIN, STAFF, USER, Caller
from hometrip.kernel.once import Once
from hometrip.kernel.page import DEFAULT_LIMIT, MOST, Page
from hometrip.kernel.wire import Request
from hometrip.services.payment import actions
from hometrip.services.payment.actions import Deps
from hometrip.services.payment.actions.answers import (
    AccountLink,
    HostAccount,
    Method,
    Methods,
    PaymentStats,
    PayoutRecord,
)


class BackTo(Request):
    """The page to come back to from the provider's."""

    back_to: Annotated[str, msgspec.Meta(pattern="^https?://", max_length=2000)]


class Token(Request):
    """What the provider's own form gave for a card. A number is refused unread."""

    payment_method: Annotated[str, msgspec.Meta(pattern="^pm_[A-Za-z0-9_]+$", max_length=100)]


class PayoutWish(Request):
    """Which booking's host is to be paid now."""

    booking_id: UUID


@get("/payments/stats", access=USER, summary="My payments in figures; everybody's for an admin")
async def stats(deps: NamedDependency[Deps], caller: NamedDependency[Caller]) -> PaymentStats:
    return await actions.stats(deps, caller)


@get("/payments/methods", access=USER, summary="My saved cards")
async def methods(deps: NamedDependency[Deps], caller: NamedDependency[Caller]) -> Methods:
    return await actions.methods(deps, caller)


@post("/payments/methods", access=USER, idempotent=True, summary="Save a card by the provider's token")
async def keep_method(
    data: JSONBody[Token],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> Method:
    return await actions.keep_method(deps, caller, data.payment_method, once)


@delete("/payments/methods/{method_id:str}", access=USER, summary="Forget a saved card")
async def forget_method(
    method_id: FromPath[str], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> None:
    await actions.forget_method(deps, caller, method_id)


@post("/stripe-connect/account", access=USER, summary="Open my account for pay-outs")
async def open_account(deps: NamedDependency[Deps], caller: NamedDependency[Caller]) -> HostAccount:
    return await actions.open_account(deps, caller)


@get("/stripe-connect/account", access=USER, summary="My account for pay-outs")
async def account(deps: NamedDependency[Deps], caller: NamedDependency[Caller]) -> HostAccount:
    return await actions.account(deps, caller)


@post("/stripe-connect/account/link", access=USER, summary="Where I tell the provider who I am")
async def account_link(
    data: JSONBody[BackTo], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> AccountLink:
    return await actions.account_link(deps, caller, data.back_to)


@get("/payments/payouts/owed", access=STAFF, summary="Pay-outs that failed, and whose hosts are owed them")
async def owed_payouts(
    deps: NamedDependency[Deps],
    limit: Annotated[int, QueryParameter(ge=1, le=MOST)] = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[PayoutRecord]:
    return await actions.owed_payouts(deps, limit, cursor)


@post("/stripe-connect/payout", access=ADMIN, idempotent=True, summary="Pay a host before the day")
async def pay_out(
    data: JSONBody[PayoutWish],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> PayoutRecord:
    return await actions.pay_out_now(deps, caller, data.booking_id, once)


ROUTES: list[Any] = [
    stats,
    methods,
    keep_method,
    forget_method,
    open_account,
    account,
    account_link,
    owed_payouts,
    pay_out,
]
