"""The table of a booking's states: the only way from one to the next. Each move writes who, when and why."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Conflict, Forbidden, NotFound
from hometrip.kernel.money import Money
from hometrip.kernel.record import Frozen
from hometrip.kernel.split import Split, less, more, part_of, total_of
from hometrip.kernel.stay import at_local
from hometrip.services.booking.contract import NO_ANSWER, NOT_PAID, WrongState
from hometrip.services.booking.rules.booking import (
    BALANCE_DUE_DAYS,
    HOST,
    PAY_AFTER_ACCEPTANCE_WITHIN,
    PAY_LONGER_BY,
    PAYMENT,
    Booking,
    before_check_in,
    first_night_over,
    noted,
)
from hometrip.services.booking.rules.lines import to_come
from hometrip.services.booking.rules.parts import SYSTEM, Actor, Step


class TooEarly(Conflict):
    """This can only be done from the day itself on; `not_before` says from when."""

    code = "too_early"


class PaymentUnderWay(Conflict):
    """An earlier booking of yours of this home is being paid for at this moment.

    It is `booking_id`: once it is confirmed, or its payment has failed, this can be done."""

    code = "payment_under_way"


class Move(Frozen):
    """From any of the states `out_of` to `status`, by these roles; if pending, it then awaits `awaiting`.

    `told` is the word in the history where the new state is not told apart from the old one.
    """

    out_of: frozenset[str]
    status: str
    by: frozenset[str]
    awaiting: str | None = None
    told: str | None = None


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ASKED, HELD = "pending/host", "pending/payment"  # the two kinds of pending
MOVES = {
    "accept": Move(
        out_of=_words(ASKED), status="pending", awaiting=PAYMENT, by=_words("host staff"), told="accepted"
    ),
    "decline": Move(out_of=_words(ASKED), status="declined", by=_words("host staff system")),
    "confirm": Move(out_of=_words(HELD), status="confirmed", by=_words("system")),
    # Replaced by a newer hold of the same guest, a request that nobody paid ends like a hold.
    "expire": Move(out_of=_words(f"{HELD} {ASKED}"), status="expired", by=_words("system")),
    # A payment that came after the hold's end, with the nights still free.
    "revive": Move(out_of=_words("expired"), status="confirmed", by=_words("system")),
    # Dates or party are others now.
    "change": Move(out_of=_words("confirmed"), status="confirmed", by=_words("system"), told="changed"),
    # The second half of the money never came.
    "lapse": Move(out_of=_words("confirmed checked_in"), status="cancelled", by=_words("system")),
    "check_in": Move(out_of=_words("confirmed"), status="checked_in", by=_words("host staff")),
    "complete": Move(
        out_of=_words("confirmed checked_in"), status="completed", by=_words("host staff system")
    ),
    "cancel": Move(
        out_of=_words(f"{ASKED} {HELD} confirmed checked_in"),
        status="cancelled",
        by=_words("guest host staff"),
    ),
}

# What a booking or a change cannot, in a sentence; of other moves nobody is told.
CANNOT = {
    "accept": "be accepted",
    "decline": "be declined",
    "change": "be changed",
    "withdraw": "be withdrawn",
    "check_in": "be checked in",
    "complete": "be completed",
    "cancel": "be cancelled",
}


def state_of(booking: Booking) -> str:
    return f"pending/{booking.awaiting}" if booking.status == "pending" else booking.status


def wrong_state(booking: Booking, verb: str) -> WrongState:
    status = booking.status.replace("_", " ")
    awaits = f" and awaits the {booking.awaiting}" if booking.awaiting else ""
    return WrongState(
        f"A booking that is {status}{awaits} cannot {CANNOT.get(verb, verb)}.", state=booking.status
    )


def moved(booking: Booking, verb: str, by: Actor, at: datetime, why: str | None = None) -> Booking:
    """The booking after this move; `Forbidden` to other roles, `WrongState` where it cannot be made."""
    move = MOVES[verb]
    if by.role not in move.by:
        raise Forbidden
    if state_of(booking) not in move.out_of:
        raise wrong_state(booking, verb)
    step = Step(
        status=move.told or move.status,
        at=at,
        by=by.told_as,
        why=why,
        account_id=by.account_id,
    )
    return replace(
        booking,
        status=move.status,
        awaiting=move.awaiting,
        hold_until=None,
        beside_requests=False,
        history=[*booking.history, step],
    )


def with_step(booking: Booking, told: str, by: Actor, at: datetime, why: str | None = None) -> Booking:
    """The booking with a line more in its history, of something that does not move it."""
    step = Step(status=told, at=at, by=by.told_as, why=why, account_id=by.account_id)
    return replace(booking, history=[*booking.history, step])


def accepted(booking: Booking, by: Actor, at: datetime) -> Booking:
    """The host's yes: the guest has another 24 hours to pay, where nothing was authorised before.

    No yes and no payment is in time once the first night is over. From here on it holds its nights.
    """
    moved_on = moved(booking, "accept", by, at)
    if booking.hold_until is not None and at >= booking.hold_until:
        # Its timer has not come yet, as after a restart.
        raise WrongState("The time to answer this request is over.", state=booking.status)
    until = min(at + PAY_AFTER_ACCEPTANCE_WITHIN, first_night_over(booking.check_in, booking.time_zone))
    return replace(moved_on, hold_until=until)


def confirmed(booking: Booking, by: Actor, at: datetime) -> Booking:
    """Paid: out of a hold, or out of one that had ended."""
    verb = "revive" if booking.status == "expired" else "confirm"
    return replace(moved(booking, verb, by, at), confirmed_at=at)


def balance_paid(booking: Booking, amount: Money, at: datetime) -> Booking:
    """The second half came, or as much of it as was asked for before a change."""
    rest = to_come(booking)
    if rest is None:
        return booking
    paid = part_of(rest, min(amount, total_of(rest)))
    kept = booking.kept and more(booking.kept, paid)
    after = replace(owing(booking, less(rest, paid), at), kept=kept)
    return with_step(after, "balance_paid", SYSTEM, at)


def owing(booking: Booking, rest: Split, at: datetime) -> Booking:
    """With so much of each share still to be paid, two weeks before check-in, at once where that day is over;
    with nothing it is wholly paid."""
    balance = total_of(rest)
    if balance.amount <= 0:
        payment = noted(booking.payment, "succeeded", booking.payment.intent_id)
        return replace(booking, payment=payment, balance=None, balance_split=None, balance_due_at=None)
    due = before_check_in(booking, booking.check_in, BALANCE_DUE_DAYS)
    return replace(booking, balance=balance, balance_split=rest, balance_due_at=max(due, at))


def held_longer(booking: Booking) -> Booking:
    """A hold lasts once 15 minutes longer while the guest's bank asks; any other booking stays as it is."""
    if booking.hold_until is None or booking.awaiting != PAYMENT or booking.hold_extended:
        return booking
    return replace(booking, hold_until=booking.hold_until + PAY_LONGER_BY, hold_extended=True)


def timed_out(booking: Booking, at: datetime) -> Booking | None:
    """What becomes of a pending booking whose time is over: a request is declined, a hold expires."""
    if booking.hold_until is None or at < booking.hold_until:
        return None
    if booking.awaiting == HOST:
        return moved(booking, "decline", SYSTEM, at, NO_ANSWER)
    return moved(booking, "expire", SYSTEM, at, NOT_PAID)


def is_past(booking: Booking, at: datetime) -> bool:
    """Is its hold over, and its first night as well? Then no payment can confirm it any more."""
    held = booking.hold_until is not None and at < booking.hold_until
    return not held and at >= first_night_over(booking.check_in, booking.time_zone)


def checked_in(booking: Booking, by: Actor, at: datetime) -> Booking:
    """From the beginning of the check-in day at the home on."""
    moved_on = moved(booking, "check_in", by, at)
    _not_before(at_local(booking.check_in, "00:00", booking.time_zone), at)
    return moved_on


def completed(booking: Booking, by: Actor, at: datetime) -> Booking:
    """From the beginning of the check-out day at the home on; by itself at the check-out time."""
    moved_on = moved(booking, "complete", by, at)
    _not_before(at_local(booking.check_out, "00:00", booking.time_zone), at)
    return moved_on


def _not_before(day: datetime, at: datetime) -> None:
    if at < day:
        raise TooEarly(not_before=day)


def actor_of(caller: Caller, booking: Booking, *, co_host: bool = False) -> Actor:
    """In which role the caller, perhaps a `co_host` of its home, meets this booking; a stranger learns
    nothing: `NotFound`."""
    if caller.account_id == booking.guest_id:
        return Actor(role="guest", account_id=caller.account_id)
    if caller.account_id == booking.host_id:
        return Actor(role="host", account_id=caller.account_id)
    if co_host:
        return Actor(role="host", account_id=caller.account_id, co_host=True)
    if caller.is_staff:
        return Actor(role="staff", account_id=caller.account_id)
    raise NotFound
