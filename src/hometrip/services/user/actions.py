"""What user does: profiles, settings and favourites."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from hometrip.kernel.access import Caller
from hometrip.kernel.clock import Clock
from hometrip.kernel.errors import Forbidden, NotFound, Unavailable, VersionMismatch
from hometrip.kernel.ids import NewId
from hometrip.kernel.page import Page
from hometrip.kernel.wire import Answer
from hometrip.ports.documents import Documents, Duplicate
from hometrip.services.auth.contract import AuthQuestions
from hometrip.services.listing.contract import HomeCard, ListingQuestions
from hometrip.services.user import rules, store
from hometrip.services.user.contract import (
    FavoriteAdded,
    FavoriteRemoved,
    Preferences,
    PublicProfile,
    UserUpdated,
)
from hometrip.services.user.rules import ProfileEdit, QuietHours, SettingsEdit, Wishes
from hometrip.services.user.store import Favorite, Profile, Settings


@dataclass(frozen=True)
class Deps:
    db: Documents
    clock: Clock
    new_id: NewId
    auth: AuthQuestions
    listing: ListingQuestions


class ProfileShown(Answer):
    """A profile as its owner sees it."""

    id: UUID
    display_name: str
    first_name: str
    bio: str
    hometown: str
    languages: list[str]
    badges: list[str]
    created_at: datetime
    version: int
    avatar: str | None = None


class SettingsShown(Answer):
    language: str
    currency: str
    theme: str
    time_zone: str
    notifications: dict[str, dict[str, bool]]
    quiet_hours: QuietHours
    version: int


class FavoriteHome(Answer):
    """What everybody may see of a home that somebody likes."""

    title: str
    city: str
    country: str
    status: str
    cover: str | None = None


class FavoriteShown(Answer):
    """`home` is left out where the home is gone, is taken down, or cannot be asked for now."""

    listing_id: UUID
    added_at: datetime
    home: FavoriteHome | None = None


# profiles


async def show(deps: Deps, caller: Caller, user_id: UUID) -> ProfileShown:
    caller.must_be_one_of(user_id)
    return _shown(await _profile(deps, user_id))


async def show_public(deps: Deps, user_id: UUID) -> PublicProfile:
    return _public(await _profile(deps, user_id))


async def edit(
    deps: Deps, caller: Caller, user_id: UUID, wish: ProfileEdit, if_match: int | None
) -> ProfileShown:
    """Write the profile anew. Raises `VersionMismatch` where it is not at the version of `if_match`."""
    _must_own(caller, user_id)
    await _profile(deps, user_id)
    name = rules.display_name(wish.display_name)
    async with deps.db.transaction() as tx:
        known = await tx.get(store.profiles, user_id)
        if known is None:
            raise NotFound
        _must_match(known.version, if_match)
        wanted = msgspec.structs.replace(
            known,
            display_name=name,
            bio=rules.paragraphs(wish.bio),
            hometown=rules.paragraphs(wish.hometown),
            languages=list(dict.fromkeys(wish.languages)),
        )
        written = await tx.replace(store.profiles, wanted)
        await tx.emit(UserUpdated(user_id=user_id, display_name=name))
    return _shown(written)


def _must_own(caller: Caller, user_id: UUID) -> None:
    """Staff see other people's records, and do not write them."""
    caller.must_be_one_of(user_id)
    if caller.account_id != user_id:
        raise Forbidden


async def _profile(deps: Deps, user_id: UUID) -> Profile:
    found = await _people(deps, [user_id])
    if not found:
        raise NotFound
    return found[0]


async def _people(deps: Deps, ids: list[UUID]) -> list[Profile]:
    """Their profiles, in the order asked for.

    The event of an account may not have been heard yet: the profile is made now, of what auth knows.
    """
    known = {one.id: one for one in await deps.db.get_many(store.profiles, ids)}
    missing = [user_id for user_id in dict.fromkeys(ids) if user_id not in known]
    if missing:
        for address in await deps.auth.addresses(missing):
            known[address.user_id] = await make_profile(
                deps, address.user_id, address.display_name, address.locale, verified=address.verified
            )
    return [known[user_id] for user_id in ids if user_id in known]


async def make_profile(
    deps: Deps, user_id: UUID, display_name: str, locale: str, *, verified: bool
) -> Profile:
    """The account's profile and settings; those that are there already stay as they are."""
    profile = Profile(
        id=user_id,
        display_name=display_name,
        created_at=rules.since(user_id),
        verified=verified,
    )
    try:
        async with deps.db.transaction() as tx:
            await store.add_person(tx, profile, Wishes(language=locale))
    except Duplicate:
        return await deps.db.get(store.profiles, user_id) or profile
    return profile


def _shown(profile: Profile) -> ProfileShown:
    return ProfileShown(
        id=profile.id,
        display_name=profile.display_name,
        first_name=rules.first_name(profile.display_name),
        bio=profile.bio,
        hometown=profile.hometown,
        languages=profile.languages,
        badges=_badges(profile),
        created_at=profile.created_at,
        version=profile.version,
        avatar=profile.avatar,
    )


def _public(profile: Profile) -> PublicProfile:
    return PublicProfile(
        id=profile.id,
        first_name=rules.first_name(profile.display_name),
        since=profile.created_at.date(),
        languages=profile.languages,
        bio=profile.bio,
        badges=_badges(profile),
        avatar=profile.avatar,
    )


def _badges(profile: Profile) -> list[str]:
    """What has been verified."""
    return ["email"] if profile.verified else []


# settings


async def show_settings(deps: Deps, caller: Caller, user_id: UUID) -> SettingsShown:
    caller.must_be_one_of(user_id)
    await _profile(deps, user_id)
    found = await deps.db.get(store.settings, user_id)
    if found is None:
        raise NotFound
    return _settings_shown(found)


async def edit_settings(
    deps: Deps, caller: Caller, user_id: UUID, wish: SettingsEdit, if_match: int | None
) -> SettingsShown:
    """Write all settings anew. Raises `VersionMismatch` where they are not at the version of `if_match`."""
    _must_own(caller, user_id)
    profile, wishes = await _profile(deps, user_id), rules.wishes_of(wish)
    async with deps.db.transaction() as tx:
        known = await tx.get(store.settings, user_id)
        if known is None:
            raise NotFound
        _must_match(known.version, if_match)
        written = await tx.replace(store.settings, msgspec.structs.replace(known, wishes=wishes))
        if wishes.language != known.wishes.language:
            renamed = UserUpdated(user_id=user_id, display_name=profile.display_name, locale=wishes.language)
            await tx.emit(renamed)
    return _settings_shown(written)


def _must_match(version: int, if_match: int | None) -> None:
    if if_match not in (None, version):
        raise VersionMismatch


def _settings_shown(settings: Settings) -> SettingsShown:
    wishes = settings.wishes
    return SettingsShown(
        language=wishes.language,
        currency=wishes.currency,
        theme=wishes.theme,
        time_zone=wishes.time_zone,
        notifications=wishes.notifications,
        quiet_hours=wishes.quiet_hours,
        version=settings.version,
    )


# favourites

# In which states a home that somebody liked is still shown to them: a paused one may come back.
SEEN = ("published", "paused")


async def list_favorites(
    deps: Deps, caller: Caller, user_id: UUID, limit: int, cursor: str | None
) -> Page[FavoriteShown]:
    caller.must_be_one_of(user_id)
    page = await store.favorites_of(deps.db, user_id, limit, cursor)
    homes = await _homes(deps, [one.listing_id for one in page.items])
    items = [_favorite_shown(one, homes.get(one.listing_id)) for one in page.items]
    return Page(items, page.next_cursor)


async def _homes(deps: Deps, ids: list[UUID]) -> dict[UUID, HomeCard]:
    """A list of favourites is of use without its pictures, too."""
    try:
        return {home.id: home for home in await deps.listing.homes(ids)} if ids else {}
    except Unavailable:
        return {}


async def add_favorite(deps: Deps, caller: Caller, user_id: UUID, listing_id: UUID) -> FavoriteShown:
    """`NotFound` unless the caller can see the home. One that is a favourite already stays as it is."""
    _must_own(caller, user_id)
    homes = await deps.listing.homes([listing_id])
    if not homes or (homes[0].status != "published" and homes[0].host_id != user_id):
        raise NotFound
    favorite = Favorite(id=deps.new_id(), user_id=user_id, listing_id=listing_id, added_at=deps.clock.now())
    try:
        async with deps.db.transaction() as tx:
            await tx.insert(store.favorites, favorite)
            await tx.emit(FavoriteAdded(user_id=user_id, listing_id=listing_id))
    except Duplicate:
        favorite = await store.favorite(deps.db, user_id, listing_id) or favorite
    return _favorite_shown(favorite, homes[0])


async def remove_favorite(deps: Deps, caller: Caller, user_id: UUID, listing_id: UUID) -> None:
    """What is no favourite is not one afterwards either."""
    _must_own(caller, user_id)
    async with deps.db.transaction() as tx:
        if await store.remove_favorite(tx, user_id, listing_id):
            await tx.emit(FavoriteRemoved(user_id=user_id, listing_id=listing_id))


def _favorite_shown(favorite: Favorite, home: HomeCard | None) -> FavoriteShown:
    seen = home is not None and (home.status in SEEN or home.host_id == favorite.user_id)
    return FavoriteShown(
        listing_id=favorite.listing_id,
        added_at=favorite.added_at,
        home=FavoriteHome(
            title=home.title, city=home.city, country=home.country, status=home.status, cover=home.cover
        )
        if home and seen
        else None,
    )


# questions


async def public_profiles(deps: Deps, user_ids: list[UUID]) -> list[PublicProfile]:
    return [_public(profile) for profile in await _people(deps, user_ids)]


async def preferences(deps: Deps, user_ids: list[UUID]) -> list[Preferences]:
    people = await _people(deps, user_ids)
    return [
        Preferences(
            user_id=settings.id,
            locale=settings.wishes.language,
            currency=settings.wishes.currency,
            time_zone=settings.wishes.time_zone,
            muted=rules.muted(settings.wishes),
            quiet_from=settings.wishes.quiet_hours.since if settings.wishes.quiet_hours.on else "",
            quiet_to=settings.wishes.quiet_hours.until if settings.wishes.quiet_hours.on else "",
        )
        for settings in await deps.db.get_many(store.settings, [person.id for person in people])
    ]
