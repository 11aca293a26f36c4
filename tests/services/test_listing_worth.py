"""The public list of homes with prices in several currencies: limits and order go by what they are worth."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from harness import Person, TestHouse
from hometrip.kernel.measure import Measure, measure_for
from hometrip.kernel.money import RATE_PARTS, Money
from hometrip.ports.documents import eq
from hometrip.services.listing import store
from hometrip.services.listing.rules.pricing import HIGHEST
from journeys.steps import ok, open_home, problem


async def priced(host: Person, title: str, amount: int, currency: str) -> None:
    home = await open_home(host, title)
    price = {"base": {"amount": amount, "currency": currency}}
    ok(await host.put(f"/api/listings/{home['id']}/pricing", price))


async def answer(house: TestHouse, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = ok(await house.client.get("/api/listings", params=query))
    return found


async def titles(house: TestHouse, **query: Any) -> list[str]:
    return [home["title"] for home in (await answer(house, **query))["items"]]


async def pages(house: TestHouse, **query: Any) -> list[str]:
    found, page = list[str](), await answer(house, **query)
    while True:
        found += [home["title"] for home in page["items"]]
        assert len(found) < 100
        if page.get("next_cursor") is None:
            return found
        page = await answer(house, **query | {"cursor": page["next_cursor"]})


async def test_yen_and_euros_are_ordered_and_limited_by_what_they_are_worth(any_house: TestHouse) -> None:
    house, host = any_house, await any_house.sign_up("host@example.com", "Hanna Host")
    await priced(host, "Ninety euros", 9_000, "EUR")
    await priced(host, "Sixty euros", 6_000, "EUR")
    await priced(host, "Ten thousand yen", 10_000, "JPY")  # some sixty euros, of one digit more
    await priced(host, "Fifty thousand yen", 50_000, "JPY")
    await priced(host, "Two hundred euros", 20_000, "EUR")
    rising = await pages(house, sort="price", limit=2)
    assert rising.index("Ten thousand yen") < rising.index("Ninety euros") < rising.index("Two hundred euros")
    assert rising[-1] == "Fifty thousand yen"
    assert await pages(house, sort="-price", limit=2) == rising[::-1] == await titles(house, sort="-price")
    assert await titles(house, min_price=8_000, max_price=20_000) == ["Two hundred euros", "Ninety euros"]
    limited = await answer(house, max_price=12_000, currency="JPY")
    assert (limited["currency"], len(limited["items"])) == ("JPY", 2)
    assert limited["items"][0]["nightly"] == {"amount": 10_000, "currency": "JPY"}  # each in its own
    assert (await answer(house, sort="price"))["currency"] == "EUR"  # that of most
    assert (await answer(house))["currency"] is None  # nothing was compared


async def test_a_page_by_price_leads_on_in_the_measure_that_it_began_in(
    house: TestHouse, host: Person
) -> None:
    for number in range(4):
        await priced(host, f"Euros {number}", 5_000, "EUR")
        await priced(host, f"Dollars {number}", 5_000, "USD")
    first = await answer(house, sort="price", limit=3)
    assert first["currency"] == "EUR"
    await priced(host, "Dollars 4", 5_000, "USD")  # now most homes have dollars
    rest = await answer(house, sort="price", cursor=first["next_cursor"])
    seen = [home["title"] for home in first["items"] + rest["items"]]
    assert (rest["currency"], len(seen), len(set(seen))) == ("EUR", 9, 9)


async def test_prices_that_no_host_can_ask_any_more_are_ordered_and_limited_as_well(
    any_house: TestHouse,
) -> None:
    house, host = any_house, await any_house.sign_up("host@example.com", "Hanna Host")
    for title, currency, amount in (("Rupiah", "IDR", 3 * HIGHEST), ("Won", "KRW", 2 * HIGHEST)):
        await priced(host, title, 5_000, currency)
        async with house.deps("listing").docs.transaction() as tx:
            [home] = (await tx.find(store.HOMES, eq("title", title))).items
            prices = replace(home.pricing, base=Money(amount, currency))  # as versions of before let them
            await store.keep_home(tx, replace(home, pricing=prices))
    await priced(host, "Euros", 5_000, "EUR")
    for measure in ("IDR", "KRW", "EUR"):
        assert await pages(house, sort="price", currency=measure, limit=1) == ["Euros", "Rupiah", "Won"]
    assert await titles(house, max_price=4 * HIGHEST, currency="IDR") == ["Euros", "Rupiah"]


async def test_homes_without_a_rate_come_behind_an_order_and_are_left_out_by_a_limit(
    any_house: TestHouse,
) -> None:
    house, host = any_house, await any_house.sign_up("host@example.com", "Hanna Host")
    for title, amount, currency in (
        ("Ouguiya", 5_000, "MRU"),
        ("Euros", 5_000, "EUR"),
        ("Drams", 9_000, "AMD"),
        ("Dollars", 5_000, "USD"),
        ("Fewer drams", 1, "AMD"),
        ("Many ouguiyas", 70_000, "MRU"),
    ):
        await priced(host, title, amount, currency)
    rising = ["Dollars", "Euros", "Fewer drams", "Drams", "Ouguiya", "Many ouguiyas"]
    falling = ["Euros", "Dollars", "Drams", "Fewer drams", "Many ouguiyas", "Ouguiya"]
    for limit in range(1, 8):
        assert await pages(house, sort="price", currency="EUR", limit=limit) == rising
        assert await pages(house, sort="-price", currency="EUR", limit=limit) == falling
    for sort in ("price", "-price", "newest"):
        limited = await answer(house, sort=sort, currency="EUR", min_price=0)
        assert {home["title"] for home in limited["items"]} == {"Dollars", "Euros"}
        assert limited["uncompared"] == 4
    assert (await answer(house, sort="price", currency="EUR"))["uncompared"] is None


async def test_a_currency_without_a_rate_is_refused_where_no_home_has_it(
    house: TestHouse, host: Person
) -> None:
    await priced(host, "Euros", 5_000, "EUR")
    await priced(host, "Dollars", 5_000, "USD")
    await priced(host, "Ouguiya", 5_000, "MRU")
    assert await titles(house, sort="price") == ["Dollars", "Euros", "Ouguiya"]
    assert await titles(house) == ["Ouguiya", "Dollars", "Euros"]
    assert await titles(house, sort="price", currency="MRU") == ["Ouguiya", "Euros", "Dollars"]
    refused = problem(
        await house.client.get("/api/listings", params={"max_price": 1, "currency": "XXX"}),
        422,
        "invalid",
    )
    assert [error["field"] for error in refused["errors"]] == ["currency"]
    by_rating = await answer(house, sort="rating", limit=1)
    other = {"sort": "price", "cursor": by_rating["next_cursor"]}
    problem(await house.client.get("/api/listings", params=other), 422, "invalid")


async def test_limits_and_order_hold_without_any_home(house: TestHouse) -> None:
    assert (await answer(house, sort="price"))["items"] == (await answer(house, min_price=1))["items"] == []


def test_the_least_amount_is_the_first_that_is_worth_so_much() -> None:
    chance = random.Random(7)
    for _ in range(2_000):
        own, other = chance.choice(["JPY", "EUR", "KWD"]), chance.choice(["JPY", "USD", "KWD"])
        rate = round(Fraction(chance.randint(1, 10**6), chance.randint(1, 10**6)) * RATE_PARTS) or 1
        measure = Measure.of(other, {own: rate})
        worth = chance.randint(0, 10**7)
        least = measure.least(own, worth)
        assert measure.worth(Money(least, own)) >= worth
        assert least == 0 or measure.worth(Money(least - 1, own)) < worth


async def test_one_currency_needs_no_rates() -> None:
    async def none(currency: str) -> dict[str, int]:
        raise AssertionError(currency)

    assert await measure_for(["EUR"], none) is None
