"""Traces: which steps a request caused, in which service, and how long each took.

The context of a trace is the `traceparent` (W3C Trace Context) of `current_cause`: it goes along to peers,
into events and into timers by itself. It tells whether the trace is written down, which is decided once,
where the trace begins. Steps are timed on the wall: the sandbox's moved clock has nothing to do with them.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import Token
from enum import IntEnum
from types import TracebackType
from typing import Any

import msgspec

from hometrip.kernel.errors import HomeTripError, Unavailable
from hometrip.kernel.events import Cause, current_cause

Fact = str | int | float | bool

_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_NO_FACTS: Mapping[str, Fact] = {}
_NOTHING: AbstractContextManager[Any] = nullcontext()
# Ids need to be different, not secret. That of a trace and that of a step are made together.
_NEITHER_IS_ZERO = 1 << 64 | 1
_bits, _chance = random.Random().getrandbits, random.Random().random


class Kind(IntEnum):
    """What a step is to the one that caused it; the numbers are OpenTelemetry's."""

    INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5


class Span(msgspec.Struct, frozen=True, gc=False):
    """One step of a trace, ended. `began` in nanoseconds since 1970, `took` in nanoseconds.

    Nothing personal and no secret: the route instead of the path, no query, no address, no account.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: Kind
    service: str
    began: int
    took: int
    failed: bool = False
    facts: Mapping[str, Fact] = _NO_FACTS


def is_sampled(traceparent: str | None) -> bool:
    """Is the trace written down?"""
    return traceparent[-1] in "13579bdf" if traceparent else False


def well_formed(traceparent: str | None) -> str | None:
    """A `traceparent` as it must be written, or nothing."""
    return traceparent if traceparent and _FORM.fullmatch(traceparent) else None


def trace_of(traceparent: str | None) -> str | None:
    """The id of the trace."""
    return traceparent[3:35] if traceparent else None


def child_of(traceparent: str) -> str:
    """Another step of the same trace, written down if that one is."""
    return f"{traceparent[:36]}{_bits(63) + 1:016x}-{'01' if is_sampled(traceparent) else '00'}"


class Tracer:
    """Begins steps and hands those that are to be written down to `keep`.

    - Of the traces that begin here, the `share` (0 to 1) is written down as a whole.
    - Of all others those steps are, alone, that failed or took longer than `slow` seconds, where they are
      requests or events.
    - `service` is whose steps they are, where this process has one service.
    """

    def __init__(
        self, keep: Callable[[Span], None], *, share: float = 1.0, slow: float = 1.0, service: str = ""
    ) -> None:
        self.keep, self.share, self.slow, self.service = keep, share, slow, service

    def begun(self, told: str | None = None) -> str:
        """The traceparent of a step caused by `told`, or of one that begins a trace."""
        if told:
            return child_of(told)
        sampled = "01" if _chance() < self.share else "00"
        ids = f"{_bits(192) | _NEITHER_IS_ZERO:048x}"
        return f"00-{ids[:32]}-{ids[32:]}-{sampled}"

    def wants(self, traceparent: str, seconds: float, *, failed: bool) -> bool:
        """Is this step written down, now that it has ended?"""
        return failed or seconds > self.slow or is_sampled(traceparent)

    def inner(
        self, name: str, kind: Kind = Kind.INTERNAL, service: str = "", facts: Mapping[str, Fact] = _NO_FACTS
    ) -> AbstractContextManager[Any]:
        """A step within what is being done now; nothing where that is not written down."""
        cause = current_cause.get()
        if not is_sampled(cause.traceparent):
            return _NOTHING
        return Step(self, name, kind, service or self.service, cause, facts)

    def step(self, name: str, kind: Kind, cause: Cause) -> Step | None:
        """A step caused by `cause`, to be begun and ended by hand; None where it is not written down."""
        return (
            Step(self, name, kind, self.service, cause, _NO_FACTS) if is_sampled(cause.traceparent) else None
        )

    def outer(
        self, name: str, kind: Kind, service: str, cause: Cause, facts: Mapping[str, Fact] = _NO_FACTS
    ) -> Step:
        """Something that is taken up, with `cause` as what led to it."""
        return Step(self, name, kind, service, cause, facts)


class Step:
    """A step while it lasts: what is done meanwhile is caused by it. It fails with what is unforeseen or
    `Unavailable`; any other error of ours is a refusal, told by its code. `with`, or `begin` and `end` where
    it lasts through calls that know nothing of each other.
    """

    __slots__ = (
        "_began",
        "_cause",
        "_facts",
        "_kind",
        "_mark",
        "_name",
        "_own",
        "_service",
        "_token",
        "_tracer",
    )

    def __init__(
        self, tracer: Tracer, name: str, kind: Kind, service: str, cause: Cause, facts: Mapping[str, Fact]
    ) -> None:
        self._tracer, self._name, self._kind, self._service = tracer, name, kind, service
        self._cause, self._facts = cause, facts
        self._own = tracer.begun(cause.traceparent)
        self._began = self._mark = 0
        self._token: Token[Cause] | None = None

    def __enter__(self) -> None:
        self._token = current_cause.set(self.begin())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._token is not None
        current_cause.reset(self._token)
        self.end(error)

    def begin(self) -> Cause:
        """What is done from now on is caused by this."""
        cause = self._cause
        self._began, self._mark = time.time_ns(), time.perf_counter_ns()
        return Cause(cause.correlation_id, cause.causation_id, self._own)

    def end(self, error: BaseException | None = None) -> None:
        took = time.perf_counter_ns() - self._mark
        failed = error is not None and _is_failure(error)
        if self._tracer.wants(self._own, took / 1e9, failed=failed):
            facts = self._facts if error is None else {**self._facts, "error.type": _word_of(error)}
            told = self._cause.traceparent
            self._tracer.keep(
                Span(
                    self._own[3:35],
                    self._own[36:52],
                    told[36:52] if told else "",
                    self._name,
                    self._kind,
                    self._service,
                    self._began,
                    took,
                    failed,
                    facts,
                )
            )


def _is_failure(error: BaseException) -> bool:
    if isinstance(error, HomeTripError):
        return isinstance(error, Unavailable)
    return not isinstance(error, asyncio.CancelledError)


def _word_of(error: BaseException) -> str:
    """Its code or kind; never its text, which may hold what a trace must not."""
    return error.code if isinstance(error, HomeTripError) else type(error).__name__


class Silent(Tracer):
    """Writes nothing down, and leaves whatever trace it is in as it is."""

    def __init__(self) -> None:
        super().__init__(lambda span: None, share=0.0, slow=float("inf"))

    def inner(
        self, name: str, kind: Kind = Kind.INTERNAL, service: str = "", facts: Mapping[str, Fact] = _NO_FACTS
    ) -> AbstractContextManager[Any]:
        return _NOTHING

    def step(self, name: str, kind: Kind, cause: Cause) -> Step | None:
        return None


# For whom nobody traces, such as a part that is tried by itself.
NO_TRACER: Tracer = Silent()
