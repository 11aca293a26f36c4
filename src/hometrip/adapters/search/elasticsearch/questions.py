"""Questions in the words of the engine: only such queries as Elasticsearch and OpenSearch both know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hometrip.ports.search import (
    BEGINNING,
    EXACT,
    MOST_WORDS,
    TYPO,
    Box,
    Question,
    Schema,
    edits_of,
    storable,
    words_of,
)

INT64 = 2**63
MOST_TERMS = 65_536  # in one clause
Query = dict[str, Any]
NONE: Query = {"match_none": {}}
LIVE: Query = {"term": {"live": True}}


def query_of(schema: Schema, question: Question) -> Query:
    filters = list(_filters(schema, question))
    words = words_of(question.words)[:MOST_WORDS]
    musts = [_word(schema.text, word, unfinished=place == len(words)) for place, word in enumerate(words, 1)]
    if question.among is not None or not (filters or musts):
        # What was removed left a mark behind, which has an id and nothing else.
        filters.append(LIVE)
    return {"bool": {"filter": filters, "must": musts}}


def suggestion_of(field: str, words: Sequence[str]) -> Query:
    """All of the words, the last of which may be unfinished."""
    *whole, last = words
    return {"bool": {"must": [*(_word({field: 1.0}, word) for word in whole), _beginning(field, last)]}}


def _word(fields: Mapping[str, float], word: str, *, unfinished: bool = False) -> Query:
    """The best of all ways in which a field has the word."""
    ways = []
    edits = edits_of(word)
    for name, weight in fields.items():
        field = f"t_{name}"
        ways.append(_scored({"term": {field: word}}, weight * EXACT))
        if unfinished:
            begins = {"value": word, "rewrite": "constant_score"}
            ways.append(_scored({"prefix": {field: begins}}, weight * BEGINNING))
        if edits:
            ways.append(_scored(_fuzzy(field, word, edits), weight * TYPO))
    return {"dis_max": {"queries": ways}}


def _beginning(name: str, word: str) -> Query:
    field = f"t_{name}.begins"
    ways = [_scored({"term": {field: word}}, 1.0)]
    ways += [_scored(_fuzzy(field, word, edits), 1.0 - edits / 4) for edits in range(1, edits_of(word) + 1)]
    return {"dis_max": {"queries": ways}}


def _fuzzy(field: str, word: str, edits: int) -> Query:
    # With a rewrite of its own the query takes all terms that are near enough, not only the 50 nearest.
    asked = {"value": word, "fuzziness": edits, "transpositions": True, "rewrite": "constant_score"}
    return {"fuzzy": {field: asked}}


def _scored(query: Query, score: float) -> Query:
    return {"constant_score": {"filter": query, "boost": score}}


def _filters(schema: Schema, question: Question) -> Iterator[Query]:
    for name, values in question.terms.items():
        yield _one_of(f"k_{name}", values)
    for name, values in question.all_terms.items():
        for value in values:
            yield {"term": {f"k_{name}": storable(value)}}
    for name, (lowest, highest) in question.ranges.items():
        yield _number(f"n_{name}", lowest, highest)
    if question.box:
        yield _box(schema, question.box)
    if question.circle:
        yield _box(schema, question.circle.box()) if question.circle.on_earth else NONE
    if question.among is not None:
        yield by_ids(question.among)


def by_ids(ids: Sequence[str]) -> Query:
    return _one_of("id", ids)


def _one_of(field: str, values: Sequence[str]) -> Query:
    terms = [storable(value) for value in values]
    parts = [terms[at : at + MOST_TERMS] for at in range(0, len(terms), MOST_TERMS)]
    if not parts:
        return NONE
    return _any_of([{"terms": {field: part}} for part in parts])


def _any_of(ways: Sequence[Query]) -> Query:
    return {"bool": {"should": list(ways), "minimum_should_match": 1}} if len(ways) > 1 else ways[0]


def _number(field: str, lowest: int | None, highest: int | None) -> Query:
    if lowest is not None and highest is not None and lowest > highest:
        return NONE
    if (lowest or 0) >= INT64 or (highest or 0) < -INT64:
        return NONE
    low = -INT64 if lowest is None else max(lowest, -INT64)
    high = INT64 - 1 if highest is None else min(highest, INT64 - 1)
    return {"range": {field: {"gte": low, "lte": high}}}


def _box(schema: Schema, box: Box) -> Query:
    if schema.place is None or not box.finite or box.south > box.north:
        return NONE
    lat, lng = (f"p_{name}" for name in schema.place)
    sides = [(box.west, box.east)] if box.west <= box.east else [(box.west, 180.0), (-180.0, box.east)]
    across = [_degrees(lng, west, east) for west, east in sides if west <= east]
    if not across:
        return NONE
    return {"bool": {"filter": [_degrees(lat, box.south, box.north), _any_of(across)]}}


def _degrees(field: str, lowest: float, highest: float) -> Query:
    return {"range": {field: {"gte": float(lowest), "lte": float(highest)}}}
