"""A home's own calendar for other sites, and the secret link to it."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import NotFound
from hometrip.kernel.stay import Stay, local_date
from hometrip.kernel.wire import Answer
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps, own_home
from hometrip.services.listing.rules import ical_export
from hometrip.services.listing.rules.ical_events import merged_stays


class CalendarLink(Answer):
    """Whoever has the address can read which nights are taken, and nothing else."""

    url: str


async def calendar_link(deps: Deps, caller: Caller, listing_id: UUID) -> CalendarLink:
    await own_home(deps.docs, caller, listing_id)
    return CalendarLink(url=link_of(deps, listing_id))


def link_of(deps: Deps, listing_id: UUID, besides: UUID | None = None) -> str:
    words = {"token": ical_export.token_of(listing_id, _key(deps))}
    if besides is not None:
        words["besides"] = str(besides)
    return f"{deps.settings.public_url}/api/listings/{listing_id}/calendar.ics?{urlencode(words)}"


async def calendar_file(deps: Deps, listing_id: UUID, token: str, besides: UUID | None) -> bytes:
    """What is taken from today on, without what the imported calendar `besides` takes: a site that reads back
    its own nights would never let go of them. `NotFound` without the right token."""
    if not ical_export.is_token(token, listing_id, _key(deps)):
        raise NotFound
    home = await store.home(deps.docs, listing_id)
    days = await store.calendar(deps.docs, listing_id)
    today = local_date(deps.clock.now(), home.time_zone)
    stays = [
        Stay(max(span.check_in, today), span.check_out)
        for span in days.spans
        if span.check_out > today and span.id != besides
    ]
    host = ical_export.host_of(deps.settings.public_url)
    return ical_export.calendar_text(home.id, merged_stays(stays), host, home.created_at)


def _key(deps: Deps) -> bytes:
    return deps.secrets.secret("calendar-links")
