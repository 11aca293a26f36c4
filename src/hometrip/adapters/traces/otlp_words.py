"""Spans in the words of OTLP 1.x over HTTP, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from hometrip.kernel.trace import Fact, Span

FAILED = 2


class Refusal(msgspec.Struct, rename="camel"):
    """What the collector did not take of what was sent."""

    rejected_spans: int = 0
    error_message: str = ""


class Answer(msgspec.Struct, rename="camel"):
    partial_success: Refusal = msgspec.field(default_factory=Refusal)


def written(spans: Iterable[Span], about: Mapping[str, Fact]) -> bytes:
    """One request for all; each service is a resource of its own, told apart by its name. `about` is what
    holds for all of this process.
    """
    by_service: dict[str, list[Any]] = {}
    for span in spans:
        by_service.setdefault(span.service, []).append(_span(span))
    return msgspec.json.encode(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": _facts({"service.name": service, **about})},
                    "scopeSpans": [{"scope": {"name": "hometrip"}, "spans": own}],
                }
                for service, own in by_service.items()
            ]
        }
    )


def rejected(body: bytes) -> Refusal:
    """Read from the collector's answer; an answer in other words tells nothing."""
    try:
        return msgspec.json.decode(body, type=Answer, strict=False).partial_success
    except msgspec.DecodeError:
        return Refusal()


def _span(span: Span) -> dict[str, Any]:
    told: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": int(span.kind),
        "startTimeUnixNano": str(span.began),
        "endTimeUnixNano": str(span.began + span.took),
        "attributes": _facts(span.facts),
    }
    if span.parent_id:
        told["parentSpanId"] = span.parent_id
    if span.failed:
        told["status"] = {"code": FAILED}
    return told


def _facts(facts: Mapping[str, Fact]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in facts.items()]


def _value(value: Fact) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": value}
