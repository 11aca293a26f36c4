"""What can be done with bookings, coupons and nights: one function per verb, one short transaction each."""

from __future__ import annotations

from hometrip.services.booking.actions import coupons, questions
from hometrip.services.booking.actions.cancelling import cancel, preview_cancellation
from hometrip.services.booking.actions.deps import Deps, HoldEnded, StayEnded
from hometrip.services.booking.actions.hosting import accept, check_in, complete, decline, end_hold, end_stay
from hometrip.services.booking.actions.making import book
from hometrip.services.booking.actions.paying import hold_longer, note, refuse_payment, settle
from hometrip.services.booking.actions.reading import (
    Availability,
    Shown,
    availability,
    booking,
    bookings,
    verify,
)

__all__ = [
    "Availability",
    "Deps",
    "HoldEnded",
    "Shown",
    "StayEnded",
    "accept",
    "availability",
    "book",
    "booking",
    "bookings",
    "cancel",
    "check_in",
    "complete",
    "coupons",
    "decline",
    "end_hold",
    "end_stay",
    "hold_longer",
    "note",
    "preview_cancellation",
    "questions",
    "refuse_payment",
    "settle",
    "verify",
]
