"""S4, S5, S6: durable bookings, crowds who want the same nights, and calendars, beside PostgreSQL's pgbench,
SQLite alone and a rival in Express on PostgreSQL.

    python -m benchmarks.booking [--rounds 5] [--seconds 3] [--crowd 1000] [--crowd-rounds 2]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from benchmarks import beside, crowd, machine, processes, raw_postgres, report, rounds
from benchmarks.beside import say
from benchmarks.generator import Job
from benchmarks.plain import PlainJob
from benchmarks.processes import HOMETRIP, Failed, Served
from benchmarks.town import Town, read_town
from benchmarks.wire import request

SQLITE, POSTGRES = "HomeTrip on SQLite", "HomeTrip on PostgreSQL"
# So many processes on one folder, beside one alone.
SEVERAL = 2
USUAL, TUNED = "Express, as usual", "Express, tuned"
# How many of the guests make the durable bookings; `slots.py` gives each their own days.
BOOKERS = 48
CLIENTS, AT_ONCE = 64, 500
FINE = ("201", "409 dates_taken")
SOLD_TWICE = """
SELECT count(*) FROM bookings a JOIN bookings b
ON a.listing_id = b.listing_id AND a.id < b.id AND a.check_in < b.check_out AND b.check_in < a.check_out
"""


def options() -> argparse.Namespace:
    parser = rounds.options("Bookings and calendars beside pgbench, SQLite alone and Express", seconds=3.0)
    parser.add_argument("--crowd", type=int, default=1000, help="guests who want the same [1000]")
    parser.add_argument("--crowd-rounds", type=int, default=2, help="of the crowds; they are counted [2]")
    parser.add_argument("--rate", type=float, default=200.0, help="calendars a second, open load [200]")
    return parser.parse_args()


class Ours(msgspec.Struct, frozen=True):
    served: Served
    town: Town
    data: Path
    settings: dict[str, str]


class Theirs(msgspec.Struct, frozen=True):
    """`tokens` are of as many guests as ours has."""

    served: Served
    database: str
    tokens: list[str]


async def seeded(data: Path, settings: dict[str, str]) -> None:
    """A folder with the demo in it, all of its pictures drawn: that would go on beside the load."""
    for command in ("migrate", "seed"):
        words = (command, "--data", str(data))
        code, said = await processes.output(str(HOMETRIP), *words, settings=settings)
        if code:
            raise Failed(said.decode())


@contextlib.asynccontextmanager
async def house(data: Path, settings: dict[str, str], guests: int, several: int = 1) -> AsyncIterator[Ours]:
    """So many processes on a folder; with settings, their relational databases are where these say."""
    async with processes.hometrip(data, settings=settings, several=several) as served:
        async with processes.lines_to(served, 32) as lines:
            say(f"{guests} guests sign up")
            town = await read_town(lines, guests)
        yield Ours(served, town, data, settings)


def several_of(name: str) -> str:
    return f"{name}, {SEVERAL} processes"


@contextlib.asynccontextmanager
async def rival(how: str, url: str, guests: int, folder: Path) -> AsyncIterator[Theirs]:
    made = await raw_postgres.database(url, f"bench_{how}")
    tokens = [beside.signed_token(str(UUID(int=number))) for number in range(guests)]
    async with beside.express("booking.js", how, made, beside.SECRET, folder=folder) as served:
        yield Theirs(served, made, tokens)


async def measure(given: argparse.Namespace, folder: Path) -> tuple[str, Any]:
    with beside.engines("postgres") as engines:
        settings = {"HOMETRIP_DATABASE_URL": engines["HOMETRIP_DATABASE_URL"]}
        bench = Bench(given, folder, settings["HOMETRIP_DATABASE_URL"])
        parts = await bench.run(settings)
        for name, where in bench.ours.items():
            clean, lines = await processes.verify(where.data, where.settings)
            if not clean:
                raise rounds.Worthless(f"{name}: hometrip verify did not find the data in order:\n{lines}")
            parts.append(f"After the load, `hometrip verify` of {name} said:\n\n```\n{lines.strip()}\n```")
    return "\n\n".join(parts), bench.found


class Bench:
    """One run: its houses and rivals, and what it has found so far."""

    def __init__(self, given: argparse.Namespace, folder: Path, url: str) -> None:
        self.given, self.folder, self.url = given, folder, url
        self.ours: dict[str, Ours] = {}
        self.theirs: dict[str, Theirs] = {}
        self.found: dict[str, Any] = {}

    async def run(self, on_postgres: dict[str, str]) -> list[str]:
        guests = max(self.given.crowd, BOOKERS)
        async with contextlib.AsyncExitStack() as stack:
            houses = {
                (name if several == 1 else several_of(name)): (
                    self.folder / f"{name.rpartition(' ')[2]}-{several}" / "data",
                    {key: f"{url}_{several}" for key, url in settings.items()},
                    several,
                )
                for name, settings in ((SQLITE, {}), (POSTGRES, on_postgres))
                for several in (1, SEVERAL)
            }
            say("the demo is made for each house")
            await asyncio.gather(*(seeded(data, settings) for data, settings, _ in houses.values()))
            for name, (data, settings, several) in houses.items():
                opened = house(data, settings, guests, several)
                self.ours[name] = await stack.enter_async_context(opened)
            for name, how in ((USUAL, "usual"), (TUNED, "tuned")):
                opened = rival(how, self.url, guests, self.folder)
                self.theirs[name] = await stack.enter_async_context(opened)
            return [await self.durable(), await self.crowds(), await self.calendars()]

    # S4

    async def durable(self) -> str:
        sides: dict[str, rounds.Load] = {
            name: partial(self._our_bookings, each) for name, each in self.ours.items()
        }
        sides |= {name: partial(self._their_bookings, each) for name, each in self.theirs.items()}
        sides["pgbench"] = lambda _: raw_postgres.pgbench(self.url, self.folder, self.given.seconds)
        sides["raw SQLite, a commit each"] = partial(self._raw_sqlite, 1)
        sides["raw SQLite, 64 a commit"] = partial(self._raw_sqlite, 64)
        told = await rounds.in_turns("bookings", sides, self.given.rounds)
        self.found["durable"] = told
        rate = {name: rounds.middle(every, "rate") for name, every in told.items()}
        lines = [
            "## Durable bookings",
            f"Three nights, an idempotency key, history, outbox; {CLIENTS} at once.",
            rounds.compared(told, latency=False),
            f"On PostgreSQL HomeTrip does {rate[POSTGRES] / rate['pgbench']:.2f} of pgbench (goal 0.5, then "
            f"0.8) and {rate[POSTGRES] / rate[TUNED]:.2f} of the tuned Express (goal 3); on SQLite "
            f"{rate[SQLITE] / rate['raw SQLite, a commit each']:.2f} of raw SQLite with a commit each. With "
            f"{SEVERAL} processes it is {rate[several_of(POSTGRES)] / rate['pgbench']:.2f} of pgbench and "
            f"{rate[several_of(POSTGRES)] / rate[TUNED]:.2f} of that Express.",
            "What follows from a booking (mails, search) is done beside the load and after it. "
            "After it, CPU s / 1,000 bookings: "
            + ", ".join(f"{name} {rounds.middle(told[name], 'later_cpu_per_1000'):.1f}" for name in self.ours)
            + ". Each load begins when that of the one before is done.",
            rounds.errors_told(told),
        ]
        return "\n\n".join(filter(None, lines))

    async def _our_bookings(self, side: Ours, turn: int) -> dict[str, Any]:
        few = msgspec.structs.replace(side.town, guests=side.town.guests[:BOOKERS])
        job = Job(side.served.port, few, self.given.seconds, lines=CLIENTS, seed=self.given.seed, turn=turn)
        before = machine.cpu_seconds(side.served.pid)
        found = await processes.load(side.served, job)
        await machine.rest()
        later = machine.cpu_seconds(side.served.pid) - before - found["server_cpu_seconds"]
        return found | {"later_cpu_per_1000": round(later / max(found["answered"], 1) * 1000, 3)}

    async def _their_bookings(self, side: Theirs, turn: int) -> dict[str, Any]:
        """A home for every client, ever later stays."""
        first = self._any_town.today
        stays = [
            (number % CLIENTS, first + timedelta(days=4 * (turn * 1_000 + number // CLIENTS)))
            for number in range(round(self.given.seconds * 4_000))
        ]
        asked = [
            request(
                "POST",
                "/api/bookings",
                {
                    "listing_id": str(UUID(int=home)),
                    "check_in": str(day),
                    "check_out": str(day + timedelta(days=3)),
                    "guests": 1,
                },
                token=side.tokens[number % BOOKERS],
                headers={"idempotency-key": f"durable-{turn}-{number}"},
            )
            for number, (home, day) in enumerate(stays)
        ]
        job = PlainJob(side.served.port, asked, self.given.seconds, lines=CLIENTS, once=True, fine=("201",))
        return await processes.load(side.served, job, "benchmarks.plain")

    async def _raw_sqlite(self, group: int, turn: int) -> dict[str, Any]:
        found = await processes.raw_sqlite(self.folder, self.given.seconds, group)
        each = found["cpu_seconds"] / max(found["bookings"], 1) * 1000
        return found | {"errors": {}, "server_cpu_per_1000": round(each, 3)}

    @property
    def _any_town(self) -> Town:
        return next(iter(self.ours.values())).town

    # S5

    async def crowds(self) -> str:
        parts = [
            "## Crowds",
            f"{self.given.crowd} guests, each of whom wants one in {crowd.EVERY} of {crowd.STAYS} weeks of "
            f"the same month, and then all of them one week; {AT_ONCE} connections.",
        ]
        for name, stays in (("many", crowd.STAYS), ("one", 1)):
            told: dict[str, list[dict[str, Any]]] = {}
            for turn in range(self.given.crowd_rounds):
                for side in (*self.ours, *self.theirs):
                    await machine.rest()
                    found = await self._crowd(side, turn * 2 + (stays == 1), stays)
                    told.setdefault(side, []).append(found)
                    say(f"crowd for {stays}: {side}: {found['outcomes']}, sold twice {found['sold_twice']}")
            self.found[f"crowd for {name}"] = told
            parts += [f"For {stays}:", _crowd_table(told, stays)]
        return "\n\n".join(parts)

    async def _crowd(self, name: str, turn: int, stays: int) -> dict[str, Any]:
        if name in self.ours:
            ours = self.ours[name]
            async with processes.lines_to(ours.served) as lines:
                wanted = await crowd.weeks(lines, ours.town, turn, stays)
            tokens = [guest.token for guest in ours.town.guests[: self.given.crowd]]
            found = await self._storm(ours.served, crowd.ours(wanted, tokens, turn))
            sold = found["outcomes"].get("201", 0)
            if sold > stays:
                raise rounds.Worthless(f"{name} sold {sold} of {stays} weeks: {found['outcomes']}")
            return found | {"sold_twice": 0}
        theirs = self.theirs[name]
        before = await raw_postgres.value(theirs.database, SOLD_TWICE)
        first = self._any_town.today + timedelta(days=100_000 + turn * 10)
        homes = self._any_town.homes[:stays]
        wanted = [crowd.Wanted(home, first, first + timedelta(days=crowd.WEEK), "") for home in homes]
        found = await self._storm(
            theirs.served, crowd.theirs(wanted, theirs.tokens[: self.given.crowd], turn)
        )
        return found | {"sold_twice": await raw_postgres.value(theirs.database, SOLD_TWICE) - before}

    async def _storm(self, served: Served, asked: list[bytes]) -> dict[str, Any]:
        job = PlainJob(served.port, asked, 120.0, lines=AT_ONCE, once=True, fine=FINE)
        return await processes.load(served, job, "benchmarks.plain")

    # S6

    async def calendars(self) -> str:
        most = await rounds.in_turns("calendars", self._calendars(0.0), self.given.rounds)
        open_ = await rounds.in_turns(
            f"calendars, {self.given.rate:,.0f}/s", self._calendars(self.given.rate), self.given.rounds
        )
        self.found |= {"calendars": most, "calendars, open": open_}
        lines = [
            "## Calendars of 90 days\n\nAs many as can be answered (goal 20,000 a second).",
            rounds.compared(most),
            f"Open load, {self.given.rate:,.0f} a second (goal: p99 of 5 ms).",
            rounds.compared(open_),
            rounds.errors_told(most),
            rounds.errors_told(open_),
        ]
        return "\n\n".join(filter(None, lines))

    def _calendars(self, rate: float) -> dict[str, rounds.Load]:
        sides: dict[str, rounds.Load] = {}
        for name, side in (*self.ours.items(), *self.theirs.items()):
            asked = self._calendar_requests(side.town if isinstance(side, Ours) else self._any_town)
            sides[name] = partial(self._read, side.served, asked, rate)
        if not rate:
            sides["raw SQLite and JSON"] = self._raw_calendar
        return sides

    def _calendar_requests(self, town: Town) -> list[bytes]:
        days = [town.today + timedelta(days=ahead) for ahead in (0, 30, 60, 120, 200)]
        return [
            request("GET", f"/api/listings/{home.id}/availability?from={day}&to={day + timedelta(days=90)}")
            for day in days
            for home in town.homes
        ]

    async def _read(self, served: Served, asked: Sequence[bytes], rate: float, turn: int) -> dict[str, Any]:
        job = PlainJob(served.port, list(asked), self.given.seconds, rate=rate)
        return await processes.load(served, job, "benchmarks.plain")

    async def _raw_calendar(self, turn: int) -> dict[str, Any]:
        words = [str(self.folder), "--seconds", str(self.given.seconds)]
        _, said = await processes.output(sys.executable, "-m", "benchmarks.raw_calendar", *words)
        found: dict[str, Any] = msgspec.json.decode(said)
        return found | {"latency_ms": {}}


def _crowd_table(told: dict[str, list[dict[str, Any]]], stays: int) -> str:
    rows = []
    for name, every in told.items():
        refused = [found["outcomes"].get("409 dates_taken", 0) / found["seconds"] for found in every]
        sold = sorted({found["outcomes"].get("201", 0) for found in every})
        rows.append(
            (
                name,
                ", ".join(map(str, sold)),
                str(sum(found["sold_twice"] for found in every)),
                rounds.shown(refused, 0),
                rounds.shown([found["latency_ms"].get("p99", float("nan")) for found in every], 0),
                str(sum(report.errors_of(every).values())),
            )
        )
    head = ("", f"sold of {stays}", "overlapping pairs", "refusals a second", "p99 ms", "errors")
    return report.table(head, rows)


def main() -> None:
    given = options()
    rounds.record(
        "booking", "Bookings and calendars beside others", given, lambda folder: measure(given, folder)
    )


if __name__ == "__main__":
    main()
