"""Which bookings are made at once: of this guest, and of any who meets a home's demands; and homes with that,
as their hosts and staff see them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.errors import Unavailable
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps, as_shown
from hometrip.services.listing.rules.calendar import Calendar
from hometrip.services.listing.rules.home import Home
from hometrip.services.listing.rules.instant import books_instantly, takes_at_once
from hometrip.services.listing.rules.shown import Listing, with_judgement


async def books_at_once(deps: Deps, home: Home, days: Calendar, guest_id: UUID | None) -> bool:
    """Of guests nobody can be asked about now, no badges are known. What hosts think of guests is not told by
    anyone yet: no guest has a rating."""
    badges: list[str] = []
    if guest_id is not None and home.instant_book and home.instant_demands.verified:
        with suppress(Unavailable):
            badges = [badge for each in await deps.user.public_profiles([guest_id]) for badge in each.badges]
    return books_instantly(home, days, badges)


async def as_own(deps: Deps, home: Home) -> Listing:
    """As its hosts and staff see it."""
    [shown] = await all_as_own(deps, [home])
    return shown


async def all_as_own(deps: Deps, homes: Sequence[Home]) -> list[Listing]:
    shown = [with_judgement(as_shown(deps, home), home) for home in homes]
    return await with_first_bookings(deps, homes, shown)


async def with_first_bookings(deps: Deps, homes: Sequence[Home], shown: list[Listing]) -> list[Listing]:
    """The same homes as they are shown, with what is known from their days alone."""
    asking = {home.id: home for home in homes if home.instant_demands.first_bookings_ask}
    if not asking:
        return shown
    for days in await deps.docs.get_many(store.CALENDARS, list(asking)):
        if takes_at_once(asking[days.id], days):
            shown = [replace(one, books_at_once=True) if one.id == days.id else one for one in shown]
    return shown
