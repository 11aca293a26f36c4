"""Booking at the door: what the wire says, who may do what, and what time does."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from harness import Person, TestHouse
from hometrip.kernel.clock import DAY, HOUR, MINUTE, SECOND
from journeys.steps import book, booking_of, ok, open_home, pay, problem, stay
from stories.teller import teller_in

PRICED = "nights cleaning service_fee".split()


@pytest.fixture
async def other(house: TestHouse) -> Person:
    return await house.sign_up("other@example.com", "Olga Other")


async def confirmed(house: TestHouse, guest: Person, home: dict[str, Any], **when: int) -> dict[str, Any]:
    booking = ok(await book(guest, home["id"], stay(house, **when)), 201)
    await pay(guest, booking["id"])
    await house.settle()
    found = await booking_of(guest, booking["id"])
    assert found["status"] == "confirmed"
    return found


def history(booking: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["status"], step["by"]) for step in booking["history"]]


async def test_a_booking_says_all_that_it_was_agreed_on(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home = await open_home(host)
    when = stay(house)
    booking = ok(await book(guest, home["id"], when, message="We come late."), 201)
    assert {name: booking[name] for name in ("listing_id", "guest_id", "host_id", "guests", "nights")} == {
        "listing_id": home["id"],
        "guest_id": str(guest.id),
        "host_id": str(host.id),
        "guests": 2,
        "nights": 3,
    }
    assert (booking["check_in"], booking["check_out"]) == (when["check_in"], when["check_out"])
    assert (booking["status"], booking["awaiting"]) == ("pending", "payment")
    assert booking["hold_until"] == (house.clock.now() + 15 * MINUTE).isoformat().replace("+00:00", "Z")
    assert [line["kind"] for line in booking["lines"]] == PRICED
    assert sum(line["amount"]["amount"] for line in booking["lines"]) == booking["total"]["amount"]
    assert booking["payment"] == {"status": "unpaid"}
    assert history(booking) == [("pending", "guest")]
    assert (booking["cancellation_policy"], booking["message"]) == ("flexible", "We come late.")
    assert booking["version"] == 1
    answer = await guest.get(f"/api/bookings/{booking['id']}")
    assert (answer.json(), answer.headers["etag"]) == (booking, '"1"')


async def test_the_price_that_moved_comes_with_the_new_quote(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home = await open_home(host)
    when = stay(house)
    quote = ok(await guest.post(f"/api/listings/{home['id']}/quote", when | {"guests": 2}))
    dearer = {
        "base": {"amount": 12_000, "currency": "USD"},
        "cleaning_fee": {"amount": 5_000, "currency": "USD"},
    }
    ok(await host.put(f"/api/listings/{home['id']}/pricing", dearer))
    wish = when | {"listing_id": home["id"], "guests": 2, "quote_id": quote["id"]}
    found = problem(await guest.post("/api/bookings", wish), 409, "price_changed")
    assert found["quote"]["total"]["amount"] > quote["total"]["amount"]
    booking = ok(await guest.post("/api/bookings", wish | {"quote_id": found["quote"]["id"]}), 201)
    assert booking["total"] == found["quote"]["total"]


async def test_the_policy_that_moved_comes_with_the_new_quote(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home = await open_home(host)
    when, path = stay(house) | {"guests": 2}, f"/api/listings/{home['id']}"
    quote = ok(await guest.post(f"{path}/quote", when))
    assert quote["cancellation_policy"] == home["cancellation_policy"] == "flexible"
    version = ok(await host.get(path))["version"]
    ok(await host.patch(path, {"cancellation_policy": "strict"}, headers={"If-Match": f'"{version}"'}))
    wish = when | {"listing_id": home["id"], "quote_id": quote["id"]}
    found = problem(await guest.post("/api/bookings", wish), 409, "policy_changed")
    assert (found["quote"]["total"], found["quote"]["cancellation_policy"]) == (quote["total"], "strict")
    booking = ok(await guest.post("/api/bookings", wish | {"quote_id": found["quote"]["id"]}), 201)
    assert booking["cancellation_policy"] == "strict"


async def test_what_was_agreed_on_stays_when_the_home_changes(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home = await open_home(host)
    booking = await confirmed(house, guest, home)
    path = f"/api/listings/{home['id']}"
    version = ok(await host.get(path))["version"]
    changes = {"title": "Renamed", "cancellation_policy": "non_refundable"}
    ok(await host.patch(path, changes, headers={"If-Match": f'"{version}"'}))
    await house.settle()
    found = await booking_of(guest, booking["id"])
    assert (found["title"], found["cancellation_policy"]) == ("Creek cabin", "flexible")


async def test_a_host_cannot_book_the_own_home(house: TestHouse, host: Person) -> None:
    home = await open_home(host)
    problem(await book(host, home["id"], stay(house)), 403, "own_home")


async def test_a_stranger_finds_nothing_and_a_guest_may_not_do_what_is_the_hosts(
    house: TestHouse, host: Person, guest: Person, other: Person
) -> None:
    home = await open_home(host, instant_book=False)
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    path = f"/api/bookings/{booking['id']}"
    no = {"reason": "no"}
    for verb, body in {"accept": None, "decline": no, "check-in": None, "complete": None}.items():
        problem(await other.post(f"{path}/{verb}", body), 404, "not_found")
        problem(await guest.post(f"{path}/{verb}", body), 403, "forbidden")
    problem(await other.get(path), 404, "not_found")
    problem(await other.get(f"{path}/cancellation"), 404, "not_found")
    problem(await other.post(f"{path}/cancel", {}), 404, "not_found")
    problem(await house.client.get(path), 401, "unauthenticated")
    support = await house.staff("support")
    assert ok(await support.get(path))["id"] == booking["id"]
    problem(await guest.get("/api/bookings"), 403, "forbidden")
    listed = ok(await support.get("/api/bookings", params={"guest_id": str(guest.id), "status": "pending"}))
    assert [found["id"] for found in listed["items"]] == [booking["id"]]


async def test_a_request_is_declined_with_a_reason_and_its_nights_are_free(
    house: TestHouse, host: Person, guest: Person, other: Person
) -> None:
    home = await open_home(host, instant_book=False)
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    assert (booking["status"], booking["awaiting"]) == ("pending", "host")
    problem(await book(other, home["id"], stay(house, nights=1)), 409, "dates_taken")  # it holds its nights
    path = f"/api/bookings/{booking['id']}"
    problem(await host.post(f"{path}/decline", {"reason": ""}), 422, "invalid")
    problem(await host.post(f"{path}/decline", {"reason": " \n"}), 422, "invalid")
    declined = ok(await host.post(f"{path}/decline", {"reason": "The roof leaks."}))
    assert history(declined) == [("pending", "guest"), ("declined", "host")]
    assert declined["history"][-1]["why"] == "The roof leaks."
    problem(await host.post(f"{path}/accept"), 409, "wrong_state")
    await house.settle()
    ok(await book(other, home["id"], stay(house)), 201)


async def test_an_authorised_request_is_confirmed_by_its_acceptance(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home = await open_home(host, instant_book=False)
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    assert (await pay(guest, booking["id"]))["status"] == "requires_capture"
    await house.settle()
    assert (await booking_of(guest, booking["id"]))["payment"]["status"] == "requires_capture"
    accepted = ok(await host.post(f"/api/bookings/{booking['id']}/accept"))
    assert history(accepted) == [("pending", "guest"), ("accepted", "host"), ("confirmed", "system")]
    await house.settle()
    found = await booking_of(guest, booking["id"])
    assert (found["status"], found["payment"]["status"]) == ("confirmed", "succeeded")
    assert (await house.events(f"booking/{booking['id']}")).count("booking.confirmed") == 1


async def test_an_accepted_request_that_nobody_paid_can_be_paid_for_a_day(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home = await open_home(host, instant_book=False)
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    accepted = ok(await host.post(f"/api/bookings/{booking['id']}/accept"))
    assert (accepted["status"], accepted["awaiting"]) == ("pending", "payment")
    await house.advance((23 * HOUR).total_seconds())
    await pay(guest, booking["id"])
    await house.settle()
    assert (await booking_of(guest, booking["id"]))["status"] == "confirmed"


async def test_a_card_authorised_after_the_acceptance_is_captured_as_well(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home = await open_home(host, instant_book=False)
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    intent = ok(await guest.post("/api/payments/intent", {"booking_id": booking["id"]}), 201)
    ok(await host.post(f"/api/bookings/{booking['id']}/accept"))
    ok(await guest.post(f"/api/payments/{intent['id']}/confirm", {"payment_method": "pm_card_visa"}))
    await house.settle()
    found = await booking_of(guest, booking["id"])
    assert (found["status"], found["payment"]["status"]) == ("confirmed", "succeeded")


async def test_a_bank_that_asks_back_keeps_the_hold_a_quarter_of_an_hour_longer(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home = await open_home(host)
    booking = ok(await book(guest, home["id"], stay(house)), 201)
    assert (await pay(guest, booking["id"], "pm_card_threeDSecure2Required"))["status"] == "requires_action"
    await house.settle()
    await house.advance((29 * MINUTE).total_seconds())
    found = await booking_of(guest, booking["id"])
    assert (found["status"], found["payment"]["status"]) == ("pending", "requires_action")
    await house.advance((MINUTE + SECOND).total_seconds())
    assert (await booking_of(guest, booking["id"]))["status"] == "expired"


async def test_a_stay_is_begun_by_the_host_and_ends_by_itself(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home = await open_home(host)
    booking = await confirmed(house, guest, home, days=10)
    path = f"/api/bookings/{booking['id']}"
    early = problem(await host.post(f"{path}/check-in"), 409, "too_early")
    assert early["not_before"] == "2027-04-24T04:00:00Z"
    await house.advance((10 * DAY + 12 * HOUR).total_seconds())
    here = ok(await host.post(f"{path}/check-in"))
    assert here["status"] == "checked_in"
    current = ok(await guest.get("/api/bookings/user", params={"when": "current"}))
    assert [found["id"] for found in current["items"]] == [booking["id"]]
    await house.advance((3 * DAY).total_seconds())
    done = await booking_of(guest, booking["id"])
    assert history(done)[-2:] == [("checked_in", "host"), ("completed", "system")]
    assert done["history"][-1]["at"] == booking["check_out_at"]
    past = ok(await host.get("/api/bookings/host", params={"when": "past"}))
    assert [found["id"] for found in past["items"]] == [booking["id"]]
    problem(await guest.post(f"{path}/cancel", {}), 409, "wrong_state")


async def test_cancelling_with_a_key_is_done_once(house: TestHouse, host: Person, guest: Person) -> None:
    home = await open_home(host)
    booking = await confirmed(house, guest, home)
    path, key = f"/api/bookings/{booking['id']}/cancel", {"Idempotency-Key": "away"}
    first = await guest.post(path, {"reason": "ill"}, headers=key)
    again = await guest.post(path, {"reason": "ill"}, headers=key)
    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)
    problem(await guest.post(path, {"reason": "bored"}, headers=key), 409, "idempotency_key_reused")
    problem(await guest.post(path, {"reason": "ill"}), 409, "wrong_state")
    shown = ok(await guest.get(f"/api/bookings/{booking['id']}/cancellation"))
    assert shown == first.json()["cancellation"]
    assert history(first.json())[-1] == ("cancelled", "guest")


async def test_a_body_may_be_left_out_when_cancelling(house: TestHouse, host: Person, guest: Person) -> None:
    home = await open_home(host)
    booking = await confirmed(house, guest, home)
    cancelled = ok(await guest.post(f"/api/bookings/{booking['id']}/cancel"))
    assert cancelled["status"] == "cancelled"


async def test_a_host_who_cancels_keeps_the_nights_blocked_and_nothing_of_the_money(
    house: TestHouse, host: Person, guest: Person, other: Person
) -> None:
    home = await open_home(host, cancellation_policy="non_refundable")
    booking = await confirmed(house, guest, home)
    await house.advance((2 * DAY).total_seconds())
    cancelled = ok(await host.post(f"/api/bookings/{booking['id']}/cancel", {"reason": "The roof leaks."}))
    assert cancelled["cancellation"]["refund"] == booking["total"]
    assert cancelled["cancellation"]["by"] == "host"
    await house.settle()
    assert (await booking_of(guest, booking["id"]))["payment"]["status"] == "refunded"
    when = {"check_in": booking["check_in"], "check_out": booking["check_out"]}
    query = when | {"listing_id": home["id"]}
    free = ok(await house.client.get("/api/bookings/availability", params=query))
    assert (free["available"], free["taken"]) == (False, True)


async def test_a_stay_that_is_not_refunded_costs_a_tenth_less_wherever_it_is_shown(
    house: TestHouse, host: Person, guest: Person
) -> None:
    """Three nights of 100.00 less 30.00, cleaning 50.00, and 12 % of 320.00."""
    home = await open_home(host)
    path, seek = f"/api/listings/{home['id']}", stay(house, days=40) | {"city": "Albany", "guests": 2}

    async def found() -> int:
        await house.settle()
        [hit] = ok(await guest.get("/api/search", params=seek))["items"]
        total: int = hit["total"]["amount"]
        return total

    assert await found() == 39_200
    policy = {"cancellation_policy": "non_refundable"}
    ok(await host.patch(path, policy, headers={"If-Match": f'"{home["version"]}"'}))
    assert await found() == 35_840
    booking = await confirmed(house, guest, home)
    assert [(line["kind"], line["amount"]["amount"]) for line in booking["lines"]] == [
        ("nights", 30_000),
        ("non_refundable", -3_000),
        ("cleaning", 5_000),
        ("service_fee", 3_840),
    ]
    await house.advance((2 * DAY).total_seconds())
    gone = ok(await guest.post(f"/api/bookings/{booking['id']}/cancel"))["cancellation"]
    assert (gone["rule"], gone["refund"]["amount"], gone["kept"]["amount"]) == ("nothing", 5_000, 30_840)


async def test_availability_and_price_are_for_everybody(house: TestHouse, host: Person) -> None:
    home = await open_home(host)
    when = stay(house)
    query = when | {"listing_id": home["id"]}
    assert ok(await house.client.get("/api/bookings/availability", params=query))["available"] is True
    wish = when | {"listing_id": home["id"], "guests": 2}
    priced = ok(await house.client.post("/api/bookings/calculate-price", json=wish))
    quoted = ok(await house.client.post(f"/api/listings/{home['id']}/quote", json=when | {"guests": 2}))
    assert (priced["total"], priced["lines"]) == (quoted["total"], quoted["lines"])
    block = {"from": when["check_in"], "to": when["check_out"], "reason": "painting"}
    ok(await host.post(f"/api/listings/{home['id']}/block-dates", block), 201)
    await house.settle()
    found = ok(await house.client.get("/api/bookings/availability", params=query))
    assert (found["available"], found["taken"]) == (False, True)
    assert len(found["free_instead"]) > 0
    problem(
        await house.client.get("/api/bookings/availability", params=query | {"listing_id": str(uuid4())}),
        404,
        "not_found",
    )
    backwards = query | {"check_out": when["check_in"]}
    problem(await house.client.get("/api/bookings/availability", params=backwards), 422, "invalid")


async def test_a_refused_booking_names_by_what_its_nights_are_taken(
    house: TestHouse, host: Person, guest: Person, other: Person
) -> None:
    """As the quote does, whose id was promised before; a guest's own unpaid hold is none of it."""
    home = await open_home(host)
    path, wishes = f"/api/listings/{home['id']}", []
    for days in (30, 40, 50):
        wish = stay(house, days, 4) | {"guests": 2}
        quote = ok(await guest.post(f"{path}/quote", wish))
        wishes.append(wish | {"listing_id": home["id"], "quote_id": quote["id"]})
    ok(await book(other, home["id"], stay(house, 31, 2)), 201)
    # A hold of the guest's own, and then a night that the host keeps.
    ok(await book(guest, home["id"], stay(house, 40, 1)), 201)
    for days in (33, 43):
        kept = stay(house, days, 1)
        block = {"from": kept["check_in"], "to": kept["check_out"], "reason": "painting"}
        ok(await host.post(f"{path}/block-dates", block), 201)
    refused = problem(await guest.post("/api/bookings", wishes[0]), 409, "dates_taken")
    assert (refused["rule"], len(refused["free_instead"])) == ("booked", 3)
    assert problem(await guest.post("/api/bookings", wishes[1]), 409, "dates_taken")["rule"] == "blocked"
    assert ok(await guest.post("/api/bookings", wishes[2]), 201)["status"] == "pending"


@pytest.mark.parametrize("paused", [False, True])
async def test_a_home_that_is_let_no_more_is_not_found_whether_or_not_its_nights_are_taken(
    house: TestHouse, host: Person, guest: Person, paused: bool
) -> None:
    """For a day after it is deleted all its nights are kept from whoever had asked for it before."""
    home, when = await open_home(host), stay(house)
    path = f"/api/listings/{home['id']}"
    quote = ok(await guest.post(f"{path}/quote", when | {"guests": 2}))
    if paused:
        ok(await host.post(f"{path}/block-dates", {"from": when["check_in"], "to": when["check_out"]}), 201)
        ok(await host.patch(f"{path}/toggle-active"))
    else:
        ok(await host.delete(path), 204)
    wish = when | {"listing_id": home["id"], "guests": 2, "quote_id": quote["id"]}
    refused = problem(await guest.post("/api/bookings", wish), 404, "not_found")
    assert refused["detail"] == "There is no such listing."


async def test_availability_names_the_rule_as_the_refused_quote_does(
    house: TestHouse, host: Person, guest: Person
) -> None:
    """The same rule, value and nearest stay; of nights that are gone the same stays instead."""
    rules = {"min_nights": 4, "preparation_nights": 1, "window_days": 300, "check_in_days": [5]}
    home = await open_home(host, stay_rules=rules)
    first = next(day for day in range(30, 37) if (house.clock.now() + day * DAY).weekday() == 5)
    ok(await book(guest, home["id"], stay(house, first, 4)), 201)
    await house.settle()
    seen = set()
    for days, nights in (
        (first, 4),
        (first + 7, 3),
        (first + 8, 4),
        (first + 4, 4),
        (first + 280, 7),
        (first + 7, 4),
    ):
        when = stay(house, days, nights)
        params = when | {"listing_id": home["id"]}
        found = ok(await house.client.get("/api/bookings/availability", params=params))
        quoted = await house.client.post(f"/api/listings/{home['id']}/quote", json=when | {"guests": 1})
        refused = quoted.json() if quoted.status_code == 409 else {}
        seen.add(found.get("rule"))
        assert found["available"] is not bool(refused)
        assert found["taken"] is (refused.get("code") == "dates_taken")
        for fact in ("rule", "value", "nearest"):
            assert found.get(fact) == refused.get(fact), (days, nights)
        if found["taken"]:
            assert found["free_instead"] == refused["free_instead"] != []
    assert seen >= {"booked", "min_nights", "check_in_day", "window", None}


async def test_a_list_is_read_page_by_page_although_bookings_come_in_between(
    house: TestHouse, host: Person, guest: Person
) -> None:
    homes = [await open_home(host, f"Cabin {number}") for number in range(5)]
    for number, home in enumerate(homes[:4]):
        ok(await book(guest, home["id"], stay(house, days=20 + 5 * number)), 201)
    listed: list[str] = []
    query: dict[str, Any] = {"when": "upcoming", "limit": 3}
    while True:
        page = ok(await guest.get("/api/bookings/user", params=query))
        listed += [found["check_in"] for found in page["items"]]
        if "next_cursor" not in page or page["next_cursor"] is None:
            break
        ok(await book(guest, homes[4]["id"], stay(house, days=10)), 201)
        query["cursor"] = page["next_cursor"]
    assert listed == [stay(house, days=days)["check_in"] for days in (20, 25, 30, 35)]
    problem(await guest.get("/api/bookings/user", params={"cursor": "nonsense"}), 422, "invalid")
    swapped = {"when": "cancelled", "cursor": query["cursor"]}
    problem(await guest.get("/api/bookings/user", params=swapped), 422, "invalid")


async def test_what_strangers_write_to_each_other_shows_no_way_past_the_marketplace(house: TestHouse) -> None:
    """The guest's message is read whole once the stay is confirmed; a reason is kept without it for ever."""
    teller = await teller_in(house, instant_book=False)
    booking = await teller.book(message="We are two. Call me: +1 518 555 0100")
    assert (await booking_of(teller.host, booking))["message"] == "We are two. Call me: [phone number hidden]"
    await teller.pay(booking)
    reason = {"reason": "Write to hanna@example.com instead"}
    ok(await teller.host.post(f"/api/bookings/{booking}/decline", reason))
    hidden = "Write to [e-mail address hidden] instead"
    assert (await teller.look(booking))["history"][-1]["why"] == hidden
    await house.settle()
    [mail] = [mail for mail in await house.mails("guest@example.com") if mail["kind"] == "booking_declined"]
    assert f"The reason given: {hidden}" in mail["text"]

    second = await teller.book(days=40, message="We are two. Call me: +1 518 555 0100")
    await teller.pay(second)
    ok(await teller.host.post(f"/api/bookings/{second}/accept", {}))
    await house.settle()
    assert (await booking_of(teller.host, second))["message"] == "We are two. Call me: +1 518 555 0100"
    ok(await teller.guest.put(f"/api/bookings/{second}", {"guests": 3}))
    ok(await teller.host.post(f"/api/bookings/{second}/change/decline", reason))
    ok(await teller.guest.post(f"/api/bookings/{second}/cancel", reason))
    whys = [step.get("why") for step in (await teller.look(second))["history"]]
    assert whys.count(hidden) == 2
    await teller.end()  # which holds the events to it, too
