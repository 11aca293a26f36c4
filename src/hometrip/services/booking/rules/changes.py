"""A change of dates or party: who may ask, who must consent, and the table of a change's own states."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta
from msgspec.structs import replace

from hometrip.kernel.clock import HOUR
from hometrip.kernel.errors import Conflict, Forbidden, Invalid
from hometrip.kernel.split import Split, less
from hometrip.kernel.stay import Stay, stay_of
from hometrip.kernel.wire import Request
from hometrip.services.booking.contract import CHANGE_NOT_ANSWERED, NOT_PAID, WrongState
from hometrip.services.booking.rules.booking import PAY_LONGER_BY, PAY_WITHIN, Booking
from hometrip.services.booking.rules.lines import at_price, shares_now, shown_again
from hometrip.services.booking.rules.parts import SYSTEM, Actor, Change
from hometrip.services.booking.rules.states import CANNOT, Move, moved, owing, with_step, wrong_state
from hometrip.services.listing.contract import Terms, Wish

# Without consent to wait for, a change that is to be paid is held as a booking is: `PAY_WITHIN`.
CONSENT_WITHIN = 24 * HOUR
PAY_CHANGE_WITHIN = 24 * HOUR

AWAITING_HOST, AWAITING_PAYMENT, DONE, EXPIRED = "awaiting_host", "awaiting_payment", "done", "expired"
OPEN_CHANGE = (AWAITING_HOST, AWAITING_PAYMENT)
# A change's own states; the history of its booking tells who made each of these moves, when and why.
CHANGE_MOVES = {
    "accept": Move(
        out_of=frozenset({AWAITING_HOST}),
        status=AWAITING_PAYMENT,
        by=frozenset({"host", "staff"}),
        told="change_accepted",
    ),
    "decline": Move(
        out_of=frozenset({AWAITING_HOST}),
        status="declined",
        by=frozenset({"host", "staff"}),
        told="change_declined",
    ),
    "withdraw": Move(
        out_of=frozenset(OPEN_CHANGE), status="withdrawn", by=frozenset({"guest"}), told="change_withdrawn"
    ),
    "expire": Move(
        out_of=frozenset(OPEN_CHANGE), status=EXPIRED, by=frozenset({"system"}), told="change_expired"
    ),
    # Out of `expired` too: its payment came after its time, with the nights still free.
    "finish": Move(out_of=frozenset({AWAITING_PAYMENT, EXPIRED}), status=DONE, by=frozenset({"system"})),
}


# What a guest may ask to be otherwise.
ASKED = ("check_in", "check_out", "guests", "pets", "exempt_guests")


class HomeClosed(Conflict):
    """This home takes no bookings any more; what was agreed on stays as it is."""

    code = "home_closed"


class CurrencyChanged(Conflict):
    """The home is let for another currency (`now`) than the booking was made in (`agreed`); what was agreed
    on stays as it is."""

    code = "currency_changed"


class ChangeWish(Request):
    """Which dates, or which party, it is to be; what is left out stays as it is. `exempt_guests` of the
    guests are too young for taxes that spare them."""

    check_in: date | None = None
    check_out: date | None = None
    guests: Annotated[int, Meta(ge=1, le=50)] | None = None
    exempt_guests: Annotated[int, Meta(ge=0, le=50)] | None = None
    pets: Annotated[int, Meta(ge=0, le=20)] | None = None


def may_change(booking: Booking, by: Actor, at: datetime) -> None:
    """The guest of a confirmed booking, before its check-in."""
    if by.role != "guest":
        raise Forbidden
    if booking.status != "confirmed":
        raise wrong_state(booking, "change")
    if at >= booking.check_in_at:
        raise WrongState("A stay that has begun cannot be changed.", state=booking.status)


def wished(booking: Booking, wish: ChangeWish) -> Wish:
    """The whole of what the booking is to be; `Invalid` where that is what it is already."""
    guests = booking.guests if wish.guests is None else wish.guests
    exempt = min(booking.exempt_guests, guests) if wish.exempt_guests is None else wish.exempt_guests
    asked = Wish(
        check_in=wish.check_in or booking.check_in,
        check_out=wish.check_out or booking.check_out,
        guests=guests,
        pets=booking.pets if wish.pets is None else wish.pets,
        coupon=booking.coupon,
        exempt_guests=exempt,
        changing=booking.id,
    )
    stay_of(asked.check_in, asked.check_out)
    if all(getattr(asked, name) == getattr(booking, name) for name in ASKED):
        raise Invalid.field("check_in", "no_change", "this is what the booking is already")
    return asked


def asked(booking: Booking, change_id: UUID, wish: Wish, terms: Terms, by: Actor, at: datetime) -> Booking:
    """The booking with this change open.

    The host has 24 hours to consent, except where the home is booked instantly and the total is larger: then
    the guest has as long to pay as for a booking. None of it lasts beyond the check-in, the old or the new.
    """
    may_change(booking, by, at)
    price = terms.quote.total
    if price.currency != booking.total.currency:
        raise CurrencyChanged(agreed=booking.total.currency, now=price.currency)
    difference = price - booking.total
    instant = terms.instant_book and difference.amount > 0
    within = PAY_WITHIN if instant else CONSENT_WITHIN
    shown = shown_again(booking.shown, terms.quote.lines)
    change = Change(
        id=change_id,
        status=AWAITING_PAYMENT if instant else AWAITING_HOST,
        check_in=wish.check_in,
        check_out=wish.check_out,
        check_in_at=terms.check_in_at,
        check_out_at=terms.check_out_at,
        guests=wish.guests,
        pets=wish.pets,
        exempt_guests=terms.exempt_guests,
        preparation_nights=terms.preparation_nights,
        check_in_from=terms.check_in_from,
        time_zone=terms.time_zone,
        lines=terms.quote.lines,
        total=price,
        split=terms.split,
        nightly=terms.nightly,
        host_funds_coupon=terms.host_funds_coupon,
        coupon=wish.coupon,
        difference=difference,
        until=min(at + within, booking.check_in_at, terms.check_in_at),
        shown=shown,
        shown_difference=shown.total - booking.shown.total if shown and booking.shown else None,
    )
    return with_step(replace(booking, change=change), "change_asked", by, at)


def change_moved(booking: Booking, verb: str, by: Actor, at: datetime, why: str | None = None) -> Booking:
    """The booking with its change moved on; `Forbidden` to other roles, `WrongState` where it cannot be."""
    move, change = CHANGE_MOVES[verb], booking.change
    if by.role not in move.by:
        raise Forbidden
    if change is None or change.status not in move.out_of:
        if change is None:
            raise WrongState("No change of this booking was asked for.", state="none")
        status = change.status.replace("_", " ")
        raise WrongState(f"A change that is {status} cannot {CANNOT.get(verb, verb)}.", state=change.status)
    if verb == "accept" and change.until is not None and at >= change.until:
        # Its timer has not come yet, as after a restart.
        raise WrongState("The time to answer this change is over.", state=EXPIRED)
    until = min(at + PAY_CHANGE_WITHIN, _begins(booking, change)) if verb == "accept" else None
    moved_on = replace(booking, change=replace(change, status=move.status, until=until))
    return with_step(moved_on, move.told, by, at, why) if move.told else moved_on


def is_open(booking: Booking) -> bool:
    return booking.change is not None and booking.change.status in OPEN_CHANGE


def needs_payment(booking: Booking) -> bool:
    """Does an agreed change await its difference?"""
    change = booking.change
    return change is not None and change.status == AWAITING_PAYMENT and change.difference.amount > 0


def is_agreed(booking: Booking) -> bool:
    """Is there nothing left to consent to or to pay?"""
    change = booking.change
    return change is not None and change.status == AWAITING_PAYMENT and change.difference.amount <= 0


def changed(booking: Booking, by: Actor, at: datetime) -> Booking:
    """The booking on the terms of its change. The policy, the deposit and the confirmation stay as agreed.

    What a second half is still to come is due before the new check-in, and less by what the change saves.
    """
    after = moved(change_moved(booking, "finish", by, at), "change", by, at)
    change = after.change
    assert change is not None  # it was finished above
    after = replace(
        after,
        check_in=change.check_in,
        check_out=change.check_out,
        check_in_at=change.check_in_at,
        check_out_at=change.check_out_at,
        guests=change.guests,
        pets=change.pets,
        exempt_guests=change.exempt_guests,
        preparation_nights=change.preparation_nights,
        check_in_from=change.check_in_from,
        time_zone=change.time_zone or booking.time_zone,
        lines=change.lines,
        total=change.total,
        shown=shown_again(booking.shown, change.lines),
        split=change.split,
        nightly=change.nightly,
        host_funds_coupon=change.host_funds_coupon,
        coupon=change.coupon,
    )
    kept, rest = at_price(booking, change.split)
    return replace(after if rest is None else owing(after, rest, at), kept=kept)


def can_be_late(booking: Booking, at: datetime) -> bool:
    """May a change that expired be paid after all? Nothing may have come between."""
    change = booking.change
    return (
        change is not None
        and change.status == EXPIRED
        and booking.status == "confirmed"
        and at < _begins(booking, change)
    )


def change_timed_out(booking: Booking, at: datetime) -> Booking | None:
    """The booking without its open change, if the time of that is over."""
    change = booking.change
    if change is None or change.status not in OPEN_CHANGE or change.until is None or at < change.until:
        return None
    why = CHANGE_NOT_ANSWERED if change.status == AWAITING_HOST else NOT_PAID
    return change_moved(booking, "expire", SYSTEM, at, why)


def change_held_longer(booking: Booking) -> Booking:
    """Once 15 minutes more while the guest's bank asks, if a change awaits its payment."""
    change = booking.change
    if change is None or change.status != AWAITING_PAYMENT or change.extended or change.until is None:
        return booking
    until = min(change.until + PAY_LONGER_BY, _begins(booking, change))
    return replace(booking, change=replace(change, until=until, extended=True))


def _begins(booking: Booking, change: Change) -> datetime:
    """When the stay begins, as it is or as it is to be: nothing is changed any more from then on."""
    return min(booking.check_in_at, change.check_in_at)


def nights_added(booking: Booking) -> list[date]:
    """The nights that the change needs beyond those of the booking."""
    return _beyond(booking.change.stay, booking.stay) if booking.change else []


def nights_left(before: Booking, after: Booking) -> list[date]:
    """The nights that a changed booking needs no more."""
    return _beyond(before.stay, after.stay)


def _beyond(stay: Stay, other: Stay) -> list[date]:
    known = set(other.each_night())
    return [night for night in stay.each_night() if night not in known]


def split_of_difference(booking: Booking) -> Split:
    """Whose the difference of the change is: each share of what will be here less that of what is."""
    change = booking.change
    assert change is not None  # only asked where a change awaits its payment
    kept, rest = at_price(booking, change.split)
    here = change.split if rest is None else less(change.split, rest)
    return less(kept or here, shares_now(booking))
