"""What a caller sees while services fail: another instance, an old answer, or a word of when to return."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.gateway_scene import Answering, Backend, Call, Gate, ask, gate_in, ok
from app.waiting import until
from hometrip.services.gateway.rules.circuit import CLOSED, ERRORS, FAILURES, OPEN, Circuit
from hometrip.services.gateway.rules.stale import SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole_gate(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gate]:
    async with gate_in(tmp_path_factory.mktemp("gate"), seconds=1.0) as gate:
        yield gate


@pytest_asyncio.fixture(loop_scope="module")
async def gate(whole_gate: Gate) -> AsyncIterator[Gate]:
    yield whole_gate
    await whole_gate.clear()


async def cut(call: Call) -> None:
    call.cut()


async def never(call: Call) -> None:
    await call.reader.read()


def saying(data: bytes) -> Answering:
    async def say(call: Call) -> None:
        await call.body()
        await call.say(data)

    return say


GARBAGE = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "length and chunks": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
    "a folded line": b"HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 2\r\n\r\nok",
    "a name with a space": b"HTTP/1.1 200 OK\r\nx y: a\r\ncontent-length: 2\r\n\r\nok",
    "a bare line feed": b"HTTP/1.1 200 OK\r\nx: a\ny: b\r\ncontent-length: 2\r\n\r\nok",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n",
    "a bad length": b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
    "another coding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "an endless head": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000,
    "a status of four digits": b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n",
}


def circuit(gate: Gate, backend: Backend) -> Circuit:
    return gate.forward._targets.of(backend.instance).circuit


async def refused(gate: Gate, line: str, *headers: str) -> tuple[str, dict[str, str]]:
    status, named, body = await ask(gate, line, *headers)
    assert status == 503
    problem = json.loads(body)
    assert problem["request_id"] == named["x-request-id"]
    assert int(named["retry-after"]) >= 1
    return problem["code"], named


# nobody there


async def test_without_an_instance_a_caller_is_told_when_to_return(gate: Gate) -> None:
    assert (await refused(gate, "GET /api/listings/1"))[0] == "no_instance"


async def test_an_instance_where_nobody_listens_is_left_alone_until_it_is_back(gate: Gate) -> None:
    backend = await gate.backend()
    await backend.stop()
    code, _ = await refused(gate, "POST /api/listings", "Content-Length: 0")
    assert code == "no_instance"
    assert circuit(gate, backend).state is OPEN
    await backend.start()
    assert (await refused(gate, "GET /api/listings/1"))[0] == "no_instance"
    assert backend.connections == 0  # it is not even tried

    async def back() -> bool:
        return (await ask(gate, "GET /api/listings/1"))[0] == 200

    await until(back)
    assert circuit(gate, backend).state is CLOSED


async def test_a_refused_request_goes_to_another_instance_whatever_its_method(gate: Gate) -> None:
    dead, alive = await gate.backend(), await gate.backend()
    await dead.stop()
    for _ in range(20):
        status, *_ = await ask(gate, "POST /api/listings", "Content-Length: 4", body=b"body")
        assert status == 200
    assert len(alive.calls) == 20


# the connection breaks


async def test_a_read_is_asked_once_more_elsewhere_and_a_write_is_not(gate: Gate) -> None:
    bad, good = await gate.backend("listing", cut), await gate.backend()
    seen = set()
    for _ in range(FAILURES - 1):
        while not bad.calls:
            status, *_ = await ask(gate, "GET /api/listings/1")
            seen.add(status)
        bad.calls.clear()
    assert seen == {200}
    good.calls.clear()

    codes = []
    while not bad.calls:
        status, _, body = await ask(gate, "POST /api/listings", "Content-Length: 4", body=b"body")
        codes.append((status, json.loads(body).get("code")))
    assert codes[-1] == (503, "answer_lost")
    assert len(good.calls) == len(codes) - 1


async def test_a_read_that_fails_twice_is_given_up(gate: Gate) -> None:
    first, second = await gate.backend("listing", cut), await gate.backend("listing", cut)
    assert (await refused(gate, "GET /api/listings/1"))[0] == "answer_lost"
    assert len(first.calls) + len(second.calls) == 2


async def test_a_read_with_a_body_is_not_repeated(gate: Gate) -> None:
    backends = [await gate.backend("search", cut) for _ in range(2)]
    assert (await ask(gate, "GET /api/search", "Content-Length: 2", body=b"{}"))[0] == 503
    assert sum(len(backend.calls) for backend in backends) == 1


async def test_a_connection_that_was_closed_while_idle_costs_nobody_an_answer(gate: Gate) -> None:
    async def closing(call: Call) -> None:
        await call.answer()
        call.cut()

    backend = await gate.backend("listing", closing)
    for _ in range(2 * FAILURES):
        assert (await ask(gate, "GET /api/listings/1"))[0] == 200
        assert (await ask(gate, "POST /api/listings", "Content-Length: 0"))[0] in (200, 503)
    assert circuit(gate, backend).state is CLOSED or circuit(gate, backend).failures < FAILURES


async def test_a_restarted_instance_is_used_again_without_an_error(gate: Gate) -> None:
    backend = await gate.backend()
    for _ in range(5):
        assert (await ask(gate, "GET /api/listings/1"))[0] == 200
    backend.drop_connections()
    for _ in range(5):
        assert (await ask(gate, "GET /api/listings/1"))[0] == 200


@pytest.mark.parametrize("kind", GARBAGE)
async def test_garbage_is_told_as_such_and_its_connection_is_not_used_again(gate: Gate, kind: str) -> None:
    backend = await gate.backend("listing", saying(GARBAGE[kind]))
    assert (await refused(gate, "DELETE /api/listings/1"))[0] == "bad_answer"
    await until(lambda: backend.open_connections == 0)
    backend.answering = ok
    assert (await ask(gate, "DELETE /api/listings/1"))[0] == 200


async def test_chunks_that_make_no_sense_break_the_answer_off(gate: Gate) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    for chunks in (b"zz\r\nok\r\n0\r\n\r\n", b"2\r\nokay\r\n0\r\n\r\n", b"2\r\nok\r\n0\r\n\r\nmore"):
        await gate.clear()
        await gate.backend("listing", saying(head + chunks))
        status, _, body = await ask_raw(gate)
        assert status != 200 or not body.endswith(b"0\r\n\r\n")


async def ask_raw(gate: Gate) -> tuple[int, bytes, bytes]:
    data = await gate.raw(b"DELETE /api/listings/1 HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, head, body


async def test_a_read_whose_answer_breaks_off_before_its_first_byte_is_asked_once_more(gate: Gate) -> None:
    async def head_only(call: Call) -> None:
        await call.say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")
        call.cut()

    bad, _ = await gate.backend("listing", head_only), await gate.backend()
    while not bad.calls:
        assert (await ask(gate, "GET /api/listings/1"))[0] == 200
    bad.calls.clear()
    status = 0
    while not bad.calls:
        status, _, body = await ask(gate, "DELETE /api/listings/1")
    assert (status, json.loads(body)["code"]) == (503, "answer_lost")


# time


async def test_a_slow_instance_costs_its_caller_the_deadline_and_then_nobody(gate: Gate) -> None:
    backend = await gate.backend("listing", never)
    loop = asyncio.get_running_loop()
    began = loop.time()
    answers = await asyncio.gather(*(refused(gate, "GET /api/listings/1") for _ in range(FAILURES)))
    assert {code for code, _ in answers} == {"deadline_exceeded"}
    assert loop.time() - began < 3
    assert circuit(gate, backend).state is OPEN
    began = loop.time()
    assert (await refused(gate, "GET /api/listings/1"))[0] == "no_instance"
    assert loop.time() - began < 0.5
    await until(lambda: backend.open_connections == 0)


async def test_a_slow_sender_says_nothing_against_the_instance(gate: Gate) -> None:
    async def reading(call: Call) -> None:
        await call.reader.read()

    backend = await gate.backend("listing", reading)
    sent = b"POST /api/listings HTTP/1.1\r\nHost: g\r\nContent-Length: 100\r\n\r\npart"
    data = await gate.raw(sent, end=b"deadline_exceeded")
    assert data.startswith(b"HTTP/1.1 503")
    assert circuit(gate, backend).failures == 0


# errors of services


async def test_a_problem_of_a_service_is_passed_on_as_it_is(gate: Gate) -> None:
    problem = b'{"code":"internal","status":500}'

    async def fails(call: Call) -> None:
        await call.answer(
            problem, b"content-type: application/problem+json", status=b"500 Internal Server Error"
        )

    await gate.backend("listing", fails)
    status, headers, body = await ask(gate, "GET /api/listings/1")
    assert (status, headers["content-type"], body) == (500, "application/problem+json", problem)


async def test_an_error_in_other_words_than_ours_stays_inside(gate: Gate) -> None:
    async def fails(call: Call) -> None:
        await call.answer(
            b"Traceback: secrets", b"content-type: text/plain", status=b"500 Internal Server Error"
        )

    await gate.backend("listing", fails)
    status, _, body = await ask(gate, "GET /api/listings/1")
    assert (status, json.loads(body)["code"]) == (503, "bad_answer")
    assert b"secrets" not in body


async def test_an_instance_with_nothing_but_errors_is_passed_over_while_others_do_better(gate: Gate) -> None:
    async def fails(call: Call) -> None:
        await call.answer(
            b"{}", b"content-type: application/problem+json", status=b"500 Internal Server Error"
        )

    bad, good = await gate.backend("listing", fails), await gate.backend()
    while len(bad.calls) < ERRORS:
        await ask(gate, "GET /api/listings/1")
    good.calls.clear()
    for _ in range(20):
        assert (await ask(gate, "GET /api/listings/1"))[0] == 200
    assert (len(bad.calls), len(good.calls)) == (ERRORS, 20)
    # Alone, it is better than nobody.
    await gate.registry.leave(good.instance)
    assert (await ask(gate, "GET /api/listings/1"))[0] == 500


# load


async def test_work_is_shared_out_and_goes_where_less_is_waiting(gate: Gate) -> None:
    going_on = asyncio.Event()

    async def waiting(call: Call) -> None:
        await going_on.wait()
        await call.answer()

    slow = await gate.backend("listing", waiting)
    quick = await gate.backend()
    tasks = [asyncio.create_task(ask(gate, "GET /api/listings/1")) for _ in range(4)]
    await until(lambda: len(slow.calls) >= 1)
    for _ in range(20):
        tasks.append(asyncio.create_task(ask(gate, "GET /api/listings/1")))
        await until(lambda: len(slow.calls) + len(quick.calls) == len(tasks))
    assert len(quick.calls) > 2 * len(slow.calls)
    going_on.set()
    assert {status for status, _, _ in await asyncio.gather(*tasks)} == {200}


# old answers


async def public(call: Call) -> None:
    await call.answer(b'{"items":[1]}', b"cache-control: public, max-age=0", b'etag: "1"')


async def test_a_public_read_gets_the_last_good_answer_marked_as_old(gate: Gate) -> None:
    backend = await gate.backend("search", public)
    status, headers, body = await ask(gate, "GET /api/search?q=sea")
    assert "warning" not in headers
    await backend.stop()
    for _ in range(3):
        status, headers, old = await ask(gate, "GET /api/search?q=sea")
        assert (status, old, headers["warning"]) == (200, body, '110 - "Response is Stale"')
        assert int(headers["age"]) < SECONDS
    assert (await refused(gate, "GET /api/search?q=hills"))[0] == "no_instance"
    assert (await refused(gate, "GET /api/search?q=sea", "Accept-Language: de"))[0] == "no_instance"


async def test_an_old_answer_stands_in_for_an_error_too(gate: Gate) -> None:
    backend = await gate.backend("search", public)
    await ask(gate, "GET /api/search")

    async def fails(call: Call) -> None:
        await call.answer(b"{}", b"content-type: application/problem+json", status=b"503 Service Unavailable")

    backend.answering = fails
    status, headers, _ = await ask(gate, "GET /api/search")
    assert (status, headers["warning"][:3]) == (200, "110")


async def test_whoever_shows_a_credential_never_gets_an_old_answer_nor_leaves_one(gate: Gate) -> None:
    backend = await gate.backend("search", public)
    for secret in ("Authorization: Bearer x", "X-Api-Key: k", "Cookie: a=b"):
        await ask(gate, "GET /api/search?of=mine", secret)
    await ask(gate, "GET /api/search")
    await backend.stop()
    assert (await refused(gate, "GET /api/search?of=mine"))[0] == "no_instance"
    assert (await refused(gate, "GET /api/search", "Authorization: Bearer x"))[0] == "no_instance"


@pytest.mark.parametrize(
    "control",
    [b"no-store", b"private, max-age=60", b"public, must-revalidate", b"max-age=60", b"public, no-cache"],
)
async def test_what_its_service_does_not_allow_is_not_kept(gate: Gate, control: bytes) -> None:
    async def says(call: Call) -> None:
        await call.answer(b"{}", b"cache-control: " + control)

    backend = await gate.backend("search", says)
    await ask(gate, "GET /api/search")
    await backend.stop()
    assert (await refused(gate, "GET /api/search"))[0] == "no_instance"


# leaving


async def test_an_instance_that_leaves_gets_nothing_new_and_finishes_what_it_has(gate: Gate) -> None:
    going_on = asyncio.Event()

    async def waiting(call: Call) -> None:
        await going_on.wait()
        await call.answer(b"done")

    leaving = await gate.backend("listing", waiting)
    task = asyncio.create_task(ask(gate, "GET /api/listings/1"))
    await until(lambda: len(leaving.calls) == 1)
    await gate.registry.leave(leaving.instance)
    staying = await gate.backend()
    for _ in range(5):
        assert (await ask(gate, "GET /api/listings/1"))[0] == 200
    assert (len(leaving.calls), len(staying.calls)) == (1, 5)
    going_on.set()
    assert (await task)[2] == b"done"
    await until(lambda: leaving.open_connections == 0)
