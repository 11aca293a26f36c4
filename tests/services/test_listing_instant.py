"""Who books at once and who asks first: a host's demands, and a home's first bookings."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from harness import Person, TestHouse
from hometrip.kernel.clock import utc
from hometrip.services.listing.rules.calendar import BLOCKED, BOOKED, Calendar, Span
from hometrip.services.listing.rules.home import Home, InstantDemands
from hometrip.services.listing.rules.instant import books_instantly
from journeys.steps import book, ok, open_home, pay, problem, stay

NOW = utc(2027, 4, 14, 9)


@pytest.fixture
async def host(house: TestHouse) -> Person:
    return await house.sign_up("host@example.com", "Hanna Host")


async def home_with(host: Person, **demands: Any) -> str:
    home = await open_home(host)
    changed = ok(await host.patch(f"/api/listings/{home['id']}", {"instant_demands": demands}))
    assert changed["instant_demands"] == {"verified": [], "first_bookings_ask": False} | demands
    return str(home["id"])


async def awaited(house: TestHouse, guest: Person, home: str, days: int = 30) -> str:
    return str(ok(await book(guest, home, stay(house, days)), 201)["awaiting"])


async def test_a_guest_who_has_what_is_demanded_books_at_once(house: TestHouse, host: Person) -> None:
    guest = await house.sign_up()  # with a verified address, and no more
    assert await awaited(house, guest, await home_with(host, verified=["email"])) == "payment"
    assert await awaited(house, guest, await home_with(host, verified=["email", "id_document"])) == "host"


async def test_a_guest_whom_nobody_has_rated_has_no_rating_under_the_floor(
    house: TestHouse, host: Person
) -> None:
    assert await awaited(house, await house.sign_up(), await home_with(host, min_rating=4.5)) == "payment"


async def test_the_first_five_bookings_of_a_home_may_be_requests(house: TestHouse, host: Person) -> None:
    home, guest = await home_with(host, first_bookings_ask=True), await house.sign_up()
    for n in range(5):
        booked = ok(await book(guest, home, stay(house, 30 + 4 * n)), 201)
        assert booked["awaiting"] == "host"
        await pay(guest, booked["id"])
        await house.settle()
        ok(await host.post(f"/api/bookings/{booked['id']}/accept"))
        await house.settle()
    assert await awaited(house, guest, home, 60) == "payment"


async def test_demands_are_checked_where_they_are_written(host: Person) -> None:
    home = await open_home(host)
    for demands in ({"verified": ["horoscope"]}, {"min_rating": 6}, {"stars": 5}):
        answer = await host.patch(f"/api/listings/{home['id']}", {"instant_demands": demands})
        problem(answer, 422, "invalid")


def decided(demands: InstantDemands, confirmed: int = 0, *, instant_book: bool = True, **guest: Any) -> bool:
    one = UUID(int=1)
    home = Home(
        id=one,
        host_id=one,
        title="Cabin",
        created_at=NOW,
        updated_at=NOW,
        instant_book=instant_book,
        instant_demands=demands,
    )
    day = NOW.date()
    other = {"check_in": day, "check_out": day}
    spans = [Span(id=uuid4(), kind=BOOKED, confirmed=True, **other) for _ in range(confirmed)]
    noise = [Span(id=uuid4(), kind=BOOKED, **other), Span(id=uuid4(), kind=BLOCKED, confirmed=True, **other)]
    return books_instantly(home, Calendar(id=one, spans=[*spans, *noise]), **guest)


def test_every_demand_must_be_met() -> None:
    assert decided(InstantDemands())
    assert not decided(InstantDemands(), instant_book=False)
    rated = InstantDemands(min_rating=4.5)
    assert [decided(rated, rating=rating) for rating in (None, 4.4, 4.5, 5.0)] == [True, False, True, True]
    both = InstantDemands(verified=["email", "phone"])
    assert [decided(both, badges=badges) for badges in (None, ["email"], ["phone", "email"])] == [
        False, False, True
    ]  # fmt: skip


def test_a_home_is_new_until_five_bookings_were_confirmed() -> None:
    new = InstantDemands(first_bookings_ask=True)
    assert [decided(new, count) for count in (0, 4, 5)] == [False, False, True]
