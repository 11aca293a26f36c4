"""Half now and half later, penalties, disputes, receipts: behind the door by events, and at the door."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from harness import TestHouse
from hometrip.kernel.access import Caller
from hometrip.kernel.clock import DAY, HOUR
from hometrip.kernel.money import Money, total
from hometrip.kernel.once import NO_KEY
from hometrip.kernel.split import total_of
from hometrip.services.booking import actions, reactions
from hometrip.services.booking.actions import questions
from hometrip.services.booking.contract import (
    BookingBalanceOwed,
    BookingCancelled,
    BookingConfirmed,
    BookingUnpayable,
    DisputeOpened,
    DisputeResolved,
    PriceChanged,
)
from hometrip.services.booking.rules import (
    BookingView,
    BookingWish,
    DisputeWish,
    PlanRefused,
    Resolution,
)
from hometrip.services.payment.contract import (
    PaymentBalanceFailed,
    PaymentCanceled,
    PaymentFailed,
    PaymentIntentCreated,
    PaymentRefunded,
    PaymentSucceeded,
)
from journeys.steps import book, ok, pay, problem, stay
from services.booking_scene import Scene, scene_in, somebody

STAFF = Caller(account_id=UUID(int=99), roles=frozenset({"support"}))


@pytest.fixture
async def scene(house: TestHouse) -> Scene:
    return await scene_in(house, cancellation_policy="firm")


def news(kind: type[Any], booking: BookingView, amount: Money | None, **more: Any) -> Any:
    return kind(
        event_id=uuid4(),
        payment_id=more.pop("payment_id", None) or uuid4(),
        booking_id=booking.id,
        guest_id=booking.guest_id,
        amount=amount or booking.total,
        **more,
    )


async def half_paid(scene: Scene, guest: Caller | None = None, ahead: int = 30) -> BookingView:
    booking = await scene.book(guest or somebody(), ahead=ahead, plan="half")
    paid = news(PaymentSucceeded, booking, booking.due_now)
    await reactions.confirm_when_paid(scene.deps, paid)
    await reactions.confirm_when_paid(scene.deps, paid)
    return await scene.look(booking.id)


async def last_event(scene: Scene, booking_id: UUID, kind: type[Any]) -> Any:
    told = [
        found for found in await scene.deps.db.history(f"booking/{booking_id}") if found.name == kind.name
    ]
    return told[-1].open(kind)


async def test_half_is_asked_for_first_and_told_to_payment(scene: Scene) -> None:
    booking = await scene.book(somebody(), plan="half")
    payable = await questions.payable(scene.deps, booking.id)
    assert payable.due_now == booking.due_now
    assert payable.due_now is not None
    assert booking.balance == booking.total - payable.due_now
    assert payable.balance_due_at == booking.balance_due_at == booking.check_in_at - 14 * DAY
    confirmed = await half_paid(scene, ahead=40)
    assert (confirmed.status, confirmed.payment.status) == ("confirmed", "partially_paid")
    facts = (await last_event(scene, confirmed.id, BookingConfirmed)).booking
    assert (facts.due_now, facts.balance_due_at) == (confirmed.due_now, confirmed.balance_due_at)


async def test_a_plan_that_is_not_offered_is_refused_and_nothing_is_held(scene: Scene) -> None:
    with pytest.raises(PlanRefused):
        await scene.book(somebody(), ahead=13, plan="half")
    with pytest.raises(PlanRefused):
        await scene.book(somebody(), nights=1, plan="half")
    assert await questions.taken(scene.deps, scene.home_id) == []


async def test_the_second_half_makes_the_booking_wholly_paid(scene: Scene) -> None:
    booking = await half_paid(scene)
    second = news(PaymentSucceeded, booking, booking.balance)
    await reactions.note_when_intent_created(
        scene.deps, news(PaymentIntentCreated, booking, booking.balance, payment_id=second.payment_id)
    )
    await reactions.note_when_payment_failed(
        scene.deps, news(PaymentFailed, booking, booking.balance, why="card_declined")
    )
    assert (await scene.look(booking.id)).payment.status == "partially_paid"
    await reactions.confirm_when_paid(scene.deps, second)
    found = await scene.look(booking.id)
    assert (found.payment.status, found.balance, found.balance_due_at) == ("succeeded", None, None)
    assert found.payment.intent_id == booking.payment.intent_id
    assert (found.history[-1].status, found.history[-1].by) == ("balance_paid", "system")
    assert await actions.verify(scene.deps) == []


async def test_a_half_paid_booking_that_gets_dearer_pays_the_difference_at_once(scene: Scene) -> None:
    booking = await half_paid(scene)
    asked = await scene.change(booking, first=32, end=36)
    await reactions.confirm_when_paid(scene.deps, scene.change_paid(asked))
    after = await scene.look(booking.id)
    assert asked.change is not None
    assert after.total == booking.total + asked.change.difference
    assert (after.balance, after.payment.status) == (booking.balance, "partially_paid")
    assert booking.balance_due_at is not None
    assert after.balance_due_at == booking.balance_due_at + 2 * DAY
    await reactions.confirm_when_paid(scene.deps, news(PaymentSucceeded, after, after.balance))
    assert (await scene.look(booking.id)).payment.status == "succeeded"


async def test_what_a_change_saves_comes_off_the_second_half_first(scene: Scene) -> None:
    host, booking = Caller(account_id=scene.host.id), await half_paid(scene)
    await scene.change(booking, end=32)
    cheaper = await actions.accept_change(scene.deps, host, booking.id)
    assert (cheaper.change, booking.balance) != (None, None)
    assert cheaper.balance == cheaper.total - (booking.due_now or booking.total)
    await scene.change(cheaper, end=31)  # less than what was paid already
    done = await actions.accept_change(scene.deps, host, booking.id)
    assert (done.balance, done.balance_due_at, done.payment.status) == (None, None, "succeeded")
    assert await actions.verify(scene.deps) == []


async def test_a_second_half_that_never_comes_cancels_under_the_policy(scene: Scene) -> None:
    booking = await half_paid(scene)
    await scene.house.advance(
        (20 * DAY).total_seconds()
    )  # ten days before: the policy keeps half of the nights
    failed = news(PaymentBalanceFailed, booking, booking.balance, why="card_declined")
    await reactions.cancel_when_balance_failed(scene.deps, failed)
    await reactions.cancel_when_balance_failed(scene.deps, failed)
    found = await scene.look(booking.id)
    assert (found.status, found.history[-1].by) == ("cancelled", "system")
    assert found.history[-1].why == "the second half was not paid: card_declined"
    assert found.cancellation is not None
    assert found.cancellation.by == "guest"
    told = await last_event(scene, booking.id, BookingCancelled)
    assert (told.by, told.penalty) == ("guest", None)
    assert told.refund + total_of(told.kept) == booking.due_now
    assert told.refund == found.cancellation.refund == total((one.amount for one in told.lines), "USD")
    assert (found.balance, found.balance_due_at) == (None, None)  # nobody has to pay it any more
    assert (await scene.told(booking.id)).count("booking.cancelled") == 1
    assert await scene.nights(booking.id) == set()


async def test_a_second_half_that_is_not_paid_after_the_stay_is_shown_told_and_can_be_paid(
    scene: Scene,
) -> None:
    """The provider was down from before the day on which it was due."""
    booking = await half_paid(scene)
    await scene.house.advance((40 * DAY).total_seconds())
    found = await scene.look(booking.id)
    assert (found.status, found.payment.status) == ("completed", "partially_paid")
    assert (found.due_now, found.balance) == (booking.due_now, booking.balance)
    assert found.balance_due_at == booking.balance_due_at
    failed = news(PaymentBalanceFailed, booking, booking.balance, why="card_declined")
    await reactions.cancel_when_balance_failed(scene.deps, failed)
    await reactions.cancel_when_balance_failed(scene.deps, failed)
    found = await scene.look(booking.id)
    assert (found.status, found.history[-1].status) == ("completed", "balance_owed")
    told = await last_event(scene, booking.id, BookingBalanceOwed)
    assert (told.amount, told.why) == (booking.balance, "card_declined")
    assert (await scene.told(booking.id)).count("booking.balance_owed") == 1
    await reactions.confirm_when_paid(scene.deps, news(PaymentSucceeded, booking, booking.balance))
    found = await scene.look(booking.id)
    assert (found.status, found.payment.status, found.balance) == ("completed", "succeeded", None)
    assert await actions.verify(scene.deps) == []


async def test_news_of_a_second_half_that_failed_but_was_paid_cancels_nothing(scene: Scene) -> None:
    booking = await half_paid(scene)
    await reactions.confirm_when_paid(scene.deps, news(PaymentSucceeded, booking, booking.balance))
    failed = news(PaymentBalanceFailed, booking, booking.balance, why="card_declined")
    await reactions.cancel_when_balance_failed(scene.deps, failed)
    assert (await scene.look(booking.id)).status == "confirmed"


async def test_a_half_paid_guest_who_cancels_never_gets_more_than_was_paid(scene: Scene) -> None:
    guest = somebody()
    booking = await half_paid(scene, guest, ahead=60)
    shown = await actions.preview_cancellation(scene.deps, guest, booking.id)
    assert (shown.refund, shown.kept.amount) == (booking.due_now, 0)
    cancelled = await actions.cancel(scene.deps, guest, booking.id, "", NO_KEY)
    assert cancelled.cancellation == shown


async def test_a_second_half_that_was_paid_as_the_booking_was_cancelled_goes_back(scene: Scene) -> None:
    guest = somebody()
    booking = await half_paid(scene, guest)
    await actions.cancel(scene.deps, guest, booking.id, "", NO_KEY)
    second = news(PaymentSucceeded, booking, booking.balance)
    await reactions.confirm_when_paid(scene.deps, second)
    assert (await last_event(scene, booking.id, BookingUnpayable)).payment_id == second.payment_id


async def test_a_host_who_cancels_is_charged_and_the_charge_is_shown_before(scene: Scene) -> None:
    host, booking = Caller(account_id=scene.host.id), await scene.paid(somebody(), ahead=40)
    shown = await actions.preview_cancellation(scene.deps, host, booking.id)
    assert shown.penalty == Money(5_000, "USD")  # a tenth of 350 is less than the least
    await actions.cancel(scene.deps, host, booking.id, "The roof leaks.", NO_KEY)
    told = await last_event(scene, booking.id, BookingCancelled)
    assert (told.by, told.penalty, told.refund) == ("host", shown.penalty, booking.total)


async def test_a_released_payment_is_shown_as_such(scene: Scene) -> None:
    booking = await scene.book(somebody())
    intent = news(PaymentIntentCreated, booking, None)
    await reactions.note_when_intent_created(scene.deps, intent)
    await reactions.note_when_payment_canceled(scene.deps, news(PaymentCanceled, booking, None))
    assert (await scene.look(booking.id)).payment.status == "requires_payment_method"
    released = news(PaymentCanceled, booking, None, payment_id=intent.payment_id)
    await reactions.note_when_payment_canceled(scene.deps, released)
    assert (await scene.look(booking.id)).payment.status == "canceled"
    await reactions.confirm_when_paid(scene.deps, scene.succeeded(booking))
    assert (await scene.look(booking.id)).payment.status == "succeeded"


async def stayed(scene: Scene, guest: Caller) -> BookingView:
    booking = await scene.paid(guest, ahead=5)
    await scene.house.advance((booking.check_in_at - scene.house.clock.now() + HOUR).total_seconds())
    return booking


async def test_a_dispute_is_settled_out_of_the_hosts_payout(scene: Scene) -> None:
    guest = somebody()
    booking = await stayed(scene, guest)
    wish = DisputeWish(reason="not clean", text="Dust everywhere.")
    opened = await actions.dispute(scene.deps, guest, booking.id, wish)
    assert opened.disputes is not None
    dispute = opened.disputes[0]
    said = await last_event(scene, booking.id, DisputeOpened)
    assert (said.dispute_id, said.by, said.why) == (dispute.id, "guest", "not clean")
    how = Resolution(refund=Money(7_000, "USD"), note="The pictures show it.")
    settled = await actions.resolve(scene.deps, STAFF, booking.id, dispute.id, how)
    assert settled.disputes is not None
    assert (settled.disputes[0].status, settled.disputes[0].refund) == ("resolved", how.refund)
    told = await last_event(scene, booking.id, DisputeResolved)
    assert (told.refund, told.kept.payout) == (how.refund, booking.host_payout - how.refund)
    back = news(PaymentRefunded, booking, how.refund, all=False, payment_id=booking.payment.intent_id)
    await reactions.note_when_refunded(scene.deps, back)
    assert (await scene.look(booking.id)).payment.status == "partially_refunded"
    assert (await scene.stored(booking.id)).left == booking.total - how.refund
    # What is cancelled then is reckoned on what is left.
    cancelled = await actions.cancel(scene.deps, guest, booking.id, "", NO_KEY)
    assert cancelled.cancellation is not None
    assert cancelled.cancellation.refund + cancelled.cancellation.kept == booking.total - how.refund


async def test_a_cancelled_stay_can_be_disputed_and_what_was_kept_given_back(scene: Scene) -> None:
    guest = somebody()
    booking = await stayed(scene, guest)
    cancelled = await actions.cancel(scene.deps, guest, booking.id, "no water", NO_KEY)
    assert cancelled.cancellation is not None
    kept = cancelled.cancellation.kept
    assert kept == booking.total
    opened = await actions.dispute(scene.deps, guest, booking.id, DisputeWish(reason="no water"))
    assert opened.disputes is not None
    how = Resolution(refund=kept)
    await actions.resolve(scene.deps, STAFF, booking.id, opened.disputes[0].id, how)
    assert total_of((await last_event(scene, booking.id, DisputeResolved)).kept) == kept * 0
    back = news(PaymentRefunded, booking, kept, all=True, payment_id=booking.payment.intent_id)
    await reactions.note_when_refunded(scene.deps, back)
    assert (await scene.look(booking.id)).payment.status == "refunded"


async def test_a_payment_that_could_not_be_used_leaves_the_booking_as_paid_as_it_was(scene: Scene) -> None:
    booking = await scene.paid(somebody())
    await reactions.note_when_refunded(scene.deps, news(PaymentRefunded, booking, None, all=True))
    assert (await scene.look(booking.id)).payment.status == "succeeded"


async def test_a_price_that_was_seen_is_as_good_as_its_quote(scene: Scene) -> None:
    guest = somebody()
    wish = await scene.wish(guest)
    quote = await scene.deps.listing.quote(guest, scene.home_id, wish.for_listing)
    seen = {name: getattr(wish, name) for name in ("listing_id", "check_in", "check_out", "guests")}
    with pytest.raises(PriceChanged) as refusal:
        other = BookingWish(**seen, expected_total=quote.total + Money(1, "USD"))
        await actions.book(scene.deps, guest, other, NO_KEY)
    assert refusal.value.facts["quote"]["total"]["amount"] == quote.total.amount
    booked = await actions.book(scene.deps, guest, BookingWish(**seen, expected_total=quote.total), NO_KEY)
    assert booked.total == quote.total


async def test_the_door_of_plans_disputes_receipts_and_calendars(scene: Scene, house: TestHouse) -> None:
    guest, other = await house.sign_up("gus@example.com"), await house.sign_up("olga@example.com")
    support = await house.staff("support")
    home = str(scene.home_id)
    soon = stay(house, days=5)
    problem(await book(guest, home, soon, plan="half"), 409, "plan_refused")
    problem(await book(guest, home, soon, plan="third"), 422, "invalid")
    price = {"amount": 1, "currency": "USD"}
    problem(await book(guest, home, soon, expected_total=price), 422, "invalid")
    booking = ok(await book(guest, home, soon), 201)
    path = f"/api/bookings/{booking['id']}"
    problem(await guest.get(f"{path}/receipt"), 409, "wrong_state")
    held = await guest.get(f"{path}/calendar.ics")
    assert held.headers["content-type"] == "text/calendar; charset=utf-8"
    assert "STATUS:TENTATIVE" in held.text
    assert "LOCATION" not in held.text
    await pay(guest, booking["id"])
    await house.settle()
    shown = ok(await scene.host.get(f"{path}/receipt"))
    assert (shown["total"], shown["paid"]["amount"]) == (booking["total"], booking["total"]["amount"])
    [paid] = shown["payments"]
    assert (paid["amount"], "card" in paid) == (booking["total"], False)
    for knows in (guest, support):
        [paid] = ok(await knows.get(f"{path}/receipt"))["payments"]
        assert paid["card"] == {"brand": "visa", "last4": "4242"}
    [intent] = ok(await guest.get("/api/payments/history"))["items"]
    assert intent["card"] == {"brand": "visa", "last4": "4242"}
    assert (shown["refunded"]["amount"], "balance" in shown) == (0, False)
    entry = await guest.get(f"{path}/calendar.ics")
    assert "STATUS:CONFIRMED\r\n" in entry.text
    assert "LOCATION:1 Creek Road" in entry.text
    for name in ("receipt", "calendar.ics"):
        problem(await other.get(f"{path}/{name}"), 404, "not_found")
    problem(await scene.host.get(f"{path}/calendar.ics"), 403, "forbidden")
    wrong = {"reason": "not clean", "text": "Dust."}
    early = problem(await guest.post(f"{path}/disputes", wrong), 409, "too_early")
    assert datetime.fromisoformat(early["not_before"]) == datetime.fromisoformat(booking["check_in_at"])
    await house.advance((6 * DAY).total_seconds())
    problem(await other.post(f"{path}/disputes", wrong), 404, "not_found")
    opened = ok(await guest.post(f"{path}/disputes", wrong), 201)
    problem(await scene.host.post(f"{path}/disputes", wrong), 409, "dispute_open")
    settle = f"{path}/disputes/{opened['disputes'][0]['id']}/resolve"
    how = {"refund": {"amount": 1_000, "currency": "USD"}, "note": "Agreed.", "from_platform": True}
    problem(await guest.post(settle, how), 403, "forbidden")
    too_much = how | {"refund": {"amount": 10_000_000, "currency": "USD"}}
    problem(await support.post(settle, too_much), 422, "invalid")
    answers = [await support.post(settle, how, headers={"Idempotency-Key": "settle"}) for _ in range(2)]
    assert answers[0].content == answers[1].content
    settled = ok(answers[0])
    assert settled["disputes"][0]["note"] == "Agreed."
    assert ok(await guest.get(path))["disputes"] == settled["disputes"]
    problem(await support.post(settle, how), 409, "wrong_state")
