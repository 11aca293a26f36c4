"""The routes of this service."""

from typing import Any

from hometrip.services.listing.api import files, homes, taxes

ROUTES: list[Any] = [*homes.ROUTES, *files.ROUTES, *taxes.ROUTES]
