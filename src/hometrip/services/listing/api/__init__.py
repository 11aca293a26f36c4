"""The routes of this service."""

from typing import Any

from hometrip.services.listing.api import calendars, co_hosts, feeds, files, homes, moderation, taxes

ROUTES: list[Any] = [
    *homes.ROUTES,
    *co_hosts.ROUTES,
    *calendars.ROUTES,
    *feeds.ROUTES,
    *files.ROUTES,
    *taxes.ROUTES,
    *moderation.ROUTES,
]
