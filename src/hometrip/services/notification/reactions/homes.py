"""What happens to homes, told to their hosts."""

from __future__ import annotations

from hometrip.services.listing import contract as listing
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.actions.telling import tell
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


async def tell_host_when_calendars_conflict(deps: Deps, event: listing.CalendarConflict) -> None:
    named = Named(listing_id=event.listing_id, title=event.title)
    facts = Facts(home=named, feed=event.feed_name, stays=event.stays)
    await tell(deps, event, "calendar_conflict", event.host_id, facts)


async def tell_host_when_calendar_fails(deps: Deps, event: listing.CalendarImportFailed) -> None:
    named = Named(listing_id=event.listing_id, title=event.title)
    facts = Facts(home=named, feed=event.feed_name, why=event.why)
    await tell(deps, event, "feed_failing", event.host_id, facts)
