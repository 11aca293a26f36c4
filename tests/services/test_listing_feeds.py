"""Calendars of other sites, both ways, through the door and with a real web server on the other side."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from harness import START, Person, TestHouse, house_in
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.fetcher.web import WebFetcher
from hometrip.kernel.stay import Stay
from hometrip.ports.fetcher import Fetcher
from hometrip.services.listing import actions, store
from hometrip.services.listing.actions import feeds_reading
from hometrip.services.listing.actions.feeds_reading import FeedDue, freshen, refresh
from hometrip.services.listing.rules import ical_events
from hometrip.services.listing.rules.ical_export import calendar_text
from journeys.steps import book, ok, open_home, pay, problem, stay
from web_server import LOOPBACK, WebServer, hanging, web_server

QUARTER = 15 * 60


class Scene:
    """A home of a host, a guest, and another site that publishes its calendar at `/feed`."""

    def __init__(
        self, house: TestHouse, host: Person, guest: Person, home: dict[str, Any], site: WebServer
    ) -> None:
        self.house, self.host, self.guest, self.site = house, host, guest, site
        self.id, self.path = home["id"], f"/api/listings/{home['id']}"
        self.imports = f"{self.path}/calendar-imports"

    def day(self, n: int) -> date:
        return self.house.clock.now().date() + timedelta(days=n)

    def publish(self, *events: tuple[str, int, int], path: str = "/feed") -> None:
        """Events as (uid, first day from today, last day)."""
        lines = [
            f"BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART;VALUE=DATE:{self.day(first):%Y%m%d}\r\n"
            f"DTEND;VALUE=DATE:{self.day(until):%Y%m%d}\r\nEND:VEVENT\r\n"
            for uid, first, until in events
        ]
        text = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{''.join(lines)}END:VCALENDAR\r\n"
        self.site.pages[path] = text.encode()

    def fail(self, path: str = "/feed") -> None:
        self.site.pages.pop(path)

    async def add(self, path: str = "/feed", status: int = 201, **more: Any) -> dict[str, Any]:
        wish = {"url": self.site.url(path), "name": "Other site"} | more
        feed: dict[str, Any] = ok(await self.host.post(self.imports, wish), status)
        return feed

    async def refresh(self, feed: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = ok(await self.host.post(f"{self.imports}/{feed['id']}/refresh"))
        return found

    async def health(self) -> dict[str, Any]:
        [feed] = ok(await self.host.get(self.imports))["items"]
        assert isinstance(feed, dict)
        return feed

    async def taken(self, kind: str = "imported") -> list[int]:
        """How many days from today the taken nights are, with those that booking has held to the same."""
        assert await actions.verify(self.house.deps("listing")) == []
        days = ok(await self.guest.get(f"{self.path}/availability", params={"to": self.day(60).isoformat()}))
        return [n for n, day in enumerate(days["days"]) if day.get("reason") == kind]

    async def mails(self, kind: str) -> list[dict[str, Any]]:
        """Those to the host."""
        await self.house.settle()
        return [mail for mail in await self.house.mails(self.host.email) if mail["kind"] == kind]

    async def told(self, name: str) -> list[dict[str, Any]]:
        answer = await self.house.client.get("/api/sandbox/events", params={"subject": f"listing/{self.id}"})
        return [each["data"] for each in answer.json()["items"] if each["name"] == name]


@contextlib.asynccontextmanager
async def scene_in(house: TestHouse) -> AsyncIterator[Scene]:
    house.house.shared[Fetcher].get = WebFetcher(LOOPBACK).get
    host = await house.sign_up("host@example.com", "Hanna Host")
    guest = await house.sign_up("guest@example.com", "Gus Guest")
    async with web_server() as site:
        yield Scene(house, host, guest, await open_home(host), site)


@pytest.fixture
async def scene(house: TestHouse) -> AsyncIterator[Scene]:
    async with scene_in(house) as opened:
        yield opened


@pytest.fixture
async def either_scene(either_house: TestHouse) -> AsyncIterator[Scene]:
    async with scene_in(either_house) as opened:
        yield opened


# Import


async def test_nights_are_taken_moved_and_given_back_after_two_fetches_without_them(
    either_scene: Scene,
) -> None:
    scene = either_scene
    scene.publish(("a", 10, 12), ("b", 20, 22))
    feed = await scene.add()
    assert (feed["state"], feed["events"], feed["nights"], feed["lag_seconds"]) == ("good", 2, 4, 0)
    assert await scene.taken() == [10, 11, 20, 21]
    when = stay(scene.house, 10, 2)
    problem(await scene.guest.post(f"{scene.path}/quote", when | {"guests": 2}), 409, "dates_taken")
    scene.publish(("a", 11, 14), ("b", 20, 22))
    await scene.house.advance(QUARTER)
    assert await scene.taken() == [11, 12, 13, 20, 21]
    scene.publish(("b", 20, 22))
    await scene.house.advance(QUARTER)
    assert await scene.taken() == [11, 12, 13, 20, 21]
    await scene.house.advance(QUARTER)
    assert await scene.taken() == [20, 21]


async def test_a_server_that_says_nothing_changed_repeats_what_it_said(scene: Scene) -> None:
    scene.publish(("a", 10, 12), ("b", 20, 22))
    feed = await scene.add()
    scene.publish(("b", 20, 22))
    await scene.refresh(feed)
    assert await scene.taken() == [10, 11, 20, 21]
    await scene.refresh(feed)
    assert scene.site.asked[-1].headers["If-None-Match"]
    assert await scene.taken() == [20, 21]
    await scene.refresh(feed)
    assert await scene.taken() == [20, 21]


async def test_other_hours_of_the_home_make_other_nights_of_a_calendar_that_is_as_it_was(
    scene: Scene,
) -> None:
    event = f"BEGIN:VEVENT\nUID:a\nDTSTART:{scene.day(10):%Y%m%d}T150000\nDTEND:{scene.day(12):%Y%m%d}T140000"
    scene.site.pages["/feed"] = f"BEGIN:VCALENDAR\n{event}\nEND:VEVENT\nEND:VCALENDAR\n".encode()
    feed = await scene.add()
    assert await scene.taken() == [10, 11]
    await scene.house.advance(60)
    ok(await scene.host.patch(scene.path, {"check_in_from": "13:00"}))
    await scene.house.advance(60)
    await scene.refresh(feed)
    assert await scene.taken() == [10, 11, 12]
    await scene.refresh(feed)
    assert scene.site.asked[-1].headers["If-None-Match"]


async def test_failed_and_empty_fetches_change_nothing_and_are_told_once(either_scene: Scene) -> None:
    scene = either_scene
    scene.publish(("a", 10, 12))
    await scene.add()
    for broken in (None, b"", b"<html>", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", None, b"\x00", None):
        scene.site.pages.pop("/feed", None)
        if broken is not None:
            scene.site.pages["/feed"] = broken
        await scene.house.advance(QUARTER)
        assert await scene.taken() == [10, 11]
    health = await scene.health()
    assert (health["state"], health["failures"], health["last_error"]["code"]) == (
        "failing", 7, "fetch_status"
    )  # fmt: skip
    assert health["lag_seconds"] == 7 * QUARTER
    [failed] = await scene.told("calendar.import_failed")
    assert (failed["feed_name"], failed["why"]) == ("Other site", "empty")
    scene.publish(("a", 10, 12))
    await scene.house.advance(QUARTER)
    assert (await scene.health())["state"] == "good"
    scene.fail()
    await scene.house.advance(4 * QUARTER)
    assert len(await scene.told("calendar.import_failed")) == 2
    mails = await scene.mails("feed_failing")
    assert [mail["subject"] for mail in mails] == ["Calendar not readable: Creek cabin"] * 2


async def test_a_clash_with_a_booking_is_reported_and_cancels_nothing(either_scene: Scene) -> None:
    scene = either_scene
    booking = ok(await book(scene.guest, scene.id, stay(scene.house, 10, 2)), 201)
    await scene.house.settle()
    scene.publish(("a", 9, 12))
    feed = await scene.add(name="calendars.example.com")  # which one it is, its host is told
    assert feed["conflicts"] == []  # not paid for yet
    await pay(scene.guest, booking["id"])
    await scene.house.settle()
    clash = {"check_in": scene.day(10).isoformat(), "check_out": scene.day(12).isoformat()}
    [told] = await scene.told("calendar.import_conflict")
    assert (told["stays"], told["host_id"]) == ([clash], str(scene.host.id))
    assert (await scene.refresh(feed))["conflicts"] == [clash]
    assert len(await scene.told("calendar.import_conflict")) == 1
    [mail] = await scene.mails("calendar_conflict")
    assert mail["subject"] == "Booked twice: Creek cabin"
    assert "Calendar: calendars.example.com" in mail["text"]
    assert ok(await scene.guest.get(f"/api/bookings/{booking['id']}"))["status"] == "confirmed"
    assert (await scene.taken(), await scene.taken("booked")) == ([9], [10, 11])
    ok(await scene.guest.post(f"/api/bookings/{booking['id']}/cancel", {}))
    await scene.house.settle()
    assert (await scene.taken(), await scene.taken("booked")) == ([9, 10, 11], [])
    assert (await scene.health())["conflicts"] == []


@pytest.mark.parametrize("in_bulk", [False, True])
async def test_nights_that_the_host_opens_again_are_those_of_the_other_site_at_once(
    scene: Scene, in_bulk: bool
) -> None:
    days = {"from": scene.day(10).isoformat(), "to": scene.day(12).isoformat(), "reason": "paint"}
    block = ok(await scene.host.post(f"{scene.path}/block-dates", days), 201)
    scene.publish(("a", 9, 12))
    await scene.add()
    assert await scene.taken() == [9]
    if in_bulk:
        edit = days | {"listing_ids": [scene.id], "block": False}
        edit.pop("reason")
        ok(await scene.host.post("/api/listings/calendars", edit))
    else:
        ok(await scene.host.delete(f"{scene.path}/block-dates/{block['id']}"), 204)
    assert await scene.taken() == [9, 10, 11]


async def test_nights_of_a_change_that_comes_to_nothing_are_those_of_the_other_site_at_once(
    scene: Scene,
) -> None:
    booking = ok(await book(scene.guest, scene.id, stay(scene.house, 10, 3)), 201)
    await pay(scene.guest, booking["id"])
    await scene.house.settle()
    path = f"/api/bookings/{booking['id']}"
    ok(await scene.guest.put(path, stay(scene.house, 20, 2)))
    await scene.house.settle()
    scene.publish(("a", 19, 22))
    await scene.add()
    assert await scene.taken() == [19]
    ok(await scene.host.post(f"{path}/change/decline", {"reason": "no"}))
    await scene.house.settle()
    assert await scene.taken() == [19, 20, 21]


async def test_two_sites_that_know_of_the_same_nights_are_no_conflict(scene: Scene) -> None:
    scene.publish(("a", 10, 12))
    scene.publish(("z", 11, 13), path="/other")
    first = await scene.add()
    second = await scene.add("/other")
    assert (first["conflicts"], second["conflicts"]) == ([], [])
    assert await scene.taken() == [10, 11, 12]
    ok(await scene.host.delete(f"{scene.imports}/{first['id']}"), 204)
    await scene.house.settle()
    assert await scene.taken() == [11, 12]
    assert await scene.told("calendar.import_conflict") == []


async def test_nights_that_one_site_gives_back_are_at_once_anothers_that_has_them_too(scene: Scene) -> None:
    scene.publish(("a", 10, 12), ("b", 30, 31))
    scene.publish(("z", 11, 13), path="/other")
    first = await scene.add()
    await scene.add("/other")
    scene.publish(("a", 40, 41), ("b", 30, 31))
    await scene.refresh(first)
    assert await scene.taken() == [11, 12, 30, 40]


async def test_nights_given_back_while_a_clash_with_them_is_being_told_are_the_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.publish(("a", 10, 12), ("b", 30, 31))
    scene.publish(("z", 11, 13), path="/other")
    first = await scene.add()
    scene.publish(("b", 30, 31), ("c", 40, 41))
    await scene.refresh(first)  # of two fetches without it
    booking = scene.house.deps("listing").booking
    replace_blocks = booking.replace_blocks

    async def answered_late(listing_id: UUID, source_id: UUID, stays: list[Stay]) -> list[Stay]:
        refused: list[Stay] = await replace_blocks(listing_id, source_id, stays)
        if source_id != UUID(first["id"]):
            monkeypatch.undo()
            await scene.refresh(first)
        return refused

    monkeypatch.setattr(type(booking), "replace_blocks", staticmethod(answered_late))
    await scene.add("/other")
    assert await scene.taken() == [11, 12, 30, 40]


async def test_a_calendar_given_up_frees_its_nights_and_is_fetched_no_more(scene: Scene) -> None:
    scene.publish(("a", 10, 12))
    feed = await scene.add()
    ok(await scene.host.delete(f"{scene.imports}/{feed['id']}"), 204)
    await scene.house.settle()
    assert await scene.taken() == []
    asked = len(scene.site.asked)
    await scene.house.advance(4 * QUARTER)
    assert len(scene.site.asked) == asked
    problem(await scene.host.post(f"{scene.imports}/{feed['id']}/refresh"), 404, "not_found")
    assert ok(await scene.host.get(scene.imports)) == {"items": []}


async def test_a_home_that_is_deleted_gives_back_what_its_calendars_took(scene: Scene) -> None:
    scene.publish(("a", 10, 12))
    await scene.add()
    ok(await scene.host.delete(scene.path), 204)
    await scene.house.advance(25 * 60 * 60)
    assert await scene.house.deps("listing").booking.taken(UUID(scene.id), None, None) == []


async def test_each_timer_counts_once_and_a_timer_of_a_calendar_that_is_gone_does_nothing(
    scene: Scene,
) -> None:
    scene.publish(("a", 10, 12), ("b", 20, 22))
    feed = await scene.add()
    scene.publish(("b", 20, 22))
    deps, due = scene.house.deps("listing"), FeedDue(feed_id=UUID(feed["id"]), event_id=uuid4())
    await refresh(deps, due.feed_id, why=due)
    await refresh(deps, due.feed_id, why=due)
    assert await scene.taken() == [10, 11, 20, 21]
    await refresh(deps, uuid4())


async def test_after_a_restart_calendars_are_fetched_on(tmp_path: Path) -> None:
    async with web_server() as site:
        async with house_in(tmp_path) as house:
            house.house.shared[Fetcher].get = WebFetcher(LOOPBACK).get
            host = await house.sign_up("host@example.com", "Hanna Host")
            scene = Scene(house, host, host, await open_home(host), site)
            scene.publish(("a", 10, 12))
            await scene.add()
        scene.publish(("a", 20, 22))
        later = MovableClock(SystemClock(), frozen_at=START + timedelta(hours=3))
        async with house_in(tmp_path, clock=later) as house:
            house.house.shared[Fetcher].get = WebFetcher(LOOPBACK).get
            await house.advance(QUARTER)
            scene.house, scene.guest = house, await house.sign_in("host@example.com")
            assert await scene.taken() == [20, 21]


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:{port}/feed",
        "http://127.0.0.2/feed",
        "http://[::1]/feed",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "ftp://example.com/feed.ics",
        "not an address",
        "http://2130706433/",
    ],
)
async def test_addresses_inside_are_refused_with_nothing_kept(house: TestHouse, url: str) -> None:
    host = await house.sign_up()
    imports = f"/api/listings/{(await open_home(host))['id']}/calendar-imports"
    async with web_server() as site:
        site.pages["/feed"] = b"secret"
        found = problem(await host.post(imports, {"url": url.format(port=site.port)}), 422, "invalid")
        assert [error["field"] for error in found["errors"]] == ["url"]
        assert site.asked == []
    assert ok(await host.get(imports)) == {"items": []}


async def test_who_may_what_and_how_often(scene: Scene) -> None:
    scene.publish(("a", 10, 12))
    feed = await scene.add(name="")
    assert feed["name"] == "127.0.0.1"
    problem(await scene.host.post(scene.imports, {"url": feed["url"]}), 409, "feed_known")
    for n in range(9):
        await scene.add(f"/missing{n}")
    problem(await scene.host.post(scene.imports, {"url": scene.site.url("/more")}), 409, "too_many_feeds")
    problem(await scene.guest.get(scene.imports), 404, "not_found")
    problem(await scene.guest.post(scene.imports, {"url": feed["url"]}), 404, "not_found")
    problem(await scene.guest.delete(f"{scene.imports}/{feed['id']}"), 404, "not_found")
    problem(await scene.guest.post(f"{scene.imports}/{feed['id']}/refresh"), 404, "not_found")
    problem(await scene.guest.get(f"{scene.path}/calendar-link"), 404, "not_found")
    problem(await scene.host.post(scene.imports, {"url": "x" * 2_001}), 422, "invalid")


# Checkout


async def test_the_checkout_asks_again_so_that_a_night_sold_elsewhere_is_not_sold_here(scene: Scene) -> None:
    scene.publish(("a", 10, 12))
    await scene.add()
    when = stay(scene.house, 20, 2)
    quote = ok(await scene.guest.post(f"{scene.path}/quote", when | {"guests": 2}))
    scene.publish(("a", 10, 12), ("new", 20, 22))
    await scene.house.advance(120)
    wish = when | {"listing_id": scene.id, "guests": 2, "quote_id": quote["id"]}
    refused = await scene.guest.post("/api/bookings", wish, headers={"Idempotency-Key": "k"})
    problem(refused, 409, "dates_taken")
    assert await scene.taken() == [10, 11, 20, 21]


async def test_a_change_to_nights_that_were_just_sold_elsewhere_is_told_so(scene: Scene) -> None:
    booking = ok(await book(scene.guest, scene.id, stay(scene.house, 20, 3)), 201)
    await pay(scene.guest, booking["id"])
    scene.publish(("a", 10, 12))
    await scene.add()
    scene.publish(("a", 10, 12), ("new", 23, 24))
    await scene.house.advance(120)
    longer = {"check_out": stay(scene.house, 20, 4)["check_out"]}
    refused = await scene.guest.put(f"/api/bookings/{booking['id']}", longer)
    assert problem(refused, 409, "dates_taken")["rule"] == "imported"


async def test_the_checkout_goes_on_within_two_seconds_though_the_other_side_hangs(scene: Scene) -> None:
    scene.publish(("a", 10, 12))
    feed = await scene.add()
    scene.site.pages["/feed"] = hanging
    await scene.house.advance(120)
    began = time.perf_counter()
    ok(await book(scene.guest, scene.id, stay(scene.house, 20, 2)), 201)
    assert 1.5 <= time.perf_counter() - began < 3.5
    health = await scene.health()
    assert (health["state"], health["failures"]) == ("good", 0)
    problem(
        await scene.guest.post(f"{scene.path}/quote", stay(scene.house, 10, 2) | {"guests": 2}),
        409,
        "dates_taken",
    )
    scene.publish(("a", 10, 12))
    assert (await scene.refresh(feed))["state"] == "good"


async def test_the_checkout_goes_on_though_a_calendar_takes_long_to_be_read(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.publish(("a", 10, 12))
    await scene.add()
    read, go_on = ical_events.read_feed, threading.Event()

    def slowly(*what: Any) -> ical_events.Reading:
        assert go_on.wait(30)
        return read(*what)

    monkeypatch.setattr(ical_events, "read_feed", slowly)
    try:
        await booked_while_slow(scene, monkeypatch, 1.5)
    finally:
        go_on.set()
    await scene.house.settle()
    health = await scene.health()
    assert (health["state"], health["failures"], await scene.taken()) == ("good", 0, [10, 11])
    monkeypatch.undo()
    await scene.house.advance(QUARTER)
    assert await scene.taken() == [10, 11, 40, 41]


async def test_the_checkout_goes_on_though_a_calendar_takes_long_to_be_written_down(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.publish(("a", 10, 12))
    await scene.add()

    async def slowly(*what: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(feeds_reading, "take", slowly)
    await booked_while_slow(scene, monkeypatch, 2.5)
    monkeypatch.undo()
    await scene.house.advance(QUARTER)
    assert await scene.taken() == [10, 11, 40, 41]


async def test_a_guest_waits_two_seconds_in_all(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a calendar that comes in the last moment, and then is long in being written down."""
    scene.publish(("a", 10, 12))
    await scene.add()
    body = scene.site.pages["/feed"]

    async def late(request: web.Request) -> web.Response:
        await asyncio.sleep(1.6)
        return web.Response(body=body)

    async def never(*what: Any) -> None:
        await asyncio.Event().wait()

    scene.site.pages["/feed"] = late
    monkeypatch.setattr(feeds_reading, "take", never)
    await scene.house.advance(120)
    deps = scene.house.deps("listing")
    began = time.perf_counter()
    assert await freshen(deps, await store.calendar(deps.docs, UUID(scene.id)))
    assert 1.9 <= time.perf_counter() - began < 2.3


async def booked_while_slow(scene: Scene, monkeypatch: pytest.MonkeyPatch, within: float) -> None:
    """With a new stay in the feed that cannot be had in time."""
    monkeypatch.setattr(feeds_reading, "CHECKOUT_SECONDS", 0.5)
    scene.publish(("a", 10, 12), ("new", 40, 42))
    await scene.house.advance(120)
    began = time.perf_counter()
    ok(await book(scene.guest, scene.id, stay(scene.house, 20, 2)), 201)
    assert time.perf_counter() - began < within


# Export


async def test_the_link_shows_what_is_taken_and_nothing_of_who(scene: Scene) -> None:
    scene.publish(("a", 12, 14), ("b", 30, 31))
    feed = await scene.add()
    booking = ok(await book(scene.guest, scene.id, stay(scene.house, 10, 2)), 201)
    await pay(scene.guest, booking["id"])
    await scene.house.settle()
    url = ok(await scene.host.get(f"{scene.path}/calendar-link"))["url"]
    answer = await scene.house.client.get(url)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    text = answer.text
    dates = [line.partition(":")[2] for line in text.split("\r\n") if line.startswith(("DTSTART", "DTEND"))]
    assert dates == [f"{scene.day(n):%Y%m%d}" for n in (10, 14, 30, 31)]
    assert text.count("SUMMARY:Reserved") == 2
    for word in ("Gus", "Hanna", "guest", "host", "Creek", "Albany", booking["id"], str(scene.guest.id)):
        assert word not in text.replace("127.0.0.1", "")
    unchanged = await scene.house.client.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    without = (await scene.house.client.get(feed["export_url"])).text
    assert without.count("BEGIN:VEVENT") == 1


async def test_a_wrong_token_opens_nothing(scene: Scene) -> None:
    other = await open_home(scene.host, "Another cabin")
    link = ok(await scene.host.get(f"/api/listings/{other['id']}/calendar-link"))["url"]
    token = link.partition("token=")[2]
    for wrong in ("", "x", token, token[:-1], "é" * 10, token + "="):
        path = f"{scene.path}/calendar.ics"
        problem(await scene.house.client.get(path, params={"token": wrong}), 404, "not_found")
    missing = f"/api/listings/{uuid4()}/calendar.ics"
    problem(await scene.house.client.get(missing, params={"token": token}), 404, "not_found")


async def test_links_that_were_made_anew_open_it_and_those_of_before_do_not(scene: Scene) -> None:
    scene.publish(("a", 12, 14))
    feed = await scene.add()
    path = f"{scene.path}/calendar-link"
    old = [ok(await scene.host.get(path))["url"], feed["export_url"]]
    problem(await scene.guest.post(path, {}), 403, "forbidden")
    new = [ok(await scene.host.post(path, {}))["url"], (await scene.health())["export_url"]]
    assert new[0] == ok(await scene.host.get(path))["url"]
    for url in old:
        problem(await scene.house.client.get(url), 404, "not_found")
    for url in new:
        assert (await scene.house.client.get(url)).status_code == 200
    assert (await scene.refresh(feed))["export_url"] == new[1]
    assert await scene.taken() == [12, 13]


async def test_a_stay_under_way_is_the_same_event_until_it_ends(scene: Scene) -> None:
    block = {"from": scene.day(1).isoformat(), "to": scene.day(4).isoformat()}
    ok(await scene.host.post(f"{scene.path}/block-dates", block), 201)
    url = ok(await scene.host.get(f"{scene.path}/calendar-link"))["url"]
    first = await scene.house.client.get(url)
    for _ in range(3):  # its nights, one after the other
        await scene.house.advance(86_400)
        again = await scene.house.client.get(url, headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304
    await scene.house.advance(86_400)
    assert "BEGIN:VEVENT" not in (await scene.house.client.get(url)).text


async def test_our_own_calendar_read_back_takes_nothing(scene: Scene) -> None:
    ok(
        await scene.host.post(
            f"{scene.path}/block-dates",
            {"from": scene.day(10).isoformat(), "to": scene.day(12).isoformat()},
        ),
        201,
    )
    url = ok(await scene.host.get(f"{scene.path}/calendar-link"))["url"]
    own = (await scene.house.client.get(url)).content

    async def echo(_: web.Request) -> web.StreamResponse:
        return web.Response(body=own)

    scene.site.pages["/feed"] = echo
    feed = await scene.add()
    assert (feed["state"], feed["events"], feed["nights"]) == ("good", 0, 0)
    assert (await scene.taken(), await scene.taken("blocked")) == ([], [10, 11])
    scene.site.pages["/feed"] = own.replace(b"@127.0.0.1.hometrip", b"@before.example.hometrip")
    assert (await scene.refresh(feed))["events"] == 0  # nor is what had gone out before the house moved
    elsewhere = calendar_text(
        uuid4(), [Stay(scene.day(20), scene.day(21))], "other.example", scene.house.clock.now()
    )
    scene.site.pages["/feed"] = elsewhere
    assert (await scene.refresh(feed))["events"] == 1  # another marketplace's nights are not ours
