"""Money that goes back beyond what was agreed on: a host may always give more."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from hometrip.kernel.errors import Forbidden, Invalid
from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.kernel.wire import Request
from hometrip.services.booking.contract import WrongState
from hometrip.services.booking.rules.booking import Booking
from hometrip.services.booking.rules.cancellation import cancellation
from hometrip.services.booking.rules.disputes import left_after
from hometrip.services.booking.rules.lines import kept_split, kept_without, shares_now, short_of
from hometrip.services.booking.rules.parts import SYSTEM, Actor, Cancellation
from hometrip.services.booking.rules.states import with_step


class RefundWish(Request):
    """What the host gives back out of the own payout, and why."""

    amount: Money
    reason: Annotated[str, Meta(min_length=1, max_length=500)]


def given_back(booking: Booking, wish: RefundWish, by: Actor, at: datetime) -> Booking:
    """With the host's share less by what the host gives back; `Invalid` for nothing, and for more than that
    share, or than is there: what was paid out before staff gave some of it back, the platform bears.

    Of every booking that was paid, also one that is over or was cancelled. What a stay brings is the host's:
    a co-host gives none of it away.
    """
    if by.role != "host" or by.co_host:
        raise Forbidden
    if booking.confirmed_at is None:
        raise WrongState("Nothing was paid for this booking.", state=booking.status)
    kept, amount = shares_now(booking), wish.amount
    if amount.currency != booking.total.currency:
        raise Invalid.field("amount", "other_currency", f"this booking was paid in {booking.total.currency}")
    if amount.amount <= 0:
        raise Invalid.field("amount", "out_of_range", "must be more than nothing")
    most = max(min(kept.payout, booking.left), booking.total * 0)
    if amount > most:
        raise Invalid.field("amount", "more_than_kept", f"of this booking you can give back {most}")
    given = with_step(booking, "refunded", by, at, wish.reason)
    return replace(given, kept=left_after(kept, amount, from_platform=False))


def granted(booking: Booking, kept: Split, at: datetime) -> Booking:
    """Staff gave some of it back: `kept` says whose the rest is."""
    return replace(with_step(booking, "refunded", Actor(role="staff"), at), kept=kept)


def charged_back(booking: Booking, lost: Money, kept: Split, at: datetime) -> Booking:
    """A cardholder's bank keeps what was still there for good: `lost` is less than was known, `kept` says
    whose the rest is. One that was never confirmed stays as it is."""
    left = kept_without(booking, lost, kept)
    if booking.confirmed_at is None or left == shares_now(booking):
        return booking
    told = with_step(booking, "charged_back", SYSTEM, at) if lost.amount > 0 else booking
    return replace(told, kept=left)


def kept_after(booking: Booking, told: Cancellation, at: datetime, fees_returned: int) -> Split:
    """Whose is what a cancellation keeps. Where more went back before than its policy gives back, the shares
    that gave it have so much less than the policy leaves them: the host's for a gift, the marketplace's for
    what the host was paid out already."""
    if booking.kept is None:
        return kept_split(booking, told)
    whole = replace(booking, kept=None, balance=None, balance_split=None)
    due = kept_split(whole, cancellation(whole, told.by, at, fees_returned))
    return short_of(due, booking.kept, told.kept) or kept_split(booking, told)
