"""A booking that is asked for again with its key, when nobody has looked at its nights for a while."""

from __future__ import annotations

from typing import Any

import pytest

from harness import Person, TestHouse
from hometrip.kernel.clock import DAY, HOUR
from hometrip.services.booking.actions import crowd as crowds
from journeys.steps import book, booking_of, ok, open_home, pay, problem, stay

KEY = {"Idempotency-Key": "summer"}


@pytest.fixture(autouse=True)
def nobody_wanted_the_nights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither here nor in another process."""
    monkeypatch.setattr(crowds, "WANTED_SECONDS", -1)


async def wish_for(guest: Person, home: dict[str, Any], when: dict[str, Any], **more: Any) -> dict[str, Any]:
    when = when | {"guests": 2}
    quote = ok(await guest.post(f"/api/listings/{home['id']}/quote", when))
    return when | {"listing_id": home["id"], "quote_id": quote["id"]} | more


async def test_its_answer_is_the_same_and_its_hold_stays(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home = await open_home(host)
    wish = await wish_for(guest, home, stay(house))
    first = await guest.post("/api/bookings", wish, headers=KEY)
    intent = ok(await guest.post("/api/payments/intent", {"booking_id": ok(first, 201)["id"]}), 201)
    again = await guest.post("/api/bookings", wish, headers=KEY)
    assert (again.status_code, again.content) == (201, first.content)
    shown = ok(await guest.get(f"/api/payments/{intent['id']}"))
    assert shown["status"] == "requires_payment_method", "the hold was let go of"
    await pay(guest, first.json()["id"])
    await house.settle()
    assert (await booking_of(guest, first.json()["id"]))["status"] == "confirmed"
    assert (await guest.post("/api/bookings", wish, headers=KEY)).content == first.content


@pytest.mark.parametrize("since", ["the quote is over", "the plan is over", "the home is paused", "paid"])
async def test_its_answer_is_the_same_whatever_has_become_of_the_home(
    house: TestHouse, host: Person, guest: Person, since: str
) -> None:
    home = await open_home(host)
    plan = {"plan": "half"} if since == "the plan is over" else {}
    wish = await wish_for(guest, home, stay(house, 14, 6), **plan)
    first = await guest.post("/api/bookings", wish, headers=KEY)
    booking = ok(first, 201)
    if since == "the home is paused":
        ok(await host.patch(f"/api/listings/{home['id']}/toggle-active"))
    elif since == "paid":
        await pay(guest, booking["id"])
        await house.settle()
    else:
        await house.advance((20 * HOUR).total_seconds())
    again = await guest.post("/api/bookings", wish, headers=KEY)
    assert (again.status_code, again.content) == (201, first.content)
    mine = ok(await guest.get("/api/bookings/user"))["items"]
    assert len(mine) <= 1


async def test_after_a_day_the_key_is_forgotten_and_the_request_is_a_new_one(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home = await open_home(host)
    when = stay(house)
    first = ok(await guest.post("/api/bookings", await wish_for(guest, home, when), headers=KEY), 201)
    await house.advance((2 * DAY).total_seconds())
    again = ok(await guest.post("/api/bookings", await wish_for(guest, home, when), headers=KEY), 201)
    assert again["id"] != first["id"]
    assert (await booking_of(guest, first["id"]))["status"] == "expired"


async def test_nights_that_are_gone_are_refused_with_what_is_free(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home = await open_home(host)
    other = await house.sign_up("other@example.com", "Olga Other")
    wish = await wish_for(guest, home, stay(house))
    ok(await book(other, home["id"], stay(house)), 201)
    for _ in range(2):  # before listing has heard of it, and after
        refused = problem(await guest.post("/api/bookings", wish), 409, "dates_taken")
        assert refused["rule"] == "booked"
        assert refused["free_instead"]
        await house.settle()
