"""The short way from a connection to a handler: what happens on it besides an answer at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx2
import msgspec
import pytest
import pytest_asyncio

from app.waiting import until
from doorstep import AnsweredLine, Socket, doorstep
from harness import TestHouse, house_in
from hometrip.app import metrics
from hometrip.app.edge.again import Again
from hometrip.app.edge.lane import HandlerLane
from hometrip.app.edge.ring import Ring
from hometrip.app.edge.routes import litestar_of
from hometrip.app.edge.straight import Straight
from hometrip.app.serving.front import Front
from hometrip.kernel.again import something_happens
from hometrip.kernel.deadline import seconds_left
from hometrip.kernel.events import current_cause
from hometrip.ports.outbox import Contended
from journeys.steps import ok, open_home

pytestmark = pytest.mark.asyncio(loop_scope="module")

Call = Callable[..., Awaitable[Any]]
GET = b"GET /api/listings/amenities HTTP/1.1\r\nHost: h\r\nX-Request-Id: %b\r\n\r\n"
QUOTE = "/api/listings/0190a0de-0000-7000-8000-000000000000/quote"
WISH = {"check_in": "2027-06-01", "check_out": "2027-06-04", "guests": 2}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestHouse]:
    async with house_in(tmp_path_factory.mktemp("lane")) as house:
        yield house


class Door:
    """A lane of its own, whose handlers are what `straight.call` is set to."""

    def __init__(self, house: TestHouse, **changes: Any) -> None:
        known: Any = house.opened.ring
        self.straight: Any = Straight(litestar_of(house.house))
        settings = msgspec.structs.replace(known.settings, **changes)
        routes = Again(self.straight)

        async def in_house(scope: Any, receive: Any, send: Any) -> None:
            await routes(scope | {"house": house.house}, receive, send)

        self.ring = Ring(in_house, settings=settings, identity=known._identity, cache=known._cache)
        self.front = Front(self.ring, self.ring, HandlerLane(self.ring, self.straight, house.house))


@asynccontextmanager
async def door_of(house: TestHouse, **changes: Any) -> AsyncIterator[tuple[Door, httpx2.AsyncClient]]:
    door = Door(house, **changes)
    async with doorstep(door.front) as client:
        yield door, client
        assert door.ring.busy == 0


def answer(text: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return 200, [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(text))], text


async def test_a_request_over_its_time_is_broken_off(house: TestHouse) -> None:
    ended = []

    async def endless(*_: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(seconds_left(1.0))

    async with door_of(house, seconds=0.05) as (door, client):
        door.straight.call = endless
        told = await client.get("/api/listings/amenities")
        assert (told.status_code, told.json()["code"]) == (503, "deadline_exceeded")
        assert told.headers["retry-after"] == "1"
    assert ended[0] <= 0


async def test_a_handler_knows_how_long_it_has_and_for_whom_it_works(house: TestHouse) -> None:
    seen: list[Any] = []

    async def look(*_: Any) -> Any:
        seen.append((seconds_left(100.0), current_cause.get().correlation_id))
        return answer(b'"seen"')

    async with door_of(house, seconds=7.0) as (door, client):
        door.straight.call = look
        for name in ("first-request", "other-request"):
            ok(await client.get("/api/listings/amenities", headers={"X-Request-Id": name}))
    assert all(6.5 < left <= 7.0 for left, _ in seen)
    assert [name for _, name in seen] == ["first-request", "other-request"]
    assert current_cause.get().correlation_id == ""


async def test_a_write_that_is_contended_is_begun_again_and_a_read_is_not(house: TestHouse) -> None:
    calls = []

    async def contended(*_: Any) -> Any:
        calls.append("call")
        if len(calls) % 3:
            raise Contended
        return answer(b"done")

    async with door_of(house) as (door, client):
        door.straight.call = contended
        assert (await client.post(QUOTE, json=WISH)).text == "done"
        assert len(calls) == 3
        refused = await client.get("/api/listings/amenities")
        assert (refused.status_code, refused.json()["code"]) == (503, Contended.code)
        assert len(calls) == 4


async def test_a_write_of_which_something_has_happened_is_not_begun_again(house: TestHouse) -> None:
    calls = []

    async def half_done(*_: Any) -> Any:
        calls.append("call")
        something_happens()
        raise Contended

    async with door_of(house) as (door, client):
        door.straight.call = half_done
        assert (await client.post(QUOTE, json=WISH)).json()["code"] == Contended.code
    assert calls == ["call"]


async def test_what_was_begun_is_done_to_its_end_though_the_client_goes(house: TestHouse) -> None:
    go_on, done = asyncio.Event(), []

    async def slow(*_: Any) -> Any:
        await go_on.wait()
        done.append("done")
        return answer(b"too late")

    async with door_of(house) as (door, _):
        door.straight.call = slow
        socket, line = Socket("127.0.0.1"), AnsweredLine(door.front)
        line.connection_made(cast("Any", socket))
        line.data_received(GET % b"request-1")
        await until(lambda: door.ring.busy == 1)
        line.connection_lost(None)
        go_on.set()
        await until(lambda: door.ring.busy == 0)
    assert (done, socket.heard) == (["done"], b"")


async def test_requests_that_are_sent_ahead_are_answered_in_their_order(house: TestHouse) -> None:
    async def slow_first(*_: Any) -> Any:
        name = current_cause.get().correlation_id
        await asyncio.sleep(0.05 if name.endswith("0") else 0)
        return answer(name.encode())

    async with door_of(house) as (door, _):
        door.straight.call = slow_first
        socket, line = Socket("127.0.0.1"), AnsweredLine(door.front)
        line.connection_made(cast("Any", socket))
        names = [b"request-%d" % number for number in range(5)]
        line.data_received(b"".join(GET % name for name in names))
        await until(lambda: socket.heard.count(b"HTTP/1.1 200") == 5)
        line.connection_lost(None)
    bodies = [part.rpartition(b"\r\n\r\n")[2] for part in bytes(socket.heard).split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == names


async def test_a_body_that_is_not_whole_yet_is_waited_for(house: TestHouse) -> None:
    async with door_of(house) as (_, client):

        async def parts() -> AsyncIterator[bytes]:
            yield b'{"check_in": "2027-06-01", '
            yield b'"check_out": "2027-06-04", "guests": 2}'

        headers = {"Content-Type": "application/json"}
        told = await client.post(QUOTE, content=parts(), headers=headers)
        assert (told.status_code, told.json()["code"]) == (404, "not_found")


# what is at hand


async def test_days_that_were_told_are_told_again_at_once_and_as_they_are_now(house: TestHouse) -> None:
    host = await house.sign_up("at-hand@example.com", "Hanna Hand")
    path = f"/api/listings/{(await open_home(host))['id']}"
    days = f"{path}/availability?from=2027-06-01&to=2027-06-08"
    await house.settle()  # what writes meanwhile makes the answer anew
    async with door_of(house, limits=True, anonymous_limit=1000) as (door, client):
        handled = counted_calls(door)
        told = [await client.get(days) for _ in range(6)]
        assert len({each.content for each in told}) == 1
        assert len(handled) == 3  # then it was worth keeping
        wanted = {"content-type", "content-length", "cache-control", "x-request-id", "ratelimit-limit"}
        assert all(wanted <= each.headers.keys() == told[0].headers.keys() for each in told)
        assert len({each.headers["x-request-id"] for each in told}) == 6
        # Taking a night changes what is told, to everybody, from then on.
        ok(await host.post(f"{path}/block-dates", {"from": "2027-06-03", "to": "2027-06-04"}), 201)
        now = ok(await client.get(days))["days"]
        assert [day["free"] for day in now] == [day["date"] != "2027-06-03" for day in now]
        assert len(handled) == 4


async def test_what_is_answered_at_once_is_counted_once(house: TestHouse) -> None:
    host = await house.sign_up("counted@example.com", "Conny Count")
    days = f"/api/listings/{(await open_home(host))['id']}/availability?from=2027-06-01&to=2027-06-08"
    await house.settle()  # what writes meanwhile makes the answer anew
    async with door_of(house, limits=True, anonymous_limit=40) as (door, client):
        handled = counted_calls(door)
        left = []
        while (told := await client.get(days)).status_code == 200:
            left.append(int(told.headers["ratelimit-remaining"]))
        assert left == list(range(left[0], -1, -1))
        assert len(handled) == 3
        assert (told.status_code, told.json()["code"]) == (429, "too_many_requests")
        assert told.headers["retry-after"]
        assert (await client.get(days)).status_code == 429


async def test_what_cannot_be_answered_at_once_is_asked_of_the_handler(
    house: TestHouse, caplog: pytest.LogCaptureFixture
) -> None:
    host = await house.sign_up("not-yet@example.com", "Nora Notyet")
    path = f"/api/listings/{(await open_home(host))['id']}/availability"
    async with door_of(house) as (door, client):
        for _ in range(6):
            ok(await client.get(path))  # from today on, whenever that is
        refused = await client.get(f"{path}?from=2027-06-08&to=2027-06-01")
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "not_after_from")
        days = f"{path}?from=2027-06-01&to=2027-06-08"
        told = [ok(await client.get(days)) for _ in range(4)]
        door.straight.at_hand = broken
        assert thrown(caplog) == []
        assert ok(await client.get(days)) == told[0]
        assert thrown(caplog) == [ZeroDivisionError]
        del door.straight.at_hand
        # Nobody but its host sees a home that is not published, whatever was told of it before.
        ok(await host.patch(path.removesuffix("availability") + "toggle-active"))
        assert (await client.get(days)).status_code == 404


async def test_most_of_a_crowd_is_refused_at_once_as_the_handler_refuses(house: TestHouse) -> None:
    host = await house.sign_up("crowded@example.com", "Cora Crowded")
    listing = (await open_home(host))["id"]
    stay = {"check_in": "2027-06-01", "check_out": "2027-06-04", "guests": 2}
    quote = ok(await host.post(f"/api/listings/{listing}/quote", stay))
    wish = stay | {"listing_id": listing, "quote_id": quote["id"]}
    guests = [await house.sign_up(f"in-crowd-{number}@example.com", "Guest Crowd") for number in range(5)]
    async with door_of(house) as (door, client):

        async def book(number: int, key: str, **more: Any) -> httpx2.Response:
            headers = guests[number].headers | {"Idempotency-Key": key}
            return await client.post("/api/bookings", json=wish | more, headers=headers)

        booked = ok(await book(0, "first"), 201)
        handled, counted = counted_calls(door), metrics.DATES_TAKEN._value.get()
        told = [await book(number, f"late-{number}") for number in (1, 2, 3, 4)]
        assert {(each.status_code, each.json()["code"]) for each in told} == {(409, "dates_taken")}
        assert len({str(each.json() | {"request_id": ""}) for each in told}) == 1
        assert told[0].json()["free_instead"]
        assert len({frozenset(each.headers) for each in told}) == 1
        assert len(handled) == 1  # whoever came first found out what is free instead
        assert metrics.DATES_TAKEN._value.get() == counted + 4
        # What is another matter is the handler's: an answer that was given before, a wish beside requests.
        assert ok(await book(0, "first"), 201) == booked
        assert (await book(1, "beside", beside_requests=True)).status_code == 409
        assert (await book(1, "two-prices", expected_total=quote["total"])).status_code == 422
        assert len(handled) == 4
        # Nights that are free again are had at once.
        ok(await guests[0].post(f"/api/bookings/{booked['id']}/cancel", {}))
        ok(await book(2, "free-again"), 201)


def broken(*_: Any) -> Any:
    raise ZeroDivisionError


def thrown(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """The errors that the log tells of whole, whatever else it tells."""
    return [record.exc_info[0] for record in caplog.records if record.exc_info]


def counted_calls(door: Door) -> list[str]:
    """The paths that a handler was called for."""
    called: list[str] = []
    known = door.straight.call

    async def call(way: Any, scope: Any, arguments: Any) -> Any:
        called.append(scope["path"])
        return await known(way, scope, arguments)

    door.straight.call = call
    return called
