"""How records lie in a tantivy index: its fields, and the document of a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tantivy

from hometrip.ports.search import Schema, storable, words_of

LAYOUT = 2  # raised when fields are laid out otherwise than before, so that indexes are made anew


def fields_of(schema: Schema) -> tantivy.Schema:
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


def fill(document: tantivy.Document, record: Mapping[str, Any], schema: Schema) -> None:
    for name in schema.text:
        if text := record.get(name):
            document.add_text(f"t_{name}", " ".join(words_of(text)))
    for name in schema.keywords:
        values = record.get(name)
        for value in (values,) if isinstance(values, str) else values or ():
            document.add_text(f"k_{name}", storable(value))
    for name in schema.numbers:
        if (number := record.get(name)) is not None:
            document.add_integer(f"n_{name}", int(number))
    for name in schema.place or ():
        if (degrees := record.get(name)) is not None:
            document.add_float(f"p_{name}", float(degrees))
