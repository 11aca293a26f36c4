"""Many at once for what only one can have."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import uuid4

import pytest

from figures import Figure
from harness import Person, TestHouse
from hometrip.app.verify import verify_house
from hometrip.kernel.access import Caller
from journeys.steps import book, ok, open_home, stay


async def crowd(house: TestHouse, size: int) -> list[Person]:
    """Accounts of their own, without the cost of a password each."""
    from hometrip.services.auth.actions import create_account
    from hometrip.services.auth.actions.sessions import open_session
    from hometrip.services.auth.store import accounts

    deps = house.deps("auth")
    people = []
    for number in range(size):
        email = f"guest{number}@example.com"
        account = await create_account(
            deps, email=email, password=None, name=f"Guest {number}", locale="en", roles=[], verified=True
        )
        async with deps.db.transaction() as tx:
            known = await accounts.get(tx, account)
            assert known
            tokens = await open_session(deps, tx, known, Caller())
        people.append(
            Person(house.client, {"id": str(account), "email": email}, {"access_token": tokens.access_token})
        )
    return people


async def one_gets_each_night(house: TestHouse, guests: int, rounds: int) -> None:
    """So many guests at once want one night of a home, round after round."""
    home = await open_home(await house.sign_up("host@example.com", "Hanna Host"))
    people = await crowd(house, guests)
    for number in range(rounds):
        when = stay(house, days=10 + number, nights=1)
        answers = await asyncio.gather(*(try_to_book(guest, home["id"], when) for guest in people))
        assert Counter(answers) == {(201, ""): 1, (409, "dates_taken"): guests - 1}
    await house.settle()
    assert [finding.violations for finding in await verify_house(house.house)] == [[]] * 6


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("guests", "rounds"),
    [
        pytest.param(100, 2, marks=pytest.mark.slow),
        pytest.param(1000, 20, marks=[pytest.mark.full, pytest.mark.timeout(3_600)]),
    ],
)
async def test_many_guests_want_one_night_and_one_gets_it(
    house: TestHouse, guests: int, rounds: int, figure: Figure
) -> None:
    await one_gets_each_night(house, guests, rounds)
    figure(f"T1: {rounds} rounds of {guests} guests for one night on SQLite, one winner each")


async def try_to_book(guest: Person, listing_id: str, when: dict[str, str]) -> tuple[int, str]:
    """A guest whose quote is refused already has lost too; what counts is that nobody else wins."""
    quote = await guest.post(f"/api/listings/{listing_id}/quote", when | {"guests": 1})
    if quote.status_code != 200:
        return quote.status_code, quote.json()["code"]
    wish = when | {"listing_id": listing_id, "guests": 1, "quote_id": quote.json()["id"]}
    answer = await guest.post("/api/bookings", wish, headers={"Idempotency-Key": str(uuid4())})
    return answer.status_code, answer.json().get("code", "")


async def test_a_key_used_a_hundred_times_at_once_books_once_and_answers_the_same(house: TestHouse) -> None:
    home = await open_home(await house.sign_up("host@example.com", "Hanna Host"))
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    when = stay(house)
    quote = ok(await guest.post(f"/api/listings/{home['id']}/quote", when | {"guests": 2}))
    wish = when | {"listing_id": home["id"], "guests": 2, "quote_id": quote["id"]}
    key = {"Idempotency-Key": "one-and-the-same"}
    answers = await asyncio.gather(*(guest.post("/api/bookings", wish, headers=key) for _ in range(100)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    mine = ok(await guest.get("/api/bookings/user", params={"when": "upcoming"}))
    assert len(mine["items"]) == 1


async def test_accept_against_cancel_ends_in_one_of_both_and_the_money_agrees(house: TestHouse) -> None:
    from journeys.steps import pay

    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    home = await open_home(host, instant_book=False)
    for days in range(20, 50, 5):
        booking = ok(await book(guest, home["id"], stay(house, days=days)), 201)
        await pay(guest, booking["id"])
        path = f"/api/bookings/{booking['id']}"
        answers = await asyncio.gather(host.post(f"{path}/accept"), guest.post(f"{path}/cancel", {}))
        assert all(answer.status_code in (200, 409) for answer in answers), [a.text for a in answers]
        await house.settle()
    assert [finding.violations for finding in await verify_house(house.house)] == [[]] * 6


async def test_a_block_against_a_booking_leaves_one_of_both(house: TestHouse) -> None:
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    home = await open_home(host)
    for days in range(20, 50, 5):
        when = stay(house, days=days)
        block = {"from": when["check_in"], "to": when["check_out"], "reason": "painting"}
        booked, blocked = await asyncio.gather(
            try_to_book(guest, home["id"], when),
            host.post(f"/api/listings/{home['id']}/block-dates", block),
        )
        assert sorted([booked[0], blocked.status_code]) == [201, 409], (booked, blocked.text)
        await house.settle()
    assert [finding.violations for finding in await verify_house(house.house)] == [[]] * 6
