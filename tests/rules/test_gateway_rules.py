"""The rules of the gateway: where a request goes, whom it trusts, what it keeps, how it reads and joins."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hometrip.app.rooms import service_of
from hometrip.app.settings import SERVICES
from hometrip.kernel.errors import Malformed
from hometrip.services.gateway.rules import circuit as health
from hometrip.services.gateway.rules.answers import Garbage, Head, head_in
from hometrip.services.gateway.rules.chunks import LAST_CHUNK, Chunks, chunk_of
from hometrip.services.gateway.rules.circuit import (
    CLOSED,
    EJECTED_SECONDS,
    ERRORS,
    FAILURES,
    FIRST_PAUSE,
    HALF_OPEN,
    HEALTHY,
    LAST_PAUSE,
    OPEN,
    Failure,
)
from hometrip.services.gateway.rules.document import merged
from hometrip.services.gateway.rules.packing import may_pack
from hometrip.services.gateway.rules.requests import asked_in, framing_of, head_of, reads_gzip
from hometrip.services.gateway.rules.routing import ROUTES, may_repeat, pick, place_of, target_of
from hometrip.services.gateway.rules.stale import MOST_BYTES, SECONDS, kept_for

# where a request goes

# Promised by the interface, and declared by no service so far.
NOT_YET = {"api-keys": "auth"}


def declared_paths(service: str) -> list[str]:
    return [f"/api{path}" for handler in service_of(service).routes for path in paths_of(handler)]


def paths_of(handler: Any) -> list[str]:
    """Of a handler, or of a router of handlers."""
    inner = getattr(handler, "route_handlers", None) or []
    own = sorted(getattr(handler, "paths", None) or [getattr(handler, "path", "")])
    if inner:
        return [own[0].rstrip("/") + path for part in inner for path in paths_of(part)]
    return [path if path.startswith("/") else f"/{path}" for path in own]


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_that_a_service_declares_leads_to_it(service: str) -> None:
    paths = declared_paths(service)
    assert paths
    assert {path: place.service if (place := place_of(path)) else None for path in paths} == dict.fromkeys(
        paths, service
    )


def test_the_table_has_no_prefix_that_no_service_declares() -> None:
    declared = {path.split("/")[2]: service for service in SERVICES for path in declared_paths(service)}
    assert declared | NOT_YET == ROUTES


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/",
        "/listings",
        "/api/listingsx",
        "/api//listings",
        "/apis/listings",
        "/health",
        "/files",
    ],
)
def test_what_no_service_has_leads_nowhere(path: str) -> None:
    assert place_of(path) is None


def test_a_place_names_its_route_without_what_is_in_the_path() -> None:
    place = place_of("/api/listings/0190/photos")
    assert place is not None
    assert place.route == "/api/listings"


@pytest.mark.parametrize(
    "raw",
    [b"/a/../b", b"/a/..", b"/./a", b"/a/%2e%2e/b", b"/a/.%2E", b"/a b", b"/\xc3", b"/a#b", b"a", b"/\n"],
)
def test_a_path_that_two_could_read_differently_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        target_of(raw, b"")


def test_a_path_keeps_its_spelling_and_its_query() -> None:
    assert target_of(b"/api/auth/.well-known/%6a", b"a=..&b=/../") == b"/api/auth/.well-known/%6a?a=..&b=/../"


@given(st.lists(st.integers(0, 20), min_size=1, max_size=8), st.floats(0, 1, exclude_max=True))
def test_of_two_different_instances_the_less_loaded_is_picked(loads: list[int], chance: float) -> None:
    chosen = pick(loads, chance)
    assert 0 <= chosen < len(loads)
    if len(loads) > 1:
        assert loads[chosen] < max(loads) or loads.count(max(loads)) > 1


def test_every_pair_has_the_same_chance() -> None:
    steps = 1200
    picked = [pick([0, 1, 2, 3], step / steps) for step in range(steps)]
    assert [picked.count(each) for each in range(4)] == [600, 400, 200, 0]


@pytest.mark.parametrize(
    ("method", "has_body", "reached", "may"),
    [
        ("GET", False, True, True),
        ("HEAD", False, True, True),
        ("GET", True, True, False),
        ("POST", False, True, False),
        ("PUT", False, True, False),
        ("DELETE", False, True, False),
        ("POST", True, False, True),
    ],
)
def test_who_may_be_asked_twice(method: str, has_body: bool, reached: bool, may: bool) -> None:
    assert may_repeat(method, has_body=has_body, reached=reached) is may


# the health of an instance


def broken(circuit: health.Circuit, now: float, times: int = 1) -> health.Circuit:
    for _ in range(times):
        circuit = health.failed(circuit, Failure.BROKEN, now)
    return circuit


def test_a_circuit_opens_after_failures_in_a_row_and_not_before() -> None:
    almost = broken(HEALTHY, 0, FAILURES - 1)
    assert almost.state is CLOSED
    assert broken(health.answered(almost, 200, 0), 0, FAILURES - 1).state is CLOSED
    assert broken(almost, 0).state is OPEN


def test_nobody_listening_is_enough() -> None:
    assert health.failed(HEALTHY, Failure.REFUSED, 0).state is OPEN


def test_an_open_circuit_lets_one_request_try_after_its_pause() -> None:
    open_one = health.failed(HEALTHY, Failure.REFUSED, 100)
    assert not health.admits(open_one, 100 + FIRST_PAUSE - 0.01)
    assert health.admits(open_one, 100 + FIRST_PAUSE)
    trying = health.entered(open_one)
    assert trying.state is HALF_OPEN
    assert not health.admits(trying, 1000)
    assert health.answered(trying, 404, 1000) is HEALTHY
    assert health.admits(health.left(trying), 1000)


def test_each_vain_try_doubles_the_pause_up_to_the_longest() -> None:
    circuit, now, pauses = HEALTHY, 0.0, []
    for _ in range(8):
        circuit = health.failed(circuit, Failure.REFUSED, now)
        pauses.append(circuit.until - now)
        now = circuit.until
        circuit = health.entered(circuit)
    assert pauses == [1, 2, 4, 8, 16, LAST_PAUSE, LAST_PAUSE, LAST_PAUSE]


def test_what_was_under_way_when_a_circuit_opened_does_not_make_the_pause_longer() -> None:
    open_one = broken(HEALTHY, 0, FAILURES)
    assert broken(open_one, 0.5, 20) == open_one


def test_errors_in_a_row_eject_for_a_while_without_opening_the_circuit() -> None:
    circuit = HEALTHY
    for _ in range(ERRORS):
        assert not health.is_ejected(circuit, 10)
        circuit = health.answered(circuit, 503, 10)
    assert health.is_ejected(circuit, 10)
    assert health.admits(circuit, 10)
    assert not health.is_ejected(circuit, 10 + EJECTED_SECONDS)
    assert health.answered(circuit, 200, 11) is HEALTHY


# what of a request goes in


def names_in(*headers: tuple[bytes, bytes]) -> list[bytes]:
    return asked_in(headers).lines[::4]


def test_headers_pass_in_their_order_but_those_of_the_connection_and_the_house() -> None:
    assert names_in(
        (b"host", b"x"),
        (b"accept", b"*/*"),
        (b"connection", b"Keep-Alive, X-One"),
        (b"x-one", b"1"),
        (b"x-two", b"2"),
        (b"x-hometrip-anything", b"1"),
        (b"x-forwarded-anything", b"1"),
        (b"te", b"trailers"),
        (b"authorization", b"Bearer x"),
        (b"idempotency-key", b"k"),
    ) == [b"accept", b"x-two", b"authorization", b"idempotency-key"]


@given(
    st.lists(st.sampled_from([b"X-Hometrip-Sender", b"x_hometrip_sender", b"X-Forwarded-For", b"forwarded"])),
    st.sampled_from([b"-", b"_"]),
)
def test_no_spelling_of_the_houses_names_gets_in(names: list[bytes], dash: bytes) -> None:
    assert names_in(*((name.lower().replace(b"-", dash), b"x") for name in names)) == []


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"4"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"chunked"), (b"content-length", b"4")],
        [(b"content-length", b"4"), (b"content-length", b"4")],
        [(b"content-length", b"+4")],
        [(b"content-length", b"")],
        [(b"content-length", b"\xb2")],
        [(b"content-length", b"9" * 40)],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"identity")],
    ],
)
def test_a_length_in_doubt_is_malformed(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Malformed):
        asked_in(headers)


@pytest.mark.parametrize(
    ("method", "headers", "line"),
    [
        ("GET", [], b""),
        ("POST", [], b"content-length: 0\r\n"),
        ("DELETE", [], b""),
        ("POST", [(b"content-length", b"007")], b"content-length: 7\r\n"),
        ("PUT", [(b"transfer-encoding", b"Chunked")], b"transfer-encoding: chunked\r\n"),
    ],
)
def test_one_line_tells_where_the_body_ends(
    method: str, headers: list[tuple[bytes, bytes]], line: bytes
) -> None:
    assert framing_of(method, asked_in(headers)) == line


TOKEN = st.text("abcdefghijklmnopqrstuvwxyz-_0123456789", min_size=1, max_size=20).map(str.encode)


@given(st.lists(st.tuples(TOKEN, st.binary(max_size=30)), max_size=8))
def test_whatever_headers_say_the_head_has_one_line_for_each(headers: list[tuple[bytes, bytes]]) -> None:
    try:
        asked = asked_in(headers)
        head = head_of("GET", b"/x", b"host: a\r\n", asked, framing_of("GET", asked))
    except Malformed:
        return
    assert head.endswith(b"\r\n\r\n")
    assert head.count(b"\r\n\r\n") == 1
    lines = head[:-4].split(b"\r\n")
    assert lines[:2] == [b"GET /x HTTP/1.1", b"host: a"]
    assert len(lines) - 2 <= len(headers)
    assert all(line.partition(b":")[0] in dict(headers) for line in lines[2:])


@pytest.mark.parametrize(
    ("value", "reads"),
    [
        (b"gzip", True),
        (b"br, GZIP;q=0.5", True),
        (b"*", True),
        (b"", False),
        (b"br", False),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000", False),
        (b"*;q=0", False),
        (b"*, gzip;q=0", False),
        (b"identity", False),
    ],
)
def test_who_reads_gzip(value: bytes, reads: bool) -> None:
    assert reads_gzip(value) is reads


# what of an answer comes out


def answer(*lines: str, status: str = "200 OK", bare: bool = False) -> Head:
    return head_in("\r\n".join([f"HTTP/1.1 {status}", *lines]).encode(), bare=bare)


def test_an_answers_head_is_read_with_its_length() -> None:
    head = answer("Content-Type: application/json", "Content-Length: 12", 'ETag: "1"')
    assert (head.status, head.length, head.chunked, head.until_end, head.keeps) == (
        200,
        12,
        False,
        False,
        True,
    )
    assert dict(head.headers) == {
        b"content-type": b"application/json",
        b"etag": b'"1"',
        b"content-length": b"12",
    }


def test_where_an_answer_ends() -> None:
    assert answer("transfer-encoding: chunked").chunked
    assert answer().until_end
    assert not answer().keeps
    assert not answer("content-length: 0", "connection: close").keeps
    for bare in (
        answer("content-length: 9", bare=True),
        answer("content-length: 9", status="304 Not Modified"),
    ):
        assert bare.length == 0
    assert answer("content-length: 9", bare=True).header(b"content-length") == b"9"
    assert answer(status="204 No Content").length == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1",
        b"HTTP/2 200 OK",
        b"HTTP/1.1 99 Low",
        b"HTTP/1.1 600 High",
        b"http/1.1 200 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1 101 Switching Protocols",
        b"HTTP/1.1 200 OK\r\nno colon",
        b"HTTP/1.1 200 OK\r\n: no name",
        b"HTTP/1.1 200 OK\r\nna me: x",
        b"HTTP/1.1 200 OK\r\n folded: x",
        b"HTTP/1.1 200 OK\r\nx: a\nb: c",
        b"HTTP/1.1 200 OK\r\nx: a\0",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1, 1",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1",
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked",
    ],
)
def test_what_could_be_read_in_two_ways_is_garbage(data: bytes) -> None:
    with pytest.raises(Garbage):
        head_in(data, bare=False)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_garbage(data: bytes) -> None:
    for begun in (data, b"HTTP/1.1 200 OK\r\n" + data):
        with contextlib.suppress(Garbage):
            head_in(begun, bare=False)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.randoms())
def test_chunks_are_read_however_they_are_cut(parts: list[bytes], random: Any) -> None:
    sent = b"".join(map(chunk_of, parts)) + LAST_CHUNK
    cuts = sorted(random.sample(range(len(sent) + 1), k=min(len(sent), 5)))
    reader, found, ended = Chunks(), b"", False
    for start, end in itertools.pairwise([0, *cuts, len(sent)]):
        assert not ended or start == end
        content, over = reader.read(sent[start:end])
        found += b"".join(content)
        ended = ended or over
    assert (found, ended) == (b"".join(parts), True)


def test_extensions_and_trailers_of_chunks_are_read_over() -> None:
    assert Chunks().read(b'2;a="b"\r\nok\r\n0;x\r\nx-trailer: y\r\n\r\n') == ([b"ok"], True)


@pytest.mark.parametrize(
    "data",
    [
        b"g\r\n",
        b"\r\n",
        b"-1\r\n",
        b"0x1\r\n",
        b"1" * 16 + b"\r\n",
        b"1\r\nab\r\n",
        b"1\r\nabc",
        b"1\na\n0\n\n",
        b"0\r\n\r\nmore",
        b"1" * 5000,
        b"0\r\n" + b"x: y\r\n" * 5000,
    ],
)
def test_chunks_that_make_no_sense_are_garbage(data: bytes) -> None:
    with pytest.raises(Garbage):
        Chunks().read(data)
        Chunks().read(data + b"\r\n\r\n")


# what may be given again


def kept(*lines: str, status: str = "200 OK", private: bool = False, size: int = 10) -> float:
    return kept_for(answer("content-length: 10", *lines, status=status), private=private, size=size)


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (["cache-control: public"], SECONDS),
        (["cache-control: public, max-age=60"], SECONDS + 60),
        (["cache-control: public, max-age=60, stale-if-error=30"], 90),
        (["cache-control: max-age=60, PUBLIC, stale-if-error=0"], 60),
        (["cache-control: public, stale-if-error=99999999"], 86_400),
        (["cache-control: public", "vary: Accept-Encoding, accept-language"], SECONDS),
        ([], 0),
        (["cache-control: max-age=60"], 0),
        (["cache-control: public, no-store"], 0),
        (["cache-control: public, must-revalidate"], 0),
        (["cache-control: public, private"], 0),
        (["cache-control: public", "cache-control: no-store"], 0),
        (["cache-control: public", "vary: *"], 0),
        (["cache-control: public", "vary: authorization, accept-language"], SECONDS),
        (["cache-control: public", "vary: cookie"], 0),
        (["cache-control: public", "set-cookie: a=b"], 0),
        (["cache-control: public", "content-encoding: gzip"], 0),
    ],
)
def test_for_how_long_an_answer_may_stand_in(lines: list[str], seconds: float) -> None:
    assert kept(*lines) == seconds


def test_only_small_good_answers_to_strangers_are_kept() -> None:
    public = "cache-control: public"
    assert kept(public, private=True) == 0
    assert kept(public, size=MOST_BYTES + 1) == 0
    assert kept(public, status="206 Partial Content") == 0
    assert kept(public, status="404 Not Found") == 0


@pytest.mark.parametrize(
    ("lines", "may"),
    [
        (["content-type: application/json; charset=utf-8", "content-length: 2000"], True),
        (["content-type: text/calendar", "transfer-encoding: chunked"], True),
        (["content-type: application/json", "content-length: 1000"], False),
        (["content-type: text/event-stream", "transfer-encoding: chunked"], False),
        (["content-type: application/pdf", "content-length: 2000"], False),
        (["content-type: text/plain", "content-encoding: br", "content-length: 2000"], False),
        (["content-type: text/plain", "content-range: bytes 0-1/9", "content-length: 2000"], False),
        (["content-type: text/plain", "cache-control: no-transform", "content-length: 2000"], False),
        (["content-length: 2000"], False),
    ],
)
def test_what_may_be_compressed(lines: list[str], may: bool) -> None:
    assert may_pack(answer(*lines)) is may


# one document of all


def part(path: str, **schemas: Any) -> dict[str, Any]:
    first = next(iter(schemas))
    answer = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{first}"}}}}
    own = {"get": {"responses": {"200": answer}}}
    return {"openapi": "3.1.0", "paths": {path: own, "/health": own}, "components": {"schemas": schemas}}


DOOR = {
    "openapi": "3.1.0",
    "info": {"title": "HomeTrip"},
    "paths": {"/health": {"get": {}}},
    "components": {},
}
PROBLEM = {"type": "object", "title": "Problem"}


def test_each_path_comes_from_the_service_that_it_leads_to() -> None:
    stray = part("/api/users/{id}", Home={"type": "integer"})
    stray["paths"] |= part("/api/listings", Home={})["paths"]
    whole = merged(DOOR, {"user": stray, "listing": part("/api/listings/{id}", Home={"type": "string"})})
    assert list(whole["paths"]) == ["/api/listings/{id}", "/api/users/{id}", "/health"]
    assert whole["info"] == {"title": "HomeTrip"}
    assert whole["paths"]["/health"] == {"get": {}}


def test_a_component_that_all_mean_alike_is_there_once() -> None:
    parts = {"user": part("/api/users", Problem=PROBLEM), "search": part("/api/search", Problem=PROBLEM)}
    assert merged(DOOR, parts)["components"] == {"schemas": {"Problem": PROBLEM}}


def test_components_of_one_name_and_two_meanings_get_the_names_of_their_services() -> None:
    card = {"properties": {"money": {"$ref": "#/components/schemas/Money"}}}
    parts = {
        "user": part("/api/users", Card=card, Money={"type": "string"}),
        "search": part("/api/search", Card=card, Money={"type": "integer"}),
    }
    whole = merged(DOOR, parts)
    # Two cards of the same text mean different money, so they are two as well.
    assert sorted(whole["components"]["schemas"]) == [
        "Search_Card",
        "Search_Money",
        "User_Card",
        "User_Money",
    ]
    shown = whole["paths"]["/api/users"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert shown == {"$ref": "#/components/schemas/User_Card"}
    held = whole["components"]["schemas"]["User_Card"]["properties"]["money"]
    assert held == {"$ref": "#/components/schemas/User_Money"}


def test_a_component_that_no_path_needs_is_left_out() -> None:
    listing = part("/api/listings", Home={"type": "string"}, Unused={"type": "null"})
    assert list(merged(DOOR, {"listing": listing})["components"]["schemas"]) == ["Home"]


def test_the_order_of_the_services_makes_no_difference() -> None:
    parts = {
        "user": part("/api/users", Card={"type": "string"}),
        "search": part("/api/search", Card={"type": "integer"}),
        "listing": part("/api/listings", Home={"type": "string"}),
    }
    documents = {
        msgspec.json.encode(merged(DOOR, dict(order))) for order in itertools.permutations(parts.items())
    }
    assert len(documents) == 1
