"""The storages that the contract suites run on: one line each, and what the suites keep in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table, Uuid, insert, select

from hometrip.adapters.database.sqlite import SqliteDatabase
from hometrip.adapters.documents.sqlite import SqliteDocuments
from hometrip.kernel.clock import Clock
from hometrip.kernel.events import Event
from hometrip.kernel.ids import NewId, ids
from hometrip.ports.documents import EVERY, Collection, Record

TABLES = MetaData()
NOTES = Table(
    "notes",
    TABLES,
    Column("id", Uuid, primary_key=True),
    Column("text", String),
    Column("size", Integer),
    Column("at", DateTime(timezone=True)),
)


class Note(Record):
    text: str = ""


NOTE_COLLECTION = Collection("notes", Note)


class NoteTaken(Event):
    name = "note.taken"
    about = ("note", "note_id")

    note_id: UUID
    text: str = ""


class NoteDue(Event):
    name = "note.due"
    about = ("note", "note_id")
    data_version = 2

    note_id: UUID


class Relational:
    """A database that holds notes."""

    def __init__(self, adapter: Callable[..., Any]) -> None:
        self._adapter = adapter

    def open(self, folder: Path, clock: Clock, new_id: NewId | None = None) -> Any:
        return self._adapter(
            folder / "notes.db", service="notes", clock=clock, new_id=new_id or ids(clock), metadata=TABLES
        )

    async def put(self, tx: Any, note_id: UUID, text: str = "") -> None:
        await tx.execute(insert(NOTES).values(id=note_id, text=text))

    async def all(self, storage: Any) -> set[UUID]:
        async with storage.read() as reader:
            return {row.id for row in await reader.rows(select(NOTES.c.id))}


class Documentary:
    """A document storage that holds notes."""

    def __init__(self, adapter: Callable[..., Any]) -> None:
        self._adapter = adapter

    def open(self, folder: Path, clock: Clock, new_id: NewId | None = None) -> Any:
        return self._adapter(
            folder / "notes.db",
            service="notes",
            clock=clock,
            new_id=new_id or ids(clock),
            collections=[NOTE_COLLECTION],
        )

    async def put(self, tx: Any, note_id: UUID, text: str = "") -> None:
        await tx.insert(NOTE_COLLECTION, Note(id=note_id, text=text))

    async def all(self, storage: Any) -> set[UUID]:
        page = await storage.find(NOTE_COLLECTION, EVERY, limit=1_000_000)
        return {note.id for note in page.items}


STORAGES: dict[str, Relational | Documentary] = {
    "adapters.database.sqlite": Relational(SqliteDatabase),
    "adapters.documents.sqlite": Documentary(SqliteDocuments),
}
