"""The search port on tantivy: one folder per index, in this process, written by this process alone."""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import tantivy

from hometrip.kernel.errors import Unavailable
from hometrip.ports.search import (
    BEGINNING,
    EARTH_KM,
    EXACT,
    MOST_WORDS,
    TYPO,
    Box,
    Circle,
    Found,
    Question,
    Schema,
    edits_of,
    words_of,
)

LAYOUT = 2  # how fields are laid out below; raised when that changes, so that indexes are made anew
HEAP = 15_000_000  # the least that tantivy takes: much less than a second's changes need
GATHER = 0.02  # changes of one moment share a commit
PAUSE = 0.2  # at most one commit in so many seconds: one costs 2 ms with 400 records, 70 with 100,000
AGAIN = 1.0  # until the next attempt after a commit failed
QUIET = 1.0  # after so long without a change, a small index is written anew in one segment
TIDY = 2_000  # records that are quickly written anew: 60 ms for 1,000
SMALL = 20_000  # records that are searched in place (0.1 to 0.7 ms); beyond, a thread keeps the others going

INT64 = 2**63
MUST, SHOULD = tantivy.Occur.Must, tantivy.Occur.Should
Query = tantivy.Query
NONE = Query.empty_query()


class TantivySearch:
    """Every index in a folder of its own under `folder`.

    Changes are gathered and committed a moment later, in a thread; one index is written by one process.
    What was not committed when the process died is lost, and `behind` names it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shelves: dict[str, _Shelf] = {}

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

    def _shelf(self, index: str) -> _Shelf:
        if index not in self._shelves:
            raise Unavailable(f"the index {index} was not declared")
        return self._shelves[index]


class _Shelf:
    """One index: what is on disk, and what will be there with the next commit.

    Each record has a slot, a small number that is a fast field: read at a hundredth of a stored id's cost.
    """

    def __init__(self, index: tantivy.Index, writer: tantivy.IndexWriter, schema: Schema) -> None:
        self.index, self.schema = index, schema
        self.alive: set[str] = set()
        self.trouble = ""
        self._writer, self._fields = writer, index.schema
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
        hits = searcher.search(Query.all_query(), limit=max(1, searcher.num_docs), count=False).hits
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
            _fill(document, record, self.schema)
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
        """Write and commit in a thread, all or nothing; under the lock."""
        try:
            await asyncio.to_thread(self._write_all, write, *args)
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
        hits = searcher.search(Query.all_query(), limit=max(1, searcher.num_docs), count=False).hits
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
        hits = searcher.search(self._query(question), limit=max(1, searcher.num_docs), count=False).hits
        if question.circle:
            hits = self._inside(searcher, hits, question.circle)
        slots: list[Any] = searcher.fast_field_values("_slot", [place for _, place in hits])
        return Found([self._ids[slot] for slot in slots], [round(score, 4) for score, _ in hits])

    def _inside(self, searcher: tantivy.Searcher, hits: list[Any], circle: Circle) -> list[Any]:
        assert self.schema.place
        places = [place for _, place in hits]
        lats, lngs = (searcher.fast_field_values(f"p_{name}", places) for name in self.schema.place)
        return [
            hit
            for hit, lat, lng in zip(hits, lats, lngs, strict=True)
            if lat is not None and lng is not None and _km(circle, lat, lng) <= circle.km
        ]

    def counts(self, question: Question, fields: Sequence[str]) -> dict[str, dict[str, int]]:
        query = self._query(question)
        if question.circle:  # the query knows only the box around it
            query = Query.term_set_query(self._fields, "_id", self.find(question).ids)
        asked = {name: {"terms": {"field": f"k_{name}", "size": 65_000}} for name in fields}
        answer = self.index.searcher().aggregate(query, asked)
        return {
            name: {bucket["key"]: bucket["doc_count"] for bucket in answer[name]["buckets"]}
            for name in fields
        }

    def suggest(self, field: str, beginning: str, limit: int) -> list[str]:
        words = words_of(beginning)[:MOST_WORDS]
        if not words or limit < 1:
            return []
        *whole, last = ((MUST, self._word({field: 1.0}, word)) for word in words)
        last = (MUST, self._beginning(field, words[-1]))
        searcher = self.index.searcher()
        hits = searcher.search(Query.boolean_query([*whole, last]), limit=limit, count=False).hits
        slots: list[Any] = searcher.fast_field_values("_slot", [place for _, place in hits])
        return [self._ids[slot] for slot in slots]

    def _query(self, question: Question) -> tantivy.Query:
        filters = list(self._filters(question))
        clauses = [(MUST, Query.const_score_query(part, 0.0)) for part in filters]
        words = words_of(question.words)[:MOST_WORDS]
        for place, word in enumerate(words, 1):
            clauses.append((MUST, self._word(self.schema.text, word, unfinished=place == len(words))))
        if question.among is not None or not clauses:
            # What was removed left a mark behind, which has an id and nothing else.
            clauses.append((MUST, Query.const_score_query(self._number("_live", 1, 1), 0.0)))
        return Query.boolean_query(clauses)

    def _word(self, fields: Mapping[str, float], word: str, *, unfinished: bool = False) -> tantivy.Query:
        """The best of all ways in which a field has the word."""
        ways = []
        edits = edits_of(word)
        for name, weight in fields.items():
            field = f"t_{name}"
            ways.append((Query.term_query(self._fields, field, word, "basic"), weight * EXACT))
            if unfinished:
                ways.append((self._fuzzy(field, word, 0, beginning=True), weight * BEGINNING))
            if edits:
                ways.append((self._fuzzy(field, word, edits), weight * TYPO))
        return Query.disjunction_max_query([Query.const_score_query(way, score) for way, score in ways], 0.0)

    def _beginning(self, name: str, word: str) -> tantivy.Query:
        ways = [
            Query.const_score_query(self._fuzzy(f"t_{name}", word, edits, beginning=True), 1.0 - edits / 4)
            for edits in range(edits_of(word) + 1)
        ]
        return Query.disjunction_max_query(ways, 0.0)

    def _fuzzy(self, field: str, word: str, edits: int, *, beginning: bool = False) -> tantivy.Query:
        return Query.fuzzy_term_query(self._fields, field, word, edits, True, beginning)

    def _filters(self, question: Question) -> Iterator[tantivy.Query]:
        for name, values in question.terms.items():
            yield Query.term_set_query(self._fields, f"k_{name}", [clean(value) for value in values])
        for name, values in question.all_terms.items():
            for value in values:
                yield Query.term_query(self._fields, f"k_{name}", clean(value), "basic")
        for name, (lowest, highest) in question.ranges.items():
            yield self._number(f"n_{name}", lowest, highest)
        if question.box:
            yield self._box(question.box)
        if question.circle:
            yield self._box(box_around(question.circle)) if on_earth(question.circle) else NONE
        if question.among is not None:
            yield Query.term_set_query(self._fields, "_id", [clean(value) for value in question.among])

    def _number(self, field: str, lowest: int | None, highest: int | None) -> tantivy.Query:
        if lowest is not None and highest is not None and lowest > highest:
            return NONE
        if (lowest or 0) >= INT64 or (highest or 0) < -INT64:
            return NONE
        low = -INT64 if lowest is None else max(lowest, -INT64)
        high = INT64 - 1 if highest is None else min(highest, INT64 - 1)
        return Query.range_query(self._fields, field, tantivy.FieldType.Integer, low, high)

    def _box(self, box: Box) -> tantivy.Query:
        if self.schema.place is None or not all(map(math.isfinite, msgspec.structs.astuple(box))):
            return NONE
        lat, lng = (f"p_{name}" for name in self.schema.place)
        if box.west <= box.east:
            across = self._degrees(lng, box.west, box.east)
        else:
            parts = (self._degrees(lng, box.west, 180.0), self._degrees(lng, -180.0, box.east))
            across = Query.boolean_query([(SHOULD, part) for part in parts])
        return Query.boolean_query([(MUST, self._degrees(lat, box.south, box.north)), (MUST, across)])

    def _degrees(self, field: str, lowest: float, highest: float) -> tantivy.Query:
        if lowest > highest:
            return NONE
        return Query.range_query(self._fields, field, tantivy.FieldType.Float, float(lowest), float(highest))


# opening


def _open(folder: Path, schema: Schema) -> _Shelf:
    fields = _fields_of(schema)
    laid_out = msgspec.json.encode((LAYOUT, tantivy.tantivy.__version__, schema), order="deterministic")
    mark = folder / "schema.json"
    fresh = not mark.exists() or mark.read_bytes() != laid_out
    if not fresh:
        try:
            return _shelf_of(tantivy.Index(fields, str(folder)), schema)
        except (ValueError, OSError):
            fresh = True  # damaged; what it held can be had again
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shelf = _shelf_of(tantivy.Index(fields, str(folder)), schema)
    mark.write_bytes(laid_out)
    return shelf


def _shelf_of(index: tantivy.Index, schema: Schema) -> _Shelf:
    index.config_reader("manual")
    try:
        writer = index.writer(HEAP, 1)
    except ValueError as refusal:
        raise Unavailable(f"another process writes the index {schema.name}") from refusal
    return _Shelf(index, writer, schema)


def _fields_of(schema: Schema) -> tantivy.Schema:
    fields = tantivy.SchemaBuilder()
    fields.add_text_field("_id", stored=True, tokenizer_name="raw", index_option="basic")
    for name in ("_slot", "_revision", "_live"):
        fields.add_integer_field(name, stored=True, fast=True)
    for name in schema.text:
        # Words come folded by `words_of`, so that no tokenizer of the engine has a say.
        fields.add_text_field(f"t_{name}", stored=True, tokenizer_name="whitespace", index_option="basic")
    for name in schema.keywords:
        fields.add_text_field(f"k_{name}", True, True, "raw", "basic")
    for name in schema.numbers:
        fields.add_integer_field(f"n_{name}", stored=True, fast=True)
    for name in schema.place or ():
        fields.add_float_field(f"p_{name}", stored=True, fast=True)
    return fields.build()


def _fill(document: tantivy.Document, record: Mapping[str, Any], schema: Schema) -> None:
    for name in schema.text:
        if text := record.get(name):
            document.add_text(f"t_{name}", " ".join(words_of(text)))
    for name in schema.keywords:
        values = record.get(name)
        for value in (values,) if isinstance(values, str) else values or ():
            document.add_text(f"k_{name}", clean(value))
    for name in schema.numbers:
        if (number := record.get(name)) is not None:
            document.add_integer(f"n_{name}", int(number))
    for name in schema.place or ():
        if (degrees := record.get(name)) is not None:
            document.add_float(f"p_{name}", float(degrees))


# values


def clean(value: str) -> str:
    """As it can be stored: half of a surrogate pair cannot."""
    return value.encode("utf-8", "replace").decode()


def on_earth(circle: Circle) -> bool:
    return -90 <= circle.lat <= 90 and -180 <= circle.lng <= 180 and math.isfinite(circle.km)


def box_around(circle: Circle) -> Box:
    """A box that the circle fits in."""
    reach = math.degrees(circle.km / EARTH_KM) * (1 + 1e-9) + 1e-9
    south, north = circle.lat - reach, circle.lat + reach
    if south <= -90 or north >= 90:
        return Box(max(south, -90.0), -180.0, min(north, 90.0), 180.0)
    ratio = math.sin(math.radians(reach)) / math.cos(math.radians(circle.lat))
    if not -1 < ratio < 1:
        return Box(south, -180.0, north, 180.0)
    wide = math.degrees(math.asin(ratio)) + 1e-9
    west, east = circle.lng - wide, circle.lng + wide
    return Box(south, west + 360 if west < -180 else west, north, east - 360 if east > 180 else east)


def _km(circle: Circle, lat: float, lng: float) -> float:
    """Along the surface (haversine)."""
    south, north = math.radians(circle.lat), math.radians(lat)
    across = math.sin((north - south) / 2) ** 2
    across += math.cos(south) * math.cos(north) * math.sin(math.radians(lng - circle.lng) / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(across)))
