"""The words of a text, as document storages without SQLite's full-text search know them: one rule for all."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

# A run of letters and digits of any script, as SQLite's `unicode61` has it.
_WORD = re.compile(r"[^\W_]+")
_LETTER = re.compile(r"[^\W_]")
# Of a longer word only the beginning counts, of a longer text only so many words.
LONGEST, MOST = 100, 10_000


def words_of(text: str) -> list[str]:
    """Its words in order, in small letters and without accents."""
    bare = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return [word[:LONGEST] for word in _WORD.findall(bare.lower())]


def words_in(plain: dict[str, Any], paths: Sequence[str]) -> list[str]:
    """The words of these fields of a record (as JSON has it), one field after the other."""
    found = (word for path in paths for text in _texts(plain, path.split(".")) for word in words_of(text))
    return [word for _, word in zip(range(MOST), found, strict=False)]


def sought(words: str) -> list[str]:
    """The words that a searcher typed; the last is a beginning."""
    return [part for word in words.split() if _LETTER.search(word) for part in words_of(word)]


def _texts(plain: Any, way: list[str]) -> Iterator[str]:
    for step in way:
        plain = plain.get(step) if isinstance(plain, dict) else None
    if isinstance(plain, str):
        yield plain
    elif isinstance(plain, list):
        yield from (member for member in plain if isinstance(member, str))
