"""What a guest who looks at one home is shown of others like it."""

from __future__ import annotations

from harness import TestHouse
from journeys.steps import ok, open_home, stay


async def test_a_guest_is_shown_what_is_free_and_like_it(any_house: TestHouse) -> None:
    house = any_house
    host = await house.sign_up("host@example.com", "Hanna Host")
    # Where no other test of this house has homes.
    place = {"location": {"lat": -45.8788, "lng": 170.5028}}
    own, free, taken = [(await open_home(host, **place))["id"] for _ in range(3)]
    when = stay(house)
    nights = {"from": when["check_in"], "to": when["check_out"]}
    ok(await host.post(f"/api/listings/{taken}/block-dates", nights), 201)
    await house.settle()
    path = f"/api/listings/{own}/similar"
    found = ok(await house.client.get(path))["items"]
    assert {hit["id"] for hit in found} == {free, taken}
    [hit] = ok(await house.client.get(path, params=when | {"guests": 2}))["items"]
    quote = ok(await house.client.post(f"/api/listings/{free}/quote", json=when | {"guests": 2}))
    assert (hit["id"], hit["total"]) == (free, quote["total"])
