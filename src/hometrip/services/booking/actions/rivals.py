"""Requests of several guests for the same nights: the first holds them, the host chooses, the others are
declined.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from hometrip.kernel.stay import Stay
from hometrip.ports.database import Tx
from hometrip.services.booking import store
from hometrip.services.booking.actions.deps import Deps
from hometrip.services.booking.actions.ending import end
from hometrip.services.booking.rules import SYSTEM, Booking, moved


async def one_at_a_time(tx: Tx, listing_id: UUID) -> None:
    """Who asks beside a request, and the host who accepts one of them, wait for each other before anything
    else."""
    await tx.lock(f"requests/{listing_id}")


async def only_requested(tx: Tx, asked: Booking) -> bool:
    """Do requests of other guests, and nothing else, stand in the way of this one?"""
    prepared = _with_preparation(asked)
    owners = await store.nights.in_the_way(tx, asked.listing_id, asked.stay, prepared)
    requests = await store.requests.overlapping(tx, asked.listing_id, prepared)
    return bool(owners) and owners <= {one.id for one in requests if one.guest_id != asked.guest_id}


async def take_from_rivals(deps: Deps, tx: Tx, asked: Booking, why: str) -> None:
    """The nights of a request that holds none yet; `DatesTaken` where others have them."""
    await decline_rivals(deps, tx, asked, why, _with_preparation(asked))
    await store.nights.take_stay(tx, asked)


async def decline_rivals(deps: Deps, tx: Tx, chosen: Booking, why: str, within: Stay | None = None) -> None:
    """Other requests for nights of the chosen booking's stay, or `within`, are over."""
    for request in await store.requests.overlapping(tx, chosen.listing_id, within or chosen.stay):
        if request.id != chosen.id:
            await end(tx, request, moved(request, "decline", SYSTEM, deps.clock.now(), why))


def _with_preparation(asked: Booking) -> Stay:
    margin = timedelta(days=asked.preparation_nights)
    return Stay(asked.check_in - margin, asked.check_out + margin)
