"""Homes like a home, through the door."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID, uuid4

from harness import Person, TestHouse
from hometrip.services.search.actions.similar import _free
from hometrip.services.search.rules.asked import Asked, wanted
from journeys.steps import PRICING, book, ok, open_home, problem, stay

NEAR = {"lat": 42.6526, "lng": -73.7562}


async def like(house: TestHouse, home: str, **asked: Any) -> list[dict[str, Any]]:
    await house.settle()
    found: list[dict[str, Any]] = ok(await house.client.get(f"/api/listings/{home}/similar", params=asked))[
        "items"
    ]
    return found


def at(north: float) -> dict[str, float]:
    """So many degrees north of the others."""
    return NEAR | {"lat": NEAR["lat"] + north}


async def test_homes_nearby_of_its_kind_come_first_and_never_itself(house: TestHouse, host: Person) -> None:
    own = (await open_home(host))["id"]
    far = (await open_home(host, location=at(0.5)))["id"]
    boat = (await open_home(host, type="boat", structure="private_room"))["id"]
    same = (await open_home(host))["id"]
    elsewhere = (await open_home(host, location=at(3)))["id"]
    draft = ok(await host.post("/api/listings", {"title": "Draft"}), 201)["id"]
    paused = (await open_home(host))["id"]
    ok(await host.patch(f"/api/listings/{paused}/toggle-active", {}))
    found = [hit["id"] for hit in await like(house, own)]
    assert found == [same, boat, far]
    assert not {own, elsewhere, draft, paused} & {*found}
    assert [hit["id"] for hit in await like(house, own, limit=1)] == [same]


async def test_there_are_twelve_at_most(house: TestHouse, host: Person) -> None:
    homes = [(await open_home(host))["id"] for _ in range(14)]
    found = [hit["id"] for hit in await like(house, homes[0])]
    assert len(set(found)) == 12
    assert homes[0] not in found
    for limit in ("0", "13"):
        answer = await house.client.get(f"/api/listings/{homes[0]}/similar", params={"limit": limit})
        problem(answer, 422, "invalid")


async def test_with_dates_only_homes_that_are_free_then_with_the_total_of_their_quote(
    house: TestHouse, host: Person
) -> None:
    own, free, taken, small = [(await open_home(host))["id"] for _ in range(4)]
    ok(await host.patch(f"/api/listings/{small}", {"guests": 1}))
    guest, when = await house.sign_up("guest@example.com", "Gus Guest"), stay(house)
    ok(await book(guest, taken, when), 201)
    [hit] = await like(house, own, **when, guests=2)
    quote = ok(await house.client.post(f"/api/listings/{free}/quote", json=when | {"guests": 2}))
    assert (hit["id"], hit["total"]) == (free, quote["total"])
    assert (hit["check_in"], hit["check_out"], hit["nights"]) == (when["check_in"], when["check_out"], 3)
    assert {one["id"] for one in await like(house, own)} == {free, taken, small}
    assert "total" not in (await like(house, own))[0]


async def test_more_are_looked_at_where_the_first_turn_out_to_be_taken(
    house: TestHouse, host: Person
) -> None:
    """Listing knows better than the board what is free."""
    taken, free = [(await open_home(host))["id"] for _ in range(2)]
    when = stay(house)
    await house.settle()
    deps = house.deps("search")
    hits = {str(hit.id): hit for hit in deps.memory.board.hits}
    ok(
        await host.post(
            f"/api/listings/{taken}/block-dates", {"from": when["check_in"], "to": when["check_out"]}
        ),
        201,
    )
    dates = {name: date.fromisoformat(day) for name, day in when.items()}
    want = wanted(Asked(**dates), house.clock.now())
    [found] = await _free(deps, want, [hits[taken], hits[free]], 1)
    assert str(found.id) == free


async def test_prices_are_told_in_the_currency_that_is_asked_for(house: TestHouse, host: Person) -> None:
    own, other = (await open_home(host))["id"], (await open_home(host))["id"]
    euro = {"base": {"amount": 9_000, "currency": "EUR"}}
    ok(await host.put(f"/api/listings/{other}/pricing", euro))
    [hit] = await like(house, own)
    assert hit["nightly"] == euro["base"]
    [told] = await like(house, own, currency="USD")
    assert told["nightly"]["currency"] == "USD"
    [dated] = await like(house, own, currency="USD", **stay(house))
    assert dated["total"]["currency"] == "USD"
    answer = await house.client.get(f"/api/listings/{own}/similar", params={"currency": "XTS"})
    assert problem(answer, 422, "invalid")["errors"][0]["field"] == "currency"


async def test_who_does_not_see_the_home_sees_nothing_like_it(house: TestHouse, host: Person) -> None:
    problem(await house.client.get(f"/api/listings/{uuid4()}/similar"), 404, "not_found")
    draft = ok(await host.post("/api/listings", {"title": "Draft"}), 201)["id"]
    problem(await house.client.get(f"/api/listings/{draft}/similar"), 404, "not_found")
    assert ok(await host.get(f"/api/listings/{draft}/similar")) == {"items": []}
    paused, other = (await open_home(host))["id"], (await open_home(host))["id"]
    ok(await host.patch(f"/api/listings/{paused}/toggle-active", {}))
    await house.settle()
    problem(await house.client.get(f"/api/listings/{paused}/similar"), 404, "not_found")
    [hit] = ok(await host.get(f"/api/listings/{paused}/similar"))["items"]
    assert hit["id"] == other


async def test_what_is_asked_is_held_to_what_a_search_is(house: TestHouse, host: Person) -> None:
    own = (await open_home(host))["id"]
    for asked, field in (
        ({"check_in": "2027-06-01"}, "check_out"),
        ({"check_in": "2020-06-01", "check_out": "2020-06-03"}, "check_in"),
        ({"guests": "0"}, "guests"),
        ({"guest": "1"}, "guest"),
    ):
        answer = await house.client.get(f"/api/listings/{own}/similar", params=asked)
        assert [wrong["field"] for wrong in problem(answer, 422, "invalid")["errors"]] == [field]


async def test_a_stranger_may_keep_the_answer_and_who_signed_in_may_not(
    house: TestHouse, host: Person
) -> None:
    own, other = (await open_home(host))["id"], (await open_home(host))["id"]
    await house.settle()
    path = f"/api/listings/{own}/similar"
    answer = await house.client.get(path)
    assert "public" in answer.headers["cache-control"]
    assert "public" not in (await host.get(path)).headers["cache-control"]
    assert [UUID(hit["id"]) for hit in answer.json()["items"]] == [UUID(other)]
    assert PRICING["base"] == answer.json()["items"][0]["nightly"]
