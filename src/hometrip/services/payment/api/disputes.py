"""The routes of chargebacks."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from hometrip.kernel.access import STAFF, Caller
from hometrip.kernel.once import Once
from hometrip.kernel.page import DEFAULT_LIMIT, MOST, Page
from hometrip.kernel.wire import Request
from hometrip.services.payment import actions
from hometrip.services.payment.actions import Deps
from hometrip.services.payment.actions.answers import DisputeRecord


class Evidence(Request):
    """What speaks for us. Facts of the stay are added to it; it can be sent once."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]


@get("/payments/disputes", access=STAFF, summary="Payments whose cardholders' banks ask for the money back")
async def disputes(
    deps: NamedDependency[Deps],
    status: FromQuery[Literal["needs_response", "under_review", "won", "lost"] | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=MOST)] = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[DisputeRecord]:
    return await actions.disputes(deps, status, limit, cursor)


@post(
    "/payments/disputes/{dispute_id:uuid}/evidence",
    access=STAFF,
    idempotent=True,
    status_code=200,
    summary="Answer a dispute",
)
async def evidence(
    dispute_id: FromPath[UUID],
    data: JSONBody[Evidence],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> DisputeRecord:
    return await actions.answer_dispute(deps, caller, dispute_id, data.text, once)


ROUTES: list[Any] = [disputes, evidence]
