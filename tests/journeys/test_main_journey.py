"""The main journey, as the wire tells it: from sign-up to a completed stay and its pay-out."""

from __future__ import annotations

from datetime import date, timedelta

from harness import TestHouse
from journeys.steps import DAY, HOUR, book, booking_of, ok, open_home, pay, problem, stay


async def test_from_sign_up_to_a_completed_stay_and_its_pay_out(any_house: TestHouse) -> None:
    house = any_house
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    home = await open_home(host)
    await house.settle()

    when = stay(house)
    found = ok(await house.client.get("/api/search", params=when | {"city": "Albany", "guests": 2}))
    assert [hit["id"] for hit in found["items"]] == [home["id"]]
    seen = ok(await guest.get(f"/api/listings/{home['id']}"))
    assert "line1" not in seen["address"]

    quote = ok(await guest.post(f"/api/listings/{home['id']}/quote", when | {"guests": 2}))
    assert found["items"][0]["total"] == quote["total"]
    booking = ok(await book(guest, home["id"], when), 201)
    assert (booking["status"], booking["awaiting"], booking["total"]) == (
        "pending",
        "payment",
        quote["total"],
    )

    intent = await pay(guest, booking["id"])
    assert (intent["status"], intent["amount"]) == ("succeeded", quote["total"])
    await house.settle()
    booking = await booking_of(guest, booking["id"])
    assert booking["status"] == "confirmed"
    assert booking["payment"]["status"] == "succeeded"
    assert ok(await guest.get(f"/api/listings/{home['id']}"))["address"]["line1"] == "1 Creek Road"
    assert ok(await house.client.get("/api/search", params=when | {"city": "Albany"}))["items"] == []

    kinds = [mail["kind"] for mail in await house.mails("guest@example.com")]
    assert len(kinds) == len(set(kinds)), "each mail once"

    await house.advance(30 * DAY + 12 * HOUR)
    checked_in = ok(await host.post(f"/api/bookings/{booking['id']}/check-in"))
    assert checked_in["status"] == "checked_in"
    await house.advance(4 * DAY)
    booking = await booking_of(guest, booking["id"])
    assert [step["status"] for step in booking["history"]][-1] == "completed"

    admin = await house.staff("admin")
    ledger = ok(await admin.get("/api/payments/ledger", params={"booking_id": booking["id"]}))
    assert ledger["balance"] == {"USD": 0}
    paid_out = sum(
        posting["amount"]["amount"]
        for entry in ledger["items"]
        for posting in entry["postings"]
        if posting["account"] == "provider_clearing"
    )
    assert paid_out == quote["total"]["amount"] - quote["host_payout"]["amount"]
    names = await house.events(f"booking/{booking['id']}")
    assert names == ["booking.created", "booking.confirmed", "booking.checked_in", "booking.completed"]


async def test_the_second_guest_for_the_same_nights_is_refused_and_told_what_is_free(
    any_house: TestHouse,
) -> None:
    house = any_house
    home = await open_home(await house.sign_up("host@example.com", "Hanna Host"))
    ann, bob = await house.sign_up("ann@example.com"), await house.sign_up("bob@example.com", "Bob Beck")
    when = stay(house)
    quote = ok(await bob.post(f"/api/listings/{home['id']}/quote", when | {"guests": 2}))
    ok(await book(ann, home["id"], when), 201)
    wish = when | {"listing_id": home["id"], "guests": 2, "quote_id": quote["id"]}
    refusal = problem(await bob.post("/api/bookings", wish), 409, "dates_taken")
    assert refusal["free_instead"]
    for free in refusal["free_instead"]:
        nights = date.fromisoformat(free["check_out"]) - date.fromisoformat(free["check_in"])
        assert nights == timedelta(days=3)
        overlaps = free["check_in"] < when["check_out"] and when["check_in"] < free["check_out"]
        assert not overlaps


async def test_a_hold_that_is_not_paid_ends_after_fifteen_minutes_and_the_nights_are_free_again(
    any_house: TestHouse,
) -> None:
    house = any_house
    home = await open_home(await house.sign_up("host@example.com", "Hanna Host"))
    ann, bob = await house.sign_up("ann@example.com"), await house.sign_up("bob@example.com", "Bob Beck")
    when = stay(house)
    booking = ok(await book(ann, home["id"], when), 201)
    await house.advance(14 * 60)
    assert (await booking_of(ann, booking["id"]))["status"] == "pending"
    await house.advance(2 * 60)
    assert (await booking_of(ann, booking["id"]))["status"] == "expired"
    ok(await book(bob, home["id"], when), 201)


async def test_a_request_is_authorised_accepted_and_captured(any_house: TestHouse) -> None:
    house = any_house
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    home = await open_home(host, instant_book=False)
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    assert (booking["status"], booking["awaiting"]) == ("pending", "host")
    assert (await pay(guest, booking["id"]))["status"] == "requires_capture"
    await house.settle()
    ok(await host.post(f"/api/bookings/{booking['id']}/accept"))
    await house.settle()
    booking = await booking_of(guest, booking["id"])
    assert (booking["status"], booking["payment"]["status"]) == ("confirmed", "succeeded")


async def test_a_request_that_is_not_answered_is_declined_after_a_day_and_the_card_is_released(
    any_house: TestHouse,
) -> None:
    house = any_house
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    home = await open_home(host, instant_book=False)
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    intent = await pay(guest, booking["id"])
    await house.advance(24 * HOUR + 60)
    assert (await booking_of(guest, booking["id"]))["status"] == "declined"
    assert ok(await guest.get(f"/api/payments/{intent['id']}"))["status"] == "canceled"
    ok(await book(guest, home["id"], stay(house)), 201)


async def test_a_cancellation_pays_back_exactly_what_was_shown(any_house: TestHouse) -> None:
    house = any_house
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    home = await open_home(host, cancellation_policy="firm")
    booking = ok(await book(guest, home["id"], stay(house, days=20)), 201)
    intent = await pay(guest, booking["id"])
    await house.advance(2 * DAY)
    shown = ok(await guest.get(f"/api/bookings/{booking['id']}/cancellation"))
    assert 0 < shown["refund"]["amount"] < booking["total"]["amount"]
    cancelled = ok(await guest.post(f"/api/bookings/{booking['id']}/cancel", {"reason": "plans changed"}))
    assert cancelled["status"] == "cancelled"
    assert cancelled["cancellation"]["refund"] == shown["refund"]
    await house.settle()
    refunds = ok(await guest.get(f"/api/payments/{intent['id']}/refunds"))["items"]
    assert [refund["amount"] for refund in refunds] == [shown["refund"]]
    await house.advance(25 * DAY)
    admin = await house.staff("admin")
    ledger = ok(await admin.get("/api/payments/ledger", params={"booking_id": booking["id"]}))
    assert ledger["balance"] == {"USD": 0}
    ok(await book(guest, home["id"], stay(house, days=40)), 201)


async def test_a_payment_that_comes_after_the_hold_confirms_or_is_refunded(any_house: TestHouse) -> None:
    house = any_house
    home = await open_home(await house.sign_up("host@example.com", "Hanna Host"))
    ann = await house.sign_up("ann@example.com")
    booking = ok(await book(ann, home["id"], stay(house)), 201)
    declined = await pay(ann, booking["id"], "pm_card_visa_chargeDeclinedInsufficientFunds")
    assert declined["last_error"]["decline_code"] == "insufficient_funds"
    waiting = await pay(ann, booking["id"], "pm_card_threeDSecure2Required")
    assert waiting["status"] == "requires_action"
    await house.settle()
    confirmed = ok(await ann.post(f"/api/payments/{waiting['id']}/confirm", {}))
    assert confirmed["status"] == "succeeded"
    await house.settle()
    assert (await booking_of(ann, booking["id"]))["status"] == "confirmed"
