"""Many at once for the same nights, the same key, the same coupon, the same booking."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast
from uuid import uuid4

import pytest

from harness import TestHouse
from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY, HOUR, MINUTE
from hometrip.kernel.errors import AlreadyAnswered, HomeTripError, KeyReused
from hometrip.kernel.once import NO_KEY, Once, answer_of
from hometrip.kernel.stay import Stay
from hometrip.services.booking import actions, reactions
from hometrip.services.booking.actions import questions
from hometrip.services.booking.contract import CouponRefused, DatesTaken
from hometrip.services.booking.rules import BookingView, NewCoupon
from hometrip.services.listing.contract import ListingModerated, StayRefused
from journeys.steps import ok
from services.booking_scene import Scene, scene_in, somebody


@pytest.fixture
async def scene(house: TestHouse) -> Scene:
    return await scene_in(house)


async def outcome(work: Awaitable[Any]) -> Any:
    """What came of it: the answer, or the error of the house that it raised."""
    try:
        return await work
    except HomeTripError as error:
        return error


def kinds(outcomes: list[Any]) -> Counter[str]:
    return Counter(type(found).__name__ for found in outcomes)


async def test_of_two_hundred_guests_for_one_night_one_gets_it(scene: Scene) -> None:
    guests = [somebody() for _ in range(200)]
    wishes = [await scene.wish(guest, nights=1) for guest in guests]
    outcomes = await asyncio.gather(
        *(
            outcome(actions.book(scene.deps, guest, wish, NO_KEY))
            for guest, wish in zip(guests, wishes, strict=True)
        )
    )
    assert kinds(outcomes) == {"BookingView": 1, "DatesTaken": 199}
    night = Stay(scene.day(30), scene.day(31))
    for refusal in outcomes:
        if isinstance(refusal, DatesTaken):
            free = refusal.facts["free_instead"]
            assert len(free) > 0
            assert {
                "check_in": night.check_in.isoformat(),
                "check_out": night.check_out.isoformat(),
            } not in free
    assert await questions.taken(scene.deps, scene.home_id) == [night]
    assert await actions.verify(scene.deps) == []


async def test_of_ranges_that_overlap_none_share_a_night(scene: Scene) -> None:
    chance = random.Random(7)
    guests = [somebody() for _ in range(120)]
    wishes = [await scene.wish(guest, chance.randrange(20, 60), chance.randrange(1, 6)) for guest in guests]
    outcomes = await asyncio.gather(
        *(
            outcome(actions.book(scene.deps, guest, wish, NO_KEY))
            for guest, wish in zip(guests, wishes, strict=True)
        )
    )
    assert set(kinds(outcomes)) == {"BookingView", "DatesTaken"}
    won = [view for view in outcomes if isinstance(view, BookingView)]
    stays = sorted(Stay(view.check_in, view.check_out) for view in won)
    assert not any(one.overlaps(next_one) for one, next_one in pairwise(stays))
    assert await questions.taken(scene.deps, scene.home_id) == stays
    # Whoever was refused had a reason: another's night.
    lost = [wish for wish, found in zip(wishes, outcomes, strict=True) if isinstance(found, DatesTaken)]
    for wish in lost:
        assert any(Stay(wish.check_in, wish.check_out).overlaps(stay) for stay in stays)


async def test_a_key_a_hundred_times_at_once_makes_one_booking_and_one_answer(scene: Scene) -> None:
    guest = somebody()
    wish = await scene.wish(guest)
    once = Once(key="k", scope="guest POST /bookings", fingerprint="one", status=201)
    outcomes = await asyncio.gather(
        *(outcome(actions.book(scene.deps, guest, wish, once)) for _ in range(100))
    )
    assert kinds(outcomes) == {"BookingView": 1, "AlreadyAnswered": 99}
    (first,) = (answer_of(found) for found in outcomes if isinstance(found, BookingView))
    repeated = {(found.status, found.answer) for found in outcomes if isinstance(found, AlreadyAnswered)}
    assert repeated == {(201, first)}
    other_body = Once(key="k", scope=once.scope, fingerprint="other", status=201)
    assert isinstance(await outcome(actions.book(scene.deps, guest, wish, other_body)), KeyReused)


async def test_a_key_gets_its_first_answer_whatever_became_of_the_home(scene: Scene) -> None:
    guest, once = somebody(), Once(key="k", scope="guest POST /bookings", fingerprint="one", status=201)
    wish = await scene.wish(guest)
    first = await actions.book(scene.deps, guest, wish, once)
    await actions.cancel(scene.deps, guest, first.id, "", NO_KEY)
    await scene.house.settle()
    await scene.paid(somebody())
    await scene.house.advance((20 * MINUTE).total_seconds())  # the quote has expired as well
    again = await outcome(actions.book(scene.deps, guest, wish, once))
    assert isinstance(again, AlreadyAnswered)
    assert again.answer == answer_of(first)
    await scene.house.advance((24 * HOUR).total_seconds())
    forgotten = await outcome(actions.book(scene.deps, guest, wish, once))
    assert isinstance(forgotten, DatesTaken)


async def test_a_block_against_bookings_leaves_one_of_them(scene: Scene) -> None:
    for ahead in range(20, 60, 5):
        guest = somebody()
        wish = await scene.wish(guest, ahead)
        stay = Stay(wish.check_in, wish.check_out)
        outcomes = await asyncio.gather(
            outcome(questions.block(scene.deps, scene.home_id, uuid4(), stay)),
            outcome(actions.book(scene.deps, guest, wish, NO_KEY)),
            outcome(questions.replace_blocks(scene.deps, scene.home_id, uuid4(), [stay])),
        )
        taken = [found for found in await questions.taken(scene.deps, scene.home_id) if found.overlaps(stay)]
        assert taken == [stay]
        block, booking, clashes = outcomes
        winners = [block is None, isinstance(booking, BookingView), clashes == []]
        assert sum(winners) == 1, outcomes
    assert await actions.verify(scene.deps) == []


async def test_a_home_that_goes_while_it_is_booked_is_booked_by_nobody(scene: Scene) -> None:
    """It is deleted after the home was asked for its terms, and before the booking is written."""
    guest, path, asked = somebody(), f"/api/listings/{scene.home_id}", scene.deps.listing
    wish = await scene.wish(guest)

    class GoingHome:
        def __getattr__(self, name: str) -> Any:
            return getattr(asked, name)

        async def terms(self, *wanted: Any) -> Any:
            found = await asked.terms(*wanted)
            assert (await scene.host.delete(path)).status_code == 204
            return found

    with pytest.raises(DatesTaken):
        await actions.book(replace(scene.deps, listing=cast(Any, GoingHome())), guest, wish, NO_KEY)
    assert not await questions.has_open(scene.deps, scene.home_id)
    await scene.house.advance((2 * DAY).total_seconds())
    assert await questions.taken(scene.deps, scene.home_id) == []


async def test_a_booking_that_is_made_while_its_home_is_taken_down_is_cancelled_a_minute_later(
    scene: Scene,
) -> None:
    """Once the home is put up again, nothing that is booked then is touched."""
    staff, asked, guest = await scene.house.staff(), scene.deps.listing, somebody()
    path, wish = f"/api/listings/{scene.home_id}/moderate", await scene.wish(guest)

    class HomeTakenDown:
        def __getattr__(self, name: str) -> Any:
            return getattr(asked, name)

        async def terms(self, *wanted: Any) -> Any:
            found = await asked.terms(*wanted)
            ok(await staff.post(path, {"action": "suspend", "reason": "A complaint"}))
            await scene.house.settle()
            return found

    late = await actions.book(replace(scene.deps, listing=cast(Any, HomeTakenDown())), guest, wish, NO_KEY)
    assert late.status == "pending"
    await scene.house.advance(59)
    assert (await scene.look(late.id)).status == "pending"
    await scene.house.advance(1)
    assert (await scene.look(late.id)).status == "cancelled"
    ok(await staff.post(path, {"action": "approve"}))
    after = await scene.paid(somebody(), ahead=40)
    await scene.house.advance((2 * DAY).total_seconds())
    assert (await scene.look(after.id)).status == "confirmed"


async def test_who_had_booked_a_home_that_was_taken_down_is_cancelled_however_soon_it_is_up_again(
    scene: Scene,
) -> None:
    staff, path = await scene.house.staff(), f"/api/listings/{scene.home_id}/moderate"
    paid, held = await scene.paid(somebody()), await scene.book(somebody(), ahead=40)
    ok(await staff.post(path, {"action": "suspend", "reason": "The wrong home"}))
    ok(await staff.post(path, {"action": "approve"}))
    await scene.house.settle()
    for booking in (paid, held):
        gone = await scene.look(booking.id)
        assert (gone.status, gone.history[-1].why) == ("cancelled", "the home was taken down")
    gone = await scene.look(paid.id)
    assert gone.cancellation is not None
    assert (gone.cancellation.refund, gone.cancellation.by) == (paid.total, "staff")


async def test_who_books_a_home_that_is_up_again_stays_however_late_its_end_is_heard_of(scene: Scene) -> None:
    """Nor does a hold that was over when the home was taken down, and was paid for afterwards."""
    deps, clock = scene.deps, scene.house.clock
    before, over = await scene.paid(somebody(), ahead=20), await scene.book(somebody(), ahead=30)
    await scene.house.advance((20 * MINUTE).total_seconds())
    assert (await scene.look(over.id)).status == "expired"
    facts = {"host_id": uuid4(), "revision": 1, "title": "", "reason": "", "staff_id": uuid4()}
    down = ListingModerated(
        event_id=uuid4(), listing_id=scene.home_id, action="suspended", at=clock.now(), **facts
    )
    await scene.house.advance(MINUTE.total_seconds())
    after = await scene.paid(somebody(), ahead=40)
    await reactions.confirm_when_paid(deps, scene.succeeded(over))
    for _ in range(2):
        await reactions.cancel_when_taken_down(deps, down)
    await scene.house.advance((2 * DAY).total_seconds())
    for booking, status in ((before, "cancelled"), (after, "confirmed"), (over, "confirmed")):
        assert (await scene.look(booking.id)).status == status


async def test_a_home_whose_end_was_refused_can_be_booked_as_before(scene: Scene) -> None:
    path = f"/api/listings/{scene.home_id}"
    refused = await scene.host.delete(path, headers={"If-Match": '"1000"'})
    assert refused.status_code == 412
    await scene.book(somebody(), ahead=30)
    assert (await scene.host.delete(path)).status_code == 409
    await scene.book(somebody(), ahead=40)
    assert await questions.taken(scene.deps, scene.home_id) == [scene.stay(30, 33), scene.stay(40, 43)]


async def test_accept_against_cancel_ends_in_one_story(house: TestHouse) -> None:
    scene = await scene_in(house, instant_book=False)
    host = Caller(account_id=scene.host.id)
    for ahead in range(20, 60, 5):
        guest = somebody()
        booking = await scene.book(guest, ahead)
        await asyncio.gather(
            outcome(actions.accept(scene.deps, host, booking.id)),
            outcome(actions.cancel(scene.deps, guest, booking.id, "", NO_KEY)),
            outcome(actions.decline(scene.deps, host, booking.id, "no")),
        )
        found = await scene.look(booking.id)
        steps = [step.status for step in found.history]
        assert steps in (
            ["pending", "accepted", "cancelled"],
            ["pending", "cancelled"],
            ["pending", "declined"],
        )
    assert await questions.taken(scene.deps, scene.home_id) == []
    assert await actions.verify(scene.deps) == []


async def test_a_payment_against_a_cancellation_is_never_lost(scene: Scene) -> None:
    for ahead in range(20, 60, 5):
        guest = somebody()
        booking = await scene.book(guest, ahead)
        paid = scene.succeeded(booking)
        await asyncio.gather(
            reactions.confirm_when_paid(scene.deps, paid),
            actions.cancel(scene.deps, guest, booking.id, "", NO_KEY),
            reactions.confirm_when_paid(scene.deps, paid),
        )
        found, told = await scene.look(booking.id), await scene.told(booking.id)
        assert found.status == "cancelled"
        assert found.cancellation is not None
        if found.confirmed_at:  # what was paid goes back by the cancellation, all of it
            assert found.cancellation.refund == booking.total
        else:
            assert told.count("booking.unpayable") == 1
    assert await actions.verify(scene.deps) == []


async def test_of_twenty_guests_with_a_coupon_for_one_one_uses_it(house: TestHouse) -> None:
    scene = await scene_in(house)
    admin = Caller(account_id=uuid4(), roles=frozenset({"admin"}))
    coupon = NewCoupon(code="FIRST1", percent_bp=1_000, total_limit=1)
    await actions.coupons.add_coupon(scene.deps, admin, coupon)
    guests = [somebody() for _ in range(20)]
    wishes = [
        await scene.wish(guest, 20 + 4 * number, coupon="first1") for number, guest in enumerate(guests)
    ]
    outcomes = await asyncio.gather(
        *(
            outcome(actions.book(scene.deps, guest, wish, NO_KEY))
            for guest, wish in zip(guests, wishes, strict=True)
        )
    )
    assert kinds(outcomes) == {"BookingView": 1, "CouponRefused": 19}
    reasons = {found.facts["reason"] for found in outcomes if isinstance(found, CouponRefused)}
    assert reasons == {"used_up"}
    assert len(await questions.taken(scene.deps, scene.home_id)) == 1


async def test_nights_of_preparation_hold_among_guests_who_book_at_once(house: TestHouse) -> None:
    """Of a booking that was made a moment ago the listing service knows nothing yet."""
    scene = await scene_in(house, stay_rules={"preparation_nights": 1})
    guests = [somebody() for _ in range(3)]
    wishes = [await scene.wish(guest, first, 2) for guest, first in zip(guests, (30, 32, 35), strict=True)]
    made = await actions.book(scene.deps, guests[0], wishes[0], NO_KEY)
    with pytest.raises(StayRefused) as refused:
        await actions.book(scene.deps, guests[1], wishes[1], NO_KEY)
    facts = refused.value.facts
    assert (facts["rule"], facts["value"]) == ("preparation", 1)
    assert refused.value.detail == "The host keeps 1 night free beside every booking."
    assert facts["nearest"]["check_in"] == scene.day(33).isoformat()
    later = await actions.book(scene.deps, guests[2], wishes[2], NO_KEY)
    assert {made.status, later.status} == {"pending"}


async def test_a_change_that_another_overtakes_is_asked_of_the_booking_as_it_is_now(scene: Scene) -> None:
    booking = await scene.paid(somebody(), 20)
    outcomes = await asyncio.gather(*(outcome(scene.change(booking, end=20 + n)) for n in (4, 5)))
    assert kinds(outcomes) == {"BookingView": 2}
    steps = [step.status for step in (await scene.stored(booking.id)).history[2:]]
    assert steps == ["change_asked", "change_expired", "change_asked"]
    assert await actions.verify(scene.deps) == []
