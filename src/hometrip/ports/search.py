"""The search port: an index of flat records, found by words, filters and place; with facets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """What an index knows of its records. Field names are flat; every record has an `id` (text).

    - `text`: searched by words, with a weight; regardless of case and accents, typos tolerated.
    - `keywords`: exact values, one or several; can be filtered and counted.
    - `numbers`: 64-bit integers; can be filtered by range, sorted and read back.
    - `place`: the names of the latitude and longitude fields, in degrees as floats.
    """

    name: str
    text: Mapping[str, float]
    keywords: Sequence[str] = ()
    numbers: Sequence[str] = ()
    place: tuple[str, str] | None = None


class Box(msgspec.Struct, frozen=True):
    """In degrees; a box with west > east crosses the 180th meridian."""

    south: float
    west: float
    north: float
    east: float


class Circle(msgspec.Struct, frozen=True):
    lat: float
    lng: float
    km: float


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for. All parts must hold.

    - `words`: every word must match some text field exactly, by a typo (one edit from 4 letters, two from
      8), or,
      the last one, by its beginning.
    - `terms`: for each keyword field, one of the values; `all_terms`: for each, all of the values.
    - `ranges`: for each number, lowest and highest (inclusive; None is open).
    - `among`: only records with one of these ids.
    """

    words: str = ""
    terms: Mapping[str, Sequence[str]] = {}
    all_terms: Mapping[str, Sequence[str]] = {}
    ranges: Mapping[str, tuple[int | None, int | None]] = {}
    box: Box | None = None
    circle: Circle | None = None
    among: Sequence[str] | None = None


class Found(msgspec.Struct, frozen=True):
    """The ids of all that match, the best first (by score, then id), each with its text score (0 without
    words).
    """

    ids: list[str]
    scores: list[float]


class Search(Protocol):
    """Indexes for a service; what is put into one is found within half a second.

    - `put` replaces the record of the same id unless the index holds a higher `revision` of it: a late change
      never overwrites a newer one. `remove` leaves its revision behind in the same way.
    - All adapters answer the same set of ids to the same question.
    """

    async def declare(self, schema: Schema) -> None:
        """Make the index ready; one of another schema is emptied and made anew. True promises nothing of
        content.
        """

    async def put(
        self, index: str, records: Sequence[Mapping[str, Any]], revisions: Sequence[int]
    ) -> None: ...

    async def remove(self, index: str, record_id: str, revision: int) -> None: ...

    async def find(self, index: str, question: Question, limit: int = 10_000) -> Found: ...

    async def counts(
        self, index: str, question: Question, fields: Sequence[str]
    ) -> dict[str, dict[str, int]]:
        """For each keyword field, how many of the matching records have each value."""

    async def suggest(self, index: str, field: str, beginning: str, limit: int = 10) -> list[str]:
        """Ids of records whose text field has a word that begins like this, with typos tolerated; best
        first.
        """

    async def size(self, index: str) -> int: ...

    async def clear(self, index: str) -> None: ...

    async def flush(self) -> None:
        """Returns when everything put so far can be found."""

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""

    async def close(self) -> None: ...
