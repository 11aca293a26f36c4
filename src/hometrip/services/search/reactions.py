"""Following the homes. Each asks for the home as it is now and keeps the newest, so it may run twice."""

from __future__ import annotations

from collections.abc import Sequence

from hometrip.kernel.service import Heard, Reaction, gathered
from hometrip.services.listing.contract import (
    ListingDeleted,
    ListingPublished,
    ListingUnpublished,
    ListingUpdated,
)
from hometrip.services.search import actions
from hometrip.services.search.actions import Deps
from hometrip.services.search.contract import ReindexPage


async def show_when_published(deps: Deps, event: ListingPublished) -> None:
    await actions.take_in(deps, {event.listing_id: event.revision})


async def renew_when_updated(deps: Deps, updates: Sequence[Heard[ListingUpdated]]) -> None:
    await actions.take_in(deps, {each.event.listing_id: each.event.revision for each in updates})


async def hide_when_unpublished(deps: Deps, event: ListingUnpublished) -> None:
    await actions.take_in(deps, {event.listing_id: event.revision})


async def forget_when_deleted(deps: Deps, event: ListingDeleted) -> None:
    await actions.forget(deps, event.listing_id, event.revision)


async def take_in_page_by_page(deps: Deps, event: ReindexPage) -> None:
    await actions.take_in_page(deps, event)


REACTIONS: tuple[Reaction, ...] = (
    show_when_published,
    hide_when_unpublished,
    forget_when_deleted,
    take_in_page_by_page,
    *gathered(renew_when_updated),
)
