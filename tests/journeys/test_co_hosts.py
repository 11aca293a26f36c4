"""A home looked after by two, from the addition of the one to their removal."""

from __future__ import annotations

import asyncio

from harness import TestHouse
from journeys.steps import book, booking_of, ok, open_home, pay, problem, stay


async def test_a_co_host_looks_after_a_home_until_they_are_removed(any_house: TestHouse) -> None:
    house = any_house
    host = await house.sign_up("host@example.com", "Hanna Host")
    cora = await house.sign_up("cora@example.com", "Cora Cohost")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    home, own = await open_home(host, instant_book=False), await open_home(cora, "Own house")
    path = f"/api/listings/{home['id']}"
    asked = ok(await book(guest, home["id"], stay(house)), 201)["id"]
    problem(await cora.get(f"/api/bookings/{asked}"), 404, "not_found")

    wishes = (host.post(f"{path}/co-hosts", {"email": cora.email}) for _ in range(3))
    at_once = await asyncio.gather(*wishes, host.patch(path, {"bedrooms": 3}))
    assert sorted(answer.status_code for answer in at_once) == [200, 201, 409, 409]
    await house.settle()
    mine = ok(await cora.get("/api/listings/my-listings"))["items"]
    assert {one["id"] for one in mine} == {home["id"], own["id"]}
    ok(await cora.patch(path, {"beds": 5}))
    when = stay(house, 60)
    ok(await cora.post(f"{path}/block-dates", {"from": when["check_in"], "to": when["check_out"]}), 201)
    [waiting] = ok(await cora.get("/api/bookings/host"))["items"]
    assert waiting["id"] == asked
    ok(await cora.post(f"/api/bookings/{asked}/accept"))
    await pay(guest, asked)
    await house.settle()
    booked = await booking_of(cora, asked)
    assert booked["status"] == "confirmed"
    assert "co_host" in [step["by"] for step in booked["history"]]
    told = [mail["kind"] for mail in await house.mails("cora@example.com")]
    assert told.count("co_host_added") == 1

    gone = {"account_id": str(cora.id)}
    at_once = await asyncio.gather(*(host.delete(f"{path}/co-hosts", params=gone) for _ in range(2)))
    assert sorted(answer.status_code for answer in at_once) == [204, 404]
    problem(await cora.get(f"/api/bookings/{asked}"), 404, "not_found")
    problem(await cora.patch(path, {"beds": 6}), 403, "forbidden")
    assert [one["id"] for one in ok(await cora.get("/api/listings/my-listings"))["items"]] == [own["id"]]
    await house.settle()
    assert ok(await cora.get("/api/bookings/host"))["items"] == []
    assert ok(await host.get(f"{path}/co-hosts"))["items"] == []
