"""Pace: how much of the loop's time events may take, so that requests come first and events do not wait for
ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from time import monotonic, thread_time
from types import coroutine
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Haste(NamedTuple):
    """While requests are under way, events may use the thread of the loop for a `share` of what others do.
    Events that `may_wait` for so many seconds have next to nothing of it (`LEAST`) until they have.
    """

    share: float
    may_wait: float = 0.0


# What people wait for (that a payment confirms a booking), what they should soon see (a change of a home, in
# searches), and what nobody misses for a while, so that a burst of requests has the house to itself.
FIRST, SOON, LATER = Haste(0.6), Haste(0.25, may_wait=0.25), Haste(0.25, may_wait=10.0)
LEAST = 0.005
# Where nobody else wants it (others have used less than a tenth of the time), so many seconds at a time.
NOTHING, UNDISTURBED = 0.1, 0.002
# One request that waits for something is nobody to make way for.
FEW = 1
# So soon it is decided anew; whether somebody wants the loop is seen over so long a time, longer for events
# that may wait: a loop that is idle for a moment, since a database works for requests, is not one that nobody
# wants.
AGAIN_SECONDS, AGAIN_FOR_PATIENT = 0.001, 0.005
SEEN_SECONDS, SEEN_FOR_PATIENT = 0.001, 0.05


class Meter:
    """One for each thread with a loop: how many requests are under way, and what all events have used."""

    def __init__(self) -> None:
        self.requests, self.spent = 0, 0.0


class Pace:
    """Of some events. Work on one is begun where it `may_begin`, and is `metered`: what it takes beyond what
    it may is taken off later. Of each it is told how long it `has_waited`.
    """

    def __init__(self, meter: Meter | None = None, haste: Haste = FIRST) -> None:
        self._meter, self._haste = meter or Meter(), haste
        self._share = LEAST if haste.may_wait else haste.share
        self._again = AGAIN_FOR_PATIENT if haste.may_wait else AGAIN_SECONDS
        self._see = SEEN_FOR_PATIENT if haste.may_wait else SEEN_SECONDS
        self._left = self._spent_before = 0.0
        self._used_before = thread_time()
        self._seen_at, self._seen, self._seen_spent, self._wanted = monotonic(), 0.0, 0.0, True
        self._decided = False
        self._decided_anew = asyncio.Event()

    def may_begin(self) -> bool:
        if not self._decided:
            self._decided = True
            self._grant()
            loop = asyncio.get_running_loop()
            if self._left > 0:
                loop.call_soon(self._decide_anew)
            else:
                loop.call_later(self._again, self._decide_anew)
        return self._left > 0

    def has_waited(self, seconds: float) -> None:
        """So long for its turn, the one that is begun: those that came after it, less."""
        share, may_wait = self._haste
        self._share = share if seconds >= may_wait else LEAST

    async def turn(self) -> None:
        """Wait until work may begin."""
        while not self.may_begin():
            await self._decided_anew.wait()

    @coroutine
    def metered(self, work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """The work, the processor's time of which is counted: while it runs, not while it waits."""
        step: Callable[[Any], Any] = work.send
        given: Any = None
        while True:
            began = thread_time()
            try:
                waits_for = step(given)
            except StopIteration as end:
                done: T = end.value
                return done
            finally:
                took = thread_time() - began
                self._meter.spent += took
                self._left -= took
            try:
                given, step = (yield waits_for), work.send
            except BaseException as error:
                given, step = error, work.throw

    def _grant(self) -> None:
        used, spent = thread_time(), self._meter.spent
        others = used - self._used_before - (spent - self._spent_before)
        self._used_before, self._spent_before = used, spent
        self._see_others(others)
        granted = self._share * others if self._wanted and self._meter.requests > FEW else UNDISTURBED
        self._left = min(self._left, 0.0) + granted

    def _see_others(self, used: float) -> None:
        """By what they used, however long it took: on a busy machine nobody gets much of a longer time. Where
        events had the loop, others want it who got a part of what they took.
        """
        self._seen += used
        if (now := monotonic()) < self._seen_at + self._see:
            return
        enough, spent = self._see, self._meter.spent - self._seen_spent
        self._wanted = self._seen >= NOTHING * (enough if self._wanted else min(enough, spent))
        self._seen_at, self._seen, self._seen_spent = now, 0.0, self._meter.spent

    def _decide_anew(self) -> None:
        self._decided = False
        heard, self._decided_anew = self._decided_anew, asyncio.Event()
        heard.set()
