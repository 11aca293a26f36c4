"""The storages that the contract suites run on: one line each, and what the suites keep in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import pytest
from pymongo import AsyncMongoClient
from sqlalchemy import Column, DateTime, Integer, MetaData, String, Table, Uuid, insert, select

from engines import url_of
from hometrip.adapters.database.postgres import PostgresDatabase
from hometrip.adapters.database.sqlite import SqliteDatabase
from hometrip.adapters.documents.mongo import MongoDocuments
from hometrip.adapters.documents.postgres import PostgresDocuments
from hometrip.adapters.documents.sqlite import SqliteDocuments
from hometrip.adapters.postgres import drop_database
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


def file_at(folder: Path) -> Path:
    return folder / "notes.db"


def postgres_at(folder: Path) -> str:
    """The url of the folder's own database, which is made when it is first opened; every process finds it."""
    kept = folder / "postgres.url"
    if not kept.exists():
        server = url_of("postgres").rpartition("/")[0]
        kept.write_text(f"{server}/test_{uuid4().hex}")
    return kept.read_text()


def mongo_at(folder: Path) -> str:
    """The url of the folder's own database; see `postgres_at`."""
    kept = folder / "mongo.url"
    if not kept.exists():
        kept.write_text(urlunsplit(urlsplit(url_of("mongo"))._replace(path=f"/test_{uuid4().hex}")))
    return kept.read_text()


async def cleared(folder: Path) -> None:
    """What a test has made outside of its folder is gone."""
    kept = folder / "postgres.url"
    if kept.exists():
        await drop_database(kept.read_text())
    if (kept := folder / "mongo.url").exists():
        # What only our adapter knows is left out.
        url = kept.read_text().replace("isolation=none", "")
        async with AsyncMongoClient[dict[str, Any]](url) as client:
            await client.drop_database(urlsplit(url).path[1:])


# What the wire server cannot that stands in for MongoDB, where no real one is named.
STAND_IN_LACKS = {
    "test_a_transaction_sees_what_it_wrote_and_others_only_what_is_committed": "no isolation",
}


def skip_what_it_lacks(storage: str, test: str) -> None:
    """On the stand-in, a test of what only a real server does."""
    lacking = STAND_IN_LACKS.get(test)
    if lacking and storage.endswith(".mongo") and "isolation=none" in url_of("mongo"):
        pytest.skip(f"the wire server has {lacking}; HOMETRIP_TEST_MONGODB_URL names a real one")


async def opened(storage: Any) -> Any:
    """One on an engine outside of this process is made and opened before it is used."""
    if hasattr(storage, "open"):
        await storage.migrate()
        await storage.open()
    return storage


class Notes:
    """A storage that holds notes; `open` makes the adapter, see also `opened`.

    With `narrow`, one transaction runs at a time.
    """

    made_of: ClassVar[dict[str, Any]]

    def __init__(
        self, adapter: Callable[..., Any], at: Callable[[Path], Any] = file_at, **narrow: Any
    ) -> None:
        self._adapter, self._at, self.narrow = adapter, at, narrow

    def open(self, folder: Path, clock: Clock, new_id: NewId | None = None, **more: Any) -> Any:
        return self._adapter(
            self._at(folder),
            service="notes",
            clock=clock,
            new_id=new_id or ids(clock),
            **self.made_of,
            **more,
        )


class Relational(Notes):
    made_of: ClassVar[dict[str, Any]] = {"metadata": TABLES}

    async def put(self, tx: Any, note_id: UUID, text: str = "") -> None:
        await tx.execute(insert(NOTES).values(id=note_id, text=text))

    async def all(self, storage: Any) -> set[UUID]:
        async with storage.read() as reader:
            return {row.id for row in await reader.rows(select(NOTES.c.id))}


class Documentary(Notes):
    made_of: ClassVar[dict[str, Any]] = {"collections": [NOTE_COLLECTION]}

    async def put(self, tx: Any, note_id: UUID, text: str = "") -> None:
        await tx.insert(NOTE_COLLECTION, Note(id=note_id, text=text))

    async def all(self, storage: Any) -> set[UUID]:
        page = await storage.find(NOTE_COLLECTION, EVERY, limit=1_000_000)
        return {note.id for note in page.items}


STORAGES: dict[str, Relational | Documentary] = {
    "adapters.database.sqlite": Relational(SqliteDatabase),
    "adapters.database.postgres": Relational(PostgresDatabase, postgres_at, pool=1),
    "adapters.documents.sqlite": Documentary(SqliteDocuments),
    "adapters.documents.mongo": Documentary(MongoDocuments, mongo_at),
    "adapters.documents.postgres": Documentary(PostgresDocuments, postgres_at, pool=1),
}
