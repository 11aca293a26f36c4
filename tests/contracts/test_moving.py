"""What a storage keeps can be carried into a storage of any other kind, and is the same there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from contracts.storages import NOTE_COLLECTION, STORAGES, Note, NoteDue, NoteTaken, cleared, opened
from hometrip.adapters.clock.movable import MovableClock
from hometrip.adapters.clock.system import SystemClock
from hometrip.kernel.clock import HOUR, utc
from hometrip.kernel.once import Once
from hometrip.ports.moving import KINDS, Kept

NOON = utc(2027, 4, 14, 12)
DOCUMENTS = [name for name in STORAGES if ".documents." in name]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Any]:
    made: list[Any] = []
    folders: list[Path] = []

    async def make(name: str) -> Any:
        folder = tmp_path / f"{len(folders)}"
        folder.mkdir()
        folders.append(folder)
        made.append(STORAGES[name].open(folder, MovableClock(SystemClock(), frozen_at=NOON)))
        return await opened(made[-1])

    yield make
    for storage in made:
        await storage.close()
    for folder in folders:
        await cleared(folder)


async def lived_in(storage: Any) -> Any:
    """Sent and unsent events, numbers, a timer, a mark, answers with and without a body."""
    note = uuid4()
    async with storage.transaction() as tx:
        await tx.emit(NoteTaken(note_id=note, text="é \u2028 1"))
        await tx.emit(NoteTaken(note_id=note, text="2"))
        await tx.emit(NoteTaken(note_id=uuid4()))
        await tx.emit_later(NoteDue(note_id=note), NOON + HOUR)
        await tx.first_time(NoteTaken(note_id=note, event_id=uuid4()), "note.seen")
        done = Once(scope="s", key="done", fingerprint="f", status=201)
        await tx.once(done)
        await tx.answer(done, {"id": 1})
        await tx.once(Once(scope="s", key="begun", fingerprint="g", status=201))
    first, *_ = await storage.claim(1)
    await storage.sent([first.id])
    await storage.claim(5)  # claims are not carried
    return note


async def every(storage: Any, kind: Any, limit: int = 2) -> list[Any]:
    rows: list[Any] = []
    after: Any = None
    while True:
        some, after = await storage.carry_out(kind, after, limit)
        rows += some
        if not some:
            assert len(rows) == await storage.held(kind)
            return rows


def known(rows: list[Any]) -> list[bytes]:
    return sorted(msgspec.json.encode(row) for row in rows)


@pytest.mark.parametrize("there", STORAGES)
@pytest.mark.parametrize("back", [False, True])
async def test_events_timers_marks_and_answers_are_carried_as_they_are(
    make: Any, there: str, back: bool
) -> None:
    near = "adapters.documents.sqlite"
    source, target = await make(there if back else near), await make(near if back else there)
    note = await lived_in(source)
    for kind in KINDS:
        rows = await every(source, kind)
        assert rows
        await target.carry_in(rows)
        assert known(await every(target, kind)) == known(rows)
    assert [row.envelope.id for row in await every(target, Kept)] == [
        row.envelope.id for row in await every(source, Kept)
    ]
    assert [event.sequence for event in await target.history(f"note/{note}")] == [1, 2]
    assert (await target.unsent()).count == 2
    waiting = await target.claim(5)
    assert [event.sequence for event in waiting] == [2, 1]
    assert await target.next_due() == NOON + HOUR
    async with target.transaction() as tx:
        await tx.emit(NoteTaken(note_id=note, text="3"))
    assert (await target.history(f"note/{note}"))[-1].sequence == 3


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_records_are_put_back_with_their_versions(make: Any, name: str) -> None:
    storage = await make(name)
    notes = [Note(id=uuid4(), version=number, text=str(number)) for number in (1, 7)]
    async with storage.transaction() as tx:
        await tx.put_back(NOTE_COLLECTION, notes)
    assert await storage.get_many(NOTE_COLLECTION, [note.id for note in notes]) == notes
