"""The gateway on real sockets: what of a request reaches a service, and what of its answer comes back."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.gateway_scene import Call, Gate, ask, gate_in
from app.waiting import until
from hometrip.kernel.trace import well_formed

pytestmark = pytest.mark.asyncio(loop_scope="module")
ADDRESS = b"127.0.0.1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole_gate(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gate]:
    async with gate_in(tmp_path_factory.mktemp("gate"), max_body=2_000_000) as gate:
        yield gate


@pytest_asyncio.fixture(loop_scope="module")
async def gate(whole_gate: Gate) -> AsyncIterator[Gate]:
    yield whole_gate
    await whole_gate.clear()


# where a request goes, and what of it


async def test_a_request_reaches_its_service_and_the_answer_comes_back(gate: Gate) -> None:
    backend = await gate.backend("booking")

    async def made(call: Call) -> None:
        await call.answer(b'{"id":1}', b'etag: "7"', b"cache-control: private", status=b"201 Created")

    backend.answering = made
    status, headers, body = await ask(gate, "POST /api/bookings?x=1&y=%20", "Content-Length: 4", body=b"body")
    assert (status, body) == (201, b'{"id":1}')
    assert (headers["etag"], headers["cache-control"]) == ('"7"', "private")
    (call,) = backend.calls
    assert call.line == b"POST /api/bookings?x=1&y=%20 HTTP/1.1"


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/api/auth/me", "auth"),
        ("/api/api-keys", "auth"),
        ("/api/users/5", "user"),
        ("/api/listings", "listing"),
        ("/api/coupons/WINTER", "booking"),
        ("/api/webhook/stripe", "payment"),
        ("/api/search?q=x", "search"),
        ("/files/photos/a.jpg", "listing"),
    ],
)
async def test_each_prefix_leads_to_its_service(gate: Gate, path: str, service: str) -> None:
    for name in ("auth", "user", "listing", "booking", "payment", "search", "notification"):
        await gate.backend(name)
    await ask(gate, f"GET {path}")
    asked = [backend._service for backend in gate._backends if backend.calls]
    assert asked == [service]


async def test_the_path_goes_through_as_it_was_written(gate: Gate) -> None:
    backend = await gate.backend()
    await ask(gate, "GET /api/listings/a%2Fb%20c;d=1?q=%C3%A9&x=a+b")
    assert backend.calls[0].line == b"GET /api/listings/a%2Fb%20c;d=1?q=%C3%A9&x=a+b HTTP/1.1"


@pytest.mark.parametrize(
    "path",
    [
        "/api/listings/../../metrics",
        "/api/listings/%2e%2E/x",
        "/api/listings/..",
        "/api/listings/./x",
        "/files/.%2e/x",
    ],
)
async def test_a_path_with_segments_of_dots_goes_nowhere(gate: Gate, path: str) -> None:
    backend = await gate.backend()
    status, _, body = await ask(gate, f"GET {path}")
    assert (status, json.loads(body)["code"], backend.calls) == (400, "malformed", [])


async def test_what_no_service_serves_is_answered_by_the_gateway_itself(gate: Gate) -> None:
    backend = await gate.backend()
    for path in (
        "/metrics",
        "/peers/ListingQuestions/bookable",
        "/inside/clock",
        "/api/nothing",
        "/api/listingsx",
    ):
        await ask(gate, f"GET {path}")
    assert (await ask(gate, "GET /health"))[0] == 200
    assert (await ask(gate, "GET /api/nothing"))[0] == 404
    assert backend.calls == []


async def test_a_service_learns_who_asks_from_the_gateway_alone(gate: Gate) -> None:
    backend = await gate.backend()
    trace = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
    _, headers, _ = await ask(
        gate,
        "GET /api/listings/1",
        "Authorization: Bearer of.the.caller",
        "Accept-Language: de",
        f"traceparent: {trace}",
        "X-Request-Id: given-by-client",
    )
    call = backend.calls[0]
    assert call.header(b"authorization") == [b"Bearer of.the.caller"]
    assert call.header(b"accept-language") == [b"de"]
    assert call.header(b"x-hometrip-sender") == [b"token-for-listing"]
    assert call.header(b"x-forwarded-for") == [ADDRESS]
    (passed_on,) = call.header(b"traceparent")
    assert well_formed(passed_on.decode())
    assert trace[3:35] not in passed_on.decode()
    assert call.header(b"x-request-id") == [b"given-by-client"]
    assert headers["x-request-id"] == "given-by-client"
    assert call.header(b"host") == [f"127.0.0.1:{backend.port}".encode()]
    (left,) = call.header(b"x-hometrip-deadline-ms")
    assert 29_000 < int(left) <= 30_000


@pytest.mark.parametrize(
    "spoofed",
    [
        "X-Forwarded-For: 6.6.6.6",
        "x_forwarded_for: 6.6.6.6",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.test",
        "Forwarded: for=6.6.6.6",
        "X-Real-IP: 6.6.6.6",
        "X-Hometrip-Sender: stolen",
        "X-Hometrip-Account: 0190",
        "X_Hometrip-Sender: stolen",
        "X-Hometrip-Deadline-Ms: 9999999",
        "Proxy-Authorization: Basic eDp5",
        "Keep-Alive: timeout=1000",
        "TE: trailers",
        "Trailer: X-Hometrip-Sender",
        "Upgrade: h2c",
        "traceparent: 00-zz",
        "X-Original-URL: /metrics",
        "X-HTTP-Method-Override: DELETE",
    ],
)
async def test_what_a_stranger_says_in_the_houses_name_stays_outside(gate: Gate, spoofed: str) -> None:
    backend = await gate.backend()
    # A stranger's sender token is refused by the ring, or left out; it never gets in.
    await ask(gate, "GET /api/listings/1", spoofed)
    value = spoofed.partition(": ")[2].encode()
    for call in backend.calls:
        assert value not in [found for _, found in call.headers]
        assert len(call.header(b"x-forwarded-for")) == len(call.header(b"x-hometrip-sender")) == 1


async def test_headers_that_connection_names_are_for_the_connection_only(gate: Gate) -> None:
    backend = await gate.backend()
    data = await gate.raw(
        b"GET /api/listings/1 HTTP/1.1\r\nHost: g\r\nX-Secret-Hop: 1\r\nX-Kept: 2\r\n"
        b"Connection: close, x-secret-hop, x-forwarded-for, x-hometrip-sender\r\n\r\n"
    )
    assert data.startswith(b"HTTP/1.1 200")
    call = backend.calls[0]
    assert (call.header(b"x-secret-hop"), call.header(b"x-kept")) == ([], [b"2"])
    assert call.header(b"x-forwarded-for") == [ADDRESS]
    assert call.header(b"x-hometrip-sender") == [b"token-for-listing"]
    assert call.header(b"connection") == []


async def test_the_ring_alone_says_what_holds_for_every_answer(gate: Gate) -> None:
    async def chatty(call: Call) -> None:
        await call.answer(
            b"{}",
            b"X-Frame-Options: SAMEORIGIN",
            b"X-Request-Id: of-the-service",
            b"RateLimit-Limit: 5",
            b"Access-Control-Allow-Origin: *",
            b"X-Hometrip-Told: raised",
            b"Server: secret/1.0",
            b"X-Hop: 1",
            b"Connection: x-hop",
            b"X-Own: stays",
        )

    await gate.backend("listing", chatty)
    _, headers, _ = await ask(gate, "GET /api/listings/1")
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-request-id"] != "of-the-service"
    assert headers["x-own"] == "stays"
    assert not {"ratelimit-limit", "access-control-allow-origin", "x-hometrip-told", "x-hop"} & headers.keys()
    assert "secret" not in headers.get("server", "")


async def test_a_signed_in_caller_is_known_to_the_ring_and_verified_again_by_the_service(gate: Gate) -> None:
    person = await gate.house.sign_up("gate@example.com")
    backend = await gate.backend("auth")
    token = person.headers["Authorization"]
    status, *_ = await ask(gate, "GET /api/auth/me", f"Authorization: {token}")
    assert status == 200
    assert backend.calls[0].header(b"authorization") == [token.encode()]


# methods


async def test_head_asks_for_the_head_and_tells_its_length(gate: Gate) -> None:
    async def five(call: Call) -> None:
        await call.answer(b"12345", b'etag: "1"')

    backend = await gate.backend("listing", five)
    for _ in range(2):
        status, headers, body = await ask(gate, "HEAD /api/listings/1")
        assert (status, headers["content-length"], headers["etag"], body) == (200, "5", '"1"', b"")
    assert [call.line.split()[0] for call in backend.calls] == [b"HEAD", b"HEAD"]
    assert backend.connections == 1


async def test_a_preflight_is_answered_at_the_door(gate: Gate) -> None:
    backend = await gate.backend()
    status, headers, _ = await ask(
        gate, "OPTIONS /api/listings", "Origin: https://pages.test", "Access-Control-Request-Method: POST"
    )
    assert (status, headers["access-control-allow-origin"]) == (204, "https://pages.test")
    status, headers, _ = await ask(
        gate, "OPTIONS /api/listings", "Origin: https://evil.test", "Access-Control-Request-Method: POST"
    )
    assert "access-control-allow-origin" not in headers
    assert backend.calls == []


async def test_other_options_are_the_services_to_answer(gate: Gate) -> None:
    async def allowed(call: Call) -> None:
        await call.say(b"HTTP/1.1 204 No Content\r\nallow: GET, POST\r\n\r\n")

    await gate.backend("listing", allowed)
    status, headers, _ = await ask(gate, "OPTIONS /api/listings", "Origin: https://pages.test")
    assert (status, headers["allow"]) == (204, "GET, POST")
    assert headers["access-control-allow-origin"] == "https://pages.test"


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "get"])
async def test_a_method_that_no_route_takes_goes_nowhere(gate: Gate, method: str) -> None:
    backend = await gate.backend()
    status, _, body = await ask(gate, f"{method} /api/listings")
    assert (status, json.loads(body)["code"], backend.calls) == (405, "method_not_allowed", [])


# bodies on the way in


async def test_a_chunked_upload_streams_through_as_it_comes(gate: Gate) -> None:
    got: list[bytes] = []

    async def count(call: Call) -> None:
        assert call.header(b"transfer-encoding") == [b"chunked"]
        assert call.header(b"content-length") == []
        while size := int(await call.reader.readline(), 16):
            got.append(await call.reader.readexactly(size))
            await call.reader.readexactly(2)
        await call.reader.readexactly(2)
        await call.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    await gate.backend("listing", count)
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(b"POST /api/listings HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n")
    for number in range(5):
        writer.write(b"3\r\nab%d\r\n" % number)
        expected = b"".join(b"ab%d" % each for each in range(number + 1))
        await until(lambda wanted=expected: b"".join(got) == wanted)
    writer.write(b"0\r\nX-Trailer: lost\r\n\r\n")
    assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_an_upload_of_known_length_keeps_its_length_and_streams(gate: Gate) -> None:
    size, got = 1_500_000, 0
    begun = asyncio.Event()

    async def count(call: Call) -> None:
        nonlocal got
        assert call.header(b"content-length") == [str(size).encode()]
        while got < size:
            got += len(await call.reader.read(65_536))
            begun.set()
        await call.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    await gate.backend("listing", count)
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(b"POST /api/listings HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n\r\nbegin" % size)
    await asyncio.wait_for(begun.wait(), 5)
    assert 0 < got < size
    writer.write(b"x" * (size - 5))
    assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
    assert got == size
    writer.close()


async def test_a_sender_who_says_nothing_yet_holds_no_connection_to_a_service(gate: Gate) -> None:
    backend = await gate.backend()
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(b"POST /api/listings HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\n\r\n")
    await until(lambda: gate.ring.busy == 1)
    assert backend.connections == 0
    writer.write(b"body")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_whoever_waits_for_100_continue_gets_it_and_the_service_is_not_asked_for_it(gate: Gate) -> None:
    backend = await gate.backend()
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(
        b"POST /api/listings HTTP/1.1\r\nHost: g\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    )
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert backend.calls == []
    writer.write(b"body")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert backend.calls[0].header(b"expect") == []
    writer.close()


async def test_a_body_over_the_cap_is_refused_before_it_is_sent_for(gate: Gate) -> None:
    backend = await gate.backend()
    status, _, body = await ask(gate, "POST /api/listings", "Content-Length: 2000001", "Expect: 100-continue")
    assert (status, json.loads(body)["code"], backend.calls) == (413, "too_large", [])


async def test_a_chunked_body_that_grows_over_the_cap_is_cut_off_at_the_service(gate: Gate) -> None:
    ended = asyncio.Event()

    async def reading(call: Call) -> None:
        try:
            while await call.reader.read(65_536):
                pass
        finally:
            ended.set()

    await gate.backend("listing", reading)
    head = b"POST /api/listings HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = await gate.raw(head + (b"10000\r\n" + b"x" * 65_536 + b"\r\n") * 40, end=b"too_large")
    assert data.startswith(b"HTTP/1.1 413")
    await asyncio.wait_for(ended.wait(), 5)


async def test_a_sender_who_goes_away_in_the_middle_leaves_no_whole_request_behind(gate: Gate) -> None:
    got: list[bytes] = []
    ended = asyncio.Event()

    async def reading(call: Call) -> None:
        while data := await call.reader.read(65_536):
            got.append(data)
        ended.set()

    backend = await gate.backend("listing", reading)
    _, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(b"POST /api/listings HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\npart")
    await until(lambda: b"".join(got) == b"part")
    writer.transport.abort()
    await asyncio.wait_for(ended.wait(), 5)
    await until(lambda: gate.ring.busy == 0)
    await until(lambda: backend.open_connections == 0)


async def test_an_answer_before_the_end_of_the_upload_is_passed_on_at_once(gate: Gate) -> None:
    async def early(call: Call) -> None:
        await call.say(b"HTTP/1.1 422 Unprocessable Content\r\ncontent-length: 2\r\n\r\nno")
        await call.reader.read()

    backend = await gate.backend("listing", early)
    data = await gate.raw(
        b"POST /api/listings HTTP/1.1\r\nHost: g\r\nContent-Length: 1000000\r\n\r\nbegin", end=b"\r\n\r\nno"
    )
    assert data.startswith(b"HTTP/1.1 422")
    # The rest of that body can never be taken for another request.
    await until(lambda: backend.open_connections == 0)


# bodies on the way out


async def test_an_answer_streams_through_as_it_comes(gate: Gate) -> None:
    going_on = asyncio.Event()

    async def live(call: Call) -> None:
        await call.say(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for number in range(3):
            await call.say(b"7\r\ndata: %d\r\n" % number)
            await going_on.wait()
            going_on.clear()
        await call.say(b"0\r\n\r\n")

    backend = await gate.backend("listing", live)
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(b"GET /api/listings/tail HTTP/1.1\r\nHost: g\r\nAccept-Encoding: gzip\r\n\r\n")
    async with asyncio.timeout(5):
        for number in range(3):
            await reader.readuntil(b"data: %d" % number)
            going_on.set()
        await reader.readuntil(b"0\r\n\r\n")
    writer.close()
    await until(lambda: gate.ring.busy == 0)
    assert backend.open_connections == 1  # it waits for the next request


async def test_a_big_download_to_a_slow_client_takes_no_memory_and_no_more_than_it_reads(gate: Gate) -> None:
    size, sent = 200_000_000, 0

    async def big(call: Call) -> None:
        nonlocal sent
        await call.say(b"HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            await call.say(b"x" * 100_000)
            sent += 100_000

    backend = await gate.backend("listing", big)
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port, limit=65_536)
    writer.write(b"GET /files/big.jpg HTTP/1.1\r\nHost: g\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await until(lambda: sent > 100_000)
    before = -1
    while before != sent:  # until nothing moves any more
        before = sent
        await asyncio.sleep(0.2)
    assert sent < 40_000_000
    writer.transport.abort()
    # The service is not made to send the rest to nobody.
    await until(lambda: backend.open_connections == 0)
    await until(lambda: gate.ring.busy == 0)
    assert sent < 40_000_000


async def test_a_service_that_dies_in_the_middle_of_an_answer_is_not_taken_for_its_end(gate: Gate) -> None:
    async def short(call: Call) -> None:
        await call.say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart")
        call.cut()

    backend = await gate.backend("listing", short)
    data = await gate.raw(b"GET /api/listings/1 HTTP/1.1\r\nHost: g\r\n\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"content-length: 100" in head
    assert len(body) < 100

    async def chunks(call: Call) -> None:
        await call.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n")
        await asyncio.sleep(0)
        call.cut()

    backend.answering = chunks
    data = await gate.raw(b"GET /api/listings/1 HTTP/1.1\r\nHost: g\r\n\r\n")
    assert not data.endswith(b"0\r\n\r\n")


async def test_an_answer_without_a_length_ends_with_its_connection(gate: Gate) -> None:
    async def old(call: Call) -> None:
        await call.say(b"HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nall of it")
        call.writer.close()

    await gate.backend("listing", old)
    status, _, body = await ask(gate, "GET /api/listings/1")
    assert (status, body.replace(b"9\r\n", b"").replace(b"\r\n0\r\n\r\n", b"")) == (200, b"all of it")


async def test_connections_to_a_service_are_used_again(gate: Gate) -> None:
    backend = await gate.backend()
    for _ in range(10):
        assert (await ask(gate, "GET /api/listings/1"))[0] == 200
    await ask(gate, "POST /api/listings", "Content-Length: 4", body=b"body")
    assert (len(backend.calls), backend.connections) == (11, 1)


# compression


def long_json(call: Call) -> object:
    return call.answer(json.dumps({"items": list(range(1000))}).encode(), b'etag: "3"')


async def test_long_text_is_compressed_for_those_who_read_it(gate: Gate) -> None:
    await gate.backend("listing", long_json)  # type: ignore[arg-type]
    _, plain, body = await ask(gate, "GET /api/listings/1")
    assert ("content-encoding" not in plain, plain["vary"], plain["etag"]) == (True, "accept-encoding", '"3"')
    _, headers, packed = await ask(gate, "GET /api/listings/1", "Accept-Encoding: br, gzip;q=0.8")
    assert (headers["content-encoding"], headers["vary"], headers["etag"]) == (
        "gzip",
        "accept-encoding",
        'W/"3"',
    )
    assert int(headers["content-length"]) == len(packed) < len(body) / 2
    assert gzip.decompress(packed) == body
    # The weak tag is good for asking again.
    status, _, rest = await ask(gate, "GET /api/listings/1", "Accept-Encoding: gzip", 'If-None-Match: W/"3"')
    assert (status, rest) == (304, b"")


async def test_a_long_stream_of_text_is_compressed_on_its_way(gate: Gate) -> None:
    async def lines(call: Call) -> None:
        await call.say(b"HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(50):
            await call.say(b"3e8\r\n" + b"a,b,c,d,e\n" * 100 + b"\r\n")
            await asyncio.sleep(0)
        await call.say(b"0\r\n\r\n")

    await gate.backend("payment", lines)
    _, headers, body = await ask(gate, "GET /api/payments/tax-report", "Accept-Encoding: gzip")
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(unchunked(body)) == b"a,b,c,d,e\n" * 5000
    assert len(body) < 10_000


def unchunked(body: bytes) -> bytes:
    found = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        found += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return found


@pytest.mark.parametrize(
    ("accept", "headers"),
    [
        ("gzip", [b"content-type: image/png"]),
        ("gzip", [b"content-type: application/json", b"content-encoding: br"]),
        ("gzip", [b"content-type: application/json", b"cache-control: no-transform"]),
        ("gzip;q=0", [b"content-type: application/json"]),
        ("br", [b"content-type: application/json"]),
    ],
)
async def test_what_is_not_long_text_for_gzip_is_left_as_it_is(
    gate: Gate, accept: str, headers: list[bytes]
) -> None:
    content = b"0" * 5000

    async def long(call: Call) -> None:
        await call.answer(content, *headers)

    await gate.backend("listing", long)
    _, got, body = await ask(gate, "GET /api/listings/1", f"Accept-Encoding: {accept}")
    assert body == content
    assert got.get("content-encoding") in (None, "br")


async def test_short_answers_are_not_compressed(gate: Gate) -> None:
    await gate.backend()
    _, headers, body = await ask(gate, "GET /api/listings/1", "Accept-Encoding: gzip")
    assert ("content-encoding" not in headers, body) == (True, b"{}")
