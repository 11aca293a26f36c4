"""The world of one simulated town: a house that may be closed and opened again, its people, and what the test
itself knows of their homes and stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import httpx2

from harness import Person, TestHouse, house_in
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.adapters.fetcher.web import WebFetcher
from hometrip.adapters.payments.sandbox import SandboxPayments
from hometrip.ports.fetcher import Fetcher
from hometrip.ports.payments import Payments
from journeys.steps import ok, open_home
from lives.town import STARTS, Home, Party, Price, Tax, a_home
from rules.oracle_price import Coupon
from web_server import LOOPBACK, WebServer, web_server

ONE = timedelta(days=1)
SECONDS_OF_ACCESS = 400 * 86_400
EMBEDDED: Mapping[str, str] = {}
LIVE = ("pending", "confirmed", "checked_in")


@dataclass
class Life:
    """A booking from its first day on. `left` is what was paid and has not gone back, as far as the steps
    say; `price` what it costs by the test's own reckoning, while that is known; `plain` until something
    happened to its money of which the rules do not say line by line whose the rest is.
    """

    id: str
    home: Home
    guest: str
    price: Price | None
    view: dict[str, Any]
    left: int = 0
    paid: int = 0
    cancelled: bool = False
    plain: bool = True
    # Has its guest paid at the provider, and the house may not know of it? Has a bank asked for money back?
    unheard: bool = False
    bank: bool = False
    half: bool = False
    # How many of its guests no tax is taken of; of a change that is open, who is to stay.
    exempt: int = 0
    asked: Party | None = None
    # What its coupon took off when it was booked: it keeps that, whatever becomes of the coupon.
    coupon: Coupon | None = None
    statuses: list[str] = field(default_factory=list)
    # From when its guest may come and until when to go; what that becomes by the change that was asked last.
    hours: tuple[str, str] = ("", "")
    hours_asked: tuple[str, tuple[str, str]] = ("", ("", ""))

    def __post_init__(self) -> None:
        self.hours = self.home.hours

    @property
    def path(self) -> str:
        return f"/api/bookings/{self.id}"

    @property
    def status(self) -> str:
        return str(self.view["status"])

    @property
    def total(self) -> int:
        return int(self.view["total"]["amount"])

    @property
    def currency(self) -> str:
        return self.home.place.currency

    @property
    def was_paid(self) -> bool:
        return self.view.get("confirmed_at") is not None

    @property
    def change(self) -> dict[str, Any] | None:
        """The open one."""
        change: dict[str, Any] | None = self.view.get("change")
        return change if change and change["status"].startswith("awaiting") else None

    def nights(self) -> set[date]:
        """Those that are kept for it: of its stay, and of one that it is to be."""
        if self.status not in (*LIVE, "completed") or self.view.get("beside_requests"):
            return set()
        stays = [self.view, *([self.change] if self.change else [])]
        return {night for stay in stays for night in nights_of(stay["check_in"], stay["check_out"])}

    def at(self, name: str) -> datetime:
        return instant_of(self.view[name])

    def see(self, view: dict[str, Any]) -> None:
        """How it stands now, and what that means for the money."""
        self.view = view
        if self.asked and not self.change:
            done = (view.get("change") or {}).get("status") == "done"
            self.exempt, self.asked = self.asked.exempt if done else self.exempt, None
        if asked := view.get("change"):
            if asked["id"] != self.hours_asked[0]:
                self.hours_asked = (asked["id"], self.home.hours)
            if asked["status"] == "done":
                self.hours = self.hours_asked[1]
        if self.statuses[-1:] != [view["status"]]:
            self.statuses.append(view["status"])
        if not self.was_paid or self.cancelled:
            return
        if view["status"] == "cancelled":
            self.cancelled, self.left = True, view["cancellation"]["kept"]["amount"]
            return
        paid = self.total - (view["balance"]["amount"] if view.get("balance") else 0)
        self.left, self.paid = max(0, self.left + paid - self.paid), paid


class Errors(logging.Handler):
    """Whatever is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(f"{record.name}: {record.getMessage()} {record.exc_info or ''}")


class World:
    """`chance` decides everything; `told` is what was done so far, a line each."""

    def __init__(self, folder: Path, seed: int, site: WebServer, engines: Mapping[str, str]) -> None:
        self.folder, self.seed, self.site, self.chance = folder, seed, site, Random(seed)
        self.engines = engines
        self.began = datetime(*self.chance.choice(STARTS), 9, 30, tzinfo=UTC)
        self.clock = MovableClock(SystemClock(), frozen_at=self.began)
        self.people: dict[str, Person] = {}
        self.homes: list[Home] = []
        self.lives: list[Life] = []
        self.told: list[str] = []
        self.closed: list[tuple[datetime, timedelta]] = []  # until when, and for how long
        # Hosts who have an account at the provider, and whether it can be paid.
        self.accounts: dict[str, bool] = {}
        # The ids of each area's rules of taxes, in the order in which its homes have them.
        self.tax_ids: dict[str, list[str]] = {}
        self.errors = Errors()
        self.calm_from = self.opened_at = self.began  # when what bad weather has put off is done
        self.bank_items: list[dict[str, Any]] = []  # disputes of banks, as they were told last
        self._open = contextlib.AsyncExitStack()
        self._use_threads()
        self.house: TestHouse

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def today(self) -> date:
        return self.now.date()

    @property
    def provider(self) -> SandboxPayments:
        found = self.house.house.shared[Payments]
        assert isinstance(found, SandboxPayments)
        return found

    @property
    def foul(self) -> bool:
        """Does the provider not answer, or has it not long enough since?"""
        return self.provider.weather != "fine" or self.now < self.calm_from

    @property
    def staff(self) -> Person:
        return self.people["staff"]

    async def open(self) -> None:
        self.opened_at = self.now
        self._before = asyncio.all_tasks()
        own = {"auth": {"access_seconds": SECONDS_OF_ACCESS}}
        self.house = await self._open.enter_async_context(
            house_in(self.folder, clock=self.clock, own=own, **self.engines)
        )
        self.house.house.shared[Fetcher].get = WebFetcher(LOOPBACK).get
        provider = self.provider
        self.webhooks = provider.undelivered
        provider.undelivered = _nothing  # type: ignore[method-assign]  # they come when a step brings them
        for person in self.people.values():
            person.client = self.house.client

    async def close(self) -> None:
        await self._open.aclose()

    async def fall(self, under_way: list[asyncio.Task[Any]]) -> None:
        """As if the process were killed: nothing that it does goes on, and nothing is put in order."""
        own = asyncio.all_tasks() - self._before - {asyncio.current_task()}
        for task in own:
            task.cancel()
        await asyncio.wait(own)
        self._threads.shutdown()  # what a thread has begun is done
        self._use_threads()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*under_way, return_exceptions=True)
        await self.close()
        self.clock.move_to(self.now + timedelta(seconds=2))
        await self.open()

    def _use_threads(self) -> None:
        """Those of one house, which end with it."""
        self._threads = ThreadPoolExecutor(4)
        asyncio.get_running_loop().set_default_executor(self._threads)

    async def settle(self) -> None:
        await self.house.settle()

    def say(self, what: str) -> None:
        self.told.append(f"{len(self.told):4} {self.now:%Y-%m-%d %H:%M:%S} {what}")

    def expect(self, holds: object, what: str) -> None:
        assert holds, what

    def draw(self) -> str:
        return str(UUID(int=self.chance.getrandbits(128), version=4))

    async def write(
        self, who: str, path: str, body: Any = None, *, verb: str = "POST", twice: bool = False
    ) -> httpx2.Response:
        """A write with a key; now and then it is sent twice, and answered alike."""
        person, headers = self.people[who], {"Idempotency-Key": self.draw()}
        sent = {"json": body, "headers": headers}
        answer = await person._send(verb, path, **sent)
        self._no_failure(answer)
        if twice and answer.status_code < 300 and self.chance.random() < 0.2:
            again = await person._send(verb, path, **sent)
            self.expect(
                (again.status_code, again.json()) == (answer.status_code, answer.json()),
                f"asked again with the same key: {again.status_code} {again.text}, before {answer.text}",
            )
        return answer

    async def read(self, who: str, path: str, **params: Any) -> httpx2.Response:
        answer = await self.people[who].get(path, params=params)
        self._no_failure(answer)
        return answer

    def _no_failure(self, answer: httpx2.Response) -> None:
        excused = answer.status_code == 503 and self.provider.weather != "fine"
        self.expect(answer.status_code < 500 or excused, f"{answer.status_code}: {answer.text}")

    async def look(self, life: Life) -> None:
        life.see(ok(await self.read("staff", life.path)))

    async def look_at_all(self) -> None:
        for life in self.lives:
            if life.status in LIVE or life.view["status"] == "expired":
                await self.look(life)

    async def look_at_requests(self) -> None:
        """What was done with one booking may have ended requests beside it."""
        for life in self.lives:
            if life.view.get("awaiting") == "host":
                await self.look(life)

    def taken(
        self, home: Home, besides: Life | None = None, guest: str = "", beside_requests: bool = False
    ) -> set[date]:
        """Nights of bookings; without those of one, of a guest's own unpaid hold, and of requests of others,
        beside which one can ask."""
        return {
            night
            for life in self.lives
            if life.home is home and life is not besides and not (guest and is_own_hold(life, guest))
            if not (beside_requests and life.guest != guest and life.view.get("awaiting") == "host")
            for night in life.nights()
        }

    def kept(self, home: Home) -> set[date]:
        """Nights that the host keeps, or kept by cancelling."""
        kept = {night for nights in home.blocks.values() for night in nights}
        return kept | self.kept_by_cancelling(home)

    def kept_by_cancelling(self, home: Home) -> set[date]:
        kept: set[date] = set()
        for life in self.lives:
            gone = life.view.get("cancellation")
            if life.home is home and life.was_paid and gone and gone["by"] != "guest":
                kept |= set(nights_of(life.view["check_in"], life.view["check_out"]))
        return kept

    def uses(self, home: Home, code: str, guest: str = "") -> int:
        """By how many the coupon is used, besides a guest's own unpaid hold."""
        return sum(
            life.view.get("coupon") == code
            and life.status in (*LIVE, "completed")
            and not (guest and is_own_hold(life, guest))
            for life in self.lives
            if life.home is home
        )

    def elsewhere(self, home: Home) -> set[date]:
        return {first + n * ONE for first, count in home.feed.values() for n in range(count)}

    def is_free(
        self, home: Home, first: date, nights: int, guest: str, life: Life | None = None, beside: bool = False
    ) -> bool:
        """May the guest have these nights, with those of preparation around them? `life` is to be changed,
        and has its own nights whoever sold them elsewhere; `beside` the requests of others they may at least
        be asked for."""
        booked = self.taken(home, life, guest, beside)
        own = set(nights_of(life.view["check_in"], life.view["check_out"])) if life else set()
        wanted = {first + n * ONE for n in range(nights)}
        around = {first + n * ONE for n in range(-home.preparation, nights + home.preparation)}
        elsewhere = self.elsewhere(home) - own
        return not (wanted & (booked | self.kept(home) | elsewhere) or around & booked)


def is_own_hold(life: Life, guest: str) -> bool:
    unpaid = ("unpaid", "requires_payment_method", "requires_action", "failed", "canceled")
    return life.guest == guest and life.status == "pending" and life.view["payment"]["status"] in unpaid


def nights_of(check_in: str, check_out: str) -> list[date]:
    first, end = date.fromisoformat(check_in), date.fromisoformat(check_out)
    return [first + n * ONE for n in range((end - first).days)]


def instant_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def _nothing() -> list[Any]:
    return []


@contextlib.asynccontextmanager
async def world_of(folder: Path, seed: int, engines: Mapping[str, str] = EMBEDDED) -> AsyncIterator[World]:
    """A town of two hosts, some homes and three guests; `engines` are the settings of those that are used."""
    async with web_server() as site:
        world = World(folder, seed, site, engines)
        logging.getLogger().addHandler(world.errors)
        try:
            await world.open()
            await _settle_in(world)
            yield world
        finally:
            logging.getLogger().removeHandler(world.errors)
            await world.close()


async def _settle_in(world: World) -> None:
    house, chance = world.house, world.chance
    for name in ("hanna", "heiko", "gus", "gerda", "greg"):
        world.people[name] = await house.sign_up(f"{name}@example.com", name.title())
    world.people["staff"] = await house.staff()
    for example in ok(await world.staff.get("/api/listings/taxes"))["items"]:  # which a switch would put on
        ok(await world.staff.delete(f"/api/listings/taxes/{example['id']}"), 204)
    taxes: dict[str, list[Tax]] = {}
    for number in range(chance.randrange(2, 5)):
        home = a_home(chance, world.today, taxes)
        home.host = chance.choice(("hanna", "heiko"))
        place = home.place
        made = await open_home(
            world.people[home.host],
            f"Home {number}",
            instant_book=home.instant,
            cancellation_policy=home.policy,
            address={
                "line1": "1 Long Road",
                "city": place.city,
                "region": place.region,
                "postcode": "1",
                "country": place.country,
            },
            location={"lat": place.lat, "lng": place.lng},
            rules={"pets": home.pets},
            stay_rules={"preparation_nights": home.preparation},
            check_in_from=home.hours[0],
            check_out_by=home.hours[1],
        )
        home.id = made["id"]
        world.expect(made["time_zone"] == place.zone, f"{made['time_zone']} is not {place.zone}")
        ok(await world.people[home.host].put(f"{home.path}/pricing", home.pricing))
        world.homes.append(home)
        world.say(f"{home.host} lets a home in {place.city}, {home.policy}, {place.currency}")
    for area, rules in taxes.items():
        place = next(home.place for home in world.homes if home.place.area == area)
        made = [ok(await world.staff.post("/api/listings/taxes", rule.body(place)), 201) for rule in rules]
        world.tax_ids[area] = [one["id"] for one in made]
    await world.settle()
