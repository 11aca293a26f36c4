"""How a collection lies in a MongoDB database: its documents in and out, and its indexes.

A document is the record, and `_words` beside it: those of the fields that are searched by text. (MongoDB's
own text index knows no beginnings of words, and stems them by the rules of one language.) Records that have
expired are deleted by `forget`, and not by MongoDB's own expiry, which knows only the time of its server: the
house has a clock of its own, and it can be moved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Generic

from hometrip.adapters.documents.mongo_fields import MongoFields, Query, meets, value_at
from hometrip.adapters.documents.mongo_instants import Documents
from hometrip.adapters.documents.words import sought, words_in
from hometrip.ports.documents import Collection, Index, R

_NAME = re.compile(r"[a-z](?:_?[a-z0-9])*")
WORDS = "_words"
# Above every word that begins with what stands before it.
_LAST = "\U0010ffff"


class Shelf(Generic[R]):
    """One collection: its fields, its records, its indexes. Nothing is remembered of its records: what
    another process has changed since would be given out as it was.
    """

    def __init__(self, of: Collection[R]) -> None:
        if not _NAME.fullmatch(of.name) or of.name.startswith("hometrip_"):
            raise ValueError(f"not a name for a collection: {of.name!r}")
        self.of, self.name, self.fields = of, of.name, MongoFields(of.record)
        self._documents = Documents(of.record)
        self.unique = [index for index in of.indexes if index.unique]
        self.ends = self.fields.say(of.expiry.field) if of.expiry else ""
        self.indexes = dict(self._indexes())

    # -- records

    def write(self, record: R) -> dict[str, Any]:
        """Its document; `ValueError` where it has an instant that is not in UTC."""
        document = self._documents.write(record)
        if self.of.text is not None:
            document[WORDS] = words_in(document, self.of.text.fields)
        return document

    def read(self, document: dict[str, Any]) -> R:
        found: R = self._documents.read(document)
        return found

    def plain(self, document: dict[str, Any]) -> dict[str, Any]:
        """The record as it is before it gets its type."""
        return self._documents.plain(document)

    def lives(self, now: int) -> Query:
        """What has not expired."""
        if not self.ends:
            return {}
        return {"$or": [{self.ends: {"$eq": None}}, {self.ends: {"$gt": now}}]}

    def has_ended(self, document: dict[str, Any], now: int) -> bool:
        ends = value_at(document, self.ends) if self.ends else None
        return ends is not None and ends <= now

    def key_of(self, index: Index, document: dict[str, Any]) -> tuple[Any, ...] | None:
        """What a unique index knows the document by; None where it is not in the index."""
        key = tuple(value_at(document, self.fields.say(path)) for path in index.fields)
        if None in key or (index.where is not None and not meets(self.fields, document, index.where)):
            return None
        return key

    def words_query(self, words: str) -> tuple[list[str], Query]:
        """The words that are sought, the last a beginning, and what finds them."""
        if self.of.text is None:
            raise ValueError(f"{self.name} has no text index")
        found = sought(words)
        if not found:
            return [], {}
        last = found[-1]
        parts: list[Query] = [{WORDS: {"$elemMatch": {"$eq": word}}} for word in found[:-1]]
        parts.append({WORDS: {"$elemMatch": {"$gte": last, "$lt": last + _LAST}}})
        return found, {"$and": parts}

    # -- indexes

    def _indexes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What `createIndexes` is told of each, but for its name."""
        for index in self.of.indexes:
            if not _NAME.fullmatch(index.name) or index.name in ("expiry", "text", "place"):
                raise ValueError(f"not a name for an index: {index.name!r}")
            listed = any(self.fields.kind_of(path).listed for path in index.fields)
            if listed and (len(index.fields) > 1 or index.where is not None or index.unique):
                raise ValueError(f"{index.name}: an index of a list is its only field, and nothing else")
            yield index.name, self._of_fields(index)
        if self.of.expiry is not None:
            self.fields.kind_of(self.of.expiry.field)
            yield "expiry", {"key": {self.ends: 1}}
        if self.of.text is not None:
            for path in self.of.text.fields:
                self.fields.kind_of(path)
            yield "text", {"key": {WORDS: 1}}
        if self.of.location is not None:
            field = self.of.location.field
            yield "place", {"key": self._keys([f"{field}.lat", f"{field}.lng", "id"])}

    def _of_fields(self, index: Index) -> dict[str, Any]:
        fields = list(index.fields)
        if not index.unique and "id" not in fields:
            fields.append("id")
        told: dict[str, Any] = {"key": self._keys(fields)}
        demands = [] if index.where is None else [self.fields.fix(index.where)]
        if index.unique:
            told["unique"] = True
            # An absent value never collides.
            demands += [self.fields.present(path) for path in fields if self.fields.kind_of(path).nullable]
            if any(self.fields.kind_of(path).holds == "any" for path in fields):
                raise ValueError(f"{index.name}: a unique index is of texts, numbers, truths and instants")
        if demands:
            told["partialFilterExpression"] = demands[0] if len(demands) == 1 else {"$and": demands}
        return told

    def _keys(self, paths: Sequence[str]) -> dict[str, int]:
        for path in paths:
            self.fields.kind_of(path)
        return {self.fields.say(path): 1 for path in paths}


def for_stand_in(told: dict[str, Any]) -> dict[str, Any]:
    """The index as a stand-in for MongoDB takes it: without the id, which it cannot have in one, and unique
    only where it is not partial, as it passes over conditions.
    """
    keys = {field: way for field, way in told["key"].items() if field != "_id"} or told["key"]
    return {"key": keys, "unique": "unique" in told and "partialFilterExpression" not in told}
