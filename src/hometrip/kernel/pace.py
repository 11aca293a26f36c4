"""Pace: how much of the loop's time events may take, so that requests come first and events do not wait for
ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from time import thread_time
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# While requests are under way, events may use the thread of the loop for a share of what others do: the first
# for those that people wait for, the later for those that are handled together because nobody does. Where
# nobody else wants it (who used next to nothing of it since the last time), for so many seconds at a time.
FIRST, LATER, NOTHING, UNDISTURBED = 0.6, 0.25, 0.0001, 0.002
# One request that waits for something is nobody to make way for.
FEW = 1
AGAIN_SECONDS = 0.001


class Meter:
    """One for each thread with a loop: how many requests are under way, and what all events have used."""

    def __init__(self) -> None:
        self.requests, self.spent = 0, 0.0


class Pace:
    """Of some events. Work on one is begun where it `may_begin`, and is `metered`: what it takes beyond what
    it may is taken off later.
    """

    def __init__(self, meter: Meter | None = None, share: float = FIRST) -> None:
        self._meter, self._share = meter or Meter(), share
        self._left = self._spent_before = 0.0
        self._used_before = thread_time()
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
                loop.call_later(AGAIN_SECONDS, self._decide_anew)
        return self._left > 0

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
        undisturbed = self._meter.requests <= FEW or others < NOTHING
        granted = UNDISTURBED if undisturbed else self._share * others
        self._left = min(self._left, 0.0) + granted

    def _decide_anew(self) -> None:
        self._decided = False
        heard, self._decided_anew = self._decided_anew, asyncio.Event()
        heard.set()
