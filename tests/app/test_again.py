"""Requests that others stood in the way of are begun anew, on real deadlocks; nothing happens twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from litestar import Litestar, post
from litestar.params import JSONBody
from sqlalchemy import select, update

from contracts.storages import NOTES, STORAGES, NoteTaken, cleared, opened
from hometrip.adapters.clock.system import SystemClock
from hometrip.app.edge.again import Again
from hometrip.app.edge.problems import to_response
from hometrip.kernel.again import TRIES, again, something_happens
from hometrip.ports.outbox import Contended
from journeys.steps import ok

KIND = STORAGES["adapters.database.postgres"]
ONE, OTHER = uuid4(), uuid4()


class Scene:
    """Two notes, and a route that adds a letter to both, in the order that is asked for. The first two that
    come wait for each other after the first note: a deadlock, which the server ends by refusing one.
    """

    def __init__(self, storage: Any) -> None:
        self.storage, self.begun, self.said = storage, 0, 0
        self.meet = asyncio.Barrier(2)

    async def add(self, letter: str, notes: list[UUID], *, twice: bool = False) -> None:
        self.begun += 1
        if twice:
            async with self.storage.transaction() as tx:
                await tx.emit(NoteTaken(note_id=notes[0]))
        meets = self.begun <= 2
        async with self.storage.transaction() as tx:
            for number, note in enumerate(notes):
                text = NOTES.c.text + letter
                await tx.execute(update(NOTES).where(NOTES.c.id == note).values(text=text))
                if number == 0 and meets:
                    await self.meet.wait()
            await tx.emit(NoteTaken(note_id=notes[0]))

    async def texts(self) -> list[str]:
        async with self.storage.read() as reader:
            return sorted(str(row.text) for row in await reader.rows(select(NOTES.c.text)))

    async def events(self) -> int:
        return int((await self.storage.unsent()).count)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    storage = await opened(KIND.open(tmp_path, SystemClock()))
    try:
        async with storage.transaction() as tx:
            for note in (ONE, OTHER):
                await KIND.put(tx, note)
            await tx.execute(update(NOTES).values(text=""))
        yield Scene(storage)
    finally:
        await storage.close()
        await cleared(tmp_path)


def door(scene: Scene) -> httpx2.AsyncClient:
    @post("/add", status_code=200)
    async def add(data: JSONBody[dict[str, Any]]) -> dict[str, str]:
        notes = [UUID(note) for note in data["notes"]]
        await scene.add(data["letter"], notes, twice=bool(data.get("twice")))
        return {"added": data["letter"]}

    app: Any = Again(Litestar([add], exception_handlers={Exception: to_response}))  # type: ignore[arg-type]
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1")


def wish(letter: str, *notes: UUID, twice: bool = False) -> dict[str, Any]:
    return {"letter": letter, "notes": [str(note) for note in notes], "twice": twice}


async def test_of_two_requests_in_each_others_way_both_are_done_and_each_once(scene: Scene) -> None:
    async with door(scene) as client:
        answers = await asyncio.gather(
            client.post("/add", json=wish("a", ONE, OTHER)), client.post("/add", json=wish("b", OTHER, ONE))
        )
    assert sorted(ok(answer)["added"] for answer in answers) == ["a", "b"]
    assert scene.begun == 3
    assert {"".join(sorted(text)) for text in await scene.texts()} == {"ab"}
    assert await scene.events() == 2


async def test_what_has_committed_something_already_is_not_begun_anew(scene: Scene) -> None:
    async with door(scene) as client:
        answers = await asyncio.gather(
            client.post("/add", json=wish("a", ONE, OTHER, twice=True)),
            client.post("/add", json=wish("b", OTHER, ONE, twice=True)),
        )
    done, refused = sorted(answers, key=lambda answer: answer.status_code)
    ok(done)
    assert (refused.status_code, refused.json()["code"]) == (503, "contended")
    assert (scene.begun, await scene.events()) == (2, 3)


async def test_who_is_always_in_the_way_is_told_so_in_the_end() -> None:
    tries = 0

    @post("/never")
    async def never(data: JSONBody[dict[str, Any]]) -> None:
        nonlocal tries
        tries += data["by"]
        raise Contended

    app: Any = Again(Litestar([never], exception_handlers={Exception: to_response}))  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1") as client:
        answer = await client.post("/never", json={"by": 1})
    assert (answer.status_code, answer.json()["code"]) == (503, "contended")
    assert tries == TRIES


async def test_what_another_process_was_told_to_do_is_not_told_again() -> None:
    tries = 0

    async def tell() -> None:
        nonlocal tries
        tries += 1
        something_happens()
        raise Contended

    with pytest.raises(Contended):
        await again(tell, Contended)
    assert tries == 1


async def test_what_did_not_happen_after_all_is_begun_again() -> None:
    tries = 0

    async def refused() -> int:
        nonlocal tries
        tries += 1
        take_back = something_happens()
        if tries == 1:
            take_back()
            raise Contended
        something_happens()()  # another thing of the same work: what has happened stays
        raise Contended

    with pytest.raises(Contended):
        await again(refused, Contended)
    assert tries == 2
