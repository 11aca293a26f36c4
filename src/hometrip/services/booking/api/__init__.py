"""The routes of this service."""

from typing import Any

from hometrip.services.booking.api import bookings, changes, coupons, receipts

ROUTES: list[Any] = [*bookings.ROUTES, *changes.ROUTES, *coupons.ROUTES, *receipts.ROUTES]
