"""Questions in the words of tantivy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tantivy

from hometrip.ports.search import (
    BEGINNING,
    EXACT,
    MOST_WORDS,
    TYPO,
    Box,
    Circle,
    Question,
    Schema,
    edits_of,
    storable,
    words_of,
)

INT64 = 2**63
MUST, SHOULD = tantivy.Occur.Must, tantivy.Occur.Should
Query = tantivy.Query
NONE = Query.empty_query()


class Questions:
    """Makes queries for one index."""

    def __init__(self, schema: Schema, fields: tantivy.Schema) -> None:
        self._schema, self._fields = schema, fields

    def query(self, question: Question) -> tantivy.Query:
        filters = list(self._filters(question))
        clauses = [(MUST, Query.const_score_query(part, 0.0)) for part in filters]
        words = words_of(question.words)[:MOST_WORDS]
        for place, word in enumerate(words, 1):
            clauses.append((MUST, self._word(self._schema.text, word, unfinished=place == len(words))))
        if question.among is not None or not clauses:
            # What was removed left a mark behind, which has an id and nothing else.
            clauses.append((MUST, Query.const_score_query(self._number("_live", 1, 1), 0.0)))
        return Query.boolean_query(clauses)

    def suggestion(self, field: str, words: Sequence[str]) -> tantivy.Query:
        """All of the words, the last of which may be unfinished."""
        *whole, last = words
        clauses = [(MUST, self._word({field: 1.0}, word)) for word in whole]
        return Query.boolean_query([*clauses, (MUST, self._beginning(field, last))])

    def by_ids(self, ids: Sequence[str]) -> tantivy.Query:
        return Query.term_set_query(self._fields, "_id", [storable(record_id) for record_id in ids])

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
            yield Query.term_set_query(self._fields, f"k_{name}", [storable(value) for value in values])
        for name, values in question.all_terms.items():
            for value in values:
                yield Query.term_query(self._fields, f"k_{name}", storable(value), "basic")
        for name, (lowest, highest) in question.ranges.items():
            yield self._number(f"n_{name}", lowest, highest)
        if question.box:
            yield self._box(question.box)
        if question.circle:
            yield self._box(question.circle.box()) if question.circle.on_earth else NONE
        if question.among is not None:
            yield self.by_ids(question.among)

    def _number(self, field: str, lowest: int | None, highest: int | None) -> tantivy.Query:
        if lowest is not None and highest is not None and lowest > highest:
            return NONE
        if (lowest or 0) >= INT64 or (highest or 0) < -INT64:
            return NONE
        low = -INT64 if lowest is None else max(lowest, -INT64)
        high = INT64 - 1 if highest is None else min(highest, INT64 - 1)
        return Query.range_query(self._fields, field, tantivy.FieldType.Integer, low, high)

    def _box(self, box: Box) -> tantivy.Query:
        if self._schema.place is None or not box.finite:
            return NONE
        lat, lng = (f"p_{name}" for name in self._schema.place)
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


def inside(searcher: tantivy.Searcher, hits: list[Any], place: tuple[str, str], circle: Circle) -> list[Any]:
    """Those of the hits that lie in the circle; a query knows only the box around it."""
    places = [address for _, address in hits]
    lats, lngs = (searcher.fast_field_values(f"p_{name}", places) for name in place)
    return [
        hit
        for hit, lat, lng in zip(hits, lats, lngs, strict=True)
        if lat is not None and lng is not None and circle.holds(lat, lng)
    ]
