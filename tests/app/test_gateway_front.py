"""The gateway's own server: connections, what is kept of them, and how they end."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from app.gateway_scene import Call, Gate, ask, gate_in, serving
from app.waiting import until
from hometrip.app.gateway.lane import ForwardLane
from hometrip.app.serving import front as fronts
from hometrip.app.serving import line as lines
from hometrip.app.serving.front import Front
from hometrip.app.serving.shares import Shares, memory
from hometrip.app.split import bound
from server import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")
GET = b"GET /api/listings/%b HTTP/1.1\r\nHost: g\r\n\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole_gate(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gate]:
    async with gate_in(tmp_path_factory.mktemp("gate"), limits=False, seconds=5.0) as gate:
        yield gate


@pytest_asyncio.fixture(loop_scope="module")
async def gate(whole_gate: Gate) -> AsyncIterator[Gate]:
    yield whole_gate
    await whole_gate.clear()


async def echo(call: Call) -> None:
    body = call.line.split()[1].rpartition(b"/")[2] + b" " + await call.body()
    await call.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


async def answers(reader: asyncio.StreamReader, count: int) -> list[tuple[int, bytes]]:
    """So many answers with a length, in the order in which they came."""
    found = []
    for _ in range(count):
        head = await reader.readuntil(b"\r\n\r\n")
        (length,) = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
        found.append((int(head.split()[1]), await reader.readexactly(int(length.partition(b":")[2]))))
    return found


# one connection, many requests


async def test_a_connection_serves_one_request_after_the_other(gate: Gate) -> None:
    await gate.backend("listing", echo)
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    for number in range(5):
        writer.write(GET % b"%d" % number)
        assert await answers(reader, 1) == [(200, b"%d " % number)]
        writer.write(b"POST /api/listings/p HTTP/1.1\r\nHost: g\r\nContent-Length: 4\r\n\r\nbody")
        assert await answers(reader, 1) == [(200, b"p body")]
        writer.write(b"POST /api/listings/c HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"2\r\nbo\r\n2;x=y\r\ndy\r\n0\r\nTrailer: x\r\n\r\n")
        assert await answers(reader, 1) == [(200, b"c body")]
        writer.write(b"GET /health HTTP/1.1\r\nHost: g\r\n\r\n")
        assert (await answers(reader, 1))[0][0] == 200
    writer.close()


async def test_requests_that_are_sent_ahead_are_answered_in_their_order(gate: Gate) -> None:
    async def slow_first(call: Call) -> None:
        if call.line.split()[1].endswith(b"/0"):
            await asyncio.sleep(0.05)
        await echo(call)

    await gate.backend("listing", slow_first)
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(b"".join(GET % b"%d" % number for number in range(50)))
    async with asyncio.timeout(5):
        assert await answers(reader, 50) == [(200, b"%d " % number) for number in range(50)]
    writer.close()


async def test_much_that_is_sent_ahead_waits_outside(gate: Gate) -> None:
    going_on = asyncio.Event()

    async def waiting(call: Call) -> None:
        await going_on.wait()
        await echo(call)

    await gate.backend("listing", waiting)
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    count, line = 5_000, GET % b"1"
    writer.write(line * count)
    await until(lambda: any(each._heard is not None for each in gate.front._lines))
    (kept,) = [each for each in gate.front._lines if each._heard is not None]
    await until(lambda: kept._transport is not None and not kept._transport.is_reading())
    assert len(kept._unread) < 2 * lines.MOST_HEAD + 262_144
    going_on.set()
    async with asyncio.timeout(30):
        assert len(await answers(reader, count)) == count
    writer.close()


async def test_a_head_that_comes_byte_by_byte_is_one(gate: Gate) -> None:
    await gate.backend("listing", echo)
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    for byte in b"\r\n" + GET % b"slow":
        writer.write(bytes([byte]))
        await asyncio.sleep(0)
    assert await answers(reader, 1) == [(200, b"slow ")]
    writer.close()


async def test_an_old_client_gets_its_answer_and_the_end_of_the_connection(gate: Gate) -> None:
    async def parts(call: Call) -> None:
        await call.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await asyncio.sleep(0.02)
        await call.say(b"3\r\ndef\r\n0\r\n\r\n")

    backend = await gate.backend("listing", echo)
    data = await gate.raw(b"GET /api/listings/1 HTTP/1.0\r\n\r\n")
    assert data.startswith(b"HTTP/1.1 200")
    assert data.endswith(b"\r\n\r\n1 ")
    backend.answering = parts
    data = await gate.raw(b"GET /api/listings/1 HTTP/1.0\r\n\r\n")
    assert data.endswith(b"\r\n\r\nabcdef")
    assert b"transfer-encoding" not in data


async def test_what_is_said_of_an_answer_is_said_on_both_ways(gate: Gate) -> None:
    """The short way and the one through a task dress an answer alike."""
    backend = await gate.backend("listing", echo)
    _, first, _ = await ask(gate, "GET /api/listings/1")  # over a new connection: in a task
    _, second, _ = await ask(gate, "GET /api/listings/1")
    _, third, _ = await ask(gate, "POST /api/listings/1", "Content-Length: 1", body=b"x")
    assert backend.connections == 1
    own = {"x-request-id", "date", "content-length"}
    kept = [{name: each[name] for name in each.keys() - own} for each in (first, second, third)]
    assert kept[0] == kept[1] == kept[2]
    assert own <= second.keys()


# those who say or take nothing


async def test_a_connection_that_says_nothing_is_ended(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(lines, "KEEP_SECONDS", 0.5)
    await gate.backend("listing", echo)
    silent = (b"", b"GET /api/listings/1 HTTP/1.1\r\nHost:", GET % b"1")
    heard = await asyncio.gather(*(gate.raw(sent, within=10) for sent in silent))
    assert [data.count(b"HTTP/1.1 200") for data in heard] == [0, 0, 1]
    await until(lambda: not gate.front._lines)


async def test_a_connection_that_was_used_waits_longer_for_its_next_head_than_within_one(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "HEAD_SECONDS", 0.3)
    await gate.backend("listing", echo)
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(GET % b"1")
    assert await answers(reader, 1) == [(200, b"1 ")]
    await until(lambda: len(gate.front._lines) == 1)
    [line] = gate.front._lines
    for later in (1, 2):  # two sweeps, each of which would end it within a head
        line.sweep(gate.front.loop.time() + later)
    writer.write(GET % b"2")
    assert await answers(reader, 1) == [(200, b"2 ")]
    writer.write(b"GET /api/listings/3 HTTP/1.1\r\nHost:")
    await until(lambda: bool(line._unread))
    for later in (1, 2):
        line.sweep(gate.front.loop.time() + later)
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.transport.abort()


async def test_what_came_while_the_gateway_was_held_up_is_answered(gate: Gate) -> None:
    """Its sweep comes due in the same moment as the bytes that lie there, and looks first."""
    await gate.backend("listing", echo)
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    for number in range(3):
        await until(lambda: len(gate.front._lines) == 1)
        [line] = gate.front._lines
        writer.write(GET % b"%d" % number)
        line.sweep(gate.front.loop.time() + 100)
        assert await answers(reader, 1) == [(200, b"%d " % number)]
    writer.transport.abort()


async def test_whoever_takes_no_answer_is_left_alone(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "STUCK_SECONDS", 0.5)

    async def long(call: Call) -> None:
        await call.answer(b"x" * 200_000, b"content-type: image/png")

    backend = await gate.backend("listing", long)
    _, writer = await asyncio.open_connection("127.0.0.1", gate.port, limit=1)
    for number in range(2000):
        writer.write(GET % b"%d" % number)
    await until(lambda: not gate.front._lines, within=15)
    assert len(backend.calls) < 200
    assert gate.ring.busy == 0
    writer.transport.abort()


async def test_a_refused_sender_reads_why_though_it_goes_on_sending(gate: Gate) -> None:
    backend = await gate.backend()
    head = b"POST /api/listings HTTP/1.1\r\nHost: g\r\nContent-Length: 1000001\r\n\r\n"
    data = await gate.raw(head + b"x" * 900_000)
    assert data.startswith(b"HTTP/1.1 413")
    assert json.loads(data.partition(b"\r\n\r\n")[2])["code"] == "too_large"
    assert backend.calls == []


async def test_a_client_that_goes_away_takes_its_read_along(gate: Gate) -> None:
    async def never(call: Call) -> None:
        await call.reader.read()

    backend = await gate.backend("listing", echo)
    await ask(gate, "GET /api/listings/1")
    backend.answering = never
    _, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(GET % b"2")
    await until(lambda: len(backend.calls) == 2)
    writer.transport.abort()
    await until(lambda: backend.open_connections == 0)
    await until(lambda: gate.ring.busy == 0)


async def test_a_write_is_done_though_its_client_has_gone(gate: Gate) -> None:
    going_on = asyncio.Event()

    async def later(call: Call) -> None:
        await call.body()
        await going_on.wait()
        await call.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    backend = await gate.backend("listing", echo)
    await ask(gate, "GET /api/listings/1")
    backend.answering = later
    _, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write(b"POST /api/listings/2 HTTP/1.1\r\nHost: g\r\nContent-Length: 1\r\n\r\nx")
    await until(lambda: len(backend.calls) == 2)
    writer.transport.abort()
    await until(lambda: not gate.front._lines)
    going_on.set()
    await until(lambda: gate.ring.busy == 0)
    assert backend.open_connections == 1


# the end


async def test_several_share_a_port_and_one_that_stops_takes_nobodys_answer_along(gate: Gate) -> None:
    await gate.backend("listing", echo)
    settings = msgspec.structs.replace(gate.house.house.settings, port=free_port())
    with bound(settings) as sock:
        lane = ForwardLane(gate.ring, gate.forward)
        fronts = [Front(gate.ring, gate.ring, lane, sock=sock.dup()) for _ in range(2)]
        async with serving(fronts[0], settings.port):
            async with serving(fronts[1], settings.port):
                tasks = [asyncio.create_task(asked_at(settings.port)) for _ in range(100)]
                await until(lambda: any(task.done() for task in tasks))
            assert await asyncio.gather(*tasks) == [[(200, b"shared ")]] * 100
            assert await asked_at(settings.port) == [(200, b"shared ")]


async def test_one_of_several_leaves_connections_of_a_crowd_to_the_others(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fronts, "OTHERS_SECONDS", 0.3)
    settings = msgspec.structs.replace(gate.house.house.settings, port=free_port())
    with bound(settings) as sock:
        counts = memory(2)
        own, others = Shares(counts, 0), Shares(counts, 1)
        others.join()
        lane = ForwardLane(gate.ring, gate.forward)
        front = Front(gate.ring, gate.ring, lane, sock=sock.dup(), shares=own)
        sock.listen(64)
        crowd = [socket.create_connection(("127.0.0.1", settings.port)) for _ in range(10)]
        answering = asyncio.create_task(front.serve())
        await until(lambda: len(front._lines) == 4)
        await asyncio.sleep(0.05)
        assert len(front._lines) == 4
        other, _ = sock.accept()  # as another process does
        others.add(1)
        await until(lambda: len(front._lines) == 8)
        others.add(50)
        await until(lambda: len(front._lines) == 9)
        for each in crowd[:3]:
            each.close()
        await until(lambda: own.ahead == len(front._lines) - 51)
        front.stop()
        await answering
        for each in (*crowd, other):
            each.close()
        os.close(counts)


async def asked_at(port: int) -> list[tuple[int, bytes]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET % b"shared")
    found = await answers(reader, 1)
    writer.close()
    await writer.wait_closed()
    return found


async def test_a_stop_answers_what_is_under_way_and_ends_every_connection(gate: Gate) -> None:
    going_on = asyncio.Event()

    async def later(call: Call) -> None:
        await going_on.wait()
        await echo(call)

    await gate.backend("listing", later)
    port = free_port()
    front = Front(gate.ring, gate.ring, ForwardLane(gate.ring, gate.forward), host="127.0.0.1", port=port)
    async with serving(front, port):
        idle, other = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET % b"last")
        await until(lambda: gate.ring.busy == 1)
        front.stop()
        assert await asyncio.wait_for(idle.read(), 5) == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        going_on.set()
        data = await asyncio.wait_for(reader.read(), 5)
        for each in (writer, other):
            each.close()
            await each.wait_closed()
    assert data.endswith(b"last ")
    assert b"connection: close" in data


async def test_what_a_client_was_sending_while_a_stop_began_is_answered(gate: Gate) -> None:
    await gate.backend("listing", echo)
    port = free_port()
    front = Front(gate.ring, gate.ring, ForwardLane(gate.ring, gate.forward), host="127.0.0.1", port=port)
    async with serving(front, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET % b"first")
        assert await answers(reader, 1) == [(200, b"first ")]
        front.stop()
        await asyncio.sleep(0.2)  # it might have ended the connection by now
        writer.write(GET % b"second")
        data = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await writer.wait_closed()
    assert data.endswith(b"second ")
    assert b"connection: close" in data


async def test_a_crowd_that_comes_at_once_is_taken_in_a_few_rounds(gate: Gate) -> None:
    """Those who are in already do not keep the others waiting at the door."""
    await gate.backend("listing", echo)
    first = [await asyncio.open_connection("127.0.0.1", gate.port) for _ in range(300)]
    for _, writer in first:
        writer.write(GET % b"crowd")
    found = await asyncio.wait_for(asyncio.gather(*(answers(reader, 1) for reader, _ in first)), 10)
    assert found == [[(200, b"crowd ")]] * 300
    for _, writer in first:
        writer.close()


async def test_connections_that_cannot_be_taken_are_tried_again(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Full:
        """A listening socket of a process that has no files left to open, once."""

        def __init__(self, door: Any) -> None:
            self.door, self.tries = door, 0

        def fileno(self) -> int:
            found: int = self.door.fileno()
            return found

        def accept(self) -> Any:
            self.tries += 1
            if self.tries == 1:
                raise OSError(24, "Too many open files")
            return self.door.accept()

    monkeypatch.setattr(fronts, "SWEEP_SECONDS", 0.05)
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        door.setblocking(False)
        full: Any = Full(door)
        front = Front(gate.ring, gate.ring, ForwardLane(gate.ring, gate.forward))
        front._listen(full)
        reader, writer = await asyncio.open_connection(*door.getsockname())
        writer.write(b"GET /health HTTP/1.1\r\nHost: g\r\n\r\n")
        assert (await asyncio.wait_for(answers(reader, 1), 5))[0][0] == 200
        writer.close()
        asyncio.get_running_loop().remove_reader(full)
    assert full.tries >= 2
    assert "cannot be taken" in caplog.text
