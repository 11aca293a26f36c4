"""Changes of dates and party behind the door: nights, consent, payment, time; news comes by its event."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from harness import START, TestHouse
from hometrip.adapters.payments.sandbox import SandboxPayments
from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY, HOUR, MINUTE, SECOND, utc
from hometrip.kernel.errors import Forbidden, Invalid, NotFound, VersionMismatch
from hometrip.kernel.once import NO_KEY
from hometrip.kernel.split import total_of
from hometrip.kernel.stay import Stay
from hometrip.ports.payments import Payments
from hometrip.services.booking import actions, reactions
from hometrip.services.booking.actions import questions
from hometrip.services.booking.contract import (
    BookingChanged,
    BookingChangeEnded,
    BookingChangePending,
    BookingUnpayable,
    CouponRefused,
    DatesTaken,
    WrongState,
)
from hometrip.services.booking.rules import (
    Actor,
    BookingView,
    ChangeWish,
    CurrencyChanged,
    HomeClosed,
    change_moved,
)
from hometrip.services.listing import actions as listing_actions
from hometrip.services.listing.contract import StayRefused, Wish
from hometrip.services.payment.contract import PaymentActionRequired
from journeys.steps import book, ok, pay, problem, stay
from services.booking_scene import Scene, scene_in, somebody
from stories.teller import teller_in


@pytest.fixture
async def scene(house: TestHouse) -> Scene:
    """A home that is booked instantly."""
    return await scene_in(house)


@pytest.fixture
async def asking(house: TestHouse) -> Scene:
    """A home whose host is asked."""
    return await scene_in(house, instant_book=False)


async def confirmed(scene: Scene, guest: Caller | None = None, **when: int) -> BookingView:
    """Of an asking home too: its host says yes."""
    guest = guest or somebody()
    booking = await scene.book(guest, **when)
    if booking.awaiting == "host":
        await actions.accept(scene.deps, host_of(scene), booking.id)
    await reactions.confirm_when_paid(scene.deps, scene.succeeded(booking))
    return await scene.look(booking.id)


def host_of(scene: Scene) -> Caller:
    return Caller(account_id=scene.host.id)


async def last_event(scene: Scene, booking_id: UUID, kind: type[Any]) -> Any:
    told = [
        found for found in await scene.deps.db.history(f"booking/{booking_id}") if found.name == kind.name
    ]
    return told[-1].open(kind)


def change_of(booking: BookingView) -> Any:
    assert booking.change is not None
    return booking.change


def steps(booking: BookingView) -> list[tuple[str, str]]:
    return [(step.status, step.by) for step in booking.history]


async def test_a_dearer_change_of_an_instant_home_is_held_a_quarter_of_an_hour_and_done_when_paid(
    scene: Scene,
) -> None:
    before = await confirmed(scene)
    asked = await scene.change(before, end=35)
    change = change_of(asked)
    assert (change.status, change.until) == ("awaiting_payment", scene.house.clock.now() + 15 * MINUTE)
    assert (asked.status, asked.total, asked.check_out) == ("confirmed", before.total, before.check_out)
    assert change.difference == change.total - before.total
    assert len(await scene.nights(before.id)) == 5
    payable = await questions.payable(scene.deps, before.id)
    assert (payable.change_id, payable.due_now) == (change.id, change.difference)
    assert total_of(payable.split) == change.difference
    assert payable.hold_until == change.until
    paid = scene.change_paid(asked)
    await reactions.confirm_when_paid(scene.deps, paid)
    await reactions.confirm_when_paid(scene.deps, paid)
    after = await scene.look(before.id)
    assert (after.nights, after.check_out, after.total) == (5, scene.day(35), change.total)
    assert after.check_out_at == before.check_out_at + 2 * DAY
    assert (change_of(after).status, change_of(after).until) == ("done", None)
    assert steps(after)[-2:] == [("change_asked", "guest"), ("changed", "system")]
    told = await last_event(scene, before.id, BookingChanged)
    assert (told.change_id, told.before_total, told.booking.total) == (change.id, before.total, after.total)
    assert (told.before.payout, total_of(told.before)) == (before.host_payout, before.total)
    assert (await scene.told(before.id)).count("booking.changed") == 1
    assert (await questions.payable(scene.deps, before.id)).change_id is None
    assert await actions.verify(scene.deps) == []


async def test_a_change_that_is_not_paid_gives_back_exactly_the_new_nights(scene: Scene) -> None:
    before = await confirmed(scene)
    old = await scene.nights(before.id)
    await scene.change(before, first=31, end=36)
    assert await scene.nights(before.id) == old | set(scene.stay(31, 36).each_night())
    other = await scene.wish(somebody(), ahead=34, nights=1)
    with pytest.raises(DatesTaken):
        await actions.book(scene.deps, somebody(), other, NO_KEY)
    await scene.house.advance((15 * MINUTE + SECOND).total_seconds())
    found = await scene.look(before.id)
    assert await scene.nights(before.id) == old
    assert (change_of(found).status, found.total, found.check_in) == (
        "expired",
        before.total,
        before.check_in,
    )
    assert (found.history[-1].status, found.history[-1].why) == ("change_expired", "not paid in time")
    ended = await last_event(scene, before.id, BookingChangeEnded)
    assert (ended.change_id, ended.status) == (change_of(found).id, "expired")
    await scene.book(somebody(), ahead=34, nights=1)
    assert await actions.verify(scene.deps) == []


async def test_a_late_payment_of_a_change_is_good_where_its_nights_are_still_free(scene: Scene) -> None:
    before = await confirmed(scene)
    asked = await scene.change(before, end=35)
    await scene.house.advance((15 * MINUTE + SECOND).total_seconds())
    await reactions.confirm_when_paid(scene.deps, scene.change_paid(asked))
    found = await scene.look(before.id)
    assert (change_of(found).status, found.nights) == ("done", 5)
    assert len(await scene.nights(before.id)) == 5
    assert "booking.unpayable" not in await scene.told(before.id)


async def test_a_late_payment_of_a_change_goes_back_where_they_are_not(scene: Scene) -> None:
    before = await confirmed(scene)
    asked = await scene.change(before, end=35)
    await scene.house.advance((15 * MINUTE + SECOND).total_seconds())
    await scene.book(somebody(), ahead=34, nights=2)
    paid = scene.change_paid(asked)
    await reactions.confirm_when_paid(scene.deps, paid)
    found = await scene.look(before.id)
    assert (found.status, found.nights, found.total) == ("confirmed", 3, before.total)
    back = await last_event(scene, before.id, BookingUnpayable)
    assert back.payment_id == paid.payment_id
    assert await actions.verify(scene.deps) == []


async def test_a_late_payment_of_a_change_goes_back_where_a_booking_is_nearer_than_the_preparation(
    house: TestHouse,
) -> None:
    scene = await scene_in(house, stay_rules={"preparation_nights": 1})
    before = await confirmed(scene)
    asked = await scene.change(before, end=35)
    await house.advance((15 * MINUTE + SECOND).total_seconds())
    await scene.book(somebody(), ahead=35, nights=2)
    await reactions.confirm_when_paid(scene.deps, scene.change_paid(asked))
    found = await scene.look(before.id)
    assert (found.status, found.nights, found.total) == ("confirmed", 3, before.total)
    assert len(await scene.nights(before.id)) == 3
    assert (await scene.told(before.id))[-1] == "booking.unpayable"
    assert await actions.verify(scene.deps) == []


async def test_the_payment_of_a_change_that_was_replaced_goes_back(scene: Scene) -> None:
    before = await confirmed(scene)
    first = await scene.change(before, end=35)
    second = await scene.change(before, first=28, end=33)
    assert change_of(first).id != change_of(second).id
    assert await scene.nights(before.id) == set(scene.stay(28, 33).each_night())
    paid = scene.change_paid(first)
    await reactions.confirm_when_paid(scene.deps, paid)
    assert (await last_event(scene, before.id, BookingUnpayable)).payment_id == paid.payment_id
    await reactions.confirm_when_paid(scene.deps, scene.change_paid(second))
    assert (await scene.look(before.id)).check_in == scene.day(28)
    assert await actions.verify(scene.deps) == []


async def test_the_host_has_a_day_to_consent_and_the_guest_a_day_to_pay(asking: Scene) -> None:
    before = await confirmed(asking)
    asked = await asking.change(before, end=34)
    now = asking.house.clock.now()
    assert (change_of(asked).status, change_of(asked).until) == ("awaiting_host", now + DAY)
    assert (await questions.payable(asking.deps, before.id)).change_id is None
    guest = Caller(account_id=before.guest_id)
    with pytest.raises(Forbidden):
        await actions.accept_change(asking.deps, guest, before.id)
    with pytest.raises(NotFound):
        await actions.accept_change(asking.deps, somebody(), before.id)
    host = Actor(role="host", account_id=before.host_id)
    with pytest.raises(WrongState):  # a second too late, if the timer has not run yet
        change_moved(await asking.stored(before.id), "accept", host, now + DAY)
    await asking.house.advance((23 * HOUR).total_seconds())
    agreed = await actions.accept_change(asking.deps, host_of(asking), before.id)
    until = asking.house.clock.now() + DAY
    assert (change_of(agreed).status, change_of(agreed).until) == ("awaiting_payment", until)
    pending = await last_event(asking, before.id, BookingChangePending)
    assert (pending.status, pending.until) == ("awaiting_payment", until)
    await asking.house.advance((23 * HOUR).total_seconds())
    await reactions.confirm_when_paid(asking.deps, asking.change_paid(agreed))
    found = await asking.look(before.id)
    assert found.nights == 4
    assert steps(found)[-3:] == [
        ("change_asked", "guest"),
        ("change_accepted", "host"),
        ("changed", "system"),
    ]


async def test_a_host_who_declines_leaves_all_as_it_was(asking: Scene) -> None:
    before = await confirmed(asking)
    old = await asking.nights(before.id)
    await asking.change(before, first=40, end=44)
    declined = await actions.decline_change(asking.deps, host_of(asking), before.id, "We are away then.")
    assert (change_of(declined).status, declined.total) == ("declined", before.total)
    assert declined.history[-1].why == "We are away then."
    assert await asking.nights(before.id) == old
    with pytest.raises(WrongState):
        await actions.accept_change(asking.deps, host_of(asking), before.id)
    assert (await asking.told(before.id))[-1] == "booking.change_ended"


async def test_a_guest_withdraws_a_change_that_the_host_was_asked_for(asking: Scene) -> None:
    before = await confirmed(asking)
    old = await asking.nights(before.id)
    guest = Caller(account_id=before.guest_id)
    with pytest.raises(WrongState):
        await actions.withdraw_change(asking.deps, guest, before.id)
    await asking.change(before, first=40, end=44)
    with pytest.raises(Forbidden):
        await actions.withdraw_change(asking.deps, host_of(asking), before.id)
    with pytest.raises(NotFound):
        await actions.withdraw_change(asking.deps, somebody(), before.id)
    withdrawn = await actions.withdraw_change(asking.deps, guest, before.id)
    assert (change_of(withdrawn).status, withdrawn.total) == ("withdrawn", before.total)
    assert steps(withdrawn)[-2:] == [("change_asked", "guest"), ("change_withdrawn", "guest")]
    assert await asking.nights(before.id) == old
    assert (await last_event(asking, before.id, BookingChangeEnded)).status == "withdrawn"
    with pytest.raises(WrongState):
        await actions.accept_change(asking.deps, host_of(asking), before.id)
    await asking.house.settle()
    assert (await asking.house.mails("host@example.com"))[0]["kind"] == "booking_change_withdrawn"
    assert change_of(await asking.change(before, end=36)).status == "awaiting_host"


async def test_the_payment_of_a_change_that_was_withdrawn_goes_back(house: TestHouse) -> None:
    """Paid at the provider, and heard of after the guest has withdrawn it; an unpaid one is closed."""
    teller = await teller_in(house)
    provider: SandboxPayments = house.house.shared[Payments]
    booking = await teller.book()
    await teller.pay(booking)
    for paid, ends, back in ((False, "canceled", []), (True, "succeeded", [(11_200, "completed")])):
        until = (await teller.look(booking))["check_out"]
        longer = {"check_out": (date.fromisoformat(until) + DAY).isoformat()}
        ok(await teller.guest.put(f"/api/bookings/{booking}", longer))
        intent = ok(await teller.guest.post("/api/payments/intent", {"booking_id": booking}), 201)
        await house.settle()
        if paid:
            secret = intent["client_secret"].partition("_secret_")[0]
            await provider.confirm_intent(secret, method="pm_card_visa", key=booking)
        left = ok(await teller.guest.post(f"/api/bookings/{booking}/change/withdraw", {}))
        assert left["change"]["status"] == "withdrawn"
        await teller.webhooks()
        await teller.wait(hours=1)
        assert ok(await teller.guest.get(f"/api/payments/{intent['id']}"))["status"] == ends
        refunds = ok(await teller.guest.get(f"/api/payments/{intent['id']}/refunds"))["items"]
        assert [(one["amount"]["amount"], one["status"]) for one in refunds] == back
        assert (await teller.look(booking))["total"]["amount"] == 39_200
    await teller.end()


async def test_a_host_who_does_not_answer_lets_the_change_expire(asking: Scene) -> None:
    before = await confirmed(asking)
    old = await asking.nights(before.id)
    await asking.change(before, end=36)
    await asking.house.advance((DAY + SECOND).total_seconds())
    found = await asking.look(before.id)
    assert change_of(found).status == "expired"
    assert found.history[-1].why == "the host did not answer in time"
    assert await asking.nights(before.id) == old


async def test_a_change_to_an_earlier_day_does_not_last_beyond_the_check_in_of_that_day(
    asking: Scene,
) -> None:
    before = await confirmed(asking)
    asked = await asking.change(before, first=0, end=3)
    today = change_of(asked).until
    assert today - asking.house.clock.now() == 10 * HOUR  # 15:00 in Albany
    await asking.house.advance((10 * HOUR + SECOND).total_seconds())
    with pytest.raises(WrongState):
        await actions.accept_change(asking.deps, host_of(asking), before.id)
    found = await asking.look(before.id)
    assert (change_of(found).status, found.check_in) == ("expired", before.check_in)
    assert len(await asking.nights(before.id)) == 3


async def test_a_yes_that_comes_late_is_none_even_before_the_timer(asking: Scene) -> None:
    before = await confirmed(asking)
    asked = await asking.stored((await asking.change(before, end=36)).id)
    host = Actor(role="host", account_id=asking.host.id)
    until = change_of(await asking.look(before.id)).until
    assert change_moved(asked, "accept", host, until - SECOND).change is not None
    with pytest.raises(WrongState) as refusal:
        change_moved(asked, "accept", host, until)
    assert refusal.value.facts["state"] == "expired"


async def test_a_cheaper_change_needs_the_host_even_of_an_instant_home_and_is_done_at_the_yes(
    scene: Scene,
) -> None:
    before = await confirmed(scene)
    asked = await scene.change(before, end=32)
    assert change_of(asked).status == "awaiting_host"
    assert change_of(asked).difference.amount < 0
    done = await actions.accept_change(scene.deps, host_of(scene), before.id)
    assert (change_of(done).status, done.nights) == ("done", 2)
    assert await scene.nights(before.id) == set(scene.stay(30, 32).each_night())
    told = await last_event(scene, before.id, BookingChanged)
    assert told.booking.total == before.total + change_of(asked).difference
    assert await actions.verify(scene.deps) == []


async def test_what_costs_the_same_needs_the_host_even_of_an_instant_home(scene: Scene) -> None:
    """Only a larger total needs no consent."""
    before = await confirmed(scene)
    for asked in ({"guests": 3}, {"first": 40, "end": 43}):
        waiting = await scene.change(before, **asked)
        assert (waiting.guests, waiting.check_in) == (before.guests, before.check_in)
        assert (change_of(waiting).status, change_of(waiting).difference.amount) == ("awaiting_host", 0)
    done = await actions.accept_change(scene.deps, host_of(scene), before.id)
    assert (done.check_in, change_of(done).status, done.total) == (scene.day(40), "done", before.total)
    assert steps(done)[-3:] == [("change_asked", "guest"), ("change_accepted", "host"), ("changed", "system")]
    assert await scene.nights(before.id) == set(scene.stay(40, 43).each_night())


async def test_new_dates_may_use_the_old_nights_again(scene: Scene) -> None:
    before = await confirmed(scene)
    await scene.house.settle()  # the home's calendar knows of the booking
    await scene.change(before, first=31, end=34)
    moved = await actions.accept_change(scene.deps, host_of(scene), before.id)
    assert (change_of(moved).status, moved.check_in) == ("done", scene.day(31))
    assert await scene.nights(before.id) == set(scene.stay(31, 34).each_night())


async def test_nights_of_another_refuse_a_change_and_nothing_is_written(scene: Scene) -> None:
    before = await confirmed(scene)
    await scene.paid(somebody(), ahead=33, nights=2)
    with pytest.raises(DatesTaken) as refusal:
        await scene.change(before, end=34)
    assert len(refusal.value.facts["free_instead"]) > 0
    found = await scene.look(before.id)
    assert (found.change, found.version) == (None, before.version)
    assert len(await scene.nights(before.id)) == 3


async def test_an_unpaid_hold_of_the_guests_own_makes_room_where_it_is_in_the_way_of_a_change(
    scene: Scene,
) -> None:
    guest = somebody()
    before = await confirmed(scene, guest)
    held = await scene.book(guest, ahead=33, nights=2)
    await scene.house.settle()
    await scene.change(before, first=29, end=32)
    earlier = await actions.accept_change(scene.deps, host_of(scene), before.id)
    assert change_of(earlier).status == "done"
    assert (await scene.look(held.id)).status == "pending"
    longer = await scene.change(await scene.look(before.id), end=34)
    assert change_of(longer).status == "awaiting_payment"
    gone = await scene.look(held.id)
    assert (gone.status, gone.history[-1].why) == ("expired", "replaced by a change of another booking")
    assert await scene.nights(held.id) == set()
    assert len(await scene.nights(before.id)) == 5


async def test_what_is_proposed_instead_of_a_change_may_use_the_own_nights(scene: Scene) -> None:
    """Of the other's night, booked in this moment, only booking knows; of the own ones both services do."""
    before = await confirmed(scene)
    await scene.change(before, end=34)  # its night is the booking's own as well
    await scene.house.settle()
    await scene.book(somebody(), ahead=35, nights=1)
    with pytest.raises(DatesTaken) as refusal:
        await scene.change(before, end=36)
    told = msgspec.convert(refusal.value.facts["free_instead"], list[Stay])
    assert told == [scene.stay(29, 35), scene.stay(28, 34), scene.stay(27, 33)]
    await scene.house.settle()
    with pytest.raises(DatesTaken) as refusal:  # another guest has to do without them
        await scene.book(somebody(), ahead=30, nights=6)
    told = msgspec.convert(refusal.value.facts["free_instead"], list[Stay])
    assert told == [scene.stay(24, 30), scene.stay(36, 42), scene.stay(23, 29)]


async def test_who_may_not_change_and_what_may_not_be_changed(scene: Scene) -> None:
    before = await confirmed(scene)
    with pytest.raises(Invalid):
        await scene.change(before, end=33)
    with pytest.raises(Invalid):
        await scene.change(before, first=36)
    with pytest.raises(VersionMismatch):
        await scene.change(before, if_match=before.version + 1, end=35)
    with pytest.raises(Forbidden):
        await actions.ask_change(scene.deps, host_of(scene), before.id, asking_for(scene, 35), None)
    with pytest.raises(NotFound):
        await actions.ask_change(scene.deps, somebody(), before.id, asking_for(scene, 35), None)
    held = await scene.book(somebody(), ahead=50)
    with pytest.raises(WrongState):
        await scene.change(held, end=54)
    await actions.cancel(scene.deps, Caller(account_id=before.guest_id), before.id, "", NO_KEY)
    with pytest.raises(WrongState):
        await scene.change(before, end=35)


def asking_for(scene: Scene, end: int) -> ChangeWish:
    return ChangeWish(check_out=scene.day(end))


async def test_a_home_that_was_closed_keeps_its_booking_as_it_is(scene: Scene) -> None:
    before = await confirmed(scene)
    answer = await scene.host.patch(f"/api/listings/{scene.home_id}/toggle-active")
    assert answer.status_code == 200
    with pytest.raises(HomeClosed):
        await scene.change(before, end=35)


@pytest.mark.parametrize(
    "rules",
    [
        {"min_nights": 9},
        {"max_nights": 2},
        {"notice_hours": 168, "window_days": 7},
        {"check_in_days": [0], "check_out_days": [3]},
        {"preparation_nights": 2},
    ],
)
async def test_rules_that_came_after_a_booking_do_not_refuse_the_dates_that_it_has(
    scene: Scene, rules: dict[str, Any]
) -> None:
    before = await confirmed(scene)
    await confirmed(scene, ahead=33, nights=2)
    path = f"/api/listings/{scene.home_id}"
    ok(await scene.host.patch(path, {"stay_rules": rules, "guests": 3}))
    asked = await scene.change(before, guests=1)
    assert (change_of(asked).status, change_of(asked).guests) == ("awaiting_host", 1)
    after = await actions.accept_change(scene.deps, host_of(scene), before.id)
    assert (after.guests, after.check_in, after.check_out) == (1, before.check_in, before.check_out)
    with pytest.raises(StayRefused) as refused:
        await scene.change(after, guests=4)
    assert refused.value.facts["rule"] == "guests"
    with pytest.raises((StayRefused, DatesTaken)):
        await scene.change(after, first=29)


async def test_only_the_own_confirmed_booking_of_the_home_stands_by_its_dates(
    house: TestHouse, scene: Scene
) -> None:
    before = await confirmed(scene)
    guest = Caller(account_id=before.guest_id)
    wish = Wish(check_in=before.check_in, check_out=before.check_out, guests=1, changing=before.id)
    other = await scene_in(house, "other@example.com", stay_rules={"min_nights": 9})
    ok(await scene.host.patch(f"/api/listings/{scene.home_id}", {"stay_rules": {"min_nights": 9}}))
    assert (await scene.deps.listing.quote(guest, scene.home_id, wish)).guests == 1
    for caller, home in ((guest, other.home_id), (somebody(), scene.home_id)):
        with pytest.raises(StayRefused):
            await scene.deps.listing.quote(caller, home, wish)
    await actions.cancel(scene.deps, guest, before.id, "", NO_KEY)
    with pytest.raises(StayRefused):
        await scene.deps.listing.quote(guest, scene.home_id, wish)


async def test_fewer_nights_come_nearer_to_nobody_but_are_a_stay_like_any_other(scene: Scene) -> None:
    before = await confirmed(scene)
    await confirmed(scene, ahead=33, nights=2)
    path = f"/api/listings/{scene.home_id}"
    ok(await scene.host.patch(path, {"stay_rules": {"preparation_nights": 2}}))
    assert change_of(await scene.change(before, end=32)).check_out == scene.day(32)
    ok(await scene.host.patch(path, {"stay_rules": {"min_nights": 3}}))
    with pytest.raises(StayRefused) as refused:
        await scene.change(before, end=32)
    assert refused.value.facts["rule"] == "min_nights"


@pytest.mark.parametrize(
    ("rules", "first", "end", "refused"),
    [
        # the arrival is as agreed, whatever notice and days of arrival are asked for since
        ({"notice_hours": 168}, 30, 34, None),
        ({"notice_hours": 168}, 30, 32, None),
        ({"notice_hours": 168}, 31, 33, None),
        ({"notice_hours": 168}, 29, 33, "notice"),
        ({"check_in_days": [0]}, 30, 35, None),
        ({"check_in_days": [0]}, 29, 33, "check_in_day"),
        # so is the departure
        ({"check_out_days": [3]}, 28, 33, None),
        ({"check_out_days": [3]}, 30, 35, "check_out_day"),
        # longer than a booking that is short by now comes nearer to what the host wishes for
        ({"min_nights": 9}, 30, 34, None),
        ({"min_nights": 9}, 30, 32, "min_nights"),
        ({"min_nights": 9}, 40, 43, "min_nights"),
        ({"max_nights": 1}, 30, 32, None),
        ({"max_nights": 1}, 30, 34, "max_nights"),
        ({"window_days": 5}, 30, 32, None),
        ({"window_days": 5}, 30, 34, "window"),
    ],
)
async def test_rules_that_came_after_a_booking_refuse_what_a_change_adds_to_it(
    scene: Scene, rules: dict[str, Any], first: int, end: int, refused: str | None
) -> None:
    before = await confirmed(scene)
    ok(await scene.host.patch(f"/api/listings/{scene.home_id}", {"stay_rules": rules}))
    days = {"first": first - 25, "end": end - 25}
    await scene.house.advance((25 * DAY).total_seconds())
    if refused is None:
        asked = change_of(await scene.change(before, **days))
        assert (asked.check_in, asked.check_out) == (scene.day(first - 25), scene.day(end - 25))
        return
    with pytest.raises(StayRefused) as told:
        await scene.change(before, **days)
    assert told.value.facts["rule"] == refused


@pytest.mark.parametrize(("agreed", "now"), [("non_refundable", "flexible"), ("flexible", "non_refundable")])
async def test_a_change_costs_what_the_policy_of_the_booking_makes_of_it(
    house: TestHouse, agreed: str, now: str
) -> None:
    scene = await scene_in(house, cancellation_policy=agreed)
    before = await confirmed(scene)
    ok(await scene.host.patch(f"/api/listings/{scene.home_id}", {"cancellation_policy": now}))
    dearer = await scene.change(before, end=35)
    kinds = {line.kind for line in change_of(dearer).lines}
    assert ("non_refundable" in kinds) == (agreed == "non_refundable")
    assert dearer.cancellation_policy == agreed
    guest = Caller(account_id=before.guest_id)
    wish = Wish(check_in=scene.day(30), check_out=scene.day(35), guests=2, changing=before.id)
    assert (await scene.deps.listing.quote(guest, scene.home_id, wish)).total == change_of(dearer).total
    of_stranger = await scene.deps.listing.quote(
        somebody(),
        scene.home_id,
        msgspec.structs.replace(wish, check_in=scene.day(50), check_out=scene.day(55)),
    )
    assert ("non_refundable" in {line.kind for line in of_stranger.lines}) == (now == "non_refundable")


async def test_a_home_that_is_let_for_another_currency_now_says_so_to_who_asks_for_a_change(
    scene: Scene,
) -> None:
    before = await confirmed(scene)
    euros = {"base": {"amount": 9_000, "currency": "EUR"}}
    ok(await scene.host.put(f"/api/listings/{scene.home_id}/pricing", euros))
    with pytest.raises(CurrencyChanged) as refused:
        await scene.change(before, end=35)
    assert refused.value.facts == {"agreed": "USD", "now": "EUR"}
    assert await scene.look(before.id) == before
    assert await scene.nights(before.id) == {scene.day(n) for n in (30, 31, 32)}


async def test_a_changed_booking_goes_by_the_clocks_where_its_home_is_now(scene: Scene) -> None:
    before = await confirmed(scene)
    assert before.time_zone == "America/New_York"
    ok(await scene.host.patch(f"/api/listings/{scene.home_id}", {"location": {"lat": 48.85, "lng": 2.35}}))
    assert (await scene.look(before.id)).time_zone == "America/New_York"
    asked = await scene.change(before, end=35)
    await reactions.confirm_when_paid(scene.deps, scene.change_paid(asked))
    after = await scene.look(before.id)
    assert (after.time_zone, after.check_in_at) == ("Europe/Paris", utc(2027, 5, 14, 13))
    guest = Caller(account_id=before.guest_id)
    shown = await actions.preview_cancellation(scene.deps, guest, before.id)
    assert shown.valid_until == after.check_in_at - DAY


async def test_cancelling_ends_an_open_change_and_blocks_the_old_nights_only(scene: Scene) -> None:
    before = await confirmed(scene)
    await scene.change(before, end=36)
    await actions.cancel(scene.deps, host_of(scene), before.id, "roof", NO_KEY)
    found = await scene.look(before.id)
    assert (found.status, change_of(found).status) == ("cancelled", "expired")
    assert await scene.nights(before.id) == set(scene.stay(30, 33).each_night())
    assert await scene.told(before.id) == [
        "booking.created",
        "booking.confirmed",
        "booking.change_pending",
        "booking.change_ended",
        "booking.cancelled",
    ]


async def test_a_cancellation_after_a_change_is_by_the_changed_terms(scene: Scene) -> None:
    before = await confirmed(scene)
    asked = await scene.change(before, end=35)
    await reactions.confirm_when_paid(scene.deps, scene.change_paid(asked))
    guest = Caller(account_id=before.guest_id)
    shown = await actions.preview_cancellation(scene.deps, guest, before.id)
    assert shown.refund == change_of(asked).total
    cancelled = await actions.cancel(scene.deps, guest, before.id, "", NO_KEY)
    assert cancelled.cancellation == shown
    assert await scene.nights(before.id) == set()


async def test_the_timers_follow_the_new_dates(scene: Scene) -> None:
    before = await confirmed(scene, ahead=10)
    asked = await scene.change(before, end=15)
    await reactions.confirm_when_paid(scene.deps, scene.change_paid(asked))
    await scene.house.advance((before.check_out_at - scene.house.clock.now() + HOUR).total_seconds())
    assert (await scene.look(before.id)).status == "confirmed"
    await reactions.end_stay_when_due(scene.deps, actions.StayEnded(event_id=uuid4(), booking_id=before.id))
    assert (await scene.look(before.id)).status == "confirmed"
    await scene.house.advance(timedelta(days=2).total_seconds())
    assert (await scene.look(before.id)).status == "completed"


async def test_a_bank_that_asks_back_keeps_the_change_a_quarter_of_an_hour_longer(scene: Scene) -> None:
    before = await confirmed(scene)
    asked = await scene.change(before, end=35)
    for _ in range(2):
        news = PaymentActionRequired(
            event_id=uuid4(),
            payment_id=uuid4(),
            booking_id=before.id,
            guest_id=before.guest_id,
            amount=change_of(asked).difference,
            change_id=change_of(asked).id,
        )
        await reactions.hold_longer_when_action_required(scene.deps, news)
    found = await scene.look(before.id)
    assert change_of(found).until == change_of(asked).until + 15 * MINUTE
    assert found.payment.status == "succeeded"
    await scene.house.advance((16 * MINUTE).total_seconds())
    assert change_of(await scene.look(before.id)).status == "awaiting_payment"


ONCE: dict[str, Any] = {"percent_bp": 1000, "account_limit": 1, "total_limit": 1}
ANOTHER_HOME = "00000000-0000-7000-8000-000000000000"
BECOMES = {
    "used up": {},
    "over": {"ends_at": START.isoformat()},
    "not to be used yet": {"starts_at": "2028-01-01T00:00:00Z"},
    "for other homes": {"listing_ids": [ANOTHER_HOME]},
    "of less": {"percent_bp": 100},
    "gone": None,
}


@pytest.mark.parametrize("what", sorted(BECOMES))
async def test_a_booking_keeps_its_coupon_when_it_is_changed_whatever_becomes_of_that(
    scene: Scene, house: TestHouse, what: str
) -> None:
    admin, becomes = await house.staff(), BECOMES[what]
    assert (await admin.post("/api/coupons", {"code": "ONCE"} | ONCE | {"total_limit": 2})).status_code == 201
    before = await confirmed_with(scene, "ONCE")
    await confirmed_with(scene, "ONCE", ahead=60)
    if becomes is None:
        assert (await admin.delete("/api/coupons/ONCE")).is_success
    else:
        assert (await admin.put("/api/coupons/ONCE", ONCE | becomes)).is_success
    for end in (35, 36):
        guest = Caller(account_id=before.guest_id)
        dates = {"check_in": scene.day(30), "check_out": scene.day(end)}
        wish = Wish(**dates, guests=before.guests, changing=before.id)
        listing = house.deps("listing")
        quotes = [
            await listing_actions.quote(
                listing, guest, scene.home_id, msgspec.structs.replace(wish, coupon=code)
            )
            for code in (None, "once")
        ]
        asked = await scene.change(await scene.look(before.id), end=end)
        change = change_of(asked)
        assert quotes[0].lines == quotes[1].lines == change.lines
        sums = Counter[str]()
        for line in change.lines:
            sums[line.kind] += line.amount.amount
        assert 10 * -sums["coupon"] == sums["nights"] + sums["cleaning"] + sums["length_discount"]
        await reactions.confirm_when_paid(scene.deps, scene.change_paid(asked))
        after = await scene.look(before.id)
        assert (after.coupon, after.total, after.lines) == ("ONCE", change.total, change.lines)


async def test_a_change_takes_no_other_coupon_and_needs_the_minimum(scene: Scene, house: TestHouse) -> None:
    admin = await house.staff()
    least = {"amount": 40_000, "currency": "USD"}
    assert (await admin.post("/api/coupons", {"code": "RICH", "minimum": least} | ONCE)).status_code == 201
    assert (await admin.post("/api/coupons", {"code": "OTHER", "percent_bp": 5_000})).status_code == 201
    before = await confirmed_with(scene, "RICH", nights=5)
    guest, listing = Caller(account_id=before.guest_id), house.deps("listing")
    wish = Wish(check_in=scene.day(30), check_out=scene.day(32), guests=before.guests, changing=before.id)
    for code, reason in (("OTHER", "other_booking"), ("RICH", "minimum")):
        with pytest.raises(CouponRefused) as refused:
            await listing_actions.quote(
                listing, guest, scene.home_id, msgspec.structs.replace(wish, coupon=code)
            )
        assert refused.value.facts["reason"] == reason
    quote = await listing_actions.quote(listing, guest, scene.home_id, wish)
    change = change_of(await scene.change(before, end=32))
    assert change.lines == quote.lines
    assert not any(line.kind == "coupon" for line in change.lines)


async def confirmed_with(scene: Scene, coupon: str, **dates: int) -> BookingView:
    booking = await scene.book(somebody(), coupon=coupon, **dates)
    await reactions.confirm_when_paid(scene.deps, scene.succeeded(booking))
    return await scene.look(booking.id)


async def test_the_door_of_changes(scene: Scene, house: TestHouse) -> None:
    guest = await house.sign_up("gus@example.com", "Gus Guest")
    stranger = await house.sign_up("sam@example.com", "Sam Stranger")
    booking = ok(await book(guest, str(scene.home_id), stay(house)), 201)
    await pay(guest, booking["id"])
    await house.settle()
    path = f"/api/bookings/{booking['id']}"
    shorter = {"check_out": scene.day(32).isoformat()}
    problem(await guest.put(path, shorter, headers={"If-Match": '"1"'}), 412, "version_mismatch")
    problem(await guest.put(path, {"guests": 99}), 422, "invalid")
    problem(await guest.put(path, {"price": 1}), 422, "invalid")
    asked = ok(await guest.put(path, shorter))
    assert asked["change"]["status"] == "awaiting_host"
    assert asked["change"]["check_out"] == shorter["check_out"]
    assert asked["change"]["difference"]["amount"] < 0
    problem(await guest.post(f"{path}/change/accept"), 403, "forbidden")
    problem(await scene.host.post(f"{path}/change/decline", {"reason": " "}), 422, "invalid")
    # The guest wishes for something else while the host looks at what was asked for before.
    ok(await guest.put(path, {"check_out": scene.day(31).isoformat()}))
    seen = {"If-Match": f'"{asked["version"]}"'}
    for answer, said in (("accept", None), ("decline", {"reason": "too short"})):
        late = await scene.host.post(f"{path}/change/{answer}", said, headers=seen)
        problem(late, 412, "version_mismatch")
        # To others there is no such booking, whatever they say they have seen of it.
        problem(await stranger.post(f"{path}/change/{answer}", said, headers=seen), 404, "not_found")
    asked = ok(await guest.put(path, shorter))
    seen = {"If-Match": f'"{asked["version"]}"'}
    done = ok(await scene.host.post(f"{path}/change/accept", headers=seen))
    assert (done["change"]["status"], done["nights"], done["total"]) == ("done", 2, asked["change"]["total"])
    problem(await scene.host.post(f"{path}/change/accept"), 409, "wrong_state")
