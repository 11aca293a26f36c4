"""What others may know of profiles: events, public records, and the questions that user answers."""

from __future__ import annotations

from datetime import date
from typing import Protocol
from uuid import UUID

from hometrip.kernel.events import Event
from hometrip.kernel.wire import Answer


class UserUpdated(Event):
    """The account's name or language changed; `locale` is empty where the language did not."""

    name = "user.updated"
    about = ("user", "user_id")

    user_id: UUID
    display_name: str
    locale: str = ""


class FavoriteAdded(Event):
    name = "favorite.added"
    about = ("user", "user_id")

    user_id: UUID
    listing_id: UUID


class FavoriteRemoved(Event):
    name = "favorite.removed"
    about = ("user", "user_id")

    user_id: UUID
    listing_id: UUID


class PublicProfile(Answer):
    """What everybody may see of an account."""

    id: UUID
    first_name: str
    since: date
    languages: list[str]
    bio: str
    badges: list[str]
    avatar: str | None = None


class Preferences(Answer):
    """How an account wants to be spoken to.

    `muted` lists `kind:channel` pairs that are not wanted, such as `favorites.price_drop:email`; a pair's
    kind may name a whole group of kinds (`favorites`). In the quiet hours, local times such as `22:00`, only
    what is urgent is sent; both are empty where there are none.
    """

    user_id: UUID
    locale: str
    currency: str
    time_zone: str
    muted: list[str]
    quiet_from: str = ""
    quiet_to: str = ""


class UserQuestions(Protocol):
    async def public_profiles(self, user_ids: list[UUID]) -> list[PublicProfile]:
        """Of those that have an account, in the order asked for."""

    async def preferences(self, user_ids: list[UUID]) -> list[Preferences]:
        """Of those that have an account, in the order asked for."""
