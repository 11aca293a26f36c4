"""The search port: an index of flat records, found by words, filters and place; with counts."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

EARTH_KM = 6371.0088  # the mean radius
EXACT, BEGINNING, TYPO = 1.0, 0.8, 0.6
MOST_WORDS = 16
LONGEST_WORD = 40

# Letters that Unicode does not take apart into a plain letter and an accent; apostrophes vanish.
_PLAIN = str.maketrans(
    dict(zip("øłđðħıŧ", "olddhit", strict=True))
    | {"æ": "ae", "œ": "oe", "þ": "th"}
    | dict.fromkeys("'’‘ʻʼʿʾ`´")
)
_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """The words of a text: runs of letters and digits, small, without accents, 40 letters of each at most.

    Every adapter indexes these and asks for these, so that all find the same.
    """
    if text.isascii():
        return [word[:LONGEST_WORD] for word in _WORD.findall(text.lower().replace("'", "").replace("`", ""))]
    small = text.translate(_PLAIN).casefold().translate(_PLAIN)
    parts = unicodedata.normalize("NFKD", small)
    bare = "".join(letter for letter in parts if not unicodedata.combining(letter))
    return [word[:LONGEST_WORD] for word in _WORD.findall(bare.casefold())]


def storable(value: str) -> str:
    """As every engine can keep it: half of a surrogate pair becomes a question mark."""
    return value.encode("utf-8", "replace").decode()


def edits_of(word: str) -> int:
    """How many slips are forgiven in a word: one from 4 letters on, two from 8 on."""
    return 2 if len(word) >= 8 else 1 if len(word) >= 4 else 0


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """What an index knows of its records. Field names are flat; every record has an `id` (text).

    - `text`: searched by words, with a weight.
    - `keywords`: exact values, one or several; can be filtered and counted.
    - `numbers`: 64-bit integers; can be filtered by range.
    - `place`: the names of the latitude and longitude fields, in degrees as floats.
    - `edition`: raised when records are made otherwise than before, so that the index is made anew.
    """

    name: str
    text: Mapping[str, float]
    keywords: Sequence[str] = ()
    numbers: Sequence[str] = ()
    place: tuple[str, str] | None = None
    edition: int = 1


class Box(msgspec.Struct, frozen=True):
    """In degrees, the edges belong to it; a box with west > east crosses the 180th meridian."""

    south: float
    west: float
    north: float
    east: float

    @property
    def finite(self) -> bool:
        return all(map(math.isfinite, msgspec.structs.astuple(self)))


class Circle(msgspec.Struct, frozen=True):
    """All within so many kilometres on the surface of a sphere of the mean radius of Earth."""

    lat: float
    lng: float
    km: float

    @property
    def on_earth(self) -> bool:
        return -90 <= self.lat <= 90 and -180 <= self.lng <= 180 and math.isfinite(self.km)

    def holds(self, lat: float, lng: float) -> bool:
        """Along the surface (haversine)."""
        south, north = math.radians(self.lat), math.radians(lat)
        across = math.sin((north - south) / 2) ** 2
        across += math.cos(south) * math.cos(north) * math.sin(math.radians(lng - self.lng) / 2) ** 2
        return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(across))) <= self.km

    def box(self) -> Box:
        """One that the circle fits in."""
        reach = math.degrees(self.km / EARTH_KM) * (1 + 1e-9) + 1e-9
        south, north = self.lat - reach, self.lat + reach
        if south <= -90 or north >= 90:
            return Box(max(south, -90.0), -180.0, min(north, 90.0), 180.0)
        ratio = math.sin(math.radians(reach)) / math.cos(math.radians(self.lat))
        if not -1 < ratio < 1:
            return Box(south, -180.0, north, 180.0)
        wide = math.degrees(math.asin(ratio)) + 1e-9
        west, east = self.lng - wide, self.lng + wide
        return Box(south, west + 360 if west < -180 else west, north, east - 360 if east > 180 else east)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for. All parts must hold.

    - `words`: each of the first 16 words must be in some text field: exactly, or with a slip, or, the last
      one, as the beginning of a word. A slip is a letter more, less or other, or two neighbours swapped; one
      is forgiven from 4 letters on, two from 8 on.
    - `terms`: for each keyword field, one of the values; `all_terms`: for each, all of the values.
    - `ranges`: for each number, lowest and highest (inclusive; None is open).
    - `among`: only records with one of these ids.

    Nothing in a question is an error: what cannot match finds nothing, and words without letters or digits
    ask nothing.
    """

    words: str = ""
    terms: Mapping[str, Sequence[str]] = {}
    all_terms: Mapping[str, Sequence[str]] = {}
    ranges: Mapping[str, tuple[int | None, int | None]] = {}
    box: Box | None = None
    circle: Circle | None = None
    among: Sequence[str] | None = None


class Found(msgspec.Struct, frozen=True):
    """The ids of all that match, in no particular order, and of each its text score.

    The score is the sum over the words of the best match in any field: the field's weight times 1 for the
    word itself, 0.8 for the beginning of one, 0.6 for a slip; 0 without words. It depends on the record and
    the question alone, so that it is the same in every engine, in every copy, at any time.
    """

    ids: list[str]
    scores: list[float]


class Search(Protocol):
    """Indexes for a service; what is put into one is found within half a second.

    - `put` replaces the record of the same id unless the index holds a higher `revision` of it: a late change
      never overwrites a newer one. `remove` leaves its revision behind in the same way.
    - All adapters answer the same set of ids to the same question.
    - An index may lose what was put into it last when its process dies; `behind` tells what.
    """

    async def declare(self, schema: Schema) -> None:
        """Make the index ready. Where there is none of this schema, or it cannot be read, it begins empty.

        `Unavailable` where another process holds an index that only one process can hold.
        """

    async def put(self, index: str, records: Sequence[Mapping[str, Any]], revisions: Sequence[int]) -> None:
        """Fields that a record lacks, or that are None, are absent in it: no filter on them finds it."""

    async def remove(self, index: str, record_id: str, revision: int) -> None: ...

    async def behind(self, index: str, revisions: Mapping[str, int]) -> list[str]:
        """Those of the ids of which the index knows nothing, or only a lower revision."""

    async def find(self, index: str, question: Question) -> Found: ...

    async def counts(
        self, index: str, question: Question, fields: Sequence[str]
    ) -> dict[str, dict[str, int]]:
        """For each keyword field, how many of the matching records have each value."""

    async def suggest(self, index: str, field: str, beginning: str, limit: int = 10) -> list[str]:
        """Ids of records whose text field has the words, the last of which may be unfinished; best first.

        Slips are forgiven in all of them, in what is there of an unfinished one too; fewer slips come first.
        """

    async def size(self, index: str) -> int:
        """How many records it holds, those included that cannot be found yet."""

    async def clear(self, index: str) -> None:
        """Forget every record and every revision."""

    async def flush(self) -> None:
        """Returns when everything put so far can be found, and survives the end of the process."""

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""

    async def close(self) -> None: ...
