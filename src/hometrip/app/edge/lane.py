"""The short way through a process with services in it: a common request, whose body is at hand, goes from the
client's connection to its handler and back without ASGI, by the ring's steps and those of the straight way.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from typing import Any

from hometrip.app.edge.again import WRITES
from hometrip.app.edge.exchange import SENDER, Exchange
from hometrip.app.edge.ring import Ring
from hometrip.app.edge.straight import Found, Straight, Whole, is_short_json, refused
from hometrip.app.serving.line import Line
from hometrip.kernel.again import again
from hometrip.kernel.deadline import current_deadline
from hometrip.kernel.errors import DeadlineExceeded, HomeTripError
from hometrip.kernel.events import current_cause
from hometrip.ports.outbox import Contended

log = logging.getLogger("hometrip.edge")

# How often it is looked for requests whose time is over; a timer for each of them would cost more.
LOOK_SECONDS = 0.1


class Passing:
    """One request on that way: what does its work, and by when it must be done; what its handler is called
    with, where that has been found while an answer was looked for that is at hand.
    """

    __slots__ = ("arguments", "is_late", "task", "until")

    def __init__(self) -> None:
        self.arguments: dict[str, Any] | None = None
        self.task: asyncio.Task[None] | None = None
        self.until = float("inf")
        self.is_late = False


class HandlerLane:
    """`takes` tells whether it sees to a request. What turns out to be out of the common goes on to what the
    ring stands around.
    """

    def __init__(self, ring: Ring, straight: Straight, house: Any) -> None:
        """The handlers find `house` in the scope."""
        self._ring, self._straight, self._house = ring, straight, house
        # Connections keep the context that they were opened in; a task must not begin in another request's.
        self._context = contextvars.copy_context()
        self._under_way: set[Passing] = set()
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._looking = self._loop.create_task(self._look(), name="lane")

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking

    def takes(self, line: Line, scope: dict[str, Any]) -> bool:
        if not line.has_all:
            return False
        found = self._straight.find(scope)
        if found is None or (found.way.read is not None and not is_short_json(scope["named"])):
            return False
        exchange = self._ring.open(scope, line.send)
        passing = Passing()
        if not self._answers_at_once(passing, line, exchange, found):
            work = self._run(passing, line, exchange, found)
            passing.task = self._loop.create_task(work, context=self._context.copy())
            self._under_way.add(passing)
            self._house.meter.requests += 1
        return True

    def _answers_at_once(self, passing: Passing, line: Line, exchange: Exchange, found: Found) -> bool:
        """Where all that is needed is at hand, nobody waits, and no task is made. Where it is not, nothing
        has happened.
        """
        record = self._at_hand(passing, line, exchange, found)
        if record is None:
            return False
        try:
            if not self._ring.counted(exchange):
                return False
            answer = self._straight.told(found.way, exchange.scope, record)
        except Exception as error:
            # Nobody above would answer: one too many is told so, and whatever else it is as unforeseen.
            answer = exchange.refusal(error)
        line.answer(*exchange.whole(*answer))
        self._ring.close(exchange)
        line.over()
        return True

    def _at_hand(self, passing: Passing, line: Line, exchange: Exchange, found: Found) -> Any:
        """The record, or the error that is told; None where somebody has to be waited for."""
        scope = exchange.scope
        # What another process of the house asks has its own deadline and cause, which only a task has.
        if found.way.at_hand is None or SENDER in exchange.headers:
            return None
        try:
            self._ring.admit(exchange)
            scope["house"] = self._house
            arguments = passing.arguments = self._straight.arguments(found, scope, line.peek())
            return self._straight.at_hand(found.way, arguments) if arguments is not None else None
        except HomeTripError:
            return None  # the usual way comes upon it again, and has the words for it
        except Exception as error:
            # Told here, for the usual way may well do without what failed.
            log.error("unforeseen error", exc_info=error)
            return None

    async def _run(self, passing: Passing, line: Line, exchange: Exchange, found: Found) -> None:
        try:
            answer = await self._answer(passing, line, exchange, found)
            if answer is not None:
                line.answer(*exchange.whole(*answer))
        except asyncio.CancelledError:
            if not passing.is_late:
                raise
            await exchange.fail(DeadlineExceeded())
        except Exception as error:
            await exchange.fail(error)
        finally:
            self._under_way.discard(passing)
            self._house.meter.requests -= 1
            self._ring.close(exchange)
            line.over()

    async def _answer(self, passing: Passing, line: Line, exchange: Exchange, found: Found) -> Whole | None:
        """None where it has gone out already."""
        ring, straight, scope = self._ring, self._straight, exchange.scope
        arguments = passing.arguments
        if arguments is None:
            ring.admit(exchange)
        current_cause.set(exchange.cause)
        if not ring.counted(exchange):
            await ring.count(exchange)
        exchange.must_fit()
        passing.until = time.monotonic() + ring.seconds(exchange)
        current_deadline.set(passing.until)
        scope["house"] = self._house
        if arguments is None:
            arguments = straight.arguments(found, scope, line.peek())
        if arguments is None:
            await ring.app(scope, exchange.capped(line.receive), exchange.send)
            return None
        try:
            if scope["method"] in WRITES:
                return await again(lambda: straight.call(found.way, scope, arguments), Contended)
            return await straight.call(found.way, scope, arguments)
        except Exception as error:
            return refused(scope, error)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = time.monotonic()
            for passing in [each for each in self._under_way if each.until < now]:
                if passing.task is not None and not passing.is_late:
                    passing.is_late = True
                    passing.task.cancel()
