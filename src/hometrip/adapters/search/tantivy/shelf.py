"""One tantivy index: what is on disk, what will be there with the next commit, and who commits it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tantivy

from hometrip.adapters.block import to_its_end
from hometrip.adapters.search.tantivy.questions import INT64, Questions, inside
from hometrip.adapters.search.tantivy.records import fill
from hometrip.kernel.errors import Unavailable
from hometrip.ports.search import MOST_WORDS, Found, Question, Schema, words_of

GATHER = 0.02  # changes of one moment share a commit
PAUSE = 0.2  # at most one commit in so many seconds: one costs 2 ms with 400 records, 70 with 100,000
AGAIN = 1.0  # until the next attempt after a commit failed
QUIET = 1.0  # after so long without a change, a small index is written anew in one segment
TIDY = 2_000  # records that are quickly written anew: 60 ms for 1,000
MOST_VALUES = 65_000

EVERYTHING = tantivy.Query.all_query()


class Shelf:
    """One index, declared and open.

    Each record has a slot, a small number that is a fast field: read at a hundredth of a stored id's cost.
    """

    def __init__(self, index: tantivy.Index, writer: tantivy.IndexWriter, schema: Schema) -> None:
        self.index, self.schema = index, schema
        self.alive: set[str] = set()
        self.trouble = ""
        self._writer, self._questions = writer, Questions(schema, index.schema)
        self._ids: list[str] = []
        self._slots: dict[str, int] = {}
        self._revisions: list[int] = []
        self._pending: dict[str, tantivy.Document] = {}
        self._lock = asyncio.Lock()
        self._committer: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._recall()

    def _recall(self) -> None:
        """Who is in the index, with which slot and revision."""
        searcher = self.index.searcher()
        hits = searcher.search(EVERYTHING, limit=max(1, searcher.num_docs), count=False).hits
        places = [place for _, place in hits]
        slots: list[Any] = searcher.fast_field_values("_slot", places)
        self._ids = [""] * (max(slots, default=-1) + 1)
        self._revisions = [0] * len(self._ids)
        live = searcher.fast_field_values("_live", places)
        revisions: list[Any] = searcher.fast_field_values("_revision", places)
        for place, slot, revision, alive in zip(places, slots, revisions, live, strict=True):
            record_id = str(searcher.doc(place).get_first("_id"))
            self._ids[slot], self._revisions[slot], self._slots[record_id] = record_id, revision, slot
            if alive:
                self.alive.add(record_id)

    # writing

    def revision(self, record_id: str) -> int:
        """The highest one that was seen; less than any where the record was never seen."""
        slot = self._slots.get(record_id)
        return -INT64 if slot is None else self._revisions[slot]

    def put(self, record: Mapping[str, Any], revision: int) -> None:
        record_id = str(record["id"])
        if self.revision(record_id) <= revision:
            document = self._document(record_id, revision, alive=True)
            fill(document, record, self.schema)
            self.alive.add(record_id)
            self._change(record_id, document)

    def remove(self, record_id: str, revision: int) -> None:
        if self.revision(record_id) <= revision:
            self.alive.discard(record_id)
            self._change(record_id, self._document(record_id, revision, alive=False))

    def _document(self, record_id: str, revision: int, *, alive: bool) -> tantivy.Document:
        slot = self._slots.get(record_id)
        if slot is None:
            slot = self._slots[record_id] = len(self._ids)
            self._ids.append(record_id)
            self._revisions.append(revision)
        self._revisions[slot] = revision
        document = tantivy.Document()
        document.add_text("_id", record_id)
        document.add_integer("_slot", slot)
        document.add_integer("_revision", revision)
        document.add_integer("_live", int(alive))
        return document

    def _change(self, record_id: str, document: tantivy.Document) -> None:
        self._pending[record_id] = document
        self.commit_soon()

    def commit_soon(self) -> None:
        self._news.set()
        if self._committer is None or self._committer.done():
            self._committer = asyncio.create_task(self._commit_now_and_then(), name="commit to the index")

    async def _commit_now_and_then(self) -> None:
        """Until a while has passed without a change, and none came while the index was tidied."""
        tidy = False
        while not tidy or self._pending:
            tidy = not await self._changed()
            try:
                if tidy:
                    await self._tidy()
                else:
                    await asyncio.sleep(GATHER)
                    await self.commit()
                    await asyncio.sleep(PAUSE)
            except Unavailable:
                await asyncio.sleep(AGAIN)

    async def _changed(self) -> bool:
        """Is there something to commit, now or in a moment?"""
        self._news.clear()
        if self._pending:
            return True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), QUIET)
        return bool(self._pending)

    async def commit(self) -> None:
        """What was changed before this call can be found after it."""
        async with self._lock:
            if self._pending:
                batch, self._pending = self._pending, {}
                try:
                    await self._written(self._write, batch)
                except Unavailable:
                    self._pending = batch | self._pending
                    raise

    async def _tidy(self) -> None:
        """Each commit adds a segment, and each is searched by itself: eight take four times as long."""
        async with self._lock:
            searcher = self.index.searcher()
            if searcher.num_segments > 1 and searcher.num_docs <= TIDY and not self._pending:
                await self._written(self._write_anew, searcher)

    async def clear(self) -> None:
        async with self._lock:
            self._pending = {}
            self._ids, self._slots, self._revisions, self.alive = [], {}, [], set()
            await self._written(self._writer.delete_all_documents)

    async def _written(self, write: Callable[..., object], *args: object) -> None:
        """Write and commit in a thread, all or nothing; under the lock, which is kept until the thread has
        ended, whoever gives up waiting for it."""
        try:
            await to_its_end(asyncio.to_thread(self._write_all, write, *args))
        except (ValueError, OSError) as failure:
            self.trouble = str(failure)
            raise Unavailable(f"the index {self.schema.name} cannot be written") from failure
        self.index.reload()
        self.trouble = ""

    def _write_all(self, write: Callable[..., object], *args: object) -> None:
        try:
            write(*args)
            self._writer.commit()
        except BaseException:
            self._writer.rollback()
            raise

    def _write(self, batch: Mapping[str, tantivy.Document]) -> None:
        for record_id, document in batch.items():
            self._writer.delete_documents_by_term("_id", record_id)
            self._writer.add_document(document)

    def _write_anew(self, searcher: tantivy.Searcher) -> None:
        hits = searcher.search(EVERYTHING, limit=max(1, searcher.num_docs), count=False).hits
        self._writer.delete_all_documents()
        for _, place in hits:
            self._writer.add_document(searcher.doc(place))

    async def close(self) -> None:
        async with self._lock:  # so that no thread is writing
            if self._committer:
                self._committer.cancel()
        await self.commit()
        async with self._lock:
            await asyncio.to_thread(self._writer.wait_merging_threads)

    # asking

    def find(self, question: Question) -> Found:
        searcher = self.index.searcher()
        query = self._questions.query(question)
        hits = searcher.search(query, limit=max(1, searcher.num_docs), count=False).hits
        if question.circle and self.schema.place:
            hits = inside(searcher, hits, self.schema.place, question.circle)
        return Found(self._ids_of(searcher, hits), [round(score, 4) for score, _ in hits])

    def counts(self, question: Question, fields: Sequence[str]) -> dict[str, dict[str, int]]:
        query = self._questions.query(question)
        if question.circle:
            query = self._questions.by_ids(self.find(question).ids)
        asked = {name: {"terms": {"field": f"k_{name}", "size": MOST_VALUES}} for name in fields}
        answer = self.index.searcher().aggregate(query, asked)
        return {
            name: {bucket["key"]: bucket["doc_count"] for bucket in answer[name]["buckets"]}
            for name in fields
        }

    def suggest(self, field: str, beginning: str, limit: int) -> list[str]:
        words = words_of(beginning)[:MOST_WORDS]
        if not words or limit < 1:
            return []
        searcher = self.index.searcher()
        hits = searcher.search(self._questions.suggestion(field, words), limit=limit, count=False).hits
        return self._ids_of(searcher, hits)

    def _ids_of(self, searcher: tantivy.Searcher, hits: list[Any]) -> list[str]:
        slots: list[Any] = searcher.fast_field_values("_slot", [address for _, address in hits])
        return [self._ids[slot] for slot in slots]
