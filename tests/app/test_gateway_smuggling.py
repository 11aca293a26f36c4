"""Requests that try to be two: whatever comes over a raw socket, a service gets what the gateway saw."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.gateway_scene import Backend, Call, Gate, ask, gate_in
from app.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
HIDDEN = b"GET /api/listings/hidden HTTP/1.1\r\nHost: g\r\nX-Hometrip-Sender: stolen\r\n\r\n"
HEAD = b"POST /api/listings HTTP/1.1\r\nHost: g\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole_gate(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gate]:
    async with gate_in(tmp_path_factory.mktemp("gate"), limits=False) as gate:
        yield gate


@pytest_asyncio.fixture(loop_scope="module")
async def gate(whole_gate: Gate) -> AsyncIterator[Gate]:
    yield whole_gate
    await whole_gate.clear()


def in_order(backend: Backend) -> list[bytes]:
    return [call.line for call in backend.calls]


async def attack(gate: Gate, sent: bytes) -> tuple[Backend, bytes]:
    """What a service saw of these bytes, and what came back; then an honest request of somebody else."""
    bodies: list[bytes] = []

    async def record(call: Call) -> None:
        bodies.append(await call.body())
        await call.say(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nfor-you")

    backend = await gate.backend("listing", record)
    with_end = await reply(gate, sent)
    status, _, body = await ask(gate, "GET /api/listings/honest")
    assert (status, body) == (200, b"for-you")
    assert backend.calls[-1].line == b"GET /api/listings/honest HTTP/1.1"
    for call in backend.calls:
        assert b"stolen" not in call.head
        framing = call.header(b"content-length") + call.header(b"transfer-encoding")
        assert len(framing) <= 1
    return backend, with_end


async def reply(gate: Gate, sent: bytes) -> bytes:
    """What comes back until the connection ends or nothing more comes for a moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(sent)
    found = b""
    with contextlib.suppress(TimeoutError):
        while data := await asyncio.wait_for(reader.read(65_536), 0.3 if found else 10):
            found += data
    writer.transport.abort()
    return found


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ],
)
async def test_a_length_beside_chunks_is_not_believed(gate: Gate, headers: bytes) -> None:
    """RFC 9112, section 6.3: the chunks count, the length goes no further, and the connection is closed."""
    backend, found = await attack(gate, HEAD + headers + b"\r\n0\r\n\r\n" + HIDDEN)
    assert found.count(b"HTTP/1.1 ") == 1
    assert in_order(backend)[:-1] == [b"POST /api/listings HTTP/1.1"]
    assert b"connection: close" in found.lower()


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
        b"Content-Length: 4, 4\r\n",
        b"Content-Length: +4\r\n",
        b"Content-Length: -4\r\n",
        b"Content-Length: 0x4\r\n",
        b"Content-Length: 4 4\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"Transfer\x00-Encoding: chunked\r\n",
        b"X: y\r\n Transfer-Encoding: chunked\r\n",
        b"X: y\rTransfer-Encoding: chunked\r\n",
    ],
)
async def test_a_length_that_two_could_read_differently_is_refused(gate: Gate, headers: bytes) -> None:
    backend, found = await attack(gate, HEAD + headers + b"\r\n0\r\n\r\n" + HIDDEN)
    assert found.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))
    assert len(backend.calls) == 1  # the honest one


@pytest.mark.parametrize(
    "headers",
    [
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n",
    ],
)
async def test_a_coding_beside_chunks_is_refused(gate: Gate, headers: bytes) -> None:
    """Where the body ends is beyond doubt, so what follows is the same stranger's next request."""
    backend, found = await attack(gate, HEAD + headers + b"\r\n0\r\n\r\n" + HIDDEN)
    assert found.startswith(b"HTTP/1.1 400")
    assert b"POST /api/listings HTTP/1.1" not in in_order(backend)


@pytest.mark.parametrize("name", [b"transfer_encoding", b"Transfer_Encoding", b"content_length"])
async def test_a_name_with_an_underscore_passes_for_none_with_a_dash(gate: Gate, name: bytes) -> None:
    value = b"chunked" if name.lower().startswith(b"t") else b"0"
    sent = HEAD + name + b": " + value + b"\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"
    backend, _ = await attack(gate, sent)
    assert backend.calls[0].header(b"content-length") == [b"4"]
    assert backend.calls[0].header(name.lower()) == []


@pytest.mark.parametrize(
    "chunks",
    [
        b"5\nhello\n0\n\n",
        b"-1\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhelloXX0\r\n\r\n",
        b"FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        b"5 5\r\nhello\r\n0\r\n\r\n",
    ],
)
async def test_chunks_that_are_none_never_become_a_whole_body(gate: Gate, chunks: bytes) -> None:
    backend, found = await attack(gate, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + HIDDEN)
    assert not found.startswith(b"HTTP/1.1 200")
    assert b"GET /api/listings/hidden HTTP/1.1" not in in_order(backend)


async def test_a_request_behind_a_body_is_one_of_its_own(gate: Gate) -> None:
    """Pipelining is allowed; the second request is a stranger's like the first."""
    backend, found = await attack(
        gate, HEAD + b"Content-Length: 4\r\n\r\nbody" + HIDDEN.replace(b"hidden", b"open")
    )
    assert in_order(backend)[0] == b"POST /api/listings HTTP/1.1"
    assert all(call.header(b"x-hometrip-sender") == [b"token-for-listing"] for call in backend.calls)
    assert found.count(b"HTTP/1.1 ") == 2


async def test_a_body_with_a_request_in_it_stays_a_body(gate: Gate) -> None:
    got: list[bytes] = []

    async def record(call: Call) -> None:
        got.append(await call.body())
        await call.say(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    backend = await gate.backend("listing", record)
    for sent in (
        HEAD + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
        HEAD.replace(b"POST", b"GET") + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    ):
        assert (await gate.raw(sent, end=b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert got == [HIDDEN] * 3
    assert len(backend.calls) == 3


@pytest.mark.parametrize(
    "line",
    [
        b"GET /api/listings/a b HTTP/1.1",
        b"GET /api/listings/\x0b HTTP/1.1",
        b"GET /api/listings/\xc3\xa9 HTTP/1.1",
        b"GET /api/listings/\x00 HTTP/1.1",
        b"GET /api/listings HTTP/1.1 HTTP/1.1",
        b"GET  /api/listings HTTP/1.1",
        b"GET /api/listings HTTP/9.9",
        b"G\x00T /api/listings HTTP/1.1",
        b"CONNECT /api/listings:443 HTTP/1.1",
    ],
)
async def test_a_first_line_that_is_none_goes_nowhere(gate: Gate, line: bytes) -> None:
    backend, found = await attack(gate, line + b"\r\nHost: g\r\n\r\n")
    assert not found.startswith(b"HTTP/1.1 2")
    assert len(backend.calls) == 1


async def test_the_host_of_the_sender_and_an_absolute_address_choose_nothing(gate: Gate) -> None:
    backend = await gate.backend()
    for sent in (
        b"GET http://169.254.169.254/api/listings/1 HTTP/1.1\r\nHost: g\r\n\r\n",
        b"GET /api/listings/1 HTTP/1.1\r\nHost: 169.254.169.254\r\nX-Forwarded-Host: evil\r\n\r\n",
        b"GET /api/listings/1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ):
        await reply(gate, sent)
    assert backend.calls
    for call in backend.calls:
        assert call.line == b"GET /api/listings/1 HTTP/1.1"
        assert call.header(b"host") == [f"127.0.0.1:{backend.port}".encode()]


async def test_a_service_that_says_too_much_cannot_answer_the_next_one(gate: Gate) -> None:
    """Response splitting between services and callers: what follows an answer is thrown away."""

    async def twice(call: Call) -> None:
        await call.say(
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst"
            b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"
        )

    backend = await gate.backend("listing", twice)
    for _ in range(3):
        _, _, body = await ask(gate, "GET /api/listings/1")
        assert b"poison" not in body
    assert len(backend.calls) == backend.connections


async def test_a_service_that_speaks_unasked_loses_its_connection(gate: Gate) -> None:
    later = asyncio.Event()

    async def unasked(call: Call) -> None:
        await call.say(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst")
        if len(backend.calls) > 1:
            return
        await later.wait()
        await call.say(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison")

    backend = await gate.backend("listing", unasked)
    assert (await ask(gate, "GET /api/listings/1"))[2] == b"first"
    later.set()
    await until(lambda: backend.open_connections == 0)
    assert (await ask(gate, "GET /api/listings/1"))[2] == b"first"


async def test_endless_headers_are_cut_off(gate: Gate) -> None:
    backend = await gate.backend()
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(b"GET /api/listings/1 HTTP/1.1\r\nHost: g\r\n")
    ended = False
    try:
        for _ in range(2000):
            writer.write(b"X-A: " + b"b" * 1000 + b"\r\n")
            await writer.drain()
    except ConnectionError:
        ended = True
    found = b"" if ended else await reader.read(100)
    assert not found.startswith(b"HTTP/1.1 2")
    assert backend.calls == []
    writer.transport.abort()


# HTTP/2 tells lengths by frames, and services are told by headers: the gateway does not speak it


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.mark.parametrize("rest", [b"", bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]), HIDDEN])
async def test_http_2_is_not_spoken_and_nothing_of_it_gets_in(gate: Gate, rest: bytes) -> None:
    backend, found = await attack(gate, PREFACE + rest)
    assert found.startswith(b"HTTP/1.1 400")
    assert found.count(b"HTTP/1.1 ") == 1
    assert len(backend.calls) == 1


async def test_another_protocol_is_not_changed_to(gate: Gate) -> None:
    sent = b"GET /api/listings/1 HTTP/1.1\r\nHost: g\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    backend, found = await attack(
        gate, sent + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n"
    )
    assert found.startswith(b"HTTP/1.1 200")
    assert backend.calls[0].header(b"upgrade") + backend.calls[0].header(b"http2-settings") == []


@pytest.mark.parametrize(
    "head",
    [
        b"GET /api/listings/1 HTTP/1.1\r\n\r\n",
        b"GET /api/listings/1 HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET /api/listings/1#x HTTP/1.1\r\nHost: g\r\n\r\n",
        b"GET api/listings/1 HTTP/1.1\r\nHost: g\r\n\r\n",
        b"GET /api/listings/1 HTTP/1.1\r\nHost: g\r\nX Y: 1\r\n\r\n",
        b"GET /api/listings/1 HTTP/1.1\r\nHost: g\r\n: 1\r\n\r\n",
        b"GET /api/listings/1 HTTP/1.1\r\nHost: g\r\nX: a\x7fb\r\n\r\n",
        b"POST /api/listings HTTP/1.0\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /api/listings/1 HTTP/1.1\r\nHost: g\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
)
async def test_a_head_that_is_none_goes_nowhere_and_ends_its_connection(gate: Gate, head: bytes) -> None:
    backend, found = await attack(gate, head + HIDDEN)
    assert found.startswith(b"HTTP/1.1 400")
    assert found.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in found
    assert len(backend.calls) == 1
