"""The routes of search. Their queries are records, so that every part is checked and documented."""

from typing import Annotated

from litestar import get, post
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter
from litestar.types import Scope

from hometrip.kernel.access import ADMIN, PUBLIC, Caller
from hometrip.kernel.wire import Done
from hometrip.services.search import actions
from hometrip.services.search.actions import Deps
from hometrip.services.search.contract import Destinations, Filters, Results, Suggestions
from hometrip.services.search.rules.asked import Asked, asked_in


def provide_asked(scope: Scope, deps: NamedDependency[Deps]) -> Asked:
    """The query as a record. Two dozen parameters declared one by one would cost more than the search itself;
    `query=` on the route puts the record's fields into the OpenAPI document all the same.

    `deps` is not needed: what is asked for in a chain is resolved without a task each.
    """
    return asked_in(scope["query_string"])


Beginning = Annotated[str, QueryParameter(min_length=2, max_length=100)]


@get(
    "/search",
    access=PUBLIC,
    fresh_for=0,
    anywhere=True,
    tells={"listing_id": "/items/0/id"},
    summary="Search homes",
    query=Asked,
    dependencies={"asked": Provide(provide_asked, sync_to_thread=False)},
)
async def search(
    deps: NamedDependency[Deps], caller: NamedDependency[Caller], asked: NamedDependency[Asked]
) -> Results:
    return await actions.search(deps, caller, asked)


@get(
    "/search/autocomplete",
    access=PUBLIC,
    fresh_for=5,
    anywhere=True,
    summary="Places and homes that begin like this",
)
async def autocomplete(deps: NamedDependency[Deps], q: Beginning) -> Suggestions:
    return await actions.autocomplete(deps, q)


@get("/search/popular", access=PUBLIC, fresh_for=60, anywhere=True, summary="The cities with the most homes")
async def popular(deps: NamedDependency[Deps]) -> Destinations:
    return await actions.popular(deps)


@get("/search/filters", access=PUBLIC, fresh_for=60, anywhere=True, summary="What homes can be filtered by")
async def filters(deps: NamedDependency[Deps], caller: NamedDependency[Caller]) -> Filters:
    return await actions.filters(deps, caller)


@post("/search/reindex", access=ADMIN, status_code=202, summary="Take in all homes anew")
async def reindex(deps: NamedDependency[Deps]) -> Done:
    return await actions.reindex(deps)


ROUTES = [search, autocomplete, popular, filters, reindex]
