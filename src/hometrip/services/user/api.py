"""The routes of user."""

from typing import Annotated, Any
from uuid import UUID

from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from hometrip.kernel.access import PUBLIC, USER, Caller
from hometrip.kernel.page import DEFAULT_LIMIT, MOST, Page
from hometrip.services.user import actions
from hometrip.services.user.actions import Deps, FavoriteShown, ProfileShown, SettingsShown
from hometrip.services.user.contract import PublicProfile
from hometrip.services.user.rules import ProfileEdit, SettingsEdit

PageLimit = Annotated[int, QueryParameter(ge=1, le=MOST)]


@get("/users/{user_id:uuid}", access=USER, summary="A whole profile")
async def show(
    user_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> ProfileShown:
    return await actions.show(deps, caller, user_id)


@get("/users/{user_id:uuid}/public", access=PUBLIC, fresh_for=5, summary="What others may see of a profile")
async def show_public(user_id: FromPath[UUID], deps: NamedDependency[Deps]) -> PublicProfile:
    return await actions.show_public(deps, user_id)


@put("/users/{user_id:uuid}", access=USER, summary="Write the profile anew")
async def edit(
    user_id: FromPath[UUID],
    data: JSONBody[ProfileEdit],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    if_match: NamedDependency[int | None],
) -> ProfileShown:
    return await actions.edit(deps, caller, user_id, data, if_match)


@get("/users/{user_id:uuid}/settings", access=USER, summary="How an account wants to be spoken to")
async def show_settings(
    user_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> SettingsShown:
    return await actions.show_settings(deps, caller, user_id)


@put("/users/{user_id:uuid}/settings", access=USER, summary="Write all settings anew")
async def edit_settings(
    user_id: FromPath[UUID],
    data: JSONBody[SettingsEdit],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    if_match: NamedDependency[int | None],
) -> SettingsShown:
    return await actions.edit_settings(deps, caller, user_id, data, if_match)


@get("/users/{user_id:uuid}/favorites", access=USER, summary="Homes that the account likes")
async def list_favorites(
    user_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
    limit: PageLimit = DEFAULT_LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Page[FavoriteShown]:
    return await actions.list_favorites(deps, caller, user_id, limit, cursor)


@post("/users/{user_id:uuid}/favorites/{listing_id:uuid}", access=USER, summary="Like a home")
async def add_favorite(
    user_id: FromPath[UUID],
    listing_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> FavoriteShown:
    return await actions.add_favorite(deps, caller, user_id, listing_id)


@delete("/users/{user_id:uuid}/favorites/{listing_id:uuid}", access=USER, summary="Like a home no longer")
async def remove_favorite(
    user_id: FromPath[UUID],
    listing_id: FromPath[UUID],
    deps: NamedDependency[Deps],
    caller: NamedDependency[Caller],
) -> None:
    await actions.remove_favorite(deps, caller, user_id, listing_id)


ROUTES: list[Any] = [
    show,
    show_public,
    edit,
    show_settings,
    edit_settings,
    list_favorites,
    add_favorite,
    remove_favorite,
]
