"""Several guests ask for the same nights: the first request holds them, the host chooses one of all."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from harness import Person, TestHouse
from hometrip.services.booking.store.tables import bookings
from hometrip.services.listing import store as homes
from hometrip.services.listing.rules.spans import without_span
from journeys.steps import booking_of, ok, open_home, pay, problem, stay

CHOSEN = "the host has accepted another request for these nights"
BOOKED = "these nights were booked by somebody else meanwhile"


class Village:
    """A host who is asked, and guests who all want the same."""

    def __init__(self, house: TestHouse, host: Person, home: dict[str, Any]) -> None:
        self.house, self.host, self.home = house, host, home

    async def guest(self, name: str) -> Person:
        return await self.house.sign_up(f"{name}@example.com", f"{name.title()} Guest")

    async def asks(self, guest: Person, *, days: int = 30, nights: int = 3, **more: Any) -> Any:
        """The answer to the quote, where that is refused already."""
        wish = {**stay(self.house, days=days, nights=nights), "guests": 2, **more}
        quote = await guest.post(f"/api/listings/{self.home['id']}/quote", wish)
        if quote.status_code != 200:
            return quote
        wish |= {"listing_id": self.home["id"], "quote_id": quote.json()["id"]}
        return await guest.post("/api/bookings", wish, headers={"Idempotency-Key": str(uuid4())})

    async def asks_beside(self, guest: Person, *, pays: bool = True, **more: Any) -> dict[str, Any]:
        asked = ok(await self.asks(guest, beside_requests=True, **more), 201)
        if pays:
            assert (await pay(guest, asked["id"]))["status"] == "requires_capture"
        await self.house.settle()
        return await booking_of(guest, asked["id"])

    async def accept(self, asked: dict[str, Any]) -> Any:
        answer = await self.host.post(f"/api/bookings/{asked['id']}/accept", {})
        await self.house.settle()
        return answer

    async def decline(self, asked: dict[str, Any]) -> None:
        ok(await self.host.post(f"/api/bookings/{asked['id']}/decline", {"reason": "No."}))
        await self.house.settle()

    async def opens_to_all(self) -> None:
        """Whoever wants to may book from now on."""
        path = f"/api/listings/{self.home['id']}"
        version = ok(await self.host.get(path))["version"]
        ok(await self.host.patch(path, {"instant_book": True}, headers={"If-Match": f'"{version}"'}))

    async def can_be_had(self, days: int = 30, nights: int = 3) -> dict[str, Any]:
        dates = stay(self.house, days=days, nights=nights)
        asked = {"listing_id": self.home["id"], **{name: dates[name] for name in ("check_in", "check_out")}}
        found: dict[str, Any] = ok(await self.host.get("/api/bookings/availability", params=asked))
        return found


@pytest.fixture
async def village(house: TestHouse) -> Village:
    host = await house.sign_up("host@example.com", "Hanna Host")
    return Village(house, host, await open_home(host, instant_book=False))


def why(booking: dict[str, Any]) -> tuple[str, str | None]:
    return booking["status"], booking["history"][-1].get("why")


async def test_nights_that_a_request_holds_are_refused_unless_they_are_asked_for_beside_it(
    village: Village,
) -> None:
    first, second = await village.guest("first"), await village.guest("second")
    asked = await village.asks_beside(first)
    assert "beside_requests" not in asked  # nobody was there before
    problem(await village.asks(second), 409, "dates_taken")
    found = await village.can_be_had()
    assert (found["available"], found["taken"], found["requested"]) == (False, True, True)
    beside = await village.asks_beside(second)
    assert (beside["status"], beside["awaiting"], beside["beside_requests"]) == ("pending", "host", True)


@pytest.mark.parametrize("instant", [False, True])
async def test_nights_are_told_as_requested_only_where_they_are_though_the_home_has_not_heard_yet(
    village: Village, instant: bool
) -> None:
    if instant:
        await village.opens_to_all()
    ok(await village.asks(await village.guest("first")), 201)
    await village.house.settle()
    listing, home = village.house.deps("listing"), UUID(village.home["id"])
    days = await homes.calendar(listing.docs, home)
    async with listing.docs.transaction() as tx:  # as if the booking had not been heard of
        await tx.replace(homes.CALENDARS, without_span(days, days.spans[0].id))
    found = await village.can_be_had()
    assert (found["available"], found["taken"], found["rule"]) == (False, True, "booked")
    assert found.get("requested") is (None if instant else True)


async def test_accepting_one_declines_those_that_overlap_it_and_lets_go_of_their_cards(
    village: Village,
) -> None:
    guests = [await village.guest(name) for name in ("first", "second", "third", "fourth")]
    first, second, third, fourth = guests
    holding = await village.asks_beside(first)
    chosen = await village.asks_beside(second, days=31)
    unpaid = await village.asks_beside(third, days=32, pays=False)
    apart = await village.asks_beside(fourth, days=40)
    assert ok(await village.accept(chosen))["status"] == "confirmed"
    assert (await booking_of(second, chosen["id"])).get("beside_requests") is None
    for guest, over in ((first, holding), (third, unpaid)):
        assert why(await booking_of(guest, over["id"])) == ("declined", CHOSEN)
    payment = ok(await first.get("/api/payments/history"))["items"][0]
    assert payment["status"] == "canceled"
    assert (await booking_of(fourth, apart["id"]))["status"] == "pending"
    assert "requested" not in await village.can_be_had(days=31)
    assert (await village.can_be_had(days=30, nights=1))["available"]


async def test_all_are_told_that_there_are_several(village: Village) -> None:
    first, second = await village.guest("first"), await village.guest("second")
    await village.asks_beside(first)
    beside = await village.asks_beside(second)
    texts = {mail["kind"]: mail["text"] for mail in await village.house.mails(second.email)}
    assert "Another guest asked for these nights before you" in texts["booking_request_sent"]
    received = [mail["text"] for mail in await village.house.mails(village.host.email)]
    assert sum("when you accept one request, the others are declined" in text for text in received) == 1
    assert sum("The nights are held for you to decide." in text for text in received) == 1
    await village.accept(beside)
    texts = {mail["kind"]: mail["text"] for mail in await village.house.mails(first.email)}
    assert "The host has accepted another request for these nights." in texts["booking_declined"]


async def test_the_one_who_asked_first_can_be_chosen_as_well(village: Village) -> None:
    first, second = await village.guest("first"), await village.guest("second")
    holding, beside = await village.asks_beside(first), await village.asks_beside(second)
    assert ok(await village.accept(holding))["status"] == "confirmed"
    assert why(await booking_of(second, beside["id"])) == ("declined", CHOSEN)
    problem(await village.accept(beside), 409, "wrong_state")


async def test_a_request_beside_one_that_is_over_can_still_be_accepted(village: Village) -> None:
    first, second = await village.guest("first"), await village.guest("second")
    holding, beside = await village.asks_beside(first), await village.asks_beside(second)
    await village.decline(holding)
    assert (await village.can_be_had())["available"]  # it holds nothing yet
    assert ok(await village.accept(beside))["status"] == "confirmed"
    assert not (await village.can_be_had())["available"]


async def test_a_request_whose_nights_somebody_else_has_by_now_is_declined(village: Village) -> None:
    first, second, third = [await village.guest(name) for name in ("first", "second", "third")]
    holding, beside = await village.asks_beside(first), await village.asks_beside(second)
    await village.decline(holding)
    swift = ok(await village.asks(third), 201)
    await pay(third, swift["id"])
    await village.house.settle()
    assert ok(await village.accept(swift))["status"] == "confirmed"
    assert why(await booking_of(second, beside["id"])) == ("declined", CHOSEN)


async def test_who_books_at_once_while_a_request_waits_without_its_nights_ends_it(village: Village) -> None:
    first, second, third = [await village.guest(name) for name in ("first", "second", "third")]
    holding, beside = await village.asks_beside(first), await village.asks_beside(second)
    await village.decline(holding)
    await village.opens_to_all()
    swift = ok(await village.asks(third), 201)
    assert swift["awaiting"] == "payment"
    await pay(third, swift["id"])
    await village.house.settle()
    assert (await booking_of(third, swift["id"]))["status"] == "confirmed"
    assert why(await booking_of(second, beside["id"])) == ("declined", BOOKED)


async def test_nights_that_the_host_blocks_meanwhile_cannot_be_accepted(village: Village) -> None:
    first, second = await village.guest("first"), await village.guest("second")
    holding, beside = await village.asks_beside(first), await village.asks_beside(second)
    await village.decline(holding)
    dates = stay(village.house, days=31, nights=1)
    block = {"from": dates["check_in"], "to": dates["check_out"]}
    ok(await village.host.post(f"/api/listings/{village.home['id']}/block-dates", block), 201)
    refused = problem(await village.accept(beside), 409, "dates_taken")
    assert refused["rule"] == "blocked"
    assert dates["check_in"] not in {one["check_in"] for one in refused["free_instead"]}
    assert len(refused["free_instead"]) == 3
    assert refused["taken"] == [{"listing_id": village.home["id"], "nights": [dates["check_in"]]}]
    assert (await booking_of(second, beside["id"]))["status"] == "pending"


async def test_one_cannot_ask_beside_a_booking_a_block_or_an_own_request(village: Village) -> None:
    first, second = await village.guest("first"), await village.guest("second")
    holding = await village.asks_beside(first)
    problem(await village.asks(first, beside_requests=True), 409, "dates_taken")
    ok(await village.accept(holding))
    problem(await village.asks(second, beside_requests=True), 409, "dates_taken")
    problem(await village.asks(second, days=32, beside_requests=True), 409, "dates_taken")


async def test_who_may_book_at_once_cannot_take_what_a_request_holds(village: Village) -> None:
    first, second = await village.guest("first"), await village.guest("second")
    await village.asks_beside(first)
    await village.opens_to_all()
    problem(await village.asks(second, beside_requests=True), 409, "dates_taken")


async def test_a_version_that_knows_of_no_such_requests_cannot_accept_one(village: Village) -> None:
    """It would not take its nights: so it finds a word there that is not the host's."""
    first, second = await village.guest("first"), await village.guest("second")
    holding, beside = await village.asks_beside(first), await village.asks_beside(second)
    async with village.house.deps("booking").db.read() as db:
        rows = await db.rows(select(bookings.c.id, bookings.c.awaiting))
    kept = {str(row.id): row.awaiting for row in rows}
    assert (kept[holding["id"]], kept[beside["id"]]) == ("host", "rivals")


async def test_requests_nobody_answers_end_after_a_day_with_all_that_are_beside_them(
    village: Village,
) -> None:
    first, second = await village.guest("first"), await village.guest("second")
    holding, beside = await village.asks_beside(first), await village.asks_beside(second)
    await village.house.advance(25 * 3600)
    for guest, asked in ((first, holding), (second, beside)):
        ended = await booking_of(guest, asked["id"])
        assert why(ended) == ("declined", "the host did not answer within 24 hours")


async def test_nights_of_preparation_are_kept_between_those_who_are_chosen(house: TestHouse) -> None:
    host = await house.sign_up("host@example.com", "Hanna Host")
    home = await open_home(host, instant_book=False, stay_rules={"preparation_nights": 2})
    village = Village(house, host, home)
    first, second, third = [await village.guest(name) for name in ("first", "second", "third")]
    holding = await village.asks_beside(first, days=30)
    near = await village.asks_beside(second, days=34)  # a night after it: too near
    assert near["beside_requests"]
    far = await village.asks_beside(third, days=39)
    assert "beside_requests" not in far
    assert ok(await village.accept(near))["status"] == "confirmed"
    assert why(await booking_of(first, holding["id"])) == ("declined", CHOSEN)
    assert (await booking_of(third, far["id"]))["status"] == "pending"


async def test_accepting_the_one_that_holds_its_nights_declines_one_that_is_too_near_to_it(
    house: TestHouse,
) -> None:
    host = await house.sign_up("host@example.com", "Hanna Host")
    home = await open_home(host, instant_book=False, stay_rules={"preparation_nights": 2})
    village = Village(house, host, home)
    first, second, third = [await village.guest(name) for name in ("first", "second", "third")]
    holding = await village.asks_beside(first, days=30)
    near = await village.asks_beside(second, days=34)  # a night after it: too near
    other = await village.asks_beside(third, days=25)  # two nights before it
    assert ok(await village.accept(holding))["status"] == "confirmed"
    assert why(await booking_of(second, near["id"])) == ("declined", CHOSEN)
    assert ok(await second.get("/api/payments/history"))["items"][0]["status"] == "canceled"
    assert (await booking_of(third, other["id"]))["status"] == "pending"


async def test_a_booking_that_is_moved_to_nights_that_were_asked_for_declines_the_request(
    village: Village,
) -> None:
    first, second, third = [await village.guest(name) for name in ("first", "second", "third")]
    holding = await village.asks_beside(first)
    beside = await village.asks_beside(second)
    moved = await village.asks_beside(third, days=50)
    ok(await village.accept(moved))
    await village.decline(holding)
    ok(await third.put(f"/api/bookings/{moved['id']}", stay(village.house, days=31, nights=3)))
    assert (await booking_of(second, beside["id"]))["status"] == "pending"
    ok(await village.host.post(f"/api/bookings/{moved['id']}/change/accept", {}))
    await village.house.settle()
    assert why(await booking_of(second, beside["id"])) == ("declined", BOOKED)
    assert ok(await second.get("/api/payments/history"))["items"][0]["status"] == "canceled"


async def test_of_many_that_are_accepted_at_once_one_is(village: Village) -> None:
    guests = [await village.guest(f"guest{number}") for number in range(5)]
    asked = [await village.asks_beside(guest, days=30 + number) for number, guest in enumerate(guests[:3])]
    paths = [f"/api/bookings/{each['id']}/accept" for each in asked]
    answers = await asyncio.gather(*(village.host.post(path, {}) for path in paths))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    await village.house.settle()
    ends = [
        (await booking_of(guest, each["id"]))["status"] for guest, each in zip(guests, asked, strict=False)
    ]
    assert sorted(ends) == ["confirmed", "declined", "declined"]
