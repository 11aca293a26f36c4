"""The steps that journeys are made of, each through the door and each held to its status."""

from __future__ import annotations

from datetime import timedelta
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
