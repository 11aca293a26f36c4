"""The arithmetic of an open load: when requests leave, how long they took, and what went wrong.

Requests leave at a constant rate whatever the answers do, and a latency is counted from the moment at which
its request should have left. A server that stands still for a second so shows the second in all requests
of that second, and not in the one that happened to be under way.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Schedule:
    """`count` departures, the first at `start` and then `rate` a second. Times are in seconds."""

    start: float
    rate: float
    count: int

    def leaves_at(self, number: int) -> float:
        return self.start + number / self.rate

    def due(self, now: float) -> int:
        """How many should have left by `now`."""
        if now < self.start:
            return 0
        due = min(self.count, int((now - self.start) * self.rate) + 1)
        # The two directions are rounded differently; `leaves_at` is the one that counts.
        while due < self.count and self.leaves_at(due) <= now:
            due += 1
        while due and self.leaves_at(due - 1) > now:
            due -= 1
        return due


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest rank: the least of the values that at least `share` of them do not exceed."""
    if not ordered:
        raise ValueError("no values")
    # 0.999 of 1,000 is the 999th, also where the product is 999.0000000000001.
    rank = math.ceil(round(share * len(ordered), 9))
    return ordered[max(rank, 1) - 1]


def summary(seconds: Sequence[float]) -> dict[str, float]:
    """Percentiles in milliseconds."""
    ordered = sorted(seconds)
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}
    return {name: round(percentile(ordered, share) * 1000, 3) for name, share in shares.items()}


class Tally:
    """What came of the requests, by kind. An answer that is wrong for its kind is an error."""

    def __init__(self) -> None:
        self.seconds: dict[str, array[float]] = {}
        self.sizes: array[int] = array("L")
        self.errors: Counter[str] = Counter()
        self.expected: Counter[str] = Counter()

    def note(self, kind: str, seconds: float, size: int = 0) -> None:
        found = self.seconds.get(kind)
        if found is None:
            found = self.seconds[kind] = array("d")
        found.append(seconds)
        self.sizes.append(size)

    @property
    def answered(self) -> int:
        return sum(map(len, self.seconds.values()))

    def report(self) -> dict[str, Any]:
        every = [value for values in self.seconds.values() for value in values]
        return {
            "answered": len(every),
            "latency_ms": summary(every) if every else {},
            "median_bytes": percentile(sorted(self.sizes), 0.5) if self.sizes else 0,
            "kinds": {
                kind: {"answered": len(values)} | summary(values)
                for kind, values in sorted(self.seconds.items())
            },
            "errors": dict(self.errors),
            "expected_refusals": dict(self.expected),
        }


class OpenLoop:
    """Lets what is due leave, each with the moment at which it should have left.

    `leave(number, due_at)` sends request `number` and does not wait. `tick(now)` is called again and again;
    how late it is called is the generator's own fault, and kept in `late`.
    """

    def __init__(self, schedule: Schedule, leave: Callable[[int, float], None]) -> None:
        self.schedule, self._leave = schedule, leave
        self.left = 0
        self.late: array[float] = array("d")

    @property
    def over(self) -> bool:
        return self.left >= self.schedule.count

    def tick(self, now: float) -> None:
        for number in range(self.left, self.schedule.due(now)):
            due_at = self.schedule.leaves_at(number)
            self.left = number + 1
            self.late.append(now - due_at)
            self._leave(number, due_at)
