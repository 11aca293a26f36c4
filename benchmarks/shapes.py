"""S3: one process against many of the same build under the same load, and a chain of Express services.

python -m benchmarks.shapes [--rounds 5] [--seconds 5] [--rate 40]
"""

from __future__ import annotations

import argparse
import contextlib
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import beside, machine, processes, raw_postgres, rounds
from benchmarks.beside import say
from benchmarks.generator import Job
from benchmarks.mix import MIX
from benchmarks.plain import PlainJob
from benchmarks.processes import Served
from benchmarks.town import Town, read_town, wait_for_pictures
from benchmarks.wire import request

ONE, MANY, CHAIN = "one process", "many processes", "Express, gateway and service"
ENGINES = ("postgres", "redis", "rabbitmq", "opensearch", "consul")
# What guests do while they look; trips and signing in have parts that wait for a clock or a password's hash.
LOOKING = tuple((kind, weight) for kind, weight in MIX if kind not in ("book and pay", "login"))
GUESTS = 16


def options() -> argparse.Namespace:
    parser = rounds.options("One process against many")
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second, open load [40]")
    return parser.parse_args()


class Shape(msgspec.Struct, frozen=True):
    """`beside` are the processes of its engines; their CPU counts."""

    served: Served
    town: Town
    beside: list[int]


async def measure(given: argparse.Namespace, folder: Path) -> tuple[str, Any]:
    with beside.engines(*ENGINES) as settings:
        async with contextlib.AsyncExitStack() as stack:
            sides: dict[str, Shape] = {}
            for name, words, engines in ((MANY, ["--split"], beside.engine_pids()), (ONE, [], [])):
                data = folder / name.partition(" ")[0] / "data"
                data.mkdir(parents=True)
                opened = processes.hometrip(data, *words, settings=settings if words else None)
                sides[name] = await _shape(await stack.enter_async_context(opened), engines)
            chain = await stack.enter_async_context(_chain(settings["HOMETRIP_DATABASE_URL"], folder))
            return await _rounds(given, {name: sides[name] for name in (ONE, MANY)}, chain)


async def _shape(served: Served, engines: list[int]) -> Shape:
    """Nothing else is started, and nobody signs up, while the demo's pictures are drawn."""
    say(f"ready after {served.ready_seconds:.1f} s; pictures are being drawn")
    async with processes.lines_to(served) as lines:
        await wait_for_pictures(lines)
        town = await read_town(lines, GUESTS)
    return Shape(served, town, engines)


@contextlib.asynccontextmanager
async def _chain(url: str, folder: Path) -> Any:
    """The tuned gateway in Express before the tuned service in Express, which knows calendars."""
    made = await raw_postgres.database(url, "bench_chain")
    async with (
        beside.express("booking.js", "tuned", made, beside.SECRET, folder=folder) as service,
        beside.express("gateway.js", "tuned", str(service.port), beside.SECRET, folder=folder) as gateway,
    ):
        yield gateway, [service.pid]


async def _rounds(
    given: argparse.Namespace, sides: dict[str, Shape], chain: tuple[Served, list[int]]
) -> tuple[str, Any]:
    looking: dict[str, rounds.Load] = {name: partial(_look, given, shape) for name, shape in sides.items()}
    calendars: dict[str, rounds.Load] = {
        name: partial(_calendars, given, shape.served, shape.beside, shape.town)
        for name, shape in sides.items()
    }
    gateway, behind = chain
    calendars[CHAIN] = partial(_calendars, given, gateway, behind, sides[ONE].town)
    for load in (*looking.values(), *calendars.values()):
        await load(-1)
    looked = await rounds.in_turns("looking", looking, given.rounds)
    read = await rounds.in_turns("calendars", calendars, given.rounds)
    text = [
        f"Guests who look, {given.rate:,.0f} a second, open load.",
        rounds.compared(looked),
        _shares(looked),
        f"Calendars of 90 days, {given.rate:,.0f} a second, open load.",
        rounds.compared(read),
        _shares(read),
        "The CPU is that of HomeTrip's processes and of the engines behind them, of both Express processes, "
        "but not of their PostgreSQL.",
        rounds.errors_told(looked),
        rounds.errors_told(read),
    ]
    return "\n\n".join(filter(None, text)), {"looking": looked, "calendars": read}


def _shares(told: dict[str, list[dict[str, Any]]]) -> str:
    latency = {name: rounds.middle(every, "latency_ms", "p50") for name, every in told.items()}
    cpu = {name: rounds.middle(every, "server_cpu_per_1000") for name, every in told.items()}
    return (
        f"One process takes {latency[ONE] / latency[MANY]:.2f} of the median latency of many (goal 0.2) and "
        f"{cpu[ONE] / cpu[MANY]:.2f} of their CPU (goal 0.25)."
    )


async def _look(given: argparse.Namespace, shape: Shape, turn: int) -> dict[str, Any]:
    job = Job(
        shape.served.port,
        shape.town,
        given.seconds,
        rate=given.rate,
        mix=LOOKING,
        seed=given.seed * 1000 + turn,
    )
    return await _counted(shape.served, shape.beside, job, "benchmarks.generator")


async def _calendars(
    given: argparse.Namespace, served: Served, behind: list[int], town: Town, turn: int
) -> dict[str, Any]:
    first = town.today + timedelta(days=10)
    asked = [
        request("GET", f"/api/listings/{home.id}/availability?from={first}&to={first + timedelta(days=90)}")
        for home in town.homes
    ]
    return await _counted(
        served, behind, PlainJob(served.port, asked, given.seconds, rate=given.rate), "benchmarks.plain"
    )


async def _counted(served: Served, behind: list[int], job: msgspec.Struct, generator: str) -> dict[str, Any]:
    before = sum(map(machine.cpu_seconds, behind))
    found = await processes.load(served, job, generator)
    more = sum(map(machine.cpu_seconds, behind)) - before
    thousands = max(found["answered"], 1) / 1000
    return found | {
        "behind_cpu_per_1000": round(more / thousands, 3),
        "server_cpu_per_1000": round(found["server_cpu_per_1000"] + more / thousands, 3),
    }


def main() -> None:
    given = options()
    rounds.record("shapes", "One process and many", given, lambda folder: measure(given, folder))


if __name__ == "__main__":
    main()
