"""The routes of this service."""

from typing import Any

from hometrip.services.listing.api import homes

ROUTES: list[Any] = [*homes.ROUTES]
