"""Homes like a home: which they are, the search service knows."""

from __future__ import annotations

from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.wire import Answer
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps, seen_home
from hometrip.services.listing.rules.home import PUBLISHED, Home
from hometrip.services.listing.rules.shown import blurred
from hometrip.services.search.contract import Hit, Likeness, SimilarWish


class Similar(Answer):
    """The most similar first."""

    items: list[Hit]


async def similar(deps: Deps, caller: Caller, listing_id: UUID, wish: SimilarWish) -> Similar:
    """Published homes like one that the caller may see. A draft without place or price has none yet."""
    home = await store.home(deps.docs, listing_id)
    if home.status != PUBLISHED:
        await seen_home(deps, caller, listing_id)
    likeness = _likeness(home, deps.secrets.secret("places"))
    return Similar(items=await deps.search.similar(likeness, wish) if likeness else [])


def _likeness(home: Home, key: bytes) -> Likeness | None:
    """By the place that is shown: from the order of its neighbours nobody can tell the real one."""
    if home.location is None or home.pricing is None:
        return None
    point = blurred(home.location, home.id, key)
    return Likeness(
        id=home.id,
        lat=point.lat,
        lng=point.lng,
        structure=home.structure or "",
        type=home.type or "",
        guests=home.guests or 1,
        bedrooms=home.bedrooms,
        nightly=home.pricing.base,
        review_count=home.review_count,
        rating=None if home.rating is None else home.rating / 100,
    )
