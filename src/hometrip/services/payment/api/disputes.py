"""The routes of chargebacks."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, MultipartBody, QueryParameter

from hometrip.kernel.access import STAFF, Caller
from hometrip.kernel.once import Once
from hometrip.kernel.page import DEFAULT_LIMIT, MOST, Page
from hometrip.kernel.wire import Request
from hometrip.services.payment import actions
from hometrip.services.payment.actions import Deps
from hometrip.services.payment.actions.answers import DisputeRecord

FILE_BYTES = 16_000_000
# Staff alone have it; a PDF is none of ours, and is saved, not opened.
FOR_STAFF = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Content-Disposition": "attachment",
}


class Evidence(Request):
    """What speaks for us. Facts of the stay, and the file, are added to it; it can be sent once."""

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


@post(
    "/payments/disputes/{dispute_id:uuid}/file",
    access=STAFF,
    idempotent=True,
    limit="upload",
    max_body=FILE_BYTES,
    status_code=200,
    summary="Add a picture or a PDF to the answer: the one file of the form, in the place of the one before",
)
async def attach(
    dispute_id: FromPath[UUID],
    data: MultipartBody[dict[str, Any]],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    once: NamedDependency[Once],
) -> DisputeRecord:
    parts = [part for value in data.values() for part in (value if isinstance(value, list) else [value])]
    contents = [await part.read() for part in parts if isinstance(part, UploadFile)]
    return await actions.attach(deps, caller, dispute_id, contents, once)


@get("/payments/disputes/{dispute_id:uuid}/file", access=STAFF, summary="The file of the answer")
async def evidence_file(
    dispute_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Response[bytes]:
    found = await actions.evidence_file(deps, caller, dispute_id)
    return Response(found.content, media_type=found.content_type, headers=FOR_STAFF)


ROUTES: list[Any] = [disputes, evidence, attach, evidence_file]
