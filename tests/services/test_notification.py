"""The routes of notification: one's own list in one's own language, and the log of deliveries for staff."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from harness import Person, TestHouse
from hometrip.kernel.clock import utc
from hometrip.services.auth import contract as auth
from hometrip.services.notification import reactions


async def told(house: TestHouse, person: Person, *devices: str) -> None:
    """One notification for each device that signed in."""
    for device in devices:
        event = auth.UserNewDevice(
            event_id=uuid4(), user_id=person.id, session_id=uuid4(), device=device, at=utc(2027, 4, 14, 9)
        )
        await reactions.tell_owner_when_new_device(house.deps("notification"), event)
    await house.settle()


async def listed(person: Person, **params: Any) -> dict[str, Any]:
    answer = await person.get("/api/notifications", params=params)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


@pytest.fixture
async def ann(house: TestHouse) -> Person:
    return await house.sign_up("ann@example.com", "Ann Archer")


async def test_the_list_is_newest_first_a_page_at_a_time(house: TestHouse, ann: Person) -> None:
    await told(house, ann, "one", "two", "three")
    first = await listed(ann, limit=3)
    assert [item["kind"] for item in first["items"]] == ["new_device"] * 3
    await told(house, ann, "four")
    rest = await listed(ann, limit=3, cursor=first["next_cursor"])
    assert [item["kind"] for item in rest["items"]] == ["verify_email"]
    assert "next_cursor" not in rest or rest["next_cursor"] is None
    times = [item["created_at"] for item in first["items"]]
    assert times == sorted(times, reverse=True)


async def test_a_notification_tells_why_it_was_sent(house: TestHouse, ann: Person) -> None:
    (item,) = (await listed(ann))["items"]
    answer = await ann.get(f"/api/notifications/{item['id']}")
    assert answer.headers["etag"] == '"1"'
    one = answer.json()
    assert one["why"] == {"event": "user.created", "subject": f"user/{ann.id}"}
    assert one["title"] == "Confirm your e-mail address"
    assert one["category"] == "account"
    assert one["read"] is False
    assert "token" not in answer.text


async def test_a_french_account_reads_french_whatever_its_browser_says(house: TestHouse) -> None:
    henri = await house.sign_up("henri@example.com", "Henri", locale="fr")
    answer = await henri.get("/api/notifications", headers={"Accept-Language": "en"})
    assert [item["title"] for item in answer.json()["items"]] == ["Confirmez votre adresse e-mail"]


async def test_reading_and_unreading_change_the_count_once(house: TestHouse, ann: Person) -> None:
    await told(house, ann, "one", "two")

    async def unread() -> int:
        count: int = (await ann.get("/api/notifications/stats/unread")).json()["unread"]
        return count

    assert await unread() == 3
    item = (await listed(ann))["items"][0]
    for _ in range(2):
        one = (await ann.post(f"/api/notifications/{item['id']}/read")).json()
        assert (one["read"], one["version"]) == (True, 2)
        assert one["read_at"]
    assert await unread() == 2
    assert [i["id"] for i in (await listed(ann, unread=True))["items"]] == [
        i["id"] for i in (await listed(ann))["items"][1:]
    ]
    back = (await ann.post(f"/api/notifications/{item['id']}/unread")).json()
    assert back["read"] is False
    assert "read_at" not in back
    assert await unread() == 3
    assert (await ann.post("/api/notifications/read-all")).json() == {"marked": 3}
    assert (await ann.post("/api/notifications/read-all")).json() == {"marked": 0}
    assert await unread() == 0


async def test_all_are_marked_read_however_many_there_are(house: TestHouse, ann: Person) -> None:
    await told(house, ann, *(str(n) for n in range(105)))
    assert (await ann.post("/api/notifications/read-all")).json() == {"marked": 106}


async def test_the_list_can_be_narrowed_to_a_kind(house: TestHouse, ann: Person) -> None:
    await told(house, ann, "one")
    assert [i["kind"] for i in (await listed(ann, kind="verify_email"))["items"]] == ["verify_email"]
    answer = await ann.get("/api/notifications", params={"kind": "gossip"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "kind"


@pytest.mark.parametrize("limit", [0, 101])
async def test_a_page_has_1_to_100(ann: Person, limit: int) -> None:
    answer = await ann.get("/api/notifications", params={"limit": limit})
    assert answer.status_code == 422, answer.text


async def test_a_stranger_finds_nothing_and_staff_may_look_but_not_mark(
    house: TestHouse, ann: Person
) -> None:
    (item,) = (await listed(ann))["items"]
    eve = await house.sign_up("eve@example.com", "Eve")
    staff = await house.staff("support")
    path = f"/api/notifications/{item['id']}"
    assert (await eve.get(path)).status_code == 404
    assert (await eve.post(f"{path}/read")).status_code == 404
    assert (await staff.get(path)).status_code == 200
    assert (await staff.post(f"{path}/read")).status_code == 404
    assert (await ann.get(f"/api/notifications/{UUID(int=0)}")).status_code == 404
    assert [i["id"] for i in (await listed(eve))["items"]] != [item["id"]]
    assert (await house.client.get("/api/notifications")).status_code == 401


async def test_staff_see_what_was_sent_where_without_the_whole_address(house: TestHouse, ann: Person) -> None:
    assert (await ann.get("/api/notifications/deliveries")).status_code == 403
    staff = await house.staff("support")
    answer = await staff.get("/api/notifications/deliveries", params={"user_id": str(ann.id)})
    (delivery,) = answer.json()["items"]
    assert delivery["kind"] == "verify_email"
    assert delivery["channel"] == "email"
    assert delivery["status"] == "sent"
    assert delivery["tries"] == 1
    assert delivery["to"] == "an…@example.com"
    assert delivery["locale"] == "en"
    assert delivery["answer"].startswith("folder:")
    assert "ann@example.com" not in answer.text
    failed = await staff.get("/api/notifications/deliveries", params={"status": "failed"})
    assert failed.json()["items"] == []
