"""The ring: what holds for every request, whatever its route."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
import pytest
import pytest_asyncio
from litestar import get

from doorstep import doorstep
from harness import TestHouse, house_in
from hometrip.app import metrics
from hometrip.app.edge.doors import ROUTE_LIMITS
from hometrip.app.edge.lane import HandlerLane
from hometrip.app.edge.ring import Ring
from hometrip.app.edge.routes import litestar_of, routes_for
from hometrip.app.serving.front import Front
from hometrip.kernel.access import PUBLIC, USER
from journeys.steps import ok, open_home, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
# Public questions whose last answer may be given again while their service is away.
STAND_INS = ("/api/search", "/api/listings")


@get("/api/trial/broken", access=PUBLIC)
async def broken() -> None:
    raise ZeroDivisionError("the password of ann@example.com is hunter2")


@get("/api/trial/endless", access=PUBLIC)
async def endless() -> None:
    await asyncio.Event().wait()


@get("/api/trial/forgotten")
async def forgotten() -> str:
    return "nobody said who may read this"


@get("/api/trial/members", access=USER)
async def members() -> str:
    return "members only"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestHouse]:
    """One house for all: no test minds what another has left in it."""
    folder = tmp_path_factory.mktemp("ring")
    routes_for.cache_clear()
    async with house_in(folder, cors_origins=("https://pages.test",)) as opened:
        app = litestar_of(opened.house)
        for handler in (broken, endless, forgotten, members):
            app.register(handler)
        routes_for.cache_clear()  # these routes are for this house only
        yield opened


@contextlib.asynccontextmanager
async def other_ring(
    house: TestHouse, address: str, **changes: Any
) -> AsyncIterator[tuple[Ring, httpx2.AsyncClient]]:
    """Another ring around the same routes, and a caller from that address."""
    known: Any = house.opened.ring
    settings = msgspec.structs.replace(known.settings, **changes)
    ring = Ring(known.app, settings=settings, identity=known._identity, cache=known._cache)
    lane: Any = house.opened.lane
    front = Front(ring, ring, HandlerLane(ring, lane._straight, house.house))
    async with doorstep(front, address) as client:
        yield ring, client


@pytest_asyncio.fixture(loop_scope="module")
async def small(house: TestHouse) -> AsyncIterator[httpx2.AsyncClient]:
    """Bodies of 1000 bytes at most."""
    async with other_ring(house, "127.0.0.9", max_body=1000) as (_, client):
        yield client


# ids and the log


async def test_a_request_id_that_is_well_formed_is_taken_over(house: TestHouse) -> None:
    for sent in ["abcdefgh", "A.b_c-1234567890", "x" * 64]:
        answer = await house.client.get("/health", headers={"X-Request-Id": sent})
        assert answer.headers["x-request-id"] == sent


async def test_any_other_request_id_is_replaced(house: TestHouse) -> None:
    for sent in ["", "short", "x" * 65, "with space in", "semi;colon", "new\tline-tab"]:
        answers = [await house.client.get("/health", headers={"X-Request-Id": sent}) for _ in range(2)]
        made = [answer.headers["x-request-id"] for answer in answers]
        assert made[0] != made[1]
        assert all(len(each) == 32 and each.isalnum() for each in made)


async def test_every_request_is_one_line_without_its_query(
    house: TestHouse, caplog: pytest.LogCaptureFixture
) -> None:
    person = await house.sign_up("person1@example.com")
    with caplog.at_level(logging.INFO, "hometrip.http"):
        caplog.clear()
        answer = await person.get("/api/search", params={"q": "secret words"})
    (line,) = [record for record in caplog.records if record.name == "hometrip.http"]
    told = vars(line)
    assert (told["method"], told["route"], told["status"]) == ("GET", "/api/search", 200)
    assert told["request_id"] == answer.headers["x-request-id"]
    assert told["account"] == person.id
    assert told["bytes"] == len(answer.content)
    assert told["ms"] > 0
    assert "secret" not in json.dumps(told, default=str)


async def test_a_refused_request_is_logged_with_its_problem(
    house: TestHouse, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "hometrip.http"):
        await house.client.get("/api/auth/me")
    (line,) = [record for record in caplog.records if record.name == "hometrip.http"]
    assert (vars(line)["status"], vars(line)["problem"]) == (401, "unauthenticated")


# what an answer bears


async def test_every_answer_bears_the_security_headers(house: TestHouse) -> None:
    for path in [
        "/",
        "/health",
        "/api/search",
        "/api/nothing",
        "/api/auth/me",
        "/files/no",
        "/api/trial/broken",
    ]:
        answer = await house.client.get(path)
        kept = {"cache-control": "public, max-age=0, stale-if-error=600"} if path in STAND_INS else {}
        assert {name: answer.headers[name] for name in SECURITY} == SECURITY | kept
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "permissions-policy" in answer.headers
        assert "server" not in answer.headers


async def test_only_what_strangers_are_told_well_may_be_kept(house: TestHouse) -> None:
    await open_home(host := await house.sign_up("kept@example.com", "Kim Kept"))
    answer = await house.client.get("/api/listings")
    assert answer.headers["vary"] == "authorization, accept-language"
    for answer in (
        await host.get("/api/listings"),
        await house.client.get("/api/listings", headers={"Authorization": "Bearer of bad news"}),
        await house.client.get(f"/api/listings/{host.id}"),
        await house.client.get("/api/bookings/availability"),
    ):
        assert answer.headers["cache-control"] == "no-store"


async def test_head_answers_like_get_without_a_body(house: TestHouse) -> None:
    for path in ("/health", "/api/search", "/api/docs", "/api/nothing"):
        got, head = await house.client.get(path), await house.client.head(path)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert head.headers["content-type"] == got.headers["content-type"]
        assert head.headers["content-length"] == got.headers["content-length"]


async def test_options_says_which_methods_an_address_takes(house: TestHouse) -> None:
    answer = await house.client.options("/api/bookings")
    assert (answer.status_code, answer.content) == (204, b"")
    assert {"POST", "OPTIONS"} <= set(answer.headers["allow"].split(", "))


async def test_the_tag_of_a_record_answers_304_and_guards_writes(house: TestHouse) -> None:
    host = await house.sign_up("person2@example.com")
    path = f"/api/listings/{(await open_home(host))['id']}"
    tag = (await host.get(path)).headers["etag"]
    for wanted in (tag, f"W/{tag}", f'"0", {tag}', "*"):
        unchanged = await host.get(path, headers={"If-None-Match": wanted})
        assert (unchanged.status_code, unchanged.content) == (304, b""), wanted
        assert unchanged.headers["etag"] == tag
        assert "content-type" not in unchanged.headers
    ok(await host.get(path, headers={"If-None-Match": '"0"'}))
    problem(await host.patch(path, {"title": "A"}, headers={"If-Match": '"999"'}), 412, "version_mismatch")
    problem(await host.patch(path, {"title": "A"}, headers={"If-Match": "other"}), 412, "version_mismatch")
    ok(await host.patch(path, {"title": "B"}, headers={"If-Match": tag}))
    assert (await host.get(path, headers={"If-None-Match": tag})).status_code == 200


# origins


PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


async def test_a_known_origin_may_ask_and_read(house: TestHouse) -> None:
    origin = {"Origin": "https://pages.test"}
    asked = await house.client.options("/api/bookings", headers=origin | PREFLIGHT)
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == "https://pages.test"
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert set(asked.headers["access-control-allow-headers"].split(", ")) == {
        "authorization",
        "content-type",
        "idempotency-key",
        "if-match",
        "if-none-match",
        "x-request-id",
    }
    for path in ("/health", "/api/nothing", "/api/auth/me"):
        answer = await house.client.get(path, headers=origin)
        assert answer.headers["access-control-allow-origin"] == "https://pages.test"
        assert answer.headers["vary"] == "origin"
        may_be_read = set(answer.headers["access-control-expose-headers"].split(", "))
        assert may_be_read >= {"etag", "content-disposition", "idempotent-replayed", "retry-after", "warning"}
        assert may_be_read >= {
            name for name in answer.headers if name.startswith(("ratelimit-", "x-request-"))
        }


async def test_another_origin_is_told_nothing(house: TestHouse) -> None:
    for origin in ["https://evil.test", "null", "https://pages.test.evil.test", "HTTPS://PAGES.TEST"]:
        for answer in (
            await house.client.options("/api/bookings", headers={"Origin": origin} | PREFLIGHT),
            await house.client.get("/health", headers={"Origin": origin}),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control-")]


# bodies


JSON = {"Content-Type": "application/json"}


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b" " * 100


async def test_a_length_over_the_cap_or_no_length_is_refused_before_the_body(
    small: httpx2.AsyncClient,
) -> None:
    for length in ["1001", "9" * 15]:
        answer = await small.post("/api/auth/login", content=b"{}", headers=JSON | {"Content-Length": length})
        assert problem(answer, 413, "too_large")["limit"] == 1000
    for length in ["9" * 30, "9" * 5000, "-1", "many", "+5", "1_0"]:
        answer = await small.post("/api/auth/login", content=b"{}", headers=JSON | {"Content-Length": length})
        problem(answer, 400, "malformed")


async def test_a_body_of_unknown_length_is_cut_off_at_the_cap(small: httpx2.AsyncClient) -> None:
    problem(await small.post("/api/auth/login", content=pieces(11), headers=JSON), 413, "too_large")
    # At the cap it is read, and found to be no JSON.
    problem(await small.post("/api/auth/login", content=pieces(10), headers=JSON), 400, "malformed")


async def test_a_body_of_another_kind_is_refused(house: TestHouse) -> None:
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"]:
        body = b'{"email": "ann@example.com", "password": "correct horse"}'
        answer = await house.client.post("/api/auth/login", content=body, headers={"Content-Type": kind})
        problem(answer, 415, "unsupported_media")


async def test_json_is_json_by_any_of_its_names(house: TestHouse) -> None:
    for kind in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"]:
        body = b'{"email": "ann@example.com", "password": "correct horse"}'
        answer = await house.client.post("/api/auth/login", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 401, answer.text


# what goes wrong


async def test_a_request_over_its_time_is_broken_off(house: TestHouse) -> None:
    async with other_ring(house, "127.0.0.8", seconds=0.05) as (ring, client):
        answer = await client.get("/api/trial/endless")
        problem(answer, 503, "deadline_exceeded")
        assert answer.headers["retry-after"] == "1"
        assert ring.busy == 0


async def test_what_carries_a_file_has_a_bound_of_its_own(house: TestHouse) -> None:
    listing, waited = "0190a0de-0000-7000-8000-000000000000", asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await waited.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with other_ring(house, "127.0.0.8", seconds=0.02, transfer_seconds=5) as (ring, client):
        ring.app = slow
        paths = ("/files/a.webp", f"/api/listings/{listing}/photos", "/api/listings/import")
        sending = [asyncio.create_task(client.post(path)) for path in paths]
        problem(await client.get("/api/nothing"), 503, "deadline_exceeded")
        waited.set()
        assert [(await answer).status_code for answer in sending] == [200, 200, 200]
    waited.clear()
    async with other_ring(house, "127.0.0.8", transfer_seconds=0.02) as (ring, client):
        ring.app = slow
        problem(await client.get("/files/a.webp"), 503, "deadline_exceeded")


async def test_what_nobody_foresaw_is_a_500_that_says_nothing_and_a_traceback_in_the_log(
    house: TestHouse, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await house.client.get("/api/trial/broken")
    problem(answer, 500, "internal")
    assert "hunter2" not in answer.text
    assert "ZeroDivision" not in answer.text
    (line,) = [record for record in caplog.records if record.message == "unforeseen error"]
    assert line.exc_info
    assert isinstance(line.exc_info[1], ZeroDivisionError)


async def test_a_route_that_says_nothing_about_access_is_open_to_nobody(house: TestHouse) -> None:
    problem(await house.client.get("/api/trial/forgotten"), 500, "internal")


# who asks


async def test_a_bad_token_is_nobody_on_public_routes_and_refused_on_others(house: TestHouse) -> None:
    for credential in ("Bearer nonsense", "Bearer", "Basic YTpi", "Bearer a b", ""):
        headers = {"Authorization": credential}
        assert (await house.client.get("/api/search", headers=headers)).status_code == 200, credential
        answer = await house.client.get("/api/auth/me", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), credential


async def test_an_ended_session_is_nobody_at_once(house: TestHouse) -> None:
    person = await house.sign_up("person3@example.com")
    ok(await person.get("/api/auth/me"))
    assert (await person.post("/api/auth/logout")).status_code in (200, 204)
    await house.settle()
    assert (await person.get("/api/auth/me")).status_code == 401
    assert (await person.get("/api/search")).status_code == 200


# limits


async def test_the_nameless_are_counted_by_address_and_accounts_by_account(house: TestHouse) -> None:
    ann = await house.sign_up("counted@example.com")
    async with other_ring(house, "127.0.0.2", limits=True, anonymous_limit=6, account_limit=5) as (_, client):
        left = [await client.get("/api/search", headers=ann.headers) for _ in range(5)]
        assert [answer.headers["ratelimit-remaining"] for answer in left] == ["4", "3", "2", "1", "0"]
        assert {answer.headers["ratelimit-limit"] for answer in left} == {"5"}
        assert 0 < int(left[-1].headers["ratelimit-reset"]) <= 900
        refused = await client.get("/api/search", headers=ann.headers)
        problem(refused, 429, "too_many_requests")
        assert 0 < int(refused.headers["retry-after"]) <= 900
        assert refused.headers["ratelimit-remaining"] == "0"
        # The account is out; its address is not, and a token that nobody gave counts for the address.
        for number in range(6):
            answer = await client.get("/api/search", headers={"Authorization": f"Bearer forged{number}"})
            assert (answer.status_code, answer.headers["ratelimit-limit"]) == (200, "6")
        problem(await client.get("/api/search"), 429, "too_many_requests")
        # Whoever looks after the house is not counted, and what time has passed over is forgotten.
        ok(await client.get("/health"))
        await house.advance(901)
        ok(await client.get("/api/search", headers=ann.headers))


async def test_another_address_has_a_count_of_its_own(house: TestHouse) -> None:
    for address in ("127.0.0.3", "127.0.0.4"):
        async with other_ring(house, address, limits=True, anonymous_limit=1) as (_, client):
            ok(await client.get("/api/search"))
            problem(await client.get("/api/search"), 429, "too_many_requests")


async def test_signing_in_has_a_narrower_limit(house: TestHouse) -> None:
    most, seconds = ROUTE_LIMITS["login"]
    body = {"email": "ann@example.com"}
    async with other_ring(house, "127.0.0.5", limits=True, anonymous_limit=1000) as (_, client):
        for _ in range(most):
            assert (await client.post("/api/auth/login", json=body)).status_code == 422
        refused = await client.post("/api/auth/login", json=body)
        problem(refused, 429, "too_many_requests")
        assert 0 < int(refused.headers["retry-after"]) <= seconds
        ok(await client.get("/api/search"))


# metrics


def counted() -> dict[tuple[str, str, str], float]:
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for metric in metrics.REGISTRY.collect()
        for sample in metric.samples
        if sample.name == "hometrip_http_requests_total"
    }


async def test_requests_are_counted_by_the_routes_template(house: TestHouse) -> None:
    host = await house.sign_up("person4@example.com")
    home = await open_home(host)
    route = ("GET", "/api/listings/{listing_id}", "200")
    before = counted().get(route, 0)
    for _ in range(3):
        ok(await host.get(f"/api/listings/{home['id']}"))
    after = counted()
    assert after[route] == before + 3
    assert not [labels for labels in after if home["id"] in labels[1]]


async def test_unknown_addresses_and_methods_are_counted_together(house: TestHouse) -> None:
    await house.client.get("/api/nothing")
    await house.client.request("BREW", "/health")
    before = counted()
    for number in range(20):
        await house.client.get(f"/api/nothing/{number}")
        await house.client.get(f"/files/nothing/{number}")
        await house.client.request(f"BREW{number}", "/health")
    after = counted()
    new = set(after) - set(before)
    assert new <= {("GET", "/files/{key}", "404")}
    assert after["GET", "(none)", "404"] == before["GET", "(none)", "404"] + 20


async def test_the_page_of_metrics_tells_of_outbox_and_parked_events(house: TestHouse) -> None:
    await house.sign_up("person5@example.com")
    await house.settle()
    told = await house.client.get("/metrics")
    assert told.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = told.text
    assert 'hometrip_outbox_unsent{service="auth"} 0.0' in text
    assert 'hometrip_events_parked{service="notification"} 0.0' in text
    assert "hometrip_events_published_total" in text
