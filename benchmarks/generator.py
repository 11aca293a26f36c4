"""The load generator, a process of its own: reads what to do from standard input, writes what came of it.

    python -m benchmarks.generator < job.json

It writes `begin` and `end` around the load, so that others can measure beside it, and then one line of JSON.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
import uvloop

from benchmarks.load import OpenLoop, Schedule, Tally, percentile, summary
from benchmarks.mix import MIX, Composer, Trip, Visit, error_of, refusal_of
from benchmarks.pace import beat
from benchmarks.slots import stays_for_bookings
from benchmarks.town import Town
from benchmarks.wire import Answer, Lines, request

# What is not answered so long after the last departure is an error.
PATIENCE = 10.0
# How often a guest who has paid looks whether the booking is confirmed, and for how long.
LOOK_EVERY, LOOK_FOR = 0.02, 10.0


class Job(msgspec.Struct, frozen=True):
    """With a `rate`, an open load of `mix`; without one, a closed loop of `lines` guests who book at once,
    `turn` choosing which of the stays are theirs.
    """

    port: int
    town: Town
    seconds: float
    rate: float = 0.0
    mix: tuple[tuple[str, float], ...] = MIX
    lines: int = 64
    seed: int = 1
    turn: int = 0
    host: str = "127.0.0.1"


class Run:
    """An open loop against one server."""

    def __init__(self, lines: Lines, visits: list[Visit], rate: float) -> None:
        self.lines, self.visits, self.tally = lines, visits, Tally()
        self._loop = OpenLoop(Schedule(time.monotonic() + 0.05, rate, len(visits)), self._leave)
        self._open = 0
        self._all_left, self._all_heard = asyncio.Event(), asyncio.Event()
        self._trips: set[asyncio.Task[None]] = set()
        self.trip_seconds: list[float] = []
        self.confirm_seconds: list[float] = []
        self.last_answer = 0.0

    async def all_answered(self) -> None:
        schedule = self._loop.schedule
        with beat(1 / schedule.rate, lambda: self._loop.tick(time.monotonic())):
            await self._all_left.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._all_heard.wait()
        if self._open:
            self.tally.errors["unanswered"] += self._open
        for trip in self._trips:
            trip.cancel()

    def _leave(self, number: int, due_at: float) -> None:
        kind, bytes_, trip = self.visits[number]
        self._open += 1
        if trip is None:
            self.lines.ask(bytes_, partial(self._heard, kind, due_at))
        else:
            task = asyncio.get_running_loop().create_task(self._travel(trip, due_at))
            self._trips.add(task)
            task.add_done_callback(self._come_home)
        if number == len(self.visits) - 1:
            self._all_left.set()

    def _heard(self, kind: str, due_at: float, answer: Answer) -> None:
        self._note(kind, due_at, answer)
        self._end_one()

    def _come_home(self, trip: asyncio.Task[None]) -> None:
        self._trips.discard(trip)
        if not trip.cancelled() and (error := trip.exception()) is not None:
            self.tally.errors[f"book: {type(error).__name__}: {error}"] += 1
        self._end_one()

    def _end_one(self) -> None:
        self._open -= 1
        if not self._open and self._all_left.is_set():
            self._all_heard.set()

    def _note(self, kind: str, due_at: float, answer: Answer) -> bool:
        """True where the answer is a success. An error has no latency: it was not answered."""
        now = self.last_answer = time.monotonic()
        if 200 <= answer.status < 300:
            self.tally.note(kind, now - due_at, len(answer.body))
            return True
        if refusal := refusal_of(kind, answer):
            self.tally.note(kind, now - due_at, len(answer.body))
            self.tally.expected[f"{kind}: {refusal}"] += 1
        else:
            self.tally.errors[f"{kind}: {error_of(answer)}"] += 1
        return False

    async def _step(self, kind: str, due_at: float, bytes_: bytes) -> Any:
        """The record of a successful answer, or None."""
        answer = await self.lines.answer(bytes_)
        return answer.record() if self._note(kind, due_at, answer) else None

    async def _travel(self, trip: Trip, due_at: float) -> None:
        """Each request after the first is due when the answer before it is there."""
        token, home = trip.guest.token, trip.home.id
        asked = request("POST", f"/api/listings/{home}/quote", trip.wish, token=token)
        quote = await self._step("book: quote", due_at, asked)
        if quote is None:
            return
        wish = trip.wish | {"listing_id": home, "quote_id": quote["id"]}
        asked = request("POST", "/api/bookings", wish, token=token, headers={"idempotency-key": trip.key})
        booking = await self._step("book: create", time.monotonic(), asked)
        if booking is None:
            return
        asked = request(
            "POST",
            "/api/payments/intent",
            {"booking_id": booking["id"]},
            token=token,
            headers={"idempotency-key": f"intent-{trip.key}"},
        )
        intent = await self._step("book: intent", time.monotonic(), asked)
        if intent is None:
            return
        asked = request(
            "POST",
            f"/api/payments/{intent['id']}/confirm",
            {"payment_method": "pm_card_visa"},
            token=token,
            headers={"idempotency-key": f"pay-{trip.key}"},
        )
        if await self._step("book: pay", time.monotonic(), asked) is None:
            return
        await self._see_it_confirmed(trip, booking["id"], due_at)

    async def _see_it_confirmed(self, trip: Trip, booking_id: str, due_at: float) -> None:
        paid_at = time.monotonic()
        asked = request("GET", f"/api/bookings/{booking_id}", token=trip.guest.token)
        while time.monotonic() - paid_at < LOOK_FOR:
            found = await self._step("book: look", time.monotonic(), asked)
            if found is None:
                return
            if found["status"] == "confirmed":
                now = time.monotonic()
                self.confirm_seconds.append(now - paid_at)
                self.trip_seconds.append(now - due_at)
                return
            await asyncio.sleep(LOOK_EVERY)
        self.tally.errors["book: not confirmed"] += 1

    def report(self) -> dict[str, Any]:
        schedule, late = self._loop.schedule, sorted(self._loop.late)
        seconds = max(self.last_answer - schedule.start, schedule.count / schedule.rate)
        found = self.tally.report() | {
            "asked_rate": schedule.rate,
            "rate": round(self.tally.answered / seconds, 1),
            "seconds": round(seconds, 3),
            "late_ms": {"p50": round(percentile(late, 0.5) * 1000, 3), "max": round(late[-1] * 1000, 3)},
        }
        if self.trip_seconds:
            found["trips"] = {"confirmed": len(self.trip_seconds)} | summary(self.trip_seconds)
            found["paid_to_confirmed_ms"] = summary(self.confirm_seconds)
        return found


async def open_run(job: Job) -> dict[str, Any]:
    visits = Composer(job.town, job.seed, job.mix).visits(max(1, round(job.rate * job.seconds)))
    gc.freeze()
    gc.disable()
    async with Lines(job.host, job.port, job.lines) as lines:
        say("begin")
        run = Run(lines, visits, job.rate)
        before = own_cpu()
        await run.all_answered()
        cpu = own_cpu() - before
        say("end")
    return run.report() | {"generator_cpu_seconds": round(cpu, 3)}


async def booking_run(job: Job) -> dict[str, Any]:
    """Guests who book at once, each the next stay as soon as the one before is answered.

    The quotes are made before the clock starts; what is measured is the bookings alone.
    """
    async with Lines(job.host, job.port, job.lines) as lines:
        ready = deque(await _quoted(job, lines))
        tally = Tally()
        say("begin")
        before, begun = own_cpu(), time.monotonic()
        until = begun + job.seconds

        async def guest() -> None:
            while ready and time.monotonic() < until:
                left = time.monotonic()
                answer = await lines.answer(ready.popleft())
                if answer.status == 201:
                    tally.note("booking", time.monotonic() - left, len(answer.body))
                elif refusal := refusal_of("book: create", answer):
                    tally.expected[refusal] += 1
                else:
                    tally.errors[str(error_of(answer))] += 1

        await asyncio.gather(*(guest() for _ in range(job.lines)))
        seconds, cpu = time.monotonic() - begun, own_cpu() - before
        say("end")
    return tally.report() | {
        "rate": round(tally.answered / seconds, 1),
        "seconds": round(seconds, 3),
        "generator_cpu_seconds": round(cpu, 3),
        "stays_left": len(ready),
    }


async def _quoted(job: Job, lines: Lines) -> list[bytes]:
    """A booking request for each stay that can be had."""
    trips = deque(stays_for_bookings(job.town, job.seed, job.turn))
    made: list[bytes] = []

    async def ask() -> None:
        while trips:
            trip = trips.popleft()
            path = f"/api/listings/{trip.home.id}/quote"
            answer = await lines.answer(request("POST", path, trip.wish, token=trip.guest.token))
            if answer.status == 200:
                wish = trip.wish | {"listing_id": trip.home.id, "quote_id": answer.record()["id"]}
                key = {"idempotency-key": trip.key}
                made.append(request("POST", "/api/bookings", wish, token=trip.guest.token, headers=key))

    await asyncio.gather(*(ask() for _ in range(8)))
    return made


def own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def say(word: str) -> None:
    print(word, flush=True)


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    work = open_run(job) if job.rate else booking_run(job)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(work)
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


if __name__ == "__main__":
    main()
