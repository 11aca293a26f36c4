"""Struck-through prices at the door: on the quote, on the home, in the search; and where there is none."""

from __future__ import annotations

from typing import Any

from harness import Person, TestHouse
from journeys.steps import PRICING, book, ok, open_home, stay

DAY = 86_400


def usd(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD"}


async def shown(house: TestHouse, guest: Person, home: str) -> list[Any]:
    """What is struck through: on a quote of three nights, on the home, and on its hit of that stay."""
    await house.settle()
    when = stay(house) | {"guests": 2}
    quote = ok(await guest.post(f"/api/listings/{home}/quote", when))
    listing = ok(await guest.get(f"/api/listings/{home}"))
    [hit] = ok(await guest.get("/api/search", params=when))["items"]
    assert hit["total"] == quote["total"]
    [nights] = [line for line in quote["lines"] if line["kind"] == "nights"]
    assert not any("was" in line for line in quote["lines"] if line["kind"] != "nights")
    return [found.get("was") for found in (nights, listing, hit)]


async def test_a_lower_price_stands_beside_the_usual_one(house: TestHouse, host: Person) -> None:
    home = (await open_home(host))["id"]
    path = f"/api/listings/{home}/pricing"
    await house.advance(61 * DAY)
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    host = await house.sign_in("host@example.com")
    assert await shown(house, guest, home) == [None, None, None]
    ok(await host.put(path, PRICING | {"base": usd(9_100)}))
    assert await shown(house, guest, home) == [None, None, None]
    ok(await host.put(path, PRICING | {"base": usd(8_000)}))
    assert await shown(house, guest, home) == [usd(30_000), usd(10_000), usd(10_000)]
    booked = ok(await book(guest, home, stay(house)), 201)
    assert booked["lines"][0]["was"] == usd(30_000)
    await house.advance(31 * DAY)
    guest = await house.sign_in("guest@example.com")
    assert await shown(house, guest, home) == [None, None, None]


async def test_a_new_home_and_one_that_was_away_strike_nothing_through(
    house: TestHouse, host: Person
) -> None:
    home = (await open_home(host))["id"]
    await house.advance(40 * DAY)
    host = await house.sign_in("host@example.com")
    ok(await host.patch(f"/api/listings/{home}/toggle-active"))
    ok(await host.put(f"/api/listings/{home}/pricing", PRICING | {"base": usd(90_000)}))
    await house.advance(25 * DAY)
    host = await house.sign_in("host@example.com")
    ok(await host.patch(f"/api/listings/{home}/toggle-active"))
    ok(await host.put(f"/api/listings/{home}/pricing", PRICING | {"base": usd(50_000)}))
    assert await shown(house, host, home) == [None, None, None]


async def test_one_edit_of_many_nights_is_compared_with_what_these_nights_cost(
    house: TestHouse, host: Person
) -> None:
    home = (await open_home(host))["id"]
    await house.advance(61 * DAY)
    host = await house.sign_in("host@example.com")
    when = stay(house)
    edit = {"listing_ids": [home], "from": when["check_in"], "to": when["check_out"], "price": usd(7_000)}
    ok(await host.post("/api/listings/calendars", edit))
    assert await shown(house, host, home) == [usd(30_000), None, usd(10_000)]


async def test_least_stays_of_other_nights_leave_it_as_it_is(house: TestHouse, host: Person) -> None:
    home = (await open_home(host))["id"]
    await house.advance(61 * DAY)
    host, when = await house.sign_in("host@example.com"), stay(house)
    edit = {"listing_ids": [home], "from": when["check_in"], "to": when["check_out"]}
    ok(await host.post("/api/listings/calendars", edit | {"price": usd(7_000)}))
    for other in (stay(house, days=20), stay(house, days=40)):
        least = edit | {"from": other["check_in"], "to": other["check_out"], "min_nights": 2}
        ok(await host.post("/api/listings/calendars", least))
        assert await shown(house, host, home) == [usd(30_000), None, usd(10_000)]
