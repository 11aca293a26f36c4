"""Co-hosts: who may add and remove them, what they may do beside the host, and what is the host's alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

import httpx2
import msgspec
import pytest

from harness import Person, TestHouse
from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Invalid, NotFound
from hometrip.services.booking import actions, reactions, store
from hometrip.services.booking.contract import BookingQuestions
from hometrip.services.listing.contract import CoHostAdded, CoHostRemoved
from hometrip.services.listing.rules.co_hosts import (
    MOST_CO_HOSTS,
    MOST_HOMES,
    AlreadyCoHost,
    TooManyCoHosts,
    must_be_admitted,
)
from hometrip.services.listing.rules.home import Home
from journeys.steps import CABIN, PRICING, book, booking_of, ok, open_home, pay, problem, stay

CO_HOST = "cora@example.com"


@pytest.fixture
async def cora(house: TestHouse) -> Person:
    return await house.sign_up(CO_HOST, "Cora Cohost")


async def added(house: TestHouse, host: Person, home: str, email: str = CO_HOST) -> dict[str, Any]:
    found: dict[str, Any] = ok(await host.post(f"/api/listings/{home}/co-hosts", {"email": email}), 201)
    await house.settle()
    return found


def leaving(home: str, account_id: UUID) -> dict[str, Any]:
    return {"path": f"/api/listings/{home}/co-hosts", "params": {"account_id": str(account_id)}}


async def mine(person: Person) -> list[str]:
    return [home["id"] for home in ok(await person.get("/api/listings/my-listings"))["items"]]


async def guests_of(person: Person, **params: str) -> list[str]:
    return [one["id"] for one in ok(await person.get("/api/bookings/host", params=params))["items"]]


# To add and to remove


async def test_a_co_host_is_added_by_the_address_and_both_are_told(
    house: TestHouse, host: Person, cora: Person
) -> None:
    home = (await open_home(host))["id"]
    found = await added(house, host, home, f" {CO_HOST.replace('cora', 'Cora')} ")
    assert (found["account_id"], found["first_name"]) == (str(cora.id), "Cora")
    assert "email" not in found
    path = f"/api/listings/{home}/co-hosts"
    assert ok(await host.get(path)) == ok(await cora.get(path)) == {"items": [found]}
    [to_cora] = [mail for mail in await house.mails(CO_HOST) if mail["kind"] == "co_host_added"]
    [to_host] = [mail for mail in await house.mails(host.email) if mail["kind"] == "co_host_added_host"]
    assert "Hanna has made you a co-host of Creek cabin." in to_cora["text"]
    assert "Cora can now look after Creek cabin as you do" in to_host["text"]
    names = await house.events(f"listing/{home}")
    assert names[-1] == "listing.co_host_added"


async def test_an_address_that_nobody_has_verified_is_not_told_from_one_of_nobody(
    house: TestHouse, host: Person
) -> None:
    path = f"/api/listings/{(await open_home(host))['id']}/co-hosts"
    waiting = {
        "email": "waits@example.com",
        "password": "correct horse battery",
        "name": "Wanda",
        "locale": "en",
    }
    assert (await house.client.post("/api/auth/signup", json=waiting)).status_code == 202
    answers = [
        problem(await host.post(path, {"email": email}), 422, "invalid")
        for email in ("nobody@example.com", "waits@example.com")
    ]
    for answer in answers:
        answer.pop("request_id")
    assert answers[0] == answers[1]
    assert answers[0]["errors"][0]["code"] == "no_such_account"
    bad = problem(await host.post(path, {"email": "not one"}), 422, "invalid")
    assert bad["errors"][0] == {
        "field": "email", "code": "bad_address", "detail": "this is not an e-mail address"
    }  # fmt: skip
    own = problem(await host.post(path, {"email": host.email}), 422, "invalid")
    assert own["errors"][0]["code"] == "own_address"


async def test_nobody_co_hosts_a_home_twice(house: TestHouse, host: Person, cora: Person) -> None:
    home = (await open_home(host))["id"]
    await added(house, host, home)
    problem(await host.post(f"/api/listings/{home}/co-hosts", {"email": CO_HOST}), 409, "already_co_host")
    assert await mine(cora) == [home]


def test_a_home_has_ten_co_hosts_at_most_and_an_account_a_thousand_homes(house: TestHouse) -> None:
    now = house.clock.now()
    home = Home(id=uuid4(), host_id=uuid4(), title="Creek cabin", created_at=now, updated_at=now)
    co_host = uuid4()
    full = msgspec.structs.replace(home, co_hosts=[uuid4() for _ in range(MOST_CO_HOSTS)])
    nearly = msgspec.structs.replace(full, co_hosts=full.co_hosts[1:])
    must_be_admitted(nearly, co_host, MOST_HOMES - 1)
    with pytest.raises(TooManyCoHosts) as refused:
        must_be_admitted(full, co_host, 0)
    assert refused.value.facts == {"most": 10, "of": "home"}
    with pytest.raises(TooManyCoHosts) as refused:
        must_be_admitted(home, co_host, MOST_HOMES)
    assert refused.value.facts == {"most": 1_000, "of": "account"}
    with pytest.raises(AlreadyCoHost):
        must_be_admitted(nearly, nearly.co_hosts[0], 1)
    with pytest.raises(Invalid):
        must_be_admitted(home, home.host_id, 0)


async def test_the_host_and_the_co_host_end_it_and_nobody_else(
    house: TestHouse, host: Person, cora: Person
) -> None:
    home = (await open_home(host))["id"]
    dora, stranger = (
        await house.sign_up("dora@example.com", "Dora"),
        await house.sign_up("s@example.com", "Sid"),
    )
    for email in (CO_HOST, dora.email):
        await added(house, host, home, email)
    problem(await cora.delete(**leaving(home, dora.id)), 403, "forbidden")
    problem(await stranger.delete(**leaving(home, dora.id)), 403, "forbidden")
    problem(await host.delete(**leaving(home, stranger.id)), 404, "not_found")
    ok(await cora.delete(**leaving(home, cora.id)), 204)
    assert [one["first_name"] for one in ok(await host.get(f"/api/listings/{home}/co-hosts"))["items"]] == [
        "Dora"
    ]
    problem(await cora.delete(**leaving(home, cora.id)), 403, "forbidden")
    ok(await host.delete(**leaving(home, dora.id)), 204)
    await house.settle()
    [to_cora] = [mail for mail in await house.mails(CO_HOST) if mail["kind"] == "co_host_removed"]
    assert "You are not a co-host of Creek cabin any more, whose host is Hanna." in to_cora["text"]
    told = [mail["kind"] for mail in await house.mails(host.email)]
    assert told.count("co_host_removed_host") == 2
    await added(house, host, home)  # who was one before may become one again
    assert await mine(cora) == [home]


async def test_a_home_that_goes_takes_its_co_hosts_along(
    house: TestHouse, host: Person, cora: Person
) -> None:
    home = (await open_home(host))["id"]
    await added(house, host, home)
    problem(await cora.delete(f"/api/listings/{home}"), 403, "forbidden")
    ok(await host.delete(f"/api/listings/{home}"), 204)
    await house.settle()
    assert await mine(cora) == []
    async with house.deps("booking").db.read() as db:
        assert await store.co_hosts.homes_of(db, cora.id) == []
    assert "co_host_removed" in [mail["kind"] for mail in await house.mails(CO_HOST)]


# Access


Ask = Callable[[Person, str], Awaitable[httpx2.Response]]
NOBODY_ELSE, NOT_SEEN = 403, 404
# What the host of a published home may do with it: whether strangers are told that they may not (they see the
# home), or that there is no such thing; and whether a co-host may.
OF_THE_HOME: Mapping[str, tuple[Ask, int, bool]] = {
    "patch": (lambda who, home: who.patch(f"{home}", {"beds": 3}), NOBODY_ELSE, True),
    "publish": (lambda who, home: who.post(f"{home}/publish"), NOBODY_ELSE, True),
    "toggle": (lambda who, home: who.patch(f"{home}/toggle-active", {}), NOBODY_ELSE, True),
    "prices": (lambda who, home: who.get(f"{home}/pricing"), NOT_SEEN, True),
    "set prices": (lambda who, home: who.put(f"{home}/pricing", PRICING), NOT_SEEN, True),
    "blocks": (lambda who, home: who.get(f"{home}/block-dates"), NOT_SEEN, True),
    "block": (
        lambda who, home: who.post(f"{home}/block-dates", {"from": "2027-09-01", "to": "2027-09-03"}),
        NOT_SEEN,
        True,
    ),
    "link": (lambda who, home: who.get(f"{home}/calendar-link"), NOT_SEEN, True),
    "new link": (lambda who, home: who.post(f"{home}/calendar-link"), NOBODY_ELSE, True),
    "feeds": (lambda who, home: who.get(f"{home}/calendar-imports"), NOT_SEEN, True),
    "photo order": (lambda who, home: who.put(f"{home}/photos/order", {"ids": []}), NOBODY_ELSE, True),
    "co-hosts": (lambda who, home: who.get(f"{home}/co-hosts"), NOT_SEEN, True),
    "add co-host": (
        lambda who, home: who.post(f"{home}/co-hosts", {"email": "dora@example.com"}),
        NOBODY_ELSE,
        False,
    ),
    "delete": (lambda who, home: who.delete(f"{home}"), NOBODY_ELSE, False),
}  # fmt: skip


@pytest.mark.parametrize("what", OF_THE_HOME)
async def test_what_a_co_host_may_do_with_a_home(
    house: TestHouse, host: Person, cora: Person, what: str
) -> None:
    ask, strangers_see, may = OF_THE_HOME[what]
    home = (await open_home(host))["id"]
    path = f"/api/listings/{home}"
    assert (await ask(cora, path)).status_code == strangers_see
    await added(house, host, home)
    await house.sign_up("dora@example.com", "Dora")
    answer = await ask(cora, path)
    assert (answer.status_code < 300) is may, answer.text
    if not may:
        problem(answer, 403, "forbidden")
        return
    ok(await host.delete(**leaving(home, cora.id)), 204)
    if what == "toggle":
        strangers_see = NOT_SEEN  # it is paused
    assert (await ask(cora, path)).status_code == strangers_see


async def test_a_co_host_sees_the_home_as_its_host_does_and_the_public_does_not_see_who_it_is(
    house: TestHouse, host: Person, cora: Person
) -> None:
    draft = ok(await host.post("/api/listings", {"title": "Creek cabin"} | CABIN), 201)["id"]
    path = f"/api/listings/{draft}"
    problem(await cora.get(path), 404, "not_found")
    await added(house, host, draft)
    assert ok(await cora.get(path)) == ok(await host.get(path))
    assert ok(await cora.get(path))["exact"] is True
    ok(await cora.put(f"{path}/pricing", PRICING))
    ok(await cora.post(f"{path}/publish"))
    await house.settle()
    [listed] = ok(await cora.get("/api/listings"))["items"]
    assert listed["exact"] is True
    for answer in (
        await house.client.get(path),
        await house.client.get("/api/listings"),
        await house.client.get("/api/search"),
        await house.client.get(f"{path}/availability"),
    ):
        assert answer.status_code == 200
        assert str(cora.id) not in answer.text
        assert "co_host" not in answer.text
    tag = (await cora.get(path)).headers["etag"]
    ok(await host.delete(**leaving(draft, cora.id)), 204)
    again = ok(await cora.get(path, headers={"If-None-Match": tag}))
    assert again["exact"] is False


async def test_many_calendars_are_seen_and_edited_at_once_with_those_co_hosted(
    house: TestHouse, host: Person, cora: Person
) -> None:
    co_hosted, own = (await open_home(host))["id"], (await open_home(cora, "Own house"))["id"]
    await added(house, host, co_hosted)
    assert await mine(cora) == [own, co_hosted]
    assert await mine(host) == [co_hosted]
    page = ok(await cora.get("/api/listings/my-listings", params={"limit": 1}))
    rest = ok(await cora.get("/api/listings/my-listings", params={"limit": 1, "cursor": page["next_cursor"]}))
    assert [one["id"] for one in page["items"] + rest["items"]] == [own, co_hosted]
    look = ok(await cora.get("/api/listings/calendars"))
    assert [one["listing_id"] for one in look["items"]] == [own, co_hosted]
    edit = {"listing_ids": [own, co_hosted], "from": "2027-08-02", "to": "2027-08-09", "block": True}
    made = ok(await cora.post("/api/listings/calendars", edit))
    assert len(made["items"]) == 2


# Bookings


async def test_a_co_host_answers_requests_and_the_history_says_so(
    house: TestHouse, host: Person, cora: Person
) -> None:
    home = (await open_home(host, instant_book=False))["id"]
    await added(house, host, home)
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    asked = ok(await book(guest, home, stay(house)), 201)
    assert await guests_of(cora) == await guests_of(host) == [asked["id"]]
    assert await guests_of(cora, listing_id=home, when="upcoming") == [asked["id"]]
    accepted = ok(await cora.post(f"/api/bookings/{asked['id']}/accept"))
    assert [(step["status"], step["by"]) for step in accepted["history"]][-1] == ("accepted", "co_host")
    async with house.deps("booking").db.read() as db:
        steps = (await store.bookings.get(db, UUID(asked["id"]))).history
    assert [step.account_id for step in steps if step.status == "accepted"] == [cora.id]
    other = ok(await book(guest, home, stay(house, 60)), 201)
    declined = ok(await cora.post(f"/api/bookings/{other['id']}/decline", {"reason": "Repairs."}))
    assert declined["history"][-1]["by"] == "co_host"


async def test_a_co_host_sees_a_stay_through_and_gives_none_of_its_money_away(
    house: TestHouse, host: Person, cora: Person
) -> None:
    home = (await open_home(host))["id"]
    await added(house, host, home)
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    booked = ok(await book(guest, home, stay(house, 2, 2)), 201)["id"]
    await pay(guest, booked)
    await house.settle()
    path = f"/api/bookings/{booked}"
    assert (await booking_of(cora, booked))["status"] == "confirmed"
    assert ok(await cora.get(f"{path}/receipt"))["total"] == (await booking_of(guest, booked))["total"]
    preview = ok(await cora.get(f"{path}/cancellation"))
    assert preview["by"] == "host"
    gift = {"amount": {"amount": 1_000, "currency": "USD"}, "reason": "Sorry"}
    refused = await cora.post(f"{path}/refund", gift, headers={"Idempotency-Key": "gift"})
    problem(refused, 403, "forbidden")
    problem(await cora.get(f"{path}/calendar.ics"), 403, "forbidden")
    await house.advance(2 * 86_400)
    assert ok(await cora.post(f"{path}/check-in"))["history"][-1]["by"] == "co_host"
    await house.advance(3 * 86_400)
    assert (await booking_of(cora, booked))["status"] == "completed"
    assert ok(await cora.get("/api/stripe-connect/payouts"))["items"] == []


async def test_a_stay_that_a_co_host_cancels_is_cancelled_by_its_host(
    house: TestHouse, host: Person, cora: Person
) -> None:
    home = (await open_home(host))["id"]
    await added(house, host, home)
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    booked = ok(await book(guest, home, stay(house)), 201)
    await pay(guest, booked["id"])
    await house.settle()
    answer = await cora.post(f"/api/bookings/{booked['id']}/cancel", {}, headers={"Idempotency-Key": "c"})
    cancelled = ok(answer)
    assert cancelled["cancellation"]["by"] == "host"
    assert cancelled["cancellation"]["refund"] == booked["total"]
    assert cancelled["history"][-1]["by"] == "co_host"


async def test_who_is_removed_is_a_stranger_to_the_bookings_at_once(
    house: TestHouse, host: Person, cora: Person
) -> None:
    home = (await open_home(host, instant_book=False))["id"]
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    asked = ok(await book(guest, home, stay(house)), 201)["id"]
    problem(await cora.get(f"/api/bookings/{asked}"), 404, "not_found")
    await added(house, host, home)
    ok(await cora.get(f"/api/bookings/{asked}"))
    ok(await host.delete(**leaving(home, cora.id)), 204)
    # No event was waited for: booking was asked to forget.
    problem(await cora.get(f"/api/bookings/{asked}"), 404, "not_found")
    problem(await cora.post(f"/api/bookings/{asked}/accept"), 404, "not_found")
    assert await guests_of(cora) == []


async def test_an_addition_that_is_heard_of_late_does_not_outlive_its_removal(
    house: TestHouse, host: Person, cora: Person
) -> None:
    deps = house.deps("booking")
    told: dict[str, Any] = {
        "listing_id": uuid4(), "host_id": host.id, "revision": 1, "co_host_id": uuid4(),
        "account_id": cora.id, "title": "Creek cabin", "by": host.id,
    }  # fmt: skip
    questions: BookingQuestions = house.deps("listing").booking
    await questions.forget_co_host(told["co_host_id"])
    for _ in range(2):
        await reactions.admit_when_co_host_added(deps, CoHostAdded(**told, event_id=UUID(int=1)))
        await reactions.forget_when_co_host_removed(deps, CoHostRemoved(**told, event_id=UUID(int=2)))
    async with deps.db.read() as db:
        assert await store.co_hosts.homes_of(db, cora.id) == []


async def test_a_co_host_does_not_book_the_home(house: TestHouse, host: Person, cora: Person) -> None:
    home = (await open_home(host))["id"]
    before = ok(await book(cora, home, stay(house)), 201)["id"]
    await added(house, host, home)
    problem(await book(cora, home, stay(house, 60)), 403, "own_home")
    # As a guest of before she is a guest.
    problem(await cora.post(f"/api/bookings/{before}/check-in"), 403, "forbidden")
    cancelled = ok(await cora.post(f"/api/bookings/{before}/cancel", {}, headers={"Idempotency-Key": "mine"}))
    assert cancelled["history"][-1]["by"] == "guest"


async def test_staff_who_co_host_act_as_hosts(house: TestHouse, host: Person) -> None:
    staff = await house.staff("support")
    home = (await open_home(host))["id"]
    problem(await staff.post(f"/api/listings/{home}/co-hosts", {"email": staff.email}), 403, "forbidden")
    await added(house, host, home, staff.email)
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    booked = ok(await book(guest, home, stay(house)), 201)["id"]
    preview = ok(await staff.get(f"/api/bookings/{booked}/cancellation"))
    assert preview["by"] == "host"
    ok(await staff.delete(**leaving(home, staff.id)), 204)
    assert ok(await staff.get(f"/api/bookings/{booked}/cancellation"))["by"] == "staff"


# What they are told


async def told(house: TestHouse, person: Person, kind: str) -> list[str]:
    """The texts of those mails, the latest first."""
    await house.settle()
    return [mail["text"] for mail in await house.mails(person.email) if mail["kind"] == kind]


async def test_co_hosts_are_told_of_requests_and_bookings_as_the_host_is_but_not_of_the_money(
    house: TestHouse, host: Person, cora: Person
) -> None:
    home = (await open_home(host, instant_book=False))["id"]
    await added(house, host, home)
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    asked = ok(await book(guest, home, stay(house)), 201)["id"]
    await house.settle()
    for kind in ("booking_request_received", "booking_confirmed_host"):
        [to_host] = await told(house, host, kind)
        [to_cora] = await told(house, cora, kind)
        assert "Creek cabin" in to_cora
        assert "You receive:" in to_host
        assert "You receive:" not in to_cora
        if kind == "booking_request_received":
            ok(await cora.post(f"/api/bookings/{asked}/accept"))
            await pay(guest, asked)
    assert "Your money is sent" in to_host
    assert "Your money is sent" not in to_cora
    [mine] = [
        one
        for one in ok(await cora.get("/api/notifications"))["items"]
        if one["kind"] == "booking_confirmed_host"
    ]
    assert mine["path"] == f"/bookings/{asked}"
    await house.advance(33 * 86_400)
    assert await told(house, host, "payout_sent") != []
    assert await told(house, cora, "payout_sent") == []
    ok(await host.delete(**leaving(home, cora.id)), 204)
    await house.settle()
    ok(await book(guest, home, stay(house)), 201)
    assert len(await told(house, host, "booking_request_received")) == 2
    assert len(await told(house, cora, "booking_request_received")) == 1


@pytest.mark.parametrize("by", ["host", "co-host"])
async def test_who_hosts_is_told_which_of_them_has_cancelled(
    house: TestHouse, host: Person, cora: Person, by: str
) -> None:
    home = (await open_home(host))["id"]
    await added(house, host, home)
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    booked = ok(await book(guest, home, stay(house, 5)), 201)["id"]
    await pay(guest, booked)
    await house.settle()
    who = host if by == "host" else cora
    ok(await who.post(f"/api/bookings/{booked}/cancel", {}, headers={"Idempotency-Key": "no"}))
    [to_host] = await told(house, host, "booking_cancelled_host")
    [to_cora] = await told(house, cora, "booking_cancelled_host")
    [to_guest] = await told(house, guest, "booking_cancelled")
    assert "your host had to cancel this stay" in to_guest
    said = {"host": ("You have", "The host has"), "co-host": ("A co-host has", "A co-host has")}[by]
    assert f"{said[0]} cancelled this stay." in to_host
    assert f"{said[1]} cancelled this stay." in to_cora
    assert "The nights stay blocked in your calendar" in to_cora
    assert "will be taken from your next payouts" in to_host
    assert "payouts" not in to_cora


async def test_a_visitor_without_an_account_reads_no_booking(house: TestHouse, host: Person) -> None:
    home = (await open_home(host))["id"]
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    booked = ok(await book(guest, home, stay(house)), 201)["id"]
    with pytest.raises(NotFound):
        await actions.booking(house.deps("booking"), Caller(), UUID(booked))
