"""Routes of the table of taxes, for staff."""

from uuid import UUID

from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from hometrip.kernel.access import STAFF, Caller
from hometrip.kernel.wire import Request
from hometrip.services.listing import actions
from hometrip.services.listing.actions import Deps
from hometrip.services.listing.actions.taxes import TaxList, TaxShown
from hometrip.services.listing.rules.taxes import Area, TaxTerms


class Switch(Request):
    """All rules of the area, and of what lies in it."""

    area: Area
    enabled: bool


@get("/listings/taxes", access=STAFF, summary="Every tax rule, in the order of the lines they make")
async def list_taxes(deps: NamedDependency[Deps]) -> TaxList:
    return await actions.list_taxes(deps)


@post("/listings/taxes", access=STAFF, summary="Write a new tax rule")
async def add_tax(
    data: JSONBody[TaxTerms], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> TaxShown:
    return await actions.add_tax(deps, caller, data)


@put("/listings/taxes/{tax_id:uuid}", access=STAFF, summary="Write a tax rule anew")
async def write_tax(
    tax_id: FromPath[UUID],
    data: JSONBody[TaxTerms],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    if_match: NamedDependency[int | None],
) -> TaxShown:
    return await actions.write_tax(deps, caller, tax_id, data, if_match)


@delete("/listings/taxes/{tax_id:uuid}", access=STAFF, summary="Delete a tax rule")
async def delete_tax(tax_id: FromPath[UUID], deps: NamedDependency[Deps]) -> None:
    await actions.delete_tax(deps, tax_id)


@post("/listings/taxes/switch", access=STAFF, status_code=200, summary="Switch an area's taxes on or off")
async def switch_taxes(
    data: JSONBody[Switch], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> TaxList:
    return await actions.switch_taxes(deps, caller, data.area, enabled=data.enabled)


ROUTES = [list_taxes, add_tax, write_tax, delete_tax, switch_taxes]
