"""A small constant load of every kind on a house, and what the documentation says of it while an engine is
away.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import httpx2
from PIL import Image

from harness import PASSWORD, Person
from journeys.steps import ok, open_home
from server import Server
from split_house import SplitHouse

TABLE = Path(__file__).parents[2] / "docs" / "explanation" / "when-an-engine-is-away.md"
# The engines as the table calls them, and as scripts/engines does.
NAMES = {
    "PostgreSQL": "postgres",
    "MongoDB": "mongo",
    "Redis": "redis",
    "RabbitMQ": "rabbitmq",
    "OpenSearch": "opensearch",
    "Consul": "consul",
    "S3": "s3",
    "Jaeger": "jaeger",
}
# How long anybody waits at most until a visit is over; to book and pay takes five requests.
PATIENCE = 15.0
PAUSE = 0.2
# So many visits that go well, one after the other, are no accident.
FEW = 3


class Seen(NamedTuple):
    """What one visit came to: at which second, its status, how long it took."""

    at: float
    status: int
    old: bool
    seconds: float
    told: str = ""

    @property
    def fits(self) -> str:
        """The word of the table that it is."""
        if self.status >= 300:
            return str(self.status)
        return "old" if self.old else "works"


def promised() -> dict[str, dict[str, set[str]]]:
    """What the table says: by engine and route group, the words that may be seen."""
    lines = [line.strip("| \n").split(" | ") for line in TABLE.read_text().splitlines() if line[:1] == "|"]
    groups = [word.strip() for word in lines[0][1:]]
    return {
        row[0].strip(): dict(zip(groups, (set(cell.split(" or ")) for cell in row[1:]), strict=True))
        for row in lines[2:]
    }


def allowed(words: set[str]) -> set[str]:
    """What may be seen of them at the door: that something follows later cannot."""
    return {"works" if word == "late" else word for word in words}


class Town:
    """People who do all that a table's columns name, again and again; `seen` is what they met."""

    def __init__(self, house: SplitHouse, host: Person, guest: Person, home: str) -> None:
        self.house, self.host, self.guest, self.home = house, host, guest, home
        self.seen: dict[str, list[Seen]] = {}
        self.paid: list[str] = []
        self._nights = count(20)
        self._today = house.clock.now().date()
        self._picture = _picture()

    @classmethod
    async def of(cls, house: SplitHouse) -> Town:
        host = await house.sign_up("host@example.com", "Hanna Host")
        home = await open_home(
            host,
            stay_rules={"window_days": 730, "min_nights": 1, "max_nights": 30},
        )
        guest = await house.sign_up("guest@example.com", "Gus Guest")
        await house.settle()
        return cls(house, host, guest, home["id"])

    @property
    def groups(self) -> dict[str, Callable[[], Awaitable[httpx2.Response]]]:
        client = self.house.client
        return {
            "search": lambda: client.get("/api/search", params={"q": "creek", "city": "Albany"}),
            "homes": lambda: client.get(f"/api/listings/{self.home}"),
            "sign in": lambda: client.post(
                "/api/auth/login", json={"email": self.guest.email, "password": PASSWORD}
            ),
            "own pages": self._own_pages,
            "book and pay": self._book_and_pay,
            "host": lambda: self.host.post("/api/listings", {"title": "A draft"}),
            "pictures": self._pictures,
        }

    @contextlib.asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """All of them at it, until the end of the block."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as people:
            for name, visit in self.groups.items():
                people.create_task(self._go_on(name, visit, over))
            try:
                yield
            finally:
                over.set()

    async def each_once_more(self) -> None:
        """Until everybody has begun and ended a visit from now on."""
        before = {name: len(self.seen.get(name, ())) for name in self.groups}
        while any(len(self.seen.get(name, ())) < many + 2 for name, many in before.items()):  # noqa: ASYNC110 - visits of several tasks end here
            await asyncio.sleep(0.02)

    async def well_since(self, at: float) -> None:
        """Until the last few visits of each kind, of those begun then or later, have gone well."""
        while not all(self._goes_well(name, at) for name in self.groups):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)

    def _goes_well(self, name: str, at: float) -> bool:
        last = [one for one in self.seen.get(name, [])[-FEW:] if one.at >= at]
        return [one.fits for one in last] == ["works"] * FEW

    def since(self, at: float) -> Iterable[tuple[str, Seen]]:
        """Visits that began then or later."""
        return [(name, one) for name, many in self.seen.items() for one in many if one.at >= at]

    async def _go_on(
        self, name: str, visit: Callable[[], Awaitable[httpx2.Response]], over: asyncio.Event
    ) -> None:
        while not over.is_set():
            began = time.monotonic()
            try:
                answer = await visit()
                told = "" if answer.status_code < 300 else answer.text[:200]
                old = "110" in answer.headers.get("warning", "")
                seen = Seen(began, answer.status_code, old, time.monotonic() - began, told)
            except httpx2.TransportError as error:
                seen = Seen(began, 0, False, time.monotonic() - began, repr(error))
            self.seen.setdefault(name, []).append(seen)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), PAUSE)

    async def _own_pages(self) -> httpx2.Response:
        answer = await self.guest.get(f"/api/users/{self.guest.id}")
        return answer if answer.status_code >= 300 else await self.guest.get("/api/bookings/user")

    async def _book_and_pay(self) -> httpx2.Response:
        first = self._today + timedelta(days=next(self._nights))
        when = {"check_in": first.isoformat(), "check_out": (first + timedelta(days=1)).isoformat()}
        answer = await self.guest.post(f"/api/listings/{self.home}/quote", when | {"guests": 1})
        if answer.status_code >= 300:
            return answer
        wish = when | {"listing_id": self.home, "guests": 1, "quote_id": answer.json()["id"]}
        answer = await self.guest.post("/api/bookings", wish, headers={"Idempotency-Key": str(uuid4())})
        if answer.status_code >= 300:
            return answer
        booking_id = answer.json()["id"]
        answer = await self.guest.post("/api/payments/intent", {"booking_id": booking_id})
        if answer.status_code >= 300:
            return answer
        path = f"/api/payments/{answer.json()['id']}/confirm"
        answer = await self.guest.post(path, {"payment_method": "pm_card_visa"})
        if answer.status_code == 200:
            self.paid.append(booking_id)
        return answer

    async def _pictures(self) -> httpx2.Response:
        """One is added, and one taken away again, so that there is always room for another."""
        path = f"/api/listings/{self.home}/photos"
        sent = {"photos": ("a.jpg", self._picture, "image/jpeg")}
        answer = await self.host._send("POST", path, files=sent)
        if answer.status_code >= 300:
            return answer
        return await self.host.delete(f"{path}/{answer.json()['items'][-1]['id']}")

    async def confirmed(self) -> None:
        """Everything that was paid is confirmed: what was to follow, has followed."""
        for booking_id in self.paid:
            while ok(await self.guest.get(f"/api/bookings/{booking_id}"))["status"] != "confirmed":  # noqa: ASYNC110 - seen through the door
                await asyncio.sleep(0.1)


def processes_of(server: Server) -> dict[int, str]:
    """The processes that a running `up --split` has started: which service each is."""
    assert server.process
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    found = {}
    for child in children:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            words = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
            if "serve" in words:
                found[int(child)] = words[words.index("serve") + 1]
    return found


def _picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(out, "JPEG")
    return out.getvalue()
