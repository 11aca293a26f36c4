"""The routes of this service."""

from typing import Any

from hometrip.services.listing.api import calendars, feeds, files, homes, moderation, taxes

ROUTES: list[Any] = [
    *homes.ROUTES,
    *calendars.ROUTES,
    *feeds.ROUTES,
    *files.ROUTES,
    *taxes.ROUTES,
    *moderation.ROUTES,
]
