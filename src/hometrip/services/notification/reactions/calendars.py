"""What happens to calendars of other sites, told to the hosts who import them."""

from __future__ import annotations

from hometrip.services.listing import contract as listing
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.actions.telling import tell
from hometrip.services.notification.rules.facts import Facts, FeedTold


async def tell_host_when_calendars_conflict(deps: Deps, event: listing.CalendarConflict) -> None:
    feed = FeedTold(listing_id=event.listing_id, title=event.title, name=event.feed_name, stays=event.stays)
    await tell(deps, event, "calendar_conflict", event.host_id, Facts(feed=feed))


async def tell_host_when_calendar_fails(deps: Deps, event: listing.CalendarImportFailed) -> None:
    feed = FeedTold(listing_id=event.listing_id, title=event.title, name=event.feed_name)
    await tell(deps, event, "feed_failing", event.host_id, Facts(feed=feed, why=event.why))
