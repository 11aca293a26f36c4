"""A dispute about a stay: who may open it and when, and what its resolution does to the money."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta
from msgspec.structs import replace

from hometrip.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from hometrip.kernel.money import Money, total, zero
from hometrip.kernel.split import Split, total_of
from hometrip.kernel.stay import days_later
from hometrip.kernel.wire import Request
from hometrip.services.booking.contract import WrongState
from hometrip.services.booking.rules.booking import Booking
from hometrip.services.booking.rules.lines import shares_now
from hometrip.services.booking.rules.parts import Actor, Dispute
from hometrip.services.booking.rules.states import TooEarly, with_step

DISPUTE_DAYS = 14  # after check-out


class DisputeOpen(Conflict):
    """This booking has an open dispute; it is resolved before another one."""

    code = "dispute_open"


class TooLate(Conflict):
    """The time for this is over since `until`."""

    code = "too_late"


class DisputeWish(Request):
    """What is wrong, in a word and in full."""

    reason: Annotated[str, Meta(min_length=1, max_length=100)]
    text: Annotated[str, Meta(max_length=5000)] = ""


class Resolution(Request):
    """How staff settle a dispute: `refund` goes back to the guest, out of the host's payout first, or out of
    the platform's share first."""

    refund: Money
    note: Annotated[str, Meta(max_length=2000)] = ""
    from_platform: bool = False


def disputed(booking: Booking, dispute_id: UUID, wish: DisputeWish, by: Actor, at: datetime) -> Booking:
    """With a dispute that guest or host opens, from check-in to 14 days after check-out; `WrongState` for a
    stay that never began, as it was cancelled before."""
    if by.role not in ("guest", "host"):
        raise Forbidden
    if booking.confirmed_at is None:
        raise WrongState("A stay can be disputed once it is paid.", state=booking.status)
    if _never_began(booking):
        raise WrongState(
            "A stay that was cancelled before its check-in cannot be disputed.", state=booking.status
        )
    if at < booking.check_in_at and booking.status != "checked_in":
        raise TooEarly(not_before=booking.check_in_at)
    until = days_later(booking.check_out_at, DISPUTE_DAYS, booking.time_zone)
    if at > until:
        raise TooLate(until=until)
    if any(dispute.status == "open" for dispute in booking.disputes):
        raise DisputeOpen
    opened = Dispute(
        id=dispute_id, by=by.role, reason=wish.reason, text=wish.text, status="open", opened_at=at
    )
    told = with_step(booking, "dispute_opened", by, at, wish.reason)
    return replace(told, disputes=[*booking.disputes, opened])


def _never_began(booking: Booking) -> bool:
    steps = {step.status: step.at for step in booking.history}
    return (
        booking.status == "cancelled"
        and "checked_in" not in steps
        and steps["cancelled"] < booking.check_in_at
    )


def resolved(booking: Booking, dispute_id: UUID, how: Resolution, by: Actor, at: datetime) -> Booking:
    """With its dispute settled by staff, and the money that is kept less the refund.

    `NotFound` for no dispute of it, `WrongState` for one that was settled, `Invalid` for more than is kept.
    """
    if by.role != "staff":
        raise Forbidden
    dispute = next((found for found in booking.disputes if found.id == dispute_id), None)
    if dispute is None:
        raise NotFound
    if dispute.status != "open":
        raise WrongState("This dispute is resolved.", state=dispute.status)
    _refundable(booking, how.refund)
    done = replace(
        dispute,
        status="resolved",
        resolved_at=at,
        refund=how.refund,
        note=how.note,
        from_platform=how.from_platform,
    )
    told = with_step(booking, "dispute_resolved", by, at, how.note or None)
    return replace(
        told,
        disputes=[done if found.id == dispute_id else found for found in booking.disputes],
        kept=left_after(shares_now(booking), how.refund, from_platform=how.from_platform),
    )


def _refundable(booking: Booking, refund: Money) -> None:
    if refund.currency != booking.total.currency:
        raise Invalid.field("refund", "other_currency", f"this booking was paid in {booking.total.currency}")
    if not 0 <= refund.amount <= booking.left.amount:
        raise Invalid.field("refund", "more_than_kept", f"0 to {booking.left} can go back")


def left_after(kept: Split, refund: Money, *, from_platform: bool) -> Split:
    """What is left of each share: the refund falls on the host's first, then on the platform's, and last on
    the taxes; `from_platform` changes the first two over. No more tax is left than money, where the platform
    bears some of it already. A tax that is less than nothing stays so."""
    shares = {"payout": kept.payout, "platform": kept.platform}
    rest = refund
    for name in ("platform", "payout") if from_platform else ("payout", "platform"):
        part = min(rest, max(shares[name], zero(refund.currency)))
        shares[name] -= part
        rest -= part
    taxes = dict(kept.taxes)
    left = max(total_of(kept) - refund, zero(refund.currency))
    beyond = max(total(taxes.values(), refund.currency) - left, rest)
    shares["platform"] += beyond - rest
    for area, tax in taxes.items():
        part = min(beyond, max(tax, zero(refund.currency)))
        taxes[area] = tax - part
        beyond -= part
    return Split(payout=shares["payout"], platform=shares["platform"], taxes=taxes)
