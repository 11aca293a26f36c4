"""The short way through the gateway: a request whose body is at hand goes to an instance over an open
connection, and its short answer back, all in the callbacks of the two connections. Whatever is out of the
common on that way goes on in a task, from where it is, with the steps that every request takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars

from hometrip.app.edge.exchange import Exchange, Scope
from hometrip.app.edge.ring import Ring
from hometrip.app.gateway.bodies import whole_of
from hometrip.app.gateway.forward import Forward
from hometrip.app.gateway.visit import Errand, Visit
from hometrip.app.serving.line import Line
from hometrip.kernel.deadline import within
from hometrip.services.gateway.rules.routing import METHODS, Place, place_of

# Whoever has waited for that long at the least, and twice as long at the most, goes on waiting in a task,
# which has the request's deadline.
PATIENCE_SECONDS = 0.1


class ForwardLane:
    """`takes` tells whether it sees to a request; `start` before the first, `stop` after the last."""

    def __init__(self, ring: Ring, forward: Forward) -> None:
        self.ring, self.forward = ring, forward
        # Connections keep the context that they were opened in; a task must not begin in another request's.
        self.context = contextvars.copy_context()
        self.waiting: set[Passing] = set()
        self._long: set[Passing] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._looking = asyncio.create_task(self._look(), name="lane")

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking

    def takes(self, line: Line, scope: Scope) -> bool:
        if not line.has_all or scope["method"] not in METHODS or scope["method"] == "OPTIONS":
            return False
        place = place_of(scope["path"])
        if place is None:
            return False
        scope["path_template"] = place.route
        Passing(self, line, self.ring.open(scope, line.send)).begin(place)
        return True

    def done(self, passing: Passing) -> None:
        self.waiting.discard(passing)
        self._long.discard(passing)

    def begin(self, passing: Passing, *, counted: bool) -> None:
        task = asyncio.get_running_loop().create_task(
            passing.go_on(counted=counted), context=self.context.copy()
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(PATIENCE_SECONDS)
            for passing in list(self._long):
                passing.in_task()
            self._long, self.waiting = self.waiting, set()


class Passing:
    """One request on that way."""

    __slots__ = ("_errand", "_exchange", "_lane", "_line", "_visit")

    def __init__(self, lane: ForwardLane, line: Line, exchange: Exchange) -> None:
        self._lane, self._line, self._exchange = lane, line, exchange
        self._errand: Errand | None = None
        self._visit: Visit | None = None

    def begin(self, place: Place) -> None:
        exchange, ring, forward = self._exchange, self._lane.ring, self._lane.forward
        try:
            ring.admit(exchange)
            counted = ring.counted(exchange)
            exchange.must_fit()
            scope = exchange.scope
            errand = self._errand = forward.errand(
                place, scope["method"], scope, self._line.receive, ring.seconds(exchange), exchange.cause
            )
            if errand.asked.has_body:
                errand.upload.at_hand(exchange.fits(self._line.at_hand()))
            self._visit = forward.begun_at_once(errand) if counted else None
        except Exception as error:
            self._refuse(error)
            return
        if self._visit is None:
            self._lane.begin(self, counted=counted)
            return
        self._visit.wire.listener = self._heard
        self._line.gone = self._gone
        self._lane.waiting.add(self)

    def _heard(self) -> None:
        """The service has answered, or will not."""
        errand, visit, exchange = self._errand, self._visit, self._exchange
        assert errand is not None
        assert visit is not None
        wire = visit.wire
        head = wire.whole_head
        if head is None or head.status >= 500:
            if wire.is_soon_whole:
                wire.listener = self._heard
            else:
                self.in_task()
            return
        visit.answered(head)
        body = wire.rest() or b""
        try:
            self._lane.forward.remember(errand, head, body)
            headers, body = whole_of(head, body, packs=errand.asked.packs, bare=errand.method == "HEAD")
            self._line.answer(*exchange.whole(head.status, headers, body))
        except Exception as error:
            self._refuse(error)
        else:
            self._close()

    def _gone(self) -> None:
        """The client waits no longer: what changes nothing need not be done to its end."""
        errand, visit = self._errand, self._visit
        assert errand is not None
        assert visit is not None
        if errand.harmless:
            visit.wire.listener = None
            self._close()

    def in_task(self) -> None:
        """It takes longer, or is more than an answer to be passed on."""
        if self._visit is not None:
            self._visit.wire.listener = None
        self._line.gone = None
        self._lane.done(self)
        self._lane.begin(self, counted=True)

    async def go_on(self, *, counted: bool) -> None:
        async def inside() -> None:
            if not counted:
                await ring.count(exchange)
            assert errand is not None
            async with within(errand.until - asyncio.get_running_loop().time()):
                await forward.deliver(errand, exchange.send, self._line.receive, visit)

        ring, forward = self._lane.ring, self._lane.forward
        exchange, errand, visit = self._exchange, self._errand, self._visit
        try:
            await ring.answer_all(exchange, inside)
        finally:
            self._close()

    def _refuse(self, error: Exception) -> None:
        exchange = self._exchange
        self._line.answer(*exchange.whole(*exchange.refusal(error)))
        self._close()

    def _close(self) -> None:
        if self._visit is not None:
            self._visit.end()
        self._lane.done(self)
        self._lane.ring.close(self._exchange)
        self._line.over()
