"""Traces in a buffer of this process: the last ones, and besides them the last in which something failed."""

from __future__ import annotations

from collections import OrderedDict
from operator import attrgetter

from hometrip.kernel.trace import Span
from hometrip.ports.traces import Trace

MOST_SPANS = 10_000
MOST_OF_ONE = 500


class Shelf:
    """Traces in the order in which they got a span last; the oldest go when there are too many spans."""

    def __init__(self, most: int) -> None:
        self.most, self.count = most, 0
        # Ordered by itself: a plain dict is slow at giving away its oldest again and again.
        self.traces: OrderedDict[str, list[Span]] = OrderedDict()

    def put(self, trace_id: str, spans: list[Span]) -> int:
        """How many spans had to go for it."""
        self.traces[trace_id] = spans
        self.count += len(spans)
        gone = 0
        while self.count > self.most:
            _, oldest = self.traces.popitem(last=False)
            self.count -= len(oldest)
            gone += len(oldest)
        return gone

    def take(self, trace_id: str) -> list[Span]:
        spans = self.traces.pop(trace_id, [])
        self.count -= len(spans)
        return spans


class MemoryTraces:
    """At most `most` spans, half of them of traces in which something failed, which therefore outlive a
    crowd of others; at most `most_of_one` of a trace.
    """

    def __init__(self, *, most: int = MOST_SPANS, most_of_one: int = MOST_OF_ONE) -> None:
        self._most_of_one = min(most_of_one, most // 2)
        self._usual, self._failed = Shelf(most // 2), Shelf(most // 2)
        self._left_out: dict[str, int] = {}
        self.lost = 0
        self._closed = False

    def keep(self, span: Span) -> None:
        if self._closed:
            return
        trace_id, usual, failed = span.trace_id, self._usual, self._failed
        shelf, spans = usual, list[Span]()
        # Most requests are a step alone.
        if span.failed or trace_id in usual.traces or trace_id in failed.traces:
            spans = failed.take(trace_id)
            shelf = failed if spans or span.failed else usual
            spans = spans or usual.take(trace_id)
        if len(spans) < self._most_of_one:
            spans.append(span)
        else:
            self._left_out[trace_id] = self._left_out.get(trace_id, 0) + 1
            self.lost += 1
        gone = shelf.put(trace_id, spans)
        self.lost += gone
        if gone and self._left_out:
            self._left_out = {each: count for each, count in self._left_out.items() if self._spans(each)}

    def recent(self, limit: int) -> list[Trace]:
        known = [*self._usual.traces.values(), *self._failed.traces.values()]
        known.sort(key=lambda spans: spans[-1].began + spans[-1].took, reverse=True)
        return [self._trace(spans) for spans in known[:limit]]

    def find(self, trace_id: str) -> Trace | None:
        spans = self._spans(trace_id)
        return self._trace(spans) if spans else None

    async def flush(self) -> None:
        """There is nowhere else to bring them."""

    async def close(self) -> None:
        self._closed = True

    def _spans(self, trace_id: str) -> list[Span]:
        return self._usual.traces.get(trace_id) or self._failed.traces.get(trace_id) or []

    def _trace(self, spans: list[Span]) -> Trace:
        trace_id = spans[0].trace_id
        return Trace(trace_id, sorted(spans, key=attrgetter("began")), self._left_out.get(trace_id, 0))
