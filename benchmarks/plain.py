"""The load generator for requests that need no answer of an earlier one: a process of its own, as
`generator.py` is, with the same words around the load and the same report.

    python -m benchmarks.plain < job.json
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import uvloop

from benchmarks.generator import PATIENCE, own_cpu, say
from benchmarks.load import OpenLoop, Schedule, Tally, percentile
from benchmarks.mix import error_of
from benchmarks.pace import beat
from benchmarks.wire import Answer, Lines


class PlainJob(msgspec.Struct, frozen=True):
    """With a `rate`, an open load for so many seconds; without one, `lines` clients who each send the next
    request when the last one is answered. The requests are sent in turn, and again from the first, unless
    each is for `once`. `fine` are the answers that are no error: a status, or a status and a code
    (`409 dates_taken`).
    """

    port: int
    requests: list[bytes]
    seconds: float
    rate: float = 0.0
    lines: int = 64
    once: bool = False
    fine: tuple[str, ...] = ("200",)
    host: str = "127.0.0.1"


class PlainRun:
    """One load and what came of it. `outcomes` counts the answers by status and code."""

    def __init__(self, job: PlainJob, lines: Lines) -> None:
        self.job, self.lines, self.tally = job, lines, Tally()
        self.outcomes: Counter[str] = Counter()
        self.last_answer = time.monotonic()

    def note(self, due_at: float, answer: Answer) -> None:
        now = self.last_answer = time.monotonic()
        told = error_of(answer) or str(answer.status)
        self.outcomes[told] += 1
        if told in self.job.fine:
            self.tally.note("all", now - due_at, len(answer.body))
        else:
            self.tally.errors[told] += 1

    async def open(self) -> dict[str, Any]:
        job, left, all_heard = self.job, 0, asyncio.Event()
        count = max(1, round(job.rate * job.seconds))
        if job.once:
            count = min(count, len(job.requests))

        def leave(number: int, due_at: float) -> None:
            def heard(answer: Answer) -> None:
                nonlocal left
                self.note(due_at, answer)
                left += 1
                if left == count:
                    all_heard.set()

            self.lines.ask(job.requests[number % len(job.requests)], heard)

        loop = OpenLoop(Schedule(time.monotonic() + 0.05, job.rate, count), leave)
        with beat(1 / job.rate, lambda: loop.tick(time.monotonic())), suppress(TimeoutError):
            async with asyncio.timeout(job.seconds + PATIENCE):
                await all_heard.wait()
        if left < count:
            self.tally.errors["unanswered"] += count - left
        late = sorted(loop.late)
        found = self.report(loop.schedule.start, count / job.rate)
        told = {"p50": round(percentile(late, 0.5) * 1000, 3), "max": round(late[-1] * 1000, 3)}
        return found | {"asked_rate": job.rate, "late_ms": told}

    async def closed(self) -> dict[str, Any]:
        begun, turn = time.monotonic(), 0
        until = begun + self.job.seconds

        def following() -> bytes | None:
            nonlocal turn
            if time.monotonic() >= until or (self.job.once and turn >= len(self.job.requests)):
                return None
            turn += 1
            return self.job.requests[(turn - 1) % len(self.job.requests)]

        await asyncio.gather(*(self._client(following) for _ in range(self.job.lines)))
        return self.report(begun, 0.0)

    def _client(self, following: Callable[[], bytes | None]) -> asyncio.Future[None]:
        """Sends again from within the answer: a task for each client would cost more than the rest."""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def send() -> None:
            asked = following()
            if asked is None:
                over.set_result(None)
            else:
                left = time.monotonic()
                self.lines.ask(asked, lambda answer: heard(left, answer))

        def heard(left: float, answer: Answer) -> None:
            self.note(left, answer)
            # The line that has answered is free after this call.
            asyncio.get_running_loop().call_soon(send)

        send()
        return over

    def report(self, begun: float, least: float) -> dict[str, Any]:
        seconds = max(self.last_answer - begun, least, 1e-9)
        every = sum(self.outcomes.values())
        return self.tally.report() | {
            "rate": round(self.tally.answered / seconds, 1),
            "seconds": round(seconds, 3),
            "outcomes": dict(self.outcomes),
            "all_answers_rate": round(every / seconds, 1),
        }


async def run(job: PlainJob) -> dict[str, Any]:
    gc.freeze()
    gc.disable()
    async with Lines(job.host, job.port, job.lines) as lines:
        load = PlainRun(job, lines)
        say("begin")
        before = own_cpu()
        found = await (load.open() if job.rate else load.closed())
        cpu = own_cpu() - before
        say("end")
    return found | {"generator_cpu_seconds": round(cpu, 3)}


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=PlainJob)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(run(job))
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


if __name__ == "__main__":
    main()
