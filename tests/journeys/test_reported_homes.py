"""A home is reported, looked at, and reported again."""

from __future__ import annotations

import asyncio

from harness import TestHouse
from journeys.steps import ok, open_home, problem


async def test_a_reported_home_is_looked_at_by_staff(any_house: TestHouse) -> None:
    house = any_house
    host = await house.sign_up("host@example.com", "Hanna Host")
    guests = [await house.sign_up(f"guest{n}@example.com", "Gus Guest") for n in range(4)]
    staff = await house.staff("moderator")
    home = (await open_home(host))["id"]
    path = f"/api/listings/{home}/reports"
    # Among them the first of all, and one account twice.
    reporters = [*guests, guests[0]]
    answers = await asyncio.gather(*(one.post(path, {"reason": "scam"}) for one in reporters))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 201, 201, 409]

    async def waiting() -> list[dict[str, int]]:
        listed = ok(await staff.get("/api/listings/moderation", params={"status": "reported", "limit": 100}))
        return [one["reports"]["reasons"] for one in listed["items"] if one["id"] == home]

    assert await waiting() == [{"scam": 4}]
    ok(await staff.post(f"/api/listings/{home}/moderate", {"action": "dismiss"}))
    assert await waiting() == []
    ok(await guests[0].post(path, {"reason": "unsafe"}), 201)
    assert await waiting() == [{"unsafe": 1}]
    ok(await staff.post(f"/api/listings/{home}/moderate", {"action": "suspend", "reason": "A scam."}))
    assert await waiting() == []
    problem(await guests[1].post(path, {"reason": "scam"}), 404, "not_found")
    assert len(ok(await staff.get(path))["items"]) == 5
