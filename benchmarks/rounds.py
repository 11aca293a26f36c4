"""Several sides under the same load, in turns (A B C, A B C, …), and what came of it."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks import machine, report
from benchmarks.beside import say
from benchmarks.processes import Failed
from benchmarks.town import Unexpected

RESULTS = Path(__file__).parent / "results"
# A side under load, in the round of this number.
Load = Callable[[int], Awaitable[dict[str, Any]]]


def options(description: str, seconds: float | None = 5.0) -> argparse.ArgumentParser:
    """Without `seconds`, the loads of this benchmark are counted and not timed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=5, help="of all sides in turn [5]")
    if seconds:
        told = f"of each load in a round [{seconds:g}]"
        parser.add_argument("--seconds", type=float, default=seconds, help=told)
    parser.add_argument("--seed", type=int, default=1, help="the same seed sends the same requests [1]")
    return parser


async def in_turns(what: str, sides: Mapping[str, Load], rounds: int) -> dict[str, list[dict[str, Any]]]:
    """What each side's load told in each round; each begins when the machine is at rest."""
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for turn in range(rounds):
        for name, load in sides.items():
            await machine.rest()
            found = await load(turn)
            told[name].append(found)
            said = (
                f"{found['rate']:,.0f} a second{f'; errors: {wrong}' if (wrong := found['errors']) else ''}"
            )
            say(f"{what}, round {turn + 1}, {name}: {said}")
    return told


def compared(told: Mapping[str, Sequence[Mapping[str, Any]]], latency: bool = True) -> str:
    """A table with a line a side: rate, latency, CPU, memory, errors; median, and (least to most)."""
    head = ["", "a second", *(("p50 ms", "p99 ms", "p99.9 ms") if latency else ())]
    head += ["CPU s / 1,000", "generator's", "peak MB", "errors"]
    return report.table(head, [_row(name, rounds, latency) for name, rounds in told.items()])


def _row(name: str, rounds: Sequence[Mapping[str, Any]], latency: bool) -> list[str]:
    row = [name, shown([found["rate"] for found in rounds], 0)]
    if latency:
        for share in ("p50", "p99", "p999"):
            known = [found["latency_ms"][share] for found in rounds if found["latency_ms"]]
            row.append(shown(known, 2) if known else "")
    for cpu in ("server_cpu_per_1000", "generator_cpu_per_1000"):
        known = [found[cpu] for found in rounds if cpu in found]
        row.append(shown(known, 3) if known else "")
    memory = max(found.get("peak_memory_mb", 0.0) for found in rounds)
    row.append(f"{memory:.0f}" if memory else "")
    row.append(str(sum(report.errors_of(rounds).values())))
    return row


def shown(values: Sequence[float], digits: int) -> str:
    return report.shown(report.spread(values), digits)


def middle(rounds: Sequence[Mapping[str, Any]], *path: str) -> float:
    """The median over the rounds of one figure: `middle(rounds, "latency_ms", "p50")`."""
    values = []
    for found in rounds:
        value: Any = found
        for step in path:
            value = value.get(step, float("nan"))
        values.append(value)
    return report.spread(values)["median"]


def errors_told(told: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """In words, or nothing."""
    lines = []
    for name, rounds in told.items():
        if wrong := report.errors_of(rounds):
            lines.append(f"{name}: " + ", ".join(f"{kind} ({count})" for kind, count in wrong.items()))
    return "Errors. " + "; ".join(lines) + "." if lines else ""


class Worthless(Exception):
    """An invariant did not hold during or after the load; the figures mean nothing."""


def record(
    name: str, title: str, given: argparse.Namespace, work: Callable[[Path], Awaitable[tuple[str, Any]]]
) -> None:
    """Runs `work` in a folder of its own; what it tells (text and figures) goes to `results/`."""
    today = datetime.now(UTC).date().isoformat()
    described = machine.describe()
    with (
        tempfile.TemporaryDirectory(prefix="hometrip-bench-", ignore_cleanup_errors=True) as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        try:
            text, found = runner.run(_awaited(work(Path(folder))))
        except (Failed, Unexpected) as reason:
            sys.exit(f"The benchmark could not be run: {reason}")
        except Worthless as reason:
            sys.exit(f"Worthless: {reason}")
        except KeyboardInterrupt:
            sys.exit(130)
    timed = f" of {given.seconds:g} s a load" if "seconds" in given else ""
    asked = f"{given.rounds} rounds{timed}; median, and (least to most)."
    text = "\n\n".join([f"# {title}, {today}", report.machine_line(described), asked, text]) + "\n"
    print(text)
    RESULTS.mkdir(exist_ok=True)
    every = {"date": today, "machine": described, "options": vars(given), "found": found}
    (RESULTS / f"{today}-{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(every), indent=1))
    (RESULTS / f"{today}-{name}.md").write_text(text)
    say(f"written to benchmarks/results/{today}-{name}.json and .md")


async def _awaited(work: Awaitable[tuple[str, Any]]) -> tuple[str, Any]:
    return await work
