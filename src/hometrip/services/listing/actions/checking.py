"""Whether what this service keeps of others still is what they say."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from hometrip.kernel.stay import Stay
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps


async def verify(deps: Deps) -> list[str]:
    """From today on, the taken nights of every calendar must be those that booking has; a line for each home
    where they are not."""
    today = deps.clock.now().date()
    found: list[str] = []
    cursor = None
    while True:
        page = await deps.docs.find(store.CALENDARS, limit=200, cursor=cursor)
        for days in page.items:
            here = _nights((Stay(span.check_in, span.check_out) for span in days.spans), today)
            there = _nights(await deps.booking.taken(days.id, None, None), today)
            if here != there:
                nights = ", ".join(str(night) for night in sorted(here ^ there)[:5])
                found.append(f"listing {days.id}: {len(here ^ there)} nights differ from booking's: {nights}")
        cursor = page.next_cursor
        if cursor is None:
            return found


async def verify_co_hosts(deps: Deps) -> list[str]:
    """The co-hosts of every home must be those that booking has heard of; a line for each home where not."""
    found: list[str] = []
    cursor = None
    while True:
        page = await deps.docs.find(store.HOMES, limit=200, cursor=cursor)
        known = await deps.booking.co_hosts([home.id for home in page.items])
        found += [
            f"listing {home.id}: its co-hosts are not those that booking has heard of"
            for home in page.items
            if {*home.co_hosts} != {*known.get(home.id, ())}
        ]
        cursor = page.next_cursor
        if cursor is None:
            return found


def _nights(stays: Iterable[Stay], since: date) -> set[date]:
    return {
        night for stay in stays if stay.check_out > since for night in stay.each_night() if night >= since
    }
