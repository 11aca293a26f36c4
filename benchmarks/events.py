"""S8: events from outbox to all their listeners, beside a plain RabbitMQ client and SQLite's appends.

python -m benchmarks.events [--rounds 5] [--events 5000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import beside, processes, rounds
from benchmarks.processes import Failed

ONE, OURS, PLAIN = "one process, outbox to 3 effects", "RabbitMQ, our bus", "RabbitMQ, plain aio-pika"
APPEND, GROUPED = "SQLite appends, a commit each", "SQLite appends, 64 a commit"
SIDES = {
    ONE: "process",
    OURS: "rabbit",
    PLAIN: "plain",
    "RabbitMQ, outbox to effect": "outbox-rabbit",
    APPEND: "append",
    GROUPED: "append-grouped",
}


def options() -> argparse.Namespace:
    parser = rounds.options("Events, from outbox to listeners", seconds=None)
    parser.add_argument("--events", type=int, default=5000, help="of each side in a round [5000]")
    return parser.parse_args()


async def measure(given: argparse.Namespace, folder: Path) -> tuple[str, Any]:
    with beside.engines("rabbitmq") as engines:
        url = engines["HOMETRIP_BUS_URL"]
        sides = {name: partial(_side, side, folder, url, given.events) for name, side in SIDES.items()}
        told = await rounds.in_turns("events", sides, given.rounds)
    rate = {name: rounds.middle(every, "rate") for name, every in told.items()}
    text = [
        f"{given.events:,} events a side and round, four of a subject, from 64 publishers; every one is on "
        "the disk (or confirmed by a quorum queue) before it counts as said. Each side is one process; the "
        "broker's own CPU and memory are not in the table.",
        rounds.compared(told, latency=False),
        f"In one process {rate[ONE]:,.0f} events a second reach the effects of all three listeners (goal "
        f"30,000): {rate[ONE] / rate[GROUPED]:.2f} of SQLite's appends with 64 a commit. Our bus does "
        f"{rate[OURS] / rate[PLAIN]:.2f} of the plain client (goal 0.9). No event was lost.",
        rounds.errors_told(told),
    ]
    return "\n\n".join(filter(None, text)), told


async def _side(side: str, folder: Path, url: str, events: int, turn: int) -> dict[str, Any]:
    """In a folder of its own. A side that loses an event does not end; it is given up, and so is the run."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        words = [side, own, "--events", str(events), "--url", url]
        code, said = await processes.output(sys.executable, "-m", "benchmarks.event_sides", *words)
    if code:
        raise Failed(f"the side {side} ended with exit code {code}: {said.decode()}")
    found: dict[str, Any] = msgspec.json.decode(said)
    if found["errors"]:
        raise rounds.Worthless(f"{side}: {found['errors']}")
    return found


def main() -> None:
    given = options()
    rounds.record("events", "Events beside others", given, lambda folder: measure(given, folder))


if __name__ == "__main__":
    main()
