"""Bad input: each gets the right problem with its code, and nothing is written."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from harness import PASSWORD, Begun, Person, TestHouse, house_in
from hometrip.kernel.page import cursor_of
from journeys.steps import book, ok, open_home, pay, problem, stay


class Scene:
    """A home, its host, a guest with a quote."""

    def __init__(self, house: TestHouse, host: Person, guest: Person, home: dict[str, Any]) -> None:
        self.house, self.host, self.guest, self.home = house, host, guest, home
        self.when = stay(house)
        self.quote_path = f"/api/listings/{home['id']}/quote"

    async def wish(self, **changes: Any) -> dict[str, Any]:
        quote = ok(await self.guest.post(self.quote_path, self.when | {"guests": 2}))
        return self.when | {"listing_id": self.home["id"], "guests": 2, "quote_id": quote["id"]} | changes

    async def nothing_is_booked(self) -> None:
        await self.house.settle()
        for person, side in ((self.guest, "user"), (self.host, "host")):
            for when in ("upcoming", "current", "past", "cancelled"):
                found = ok(await person.get(f"/api/bookings/{side}", params={"when": when}))
                assert found["items"] == []
        days = ok(
            await self.guest.get(
                f"/api/listings/{self.home['id']}/availability",
                params={"from": self.when["check_in"], "to": self.when["check_out"]},
            )
        )["days"]
        assert all(day["free"] for day in days)


@pytest.fixture
async def scene(begun: Begun, tmp_path: Path) -> AsyncIterator[Scene]:
    host, guest, home = await begun.copy(begin, tmp_path)
    async with house_in(tmp_path) as house:
        yield Scene(house, host.at(house), guest.at(house), home)


async def begin(house: TestHouse) -> tuple[Person, Person, dict[str, Any]]:
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    return host, guest, await open_home(host)


def fields(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(error["field"], error["code"]) for error in found["errors"]}


async def test_an_unknown_field_is_refused_by_name(scene: Scene) -> None:
    wish = await scene.wish(total=1)
    found = problem(await scene.guest.post("/api/bookings", wish), 422, "invalid")
    assert fields(found) == {("total", "unknown_field")}
    await scene.nothing_is_booked()


@pytest.mark.parametrize(
    ("address", "unknown"),
    [
        ("/api/search?q=sea&instant_book=true", "instant_book"),
        ("/api/search/autocomplete?q=alb&words=sea", "words"),
        ("/api/listings?town=Albany", "town"),
        ("/api/bookings/user?state=confirmed", "state"),
        ("/api/sandbox/mailbox?too=host@example.com", "too"),
    ],
)
async def test_an_unknown_parameter_is_refused_by_name(scene: Scene, address: str, unknown: str) -> None:
    found = problem(await scene.guest.get(address), 422, "invalid")
    assert fields(found) == {(unknown, "unknown_field")}


async def test_a_parameter_that_is_missing_is_named(scene: Scene) -> None:
    for address, missing in (
        (f"/api/bookings/availability?listing_id={scene.home['id']}&check_in=2027-05-01", "check_out"),
        ("/api/payments/tax-report", "year"),
        ("/api/listings/geocode", "q"),
    ):
        found = problem(await scene.guest.get(address), 422, "invalid")
        assert fields(found) == {(missing, "required")}
        assert address not in found["detail"]


async def test_a_parameter_is_named_as_the_address_has_it(scene: Scene) -> None:
    for path in (f"/api/listings/{scene.home['id']}/availability", "/api/listings/calendars"):
        for given, wrong in (("from=x", "from"), ("from=2027-05-01&to=x", "to")):
            found = problem(await scene.host.get(f"{path}?{given}"), 422, "invalid")
            assert fields(found) == {(wrong, "invalid_value")}
            assert found["detail"].startswith(f"{wrong}: ")


async def test_an_unknown_field_of_an_amount_is_refused_by_name(scene: Scene) -> None:
    path = f"/api/listings/{scene.home['id']}/pricing"
    before = ok(await scene.host.get(path))
    wrong = before | {"base": {"amount": 1, "currency": "USD", "cents": 100}}
    found = problem(await scene.host.put(path, wrong), 422, "invalid")
    assert fields(found) == {("base.cents", "unknown_field")}
    assert ok(await scene.host.get(path)) == before


async def test_an_empty_coupon_is_refused_wherever_a_price_is_asked(scene: Scene) -> None:
    wish = scene.when | {"guests": 2, "coupon": ""}
    for path, more in (
        (scene.quote_path, {}),
        ("/api/bookings/calculate-price", {"listing_id": scene.home["id"]}),
    ):
        found = problem(await scene.guest.post(path, wish | more), 422, "invalid")
        assert fields(found) == {("coupon", "invalid_value")}


async def test_the_parameter_that_was_meant_is_named(scene: Scene) -> None:
    found = problem(await scene.guest.get("/api/search?instant_book=true"), 422, "invalid")
    assert found["errors"][0]["detail"] == "there is no such parameter; did you mean instant?"


async def test_every_list_takes_a_limit_and_search_calls_it_both_ways(scene: Scene) -> None:
    await open_home(scene.host)
    await scene.house.settle()
    for name in ("limit", "per_page"):
        found = ok(await scene.guest.get(f"/api/search?{name}=1"))
        assert (len(found["items"]), found["per_page"], found["pages"]) == (1, 1, 2)
    ok(await scene.guest.get("/api/listings/amenities?limit=100"))


async def test_what_another_site_adds_to_a_calendars_address_is_let_pass(scene: Scene) -> None:
    link = ok(await scene.host.get(f"/api/listings/{scene.home['id']}/calendar-link"))["url"]
    found = await scene.guest.get(f"{link}&nocache=1700000000")
    assert found.status_code == 200
    assert found.content.startswith(b"BEGIN:VCALENDAR")


async def test_a_missing_field_is_named(scene: Scene) -> None:
    wish = await scene.wish()
    del wish["check_out"]
    found = problem(await scene.guest.post("/api/bookings", wish), 422, "invalid")
    assert fields(found) == {("check_out", "required")}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("guests", "two"),
        ("guests", "2"),
        ("guests", 2.5),
        ("guests", True),
        ("guests", None),
        ("check_in", "tomorrow"),
        ("check_in", "2027-02-29"),
        ("check_in", 20270501),
        ("listing_id", "not-an-id"),
        ("quote_id", 7),
    ],
)
async def test_a_wrong_type_is_refused_by_name(scene: Scene, field: str, value: object) -> None:
    wish = await scene.wish(**{field: value})
    found = problem(await scene.guest.post("/api/bookings", wish), 422, "invalid")
    assert {name for name, _ in fields(found)} == {field}
    await scene.nothing_is_booked()


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("", {"instant_book": "true"}, "instant_book"),
        ("", {"instant_book": 1}, "instant_book"),
        ("", {"guests": "null"}, "guests"),
        ("", {"location": {"lat": "42.6", "lng": -73.7}}, "location.lat"),
        ("/pricing", {"base": {"amount": "9000", "currency": "USD"}}, "base.amount"),
        ("/pricing", {"base": {"amount": 9000, "currency": "USD"}, "dates": {"soon": {}}}, "dates"),
    ],
)
async def test_a_body_is_taken_to_the_letter(
    scene: Scene, path: str, body: dict[str, Any], field: str
) -> None:
    address = f"/api/listings/{scene.home['id']}"
    before = ok(await scene.host.get(address))
    write = scene.host.put if path else scene.host.patch
    found = problem(await write(f"{address}{path}", body), 422, "invalid")
    assert {name for name, _ in fields(found)} == {field}
    assert ok(await scene.host.get(address)) == before


async def test_a_number_is_no_time(scene: Scene) -> None:
    coupon = {"code": "SUN-10", "percent_bp": 1000, "host_funded": True, "listing_ids": [scene.home["id"]]}
    found = problem(
        await scene.host.post("/api/coupons", coupon | {"ends_at": 1_900_000_000}), 422, "invalid"
    )
    assert fields(found) == {("ends_at", "wrong_type")}
    assert ok(await scene.host.get("/api/coupons"))["items"] == []


@pytest.mark.parametrize(
    "body",
    [b"\xff", b'{"guests": "\xff"}', b'{"\xff": 1}', b'{"guests": "two", "check', b'{"guests": "two"} x'],
)
async def test_what_is_no_json_in_utf_8_is_malformed_and_no_more(scene: Scene, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    problem(await scene.house.client.post(scene.quote_path, content=body, headers=headers), 400, "malformed")


async def test_a_text_with_a_character_that_no_text_has_is_refused_by_name(scene: Scene) -> None:
    nul, where = "\0", {"booking_id": str(uuid4())}
    for person, path, body, field in (
        (scene.guest, "/api/bookings", await scene.wish(message=f"a{nul}b"), "message"),
        (scene.guest, scene.quote_path, scene.when | {"guests": 2, "coupon": nul}, "coupon"),
        (scene.guest, "/api/payments/intent", where | {nul: 1}, "body"),
        (scene.host, "/api/listings", {"title": "A", "amenities": ["wifi", nul]}, "amenities[1]"),
        (scene.host, "/api/listings", {"title": "A", "address": {"city": nul}}, "address.city"),
    ):
        assert fields(problem(await person.post(path, body), 422, "invalid")) == {(field, "bad_text")}
    for path in ("/api/coupons/a%00b", "/api/payments/invoices/%00"):
        problem(await scene.host.get(path), 404, "not_found")
    await scene.nothing_is_booked()
    # A backslash before it makes it six letters.
    ok(await scene.host.post("/api/listings", {"title": "\\u0000"}), 201)


async def test_of_what_people_write_only_what_can_be_seen_is_kept(scene: Scene) -> None:
    """Whoever writes it and however JSON writes that: an override turns round what stands behind it."""
    told = ok(
        await scene.guest.post("/api/bookings", await scene.wish(message="Hi\u202e\u200b there\x07")), 201
    )
    assert told["message"] == "Hi there"
    path = f"/api/listings/{scene.home['id']}"
    for escaped in (True, False):
        edit = json.dumps(
            {"title": "Creek\u2066 cabin\ufeff", "description": "One.\r\nTwo."}, ensure_ascii=escaped
        )
        headers = {"content-type": "application/json"}
        kept = ok(await scene.host.patch(path, content=edit.encode(), headers=headers))
        assert (kept["title"], kept["description"]) == ("Creek cabin", "One.\nTwo.")
    for word in ("family", "می\u200cخواهم", "\U0001f469\u200d\U0001f4bb"):
        profile = {"display_name": f"\u2067{word}\u2069", "bio": word}
        seen = ok(await scene.guest.put(f"/api/users/{scene.guest.id}", profile))
        assert (seen["display_name"], seen["bio"]) == (word, word)
    wrong = problem(await scene.host.patch(path, {"title": "\u202e\u200b"}), 422, "invalid")
    assert [error["field"] for error in wrong["errors"]] == ["title"]


async def test_a_password_stays_as_it_was_typed(scene: Scene) -> None:
    typed = "twelve\u200b letters\u202e"
    changed = {"old_password": PASSWORD, "new_password": typed}
    ok(await scene.guest.post("/api/auth/change-password", changed))
    for password, status in ((typed, 200), ("twelve letters", 401)):
        tried = {"email": "guest@example.com", "password": password}
        assert (await scene.house.client.post("/api/auth/login", json=tried)).status_code == status


async def test_a_cursor_of_no_list_is_refused_by_name(scene: Scene) -> None:
    staff = await scene.house.staff()
    for path in (
        "bookings bookings/user bookings/host coupons payments/history payments/ledger payments/invoices "
        "payments/disputes stripe-connect/payouts listings listings/my-listings notifications"
    ).split():
        for position in (
            [],
            ["a\0"],
            [1],
            [None],
            [str(uuid4()), 1],
            [float("nan"), str(uuid4())],
            ["0001-01-01T00:00:00+14:00", str(uuid4())],
        ):
            found = await staff.get(f"/api/{path}", params={"cursor": cursor_of(position)})
            assert fields(problem(found, 422, "invalid")) == {("cursor", "bad_cursor")}, (path, position)


async def test_a_body_that_is_missing_is_named_as_such(scene: Scene) -> None:
    headers = {"content-type": "application/json"}
    answer = await scene.house.client.post(scene.quote_path, content=b"", headers=headers)
    assert fields(problem(answer, 422, "invalid")) == {("body", "required")}


async def test_check_out_before_check_in_is_refused(scene: Scene) -> None:
    backwards = {"check_in": scene.when["check_out"], "check_out": scene.when["check_in"], "guests": 2}
    found = problem(await scene.guest.post(scene.quote_path, backwards), 422, "invalid")
    assert {name for name, _ in fields(found)} == {"check_out"}
    wish = await scene.wish(check_out=scene.when["check_in"])
    problem(await scene.guest.post("/api/bookings", wish), 422, "invalid")
    await scene.nothing_is_booked()


async def test_four_hundred_nights_are_refused_by_the_rule(scene: Scene) -> None:
    first = date.fromisoformat(scene.when["check_in"])
    long = {
        "check_in": first.isoformat(),
        "check_out": (first + timedelta(days=400)).isoformat(),
        "guests": 2,
    }
    found = problem(await scene.guest.post(scene.quote_path, long), 409, "stay_refused")
    assert found["rule"] == "max_nights"
    assert found["value"] == 365


async def test_a_party_of_nobody_is_refused(scene: Scene) -> None:
    found = problem(await scene.guest.post(scene.quote_path, scene.when | {"guests": 0}), 422, "invalid")
    assert {name for name, _ in fields(found)} == {"guests"}
    wish = await scene.wish(guests=0)
    problem(await scene.guest.post("/api/bookings", wish), 422, "invalid")
    await scene.nothing_is_booked()


async def test_a_party_that_does_not_fit_is_refused_by_the_rule(scene: Scene) -> None:
    found = problem(await scene.guest.post(scene.quote_path, scene.when | {"guests": 5}), 409, "stay_refused")
    assert (found["rule"], found["value"]) == ("guests", 4)


async def test_an_id_that_nothing_has_is_not_found(scene: Scene) -> None:
    nothing = uuid4()
    problem(await scene.guest.get(f"/api/listings/{nothing}"), 404, "not_found")
    problem(await scene.guest.get(f"/api/bookings/{nothing}"), 404, "not_found")
    problem(await scene.guest.post("/api/payments/intent", {"booking_id": str(nothing)}), 404, "not_found")
    wish = await scene.wish(listing_id=str(nothing))
    assert (await scene.guest.post("/api/bookings", wish)).status_code in (404, 409)
    await scene.nothing_is_booked()


async def test_somebody_elses_booking_is_not_found(scene: Scene) -> None:
    booking = ok(await book(scene.guest, scene.home["id"], scene.when), 201)
    stranger = await scene.house.sign_up("eve@example.com", "Eve Else")
    path = f"/api/bookings/{booking['id']}"
    problem(await stranger.get(path), 404, "not_found")
    problem(await stranger.post(f"{path}/cancel", {}), 404, "not_found")
    problem(await stranger.post(f"{path}/accept"), 404, "not_found")
    problem(await stranger.post("/api/payments/intent", {"booking_id": booking["id"]}), 404, "not_found")
    assert ok(await scene.guest.get(path))["status"] == "pending"


async def test_a_state_that_does_not_allow_it_is_named_beside_the_status(scene: Scene) -> None:
    booking = ok(await book(scene.guest, scene.home["id"], scene.when), 201)
    path = f"/api/bookings/{booking['id']}"
    found = problem(await scene.host.post(f"{path}/accept"), 409, "wrong_state")
    assert (found["status"], found["state"]) == (409, "pending")
    assert found["detail"] == "A booking that is pending and awaits the payment cannot be accepted."
    found = problem(await scene.host.post(f"{path}/change/accept"), 409, "wrong_state")
    assert found["detail"] == "No change of this booking was asked for."
    await scene.house.advance(16 * 60)
    for answer, detail in (
        (await scene.guest.post(f"{path}/cancel", {}), "A booking that is expired cannot be cancelled."),
        (await scene.guest.get(f"{path}/cancellation"), "A booking that is expired cannot be cancelled."),
        (await scene.guest.put(path, {"guests": 1}), "A booking that is expired cannot be changed."),
    ):
        found = problem(answer, 409, "wrong_state")
        assert (found["status"], found["state"], found["detail"]) == (409, "expired", detail)
    found = problem(
        await scene.guest.post("/api/payments/intent", {"booking_id": booking["id"]}), 409, "not_payable"
    )
    assert (found["status"], found["state"]) == (409, "expired")
    draft = ok(await scene.host.post("/api/listings", {"title": "Draft"}), 201)
    answer = await scene.host.patch(f"/api/listings/{draft['id']}/toggle-active")
    assert problem(answer, 409, "listing_not_published")["state"] == "draft"


async def test_an_expired_quote_is_refused_with_a_new_one(scene: Scene) -> None:
    wish = await scene.wish()
    await scene.house.advance(16 * 60)
    found = problem(await scene.guest.post("/api/bookings", wish), 409, "quote_expired")
    await scene.nothing_is_booked()
    wish["quote_id"] = found["quote"]["id"]
    ok(await scene.guest.post("/api/bookings", wish), 201)


async def test_a_quote_for_another_home_is_refused(scene: Scene) -> None:
    other = await open_home(scene.host, "Another cabin")
    wish = await scene.wish(listing_id=other["id"])
    problem(await scene.guest.post("/api/bookings", wish), 409, "quote_mismatch")
    await scene.nothing_is_booked()


async def test_a_quote_that_was_changed_is_refused(scene: Scene) -> None:
    wish = await scene.wish()
    wish["quote_id"] = wish["quote_id"][:-3] + ("AAA" if not wish["quote_id"].endswith("AAA") else "BBB")
    problem(await scene.guest.post("/api/bookings", wish), 409, "quote_mismatch")
    await scene.nothing_is_booked()


async def test_a_price_that_moved_is_shown_before_it_is_charged(scene: Scene) -> None:
    wish = await scene.wish()
    path = f"/api/listings/{scene.home['id']}/pricing"
    pricing = ok(await scene.host.get(path))
    pricing["base"] = {"amount": 20_000, "currency": "USD"}
    pricing.pop("version", None)
    ok(await scene.host.put(path, pricing))
    found = problem(await scene.guest.post("/api/bookings", wish), 409, "price_changed")
    await scene.nothing_is_booked()
    wish["quote_id"] = found["quote"]["id"]
    assert ok(await scene.guest.post("/api/bookings", wish), 201)["total"] == found["quote"]["total"]


async def test_a_tampered_token_is_refused(scene: Scene) -> None:
    head, body, signature = scene.guest.headers["Authorization"].removeprefix("Bearer ").split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["roles"] = ["admin"]
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    for token in (f"{head}.{forged}.{signature}", f"{head}.{body}.", "x.y.z", "nonsense"):
        headers = {"Authorization": f"Bearer {token}"}
        answer = await scene.house.client.get("/api/auth/me", headers=headers)
        assert answer.status_code == 401, token
        assert answer.headers["www-authenticate"] == "Bearer"
    problem(await scene.house.client.get("/api/auth/me"), 401, "unauthenticated")


async def test_a_refresh_token_used_again_ends_the_session(scene: Scene) -> None:
    client = scene.house.client
    first = scene.guest.tokens["refresh_token"]
    second = ok(await client.post("/api/auth/refresh", json={"refresh_token": first}))
    await scene.house.advance(60)
    assert (await client.post("/api/auth/refresh", json={"refresh_token": first})).status_code == 401
    again = await client.post("/api/auth/refresh", json={"refresh_token": second["refresh_token"]})
    assert again.status_code == 401
    await scene.house.settle()
    headers = {"Authorization": f"Bearer {second['access_token']}"}
    assert (await client.get("/api/auth/me", headers=headers)).status_code == 401


async def test_a_body_over_the_cap_is_refused(scene: Scene) -> None:
    body = json.dumps({"title": "x" * 1_000_001})
    headers = {"Content-Type": "application/json"}
    answer = await scene.host.post("/api/listings", content=body, headers=headers)
    problem(answer, 413, "too_large")

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 50_000

    answer = await scene.host.post("/api/listings", content=stream(), headers=headers)
    problem(answer, 413, "too_large")


@pytest.mark.parametrize("body", [b"{", b'{"title": }', b"\xff\xfe", b"[" * 50_000, b'"title"', b"null", b""])
async def test_broken_json_is_refused(scene: Scene, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await scene.host.post("/api/listings", content=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    mine = ok(await scene.host.get("/api/listings/my-listings"))
    assert len(mine["items"]) == 1


async def test_a_key_used_again_with_another_body_is_refused(scene: Scene) -> None:
    key = {"Idempotency-Key": "my-key"}
    wish = await scene.wish()
    first = await scene.guest.post("/api/bookings", wish, headers=key)
    ok(first, 201)
    again = await scene.guest.post("/api/bookings", wish, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["etag"] == first.headers["etag"]
    other = wish | {"guests": 3}
    problem(await scene.guest.post("/api/bookings", other, headers=key), 409, "idempotency_key_reused")


async def test_a_stale_version_is_refused_and_the_tag_of_a_record_saves_its_body(scene: Scene) -> None:
    path = f"/api/listings/{scene.home['id']}"
    read = await scene.host.get(path)
    tag = read.headers["etag"]
    unchanged = await scene.host.get(path, headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    ok(await scene.host.patch(path, {"title": "First"}, headers={"If-Match": tag}))
    stale = await scene.host.patch(path, {"title": "Second"}, headers={"If-Match": tag})
    problem(stale, 412, "version_mismatch")
    assert ok(await scene.host.get(path))["title"] == "First"


async def test_a_tag_from_before_the_booking_does_not_keep_the_address_from_its_guest(scene: Scene) -> None:
    path = f"/api/listings/{scene.home['id']}"
    before = await scene.guest.get(path)
    assert "line1" not in ok(before)["address"]
    known = {"If-None-Match": before.headers["etag"]}
    assert (await scene.guest.get(path, headers=known)).status_code == 304
    await pay(scene.guest, ok(await book(scene.guest, scene.home["id"], scene.when), 201)["id"])
    await scene.house.settle()
    after = await scene.guest.get(path, headers=known)
    assert ok(after)["address"]["line1"] == "1 Creek Road"
    assert after.headers["etag"] != before.headers["etag"]
    assert after.json()["version"] == before.json()["version"]
    # Either of them names the version that a write is based on.
    staff = await scene.house.staff()
    ok(await staff.patch(path, {"title": "First"}, headers={"If-Match": before.headers["etag"]}))
    stale = await staff.patch(path, {"title": "Second"}, headers={"If-Match": before.headers["etag"]})
    problem(stale, 412, "version_mismatch")


async def test_an_address_that_does_not_exist_and_a_method_it_does_not_take(scene: Scene) -> None:
    problem(await scene.house.client.get("/api/nothing/here"), 404, "not_found")
    problem(await scene.house.client.delete("/api/auth/login"), 405, "method_not_allowed")


async def test_too_many_requests_are_told_when_to_come_back(tmp_path: Path) -> None:
    async with house_in(tmp_path, limits=True, anonymous_limit=5) as house:
        answers = [await house.client.get("/api/search") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        problem(answers[-1], 429, "too_many_requests")
        assert int(answers[-1].headers["retry-after"]) > 0
        assert answers[0].headers["ratelimit-remaining"] == "4"
        await house.advance(15 * 60)
        assert (await house.client.get("/api/search")).status_code == 200
