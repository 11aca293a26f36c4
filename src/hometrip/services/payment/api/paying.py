"""The routes of payments, refunds, pay-outs and the journal."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter, RawBody

from hometrip.kernel.access import ADMIN, PUBLIC, STAFF, USER, Caller
from hometrip.kernel.money import Money
from hometrip.kernel.once import Once
from hometrip.kernel.page import DEFAULT_LIMIT, MOST, Page
from hometrip.kernel.wire import Done, Request
from hometrip.ports.payments import Card
from hometrip.services.payment import actions
from hometrip.services.payment.actions import Deps
from hometrip.services.payment.actions.answers import (
    HostBalance,
    Intent,
    Ledger,
    PayoutRecord,
    Reconciliation,
    RefundRecord,
    Refunds,
)

PageLimit = Annotated[int, QueryParameter(ge=1, le=MOST)]


class Opening(Request):
    """Which booking is to be paid."""

    booking_id: UUID


class CardNumber(Request):
    """A test card; a real one never comes here."""

    number: Annotated[str, msgspec.Meta(max_length=30)]
    exp_month: int
    exp_year: int
    cvc: Annotated[str, msgspec.Meta(max_length=4)]


class Confirmation(Request):
    """A payment method, or a test card, or neither to go on after 3-D Secure."""

    payment_method: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    card: CardNumber | None = None


class RefundWish(Request):
    """Without an amount, all that is left goes back."""

    payment_id: UUID
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    amount: Money | None = None


class Paid(Request):
    """Under which reference the guest finds it, such as that of a bank transfer."""

    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\S")]


@post("/payments/intent", access=USER, idempotent=True, summary="Open the payment of a booking")
async def open_intent(
    data: JSONBody[Opening],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> Intent:
    return await actions.open_intent(deps, caller, data.booking_id, once)


@post(
    "/payments/{payment_id:uuid}/confirm",
    access=USER,
    idempotent=True,
    status_code=200,
    summary="Pay with a test card (sandbox only)",
)
async def confirm(
    payment_id: FromPath[UUID],
    data: JSONBody[Confirmation],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> Intent:
    return await actions.confirm(
        deps, caller, payment_id, method=data.payment_method, card=_card(data), once=once
    )


@post("/payments/refund", access=STAFF, idempotent=True, summary="Give money back")
async def refund(
    data: JSONBody[RefundWish],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> RefundRecord:
    return await actions.refund(deps, caller, data.payment_id, data.amount, data.reason, once)


@get("/payments/refunds/owed", access=STAFF, summary="Refunds that the provider refused for good")
async def owed_refunds(
    deps: NamedDependency[Deps],
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[RefundRecord]:
    return await actions.owed_refunds(deps, limit, cursor)


@post(
    "/payments/refunds/{refund_id:uuid}/paid",
    access=STAFF,
    idempotent=True,
    status_code=200,
    summary="Record that such a refund was paid in another way",
)
async def paid_otherwise(
    refund_id: FromPath[UUID],
    data: JSONBody[Paid],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> RefundRecord:
    return await actions.pay_otherwise(deps, caller, refund_id, data.reference, once)


@get("/payments/history", access=USER, summary="My payments")
async def history(
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[Intent]:
    return await actions.history(deps, caller, limit, cursor)


@get("/payments/ledger", access=ADMIN, summary="The journal, with its trial balance")
async def ledger(
    deps: NamedDependency[Deps],
    booking_id: FromQuery[UUID | None] = None,
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Ledger:
    return await actions.ledger(deps, booking_id, limit, cursor)


@get("/payments/reconciliation", access=ADMIN, summary="The journal against the provider's records")
async def reconciliation(deps: NamedDependency[Deps]) -> Reconciliation:
    return await actions.reconciliation(deps)


@get("/payments/{payment_id:uuid}", access=USER, summary="A payment")
async def payment(
    payment_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Intent:
    return await actions.payment(deps, caller, payment_id)


@get("/payments/{payment_id:uuid}/refunds", access=USER, summary="What went back of a payment")
async def refunds(
    payment_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Refunds:
    return await actions.refunds(deps, caller, payment_id)


@post("/webhook/stripe", access=PUBLIC, any_query=True, status_code=200, summary="What the provider tells")
async def webhook(
    body: RawBody,
    deps: NamedDependency[Deps],
    signature: Annotated[str, HeaderParameter(name="stripe-signature")] = "",
) -> Done:
    await actions.hear(deps, body, signature)
    return Done(status="received")


@get("/stripe-connect/payouts", access=USER, summary="What I was paid and will be paid as a host")
async def payouts(
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[PayoutRecord]:
    return await actions.payouts(deps, caller, limit, cursor)


@get("/stripe-connect/balance", access=USER, summary="What I have earned as a host")
async def balance(deps: NamedDependency[Deps], caller: NamedDependency[Caller]) -> HostBalance:
    return await actions.host_balance(deps, caller)


def _card(data: Confirmation) -> Card | None:
    return None if data.card is None else Card(**msgspec.structs.asdict(data.card))


ROUTES = [
    open_intent,
    confirm,
    refund,
    owed_refunds,
    paid_otherwise,
    history,
    ledger,
    reconciliation,
    payment,
    refunds,
    webhook,
    payouts,
    balance,
]
