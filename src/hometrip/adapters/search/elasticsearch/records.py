"""How records lie in an index of the engine: its mapping, and the document of a record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from hometrip.ports.search import LONGEST_WORD, Schema, storable, words_of

LAYOUT = 1  # raised when fields are laid out otherwise than before, so that indexes are made anew
PAGE = 10_000  # hits in an answer
SEEN_AFTER = "200ms"  # what is put is found within half a second
# Longer values cannot be terms of the engine; a letter has four bytes at most.
LONGEST_VALUE = 32_764 // 4


def fingerprint(schema: Schema) -> str:
    """Another one for every other schema and layout."""
    told = msgspec.json.encode((LAYOUT, schema), order="deterministic")
    return hashlib.sha256(told).hexdigest()[:10]


def index_of(schema: Schema, mark: Mapping[str, str]) -> dict[str, Any]:
    """What an index is made with; `mark` is found in it again."""
    # Words come folded by `words_of`, whatever their language, so that no analyzer of the engine has a say.
    # What is not finished yet is looked for, slips and all, among the beginnings of the words.
    words = {"type": "text", "analyzer": "words", "norms": False, "index_options": "docs"}
    begins = words | {"analyzer": "beginnings", "search_analyzer": "words"}
    keyword = {"type": "keyword", "ignore_above": LONGEST_VALUE}
    fields: dict[str, Any] = {"id": {"type": "keyword"}, "live": {"type": "boolean"}}
    fields |= {f"t_{name}": words | {"fields": {"begins": begins}} for name in schema.text}
    fields |= {f"k_{name}": keyword for name in schema.keywords}
    fields |= {f"n_{name}": {"type": "long", "coerce": False} for name in schema.numbers}
    fields |= {f"p_{name}": {"type": "double"} for name in schema.place or ()}
    cut = {"type": "edge_ngram", "min_gram": 1, "max_gram": LONGEST_WORD}
    return {
        "settings": {
            "number_of_shards": 1,
            "auto_expand_replicas": "0-1",
            "refresh_interval": SEEN_AFTER,
            "max_result_window": PAGE,
            "analysis": {
                "filter": {"beginnings": cut},
                "analyzer": {
                    "words": {"type": "custom", "tokenizer": "whitespace"},
                    "beginnings": {"type": "custom", "tokenizer": "whitespace", "filter": ["beginnings"]},
                },
            },
        },
        "mappings": {"dynamic": "strict", "_meta": {"hometrip": mark}, "properties": fields},
    }


def document(record: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": storable(str(record["id"])), "live": True}
    for name in schema.text:
        if text := record.get(name):
            fields[f"t_{name}"] = " ".join(words_of(text))
    for name in schema.keywords:
        values = record.get(name)
        fields[f"k_{name}"] = [
            storable(value) for value in ((values,) if isinstance(values, str) else values or ())
        ]
    for name in schema.numbers:
        if (number := record.get(name)) is not None:
            fields[f"n_{name}"] = int(number)
    for name in schema.place or ():
        if (degrees := record.get(name)) is not None:
            fields[f"p_{name}"] = float(degrees)
    return fields


def gone(record_id: str) -> dict[str, Any]:
    """What stays of a removed record: the engine forgets the version of a deleted one after a minute, and a
    late change would bring it back.
    """
    return {"id": storable(record_id), "live": False}


def lines_of(alias: str, fields: Mapping[str, Any], revision: int) -> bytes:
    """An order to write the document, unless there is one of a higher revision."""
    order = {
        "_index": alias,
        "_id": fields["id"],
        "version": revision,
        "version_type": "external_gte",
    }
    return msgspec.json.encode({"index": order}) + b"\n" + msgspec.json.encode(fields) + b"\n"
