"""Connections that one process passes on to another: what a client sends, and how, makes no difference."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.waiting import until
from harness import TestHouse
from hometrip.app.beside.cable import Cable
from hometrip.app.beside.first import Back
from hometrip.app.beside.passing import Passage
from hometrip.app.beside.second import First
from hometrip.app.edge.lane import HandlerLane
from hometrip.app.edge.routes import anywhere_of
from hometrip.app.serving.front import Front
from hometrip.kernel.errors import NotFound, Unavailable

LOGIN = b'{"email": "nobody@example.com", "password": "words and words"}'
HEAD = b"POST /api/auth/login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
LAST = b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
REQUESTS = {
    "a page": [b"GET /api/openapi.json HTTP/1.1\r\nHost: h\r\n\r\n"],
    "a head in parts": [b"GET /api/open", b"api.json HTTP/1.1\r\nHo", b"st: h\r\n\r\n"],
    "with its body": [HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(LOGIN), LOGIN)],
    "before its body": [HEAD + b"Content-Length: %d\r\n\r\n" % len(LOGIN), LOGIN[:9], LOGIN[9:]],
    "in the midst of its body": [HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(LOGIN), LOGIN[:7]), LOGIN[7:]],
    "in chunks": [
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n5" % (10, LOGIN[:10]),
        b"\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (LOGIN[10:15], len(LOGIN) - 15, LOGIN[15:]),
    ],
    "no request": [b"GET / HTTP/9\r\n\r\n"],
    "one after the other": [b"GET /ready HTTP/1.1\r\nHost: h\r\n\r\n" * 3],
    "what is answered anywhere, then what is not": [
        b"GET /api/listings/00000000-0000-4000-8000-000000000000 HTTP/1.1\r\nHost: h\r\n\r\n" * 2
        + b"GET /api/openapi.json HTTP/1.1\r\nHost: h\r\n\r\n"
    ],
    "there, back and there again": [
        b"GET /api/openapi.json HTTP/1.1\r\nHost: h\r\n\r\n"
        + b"GET /api/search HTTP/1.1\r\nHost: h\r\n\r\n" * 4,
        HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(LOGIN), LOGIN),
        b"GET /api/search HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /api/search HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /ready HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
    "a body that is much": [
        b"POST /api/auth/login HTTP/1.1\r\nHost: h\r\nContent-Length: 700000\r\n\r\n" + b"x" * 700_000
    ],
}


def beside(house: TestHouse, end: socket.socket) -> tuple[First, Front]:
    opened, anywhere = house.opened, anywhere_of(house.house)
    first = First(anywhere, end)
    lane = HandlerLane(opened.ring, anywhere, house.house)
    place: dict[str, Any] = {"host": "127.0.0.1", "leave_seconds": 0, "elsewhere": first}
    return first, Front(opened.app, opened.ring, lane, **place)


@pytest.fixture
async def fronts(house: TestHouse) -> AsyncIterator[tuple[Front, Front]]:
    """Of the process that answers everything, and of one beside it that passes on most of what comes."""
    opened = house.opened
    here, there = socket.socketpair()
    first = Front(opened.app, opened.ring, opened.lane, host="127.0.0.1", leave_seconds=0)
    giving, second = beside(house, here)
    back = Passage(there)
    back.returns_to(lambda sock, heard: first.adopt(sock, heard, Back(anywhere_of(house.house), back)))
    serving = [asyncio.create_task(front.serve()) for front in (first, second)]
    await until(lambda: bool(first.ports and second.ports))
    yield first, second
    first.stop()
    second.stop()
    await asyncio.gather(*serving)
    giving.close()
    back.close()


async def said(port: int, parts: list[bytes]) -> bytes:
    """All that is answered until the end of a last request, without what is another each time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in [*parts, LAST]:
        writer.write(part)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        await asyncio.sleep(0.02)
    answer = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(10):
            answer = await reader.read()
    writer.close()
    told = [line for line in answer.split(b"\r\n") if not line.lower().startswith((b"date", b"x-request"))]
    return b"\n".join(line.partition(b'"trace_id"')[0].partition(b'"request_id"')[0] for line in told)


@pytest.mark.parametrize("kind", REQUESTS)
async def test_what_is_passed_on_is_answered_as_if_it_had_come_there(
    fronts: tuple[Front, Front], kind: str
) -> None:
    direct, passed = (front.ports[0] for front in fronts)
    expected = await said(direct, REQUESTS[kind])
    assert expected.startswith(b"HTTP/1.1 ")
    assert await said(passed, REQUESTS[kind]) == expected


async def test_many_that_come_at_once_are_all_passed_on(fronts: tuple[Front, Front]) -> None:
    answers = await asyncio.gather(*(said(fronts[1].ports[0], REQUESTS["with its body"]) for _ in range(100)))
    assert {answer.split(b" ", 2)[1] for answer in answers} <= {b"401", b"429"}


async def test_a_connection_goes_back_when_enough_is_asked_that_is_answered_anywhere(
    fronts: tuple[Front, Front],
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", fronts[1].ports[0])
    where = []
    for path in (b"search", b"status", b"search", b"search", b"search", b"status"):
        writer.write(b"GET /api/%b HTTP/1.1\r\nHost: h\r\n\r\n" % path)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
        await until(lambda: sum(len(front._lines) for front in fronts) == 1)
        where.append([len(front._lines) for front in fronts].index(1))
    assert where == [1, 0, 0, 1, 1, 0]
    writer.close()


async def test_who_is_passed_on_when_nobody_is_there_is_hung_up_on(house: TestHouse) -> None:
    here, there = socket.socketpair()
    there.close()
    _, alone = beside(house, here)
    serving = asyncio.create_task(alone.serve())
    await until(lambda: bool(alone.ports))
    assert await said(alone.ports[0], REQUESTS["a page"]) == b""
    alone.stop()
    await serving


# the cable


async def both_ends() -> tuple[Cable, Cable]:
    one, other = (Cable(end) for end in socket.socketpair())
    await one.open()
    await other.open()
    return one, other


async def test_what_is_said_before_the_cable_is_open_is_heard_in_its_order() -> None:
    one, other = (Cable(end) for end in socket.socketpair())
    heard: list[Any] = []
    other.on("word", heard.append)
    one.tell("word", 1)
    one.tell("word", "two")
    await one.open()
    one.tell("word", b"three")
    await other.open()
    await until(lambda: len(heard) == 3)
    assert heard == [1, "two", b"three"]
    await one.close()
    await other.close()


async def test_a_call_is_answered_refused_or_given_up() -> None:
    one, other = await both_ends()

    async def slow(number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    def refuse() -> None:
        raise NotFound("no such thing")

    def fail() -> None:
        raise ZeroDivisionError

    other.on("slow", slow)
    other.on("refuse", refuse)
    other.on("fail", fail)
    assert await asyncio.gather(*(one.call("slow", number) for number in range(20))) == [*range(0, 40, 2)]
    for name, why in (("refuse", "no such thing"), ("fail", "ZeroDivisionError"), ("unknown", "LookupError")):
        with pytest.raises(Unavailable, match=why):
            await one.call(name)
    gone = asyncio.Event()
    one.gone = gone.set
    waiting = asyncio.create_task(one.call("slow", 1))
    await other.close()
    with pytest.raises(Unavailable, match="is gone"):
        await waiting
    await asyncio.wait_for(gone.wait(), 5)
    with pytest.raises(Unavailable, match="is gone"):
        await one.call("slow", 1)
    await one.close()
