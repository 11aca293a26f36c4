"""Peers over HTTP: what happens when one is not there, breaks off, is slow, is asked by a stranger."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol

import httpx2
import msgspec
import pytest

from app.waiting import until
from hometrip.adapters.peers.exchange import MOST_BYTES
from hometrip.adapters.peers.http_instances import Instances
from hometrip.app.metrics import REGISTRY
from hometrip.kernel.deadline import seconds_left, within
from hometrip.kernel.errors import DeadlineExceeded, HomeTripError, TooLarge
from hometrip.kernel.events import NO_CAUSE, Cause, current_cause
from hometrip.ports.peer import MayHaveHappened, Refused
from hometrip.ports.registry import Instance
from peer_processes import ASKER, OWNER, Answers, Neighbours, Sums, listening, neighbours
from server import free_port

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def near(answers: Answers, tmp_path: Path) -> AsyncIterator[Neighbours]:
    async with neighbours(tmp_path, answers.find, [Sums]) as made:
        yield made


@pytest.fixture
async def alone(answers: Answers, tmp_path: Path) -> AsyncIterator[Neighbours]:
    """A service that asks, where nobody answers yet."""
    made = Neighbours(tmp_path, answers.find, [Sums])
    yield made
    await made.peers.close()


# a raw other side


async def request_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    [length] = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(length.partition(b":")[2]))


class Raw:
    """A server that does one thing with each connection, and counts them."""

    def __init__(
        self, act: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
    ):
        self._act, self.count = act, 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._act(reader, writer)
        writer.close()


@contextlib.asynccontextmanager
async def raw(
    act: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]],
) -> AsyncIterator[tuple[Raw, str]]:
    served = Raw(act)
    async with await asyncio.start_server(served, "127.0.0.1", 0) as server:
        yield served, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def break_off_unread(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def break_off_read(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await request_of(reader)


async def break_off_in_the_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_of(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/msgpack\r\nContent-Length: 100\r\n\r\n\x01")
    await writer.drain()


def answering(head: str, body: bytes = b"") -> Any:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    return answer


async def never_answer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()
    await reader.read()


# refused, or may have happened


async def test_without_an_instance_a_call_is_refused(alone: Neighbours) -> None:
    with pytest.raises(Refused):
        await alone.peers.ask(Sums).add(1)


async def test_where_nothing_listens_a_call_is_refused(alone: Neighbours) -> None:
    await alone.add(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Refused):
        await alone.peers.ask(Sums).add(1)


async def test_a_connection_that_is_not_accepted_in_time_is_a_refusal(alone: Neighbours) -> None:
    with contextlib.ExitStack() as held:
        busy = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):  # the queue of a server that accepts nothing is soon full
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(busy.getsockname())
        await alone.add(f"http://127.0.0.1:{busy.getsockname()[1]}")
        peers = alone.peers_of(alone.asker.token_for, connect_seconds=0.1)
        with pytest.raises(Refused):
            await peers.ask(Sums).add(1)
        await peers.close()


@pytest.mark.parametrize(
    "act",
    [
        break_off_unread,
        break_off_read,
        break_off_in_the_answer,
        answering("404 Not Found\r\nContent-Type: text/html", b"<h1>nothing</h1>"),
        answering("503 Service Unavailable"),
        answering("200 OK\r\nContent-Type: text/html", b"<h1>It works!</h1>"),
        answering("200 OK\r\nContent-Type: application/msgpack", msgspec.msgpack.encode("one")),
        answering("302 Found\r\nLocation: http://127.0.0.1:1/"),
        answering("500 Oops\r\nX-HomeTrip-Told: raised", b"\xff\xff"),
    ],
)
async def test_whatever_fails_after_the_request_was_sent_may_have_happened(
    act: Any, alone: Neighbours
) -> None:
    async with raw(act) as (server, url):
        await alone.add(url)
        with pytest.raises(MayHaveHappened):
            await alone.peers.ask(Sums).add(1)
        assert server.count == 1


async def test_a_draining_peer_refuses_and_takes_nothing_in(answers: Answers, tmp_path: Path) -> None:
    why = ""
    async with neighbours(tmp_path, answers.find, [Sums], closed=lambda: why) as near:
        ask = near.peers.ask(Sums)
        assert await ask.add(1) == 1
        why = "the marketplace is stopping"
        with pytest.raises(Refused, match="stopping"):
            await ask.add(2)
        async with httpx2.AsyncClient() as client:
            told = await client.post(f"{near.registry.instances(OWNER)[0].url}/peers/Sums/add")
        assert (told.status_code, told.headers["connection"]) == (503, "close")
        assert answers.asked == ["add"]


async def test_a_method_that_the_peer_does_not_know_yet_is_refused(near: Neighbours) -> None:
    class Newer(Protocol):
        async def halve(self, number: int) -> int: ...

    Newer.__name__ = "Sums"
    with pytest.raises(Refused, match="nothing to be asked"):
        await near.peers.ask(Newer).halve(2)


async def test_arguments_that_the_peer_cannot_read_are_refused(near: Neighbours, answers: Answers) -> None:
    class Newer(Protocol):
        async def double(self, number: str) -> int: ...

    Newer.__name__ = "Sums"
    with pytest.raises(Refused, match="cannot be read"):
        await near.peers.ask(Newer).double("two")
    assert answers.asked == []


# once more


async def test_a_question_goes_to_another_instance_where_one_is_not_there(near: Neighbours) -> None:
    await near.add(f"http://127.0.0.1:{free_port()}")
    for number in range(20):
        assert await near.peers.ask(Sums).double(number) == 2 * number


async def test_a_question_goes_to_another_instance_where_one_breaks_off(near: Neighbours) -> None:
    async with raw(break_off_read) as (_, url):
        await near.add(url)
        for number in range(20):
            assert await near.peers.ask(Sums).double(number) == 2 * number


@contextlib.asynccontextmanager
async def one_that_works_and_is_busy(near: Neighbours, answers: Answers) -> AsyncIterator[None]:
    """Of two instances the less busy one is asked: the other one, which the test adds."""
    waiting = asyncio.create_task(near.peers.ask(Sums).wait())
    await until(lambda: answers.asked == ["wait"])
    answers.asked.clear()
    yield
    answers.go_on.set()
    assert await waiting == 1


async def test_a_command_that_may_have_happened_is_never_given_again(
    near: Neighbours, answers: Answers
) -> None:
    async with one_that_works_and_is_busy(near, answers), raw(break_off_read) as (broken, url):
        await near.add(url)
        with pytest.raises(MayHaveHappened):
            await near.peers.ask(Sums).add(1)
        assert broken.count == 1
        assert answers.asked == []


async def test_a_command_without_a_key_is_given_again_where_nothing_has_happened(
    near: Neighbours, answers: Answers
) -> None:
    async with one_that_works_and_is_busy(near, answers):
        await near.add(f"http://127.0.0.1:{free_port()}")
        assert await near.peers.ask(Sums).add(1) == 1
        assert answers.asked == ["add"]


async def test_a_command_with_a_key_is_given_again(near: Neighbours, answers: Answers) -> None:
    async with one_that_works_and_is_busy(near, answers), raw(break_off_read) as (broken, url):
        await near.add(url)
        assert await near.peers.ask(Sums).add_once(1, key="k-1") == 1
        assert (broken.count, answers.asked) == (1, ["add_once"])


async def test_a_command_whose_key_was_left_out_is_not_given_again(
    near: Neighbours, answers: Answers
) -> None:
    async with one_that_works_and_is_busy(near, answers), raw(break_off_read) as (_, url):
        await near.add(url)
        with pytest.raises(MayHaveHappened):
            await near.peers.ask(Sums).add_once(1)
        assert answers.asked == []


async def test_what_may_have_happened_at_one_is_not_refused_because_another_refuses(
    alone: Neighbours,
) -> None:
    dead = Instance(OWNER, "dead", f"http://127.0.0.1:{free_port()}")
    heard: list[Instance] = []

    async def break_off_and_be_replaced(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await request_of(reader)
        await alone.registry.leave(heard[0])
        await alone.registry.register(dead)

    async with raw(break_off_and_be_replaced) as (_, url):
        heard.append(await alone.add(url))
        with pytest.raises(MayHaveHappened):
            await alone.peers.ask(Sums).add_once(1, key="k-1")


async def test_a_question_that_the_only_instance_broke_off_is_asked_once_more(alone: Neighbours) -> None:
    answer = answering("200 OK\r\nContent-Type: application/msgpack", msgspec.msgpack.encode(4))

    async def break_off_at_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (break_off_read if server.count == 1 else answer)(reader, writer)

    async with raw(break_off_at_first) as (server, url):
        await alone.add(url)
        assert await alone.peers.ask(Sums).double(2) == 4
        assert server.count == 2


async def test_calls_over_connections_that_died_with_their_server_are_made_again(
    alone: Neighbours, answers: Answers
) -> None:
    port = free_port()
    await alone.add(f"http://127.0.0.1:{port}")
    ask = alone.peers.ask(Sums)
    for _ in range(3):
        async with listening(alone.peering(), port):
            assert await asyncio.gather(*(ask.double(n) for n in range(20))) == [2 * n for n in range(20)]


# which instance


async def test_an_instance_that_fails_is_left_alone(near: Neighbours) -> None:
    async with raw(break_off_unread) as (broken, url):
        await near.add(url)
        ask = near.peers.ask(Sums)
        for number in range(200):
            assert await ask.double(number) == 2 * number
        assert broken.count <= 2


def chosen(instances: Instances, listed: list[Instance]) -> set[str]:
    return {found.id for _ in range(200) if (found := instances.pick(listed))}


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


A, B, C = (Instance(OWNER, name, f"http://{name}") for name in "abc")


def test_a_failed_instance_is_left_alone_longer_each_time_and_used_again_once_it_answers() -> None:
    clock = Time()
    instances = Instances(clock, lambda n: os.urandom(1)[0] % n)
    for expected in (1, 2, 4, 5, 5):
        assert instances.failed(A) == expected
        assert chosen(instances, [A, B, C]) == {"b", "c"}
        clock.now += expected
        assert chosen(instances, [A, B, C]) == {"a", "b", "c"}
    instances.answered(A)
    assert instances.failed(A) == 1


def test_calls_that_fail_together_are_one_failure() -> None:
    instances = Instances(Time(), lambda n: 0)
    assert {instances.failed(A) for _ in range(20)} == {1.0}


def test_when_all_have_failed_all_are_asked() -> None:
    instances = Instances(Time(), lambda n: os.urandom(1)[0] % n)
    for each in (A, B):
        instances.failed(each)
    assert chosen(instances, [A, B]) == {"a", "b"}


def test_the_busier_of_two_is_spared_and_nothing_is_chosen_of_nothing() -> None:
    instances = Instances(Time(), lambda n: os.urandom(1)[0] % n)
    with instances.busy(A):
        assert chosen(instances, [A, B]) == {"b"}
        assert instances.pick([A]) is A
        assert instances.pick([A], but=A) is None
    assert instances.pick([]) is None


def test_instances_that_are_gone_are_forgotten() -> None:
    clock = Time()
    instances = Instances(clock, lambda n: 0)
    for number in range(1000):
        instances.failed(Instance(OWNER, f"gone-{number}", "http://gone"))
        clock.now += 1
    assert len(instances._standings) < 20


# deadlines and causes


async def test_the_deadline_travels_with_the_call(near: Neighbours) -> None:
    async with within(3):
        assert 2 < await near.peers.ask(Sums).seconds() <= 3
    assert 9 < await near.peers.ask(Sums).seconds() <= 10


async def test_a_peer_that_never_answers_costs_no_more_than_the_deadline(alone: Neighbours) -> None:
    async with raw(never_answer) as (server, url):
        await alone.add(url)
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            async with within(0.1):
                await alone.peers.ask(Sums).double(1)
        assert time.monotonic() - began < 1
        assert server.count == 1


async def test_a_call_takes_no_longer_than_the_peer_allows(answers: Answers, tmp_path: Path) -> None:
    async with neighbours(tmp_path, answers.find, [Sums], seconds=0.05) as near:
        with pytest.raises(DeadlineExceeded):
            await near.peers.ask(Sums).wait()


async def test_deadlines_inside_each_other_end_at_the_first_of_them() -> None:
    with pytest.raises(DeadlineExceeded):
        async with within(0.02), within(60):
            assert seconds_left(99) <= 0.02
            await asyncio.Event().wait()
    assert seconds_left(99) == 99


async def test_a_timeout_of_something_inside_is_not_the_deadline() -> None:
    with pytest.raises(TimeoutError):
        async with within(60):
            raise TimeoutError


async def test_the_cause_travels_with_the_call(near: Neighbours) -> None:
    cause = Cause("request-12345", "0190-event", TRACE)
    token = current_cause.set(cause)
    try:
        assert await near.peers.ask(Sums).cause() == cause
    finally:
        current_cause.reset(token)
    assert await near.peers.ask(Sums).cause() == NO_CAUSE


# errors


async def test_of_an_unforeseen_error_nothing_leaves_the_peer(
    near: Neighbours, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(HomeTripError) as failure:
        await near.peers.ask(Sums).fail()
    assert (type(failure.value), failure.value.code) == (HomeTripError, "internal")
    assert "swordfish" not in failure.value.detail
    [logged] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert logged.exc_info
    assert "swordfish" in str(logged.exc_info[1])


async def test_an_error_of_the_method_says_nothing_against_the_instance(
    near: Neighbours, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        with pytest.raises(HomeTripError):
            await near.peers.ask(Sums).fail()
    assert "peer failed" not in caplog.text


async def test_calls_are_counted_by_caller_method_and_outcome(near: Neighbours) -> None:
    def counted(outcome: str) -> float:
        labels = {"service": OWNER, "caller": ASKER, "method": "Sums.double", "outcome": outcome}
        return REGISTRY.get_sample_value("hometrip_peer_calls_total", labels) or 0

    before = counted("ok")
    await near.peers.ask(Sums).double(1)
    assert counted("ok") == before + 1


# connections and sizes


async def test_a_thousand_calls_share_a_bounded_number_of_connections(
    answers: Answers, tmp_path: Path
) -> None:
    seen: set[Any] = set()
    near = Neighbours(tmp_path, answers.find, [Sums])
    peering = near.peering()

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        seen.add(scope["client"])
        await peering(scope, receive, send)

    peers = near.peers_of(near.asker.token_for, connections=8)
    async with listening(watched) as url:
        await near.add(url)
        ask = peers.ask(Sums)
        assert await asyncio.gather(*(ask.double(n) for n in range(1000))) == [2 * n for n in range(1000)]
        await peers.close()
    assert len(seen) <= 8
    assert peering.busy == 0


async def test_no_proxy_of_the_environment_comes_between(
    near: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert await near.peers.ask(Sums).double(1) == 2


async def test_huge_arguments_are_not_even_sent(near: Neighbours, answers: Answers) -> None:
    with pytest.raises(TooLarge):
        await near.peers.ask(Sums).echo("x" * (MOST_BYTES + 1))
    assert await near.peers.ask(Sums).echo("x" * (MOST_BYTES - 100)) == MOST_BYTES - 100


@pytest.mark.parametrize("declared", [True, False])
async def test_huge_bodies_are_refused(declared: bool, near: Neighbours, answers: Answers) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"\x00" * (MOST_BYTES // 10)

    headers = {"Authorization": f"Service {near.asker.token_for(OWNER)}"}
    if declared:
        headers["Content-Length"] = str(2 * MOST_BYTES)
    url = near.registry.instances(OWNER)[0].url
    async with httpx2.AsyncClient() as client:
        try:
            told = await client.post(f"{url}/peers/Sums/echo", content=pieces(), headers=headers)
            assert told.status_code == 413
        except httpx2.TransportError:
            pass  # the connection was closed in the middle of the body
    assert answers.asked == []
