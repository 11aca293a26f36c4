"""What payments and time do to a booking behind the door: late money, holds, refunds of the fee."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import uuid4

import pytest
from msgspec.structs import replace
from sqlalchemy import update

from harness import TestHouse
from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY, HOUR, MINUTE, SECOND
from hometrip.kernel.errors import Unavailable
from hometrip.kernel.once import NO_KEY
from hometrip.kernel.stay import at_local
from hometrip.services.booking import actions, reactions, rules, store
from hometrip.services.booking.actions import questions
from hometrip.services.booking.contract import BookingCancelled, DatesTaken, WrongState
from hometrip.services.booking.rules import BookingView, NewCoupon
from hometrip.services.booking.store.tables import bookings
from hometrip.services.payment.contract import PaymentRefunded
from journeys.steps import ok
from services.booking_scene import Scene, scene_in, somebody

PAST_HOLD = (15 * MINUTE + SECOND).total_seconds()


@pytest.fixture
async def scene(house: TestHouse) -> Scene:
    return await scene_in(house, cancellation_policy="moderate")


async def test_a_timer_that_a_machine_whose_clock_is_ahead_has_fired_comes_again(scene: Scene) -> None:
    held, clock = await scene.book(somebody(), ahead=50), scene.house.clock
    stayed = await scene.paid(somebody(), ahead=1, nights=1)
    changing = await scene.change(await scene.paid(somebody(), ahead=30), first=30, end=35)

    async def too_early(at: datetime | None) -> None:
        assert at is not None
        clock.move_to(at - 2 * SECOND)
        await scene.deps.db.fire_due(at)
        await scene.house.settle()

    assert changing.change is not None
    await too_early(held.hold_until)
    await too_early(changing.change.until)
    await scene.house.advance(30)
    assert (await scene.look(held.id)).status == "expired"
    change = (await scene.look(changing.id)).change
    assert change is not None
    assert change.status == "expired"
    await too_early((await scene.stored(stayed.id)).check_out_at)
    assert (await scene.look(stayed.id)).status == "confirmed"
    await scene.house.advance(30)
    assert (await scene.look(stayed.id)).status == "completed"


async def test_a_payment_after_the_holds_end_confirms_where_the_nights_are_free(scene: Scene) -> None:
    booking = await scene.book(somebody())
    await scene.house.advance(PAST_HOLD)
    assert (await scene.look(booking.id)).status == "expired"
    assert await questions.taken(scene.deps, scene.home_id) == []
    paid = scene.succeeded(booking)
    await reactions.confirm_when_paid(scene.deps, paid)
    await reactions.confirm_when_paid(scene.deps, paid)
    found = await scene.look(booking.id)
    assert (found.status, found.payment.status) == ("confirmed", "succeeded")
    assert [step.status for step in found.history] == ["pending", "expired", "confirmed"]
    assert await scene.told(booking.id) == ["booking.created", "booking.expired", "booking.confirmed"]
    assert await actions.verify(scene.deps) == []


async def test_a_payment_after_the_holds_end_goes_back_where_they_are_not(scene: Scene) -> None:
    booking = await scene.book(somebody())
    await scene.house.advance(PAST_HOLD)
    await scene.book(somebody(), ahead=32, nights=3)  # one night of it is enough
    paid = scene.succeeded(booking)
    await reactions.confirm_when_paid(scene.deps, paid)
    await reactions.confirm_when_paid(scene.deps, paid)
    assert (await scene.look(booking.id)).status == "expired"
    assert await scene.told(booking.id) == ["booking.created", "booking.expired", "booking.unpayable"]
    assert await actions.verify(scene.deps) == []


async def test_a_payment_after_the_holds_end_does_not_use_a_coupon_once_more(scene: Scene) -> None:
    admin = await scene.house.staff("admin")
    ok(await admin.post("/api/coupons", {"code": "ONE", "percent_bp": 1_000, "total_limit": 1}), 201)
    late, other = await scene.book(somebody(), coupon="ONE"), somebody()
    await scene.house.advance(PAST_HOLD)
    used = await scene.book(other, ahead=40, coupon="ONE")  # an expired hold has given its coupon back
    await reactions.confirm_when_paid(scene.deps, scene.succeeded(late))
    assert (await scene.look(late.id)).status == "expired"
    assert (await scene.told(late.id))[-1] == "booking.unpayable"
    await actions.cancel(scene.deps, other, used.id, "", NO_KEY)
    again = await scene.book(other, ahead=40, coupon="ONE")  # so has a cancelled one
    await scene.house.advance(PAST_HOLD)
    await reactions.confirm_when_paid(scene.deps, scene.succeeded(again))
    assert (await scene.look(again.id)).status == "confirmed"


@pytest.mark.parametrize(("ahead", "status"), [(33, "expired"), (28, "expired"), (34, "confirmed")])
async def test_a_payment_after_the_holds_end_goes_back_where_a_booking_is_nearer_than_the_preparation(
    house: TestHouse, ahead: int, status: str
) -> None:
    """Nights 30 to 32 were asked for, with one free night to the next booking as it was agreed."""
    scene = await scene_in(house, stay_rules={"preparation_nights": 1})
    late = await scene.book(somebody())
    await house.advance(PAST_HOLD)
    await scene.book(somebody(), ahead=ahead, nights=2)
    await reactions.confirm_when_paid(scene.deps, scene.succeeded(late))
    assert (await scene.look(late.id)).status == status
    kept = 3 if status == "confirmed" else 0
    assert len(await scene.nights(late.id)) == kept
    assert (await scene.told(late.id))[-1] == ("booking.confirmed" if kept else "booking.unpayable")
    assert await actions.verify(scene.deps) == []


async def test_a_payment_after_the_first_night_goes_back_though_the_nights_are_free(scene: Scene) -> None:
    in_time, late = await scene.book(somebody(), ahead=2), await scene.book(somebody(), ahead=10)
    await scene.house.advance((2 * DAY + 18 * HOUR).total_seconds())  # 23:00 in Albany
    await reactions.confirm_when_paid(scene.deps, scene.succeeded(in_time))
    assert (await scene.look(in_time.id)).status == "confirmed"
    await scene.house.advance((8 * DAY + HOUR).total_seconds())
    await reactions.confirm_when_paid(scene.deps, scene.succeeded(late))
    assert (await scene.look(late.id)).status == "expired"
    assert (await scene.told(late.id))[-1] == "booking.unpayable"
    assert await actions.verify(scene.deps) == []


async def test_a_check_in_time_that_the_clocks_skip_that_night_is_kept_for_the_days_before(
    house: TestHouse,
) -> None:
    scene = await scene_in(house, cancellation_policy="moderate", check_in_from="02:30")
    night, guest = date(2028, 3, 12), somebody()  # in Albany from 02:00 to 03:00
    ahead = (night - scene.today).days

    async def last_of(booking: BookingView) -> datetime:
        return (await actions.preview_cancellation(scene.deps, guest, booking.id)).valid_until

    def at_half_past_two(days_before: int) -> datetime:
        return at_local(night - timedelta(days=days_before), "02:30", "America/New_York")

    booking = await scene.paid(guest, ahead=ahead, plan="half")
    assert booking.balance_due_at == at_half_past_two(14)
    assert await last_of(booking) == at_half_past_two(14) - timedelta(seconds=1)
    await actions.cancel(scene.deps, guest, booking.id, "", NO_KEY)
    later = await scene.paid(guest, ahead=ahead + 7)
    await scene.change(later, first=ahead, end=ahead + 3)
    await actions.accept_change(scene.deps, Caller(account_id=scene.host.id), later.id)
    assert await last_of(later) == at_half_past_two(5)


async def test_a_request_for_today_can_be_answered_and_paid_until_the_first_night_is_over(
    house: TestHouse,
) -> None:
    scene = await scene_in(house, instant_book=False)
    host = Caller(account_id=scene.host.id)
    midnight = at_local(scene.day(1), "00:00", "America/New_York")
    accepted, ignored = await scene.book(somebody(), ahead=0), await scene.book(somebody(), ahead=3)
    assert accepted.hold_until == midnight
    assert ignored.hold_until == house.clock.now() + DAY
    await actions.accept(scene.deps, host, accepted.id)
    assert (await scene.look(accepted.id)).hold_until == midnight
    await house.advance((midnight - house.clock.now()).total_seconds())
    assert (await scene.look(accepted.id)).status == "expired"
    stale = await scene.stored(ignored.id)
    with pytest.raises(WrongState):
        rules.accepted(stale, rules.Actor(role="host"), ignored.hold_until or midnight)


@pytest.mark.parametrize("timer_first", [True, False])
async def test_a_payment_that_is_heard_of_after_the_first_night_goes_back(
    scene: Scene, timer_first: bool
) -> None:
    """The house was down for a week: the guest, whom nobody has confirmed anything, is elsewhere by now."""
    booking = await scene.book(somebody(), ahead=5)
    scene.house.clock.move_to(scene.house.clock.now() + 7 * DAY)
    if timer_first:
        await scene.house.settle()
    await reactions.confirm_when_paid(scene.deps, scene.succeeded(booking))
    await scene.house.settle()
    assert (await scene.look(booking.id)).status == "expired"
    assert await scene.told(booking.id) == ["booking.created", "booking.expired", "booking.unpayable"]
    assert await questions.taken(scene.deps, scene.home_id) == []
    assert await actions.verify(scene.deps) == []


async def test_a_late_payment_goes_back_where_the_coupons_last_use_is_anothers(scene: Scene) -> None:
    admin = Caller(account_id=uuid4(), roles=frozenset({"admin"}))
    last = NewCoupon(code="LAST", percent_bp=1_000, total_limit=1)
    await actions.coupons.add_coupon(scene.deps, admin, last)
    first = await scene.book(somebody(), ahead=30, coupon="LAST")
    await scene.house.advance(PAST_HOLD)
    second = await scene.book(somebody(), ahead=40, coupon="LAST")
    await reactions.confirm_when_paid(scene.deps, scene.succeeded(second))
    await reactions.confirm_when_paid(scene.deps, scene.succeeded(first))
    assert (await scene.look(first.id)).status == "expired"
    assert (await scene.told(first.id))[-1] == "booking.unpayable"
    assert await questions.taken(scene.deps, scene.home_id) == [scene.stay(40, 43)]
    assert await actions.verify(scene.deps) == []


async def test_a_late_payment_has_the_coupon_that_nobody_else_has_used(scene: Scene) -> None:
    admin = Caller(account_id=uuid4(), roles=frozenset({"admin"}))
    last = NewCoupon(code="LAST", percent_bp=1_000, total_limit=1, account_limit=1)
    await actions.coupons.add_coupon(scene.deps, admin, last)
    booking = await scene.book(somebody(), coupon="LAST")
    await scene.house.advance(PAST_HOLD)
    await reactions.confirm_when_paid(scene.deps, scene.succeeded(booking))
    assert (await scene.look(booking.id)).status == "confirmed"


async def test_news_of_a_payment_that_was_cancelled_meanwhile_sends_nothing_back_twice(scene: Scene) -> None:
    guest = somebody()
    booking = await scene.paid(guest)
    await actions.cancel(scene.deps, guest, booking.id, "", NO_KEY)
    await reactions.confirm_when_paid(scene.deps, scene.succeeded(booking))
    assert "booking.unpayable" not in await scene.told(booking.id)


async def test_what_goes_back_is_noted_on_the_booking(scene: Scene) -> None:
    booking = await scene.paid(somebody())
    part = PaymentRefunded(
        event_id=uuid4(),
        payment_id=uuid4(),
        booking_id=booking.id,
        guest_id=booking.guest_id,
        amount=booking.total,
        all=False,
    )
    await reactions.note_when_refunded(scene.deps, part)
    assert (await scene.look(booking.id)).payment.status == "partially_refunded"


async def test_a_second_half_that_a_change_saved_while_it_was_paid_leaves_the_first_as_it_was(
    scene: Scene,
) -> None:
    """Payment gives it back once it hears of the change: all of it, and nothing of the first half."""
    booking = await scene.paid(somebody(), plan="half")
    await reactions.confirm_when_paid(scene.deps, scene.succeeded(booking))
    saved = scene.succeeded(booking)
    await reactions.confirm_when_paid(scene.deps, saved)
    back = PaymentRefunded(
        event_id=uuid4(),
        payment_id=saved.payment_id,
        booking_id=booking.id,
        guest_id=booking.guest_id,
        amount=booking.total,
        all=True,
    )
    await reactions.note_when_refunded(scene.deps, back)
    assert (await scene.look(booking.id)).payment == replace(booking.payment, status="succeeded")


async def test_a_newer_hold_of_the_guest_takes_the_place_of_the_earlier(scene: Scene) -> None:
    guest, other = somebody(), somebody()
    earlier = await scene.book(guest, ahead=30)
    assert await questions.taken(scene.deps, scene.home_id) == [scene.stay(30, 33)]
    assert await questions.taken(scene.deps, scene.home_id, guest.id) == []
    newer = await scene.book(guest, ahead=40)
    assert (await scene.look(earlier.id)).status == "expired"
    assert "newer" in str((await scene.look(earlier.id)).history[-1].why)
    assert (await scene.look(newer.id)).status == "pending"
    await scene.house.settle()
    await scene.book(other, ahead=30)
    # Its timer went with it: nothing more happens when its time would have come.
    await scene.house.advance(PAST_HOLD)
    assert (await scene.told(earlier.id)).count("booking.expired") == 1


async def test_a_paid_booking_is_no_hold_and_stays(scene: Scene) -> None:
    guest = somebody()
    paid = await scene.paid(guest, ahead=30)
    await scene.book(guest, ahead=40)
    assert (await scene.look(paid.id)).status == "confirmed"


async def test_the_fee_comes_back_three_times_in_twelve_months(scene: Scene) -> None:
    guest = somebody()

    async def cancelled_early() -> int:
        booking = await scene.paid(guest)
        shown = await actions.preview_cancellation(scene.deps, guest, booking.id)
        view = await actions.cancel(scene.deps, guest, booking.id, "", NO_KEY)
        await scene.house.settle()
        assert view.cancellation == shown
        (fee,) = (line for line in shown.lines if line.kind == "service_fee")
        return fee.refunded.amount

    assert [await cancelled_early() > 0 for _ in range(4)] == [True, True, True, False]
    # The 14th of April comes after 366 days: there is a 29th of February between.
    await scene.house.advance((365 * DAY + HOUR).total_seconds())
    assert await cancelled_early() == 0
    await scene.house.advance(DAY.total_seconds())
    assert await cancelled_early() > 0


async def test_the_event_of_a_cancellation_says_whose_the_kept_rest_is(scene: Scene) -> None:
    guest = somebody()
    booking = await scene.paid(guest, ahead=4)
    await actions.cancel(scene.deps, guest, booking.id, "ill", NO_KEY)
    *_, last = await scene.deps.db.history(f"booking/{booking.id}")
    assert last.name == "booking.cancelled"
    event = last.open(BookingCancelled)
    assert (event.by, event.why) == ("guest", "ill")
    kept = event.kept
    # Moderate, three nights of 100: one night and half of the rest stay with the host, less 3 %.
    assert kept.payout.amount == 19_400
    assert kept.payout + kept.platform + event.refund == booking.total


async def test_a_change_by_another_in_between_is_not_overwritten(scene: Scene) -> None:
    booking = await scene.book(somebody())
    stale = await scene.stored(booking.id)
    async with scene.deps.db.transaction() as tx:
        await tx.execute(update(bookings).where(bookings.c.id == booking.id).values(version=7))
    with pytest.raises(Unavailable):
        async with scene.deps.db.transaction() as tx:
            await store.bookings.change(tx, stale, stale)


async def test_verify_finds_what_contradicts_itself(scene: Scene) -> None:
    booking = await scene.paid(somebody())
    async with scene.deps.db.transaction() as tx:
        await store.nights.release(tx, booking.id)
    (found,) = await actions.verify(scene.deps)
    assert str(booking.id) in found
    assert "0 nights" in found


async def test_blocks_take_nights_and_give_them_back(scene: Scene) -> None:
    deps, home = scene.deps, scene.home_id
    booking = await scene.book(somebody(), ahead=30)
    block, stay = uuid4(), scene.stay(20, 25)
    await questions.block(deps, home, block, stay)
    await questions.block(deps, home, block, stay)
    with pytest.raises(DatesTaken):
        await questions.block(deps, home, uuid4(), scene.stay(24, 26))
    with pytest.raises(DatesTaken):
        await questions.block(deps, home, uuid4(), scene.stay(29, 31))
    await questions.unblock(deps, booking.id)  # not a block: nothing happens
    assert await questions.taken(deps, home) == [stay, scene.stay(30, 33)]
    await questions.unblock(deps, block)
    await questions.unblock(deps, block)
    assert await questions.taken(deps, home) == [scene.stay(30, 33)]


async def test_an_imported_calendar_is_replaced_as_a_whole_and_never_takes_what_is_others(
    scene: Scene,
) -> None:
    deps, home, source = scene.deps, scene.home_id, uuid4()
    await scene.book(somebody(), ahead=30)
    wanted = [scene.stay(10, 12), scene.stay(29, 35)]
    for _ in range(2):
        assert await questions.replace_blocks(deps, home, source, wanted) == [scene.stay(30, 33)]
        assert await questions.taken(deps, home) == [
            scene.stay(10, 12),
            scene.stay(29, 30),
            scene.stay(30, 33),
            scene.stay(33, 35),
        ]
    moved = [scene.stay(11, 13)]
    assert await questions.replace_blocks(deps, home, source, moved) == []
    assert await questions.taken(deps, home) == [scene.stay(11, 13), scene.stay(30, 33)]
    assert await questions.replace_blocks(deps, home, source, []) == []
    assert await questions.taken(deps, home) == [scene.stay(30, 33)]


async def test_who_has_been_there_and_what_lies_ahead(scene: Scene) -> None:
    guest = somebody()
    deps, home = scene.deps, scene.home_id
    assert not await questions.has_open(deps, home)
    booking = await scene.book(guest)
    assert await questions.has_open(deps, home)
    assert not await questions.has_confirmed(deps, home, guest.id)
    await reactions.confirm_when_paid(deps, scene.succeeded(booking))
    assert await questions.has_confirmed(deps, home, guest.id)
    assert not await questions.has_confirmed(deps, home, uuid4())
    await scene.house.advance((40 * DAY).total_seconds())
    assert (await scene.look(booking.id)).status == "completed"
    assert not await questions.has_open(deps, home)
    assert await questions.has_confirmed(deps, home, guest.id)


async def test_what_payment_needs_to_know(house: TestHouse) -> None:
    scene = await scene_in(house, instant_book=False)
    asked = await scene.book(somebody())
    payable = await questions.payable(scene.deps, asked.id)
    assert (payable.status, payable.capture, payable.total) == ("pending", "manual", asked.total)
    await actions.accept(scene.deps, Caller(account_id=scene.host.id), asked.id)
    payable = await questions.payable(scene.deps, asked.id)
    assert (payable.capture, payable.hold_until) == ("automatic", house.clock.now() + DAY)
