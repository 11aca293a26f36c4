"""`make bench`: the marketplace under the mix of its guests, beside what limits it.

python -m benchmarks.marketplace [--rounds 3] [--seconds 20] [--rate 300] [--find-rate]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks import machine, processes, report
from benchmarks.generator import Job
from benchmarks.mix import MIX, WITHOUT_TRIPS
from benchmarks.processes import Served
from benchmarks.town import Town, Unexpected, read_town, wait_for_pictures

RESULTS = Path(__file__).parent / "results"
REST = 10.0
# S1's line: the highest rate with no error and 99 of 100 requests within this.
GOOD_P99_MS = 20.0
STEP = 1.25
Mix = tuple[tuple[str, float], ...]
SATURATING = 60_000.0


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each side, interleaved [3]")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each round [20]")
    parser.add_argument("--rate", type=float, default=300.0, help="requests a second [300]")
    parser.add_argument("--find-rate", action="store_true", help="step up to the highest good rate")
    parser.add_argument("--only", choices=[kind for kind, _ in MIX], help="one kind of request, not the mix")
    parser.add_argument("--guests", type=int, default=48, help="accounts to make [48]")
    parser.add_argument("--lines", type=int, default=64, help="connections of the generator [64]")
    parser.add_argument("--booking-seconds", type=float, default=5.0, help="of durable bookings [5]")
    parser.add_argument("--seed", type=int, default=1, help="the same seed sends the same requests [1]")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Bench:
    """One run: its options, the folder it lives in, and what it has found so far."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.given, self.folder, self.data = given, folder, folder / "data"
        self.mix = tuple((kind, weight) for kind, weight in MIX if given.only in (None, kind))
        self.found: dict[str, Any] = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine.describe(),
            "seconds": given.seconds,
            "seed": given.seed,
            "only": given.only,
        }

    async def run(self) -> dict[str, Any]:
        await self.first_start()
        async with processes.hometrip(self.data) as house:
            await self.rest(house)
            async with processes.lines_to(house) as lines:
                town = await read_town(lines, self.given.guests)
            say(f"{len(town.homes)} homes, {len(town.instant)} to be booked at once")
            await self.rounds(house, town)
            if self.given.find_rate:
                self.found["found_rate"] = await self.find_rate(house, town)
            await self.bookings(house, town)
        clean, lines_ = await processes.verify(self.data)
        self.found["verify"] = {"clean": clean, "lines": lines_}
        return self.found

    async def first_start(self) -> None:
        """Makes the demo, and waits for its pictures: later rounds shall not run beside their drawing."""
        async with processes.hometrip(self.data) as house:
            say(f"first start: ready after {house.ready_seconds:.2f} s; pictures are being drawn")
            self.found["start"] = {"first_seconds": house.ready_seconds}
            async with processes.lines_to(house, 1) as lines:
                await wait_for_pictures(lines)

    async def rest(self, house: Served) -> None:
        await asyncio.sleep(REST)
        resting, count = machine.resident_mb(house.pid), len(machine.tree(house.pid))
        self.found["start"] |= {
            "second_seconds": house.ready_seconds,
            "resting_mb": resting,
            "processes": count,
        }
        say(f"second start: ready after {house.ready_seconds:.2f} s; at rest {resting:.0f} MB")

    async def rounds(self, house: Served, town: Town) -> None:
        say("warming up")
        warm = await processes.load(house, self.job(house, town, seconds=min(5.0, self.given.seconds)))
        size = int(warm["median_bytes"])
        rounds = self.found["rounds"] = []
        async with processes.raw_granian(size, self.folder) as granian:
            self.found["ceiling"] = await self.ceiling(granian, town)
            for turn in range(1, self.given.rounds + 1):
                ours = await processes.load(house, self.job(house, town, turn=turn))
                raw = await processes.load(granian, self.job(granian, town, mix=WITHOUT_TRIPS, turn=turn))
                rounds.append({"ours": ours, "granian": raw})
                say(f"round {turn}: ours {_short(ours)}; Granian alone {_short(raw)}")
        self.found["answer_bytes"] = size
        self.found["ours"] = report.over_rounds([each["ours"] for each in rounds])
        self.found["granian"] = report.over_rounds([each["granian"] for each in rounds])

    async def ceiling(self, granian: Served, town: Town) -> dict[str, Any]:
        """More than can be sent: what is answered then is the most that this generator could measure."""
        job = self.job(granian, town, mix=WITHOUT_TRIPS, rate=SATURATING, seconds=1.0)
        found = await processes.load(granian, job)
        say(f"the generator's ceiling: {found['rate']:,.0f} a second")
        return found

    def job(
        self,
        served: Served,
        town: Town,
        *,
        mix: Mix | None = None,
        turn: int = 0,
        rate: float = 0.0,
        seconds: float = 0.0,
    ) -> Job:
        """The same turn has the same requests, whoever answers them."""
        return Job(
            port=served.port,
            town=town,
            mix=mix or self.mix,
            rate=rate or self.given.rate,
            seconds=seconds or self.given.seconds,
            lines=self.given.lines,
            seed=self.given.seed * 1000 + turn,
            turn=turn,
        )

    async def find_rate(self, house: Served, town: Town) -> dict[str, Any]:
        """Up by a quarter while it is good, then the middle between good and bad, twice."""
        steps: list[dict[str, Any]] = []
        good, bad, rate = 0.0, 0.0, self.given.rate
        seconds = max(5.0, self.given.seconds / 2)
        while len(steps) < 30:
            job = self.job(house, town, turn=100 + len(steps), rate=rate, seconds=seconds)
            step = await processes.load(house, job)
            step["good"] = is_good(step)
            steps.append(step)
            say(f"{rate:,.0f} a second: {_short(step)}: {'good' if step['good'] else 'too much'}")
            if step["good"]:
                good = max(good, rate)
            else:
                bad = rate
                await asyncio.sleep(2)
            if bad and (bad <= good * 1.07 or bad < 20):
                break
            rate = round((good + bad) / 2 if good and bad else bad / 2 if bad else good * STEP, 1)
        return {"highest": good, "steps": steps}

    async def bookings(self, house: Served, town: Town) -> None:
        """Ours and raw SQLite in turns, on the same disk."""
        ours, raw, grouped = [], [], []
        for turn in range(self.given.rounds):
            seconds = self.given.booking_seconds
            # One seed for all turns: it is the turn that makes the stays others.
            job = msgspec.structs.replace(
                self.job(house, town, turn=turn, seconds=seconds), rate=0.0, seed=self.given.seed
            )
            found = await processes.load(house, job)
            ours.append(found)
            raw.append(await processes.raw_sqlite(self.folder, seconds, 1))
            grouped.append(await processes.raw_sqlite(self.folder, seconds, 64))
            say(
                f"bookings a second: {found['rate']:,.0f}; raw SQLite {raw[-1]['rate']:,.0f}, "
                f"grouped {grouped[-1]['rate']:,.0f}"
            )
        self.found["booking_rounds"] = ours
        self.found["bookings"] = report.over_rounds(ours)
        self.found["raw_sqlite"] = report.spread([each["rate"] for each in raw])
        self.found["raw_sqlite_grouped"] = report.spread([each["rate"] for each in grouped])


def is_good(found: dict[str, Any]) -> bool:
    """S1's line; what was sent too late by the generator itself is no success either."""
    return (
        not found["errors"]
        and found["latency_ms"].get("p99", GOOD_P99_MS + 1) <= GOOD_P99_MS
        and found["rate"] >= 0.98 * found["asked_rate"]
    )


def _short(found: dict[str, Any]) -> str:
    latency = found["latency_ms"]
    if not latency:
        return f"no answer; {found['errors']}"
    errors = sum(found["errors"].values())
    return (
        f"{found['rate']:,.0f}/s p50 {latency['p50']:.2f} p99 {latency['p99']:.2f} ms"
        f"{f', {errors} errors' if errors else ''}"
    )


def main() -> None:
    given = options()
    with (
        tempfile.TemporaryDirectory(prefix="hometrip-bench-", ignore_cleanup_errors=True) as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        try:
            found = runner.run(Bench(given, Path(folder)).run())
        except (processes.Failed, Unexpected) as reason:
            sys.exit(f"The benchmark could not be run: {reason}")
        except KeyboardInterrupt:
            sys.exit(130)
    text, name = report.markdown(found), f"{found['date']}-marketplace"
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2))
    (RESULTS / f"{name}.md").write_text(text)
    say(f"written to benchmarks/results/{name}.json and .md")
    if not found["verify"]["clean"]:
        sys.exit("Worthless: hometrip verify did not find the data in order after the load.")


if __name__ == "__main__":
    main()
