"""Requests of several guests for the same nights: the first holds them, the host chooses, the others are
declined.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from hometrip.kernel.stay import Stay
from hometrip.ports.database import Tx
from hometrip.services.booking import store
from hometrip.services.booking.actions.ending import end
from hometrip.services.booking.contract import DatesTaken, NightsTaken
from hometrip.services.booking.rules import SYSTEM, Booking, moved
from hometrip.services.listing.contract import MOST_PREPARATION


async def one_at_a_time(tx: Tx, listing_id: UUID) -> None:
    """Who asks beside a request, and the host who accepts one of them, wait for each other before anything
    else."""
    await tx.lock(f"requests/{listing_id}")


async def only_requested(tx: Tx, asked: Booking) -> bool:
    """Do requests of other guests, and nothing else, stand in the way of this one?"""
    prepared = _with_margin(asked, asked.preparation_nights)
    owners = await store.nights.in_the_way(tx, asked.listing_id, asked.stay, prepared)
    requests = await store.requests.overlapping(tx, asked.listing_id, prepared)
    return bool(owners) and owners <= {one.id for one in requests if one.guest_id != asked.guest_id}


async def take_from_rivals(tx: Tx, asked: Booking, why: str, at: datetime) -> None:
    """The nights of a request that holds none yet; `DatesTaken` where others have them, and by what."""
    await decline_rivals(tx, asked, why, at, _with_margin(asked, asked.preparation_nights))
    if others := await store.nights.why_taken(tx, asked.listing_id, asked.id, asked.stay):
        taken = [NightsTaken(listing_id=asked.listing_id, nights=list(others))]
        raise DatesTaken(rule=next(iter(others.values())), free_instead=[], taken=taken)
    await store.nights.take_stay(tx, asked)


async def decline_rivals(tx: Tx, chosen: Booking, why: str, at: datetime, within: Stay | None = None) -> None:
    """Other requests for nights of the chosen booking's stay, or `within`, are over; and so are those that
    hold no nights yet, to whom it is nearer than the nights of preparation that they were promised."""
    wide = _with_margin(chosen, MOST_PREPARATION)
    for request in await store.requests.overlapping(tx, chosen.listing_id, wide):
        near = request.beside_requests and _with_margin(request, request.preparation_nights)
        in_the_way = request.stay.overlaps(within or chosen.stay) or (near and near.overlaps(chosen.stay))
        if request.id != chosen.id and in_the_way:
            await end(tx, request, moved(request, "decline", SYSTEM, at, why))


def _with_margin(asked: Booking, nights: int) -> Stay:
    margin = timedelta(days=nights)
    return Stay(asked.check_in - margin, asked.check_out + margin)
