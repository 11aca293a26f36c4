"""What can be done with bookings, coupons and nights: one function per verb, one short transaction each."""

from __future__ import annotations

from hometrip.services.booking.actions import coupons, questions
from hometrip.services.booking.actions.cancelling import (
    TAKEN_DOWN,
    cancel,
    lapse,
    preview_cancellation,
    take_down,
)
from hometrip.services.booking.actions.changing import (
    accept_change,
    ask_change,
    decline_change,
    end_change_in_time,
    withdraw_change,
)
from hometrip.services.booking.actions.deps import ChangeEnded, Deps, HoldEnded, HomeTakenDown, StayEnded
from hometrip.services.booking.actions.disputing import dispute, resolve
from hometrip.services.booking.actions.hosting import accept, check_in, complete, decline, end_hold, end_stay
from hometrip.services.booking.actions.making import book, refusal_at_hand
from hometrip.services.booking.actions.paying import (
    hear_of_payment,
    hold_longer,
    note_failed_refund,
    note_refund,
    refuse_payment,
)
from hometrip.services.booking.actions.reading import (
    Availability,
    Shown,
    availability,
    booking,
    bookings,
    calendar,
    ever_confirmed,
    paid_booking,
    receipt,
    receipt_pdf,
    verify,
)
from hometrip.services.booking.actions.refunding import give_back, reckon_with_bank, reckon_with_refund
from hometrip.services.booking.actions.settling import note, settle

__all__ = [
    "Availability",
    "ChangeEnded",
    "Deps",
    "HoldEnded",
    "HomeTakenDown",
    "Shown",
    "StayEnded",
    "TAKEN_DOWN",
    "accept",
    "accept_change",
    "ask_change",
    "availability",
    "book",
    "booking",
    "bookings",
    "calendar",
    "cancel",
    "check_in",
    "complete",
    "coupons",
    "ever_confirmed",
    "decline",
    "decline_change",
    "dispute",
    "end_change_in_time",
    "end_hold",
    "end_stay",
    "give_back",
    "hear_of_payment",
    "hold_longer",
    "lapse",
    "note",
    "note_failed_refund",
    "note_refund",
    "paid_booking",
    "preview_cancellation",
    "questions",
    "receipt",
    "receipt_pdf",
    "reckon_with_bank",
    "reckon_with_refund",
    "refusal_at_hand",
    "refuse_payment",
    "resolve",
    "settle",
    "take_down",
    "verify",
    "withdraw_change",
]
