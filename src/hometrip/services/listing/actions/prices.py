"""A home's price list: its single nights are kept in the calendar, everything else in the home."""

from __future__ import annotations

from uuid import UUID

import msgspec

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import NotFound
from hometrip.kernel.stay import local_date
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps, must_be_version, own_home
from hometrip.services.listing.rules.home import Pricing
from hometrip.services.listing.rules.pricing import (
    checked,
    dated,
    must_be_near,
    must_be_possible,
    with_dates,
)
from hometrip.services.listing.rules.shown import PricingShown, pricing_shown


async def price_list(deps: Deps, caller: Caller, listing_id: UUID) -> tuple[PricingShown, int]:
    """With the version that it has, its home's; `NotFound` while no price was set."""
    home = await own_home(deps.docs, caller, listing_id)
    if home.pricing is None:
        raise NotFound("This home has no price yet.")
    days = await store.calendar(deps.docs, listing_id)
    return pricing_shown(with_dates(home.pricing, days), home.guests), home.version


async def set_prices(
    deps: Deps, caller: Caller, listing_id: UUID, pricing: Pricing, if_match: int | None
) -> tuple[PricingShown, int]:
    """Put this price list in the place of the one that is there, single nights included; as `price_list`."""
    pricing = checked(pricing)
    bare = msgspec.structs.replace(pricing, dates={})
    async with deps.docs.transaction() as tx:
        home = await own_home(tx, caller, listing_id)
        must_be_version(home, if_match)
        must_be_possible(home, pricing)
        days, now = await store.calendar(tx, listing_id), deps.clock.now()
        must_be_near(pricing, days, local_date(now, home.time_zone))
        new_days = dated(pricing, days)
        if new_days != days:
            await tx.replace(store.CALENDARS, new_days)
        if new_days != days or bare != home.pricing:
            changed = msgspec.structs.replace(home, pricing=bare, updated_at=now)
            home = await store.keep_home(tx, changed)
            await store.note_asked(tx, listing_id, now)
    return pricing_shown(with_dates(bare, new_days), home.guests), home.version
