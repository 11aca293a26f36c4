"""Staff look at homes: before guests see them, where the house wants that, and when something is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from harness import Person, TestHouse, house_in
from hometrip.kernel.clock import utc
from hometrip.kernel.errors import Invalid
from hometrip.services.listing.rules.home import DRAFT, IN_REVIEW, PAUSED, PUBLISHED, SUSPENDED, Home
from hometrip.services.listing.rules.moderation import JUDGINGS, NotToBeJudged, Verdict, judged, published
from journeys.steps import CABIN, PRICING, ok, open_home, problem, stay

STATES = (DRAFT, IN_REVIEW, PUBLISHED, PAUSED, SUSPENDED)


async def draft(host: Person, title: str = "Creek cabin") -> str:
    home = ok(await host.post("/api/listings", {"title": title}), 201)
    ok(await host.patch(f"/api/listings/{home['id']}", CABIN))
    ok(await host.put(f"/api/listings/{home['id']}/pricing", PRICING))
    return str(home["id"])


async def judge(staff: Person, home: str, action: str, reason: str = "", status: int = 200) -> Any:
    return ok(
        await staff.post(f"/api/listings/{home}/moderate", {"action": action, "reason": reason}), status
    )


async def kinds(house: TestHouse, to: str = "host@example.com") -> list[str]:
    await house.settle()
    return [mail["kind"] for mail in await house.mails(to) if mail["kind"].startswith("listing_")]


async def found(house: TestHouse) -> list[str]:
    await house.settle()
    return [home["id"] for home in ok(await house.client.get("/api/search"))["items"]]


async def test_where_homes_are_reviewed_guests_see_one_once_it_is_approved(tmp_path: Path) -> None:
    async with house_in(tmp_path, review_listings=True) as house:
        host, staff = await house.sign_up("host@example.com", "Hanna Host"), await house.staff("moderator")
        home = await draft(host)
        path = f"/api/listings/{home}"
        for _ in range(2):  # asking twice changes nothing
            assert ok(await host.post(f"{path}/publish"))["status"] == "in_review"
        assert await found(house) == []
        problem(await house.client.get(path), 404, "not_found")
        problem(await host.patch(f"{path}/toggle-active", {}), 409, "listing_not_published")
        [waiting] = ok(await staff.get("/api/listings/moderation"))["items"]
        assert waiting["id"] == home

        rejected = await judge(staff, home, "reject", "The pictures show another home.")
        assert (rejected["status"], rejected["judged"]["action"]) == ("draft", "rejected")
        assert ok(await host.get(path))["judged"]["reason"] == "The pictures show another home."
        assert ok(await staff.get("/api/listings/moderation"))["items"] == []

        assert ok(await host.post(f"{path}/publish"))["status"] == "in_review"
        assert (await judge(staff, home, "approve"))["status"] == "published"
        assert await found(house) == [home]
        assert "judged" not in ok(await house.client.get(path))
        assert await kinds(house) == ["listing_approved", "listing_rejected"]
        [mail] = [
            mail for mail in await house.mails("host@example.com") if mail["kind"] == "listing_rejected"
        ]
        assert "The reason: The pictures show another home." in mail["text"]
        [latest, *_] = ok(await host.get("/api/notifications"))["items"]
        assert (latest["kind"], latest["path"]) == ("listing_approved", f"/listings/{home}")

        # One that was seen before does not wait again.
        for status in ("paused", "published"):
            assert ok(await host.patch(f"{path}/toggle-active", {}))["status"] == status


async def test_a_suspended_home_is_seen_and_booked_by_nobody_until_it_is_approved(house: TestHouse) -> None:
    host, staff = await house.sign_up("host@example.com", "Hanna Host"), await house.staff("support")
    home = (await open_home(host))["id"]
    path = f"/api/listings/{home}"
    assert await found(house) == [home]
    suspended = await judge(staff, home, "suspend", "It is not theirs to let.")
    assert suspended["status"] == "suspended"
    assert await found(house) == []
    problem(await house.client.get(path), 404, "not_found")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    problem(await guest.post(f"{path}/quote", stay(house) | {"guests": 2}), 404, "not_found")
    assert ok(await host.get(path))["judged"]["reason"] == "It is not theirs to let."
    problem(await host.post(f"{path}/publish"), 409, "listing_suspended")
    problem(await host.patch(f"{path}/toggle-active", {}), 409, "listing_suspended")
    listed = ok(await staff.get("/api/listings/moderation", params={"status": "suspended"}))["items"]
    assert [one["id"] for one in listed] == [home]
    assert (await judge(staff, home, "approve"))["status"] == "published"
    assert await found(house) == [home]
    assert await kinds(house) == ["listing_approved", "listing_suspended"]
    whole = ok(await host.get(path))
    assert ok(await host.put(path, whole | {"title": "Creek house"}))["judged"]["action"] == "approved"


async def test_a_home_that_its_host_had_paused_is_paused_again_once_it_is_approved(house: TestHouse) -> None:
    host, staff = await house.sign_up("host@example.com", "Hanna Host"), await house.staff("support")
    home = (await open_home(host))["id"]
    toggle = f"/api/listings/{home}/toggle-active"
    assert ok(await host.patch(toggle, {}))["status"] == "paused"
    assert (await judge(staff, home, "suspend", "Fraud?"))["status"] == "suspended"
    assert (await judge(staff, home, "approve"))["status"] == "paused"
    assert await found(house) == []
    assert ok(await host.patch(toggle, {}))["status"] == "published"
    assert await found(house) == [home]
    for action, status in (("suspend", "suspended"), ("approve", "published")):
        assert (await judge(staff, home, action, "Fraud?"))["status"] == status


async def test_who_may_judge_and_what_is_said_against_it(house: TestHouse) -> None:
    host, staff = await house.sign_up("host@example.com", "Hanna Host"), await house.staff("moderator")
    home = (await open_home(host))["id"]
    path = f"/api/listings/{home}/moderate"
    suspend = {"action": "suspend", "reason": "Fraud"}
    problem(await host.post(path, suspend), 403, "forbidden")
    problem(await host.get("/api/listings/moderation"), 403, "forbidden")
    problem(await house.client.post(path, json=suspend), 401, "unauthenticated")
    refused = problem(await staff.post(path, {"action": "suspend", "reason": "  "}), 422, "invalid")
    assert refused["errors"][0]["field"] == "reason"
    problem(await staff.post(path, {"action": "hide"}), 422, "invalid")
    problem(await staff.post(path, suspend, headers={"If-Match": '"1"'}), 412, "version_mismatch")
    wrong = problem(await staff.post(path, {"action": "approve"}), 409, "listing_not_to_be_judged")
    assert wrong["state"] == "published"
    gone = f"/api/listings/{home[:-4]}0000/moderate"
    problem(await staff.post(gone, suspend), 404, "not_found")
    assert ok(await host.get(f"/api/listings/{home}"))["status"] == "published"
    assert await kinds(house) == []


@pytest.mark.parametrize("status", STATES)
@pytest.mark.parametrize("action", JUDGINGS)
def test_only_the_table_moves_a_home(action: Any, status: str) -> None:
    at = utc(2027, 4, 14, 9)
    home = Home(
        id=UUID(int=1), host_id=UUID(int=2), title="Cabin", created_at=at, updated_at=at, status=status
    )
    judging = JUDGINGS[action]
    if status not in judging.out_of:
        with pytest.raises(NotToBeJudged):
            judged(home, Verdict(action=action, reason="So"), at)
    else:
        assert judged(home, Verdict(action=action, reason="So"), at).status == judging.status
        if judging.needs_reason:
            with pytest.raises(Invalid):
                judged(home, Verdict(action=action), at)
    assert published(home, reviewed=False) == PUBLISHED
    assert (published(home, reviewed=True) == IN_REVIEW) == (status in (DRAFT, IN_REVIEW))
