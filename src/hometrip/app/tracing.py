"""The traces of this process, for those who run the house."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from hometrip.app.pages import page
from hometrip.app.wiring import House
from hometrip.kernel.access import ADMIN, PUBLIC
from hometrip.kernel.errors import NotFound
from hometrip.kernel.trace import Fact, Span
from hometrip.kernel.wire import Answer
from hometrip.ports.traces import Trace, Traces


class TraceSummary(Answer):
    """A trace by its first step: how many steps are known of it, in which services, and did one fail?"""

    trace_id: str
    name: str
    began: datetime
    ms: float
    steps: int
    services: list[str]
    failed: bool


class RecentTraces(Answer):
    items: list[TraceSummary]


class Step(Answer):
    """`parent_id` is empty for what began the trace; `after_ms` counts from the trace's beginning."""

    span_id: str
    parent_id: str
    name: str
    kind: str
    service: str
    after_ms: float
    ms: float
    failed: bool
    facts: Mapping[str, Fact]


class WholeTrace(Answer):
    """Its steps in the order of their beginning; `left_out` more were too many to be kept."""

    trace_id: str
    began: datetime
    left_out: int
    steps: list[Step]


@get("/api/traces", access=ADMIN, summary="The traces of this process that were busy last")
async def recent_traces(
    house: NamedDependency[House],
    limit: FromQuery[Annotated[int, msgspec.Meta(ge=1, le=500)]] = 50,
) -> RecentTraces:
    """None where traces go to a collector: they are looked at there."""
    return RecentTraces(items=[summary(trace) for trace in house.shared[Traces].recent(limit)])


@get("/api/traces/{trace_id:str}", access=ADMIN, summary="One trace with its steps")
async def one_trace(trace_id: FromPath[str], house: NamedDependency[House]) -> WholeTrace:
    found = house.shared[Traces].find(trace_id)
    if found is None:
        raise NotFound("this trace is not kept here")
    return whole(found)


@get("/traces", access=PUBLIC, include_in_schema=False)
async def traces_page(house: NamedDependency[House], id: FromQuery[str] = "") -> Response[str]:  # noqa: A002  # its name in the address
    """In the sandbox only: elsewhere an administrator's token is needed, which a browser does not send."""
    if not house.settings.sandbox:
        raise NotFound
    kept = house.shared[Traces]
    found = kept.find(id) if id else None
    if id and found is None:
        raise NotFound("this trace is not kept here")
    return page(
        "traces.html",
        trace=whole(found) if found else None,
        rows=list(nested(found.spans)) if found else [],
        traces=[] if found else [summary(trace) for trace in kept.recent(200)],
    )


def summary(trace: Trace) -> TraceSummary:
    first = trace.spans[0]
    end = max(span.began + span.took for span in trace.spans)
    return TraceSummary(
        trace_id=trace.trace_id,
        name=first.name,
        began=_instant(first.began),
        ms=_ms(end - first.began),
        steps=len(trace.spans) + trace.left_out,
        services=sorted({span.service for span in trace.spans}),
        failed=any(span.failed for span in trace.spans),
    )


def whole(trace: Trace) -> WholeTrace:
    began = trace.spans[0].began
    steps = [
        Step(
            span_id=span.span_id,
            parent_id=span.parent_id,
            name=span.name,
            kind=span.kind.name.lower(),
            service=span.service,
            after_ms=_ms(span.began - began),
            ms=_ms(span.took),
            failed=span.failed,
            facts=span.facts,
        )
        for span in trace.spans
    ]
    return WholeTrace(trace_id=trace.trace_id, began=_instant(began), left_out=trace.left_out, steps=steps)


def nested(spans: list[Span]) -> Iterator[dict[str, Any]]:
    """Every step below the one that caused it, with its depth; one whose cause is not known stands first."""
    known = {span.span_id for span in spans}
    below: dict[str, list[Span]] = {}
    for span in spans:
        below.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)
    began = spans[0].began
    waiting = [(span, 0) for span in reversed(below.get("", []))]
    while waiting:
        span, depth = waiting.pop()
        yield {
            "depth": depth,
            "name": span.name,
            "service": span.service,
            "after": _ms(span.began - began),
            "ms": _ms(span.took),
            "failed": span.failed,
        }
        waiting += [(each, depth + 1) for each in reversed(below.get(span.span_id, []))]


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 3)


def _instant(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)


TRACES: list[Any] = [recent_traces, one_trace]
