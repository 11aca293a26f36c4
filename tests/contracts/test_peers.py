"""What every kind of peer promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import pytest

from hometrip.adapters.peers.local import LocalPeers
from hometrip.kernel.deadline import within
from hometrip.kernel.errors import DeadlineExceeded, NotFound, Unavailable
from hometrip.kernel.money import Money
from hometrip.kernel.stay import Stay
from hometrip.kernel.wire import Answer
from hometrip.ports.peer import Peers, Refused, command
from peer_processes import neighbours

Find = Callable[[type[Any], str], Any]


@asynccontextmanager
async def local(find: Find, _: Path) -> AsyncIterator[Peers]:
    yield LocalPeers(find)


@asynccontextmanager
async def loopback(find: Find, _: Path) -> AsyncIterator[Peers]:
    yield LocalPeers(find, twice=True)


@asynccontextmanager
async def http(find: Find, folder: Path) -> AsyncIterator[Peers]:
    async with neighbours(folder, find, [Questions]) as near:
        yield near.peers


ADAPTERS: dict[str, Callable[[Find, Path], AbstractAsyncContextManager[Peers]]] = {
    "adapters.peers.local": local,
    "loopback of adapters.peers.local": loopback,
    "adapters.peers.http": http,
}


class Card(Answer):
    title: str
    price: Money
    nights: list[date]
    note: str | None = None


class Questions(Protocol):
    async def card(self, title: str, stay: Stay) -> Card: ...

    async def missing(self) -> Card | None: ...

    async def double(self, number: int, times: int = 2) -> int: ...

    async def refuse(self, title: str) -> Card: ...

    async def pass_on(self) -> int: ...

    async def never(self) -> int: ...

    @command
    async def count(self, by: int) -> int: ...


class Unknown(Protocol):
    async def ask(self) -> int: ...


class NoSuchCard(NotFound):
    """There is no such card."""

    code = "no_such_card"


class Answers:
    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.total = 0
        self.ended = asyncio.Event()

    async def card(self, title: str, stay: Stay) -> Card:
        card = Card(title=title, price=Money(100, "EUR"), nights=list(stay.each_night()))
        self.kept.append((stay, card))
        return card

    async def missing(self) -> Card | None:
        return None

    async def double(self, number: int, times: int) -> int:
        return number * times

    async def refuse(self, title: str) -> Card:
        raise NoSuchCard("no card here", title=title)

    async def pass_on(self) -> int:
        raise Refused("a third one is not there", who="third")

    async def never(self) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()
        return 0

    async def count(self, by: int) -> int:
        self.total += by
        return self.total


STAY = Stay(date(2027, 6, 1), date(2027, 6, 3))


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture(params=ADAPTERS)
async def peers(request: pytest.FixtureRequest, answers: Answers, tmp_path: Path) -> AsyncIterator[Peers]:
    def find(protocol: type[Any], method: str) -> Any:
        return getattr(answers, method) if protocol is Questions else None

    async with ADAPTERS[request.param](find, tmp_path) as made:
        yield made


async def test_an_answer_is_an_equal_copy_and_so_are_the_arguments(peers: Peers, answers: Answers) -> None:
    answer = await peers.ask(Questions).card("Cabin", stay=STAY)
    stay, card = answers.kept[-1]
    assert (stay, card) == (STAY, answer)
    assert stay is not STAY
    assert card is not answer
    assert card.nights is not answer.nights


async def test_nothing_is_an_answer_too(peers: Peers) -> None:
    assert await peers.ask(Questions).missing() is None


async def test_an_argument_that_is_left_out_has_the_default_of_the_protocol(peers: Peers) -> None:
    assert await peers.ask(Questions).double(4) == 8
    assert await peers.ask(Questions).double(4, times=3) == 12


async def test_an_error_arrives_as_its_class_with_its_facts(peers: Peers) -> None:
    with pytest.raises(NoSuchCard) as refusal:
        await peers.ask(Questions).refuse("Cabin")
    assert refusal.value.facts == {"title": "Cabin"}
    assert refusal.value.detail == "no card here"


async def test_a_command_is_given_once(peers: Peers, answers: Answers) -> None:
    assert await peers.ask(Questions).count(3) == 3
    assert answers.total == 3


async def test_a_peer_that_nobody_answers_for_refuses(peers: Peers) -> None:
    with pytest.raises(Refused):
        await peers.ask(Unknown).ask()


async def test_what_refused_the_peer_is_not_a_refusal_of_the_peer(peers: Peers) -> None:
    with pytest.raises(Unavailable) as failure:
        await peers.ask(Questions).pass_on()
    assert not isinstance(failure.value, Refused)
    assert failure.value.facts == {"who": "third"}


async def test_a_call_ends_by_the_deadline_of_its_caller_on_both_sides(
    peers: Peers, answers: Answers
) -> None:
    with pytest.raises(DeadlineExceeded):
        async with within(0.05):
            await peers.ask(Questions).never()
    await asyncio.wait_for(answers.ended.wait(), 5)


async def test_after_the_deadline_nothing_is_asked(peers: Peers, answers: Answers) -> None:
    with pytest.raises(DeadlineExceeded):
        async with within(0):
            await peers.ask(Questions).count(1)
    assert answers.total == 0


async def test_a_thousand_calls_at_once_get_their_own_answers(peers: Peers) -> None:
    ask = peers.ask(Questions)
    assert await asyncio.gather(*(ask.double(n) for n in range(1000))) == [2 * n for n in range(1000)]


async def test_the_loopback_runner_asks_each_question_twice(answers: Answers) -> None:
    peers = LocalPeers(lambda _, method: getattr(answers, method), twice=True)
    await peers.ask(Questions).card("Cabin", STAY)
    assert len(answers.kept) == 2
