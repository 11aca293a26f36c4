"""The search port on tantivy: one folder per index, in this process, written by this process alone."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import tantivy

from hometrip.adapters.search.tantivy.records import LAYOUT, fields_of
from hometrip.adapters.search.tantivy.shelf import Shelf
from hometrip.kernel.errors import Unavailable
from hometrip.ports.search import Found, Question, Schema

HEAP = 15_000_000  # the least that tantivy takes: much less than a second's changes need
SMALL = 20_000  # records that are searched in place (0.1 to 0.7 ms); beyond, a thread keeps the others going


class TantivySearch:
    """Every index in a folder of its own under `folder`.

    Changes are gathered and committed a moment later, in a thread; one index is written by one process.
    What was not committed when the process died is lost, and `behind` names it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shelves: dict[str, Shelf] = {}

    async def declare(self, schema: Schema) -> None:
        if schema.name not in self._shelves:
            shelf = await asyncio.to_thread(_open, self._folder / schema.name, schema)
            self._shelves[schema.name] = shelf
            shelf.commit_soon()

    async def put(self, index: str, records: Sequence[Mapping[str, Any]], revisions: Sequence[int]) -> None:
        shelf = self._shelf(index)
        for record, revision in zip(records, revisions, strict=True):
            shelf.put(record, revision)

    async def remove(self, index: str, record_id: str, revision: int) -> None:
        self._shelf(index).remove(record_id, revision)

    async def behind(self, index: str, revisions: Mapping[str, int]) -> list[str]:
        shelf = self._shelf(index)
        return [
            record_id for record_id, revision in revisions.items() if shelf.revision(record_id) < revision
        ]

    async def find(self, index: str, question: Question) -> Found:
        shelf = self._shelf(index)
        if len(shelf.alive) > SMALL:
            return await asyncio.to_thread(shelf.find, question)
        return shelf.find(question)

    async def counts(
        self, index: str, question: Question, fields: Sequence[str]
    ) -> dict[str, dict[str, int]]:
        return await asyncio.to_thread(self._shelf(index).counts, question, fields)

    async def suggest(self, index: str, field: str, beginning: str, limit: int = 10) -> list[str]:
        shelf = self._shelf(index)
        if len(shelf.alive) > SMALL:
            return await asyncio.to_thread(shelf.suggest, field, beginning, limit)
        return shelf.suggest(field, beginning, limit)

    async def size(self, index: str) -> int:
        return len(self._shelf(index).alive)

    async def clear(self, index: str) -> None:
        await self._shelf(index).clear()

    async def flush(self) -> None:
        for shelf in self._shelves.values():
            await shelf.commit()

    async def ready(self) -> None:
        for name, shelf in self._shelves.items():
            if shelf.trouble:
                raise Unavailable(f"the index {name} could not be written: {shelf.trouble}")

    async def close(self) -> None:
        while self._shelves:
            _, shelf = self._shelves.popitem()
            await shelf.close()

    def _shelf(self, index: str) -> Shelf:
        if index not in self._shelves:
            raise Unavailable(f"the index {index} was not declared")
        return self._shelves[index]


# opening


def _open(folder: Path, schema: Schema) -> Shelf:
    fields = fields_of(schema)
    laid_out = msgspec.json.encode((LAYOUT, tantivy.tantivy.__version__, schema), order="deterministic")
    mark = folder / "schema.json"
    if mark.exists() and mark.read_bytes() == laid_out:
        # One that is damaged is made anew: what it held can be had again.
        with contextlib.suppress(ValueError, OSError):
            return _shelf_of(tantivy.Index(fields, str(folder)), schema)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shelf = _shelf_of(tantivy.Index(fields, str(folder)), schema)
    mark.write_bytes(laid_out)
    return shelf


def _shelf_of(index: tantivy.Index, schema: Schema) -> Shelf:
    index.config_reader("manual")
    try:
        writer = index.writer(HEAP, 1)
    except ValueError as refusal:
        if "LockBusy" not in str(refusal):
            raise
        raise Unavailable(f"another process writes the index {schema.name}") from refusal
    return Shelf(index, writer, schema)
