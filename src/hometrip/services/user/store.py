"""Collections of profiles, settings and favourites, and every query on them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hometrip.kernel.page import Page
from hometrip.ports.documents import (
    Change,
    Collection,
    DocumentReader,
    DocumentTx,
    Index,
    Record,
    eq,
)
from hometrip.services.user.rules import Wishes


class Profile(Record):
    """Who somebody is; its id is the account's."""

    display_name: str
    created_at: datetime
    verified: bool
    bio: str = ""
    hometown: str = ""
    languages: list[str] = []
    avatar: str | None = None


class Settings(Record):
    """How somebody wants to be spoken to; its id is the account's."""

    wishes: Wishes


class Favorite(Record):
    """A home that somebody likes."""

    user_id: UUID
    listing_id: UUID
    added_at: datetime


profiles: Collection[Profile] = Collection("profiles", Profile)
settings: Collection[Settings] = Collection("settings", Settings)
# The unique index, not our code, keeps a home from being liked twice by one account.
favorites: Collection[Favorite] = Collection(
    "favorites",
    Favorite,
    indexes=(
        Index("favorite_once", ("user_id", "listing_id"), unique=True),
        Index("favorites_of_user", ("user_id", "added_at")),
    ),
)
COLLECTIONS = (profiles, settings, favorites)


async def add_person(tx: DocumentTx, profile: Profile, wishes: Wishes) -> None:
    """`Duplicate` where another was faster."""
    await tx.insert(profiles, profile)
    await tx.insert(settings, Settings(id=profile.id, wishes=wishes))


async def mark_verified(tx: DocumentTx, user_id: UUID, display_name: str, locale: str) -> None:
    """Name and language follow the verified sign-up where their owner has not written others since."""
    untouched = eq("version", 1)
    if locale:
        await tx.change(settings, user_id, Change(set={"wishes.language": locale}), untouched)
    renamed = {"display_name": display_name} if display_name else {}
    if not await tx.change(profiles, user_id, Change(set={"verified": True, **renamed}), untouched):
        await tx.change(profiles, user_id, Change(set={"verified": True}))


async def favorite(reader: DocumentReader, user_id: UUID, listing_id: UUID) -> Favorite | None:
    return await reader.first(favorites, eq("user_id", user_id) & eq("listing_id", listing_id))


async def favorites_of(
    reader: DocumentReader, user_id: UUID, limit: int, cursor: str | None
) -> Page[Favorite]:
    """The one that was added last comes first."""
    return await reader.find(
        favorites, eq("user_id", user_id), sort=("-added_at",), limit=limit, cursor=cursor
    )


async def remove_favorite(tx: DocumentTx, user_id: UUID, listing_id: UUID) -> bool:
    """Was it one?"""
    return await tx.delete_where(favorites, eq("user_id", user_id) & eq("listing_id", listing_id)) > 0
