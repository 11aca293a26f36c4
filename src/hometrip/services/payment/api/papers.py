"""The routes of invoices, statements and the tax report."""

from typing import Annotated, Any, Literal

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter

from hometrip.kernel.access import USER, Caller
from hometrip.kernel.page import DEFAULT_LIMIT, MOST, Page
from hometrip.kernel.wire import PDF, wants_pdf
from hometrip.services.payment import actions
from hometrip.services.payment.actions import Deps
from hometrip.services.payment.actions.answers import InvoiceRecord, Statement

Format = FromQuery[Literal["json", "pdf"] | None]
Accept = Annotated[str, HeaderParameter(name="accept")]


@get("/payments/invoices", access=USER, summary="My invoices and credit notes")
async def invoices(
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    limit: Annotated[int, QueryParameter(ge=1, le=MOST)] = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[InvoiceRecord]:
    return await actions.invoices(deps, caller, limit, cursor)


@get(
    "/payments/invoices/{number:str}",
    access=USER,
    also_as=PDF,
    summary="An invoice or credit note, JSON or PDF",
)
async def invoice(
    number: FromPath[str],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    format: Format = None,  # noqa: A002 - the name in the address
    accept: Accept = "",
) -> Response[InvoiceRecord]:
    if wants_pdf(format, accept):
        return _pdf(await actions.invoice_pdf(deps, caller, number), f"hometrip-{number}.pdf")
    return Response(await actions.invoice(deps, caller, number))


@get("/payments/statements/{year:int}", access=USER, also_as=PDF, summary="My year as a host, JSON or PDF")
async def statement(
    year: FromPath[int],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    format: Format = None,  # noqa: A002 - the name in the address
    accept: Accept = "",
) -> Response[Statement]:
    if wants_pdf(format, accept):
        return _pdf(await actions.statement_pdf(deps, caller, year), f"hometrip-statement-{year}.pdf")
    return Response(await actions.statement(deps, caller, year))


@get("/payments/tax-report", access=USER, summary="Taxes of a year, as CSV")
async def tax_report(
    deps: NamedDependency[Deps], caller: NamedDependency[Caller], year: FromQuery[int]
) -> Response[str]:
    headers = {"Content-Disposition": f'attachment; filename="hometrip-taxes-{year}.csv"'}
    text = await actions.tax_report(deps, caller, year)
    return Response(text, media_type="text/csv; header=present", headers=headers)


def _pdf(content: bytes, name: str) -> Response[Any]:
    return Response(content, media_type=PDF, headers={"Content-Disposition": f'inline; filename="{name}"'})


ROUTES: list[Any] = [invoices, invoice, statement, tax_report]
