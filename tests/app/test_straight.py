"""The straight way to a handler says what Litestar says, of everything, and takes what is common."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx2
import msgspec
import pytest
import pytest_asyncio
from litestar.routes import HTTPRoute

from doorstep import doorstep
from harness import Person, TestHouse, house_in
from hometrip.app.edge.lane import HandlerLane
from hometrip.app.edge.ring import Ring
from hometrip.app.edge.routes import litestar_of
from hometrip.app.edge.straight import Straight, way_to
from hometrip.app.serving.front import Front
from journeys.steps import book, ok, open_home, stay

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = {"content-type": "application/json"}


class Beside:
    """Litestar's own application, and how often it was asked."""

    def __init__(self, litestar: Any) -> None:
        self.routes, self._litestar, self.asked = litestar.routes, litestar, 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        await self._litestar(scope, receive, send)


class Scene:
    """A house with three doors: the straight way is taken by the first in ASGI, by the second without it, and
    by the third never.
    """

    def __init__(self, house: TestHouse, beside: Beside, *doors: httpx2.AsyncClient) -> None:
        self.house, self.beside = house, beside
        self.straight, self.lane, self.litestar = doors
        self.people: dict[str, Person] = {}
        self.home = self.booking = ""

    async def told(self, client: httpx2.AsyncClient, method: str, path: str, who: str, **sent: Any) -> Any:
        headers = dict(self.people[who].headers) if who else {}
        answer = await client.request(method, path, headers=headers | sent.pop("headers", {}), **sent)
        said = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
        body: Any = answer.content
        if body and "json" in answer.headers.get("content-type", ""):
            body = msgspec.json.decode(body)
            if isinstance(body, dict):
                body.pop("request_id", None)
        return answer.status_code, said, body

    async def same(self, method: str, path: str, who: str = "", *, straight: bool, **sent: Any) -> Any:
        """Asked by all doors; what they say is the same, and whether Litestar was needed as expected."""
        told = await self.told(self.litestar, method, path, who, **dict(sent))
        for client in (self.straight, self.lane):
            before = self.beside.asked
            found = await self.told(client, method, path, who, **dict(sent))
            assert (self.beside.asked == before) is straight, (method, path, found)
            assert without_date(found) == told
        return told


def without_date(told: Any) -> Any:
    """ASGI leaves the date to the server."""
    status, headers, body = told
    return status, {name: value for name, value in headers.items() if name != "date"}, body


def ring_around(house: TestHouse, app: Any) -> Ring:
    known: Any = house.opened.ring

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        scope["house"] = house.house
        await app(scope, receive, send)

    return Ring(inside, settings=known.settings, identity=known._identity, cache=known._cache)


@asynccontextmanager
async def door(house: TestHouse, app: Any) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(ring_around(house, app), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:3001") as client:
        yield client


@asynccontextmanager
async def lane_door(house: TestHouse, straight: Straight) -> AsyncIterator[httpx2.AsyncClient]:
    ring = ring_around(house, straight)
    async with doorstep(Front(ring, ring, HandlerLane(ring, straight, house.house))) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with house_in(tmp_path_factory.mktemp("straight")) as house:
        litestar = litestar_of(house.house)
        beside = Beside(litestar)
        made: Any = Straight
        straight = made(beside)
        async with (
            door(house, straight) as one,
            lane_door(house, straight) as other,
            door(house, litestar) as last,
        ):
            scene = Scene(house, beside, one, other, last)
            host = await house.sign_up("host@example.com", "Hanna Host")
            guest = await house.sign_up("guest@example.com", "Gus Guest")
            other_guest = await house.sign_up("other@example.com", "Olga Other")
            scene.people = {"host": host, "guest": guest, "other": other_guest, "staff": await house.staff()}
            scene.home = (await open_home(host))["id"]
            scene.booking = ok(await book(guest, scene.home, stay(house)), 201)["id"]
            await house.settle()
            yield scene


async def test_what_is_read_all_the_time_is_the_same_by_both_ways(scene: Scene) -> None:
    home, guest = f"/api/listings/{scene.home}", scene.people["guest"]
    for path in (
        "/health",
        "/api/search?city=Albany&guests=2",
        "/api/search/popular",
        "/api/search/autocomplete?q=alb",
        home,
        f"{home}/availability?from=2027-05-01&to=2027-06-01",
        f"{home}/availability",
        "/api/listings/amenities?lang=de",
        f"/api/bookings/availability?listing_id={scene.home}&check_in=2027-06-01&check_out=2027-06-04",
        "/api/auth/.well-known/jwks.json",
        f"/api/users/{guest.id}/public",
    ):
        status, headers, _ = await scene.same("GET", path, straight=True)
        assert status == 200
        assert headers["content-type"] == "application/json"
    for path in ("/api/bookings/user?limit=5", f"/api/bookings/{scene.booking}", f"/api/users/{guest.id}"):
        status, _, _ = await scene.same("GET", path, "guest", straight=True)
        assert status == 200


async def test_conditions_heads_and_what_may_be_kept_are_the_same(scene: Scene) -> None:
    path = f"/api/listings/{scene.home}"
    _, headers, _ = await scene.same("GET", path, straight=True)
    status, _, body = await scene.same("GET", path, straight=True, headers={"if-none-match": headers["etag"]})
    assert (status, body) == (304, b"")
    status, _, body = await scene.same("HEAD", path, straight=True)
    assert (status, body) == (200, b"")
    _, headers, _ = await scene.same("GET", "/api/search/popular", straight=True)
    assert "max-age=60" in headers["cache-control"]
    _, headers, _ = await scene.same("GET", "/api/search/popular", "guest", straight=True)
    assert headers["cache-control"] == "no-store"


async def test_what_a_handler_refuses_is_told_the_same(scene: Scene) -> None:
    home = f"/api/listings/{scene.home}"
    taken = stay(scene.house) | {"guests": 2}
    for method, path, who, status, sent in (
        ("GET", f"/api/listings/{uuid4()}", "", 404, {}),
        ("GET", f"{home}/availability?from=2027-05-02&to=2027-05-01", "", 422, {}),
        ("GET", f"/api/bookings/{scene.booking}", "host", 200, {}),
        ("GET", f"/api/bookings/{uuid4()}", "guest", 404, {}),
        ("GET", "/api/bookings", "staff", 200, {}),
        ("POST", f"{home}/quote", "", 409, {"json": taken}),
        ("POST", f"{home}/quote", "", 422, {"json": taken | {"check_out": taken["check_in"]}}),
        ("PATCH", home, "guest", 403, {"json": {"title": "Mine"}, "headers": {"If-Match": '"1"'}}),
        ("PATCH", home, "host", 412, {"json": {"title": "Ours"}, "headers": {"If-Match": '"999"'}}),
        ("POST", "/api/payments/intent", "guest", 404, {"json": {"booking_id": str(uuid4())}}),
    ):
        found, headers, _ = await scene.same(method, path, who, straight=True, **sent)
        assert found == status, (path, found)
        if status >= 400:
            assert headers["content-type"] == "application/problem+json"


async def test_whatever_is_out_of_the_common_is_litestars(scene: Scene) -> None:
    home = f"/api/listings/{scene.home}"
    wish = stay(scene.house, days=60) | {"guests": 2}
    for method, path, who, status, sent in (
        ("GET", "/api/bookings/user", "", 401, {}),
        ("GET", "/api/bookings", "guest", 403, {}),
        ("GET", "/api/bookings/user", "", 401, {"headers": {"authorization": "Bearer no.such.token"}}),
        ("GET", "/api/nothing/here", "", 404, {}),
        ("GET", "/api/listings/not-an-id", "", 404, {}),
        ("GET", f"/api/listings/{UUID(scene.home).hex}", "", 200, {}),
        ("GET", home.upper().replace("/API/LISTINGS", "/api/listings"), "", 200, {}),
        ("GET", home + "/", "", 200, {}),
        ("GET", home.replace("/listings/", "//listings/"), "", 200, {}),
        ("GET", f"{home}/availability?from=soon", "", 422, {}),
        ("GET", f"{home}/availability?form=2027-05-01", "", 422, {}),
        ("GET", f"{home}/availability?from=2027-05-01&from=2027-05-02", "", None, {}),
        ("GET", "/api/bookings/user?limit=1000", "guest", 422, {}),
        ("GET", "/api/search?guests=none", "", 422, {}),
        ("GET", "/api/search?guest=2", "", 422, {}),
        ("GET", home, "", 400, {"headers": {"host": "no host at all"}}),
        ("OPTIONS", home, "", None, {}),
        ("TRACE", home, "", 405, {}),
        ("DELETE", "/api/search", "", 405, {}),
        ("POST", f"{home}/quote", "", 400, {"content": b"{", "headers": JSON}),
        ("POST", f"{home}/quote", "", 400, {"content": b"[" * 60_000, "headers": JSON}),
        ("POST", f"{home}/quote", "", None, {"content": b"", "headers": JSON}),
        ("POST", f"{home}/quote", "", 415, {"content": b"<a/>", "headers": {"content-type": "text/xml"}}),
        ("POST", f"{home}/quote", "", 422, {"json": wish | {"gests": 2}}),
        ("POST", f"{home}/quote", "", 422, {"json": wish | {"guests": "many"}}),
        ("POST", f"{home}/quote", "", 422, {"json": [wish]}),
        ("POST", "/api/bookings", "", 401, {"json": {}}),
        ("POST", "/api/bookings", "guest", 422, {"json": {}, "headers": {"Idempotency-Key": "two words"}}),
        ("GET", "/api/openapi.json", "", 200, {}),
        ("GET", "/api/docs", "", 200, {}),
    ):
        found, _, _ = await scene.same(method, path, who, straight=False, **sent)
        assert found == status or status is None, (method, path, found)


async def test_a_body_that_comes_in_parts_or_is_long_is_read_whole(scene: Scene) -> None:
    path = f"/api/listings/{scene.home}/quote"
    wish = stay(scene.house) | {"guests": 2}
    body = msgspec.json.encode(wish)
    long = body[:-1] + b" " * 100_000 + b"}"

    async def parts(of: bytes) -> AsyncIterator[bytes]:
        for at in range(0, len(of), 7 if of is body else 30_000):
            yield of[at : at + (7 if of is body else 30_000)]

    for content, straight in ((parts(body), False), (long, False), (parts(long), False), (body, True)):
        before = scene.beside.asked
        answer = await scene.straight.post(path, content=content, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (409, "dates_taken")
        assert (scene.beside.asked == before) is straight
    answer = await scene.straight.post(
        path, content=parts(body), headers=JSON | {"content-length": str(len(body))}
    )
    assert answer.status_code == 409


async def test_a_booking_is_made_once_whichever_way_its_key_comes(scene: Scene) -> None:
    guest, when = scene.people["other"], stay(scene.house, days=90)
    path = f"/api/listings/{scene.home}/quote"
    quote = ok(await scene.straight.post(path, json=when | {"guests": 2}, headers=guest.headers))
    wish = when | {"listing_id": scene.home, "guests": 2, "quote_id": quote["id"]}
    headers = guest.headers | {"Idempotency-Key": str(uuid4())}
    before = scene.beside.asked
    first = await scene.straight.post("/api/bookings", json=wish, headers=headers)
    assert (first.status_code, scene.beside.asked) == (201, before)
    for client in (scene.litestar, scene.straight):
        again = await client.post("/api/bookings", json=wish, headers=headers)
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["etag"] == first.headers["etag"] == '"1"'
        assert again.headers["content-type"] == "application/json"


async def test_what_may_not_be_asked_often_is_counted_by_both(scene: Scene) -> None:
    """Its own limit holds whichever way is taken, and a request counts once."""
    seen: list[str] = []

    class Counting:
        async def hit(self, key: str, *given: Any) -> Any:
            seen.append(key)
            return await scene.house.opened.ring._cache.hit(key, *given)

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        scope |= {"house": scene.house.house, "limits": Counting()}
        await Straight(litestar_of(scene.house.house))(scope, receive, send)

    known: Any = scene.house.opened.ring
    ring = Ring(asked, settings=known.settings, identity=known._identity, cache=known._cache)
    transport = httpx2.ASGITransport(ring, client=("127.0.0.77", 5), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:3001") as client:
        await client.post("/api/auth/login", json={"email": "nobody@example.com", "password": "wrong"})
        await client.post("/api/auth/login", json={"email": "nobody@example.com"})
    assert [key.split(":")[1] for key in seen] == ["login", "login"]


async def test_every_handler_of_json_has_a_straight_way() -> None:
    """Others take or give something else, have no answer, or are counted before they are read."""
    from hometrip.app.edge.routes import routes_for

    names = ("auth", "user", "listing", "booking", "payment", "search", "notification")
    app = routes_for(names, door=True, sandbox=True)
    without = {
        f"{method} {route.path}": handler
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS" and way_to(route, method) is None
    }
    reasons = {
        place
        for place, handler in without.items()
        if handler.status_code == 204
        or handler.media_type != "application/json"
        or handler.opt.get("limit")
        or "/photos" in place
        or place in ("POST /api/webhook/stripe", "POST /api/listings/import")
    }
    assert without.keys() == reasons
