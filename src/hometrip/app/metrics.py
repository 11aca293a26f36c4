"""What the house counts about itself, in Prometheus' words."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

# The time at which each series was made doubles the page and tells nobody anything.
disable_created_metrics()  # type: ignore[no-untyped-call]  # has no types
REGISTRY = CollectorRegistry()

EVENTS_PUBLISHED = Counter(
    "hometrip_events_published_total", "Events taken to the bus.", ["name"], registry=REGISTRY
)
EVENTS_HANDLED = Counter(
    "hometrip_events_handled_total",
    "Events handled by a listener; outcome is ok or failed.",
    ["service", "name", "outcome"],
    registry=REGISTRY,
)
EVENTS_PARKED = Gauge(
    "hometrip_events_parked", "Events that a listener could not handle.", ["service"], registry=REGISTRY
)
OUTBOX_UNSENT = Gauge("hometrip_outbox_unsent", "Events not yet published.", ["service"], registry=REGISTRY)
OUTBOX_OLDEST = Gauge(
    "hometrip_outbox_oldest_seconds", "Age of the oldest unpublished event.", ["service"], registry=REGISTRY
)
BOOKINGS = Counter(
    "hometrip_bookings_total", "Bookings that came into a state.", ["status"], registry=REGISTRY
)
DATES_TAKEN = Counter(
    "hometrip_dates_taken_total", "Bookings refused because a night was taken.", registry=REGISTRY
)
RATE_LIMITED = Counter("hometrip_rate_limited_total", "Requests over a limit.", ["limit"], registry=REGISTRY)

SPANS = Counter(
    "hometrip_trace_spans_total",
    "Steps of traces for a collector; outcome is sent, or lost where it was away for long or refused them.",
    ["outcome"],
    registry=REGISTRY,
)


def count_spans(outcome: str, spans: int) -> None:
    SPANS.labels(outcome).inc(spans)


SPANS_OF_TIME = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Took:
    """How long the requests of one route took: how many in which span of time, and all of it."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(SPANS_OF_TIME) + 1)
        self.seconds = 0.0


class Requests(Collector):
    """Every request counts here, so in plain numbers: the loop is the one that counts."""

    def __init__(self) -> None:
        self._answered: dict[tuple[str, str, str, int], int] = {}
        self._took: dict[tuple[str, str, str], Took] = {}

    def count(self, service: str, method: str, route: str, status: int, seconds: float) -> None:
        answered = (service, method, route, status)
        self._answered[answered] = self._answered.get(answered, 0) + 1
        took = self._took.get(answered[:3])
        if took is None:
            took = self._took[answered[:3]] = Took()
        took.counts[bisect_left(SPANS_OF_TIME, seconds)] += 1
        took.seconds += seconds

    def collect(self) -> Iterator[Metric]:
        answered = CounterMetricFamily(
            "hometrip_http_requests_total",
            "Requests answered, by route and status.",
            labels=["service", "method", "route", "status"],
        )
        for (*labels, status), count in list(self._answered.items()):
            answered.add_metric([*labels, str(status)], count)
        yield answered
        took = HistogramMetricFamily(
            "hometrip_http_requests_duration_seconds",
            "Time from the request's head to the last byte of its answer.",
            labels=["service", "method", "route"],
        )
        ends = [*map(str, SPANS_OF_TIME), "+Inf"]
        for labels_of_it, found in list(self._took.items()):
            buckets = list(zip(ends, accumulate(found.counts), strict=True))
            took.add_metric(labels_of_it, buckets, found.seconds)
        yield took


REQUESTS = Requests()
REGISTRY.register(REQUESTS)
count_request = REQUESTS.count


# Which state a booking came into, by the event that tells it.
BOOKING_STATES = {
    "booking.requested": "pending",
    "booking.created": "pending",
    "booking.confirmed": "confirmed",
    "booking.declined": "declined",
    "booking.expired": "expired",
    "booking.cancelled": "cancelled",
    "booking.checked_in": "checked_in",
    "booking.completed": "completed",
}


@cache
def _published_of(name: str) -> Counter:
    return EVENTS_PUBLISHED.labels(name)


@cache
def _handled_of(service: str, name: str, outcome: str) -> Counter:
    return EVENTS_HANDLED.labels(service, name, outcome)


def count_handled(service: str, name: str, outcome: str) -> None:
    _handled_of(service, name, outcome).inc()


def count_published(name: str) -> None:
    _published_of(name).inc()
    if state := BOOKING_STATES.get(name):
        BOOKINGS.labels(state).inc()


def with_others(others: Sequence[bytes]) -> bytes:
    """As `exposition`, with what other processes have counted added to it. Gauges are of this one."""
    if not others:
        return exposition()
    families = {family.name: family for family in REGISTRY.collect()}
    for told in others:
        for family in text_string_to_metric_families(told.decode()):
            ours = families.setdefault(family.name, family)
            if ours is not family and family.type in ("counter", "histogram"):
                ours.samples = _added(ours.samples, family.samples)
    return generate_latest(_Collected(families.values()))


def _added(ours: Sequence[Sample], theirs: Sequence[Sample]) -> list[Sample]:
    sums = {(sample.name, *sorted(sample.labels.items())): sample for sample in ours}
    for sample in theirs:
        key = (sample.name, *sorted(sample.labels.items()))
        known = sums.get(key)
        sums[key] = sample._replace(value=sample.value + known.value) if known else sample
    return list(sums.values())


class _Collected(CollectorRegistry):
    """What was collected already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        super().__init__()
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def exposition() -> bytes:
    return generate_latest(REGISTRY)
