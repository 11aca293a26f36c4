"""Homes that are reported to staff: by whom, how often, who reads it, and what ends it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from harness import Person, TestHouse
from hometrip.services.listing import store
from journeys.steps import ok, open_home, problem

SCAM = {"reason": "scam", "text": "The pictures are of another house."}


async def queue(staff: Person, status: str = "reported", **params: Any) -> list[dict[str, Any]]:
    found = ok(await staff.get("/api/listings/moderation", params={"status": status} | params))
    items: list[dict[str, Any]] = found["items"]
    return items


async def decide(staff: Person, home: str, action: str, reason: str = "") -> dict[str, Any]:
    found: dict[str, Any] = ok(
        await staff.post(f"/api/listings/{home}/moderate", {"action": action, "reason": reason})
    )
    return found


async def test_staff_see_how_often_and_why_a_home_was_reported(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home, quiet = (await open_home(host))["id"], (await open_home(host))["id"]
    path = f"/api/listings/{home}/reports"
    made = ok(await guest.post(path, SCAM), 201)
    assert (made["listing_id"], made["reason"], made["text"]) == (home, "scam", SCAM["text"])
    await house.advance(60)
    other = await house.sign_up("other@example.com", "Olga Other")
    ok(await other.post(path, {"reason": "scam"}), 201)
    third = await house.sign_up("third@example.com", "Theo Third")
    ok(await third.post(path, {"reason": "other", "text": " <b>It</b> is a boat "}), 201)

    staff = await house.staff("moderator")
    [waiting] = await queue(staff)
    assert (waiting["id"], waiting["status"]) == (home, "published")
    assert waiting["reports"] == {
        "count": 3, "reasons": {"scam": 2, "other": 1}, "since": made["created_at"]
    }  # fmt: skip
    assert quiet not in str(waiting)
    read = ok(await staff.get(path))["items"]
    assert [(one["reason"], one["text"], one["open"]) for one in read] == [
        ("other", "It is a boat", True), ("scam", "", True), ("scam", SCAM["text"], True)
    ]  # fmt: skip
    assert read[-1]["account_id"] == str(guest.id)


async def test_an_account_reports_a_home_once_until_staff_have_decided(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home = (await open_home(host))["id"]
    path = f"/api/listings/{home}/reports"
    at_once = await asyncio.gather(*(guest.post(path, SCAM) for _ in range(5)))
    assert sorted(answer.status_code for answer in at_once) == [201, 409, 409, 409, 409]
    problem(await guest.post(path, {"reason": "unsafe"}), 409, "already_reported")
    staff = await house.staff("support")
    assert (await queue(staff))[0]["reports"]["count"] == 1
    assert (await decide(staff, home, "dismiss"))["status"] == "published"
    assert await queue(staff) == []
    ok(await guest.post(path, {"reason": "unsafe"}), 201)
    [again] = await queue(staff)
    assert again["reports"]["reasons"] == {"unsafe": 1}
    assert [one["open"] for one in ok(await staff.get(path))["items"]] == [True, False]


@pytest.mark.parametrize("action", ["suspend", "dismiss"])
async def test_a_decision_ends_what_was_reported(
    house: TestHouse, host: Person, guest: Person, action: str
) -> None:
    home = (await open_home(host))["id"]
    ok(await guest.post(f"/api/listings/{home}/reports", SCAM), 201)
    staff = await house.staff("moderator")
    told = await decide(staff, home, action, "It is a scam.")
    assert await queue(staff) == []
    assert [one["id"] for one in await queue(staff, "suspended")] == [home] * (action == "suspend")
    problem(await staff.post(f"/api/listings/{home}/moderate", {"action": "dismiss"}), 409, "not_reported")
    await house.settle()
    mails = [mail["kind"] for mail in await house.mails(host.email) if mail["kind"].startswith("listing_")]
    assert mails == ["listing_suspended"] * (action == "suspend")
    assert told["status"] == {"suspend": "suspended", "dismiss": "published"}[action]


async def test_what_waits_is_shown_with_a_home_that_waits_for_another_reason(
    house: TestHouse, host: Person, guest: Person
) -> None:
    home = (await open_home(host))["id"]
    staff = await house.staff("moderator")
    ok(await guest.post(f"/api/listings/{home}/reports", SCAM), 201)
    await decide(staff, home, "suspend", "It is a scam.")
    [listed] = await queue(staff, "suspended")
    assert "reports" not in listed
    await decide(staff, home, "approve")
    ok(await guest.post(f"/api/listings/{home}/reports", SCAM), 201)
    ok(await host.patch(f"/api/listings/{home}/toggle-active", {}))
    assert [one["status"] for one in await queue(staff)] == ["paused"]
    refused = await staff.post(f"/api/listings/{home}/moderate", {"action": "approve"})
    problem(refused, 409, "listing_not_to_be_judged")
    assert len(await queue(staff)) == 1, "a decision that is refused decides nothing"


async def test_homes_that_wait_longest_come_first_page_by_page(
    house: TestHouse, host: Person, guest: Person
) -> None:
    homes = [(await open_home(host))["id"] for _ in range(3)]
    for home in reversed(homes):
        ok(await guest.post(f"/api/listings/{home}/reports", SCAM), 201)
        await house.advance(60)
    staff = await house.staff("moderator")
    asked = {"status": "reported", "limit": 2}
    page = ok(await staff.get("/api/listings/moderation", params=asked))
    rest = ok(await staff.get("/api/listings/moderation", params=asked | {"cursor": page["next_cursor"]}))
    assert [one["id"] for one in page["items"] + rest["items"]] == homes[::-1]


async def test_hosts_learn_nothing_of_it(house: TestHouse, host: Person, guest: Person) -> None:
    home = (await open_home(host))["id"]
    before = ok(await host.get(f"/api/listings/{home}"))
    ok(await guest.post(f"/api/listings/{home}/reports", SCAM), 201)
    await house.settle()
    assert ok(await host.get(f"/api/listings/{home}")) == before
    [mine] = ok(await host.get("/api/listings/my-listings"))["items"]
    assert "reports" not in mine
    problem(await host.get(f"/api/listings/{home}/reports"), 403, "forbidden")
    problem(await host.get("/api/listings/moderation", params={"status": "reported"}), 403, "forbidden")
    assert str(guest.id) not in "".join([str(mail) for mail in await house.mails(host.email)])
    assert "listing.reported" not in await house.events(f"listing/{home}")


async def test_who_may_report_which_home(house: TestHouse, host: Person, guest: Person) -> None:
    home = (await open_home(host))["id"]
    path = f"/api/listings/{home}/reports"
    problem(await house.client.post(path, json=SCAM), 401, "unauthenticated")
    problem(await host.post(path, SCAM), 403, "own_home_reported")
    cora = await house.sign_up("cora@example.com", "Cora Cohost")
    ok(await host.post(f"/api/listings/{home}/co-hosts", {"email": cora.email}), 201)
    problem(await cora.post(path, SCAM), 403, "own_home_reported")
    problem(await guest.post(f"/api/listings/{uuid4()}/reports", SCAM), 404, "not_found")
    draft = ok(await host.post("/api/listings", {"title": "Draft"}), 201)["id"]
    problem(await guest.post(f"/api/listings/{draft}/reports", SCAM), 404, "not_found")
    for wish, field in (
        ({"reason": "ugly"}, "reason"),
        ({"reason": "other", "text": " "}, "text"),
        ({"reason": "scam", "text": "x" * 1_001}, "text"),
        ({"reason": "scam", "why": "x"}, "why"),
    ):
        wrong = problem(await guest.post(path, wish), 422, "invalid")
        assert [error["field"] for error in wrong["errors"]] == [field]
    problem(await guest.get(path), 403, "forbidden")
    staff = await house.staff("moderator")
    assert await queue(staff) == []
    assert ok(await staff.get(path))["items"] == []
    problem(await staff.get(f"/api/listings/{uuid4()}/reports"), 404, "not_found")


async def test_what_was_reported_goes_with_the_home(house: TestHouse, host: Person, guest: Person) -> None:
    home = (await open_home(host))["id"]
    ok(await guest.post(f"/api/listings/{home}/reports", SCAM), 201)
    ok(await host.delete(f"/api/listings/{home}"), 204)
    docs = house.deps("listing").docs
    assert await docs.count(store.reports.REPORTS) == await docs.count(store.reports.REPORTED) == 0
    assert await docs.get(store.reports.REPORTED, UUID(home)) is None
