"""Routes of co-hosts: who acts for a home besides its host."""

from typing import Annotated
from uuid import UUID

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from hometrip.kernel.access import USER, Caller
from hometrip.kernel.wire import Request
from hometrip.services.listing import actions
from hometrip.services.listing.actions import Deps
from hometrip.services.listing.actions.co_hosts import CoHosts, CoHostShown


class CoHostWish(Request):
    """The address with which the co-host signs in here."""

    email: Annotated[str, Meta(min_length=3, max_length=254)]


@get("/listings/{listing_id:uuid}/co-hosts", access=USER, summary="Who acts for the home besides its host")
async def list_co_hosts(
    listing_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> CoHosts:
    return await actions.co_hosts(deps, caller, listing_id)


@post(
    "/listings/{listing_id:uuid}/co-hosts",
    access=USER,
    limit="invite",
    summary="Have somebody act for the home, too",
)
async def add_co_host(
    listing_id: FromPath[UUID],
    data: JSONBody[CoHostWish],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> CoHostShown:
    return await actions.add_co_host(deps, caller, listing_id, data.email)


@delete(
    "/listings/{listing_id:uuid}/co-hosts",
    access=USER,
    summary="Let them act for the home no more; or, as a co-host, stop",
)
async def remove_co_host(
    listing_id: FromPath[UUID],
    account_id: FromQuery[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> None:
    await actions.remove_co_host(deps, caller, listing_id, account_id)


ROUTES = [list_co_hosts, add_co_host, remove_co_host]
