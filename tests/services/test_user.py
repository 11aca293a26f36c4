"""Profiles, settings and favourites, through the door and as other services ask for them."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from harness import PASSWORD, Person, TestHouse
from hometrip.services.auth.actions import create_account
from hometrip.services.user import actions
from journeys.steps import open_home

NOBODY = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
PROFILE = {
    "display_name": "Ann Baker",
    "bio": "I walk.\nA lot.",
    "hometown": "Albi",
    "languages": ["fr", "en-GB"],
}


async def events(house: TestHouse, user_id: UUID) -> list[str]:
    await house.settle()
    return [envelope.name for envelope in await house.house.history(f"user/{user_id}")]


async def settings_of(person: Person) -> dict[str, Any]:
    settings: dict[str, Any] = (await person.get(f"/api/users/{person.id}/settings")).json()
    del settings["version"]
    return settings


# profiles


async def test_an_account_has_a_profile(either_house: TestHouse) -> None:
    house = either_house
    ann = await house.sign_up("ann@example.com", "Ann Archer")
    await house.settle()
    profile = (await ann.get(f"/api/users/{ann.id}")).json()
    assert profile == {
        "id": str(ann.id),
        "display_name": "Ann Archer",
        "first_name": "Ann",
        "bio": "",
        "hometown": "",
        "languages": [],
        "badges": ["email"],
        "created_at": "2027-04-14T09:00:00Z",
        "version": profile["version"],
    }


async def test_a_profile_is_there_before_its_event_has_been_heard(house: TestHouse) -> None:
    """Read right after the account was made, by many at once, while the event is on its way."""
    made = await create_account(
        house.deps("auth"),
        email="bea@example.com",
        password=PASSWORD,
        name="Bea Beck",
        locale="de",
        roles=[],
        verified=True,
    )
    bea = await house.sign_in("bea@example.com")
    answers = await asyncio.gather(*(bea.get(f"/api/users/{made}") for _ in range(10)))
    assert {(answer.status_code, answer.json()["display_name"]) for answer in answers} == {(200, "Bea Beck")}
    await house.settle()
    assert (await settings_of(bea))["language"] == "de"
    assert (await bea.get(f"/api/users/{made}")).json()["badges"] == ["email"]


async def test_what_others_see_of_a_profile(house: TestHouse) -> None:
    ann = await house.sign_up("ann@example.com", "Ann Archer")
    await house.settle()
    await ann.put(f"/api/users/{ann.id}", PROFILE)
    seen = await house.client.get(f"/api/users/{ann.id}/public")
    assert seen.json() == {
        "id": str(ann.id),
        "first_name": "Ann",
        "since": "2027-04-14",
        "languages": ["fr", "en-GB"],
        "bio": "I walk.\nA lot.",
        "badges": ["email"],
    }
    assert (await house.client.get(f"/api/users/{NOBODY}/public")).status_code == 404


async def test_a_profile_is_written_at_the_version_that_was_read(house: TestHouse) -> None:
    ann = await house.sign_up()
    await house.settle()
    read = await ann.get(f"/api/users/{ann.id}")
    tag = read.headers["etag"]
    written = await ann.put(f"/api/users/{ann.id}", PROFILE, headers={"If-Match": tag})
    assert written.status_code == 200
    assert written.json()["display_name"] == "Ann Baker"
    assert written.headers["etag"] != tag
    late = await ann.put(f"/api/users/{ann.id}", PROFILE | {"bio": "late"}, headers={"If-Match": tag})
    assert late.status_code == 412
    assert (await ann.get(f"/api/users/{ann.id}")).json()["bio"] == "I walk.\nA lot."
    assert (await ann.put(f"/api/users/{ann.id}", PROFILE | {"bio": "no tag"})).status_code == 200
    assert (await events(house, ann.id)).count("user.updated") == 2


async def test_a_profile_written_before_the_verification_is_heard_of_stays_as_written(
    house: TestHouse,
) -> None:
    ann = await house.sign_up("ann@example.com", "Ann Archer")
    await ann.put(f"/api/users/{ann.id}", PROFILE)
    await house.settle()
    profile = (await ann.get(f"/api/users/{ann.id}")).json()
    assert (profile["display_name"], profile["badges"]) == ("Ann Baker", ["email"])


async def test_wrong_fields_of_a_profile_are_refused(house: TestHouse) -> None:
    ann = await house.sign_up()
    for wrong in (
        {"display_name": ""},
        {"display_name": "\u200b\n"},
        {"display_name": "ann@example.com"},
        {"display_name": "x" * 101},
        {"bio": "x" * 2001},
        {"languages": ["English"]},
        {"languages": ["en"] * 21},
        {"badges": ["email"]},
        {"id": str(NOBODY)},
        {"version": 99},
        {"verified": True},
    ):
        answer = await ann.put(f"/api/users/{ann.id}", PROFILE | wrong)
        assert answer.status_code == 422, wrong
    tidy = await ann.put(
        f"/api/users/{ann.id}", PROFILE | {"display_name": " Ann \n Baker\t", "languages": ["fr", "fr"]}
    )
    assert (tidy.json()["display_name"], tidy.json()["languages"]) == ("Ann Baker", ["fr"])


async def test_strangers_see_nothing_and_staff_only_read(house: TestHouse) -> None:
    ann, bob = await house.sign_up("ann@example.com"), await house.sign_up("bob@example.com")
    sam = await house.staff("support")
    await house.settle()
    settings = await settings_of(ann)
    for path, body in ((f"/api/users/{ann.id}", PROFILE), (f"/api/users/{ann.id}/settings", settings)):
        assert (await house.client.get(path)).status_code == 401
        assert (await house.client.put(path, json=body)).status_code == 401
        assert (await bob.get(path)).status_code == 404
        assert (await bob.put(path, body)).status_code == 404
        assert (await sam.get(path)).status_code == 200
        assert (await sam.put(path, body)).status_code == 403
    favorites = f"/api/users/{ann.id}/favorites"
    assert (await house.client.get(favorites)).status_code == 401
    assert (await bob.get(favorites)).status_code == 404
    assert (await bob.post(f"{favorites}/{NOBODY}")).status_code == 404
    assert (await bob.delete(f"{favorites}/{NOBODY}")).status_code == 404
    assert (await sam.get(favorites)).status_code == 200
    assert (await sam.delete(f"{favorites}/{NOBODY}")).status_code == 403


# settings


async def test_settings_begin_in_the_language_of_the_sign_up(house: TestHouse) -> None:
    ann = await house.sign_up("ann@example.com", locale="fr-CA")
    assert await settings_of(ann) == {
        "language": "fr",
        "currency": "EUR",
        "theme": "system",
        "time_zone": "UTC",
        "notifications": {},
        "quiet_hours": {"on": True, "from": "22:00", "to": "08:00"},
    }


async def test_settings_are_written_whole_and_answered_as_written(house: TestHouse) -> None:
    ann = await house.sign_up()
    await house.settle()
    wanted = {
        "language": "es",
        "currency": "USD",
        "theme": "dark",
        "time_zone": "Europe/Madrid",
        "notifications": {
            "favorites": {"email": False, "push": True},
            "messages.reply_waiting": {"sms": False},
        },
        "quiet_hours": {"on": False, "from": "23:30", "to": "06:15"},
    }
    path = f"/api/users/{ann.id}/settings"
    tag = (await ann.get(path)).headers["etag"]
    written = await ann.put(path, wanted, headers={"If-Match": tag})
    assert written.status_code == 200
    assert await settings_of(ann) == wanted
    assert (await ann.put(path, wanted, headers={"If-Match": tag})).status_code == 412
    (told,) = await actions.preferences(house.deps("user"), [ann.id])
    assert (told.locale, told.currency, told.time_zone) == ("es", "USD", "Europe/Madrid")
    assert told.muted == ["favorites:email", "messages.reply_waiting:sms"]
    assert (told.quiet_from, told.quiet_to) == ("", "")


async def test_settings_that_cannot_be_are_named_all_at_once(house: TestHouse) -> None:
    ann = await house.sign_up()
    await house.settle()
    good, path = await settings_of(ann), f"/api/users/{ann.id}/settings"
    answer = await ann.put(path, good | {"currency": "ABC", "time_zone": "Mars/Olympus"})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["currency", "time_zone"]
    for wrong in (
        {"language": "xx"},
        {"theme": "pink"},
        {"time_zone": "../../etc/localtime"},
        {"notifications": {"favorites": {"pigeon": True}}},
        {"notifications": {"Favorites!": {"email": True}}},
        {"notifications": {f"kind{n}": {} for n in range(101)}},
        {"quiet_hours": {"on": True, "from": "24:00", "to": "08:00"}},
        {"user_id": str(ann.id)},
    ):
        assert (await ann.put(path, good | wrong)).status_code == 422, wrong
    for missing in good:
        partial = {name: value for name, value in good.items() if name != missing}
        assert (await ann.put(path, partial)).status_code == 422, missing


# favourites


async def test_a_favourite_is_added_listed_and_removed(house: TestHouse) -> None:
    host, ann = await house.sign_up("host@example.com"), await house.sign_up("ann@example.com")
    homes = [(await open_home(host))["id"] for _ in range(3)]
    path = f"/api/users/{ann.id}/favorites"
    for home in homes:
        answer = await ann.post(f"{path}/{home}")
        assert answer.status_code == 201
        assert answer.json()["listing_id"] == home
        await house.advance(1)
    first = (await ann.get(f"{path}?limit=2")).json()
    assert [item["listing_id"] for item in first["items"]] == [homes[2], homes[1]]
    assert first["items"][0]["home"]["status"] == "published"
    assert first["items"][0]["home"].keys() <= {"title", "city", "country", "status", "cover"}
    rest = (await ann.get(f"{path}?limit=2&cursor={first['next_cursor']}")).json()
    assert [item["listing_id"] for item in rest["items"]] == [homes[0]]
    for _ in range(2):
        assert (await ann.delete(f"{path}/{homes[1]}")).status_code == 204
    left = (await ann.get(path)).json()
    assert [item["listing_id"] for item in left["items"]] == [homes[2], homes[0]]
    told = [name for name in await events(house, ann.id) if name.startswith("favorite.")]
    assert told == ["favorite.added"] * 3 + ["favorite.removed"]


async def test_a_favourite_is_one_however_often_it_is_added(house: TestHouse) -> None:
    host, ann = await house.sign_up("host@example.com"), await house.sign_up("ann@example.com")
    home, path = (await open_home(host))["id"], f"/api/users/{ann.id}/favorites"
    answers = await asyncio.gather(*(ann.post(f"{path}/{home}") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len((await ann.get(path)).json()["items"]) == 1
    assert (await events(house, ann.id)).count("favorite.added") == 1


async def test_of_a_favourite_that_staff_take_down_nothing_is_shown_but_to_its_host(house: TestHouse) -> None:
    host, ann = await house.sign_up("host@example.com"), await house.sign_up("ann@example.com")
    home, staff = (await open_home(host))["id"], await house.staff("moderator")
    for person in (host, ann):
        await person.post(f"/api/users/{person.id}/favorites/{home}")

    async def shown(person: Person) -> str | None:
        (item,) = (await person.get(f"/api/users/{person.id}/favorites")).json()["items"]
        return item["home"]["status"] if "home" in item else None

    await host.patch(f"/api/listings/{home}/toggle-active", {})
    assert await shown(ann) == "paused"
    verdict = {"action": "suspend", "reason": "Other pictures."}
    assert (await staff.post(f"/api/listings/{home}/moderate", verdict)).status_code == 200
    assert (await shown(ann), await shown(host)) == (None, "suspended")


async def test_a_home_that_cannot_be_seen_cannot_be_a_favourite(house: TestHouse) -> None:
    host, ann = await house.sign_up("host@example.com"), await house.sign_up("ann@example.com")
    draft = (await host.post("/api/listings", {"title": "Not yet"})).json()["id"]
    for home in (draft, str(uuid4())):
        assert (await ann.post(f"/api/users/{ann.id}/favorites/{home}")).status_code == 404
    assert (await host.post(f"/api/users/{host.id}/favorites/{draft}")).status_code == 201


# questions


async def test_questions_answer_in_order_and_leave_out_who_is_not_there(house: TestHouse) -> None:
    ann, bob = (
        await house.sign_up("ann@example.com", "Ann A."),
        await house.sign_up("bob@example.com", "Bob B."),
    )
    deps, asked = house.deps("user"), [bob.id, NOBODY, ann.id]
    assert [one.first_name for one in await actions.public_profiles(deps, asked)] == ["Bob", "Ann"]
    assert [one.user_id for one in await actions.preferences(deps, asked)] == [bob.id, ann.id]
    assert await actions.public_profiles(deps, []) == []


@pytest.mark.parametrize("on", [True, False])
async def test_quiet_hours_are_told_only_where_they_are_on(house: TestHouse, on: bool) -> None:
    ann = await house.sign_up()
    settings = await settings_of(ann)
    settings["quiet_hours"] = {"on": on, "from": "21:00", "to": "07:00"}
    await ann.put(f"/api/users/{ann.id}/settings", settings)
    (told,) = await actions.preferences(house.deps("user"), [ann.id])
    assert (told.quiet_from, told.quiet_to) == (("21:00", "07:00") if on else ("", ""))
