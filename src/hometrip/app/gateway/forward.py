"""The gateway behind its ring: every request to the instance of a service that takes it, and its answer back.

The ring has given the request its id, its deadline and its caller, has counted it and bounded its body; it
dresses the answer. Here is only the way in between.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from time import monotonic

from litestar import Litestar
from litestar.exceptions import MethodNotAllowedException
from prometheus_client import Counter

from hometrip.app.edge.exchange import Receive, Scope, Send
from hometrip.app.edge.problems import PROBLEM
from hometrip.app.gateway.bodies import Answer, Upload
from hometrip.app.gateway.memory import LastAnswers
from hometrip.app.gateway.pages import Pages
from hometrip.app.gateway.pool import Targets, Unreached
from hometrip.app.gateway.visit import Errand, Missed, Visit
from hometrip.app.gateway.wire import Lost
from hometrip.app.metrics import REGISTRY
from hometrip.kernel.clock import Clock
from hometrip.kernel.deadline import seconds_left
from hometrip.kernel.events import Cause, current_cause
from hometrip.kernel.trace import NO_TRACER, Tracer
from hometrip.ports.registry import Instance, Registry
from hometrip.services.gateway.actions import Deps
from hometrip.services.gateway.contract import AnswerLost, BadAnswer, NoInstance
from hometrip.services.gateway.rules.answers import Garbage, Head
from hometrip.services.gateway.rules.circuit import Failure
from hometrip.services.gateway.rules.requests import Asked, asked_in, head_of
from hometrip.services.gateway.rules.routing import METHODS, Place, may_repeat, place_of, target_of
from hometrip.services.gateway.rules.stale import kept_for, stands_in_for

RETRIES = Counter(
    "hometrip_gateway_retries_total", "Requests sent a second time.", ["service"], registry=REGISTRY
)
STALE = Counter(
    "hometrip_gateway_stale_total", "Old answers given in place of new ones.", ["service"], registry=REGISTRY
)

LOOK_SECONDS = 2.0
MOST_LOOKED_AT = 8 << 20


class Forward:
    """The application inside the gateway's ring. `close` after the last request.

    - `own` answers what no service serves: the process's own routes, which its document is made of.
    - `credential` makes the token that proves to a service (by name) who is asking.
    """

    def __init__(
        self,
        own: Litestar,
        registry: Registry,
        credential: Callable[[str], str],
        *,
        clock: Clock,
        sandbox: bool = False,
        chance: Callable[[], float] = random.random,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._own, self._tracer = own, tracer
        self._targets = Targets(registry, credential, chance)
        self._memory = LastAnswers()
        self._pages = Pages(own, Deps(registry, clock, sandbox), self.look)

    async def close(self) -> None:
        """Ends every connection to a service."""
        await self._targets.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = place_of(scope["path"]) if scope["type"] == "http" else None
        if place is None:
            if page := self._pages.at(scope):
                await page(scope, send)
            else:
                await self._own(scope, receive, send)  # type: ignore[arg-type]  # Litestar's own types
            return
        scope["path_template"] = place.route
        # The ring turns HEAD into GET for routes, and leaves a mark.
        method = "HEAD" if scope.get("head") else scope["method"]
        if method not in METHODS:
            raise MethodNotAllowedException
        errand = self.errand(place, method, scope, receive, seconds_left(math.inf), current_cause.get())
        await errand.upload.begin()
        await self.deliver(errand, send, receive)

    def errand(
        self, place: Place, method: str, scope: Scope, receive: Receive, seconds: float, cause: Cause
    ) -> Errand:
        """What is to be done for a request within so many seconds. `Malformed` where it could be read in two
        ways.
        """
        asked = scope.get("asked")
        if asked is None or asked.has_body:  # what is known of the body changes with it
            asked = asked_in(scope["headers"])
        target = target_of(scope["raw_path"], scope["query_string"])
        return Errand(
            place=place,
            method=method,
            target=target,
            asked=asked,
            upload=Upload(receive, asked),
            address=scope["caller"].address.encode("latin-1", "replace"),
            key=(target, asked.language[:2].lower()),
            until=self._now() + seconds,
            cause=cause,
        )

    def begun_at_once(self, errand: Errand) -> Visit | None:
        """The errand at an instance to which a connection is open, where there is one now. Its end is for the
        caller to see to, or for `deliver`.
        """
        try:
            target = self._targets.choose(errand.place.service, self._now())
        except NoInstance:
            return None
        visit = Visit(errand, target, self._tracer, fresh=False)
        begun = False
        try:
            begun = visit.begun_at_once()
        finally:
            if not begun:
                visit.end()
        return visit if begun else None

    async def deliver(self, errand: Errand, send: Send, receive: Receive, visit: Visit | None = None) -> None:
        """The errand done and answered; by a visit that has begun already, where there is one."""
        answer = Answer(send, packs=errand.asked.packs, bare=errand.method == "HEAD")
        try:
            await self._go(errand, answer, receive, visit)
        finally:
            await errand.upload.end()

    async def _go(self, errand: Errand, answer: Answer, receive: Receive, visit: Visit | None) -> None:
        """To one instance, and where that misses and it does no harm, to another; else what is remembered."""
        try:
            missed = await self._try(errand, answer, receive, None, visit)
            if missed is not None:
                RETRIES.labels(errand.place.service).inc()
                await self._try(errand, answer, receive, missed)
        except Missed as missed:
            if not await self._stale(errand, answer):
                raise missed.error from missed
        except NoInstance:
            if not await self._stale(errand, answer):
                raise

    async def _try(
        self,
        errand: Errand,
        answer: Answer,
        receive: Receive,
        before: Missed | None,
        visit: Visit | None = None,
    ) -> Missed | None:
        """Answers, or tells that another instance may be tried; with `before`, this is the other one."""
        if visit is None:
            besides = before.target if before else None
            try:
                target = self._targets.choose(errand.place.service, self._now(), besides=besides)
            except NoInstance as none:
                raise before or none from none
            visit = Visit(errand, target, self._tracer, fresh=before is not None)
        try:
            await self._ask(errand, visit, answer, receive)
        except Missed as missed:
            has_body = errand.asked.has_body
            if before is None and may_repeat(errand.method, has_body=has_body, reached=missed.reached):
                return missed
            raise
        return None

    async def _ask(self, errand: Errand, visit: Visit, answer: Answer, receive: Receive) -> None:
        """One instance, all the way. Raises `Missed` where it has not answered."""
        try:
            head = await visit.head()
            if head.status >= 500:
                if stands_in_for(head.status) and await self._stale(errand, answer):
                    return
                if head.header(b"content-type").partition(b";")[0] != PROBLEM.encode():
                    raise BadAnswer(f"{errand.place.service} answered {head.status} without a reason")
            await self._pass_on(errand, visit, head, answer, receive)
        except BaseException as error:
            visit.end(error)
            raise
        finally:
            visit.end()

    async def _pass_on(
        self, errand: Errand, visit: Visit, head: Head, answer: Answer, receive: Receive
    ) -> None:
        body = visit.wire.rest()
        if body is not None:
            self.remember(errand, head, body)
            await answer.whole(head, body)
            return
        try:
            await answer.stream(head, visit.wire, None if errand.upload.under_way else receive)
        except (Lost, Garbage) as failure:
            if visit.wire.abandoned:
                return
            if errand.upload.error is not None:
                raise errand.upload.error from failure
            if not answer.begun:
                raise visit.missed(failure) from failure
            visit.target.failed(Failure.BROKEN)
            raise AnswerLost from failure

    def remember(self, errand: Errand, head: Head, body: bytes) -> None:
        """Keeps the answer for a time when there is none, where it may be."""
        if errand.method == "GET":
            seconds = kept_for(head, private=errand.asked.private, size=len(body))
            if seconds:
                self._memory.keep(errand.key, head, body, self._now(), seconds)

    async def _stale(self, errand: Errand, answer: Answer) -> bool:
        """The last good answer to the same question, where it may stand in."""
        if errand.method != "GET" or errand.asked.private or not len(self._memory):
            return False
        kept = self._memory.find(errand.key, self._now())
        if kept is None:
            return False
        STALE.labels(errand.place.service).inc()
        await answer.whole(kept.head, kept.body)
        return True

    async def look(self, instance: Instance, path: str) -> bytes | None:
        """What an instance answers to a GET of the gateway's own; None for anything but a 200."""
        target = self._targets.of(instance)
        asked = Asked([])
        line = head_of("GET", path.encode(), target.own_lines(self._now()), asked, b"")
        wire = None
        target.enter()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                wire = await target.new_wire()
                wire.ask(line, bare=False)
                head = await wire.head()
                body = bytearray()
                while (data := await wire.chunk()) and len(body) < MOST_LOOKED_AT:
                    body += data
        except (TimeoutError, Unreached, Lost, Garbage):
            return None
        finally:
            target.leave(wire, clean=wire is not None)
        target.answered(head.status)
        return bytes(body) if head.status == 200 else None

    @staticmethod
    def _now() -> float:
        return monotonic()  # which is what event loops go by
