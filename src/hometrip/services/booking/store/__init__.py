"""Bookings, nights and coupons: tables, and every query as a function of a transaction, by noun."""

from __future__ import annotations

from hometrip.services.booking.store import (
    bookings,
    checks,
    co_hosts,
    coupons,
    glances,
    lists,
    nights,
    requests,
)
from hometrip.services.booking.store.tables import tables

__all__ = ["bookings", "checks", "co_hosts", "coupons", "glances", "lists", "nights", "requests", "tables"]
