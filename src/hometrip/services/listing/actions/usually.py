"""What stays and nights usually cost: for prices that are struck through."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from hometrip.kernel.money import Money
from hometrip.kernel.stay import Stay
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps
from hometrip.services.listing.rules.calendar import Calendar
from hometrip.services.listing.rules.home import Home
from hometrip.services.listing.rules.was import DAYS, was_for_base, was_for_stay

# After so long a price that has changed is the usual one.
REMEMBERED = timedelta(days=DAYS + 3)


async def usual_stays(
    deps: Deps, homes: list[tuple[Home, Calendar]], stay: Stay, now: datetime
) -> dict[UUID, int]:
    """What the nights of the stay usually cost, at those of the homes where that may be said."""
    lately = await store.asked_lately(deps.docs, [days for _, days in homes], now - REMEMBERED)
    found = {
        home.id: was_for_stay(lately[home.id], home, days, stay, now)
        for home, days in homes
        if home.id in lately
    }
    return {listing_id: was for listing_id, was in found.items() if was is not None}


async def usual_night(deps: Deps, home: Home) -> Money | None:
    """What a night without dates usually costs there, where that may be said."""
    days, now = await store.calendar(deps.docs, home.id), deps.clock.now()
    lately = await store.asked_lately(deps.docs, [days], now - REMEMBERED)
    if home.pricing is None or home.id not in lately:
        return None
    was = was_for_base(lately[home.id], home, days, now)
    return None if was is None else Money(was, home.pricing.currency)
