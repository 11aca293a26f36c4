"""The main journey, as the wire tells it: from sign-up to a completed stay and its pay-out."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import httpx2

from harness import Person, TestHouse

DAY = 86_400
HOUR = 3_600
CABIN = {
    "description": "A quiet cabin by a creek.",
    "structure": "entire_home",
    "type": "cabin",
    "guests": 4,
    "bedrooms": 2,
    "beds": 3,
    "bathrooms": 1,
    "address": {
        "line1": "1 Creek Road",
        "city": "Albany",
        "region": "New York",
        "postcode": "12207",
        "country": "US",
    },
    "location": {"lat": 42.6526, "lng": -73.7562},
    "amenities": ["wifi", "kitchen"],
    "instant_book": True,
    "cancellation_policy": "flexible",
}
PRICING = {
    "base": {"amount": 10_000, "currency": "USD"},
    "cleaning_fee": {"amount": 5_000, "currency": "USD"},
}


def ok(answer: httpx2.Response, status: int = 200) -> Any:
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    return answer.json() if answer.content else None


def problem(answer: httpx2.Response, status: int, code: str) -> Any:
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["code"] == code, found
    assert found["request_id"] == answer.headers["x-request-id"]
    return found


async def open_home(host: Person, title: str = "Creek cabin", **changes: Any) -> dict[str, Any]:
    """A published home of that host."""
    listing = ok(await host.post("/api/listings", {"title": title}), 201)
    path = f"/api/listings/{listing['id']}"
    ok(await host.patch(path, CABIN | changes, headers={"If-Match": f'"{listing["version"]}"'}))
    ok(await host.put(f"{path}/pricing", PRICING))
    published: dict[str, Any] = ok(await host.post(f"{path}/publish"))
    assert published["status"] == "published"
    return published


def stay(house: TestHouse, days: int = 30, nights: int = 3) -> dict[str, Any]:
    first = house.clock.now().date() + timedelta(days=days)
    return {"check_in": first.isoformat(), "check_out": (first + timedelta(days=nights)).isoformat()}


async def book(guest: Person, listing_id: str, when: dict[str, Any], **more: Any) -> httpx2.Response:
    quote = ok(await guest.post(f"/api/listings/{listing_id}/quote", when | {"guests": 2}))
    wish = when | {"listing_id": listing_id, "guests": 2, "quote_id": quote["id"]} | more
    return await guest.post("/api/bookings", wish, headers={"Idempotency-Key": str(uuid4())})


async def pay(guest: Person, booking_id: str, method: str = "pm_card_visa") -> dict[str, Any]:
    intent = ok(await guest.post("/api/payments/intent", {"booking_id": booking_id}), 201)
    path = f"/api/payments/{intent['id']}/confirm"
    confirmed: dict[str, Any] = ok(await guest.post(path, {"payment_method": method}))
    return confirmed


async def booking_of(person: Person, booking_id: str) -> dict[str, Any]:
    found: dict[str, Any] = ok(await person.get(f"/api/bookings/{booking_id}"))
    return found


async def test_from_sign_up_to_a_completed_stay_and_its_pay_out(either_house: TestHouse) -> None:
    house = either_house
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
    either_house: TestHouse,
) -> None:
    house = either_house
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
    either_house: TestHouse,
) -> None:
    house = either_house
    home = await open_home(await house.sign_up("host@example.com", "Hanna Host"))
    ann, bob = await house.sign_up("ann@example.com"), await house.sign_up("bob@example.com", "Bob Beck")
    when = stay(house)
    booking = ok(await book(ann, home["id"], when), 201)
    await house.advance(14 * 60)
    assert (await booking_of(ann, booking["id"]))["status"] == "pending"
    await house.advance(2 * 60)
    assert (await booking_of(ann, booking["id"]))["status"] == "expired"
    ok(await book(bob, home["id"], when), 201)


async def test_a_request_is_authorised_accepted_and_captured(either_house: TestHouse) -> None:
    house = either_house
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
    either_house: TestHouse,
) -> None:
    house = either_house
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    home = await open_home(host, instant_book=False)
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    intent = await pay(guest, booking["id"])
    await house.advance(24 * HOUR + 60)
    assert (await booking_of(guest, booking["id"]))["status"] == "declined"
    assert ok(await guest.get(f"/api/payments/{intent['id']}"))["status"] == "canceled"
    ok(await book(guest, home["id"], stay(house)), 201)


async def test_a_cancellation_pays_back_exactly_what_was_shown(either_house: TestHouse) -> None:
    house = either_house
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


async def test_a_payment_that_comes_after_the_hold_confirms_or_is_refunded(either_house: TestHouse) -> None:
    house = either_house
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
