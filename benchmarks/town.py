"""What a load knows of a marketplace: its homes, and the guests who use it. It is read over the wire."""

from __future__ import annotations

import asyncio
import re
from datetime import date
from typing import Any, NamedTuple

import msgspec

from benchmarks.wire import Answer, Lines, request

PASSWORD = "a bench is not a seat"
PER_PAGE = 50
# Seconds between two looks at the pictures, and the most that may pass without a new one.
LOOK_AT_PICTURES, PICTURE_WITHIN = 3.0, 60.0


class Home(msgspec.Struct, frozen=True):
    id: str
    city: str
    lat: float
    lng: float
    guests: int
    min_nights: int
    instant: bool


class Guest(msgspec.Struct, frozen=True):
    id: str
    email: str
    token: str


class Town(msgspec.Struct, frozen=True):
    """`today` is the first day on which a stay can begin."""

    today: date
    homes: list[Home]
    guests: list[Guest]

    @property
    def instant(self) -> list[Home]:
        return [home for home in self.homes if home.instant]


class Unexpected(Exception):
    """The marketplace did not answer as the interface says."""


class Asked(NamedTuple):
    """The answers of one server, as records."""

    lines: Lines

    async def __call__(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, wanted: int = 200
    ) -> Any:
        answer: Answer = await self.lines.answer(request(method, path, body, token=token))
        if answer.status != wanted:
            said = answer.body[:300].decode(errors="replace")
            raise Unexpected(f"{method} {path}: {answer.status}, not {wanted}: {said}")
        return answer.record()


async def read_town(lines: Lines, guests: int) -> Town:
    """All homes that can be found, and so many fresh accounts."""
    ask = Asked(lines)
    hits = await find_all(ask)
    homes = await asyncio.gather(*(_home(ask, hit["id"]) for hit in hits))
    accounts = await asyncio.gather(*(sign_up(ask, number) for number in range(guests)))
    now = (await ask("GET", "/api/sandbox/clock"))["now"]
    return Town(today=date.fromisoformat(now[:10]), homes=list(homes), guests=list(accounts))


async def find_all(ask: Asked) -> list[dict[str, Any]]:
    """Every home that a search without any wish finds."""
    hits: list[dict[str, Any]] = []
    page = pages = 1
    while page <= pages:
        found = await ask("GET", f"/api/search?per_page={PER_PAGE}&page={page}&sort=newest")
        hits += found["items"]
        pages, page = found["pages"], page + 1
    if not hits:
        raise Unexpected("the marketplace has no homes")
    return hits


async def wait_for_pictures(lines: Lines) -> None:
    """The demo's pictures are drawn in the background; a measurement must not run beside that."""
    ask, missing, waited = Asked(lines), -1, 0
    while left := sum(not hit.get("cover") for hit in await find_all(ask)):
        waited = waited + 1 if left == missing else 0
        if waited * LOOK_AT_PICTURES > PICTURE_WITHIN:
            raise Unexpected(f"{left} pictures of the demo are missing, and no new one is drawn")
        missing = left
        await asyncio.sleep(LOOK_AT_PICTURES)


async def _home(ask: Asked, listing_id: str) -> Home:
    found = await ask("GET", f"/api/listings/{listing_id}")
    return Home(
        id=found["id"],
        city=found["address"]["city"],
        lat=found["location"]["lat"],
        lng=found["location"]["lng"],
        guests=found["guests"],
        min_nights=found["stay_rules"]["min_nights"],
        instant=found["instant_book"],
    )


async def sign_up(ask: Asked, number: int) -> Guest:
    """Through the door, as a person would: sign up, read the mail, follow its link."""
    email = f"bench-{number}@example.com"
    wish = {"email": email, "password": PASSWORD, "name": f"Bench {number}", "locale": "en"}
    await ask("POST", "/api/auth/signup", wish, wanted=202)
    token = await _mailed_token(ask, email)
    tokens = await ask("POST", "/api/auth/verify-email", {"token": token})
    me = await ask("GET", "/api/auth/me", token=tokens["access_token"])
    return Guest(id=me["id"], email=email, token=tokens["access_token"])


async def _mailed_token(ask: Asked, email: str) -> str:
    for _ in range(200):
        for mail in (await ask("GET", f"/api/sandbox/mailbox?to={email}"))["items"]:
            for link in mail["links"]:
                if found := re.search(r"[?&]token=([^&\s]+)", link):
                    return found[1]
        await asyncio.sleep(0.05)
    raise Unexpected(f"no verification mail came to {email}")
