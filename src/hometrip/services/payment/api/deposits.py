"""The routes of damage deposits and of claims on them."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, MultipartBody, QueryParameter

from hometrip.kernel.access import STAFF, USER, Caller
from hometrip.kernel.money import Money
from hometrip.kernel.once import Once
from hometrip.kernel.page import DEFAULT_LIMIT, MOST, Page
from hometrip.kernel.wire import Request
from hometrip.services.payment import actions
from hometrip.services.payment.actions import Deps
from hometrip.services.payment.actions.answers import ClaimRecord, DepositRecord

PICTURES_BYTES = 160_000_000
FOR_ONE_ALONE = {
    "Cache-Control": "private, max-age=3600",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


class ClaimWish(Request):
    """What was damaged, and what it costs."""

    amount: Money
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]


class ClaimAnswer(Request):
    accept: bool


class ClaimDecision(Request):
    """What of the claim is granted; nothing is an amount of 0."""

    amount: Money


@get("/payments/deposits/claims", access=STAFF, summary="Claims on damage deposits, the newest first")
async def claims(
    deps: NamedDependency[Deps],
    status: FromQuery[Literal["open", "with_staff", "granted", "refused", "not_covered"] | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MOST)] = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[ClaimRecord]:
    return await actions.claims(deps, status, limit, cursor)


@get("/payments/deposits/{booking_id:uuid}", access=USER, summary="A booking's damage deposit")
async def deposit(
    booking_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> DepositRecord:
    return await actions.deposit(deps, caller, booking_id)


@post(
    "/payments/deposits/{booking_id:uuid}/claims",
    access=USER,
    idempotent=True,
    summary="Claim part of a deposit",
)
async def claim(
    booking_id: FromPath[UUID],
    data: JSONBody[ClaimWish],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> ClaimRecord:
    return await actions.claim(deps, caller, booking_id, data.amount, data.text, once)


@post(
    "/payments/deposits/{booking_id:uuid}/claims/{claim_id:uuid}/answer",
    access=USER,
    idempotent=True,
    status_code=200,
    summary="Accept a claim, or leave it to staff",
)
async def answer_claim(
    booking_id: FromPath[UUID],
    claim_id: FromPath[UUID],
    data: JSONBody[ClaimAnswer],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> ClaimRecord:
    return await actions.answer_claim(deps, caller, booking_id, claim_id, accept=data.accept, once=once)


@post(
    "/payments/deposits/{booking_id:uuid}/claims/{claim_id:uuid}/decide",
    access=STAFF,
    idempotent=True,
    status_code=200,
    summary="Decide a claim",
)
async def decide_claim(
    booking_id: FromPath[UUID],
    claim_id: FromPath[UUID],
    data: JSONBody[ClaimDecision],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> ClaimRecord:
    return await actions.decide_claim(deps, caller, booking_id, claim_id, data.amount, once)


@post(
    "/payments/deposits/{booking_id:uuid}/claims/{claim_id:uuid}/pictures",
    access=USER,
    idempotent=True,
    limit="upload",
    max_body=PICTURES_BYTES,
    summary="Add pictures to a claim: each file of the form, whatever its field is called",
)
async def add_pictures(
    booking_id: FromPath[UUID],
    claim_id: FromPath[UUID],
    data: MultipartBody[dict[str, Any]],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> ClaimRecord:
    parts = [part for value in data.values() for part in (value if isinstance(value, list) else [value])]
    contents = [await part.read() for part in parts if isinstance(part, UploadFile)]
    return await actions.add_pictures(deps, caller, booking_id, claim_id, contents, once)


@get(
    "/payments/deposits/{booking_id:uuid}/claims/{claim_id:uuid}/pictures/{picture_id:uuid}",
    access=USER,
    summary="A picture of what was damaged",
)
async def picture(
    booking_id: FromPath[UUID],
    claim_id: FromPath[UUID],
    picture_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> Response[bytes]:
    found = await actions.picture(deps, caller, booking_id, claim_id, picture_id)
    return Response(found.content, media_type=found.content_type, headers=FOR_ONE_ALONE)


ROUTES: list[Any] = [claims, deposit, claim, answer_claim, decide_claim, add_pictures, picture]
