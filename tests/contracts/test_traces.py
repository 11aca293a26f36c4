"""What every adapter of traces promises, `hometrip.adapters.traces.memory` and (with a real Jaeger)
`hometrip.adapters.traces.otlp`; and what a house writes down through them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import httpx2
import pytest

from engines import Engines, engines_of_its_own, settings_of
from harness import house_in, settings_in
from hometrip.adapters.traces.cable import CableTraces, keep_told
from hometrip.adapters.traces.memory import MemoryTraces
from hometrip.adapters.traces.otlp import OtlpTraces
from hometrip.app.beside.cable import Cable
from hometrip.app.doctor import examine
from hometrip.app.sampling import Sampling, sampling_of
from hometrip.app.settings import BadSettings, load
from hometrip.kernel.errors import NotFound, Unavailable
from hometrip.kernel.events import NO_CAUSE, Cause, current_cause
from hometrip.kernel.trace import NO_TRACER, Kind, Span, Tracer, child_of, is_sampled, trace_of, well_formed
from hometrip.ports.traces import Traces
from server import free_port

JAEGER = "HOMETRIP_TEST_JAEGER_URL"
Told = dict[str, tuple[str, str, str, dict[str, Any]]]


class Place(Protocol):
    """An adapter together with where its spans are looked at: by name, the service, the span's own id, its
    cause's, and its facts.
    """

    traces: Traces

    async def seen(self, trace_id: str) -> Told: ...


class InMemory:
    def __init__(self) -> None:
        self.traces: Traces = MemoryTraces()
        self.looked_at = self.traces

    async def seen(self, trace_id: str) -> Told:
        found = self.looked_at.find(trace_id)
        return {
            span.name: (span.service, span.span_id, span.parent_id, dict(span.facts))
            for span in (found.spans if found else ())
        }


class InAnother(InMemory):
    """In the memory of another process, which is told of them over a cable."""

    def __init__(self) -> None:
        super().__init__()
        self._ends = [Cable(end) for end in socket.socketpair()]
        keep_told(self.looked_at, self._ends[1])
        self.traces = CableTraces(self._ends[0])

    async def open(self) -> None:
        await asyncio.gather(*(end.open() for end in self._ends))

    async def close(self) -> None:
        await asyncio.gather(*(end.close() for end in self._ends))


class InJaeger:
    def __init__(self) -> None:
        self.traces: Traces = OtlpTraces(settings_of("jaeger")["HOMETRIP_TRACES_URL"])

    async def seen(self, trace_id: str) -> Told:
        return {name: rest for name, *rest in await in_jaeger(settings_of("jaeger")[JAEGER], trace_id)}  # type: ignore[misc]


async def in_jaeger(url: str, trace_id: str) -> list[tuple[str, str, str, str, dict[str, Any]]]:
    """The spans of a trace by Jaeger's API."""
    async with httpx2.AsyncClient(base_url=url) as client:
        answer = await client.get(f"/api/traces/{trace_id}")
    found = (answer.json()["data"] or [None])[0] if answer.status_code == 200 else None
    if found is None:
        return []
    return [
        (
            span["operationName"],
            found["processes"][span["processID"]]["serviceName"],
            span["spanID"],
            next((each["spanID"] for each in span["references"]), ""),
            {tag["key"]: tag["value"] for tag in span["tags"]},
        )
        for span in found["spans"]
    ]


PLACES: dict[str, Callable[[], Place]] = {
    "adapters.traces.memory": InMemory,
    "adapters.traces.cable": InAnother,
    "adapters.traces.otlp": InJaeger,
}


@pytest.fixture(params=PLACES)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    there = PLACES[request.param]()
    if isinstance(there, InAnother):
        await there.open()
    if isinstance(there.traces, OtlpTraces):
        await there.traces.open()
    yield there
    await there.traces.close()
    if isinstance(there, InAnother):
        await there.close()


def span(trace_id: str, name: str = "step", *, failed: bool = False, service: str = "booking") -> Span:
    own = Tracer(lambda _: None).begun()[36:52]
    facts = {"yes": True, "count": 3, "share": 0.5, "route": "/api/bookings"}
    return Span(trace_id, own, "", name, Kind.SERVER, service, time.time_ns(), 5_000_000, failed, facts)


def new_trace() -> str:
    return Tracer(lambda _: None).begun()[3:35]


async def until_seen(place: Place, trace_id: str, count: int) -> Told:
    """Flushed spans are at the collector, which may take a moment to show them."""
    seen: Told = {}
    async with asyncio.timeout(20):
        while len(seen) < count:
            await asyncio.sleep(0.02)
            seen = await place.seen(trace_id)
    return seen


# what all of them promise


async def test_a_span_is_seen_as_it_was_kept(place: Place) -> None:
    trace_id = new_trace()
    kept = span(trace_id)
    place.traces.keep(kept)
    await place.traces.flush()
    service, span_id, parent, facts = (await until_seen(place, trace_id, 1))["step"]
    assert (service, span_id, parent) == ("booking", kept.span_id, "")
    assert facts.items() >= dict(kept.facts).items()


async def test_the_steps_of_several_services_are_one_trace(place: Place) -> None:
    trace_id = new_trace()
    for service in ("gateway", "booking", "payment"):
        place.traces.keep(span(trace_id, f"in {service}", service=service))
    place.traces.keep(span(new_trace(), "of another"))
    await place.traces.flush()
    seen = await until_seen(place, trace_id, 3)
    assert {name: service for name, (service, *_) in seen.items()} == {
        "in gateway": "gateway",
        "in booking": "booking",
        "in payment": "payment",
    }


async def test_more_than_a_batch_arrives_as_a_whole(place: Place) -> None:
    trace_id = new_trace()
    for number in range(500):
        place.traces.keep(span(trace_id, f"step {number}"))
    await place.traces.close()
    assert place.traces.lost == 0
    assert len(await until_seen(place, trace_id, 500)) == 500


# the buffer


async def test_the_buffer_is_bounded_and_what_failed_outlives_a_crowd() -> None:
    traces, failed, first = MemoryTraces(most=100), new_trace(), new_trace()
    traces.keep(span(first))
    traces.keep(span(failed, "inner"))
    traces.keep(span(failed, "outer", failed=True))
    for _ in range(1000):
        traces.keep(span(new_trace()))
    assert sum(len(trace.spans) for trace in traces.recent(10_000)) == 52
    assert traces.find(first) is None
    found = traces.find(failed)
    assert found is not None
    assert [each.name for each in found.spans] == ["inner", "outer"]
    assert traces.lost == 951


async def test_a_trace_without_end_does_not_fill_the_buffer() -> None:
    traces, endless = MemoryTraces(most=100, most_of_one=10), new_trace()
    for _ in range(1000):
        traces.keep(span(endless))
    (trace,) = traces.recent(5)
    assert (len(trace.spans), trace.left_out) == (10, 990)


# the collector


async def test_while_the_collector_is_away_nothing_waits_and_what_has_no_room_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counted = dict[str, int]()
    traces = OtlpTraces(
        f"otlp://someone:hunter2@127.0.0.1:{free_port()}",
        most=100,
        count=lambda outcome, spans: counted.update({outcome: counted.get(outcome, 0) + spans}),
    )
    await traces.open()
    began = time.perf_counter()
    for _ in range(250):
        traces.keep(span(new_trace()))
    assert time.perf_counter() - began < 0.1
    assert traces.lost == 150
    await traces.close()
    assert time.perf_counter() - began < 5
    assert (traces.lost, counted) == (250, {"lost": 250})
    said = [record for record in caplog.records if record.name == "hometrip.traces"]
    assert [record.getMessage() for record in said] == ["spans wait for the collector"]
    assert "hunter2" not in "".join(str(vars(record)) for record in caplog.records)
    (finding,) = await traces.examine()
    assert not finding.fine
    assert "hunter2" not in finding.detail


@pytest.fixture
def own_engines() -> Iterator[Engines]:
    with engines_of_its_own() as engines:
        yield engines


async def test_spans_wait_for_a_collector_that_is_away(own_engines: Engines) -> None:
    told = await asyncio.to_thread(own_engines.start, "jaeger")
    traces = OtlpTraces(told["HOMETRIP_TRACES_URL"])
    await traces.open()
    assert [finding.fine for finding in await traces.examine()] == [True]
    await asyncio.to_thread(own_engines.kill, "jaeger")
    trace_id = new_trace()
    traces.keep(span(trace_id, "during the outage"))
    await traces.flush()
    told = await asyncio.to_thread(own_engines.start, "jaeger")
    found: list[Any] = []
    async with asyncio.timeout(20):
        while not found:
            await asyncio.sleep(0.05)
            found = await in_jaeger(told[JAEGER], trace_id)
    await traces.close()
    assert traces.lost == 0


# steps


async def test_a_step_is_the_cause_of_what_is_done_in_it() -> None:
    kept: list[Span] = []
    tracer = Tracer(kept.append, service="booking")
    with tracer.outer("take up", Kind.CONSUMER, "booking", Cause("request-1")):
        cause = current_cause.get()
        with tracer.inner("ask", Kind.CLIENT):
            inner = current_cause.get()
    assert current_cause.get() == NO_CAUSE
    ask, take_up = kept
    assert (ask.parent_id, ask.trace_id) == (take_up.span_id, take_up.trace_id)
    assert (cause.correlation_id, inner.correlation_id) == ("request-1", "request-1")
    assert trace_of(cause.traceparent) == trace_of(inner.traceparent) == take_up.trace_id
    assert well_formed(inner.traceparent)
    assert take_up.began <= ask.began
    assert ask.took <= take_up.took


@pytest.mark.parametrize(
    ("error", "failed", "word"),
    [
        (NotFound("ann@example.com is not here"), False, "not_found"),
        (Unavailable("away"), True, "unavailable"),
        (ValueError("hunter2"), True, "ValueError"),
        (asyncio.CancelledError(), False, "CancelledError"),
    ],
)
def test_a_step_that_raises_says_so_without_the_words_of_the_error(
    error: BaseException, failed: bool, word: str
) -> None:
    kept: list[Span] = []
    with pytest.raises(type(error)), Tracer(kept.append).outer("try", Kind.CONSUMER, "x", NO_CAUSE):
        raise error
    assert [(each.failed, dict(each.facts)) for each in kept] == [(failed, {"error.type": word})]


def test_of_a_trace_that_is_not_sampled_only_what_failed_or_was_slow_is_kept() -> None:
    kept: list[Span] = []
    tracer = Tracer(kept.append, share=0.0)
    with tracer.outer("usual", Kind.CONSUMER, "x", NO_CAUSE), tracer.inner("within"):
        assert not is_sampled(current_cause.get().traceparent)
    with pytest.raises(ValueError), tracer.outer("failing", Kind.CONSUMER, "x", NO_CAUSE):  # noqa: PT011
        raise ValueError
    tracer.slow = 0.0
    with tracer.outer("slow", Kind.CONSUMER, "x", NO_CAUSE):
        pass
    assert [each.name for each in kept] == ["failing", "slow"]


def test_a_child_follows_the_decision_of_its_trace() -> None:
    for share in (0.0, 1.0):
        parent = Tracer(lambda _: None, share=share).begun()
        child = Tracer(lambda _: None, share=1 - share).begun(parent)
        assert child[:36] == parent[:36]
        assert (child[36:52] != parent[36:52], child[-2:]) == (True, parent[-2:])


def test_a_share_of_the_traces_is_sampled() -> None:
    tracer = Tracer(lambda _: None, share=0.1)
    assert 100 < sum(is_sampled(tracer.begun()) for _ in range(2000)) < 320


def test_what_is_no_traceparent_is_none() -> None:
    good = child_of(NO_TRACER.begun())
    bad = ["", "00-zz", good.upper(), good + "0", "ff" + good[2:], f"00-{'0' * 32}-{good[36:]}"]
    assert [well_formed(each) for each in [good, None, *bad]] == [good, None, *(None for _ in bad)]


# a house


async def test_one_trace_goes_through_a_request_its_event_and_a_timer(tmp_path: Path) -> None:
    async with house_in(tmp_path, traces_url="memory:?sample=1") as house:
        person = await house.sign_up("ann@example.com")
        staff = await house.staff()
        recent = (await staff.get("/api/traces")).json()["items"]
        (sign_up,) = [each for each in recent if each["name"] == "POST /api/auth/signup"]
        assert set(sign_up["services"]) >= {"auth", "notification"}
        answer = await staff.get(f"/api/traces/{sign_up['trace_id']}")
        steps = answer.json()["steps"]
        first, *rest = steps
        assert first["parent_id"] == ""
        assert first["facts"]["http.route"] == "/api/auth/signup"
        known = {step["span_id"] for step in steps}
        assert all(step["parent_id"] in known for step in rest)
        assert any(step["kind"] == "consumer" for step in rest)
        for secret in ("ann@example.com", "correct horse", person.tokens["access_token"]):
            assert secret not in answer.text
        assert (await person.get("/api/traces")).status_code == 403
        assert (await house.client.get("/api/traces")).status_code == 401
        assert (await staff.get(f"/api/traces/{'0' * 32}")).status_code == 404
        page = await house.client.get("/traces", params={"id": sign_up["trace_id"]})
        assert (page.status_code, "hear " in page.text) == (200, True)
        assert "POST /api/auth/signup" in (await house.client.get("/traces")).text


async def test_a_stranger_decides_neither_the_trace_nor_that_it_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
    async with house_in(tmp_path, traces_url="memory:?sample=0&slow=1000") as house:
        with caplog.at_level(logging.INFO, "hometrip.http"):
            await house.client.get("/api/search", headers={"traceparent": foreign})
        told = vars(next(record for record in caplog.records if record.name == "hometrip.http"))
        assert len(told["trace_id"]) == 32
        assert told["trace_id"] != foreign[3:35]
        assert house.house.shared[Traces].recent(10) == []


async def test_a_house_does_its_work_while_its_collector_never_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"otlp://127.0.0.1:{mute.getsockname()[1]}?sample=1"
        async with house_in(tmp_path, traces_url=url) as house:
            await house.sign_up("ann@example.com")
            assert (await house.client.get("/ready")).status_code == 200
            staff = await house.staff()
            assert (await staff.get("/api/traces")).json() == {"items": []}
            began = time.perf_counter()
        assert time.perf_counter() - began < 5


async def test_the_doctor_says_that_the_collector_is_away(tmp_path: Path) -> None:
    found = await examine(settings_in(tmp_path, traces_url=f"otlp://127.0.0.1:{free_port()}"))
    ((_, finding),) = [each for each in found if each[0] == "traces"]
    assert (finding.what, finding.fine) == ("reachable", False)
    assert "HOMETRIP_TRACES_URL" in finding.advice


@pytest.mark.parametrize("rest", ["sample=all", "sample=2", "sample=nan", "slow=0", "slow=soon"])
def test_a_sampling_that_makes_no_sense_is_named(rest: str) -> None:
    with pytest.raises(BadSettings, match="HOMETRIP_TRACES_URL: s"):
        load({"HOMETRIP_TRACES_URL": f"memory:?{rest}"})


def test_the_sandbox_samples_all_and_other_houses_a_tenth() -> None:
    assert sampling_of("memory:", sandbox=True) == Sampling(1.0, 1.0)
    assert sampling_of("otlp://there", sandbox=False) == Sampling(0.1, 1.0)
    assert sampling_of("otlp://there?sample=0.5&slow=2", sandbox=True) == Sampling(0.5, 2.0)
