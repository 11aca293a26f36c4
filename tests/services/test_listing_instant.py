"""Who books at once and who asks first: a host's demands, and a home's first bookings."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from harness import Person, TestHouse
from hometrip.app.verify import verify_house
from hometrip.kernel.clock import utc
from hometrip.services.listing.rules.calendar import BLOCKED, BOOKED, Calendar, Span
from hometrip.services.listing.rules.home import Home, InstantDemands
from hometrip.services.listing.rules.instant import books_instantly
from journeys.steps import book, ok, open_home, pay, problem, stay

NOW = utc(2027, 4, 14, 9)


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


async def truth(house: TestHouse, guest: Person, home: str, day: int) -> list[bool]:
    """Whether a stay from that day on is booked at once: as home, list, quote, hit and search tell."""
    when, path = stay(house, day), f"/api/listings/{home}"
    shown = ok(await guest.get(path))["books_at_once"]
    [listed] = ok(await guest.get("/api/listings"))["items"]
    quoted = ok(await guest.post(f"{path}/quote", when | {"guests": 2}))["instant_book"]
    [hit] = ok(await guest.get("/api/search", params=when))["items"]
    found = ok(await guest.get("/api/search", params=when | {"instant": "true"}))["items"]
    return [
        shown,
        listed["books_at_once"],
        quoted,
        hit["instant_book"],
        [one["id"] for one in found] == [home],
    ]


async def test_all_tell_the_same_of_a_home_whose_first_bookings_are_requests(
    house: TestHouse, host: Person
) -> None:
    home, guest = await home_with(host, first_bookings_ask=True), await house.sign_up()
    await house.settle()
    last = ""
    for n in range(5):
        assert await truth(house, guest, home, 60) == [False] * 5
        last = ok(await book(guest, home, stay(house, 30 + 4 * n)), 201)["id"]
        await pay(guest, last)
        await house.settle()
        ok(await host.post(f"/api/bookings/{last}/accept"))
        await house.settle()
    assert await truth(house, guest, home, 60) == [True] * 5
    path = f"/api/listings/{home}"
    [own] = ok(await host.get("/api/listings/my-listings"))["items"]
    changed = ok(await host.patch(path, {"title": "Creek cabin"}))
    published = ok(await host.post(f"{path}/publish"))
    admin = await house.staff()
    ok(await guest.post(f"{path}/reports", {"reason": "scam"}), 201)
    [reported] = ok(await admin.get("/api/listings/moderation", params={"status": "reported"}))["items"]
    judged = ok(await admin.post(f"{path}/moderate", {"action": "dismiss"}))
    assert [one["books_at_once"] for one in (own, changed, published, reported, judged)] == [True] * 5
    known = (await guest.get(f"/api/listings/{home}")).headers["etag"]
    ok(await guest.post(f"/api/bookings/{last}/cancel", {"reason": "ill"}))
    await house.settle()
    assert await truth(house, guest, home, 60) == [False] * 5
    again = await guest.get(f"/api/listings/{home}", headers={"If-None-Match": known})
    assert again.status_code == 200
    assert not [one for finding in await verify_house(house.house) for one in finding.violations]


async def test_a_search_finds_what_this_guest_books_at_once(house: TestHouse, host: Person) -> None:
    free, mailed = str((await open_home(host))["id"]), await home_with(host, verified=["email"])
    shown = await home_with(host, verified=["email", "id_document"])
    unrated = await home_with(host, min_rating=4.5)
    asks = await home_with(host)
    ok(await host.patch(f"/api/listings/{asks}", {"instant_book": False}))
    await house.settle()
    guest = await house.sign_up()  # with a verified address, and no more
    await house.settle()

    async def found(client: Any) -> set[str]:
        facet = ok(await client.get("/api/search"))["facets"]["instant_book"]
        found = ok(await client.get("/api/search", params={"instant": "true"}))
        count = found["total"]
        assert {each["value"]: each["count"] for each in facet} == {"true": count, "false": 5 - count}
        assert ok(await client.get("/api/search/filters"))["values"]["instant_book"] == facet
        return {one["id"] for one in found["items"]}

    assert await found(guest) == {free, mailed, unrated}
    assert await found(house.client) == {free, unrated}
    for home in (free, mailed, shown, unrated, asks):
        quote = ok(await guest.post(f"/api/listings/{home}/quote", stay(house) | {"guests": 2}))
        assert quote["instant_book"] == (home in (free, mailed, unrated))


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
