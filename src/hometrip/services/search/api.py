"""The routes of search. Their queries are records, so that every part is checked and documented."""

from inspect import Parameter, Signature
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from litestar import get, post
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from hometrip.kernel.access import ADMIN, PUBLIC, Caller
from hometrip.kernel.wire import Done
from hometrip.services.search import actions
from hometrip.services.search.actions import Deps
from hometrip.services.search.contract import Destinations, Filters, Results, Suggestions
from hometrip.services.search.rules.asked import Asked


def asked_of(**parts: object) -> Asked:
    """The query as a record: its parameters are the record's fields, with their bounds."""
    return Asked(**parts)  # type: ignore[arg-type]


def parameter_of(field: msgspec.structs.FieldInfo) -> Parameter:
    """The same field as a parameter of a query: there, bounds stand beside the type and not in it."""
    parts = [part for kind in (get_args(field.type) or (field.type,)) for part in (kind, *get_args(kind))]
    bounds = next((part for part in parts if isinstance(part, msgspec.Meta)), msgspec.Meta())
    names = ("ge", "gt", "le", "max_length", "pattern")
    marker = QueryParameter(**{name: getattr(bounds, name) for name in names})
    return Parameter(
        field.name,
        Parameter.KEYWORD_ONLY,
        default=field.default,
        annotation=Annotated[plain_of(field.type), marker],
    )


def plain_of(kind: Any) -> Any:
    """The type without its bounds."""
    if get_origin(kind) is Annotated:
        return get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        return Union[tuple(plain_of(part) for part in get_args(kind))]  # noqa: UP007
    return kind


parameters = [parameter_of(field) for field in msgspec.structs.fields(Asked)]
asked_of.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
asked_of.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}

Beginning = Annotated[str, QueryParameter(min_length=2, max_length=100)]


@get(
    "/search",
    access=PUBLIC,
    summary="Search homes",
    dependencies={"asked": Provide(asked_of, sync_to_thread=False)},
)
async def search(
    deps: NamedDependency[Deps], caller: NamedDependency[Caller], asked: NamedDependency[Asked]
) -> Results:
    return await actions.search(deps, caller, asked)


@get("/search/autocomplete", access=PUBLIC, summary="Places and homes that begin like this")
async def autocomplete(deps: NamedDependency[Deps], q: Beginning) -> Suggestions:
    return await actions.autocomplete(deps, q)


@get("/search/popular", access=PUBLIC, summary="The cities with the most homes")
async def popular(deps: NamedDependency[Deps]) -> Destinations:
    return await actions.popular(deps)


@get("/search/filters", access=PUBLIC, summary="What homes can be filtered by")
async def filters(deps: NamedDependency[Deps]) -> Filters:
    return await actions.filters(deps)


@post("/search/reindex", access=ADMIN, status_code=202, summary="Take in all homes anew")
async def reindex(deps: NamedDependency[Deps]) -> Done:
    return await actions.reindex(deps)


ROUTES = [search, autocomplete, popular, filters, reindex]
