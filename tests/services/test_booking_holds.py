"""A guest books a home again while an earlier hold of theirs is being paid: it is kept, or cannot be paid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from harness import Person, TestHouse
from hometrip.kernel.once import NO_KEY
from hometrip.services.booking import actions
from hometrip.services.booking.rules import PaymentUnderWay
from journeys.steps import HOUR, book, booking_of, ok, open_home, pay, problem, stay
from services.booking_scene import scene_in, somebody


@pytest.fixture
async def home(house: TestHouse) -> dict[str, Any]:
    return await open_home(await house.sign_up("host@example.com", "Hanna Host"))


def steps_of(booking: dict[str, Any]) -> list[str]:
    return [step["status"] for step in booking["history"]]


async def test_a_hold_whose_payment_booking_has_not_heard_of_yet_stays(either_house: TestHouse) -> None:
    house = either_house
    home = await open_home(await house.sign_up("host@example.com", "Hanna Host"))
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    first = ok(await book(guest, home["id"], stay(house)), 201)
    assert (await pay(guest, first["id"]))["status"] == "succeeded"
    second = ok(await book(guest, home["id"], stay(house, days=40)), 201)
    kept = await booking_of(guest, first["id"])
    assert (kept["status"], steps_of(kept)) == ("confirmed", ["pending", "confirmed"])
    await house.settle()
    assert await booking_of(guest, first["id"]) == kept
    assert (await booking_of(guest, second["id"]))["status"] == "pending"


async def test_the_nights_of_such_a_hold_are_refused_to_its_own_guest(
    house: TestHouse, home: dict[str, Any], guest: Person
) -> None:
    first = ok(await book(guest, home["id"], stay(house)), 201)
    await pay(guest, first["id"])
    problem(await book(guest, home["id"], stay(house, nights=5)), 409, "dates_taken")
    assert (await booking_of(guest, first["id"]))["status"] == "confirmed"


async def test_what_was_paid_in_the_browser_a_moment_ago_is_asked_for(
    house: TestHouse, home: dict[str, Any], guest: Person
) -> None:
    """No webhook has told of it yet: only the provider knows."""
    first = ok(await book(guest, home["id"], stay(house)), 201)
    intent = ok(await guest.post("/api/payments/intent", {"booking_id": first["id"]}), 201)
    provider = house.deps("payment").payments
    at_provider = intent["client_secret"].partition("_secret_")[0]
    await provider.confirm_intent(at_provider, method="pm_card_visa", card=None, key="browser")
    ok(await book(guest, home["id"], stay(house, days=40)), 201)
    assert steps_of(await booking_of(guest, first["id"])) == ["pending", "confirmed"]


async def test_a_request_whose_card_was_authorised_just_now_stays(house: TestHouse, guest: Person) -> None:
    host = await house.sign_up("other@example.com", "Olga Other")
    home = await open_home(host, instant_book=False)
    first = ok(await book(guest, home["id"], stay(house)), 201)
    assert (await pay(guest, first["id"]))["status"] == "requires_capture"
    ok(await book(guest, home["id"], stay(house, days=40)), 201)
    assert (await booking_of(guest, first["id"]))["status"] == "pending"
    await house.settle()
    ok(await host.post(f"/api/bookings/{first['id']}/accept", {}))
    await house.settle()
    assert (await booking_of(guest, first["id"]))["status"] == "confirmed"


@pytest.mark.parametrize(
    ("nights", "becomes", "back"), [("free", "confirmed", 0), ("taken", "expired", 39_200)]
)
async def test_what_is_paid_within_an_hour_after_its_hold_is_had_or_goes_back(
    house: TestHouse, home: dict[str, Any], guest: Person, nights: str, becomes: str, back: int
) -> None:
    held = ok(await book(guest, home["id"], stay(house)), 201)
    intent = ok(await guest.post("/api/payments/intent", {"booking_id": held["id"]}), 201)
    await house.advance(15 * 60)
    assert steps_of(await booking_of(guest, held["id"])) == ["pending", "expired"]
    await house.advance(HOUR - 1)
    if nights == "taken":
        other = await house.sign_up("other@example.com", "Otto Other")
        ok(await book(other, home["id"], stay(house)), 201)
    path = f"/api/payments/{intent['id']}"
    ok(await guest.post(f"{path}/confirm", {"payment_method": "pm_card_visa"}))
    await house.settle()
    assert (await booking_of(guest, held["id"]))["status"] == becomes
    paid = ok(await guest.get(path))
    assert (paid["status"], paid["refunded"]["amount"]) == ("succeeded", back)


async def test_what_is_paid_later_than_that_is_refused(
    house: TestHouse, home: dict[str, Any], guest: Person
) -> None:
    held = ok(await book(guest, home["id"], stay(house)), 201)
    intent = ok(await guest.post("/api/payments/intent", {"booking_id": held["id"]}), 201)
    await house.advance(15 * 60 + HOUR)
    path, body = f"/api/payments/{intent['id']}/confirm", {"payment_method": "pm_card_visa"}
    problem(await guest.post(path, body), 409, "not_payable")
    assert steps_of(await booking_of(guest, held["id"])) == ["pending", "expired"]


async def test_a_hold_that_makes_room_cannot_be_paid_any_more(
    house: TestHouse, home: dict[str, Any], guest: Person
) -> None:
    """Not even in the moment before payments hear that it is over."""
    first = ok(await book(guest, home["id"], stay(house)), 201)
    intent = ok(await guest.post("/api/payments/intent", {"booking_id": first["id"]}), 201)
    second = ok(await book(guest, home["id"], stay(house, days=40)), 201)
    body, path = {"payment_method": "pm_card_visa"}, f"/api/payments/{intent['id']}/confirm"
    problem(await guest.post(path, body), 409, "not_payable")
    await house.settle()
    assert steps_of(await booking_of(guest, first["id"])) == ["pending", "expired"]
    assert (await pay(guest, second["id"]))["status"] == "succeeded"
    told = ok(await guest.get("/api/notifications"))["items"]
    assert "booking_expired" not in {one["kind"] for one in told}


async def test_a_hold_that_was_to_make_room_for_what_is_refused_can_still_be_paid(
    house: TestHouse, home: dict[str, Any], guest: Person
) -> None:
    first = ok(await book(guest, home["id"], stay(house)), 201)
    ok(await guest.post("/api/payments/intent", {"booking_id": first["id"]}), 201)
    assert await house.deps("booking").payment.let_go(UUID(first["id"])) is not None
    await house.settle()
    assert (await pay(guest, first["id"]))["status"] == "succeeded"
    await house.settle()
    assert (await booking_of(guest, first["id"]))["status"] == "confirmed"


async def test_a_change_leaves_such_a_hold_as_well(
    house: TestHouse, home: dict[str, Any], guest: Person
) -> None:
    stayed = ok(await book(guest, home["id"], stay(house, days=30)), 201)
    await pay(guest, stayed["id"])
    await house.settle()
    beside = ok(await book(guest, home["id"], stay(house, days=33, nights=2)), 201)
    await pay(guest, beside["id"])
    longer = {"check_out": stay(house, days=30, nights=4)["check_out"]}
    problem(await guest.put(f"/api/bookings/{stayed['id']}", longer), 409, "dates_taken")
    assert steps_of(await booking_of(guest, beside["id"])) == ["pending", "confirmed"]


async def test_a_payment_that_the_provider_does_not_know_the_end_of_keeps_its_hold(house: TestHouse) -> None:
    scene, guest = await scene_in(house), somebody()
    first = await scene.book(guest, ahead=30)

    class Waiting:
        async def let_go(self, booking_id: UUID) -> tuple[UUID, str]:
            return uuid4(), "processing"

    deps = replace(scene.deps, payment=cast(Any, Waiting()))
    wish = await scene.wish(guest, ahead=40)
    with pytest.raises(PaymentUnderWay) as refusal:
        await actions.book(deps, guest, wish, NO_KEY)
    assert refusal.value.facts == {"booking_id": str(first.id)}
    assert (await scene.look(first.id)).status == "pending"
    assert await scene.nights(first.id) == set(scene.stay(30, 33).each_night())
