"""The routes of a booking's receipt, as JSON and on paper."""

from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter

from hometrip.kernel.access import USER, Caller
from hometrip.kernel.wire import PDF, wants_pdf
from hometrip.services.booking import actions
from hometrip.services.booking.actions import Deps
from hometrip.services.booking.rules import Receipt


@get(
    "/bookings/{booking_id:uuid}/receipt",
    access=USER,
    also_as=PDF,
    summary="What was paid and given back, JSON or PDF",
)
async def receipt(
    booking_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    format: FromQuery[Literal["json", "pdf"] | None] = None,  # noqa: A002 - the name in the address
    accept: Annotated[str, HeaderParameter(name="accept")] = "",
) -> Response[Receipt]:
    if wants_pdf(format, accept):
        return _pdf(await actions.receipt_pdf(deps, caller, booking_id))
    return Response(await actions.receipt(deps, caller, booking_id))


@get(
    "/bookings/{booking_id:uuid}/receipt.pdf",
    access=USER,
    summary="The receipt on paper",
    media_type=PDF,
)
async def receipt_on_paper(
    booking_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> bytes:
    return await actions.receipt_pdf(deps, caller, booking_id)


def _pdf(content: bytes) -> Response[Any]:
    return Response(content, media_type=PDF)


ROUTES: list[Any] = [receipt, receipt_on_paper]
