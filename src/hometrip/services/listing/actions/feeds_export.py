"""A home's own calendar for other sites, and the secret link to it."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import NotFound
from hometrip.kernel.stay import Stay, local_date
from hometrip.kernel.wire import Answer
from hometrip.ports.documents import Change
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps, home_to_change, own_home
from hometrip.services.listing.rules import ical_export
from hometrip.services.listing.rules.calendar import Calendar
from hometrip.services.listing.rules.ical_events import merged_stays


class CalendarLink(Answer):
    """Whoever has the address can read which nights are taken, and nothing else."""

    url: str


async def calendar_link(deps: Deps, caller: Caller, listing_id: UUID) -> CalendarLink:
    await own_home(deps.docs, caller, listing_id)
    return CalendarLink(url=link_of(deps, await store.calendar(deps.docs, listing_id)))


async def renew_calendar_link(deps: Deps, caller: Caller, listing_id: UUID) -> CalendarLink:
    """Another link; those of before, of other sites' too, open nothing any more."""
    async with deps.docs.transaction() as tx:
        await home_to_change(tx, caller, listing_id)
        days = await tx.change(store.CALENDARS, listing_id, Change(inc={"link": 1}))
        assert days is not None  # a home and its calendar come and go together
    return CalendarLink(url=link_of(deps, days))


def link_of(deps: Deps, days: Calendar, besides: UUID | None = None) -> str:
    words = {"token": ical_export.token_of(days.id, days.link, _key(deps))}
    if besides is not None:
        words["besides"] = str(besides)
    return f"{deps.settings.public_url}/api/listings/{days.id}/calendar.ics?{urlencode(words)}"


async def calendar_file(deps: Deps, listing_id: UUID, token: str, besides: UUID | None) -> bytes:
    """What is taken tonight and later, without what the imported calendar `besides` takes: a site that reads
    back its own nights would never let go of them. A stay that is under way is told whole, so that it is the
    same event from its first day to its last. `NotFound` without the right token."""
    home = await store.home(deps.docs, listing_id)
    days = await store.calendar(deps.docs, listing_id)
    if not ical_export.is_token(token, listing_id, days.link, _key(deps)):
        raise NotFound
    today = local_date(deps.clock.now(), home.time_zone)
    stays = [
        Stay(span.check_in, span.check_out)
        for span in days.spans
        if span.check_out > today and span.id != besides
    ]
    host = ical_export.host_of(deps.settings.public_url)
    return ical_export.calendar_text(home.id, merged_stays(stays), host, home.created_at)


def _key(deps: Deps) -> bytes:
    return deps.secrets.secret("calendar-links")
