"""What happens to homes, told to their hosts and to whoever comes and goes as a co-host."""

from __future__ import annotations

from hometrip.services.listing import contract as listing
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.actions.telling import Told, tell, tell_all
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


async def _tell_both(deps: Deps, event: listing.CoHostEvent, kind: str) -> None:
    """Each of the other."""
    named = Named(listing_id=event.listing_id, title=event.title)
    to_co_host = Told(kind, event.account_id, Facts(home=named, other=event.host_id))
    to_host = Told(f"{kind}_host", event.host_id, Facts(home=named, other=event.account_id))
    await tell_all(deps, event, to_co_host, to_host)


async def tell_host_when_calendars_conflict(deps: Deps, event: listing.CalendarConflict) -> None:
    named = Named(listing_id=event.listing_id, title=event.title)
    facts = Facts(home=named, feed=event.feed_name, stays=event.stays)
    await tell(deps, event, "calendar_conflict", event.host_id, facts)


async def tell_host_when_calendar_fails(deps: Deps, event: listing.CalendarImportFailed) -> None:
    named = Named(listing_id=event.listing_id, title=event.title)
    facts = Facts(home=named, feed=event.feed_name, why=event.why)
    await tell(deps, event, "feed_failing", event.host_id, facts)
