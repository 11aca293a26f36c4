"""The plain pages: readable without a script, safe to show what others wrote, and files as they were put."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from harness import TestHouse, house_in
from hometrip.app.pages import page
from hometrip.kernel.errors import HomeTripError
from hometrip.ports.blobs import Blobs
from journeys.steps import open_home, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")
NASTY = "<script>alert('x')</script> & <b>Sons</b>"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestHouse]:
    async with house_in(tmp_path_factory.mktemp("pages")) as opened:
        yield opened


async def html(house: TestHouse, path: str) -> str:
    answer: httpx2.Response = await house.client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    text = answer.text
    assert text.startswith("<!doctype html>")
    assert "<script" not in text
    assert "javascript:" not in text
    assert " onclick" not in text
    assert "script-src" not in answer.headers["content-security-policy"]
    return text


async def test_the_first_page_says_what_runs(house: TestHouse) -> None:
    text = await html(house, "/")
    for service in house.house.rooms:
        assert f"<td>{service}</td>" in text
    assert "/mailbox" in text
    assert "/api/docs" in text


async def test_what_a_host_wrote_is_shown_and_never_run(house: TestHouse) -> None:
    host = await house.sign_up("nasty@example.com", "Nasty Host")
    await open_home(host, title="Tom & \"Jerry\" <script>alert('x')</script>")
    await house.settle()
    assert "<strong>Tom &amp; &#34;Jerry&#34;" in await html(house, "/")


async def test_the_page_itself_trusts_no_title_and_no_picture() -> None:
    home = {"id": "1", "title": NASTY, "city": NASTY, "price": NASTY, "rating": 5, "cover": '"><script>'}
    text = page("home.html", homes=[home], rooms=[], count=1).content
    assert "<script" not in text
    assert "<b>" not in text
    assert text.count("&lt;script&gt;") == 4


async def test_the_mailbox_shows_what_was_sent_to_an_address(house: TestHouse) -> None:
    await house.sign_up("reader@example.com", "<i>Rita</i>")
    text = await html(house, "/mailbox")
    assert "reader@example.com" in text
    assert "<i>Rita" not in text
    assert (
        "reader@example.com" not in (await html(house, "/mailbox?to=nobody@example.com")).partition("<h2>")[2]
    )
    assert 'value="&#34;&gt;&lt;b&gt;"' in await html(house, "/mailbox?to=%22%3E%3Cb%3E")


async def test_the_page_of_routes_names_every_route_of_the_document(house: TestHouse) -> None:
    text = await html(house, "/api/docs")
    document = (await house.client.get("/api/openapi.json")).json()
    operations = [
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
        if method in ("get", "post", "put", "patch", "delete")
    ]
    assert len(operations) > 60
    assert [each for each in operations if f"<code>{each}</code>" not in text] == []


async def test_the_document_says_that_no_part_of_a_body_takes_other_fields(house: TestHouse) -> None:
    schemas = (await house.client.get("/api/openapi.json")).json()["components"]["schemas"]
    parts = ("Pricing", "Season", "Early", "Money", "NewHome", "PointEdit", "AddressEdit", "CardNumber")
    assert [name for name in parts if schemas[name].get("additionalProperties") is not False] == []
    assert "additionalProperties" not in schemas["BookingView"]


async def test_every_list_has_twenty_items_where_nothing_else_is_asked_for(house: TestHouse) -> None:
    document = (await house.client.get("/api/openapi.json")).json()
    limits = dict[str, Any]()
    for path, methods in document["paths"].items():
        named = {one["name"]: one["schema"] for one in methods.get("get", {}).get("parameters", ())}
        if named.keys() >= {"limit", "cursor"}:
            limits[path] = named["limit"].get("default")
    assert len(limits) > 10
    assert {path: limit for path, limit in limits.items() if limit != 20} == {}


async def test_the_document_tells_of_every_header_that_a_route_reads(house: TestHouse) -> None:
    document = (await house.client.get("/api/openapi.json")).json()
    takes, tagged = dict[str, set[str]](), set[str]()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            said = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "header"]
            assert len(said) == len(set(said)), (path, said)
            takes[f"{method} {path}"] = set(said)
            if any("ETag" in answer.get("headers", {}) for answer in operation["responses"].values()):
                tagged.add(f"{method} {path}")
    home, booking = "/api/listings/{listing_id}", "/api/bookings/{booking_id}"
    based = {"put", "patch", "delete"}
    assert {f"{verb} {home}" for verb in based} <= {one for one in takes if "If-Match" in takes[one]}
    for read in (home, f"{home}/pricing", booking, "/api/payments/{payment_id}", f"{home}/calendar.ics"):
        assert takes[f"get {read}"] == {"If-None-Match"}
        assert f"get {read}" in tagged
    assert takes[f"put {home}/pricing"] == takes[f"put {booking}"] == {"If-Match"}
    assert takes["post /api/bookings"] == {"Idempotency-Key"}
    assert {"post /api/bookings", f"put {booking}", f"put {home}/pricing"} <= tagged
    assert takes["get /api/search"] == takes["get /api/bookings"] == set()


async def test_what_the_document_says_to_have_a_tag_has_one(house: TestHouse) -> None:
    host = await house.sign_up("tagged@example.com", "Tanja Tagged")
    home = await open_home(host)
    for path in (
        f"/api/listings/{home['id']}",
        f"/api/listings/{home['id']}/pricing",
        f"/api/users/{host.id}",
    ):
        tag = (await host.get(path)).headers["etag"]
        assert (await host.get(path, headers={"If-None-Match": tag})).status_code == 304


async def test_the_page_of_errors_has_a_place_for_every_code(house: TestHouse) -> None:
    text = await html(house, "/api/docs/errors")
    assert [code for code in HomeTripError.by_code if f'id="{code}"' not in text] == []
    found = problem(await house.client.get("/api/auth/me"), 401, "unauthenticated")
    path, _, anchor = found["type"].partition("#")
    assert path == "/api/docs/errors"
    assert f'id="{anchor}"' in text


async def test_codes_that_no_service_raises_are_on_the_page_too(house: TestHouse) -> None:
    text = await html(house, "/api/docs/errors")
    found = problem(await house.client.delete("/health"), 405, "method_not_allowed")
    assert f'id="{found["type"].partition("#")[2]}"' in text


async def test_a_file_is_served_with_its_type_for_ever(house: TestHouse) -> None:
    await house.house.shared[Blobs].put("trial/cabin.png", b"\x89PNG", "image/png")
    answer = await house.client.get("/files/trial/cabin.png")
    assert (answer.status_code, answer.content) == (200, b"\x89PNG")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_path_leads_to_files_only(house: TestHouse) -> None:
    (house.house.settings.data / "files" / "bare").write_text("not put")
    tricks = r"""
        ../demo.json ..%2fdemo.json %2e%2e/running.lock ..%2f..%2f..%2fetc%2fpasswd /etc/passwd
        a//b a/./b a\..\b a%00b .hidden bare bare~ trial trial/ %ff a%0ab
    """.split()
    for trick in (*tricks, "", "x" * 300, "a/" * 20):
        answer = await house.client.get(f"/files/{trick}")
        problem(answer, 404, "not_found")


async def test_outside_the_sandbox_there_is_no_mailbox_and_no_clock(tmp_path: Path) -> None:
    async with house_in(tmp_path, sandbox=False) as house:
        for path in (
            "/mailbox",
            "/api/sandbox/mailbox",
            "/api/sandbox/clock",
            "/api/sandbox/events?subject=a/b",
        ):
            problem(await house.client.get(path), 404, "not_found")
        problem(await house.client.post("/api/sandbox/clock/advance", json={"seconds": 1}), 404, "not_found")
        assert "mailbox" not in await html(house, "/")
        assert "/api/sandbox/clock" not in await html(house, "/api/docs")
