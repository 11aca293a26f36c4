"""What the house counts about itself, in Prometheus' words."""

from __future__ import annotations

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import generate_latest

# The time at which each series was made doubles the page and tells nobody anything.
disable_created_metrics()  # type: ignore[no-untyped-call]  # has no types
REGISTRY = CollectorRegistry()

HTTP_REQUESTS = Counter(
    "hometrip_http_requests_total",
    "Requests answered, by route and status.",
    ["service", "method", "route", "status"],
    registry=REGISTRY,
)
HTTP_SECONDS = Histogram(
    "hometrip_http_requests_duration_seconds",
    "Time from the request's head to the last byte of its answer.",
    ["service", "method", "route"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
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


@cache
def _requests_of(service: str, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Routes, methods and statuses are few; finding their counters anew costs more than counting."""
    return (
        HTTP_REQUESTS.labels(service, method, route, str(status)),
        HTTP_SECONDS.labels(service, method, route),
    )


def count_request(service: str, method: str, route: str, status: int, seconds: float) -> None:
    answered, took = _requests_of(service, method, route, status)
    answered.inc()
    took.observe(seconds)


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


def exposition() -> bytes:
    return generate_latest(REGISTRY)
