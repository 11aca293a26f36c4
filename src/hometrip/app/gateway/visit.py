"""One request at one instance: the connection that it goes over, until the head of its answer is there."""

from __future__ import annotations

import asyncio

import msgspec

from hometrip.app.edge.exchange import DEADLINE
from hometrip.app.gateway.bodies import Upload
from hometrip.app.gateway.memory import Key
from hometrip.app.gateway.pool import Target, Unreached
from hometrip.app.gateway.wire import Lost, Wire
from hometrip.kernel.errors import DeadlineExceeded, Unavailable
from hometrip.kernel.events import Cause
from hometrip.kernel.trace import Kind, Tracer
from hometrip.services.gateway.contract import AnswerLost, BadAnswer, NoInstance
from hometrip.services.gateway.rules.answers import Garbage, Head
from hometrip.services.gateway.rules.circuit import Failure
from hometrip.services.gateway.rules.requests import Asked, framing_of, head_of
from hometrip.services.gateway.rules.routing import SAFE, Place


class Missed(Exception):
    """The instance did not answer. `reached`: it may have got the request all the same."""

    def __init__(self, error: Unavailable, target: Target, *, reached: bool) -> None:
        super().__init__(error.detail)
        self.error, self.target, self.reached = error, target, reached


class Errand(msgspec.Struct):
    """A request on its way: its service, what is asked, who asks, and until when the answer is waited for."""

    place: Place
    method: str
    target: bytes
    asked: Asked
    upload: Upload
    address: bytes
    key: Key
    until: float
    cause: Cause

    @property
    def harmless(self) -> bool:
        """Would it change nothing to send it again, though a service may have got it?"""
        return self.method in SAFE and not self.asked.has_body


class Visit:
    """`head`, then read from `wire`; `end` in any case. `fresh`: over a new connection.

    Or `begun_at_once`, and `answered` when the wire tells that its answer is there.
    """

    def __init__(self, errand: Errand, target: Target, tracer: Tracer, *, fresh: bool) -> None:
        self.errand, self.target, self._fresh = errand, target, fresh
        self._wire: Wire | None = None
        self._was_idle = self._answered = self._ended = False
        self._step = tracer.step(errand.place.step, Kind.CLIENT, errand.cause)
        self._cause = self._step.begin() if self._step else errand.cause
        target.enter()

    @property
    def wire(self) -> Wire:
        assert self._wire is not None
        return self._wire

    async def head(self) -> Head:
        """Raises `Missed` where the instance does not answer."""
        errand, target = self.errand, self.target
        try:
            if self._wire is None and not self.begun_at_once():
                self._begin(await target.new_wire())
            head = await self.wire.head()
        except Unreached as refusal:
            error = NoInstance(f"{errand.place.service} cannot be reached")
            raise Missed(error, target, reached=False) from refusal
        except (Lost, Garbage) as failure:
            if errand.upload.error is not None:
                raise errand.upload.error from failure
            # A connection that was closed while nobody used it says nothing against the instance.
            was_idle = self._was_idle and isinstance(failure, Lost) and not failure.begun
            raise self.missed(failure, blamed=not was_idle) from failure
        except asyncio.CancelledError:
            if self._wire is not None and not errand.upload.under_way:
                target.failed(Failure.BROKEN)  # the time is over, and it was not the sender who took it
            raise
        self.answered(head)
        return head

    def begun_at_once(self) -> bool:
        """Sends the request where a connection is open already."""
        wire = None if self._fresh else self.target.idle_wire(sure=not self.errand.harmless)
        if wire is None:
            return False
        self._was_idle = True
        self._begin(wire)
        return True

    def answered(self, head: Head) -> None:
        self._answered = True
        self.target.answered(head.status)

    def missed(self, failure: Lost | Garbage, *, blamed: bool = True) -> Missed:
        """What is to be raised where the answer did not come; `blamed`: it is the instance's fault."""
        if blamed:
            self.target.failed(Failure.BROKEN)
        error = AnswerLost() if isinstance(failure, Lost) else BadAnswer()
        return Missed(error, self.target, reached=True)

    def _begin(self, wire: Wire) -> None:
        self._wire, errand = wire, self.errand
        now = asyncio.get_running_loop().time()
        head = head_of(
            errand.method,
            errand.target,
            self._own_lines(now),
            errand.asked,
            framing_of(errand.method, errand.asked),
        )
        wire.ask(head + errand.upload.first_part(), bare=errand.method == "HEAD")
        errand.upload.go_on(wire)

    def _own_lines(self, now: float) -> bytes:
        errand, cause = self.errand, self._cause
        left = int((errand.until - now) * 1000)
        if left <= 0:
            raise DeadlineExceeded
        lines = b"%b%b: %d\r\nx-forwarded-for: %b\r\nx-request-id: %b\r\n" % (
            self.target.own_lines(now),
            DEADLINE,
            left,
            errand.address,
            cause.correlation_id.encode(),
        )
        return lines + b"traceparent: %b\r\n" % cause.traceparent.encode() if cause.traceparent else lines

    def end(self, error: BaseException | None = None) -> None:
        """The connection waits for another request where this one and its answer are whole."""
        if self._ended:
            return
        self._ended = True
        if self._step:
            self._step.end(error)
        self.target.leave(self._wire, clean=self._answered and not self.errand.upload.under_way)
