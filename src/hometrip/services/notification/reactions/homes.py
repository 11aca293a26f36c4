"""What happens to homes, told to their hosts and to whoever comes and goes as a co-host."""

from __future__ import annotations

from hometrip.services.listing import contract as listing
from hometrip.services.notification import store
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.actions.telling import Told, tell, tell_all, to_hosts
from hometrip.services.notification.rules.facts import Facts, Named

# By what staff decided.
JUDGED = {
    "approved": "listing_approved",
    "rejected": "listing_rejected",
    "suspended": "listing_suspended",
}


async def tell_host_when_moderated(deps: Deps, event: listing.ListingModerated) -> None:
    facts = Facts(home=Named(listing_id=event.listing_id, title=event.title), why=event.reason)
    await tell(deps, event, JUDGED[event.action], event.host_id, facts)


async def tell_both_when_co_host_added(deps: Deps, event: listing.CoHostAdded) -> None:
    await _tell_both(deps, event, "co_host_added")


async def tell_both_when_co_host_removed(deps: Deps, event: listing.CoHostRemoved) -> None:
    await _tell_both(deps, event, "co_host_removed")


async def remember_when_co_host_added(deps: Deps, event: listing.CoHostAdded) -> None:
    """For what is told to all who host the home."""
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "notification.remember_when_co_host_added"):
            await store.add_co_host(tx, event.listing_id, event.account_id)


async def forget_when_co_host_removed(deps: Deps, event: listing.CoHostRemoved) -> None:
    async with deps.db.transaction() as tx:
        if await tx.first_time(event, "notification.forget_when_co_host_removed"):
            await store.remove_co_host(tx, event.listing_id, event.account_id)


async def _tell_both(deps: Deps, event: listing.CoHostEvent, kind: str) -> None:
    """Each of the other."""
    named = Named(listing_id=event.listing_id, title=event.title)
    to_co_host = Told(kind, event.account_id, Facts(home=named, other=event.host_id))
    to_host = Told(f"{kind}_host", event.host_id, Facts(home=named, other=event.account_id))
    await tell_all(deps, event, to_co_host, to_host)


async def tell_hosts_when_calendars_conflict(deps: Deps, event: listing.CalendarConflict) -> None:
    named = Named(listing_id=event.listing_id, title=event.title)
    facts = Facts(home=named, feed=event.feed_name, stays=event.stays)
    told = await to_hosts(deps, "calendar_conflict", event.listing_id, event.host_id, facts)
    await tell_all(deps, event, *told)


async def tell_hosts_when_calendar_fails(deps: Deps, event: listing.CalendarImportFailed) -> None:
    named = Named(listing_id=event.listing_id, title=event.title)
    facts = Facts(home=named, feed=event.feed_name, why=event.why)
    await tell_all(deps, event, *await to_hosts(deps, "feed_failing", event.listing_id, event.host_id, facts))
