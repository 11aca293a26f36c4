"""The table of states: every move from every state, by every role; who, when and why are written."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from uuid import UUID

import pytest
from msgspec.structs import replace

from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY, HOUR, MINUTE, SECOND, utc
from hometrip.kernel.errors import Forbidden, NotFound
from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.kernel.stay import at_local
from hometrip.services.booking.contract import WrongState
from hometrip.services.booking.rules import (
    MOVES,
    Actor,
    Booking,
    BookingWish,
    OwnHome,
    PaymentNote,
    TooEarly,
    accepted,
    actor_of,
    checked_in,
    completed,
    confirmed,
    held_longer,
    moved,
    noted,
    open_booking,
    ranges,
    state_of,
    timed_out,
)
from hometrip.services.listing.contract import Quote, QuoteLine, Terms

NOW = utc(2027, 4, 14, 9)
ZONE = "Europe/Paris"
GUEST, HOST, HOME = UUID(int=3), UUID(int=4), UUID(int=2)
FIRST = (NOW + 30 * DAY).date()
LAST = FIRST + timedelta(days=3)
PRICE = Money(30_000, "EUR")


def opened(*, instant: bool = True, guest: UUID = GUEST) -> Booking:
    quote = Quote(
        id="q",
        listing_id=HOME,
        check_in=FIRST,
        check_out=LAST,
        nights=3,
        guests=2,
        lines=[QuoteLine(kind="nights", label="3 nights", amount=PRICE)],
        total=PRICE,
        host_payout=PRICE,
        expires_at=NOW + HOUR,
    )
    terms = Terms(
        listing_id=HOME,
        host_id=HOST,
        title="Mill",
        time_zone=ZONE,
        check_in_at=at_local(FIRST, "15:00", ZONE),
        check_out_at=at_local(LAST, "11:00", ZONE),
        instant_book=instant,
        cancellation_policy="firm",
        quote=quote,
        quoted_total=PRICE,
        split=Split(payout=PRICE, platform=Money(0, "EUR"), taxes={}),
        nightly=[Money(10_000, "EUR")] * 3,
        host_funds_coupon=False,
    )
    wish = BookingWish(listing_id=HOME, check_in=FIRST, check_out=LAST, guests=2, quote_id="q", coupon="may")
    return open_booking(UUID(int=1), guest, wish, terms, NOW)


def in_state(state: str) -> Booking:
    status, _, awaiting = state.partition("/")
    return replace(opened(), status=status, awaiting=awaiting or None, hold_until=None)


STATES = [
    "pending/host",
    "pending/payment",
    "confirmed",
    "checked_in",
    "completed",
    "declined",
    "expired",
    "cancelled",
]
ROLES = ["guest", "host", "staff", "system"]
# From where, by whom, what becomes of it: written out here once more, apart from the table itself.
ALLOWED = {
    ("pending/host", "accept"): ("pending/payment", "host staff"),
    ("pending/host", "decline"): ("declined", "host staff system"),
    ("pending/host", "expire"): ("expired", "system"),
    ("pending/host", "cancel"): ("cancelled", "guest host staff"),
    ("pending/payment", "confirm"): ("confirmed", "system"),
    ("pending/payment", "expire"): ("expired", "system"),
    ("pending/payment", "cancel"): ("cancelled", "guest host staff"),
    ("expired", "revive"): ("confirmed", "system"),
    ("confirmed", "check_in"): ("checked_in", "host staff"),
    ("confirmed", "complete"): ("completed", "host staff system"),
    ("confirmed", "cancel"): ("cancelled", "guest host staff"),
    ("confirmed", "change"): ("confirmed", "system"),
    ("confirmed", "lapse"): ("cancelled", "system"),
    ("checked_in", "lapse"): ("cancelled", "system"),
    ("checked_in", "complete"): ("completed", "host staff system"),
    ("checked_in", "cancel"): ("cancelled", "guest host staff"),
}


@pytest.mark.parametrize(("state", "verb", "role"), list(product(STATES, MOVES, ROLES)))
def test_every_move_from_every_state_by_every_role(state: str, verb: str, role: str) -> None:
    before, at = in_state(state), NOW + HOUR
    actor = Actor(role=role, account_id=UUID(int=9))
    becomes, roles = ALLOWED.get((state, verb), (None, ""))
    if role in roles.split():
        after = moved(before, verb, actor, at, "because")
        assert state_of(after) == becomes
        assert after.history[:-1] == before.history
        step = after.history[-1]
        assert (step.at, step.by, step.account_id, step.why) == (at, role, UUID(int=9), "because")
        assert step.status == {"accept": "accepted", "change": "changed"}.get(verb, after.status)
    else:
        with pytest.raises((WrongState, Forbidden)) as refusal:
            moved(before, verb, actor, at)
        if becomes is not None or role not in MOVES[verb].by:
            assert isinstance(refusal.value, Forbidden)
        else:
            assert refusal.value.facts["state"] == before.status


def test_what_cannot_be_done_is_said_in_words() -> None:
    with pytest.raises(WrongState, match=r"^A booking that is completed cannot be checked in\.$"):
        moved(in_state("completed"), "check_in", Actor(role="host"), NOW)
    with pytest.raises(WrongState, match=r"^A booking that is checked in cannot be changed\.$"):
        moved(in_state("checked_in"), "change", Actor(role="system"), NOW)


def test_an_instant_home_is_held_a_quarter_of_an_hour_and_a_request_a_day() -> None:
    held = opened()
    assert (held.status, held.awaiting, held.hold_until) == ("pending", "payment", NOW + 15 * MINUTE)
    asked = opened(instant=False)
    assert (asked.status, asked.awaiting, asked.hold_until) == ("pending", "host", NOW + DAY)
    assert [(step.status, step.by, step.at) for step in asked.history] == [("pending", "guest", NOW)]
    assert asked.coupon == "MAY"


def test_nobody_books_the_own_home() -> None:
    with pytest.raises(OwnHome):
        opened(guest=HOST)


def test_a_hold_ends_at_its_time_and_not_before() -> None:
    held = opened()
    assert timed_out(held, NOW + 15 * MINUTE - SECOND) is None
    ended = timed_out(held, NOW + 15 * MINUTE)
    assert ended is not None
    assert (ended.status, ended.hold_until, ended.history[-1].by) == ("expired", None, "system")


def test_a_request_without_an_answer_is_declined_after_a_day() -> None:
    declined = timed_out(opened(instant=False), NOW + DAY)
    assert declined is not None
    assert declined.status == "declined"
    assert "24 hours" in str(declined.history[-1].why)


def test_what_is_not_pending_has_no_time_to_run_out() -> None:
    assert timed_out(in_state("confirmed"), NOW + 99 * DAY) is None


def test_a_hold_is_extended_once() -> None:
    longer = held_longer(opened())
    assert longer.hold_until == NOW + 30 * MINUTE
    assert held_longer(longer) == longer
    asked = opened(instant=False)
    assert held_longer(asked) == asked


def test_an_accepted_request_can_be_paid_for_a_day() -> None:
    yes = accepted(opened(instant=False), Actor(role="host", account_id=HOST), NOW + HOUR)
    assert (yes.awaiting, yes.hold_until) == ("payment", NOW + HOUR + DAY)


def test_a_request_is_answered_to_the_last_second_and_not_after_it() -> None:
    host, asked = Actor(role="host", account_id=HOST), opened(instant=False)
    assert accepted(asked, host, NOW + DAY - SECOND).awaiting == "payment"
    with pytest.raises(WrongState):
        accepted(asked, host, NOW + DAY)


def test_a_payment_confirms_a_hold_and_one_that_had_ended() -> None:
    system = Actor(role="system")
    for state in ("pending/payment", "expired"):
        booking = confirmed(in_state(state), system, NOW + HOUR)
        assert (booking.status, booking.confirmed_at) == ("confirmed", NOW + HOUR)
    with pytest.raises(WrongState):
        confirmed(in_state("cancelled"), system, NOW)


def test_check_in_and_completion_wait_for_their_day_at_the_home() -> None:
    host = Actor(role="host", account_id=HOST)
    arrival, departure = at_local(FIRST, "00:00", ZONE), at_local(LAST, "00:00", ZONE)
    with pytest.raises(TooEarly) as refusal:
        checked_in(in_state("confirmed"), host, arrival - SECOND)
    assert refusal.value.facts["not_before"] == arrival.isoformat().replace("+00:00", "Z")
    here = checked_in(in_state("confirmed"), host, arrival)
    with pytest.raises(TooEarly):
        completed(here, host, departure - SECOND)
    assert completed(here, host, departure).status == "completed"


def test_who_meets_a_booking_in_which_role() -> None:
    booking = opened()
    assert actor_of(Caller(account_id=GUEST), booking).role == "guest"
    assert actor_of(Caller(account_id=HOST, roles=frozenset({"admin"})), booking).role == "host"
    assert actor_of(Caller(account_id=UUID(int=9), roles=frozenset({"support"})), booking).role == "staff"
    with pytest.raises(NotFound):
        actor_of(Caller(account_id=UUID(int=9)), booking)


def test_old_news_of_a_payment_does_not_undo_newer_one() -> None:
    one, other = UUID(int=7), UUID(int=8)
    paid = noted(PaymentNote(status="unpaid"), "succeeded", one)
    assert paid == PaymentNote(status="succeeded", intent_id=one)
    assert noted(paid, "requires_payment_method", other) == paid
    back = noted(paid, "refunded", one)
    assert back.status == "refunded"
    assert noted(back, "succeeded", one) == back


def test_neighbouring_nights_of_one_owner_are_one_range() -> None:
    ann, bob = UUID(int=1), UUID(int=2)
    nights = [(ann, FIRST), (ann, FIRST + timedelta(days=1)), (bob, LAST - timedelta(days=1))]
    nights.append((bob, LAST + timedelta(days=5)))
    assert [(stay.check_in, stay.nights) for stay in ranges(nights)] == [
        (FIRST, 2),
        (LAST - timedelta(days=1), 1),
        (LAST + timedelta(days=5), 1),
    ]
