"""Whose booking it is: the one place that knows who may act for its home."""

from __future__ import annotations

from hometrip.kernel.access import Caller
from hometrip.ports.database import Reader
from hometrip.services.booking import store
from hometrip.services.booking.rules import Actor, Booking, actor_of


async def party(db: Reader, caller: Caller, booking: Booking) -> Actor:
    """In which role the caller meets this booking; `NotFound` to strangers. Only of those who are neither its
    guest nor its host it is looked up whether they co-host the home."""
    if caller.account_id is None or caller.account_id in (booking.guest_id, booking.host_id):
        return actor_of(caller, booking)
    co_host = await store.co_hosts.is_one(db, caller.account_id, booking.listing_id)
    return actor_of(caller, booking, co_host=co_host)
