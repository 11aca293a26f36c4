"""A geocoder without a network: the bundled gazetteer for names, tzfpy's polygons for time zones.

What belongs here: reading and searching `places.bin`. `scripts/build_gazetteer.py` makes that file,
`ATTRIBUTION.md` says where its contents come from.
"""

from __future__ import annotations

import math
import re
import sys
import unicodedata
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from heapq import nsmallest
from itertools import accumulate, chain, compress
from pathlib import Path

import msgspec

from hometrip.ports.geocoder import Kind, Place, check_position

FILE = Path(__file__).with_name("places.bin")
KINDS: tuple[Kind, ...] = ("city", "region", "country")
CITY = KINDS.index("city")
DEGREE = 10_000  # positions are kept as whole numbers of this part of a degree: 11 m
NEAR_KM = 50.0
EARTH_KM = 6371.0
LONGEST_TEXT = 200  # no place is called by more; what is longer is not a name

MOST_PARTS = 3  # after the name: region, country, and one to spare

# Letters that Unicode does not take apart into a plain letter and an accent; apostrophes vanish.
PLAIN = str.maketrans(
    dict(zip("øłđðħıŧ", "olddhit", strict=True))
    | {"æ": "ae", "œ": "oe", "þ": "th"}
    | dict.fromkeys("'’‘ʻʼʿʾ`´")
)
NOT = bytes.maketrans(b"\0\1", b"\1\0")  # by bytes.translate, for columns of zeros and ones
NOT_A_LETTER = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """The form in which names are compared: small letters and digits, no accents, single spaces."""
    parts = unicodedata.normalize("NFKD", text.translate(PLAIN).casefold().translate(PLAIN))
    plain = "".join(letter for letter in parts if not unicodedata.combining(letter))
    return NOT_A_LETTER.sub(" ", plain).strip()


class Tables(msgspec.Struct, frozen=True, array_like=True):
    """What `places.bin` holds (zlib around MessagePack); numbers in columns are little-endian.

    A place is known by its rank: 0 is the most populous, so ranks in order are places by population. An area
    is a region, or what of a country is in no known region; those of a country follow one another.
    """

    countries: list[tuple[str, str]]  # alpha-2 code and name
    areas: list[tuple[int, str]]  # country and region name, or ""
    codes: dict[str, list[int]]  # "ny", "us", "usa" -> ranks of the regions and countries with this code
    names: bytes  # UTF-8, one after the other, by rank
    name_lengths: bytes  # in bytes, one byte each
    kinds: bytes  # index in KINDS, one byte each
    area: bytes  # uint16
    lat: bytes  # int32
    lng: bytes  # int32
    population: bytes  # uint32
    keys: bytes  # folded names and other names, ASCII, sorted; equal ones by rank
    key_lengths: bytes  # one byte each
    key_ranks: bytes  # uint32: the place that each key names
    key_own: bytes  # 1 for the place's own name, 0 for another, one byte each


def column(code: str, raw: bytes) -> array[int]:
    numbers = array(code)
    numbers.frombytes(raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def ends(lengths: bytes) -> array[int]:
    """Where each text begins in their concatenation, and at last where it ends."""
    return array("I", accumulate(lengths, initial=0))


class Names:
    """The sorted keys: which places have a name that is, begins with or nearly is a text."""

    def __init__(self, tables: Tables) -> None:
        self.keys, self.starts = tables.keys, ends(tables.key_lengths)
        self.ranks, self.own = column("I", tables.key_ranks), tables.key_own
        self.typos = Typos(list(self))

    def __iter__(self) -> Iterator[bytes]:
        return (self.keys[start:end] for start, end in zip(self.starts, self.starts[1:], strict=False))

    def _key(self, at: int) -> bytes:
        return self.keys[self.starts[at] : self.starts[at + 1]]

    def written(self, text: bytes) -> tuple[Iterable[int], Iterable[int], Iterable[int]]:
        """The ranks with a name that is `text`; whose own name begins with it; whose other name does."""
        every = range(len(self.ranks))
        first = bisect_left(every, text, key=self._key)
        further = bisect_right(every, text, lo=first, key=self._key)
        last = bisect_left(every, text + b"\x7f", lo=further, key=self._key)
        longer, own = self.ranks[further:last], self.own[further:last]
        return self.ranks[first:further], compress(longer, own), compress(longer, own.translate(NOT))

    def near(self, text: bytes) -> Iterator[list[int]]:
        """The ranks whose name is `text` or begins so but for a slip or two, closest first; see the port."""
        for found in self.typos.near(text):
            yield [self.ranks[at] for at in found]


class Typos:
    """Finds, among all keys at once, those within an edit or two of a text.

    One bit per key: `self._bits(letter, at)` is a whole number whose bit k says that key k has this letter at
    this place. The table of edit distance (insert, delete, replace, swap neighbours) is then computed with
    `&` and `|` for all keys together, 0.9 µs a step for 100,000 of them, and only near its diagonal. Bits
    are made when first asked for (0.2 ms, 12 KiB) and kept.
    """

    WIDTH = 32  # letters of a key that are looked at; a longer text must be written without slips

    def __init__(self, keys: list[bytes]) -> None:
        wide = b"".join(key.ljust(self.WIDTH, b"\0")[: self.WIDTH] for key in keys)
        # Bit 0 is the last digit of a number, hence the reversal.
        self.columns = [wide[at :: self.WIDTH][::-1] for at in range(self.WIDTH)]
        self.everything = (1 << len(keys)) - 1
        self.made: dict[tuple[int, int], int] = {}

    @staticmethod
    def edits(text: bytes) -> int:
        """How many slips are forgiven in a text of this length."""
        return (len(text) >= 4) + (len(text) >= 8)

    def near(self, text: bytes) -> Iterator[list[int]]:
        """Positions of the keys that are `text` but for one slip, two; that begin so but for one, two."""
        edits = self.edits(text)
        if not edits or len(text) + edits > self.WIDTH:
            return
        whole, prefix = self._accept(text, edits)
        seen = prefix[0]  # no slip at all: not for us to find
        for accepted in (*whole[1:], *prefix[1:]):
            yield positions(accepted & ~seen)
            seen |= accepted

    def _accept(self, text: bytes, edits: int) -> tuple[list[int], list[int]]:
        """The keys that are `text`, and those that begin with it, by the number of edits that are enough."""
        size, levels = len(text), range(edits + 1)
        whole, prefix = [0] * (edits + 1), [0] * (edits + 1)
        rows: list[dict[tuple[int, int], int]] = []
        for read in range(size + edits + 1):  # letters read of every key
            row: dict[tuple[int, int], int] = {}
            for used in range(max(0, read - edits), min(size, read + edits) + 1):  # letters of the text
                for slips in levels:
                    row[used, slips] = self._step(text, rows, row, used, slips) & self._at_least(read)
            rows.append(row)
            for slips in levels:
                accepted = row.get((size, slips), 0)
                prefix[slips] |= accepted
                whole[slips] |= accepted & ~self._at_least(read + 1)
        return whole, prefix

    def _step(
        self,
        text: bytes,
        rows: list[dict[tuple[int, int], int]],
        row: dict[tuple[int, int], int],
        used: int,
        slips: int,
    ) -> int:
        """The keys whose letters so far are the first `used` of the text but for at most `slips` edits."""
        read = len(rows)
        if not read and used <= slips:
            return self.everything
        before = rows[-1] if rows else {}
        keys = 0
        if used and (same := before.get((used - 1, slips))):
            keys = same & self._bits(text[used - 1], read - 1)
        if slips:
            less = slips - 1
            keys |= (
                before.get((used - 1, less), 0) | before.get((used, less), 0) | row.get((used - 1, less), 0)
            )
            if used > 1 and read > 1 and (same := rows[-2].get((used - 2, less))):
                keys |= same & self._bits(text[used - 1], read - 2) & self._bits(text[used - 2], read - 1)
        return keys

    def _at_least(self, length: int) -> int:
        """The keys that have so many letters (all that have `WIDTH` count as longer)."""
        return self.everything & ~self._bits(0, length - 1) if 0 < length <= self.WIDTH else self.everything

    def _bits(self, letter: int, at: int) -> int:
        made = self.made.get((letter, at))
        if made is None:
            zeros = bytearray(b"0" * 256)
            zeros[letter] = ord("1")
            made = self.made[letter, at] = int(self.columns[at].translate(zeros), 2)
        return made


def positions(bits: int) -> list[int]:
    """The positions of the ones, lowest first."""
    digits = bin(bits)[:1:-1]
    return [one.start() for one in re.finditer("1", digits)]


class Gazetteer:
    """The tables in memory: 12 MiB, and with time some 5 more, the bits that typos ask for."""

    def __init__(self, packed: bytes) -> None:
        tables = msgspec.msgpack.decode(zlib.decompress(packed), type=Tables)
        self.countries, self.areas, self.codes = tables.countries, tables.areas, tables.codes
        self.texts, self.starts = tables.names, ends(tables.name_lengths)
        self.kinds, self.area = tables.kinds, column("H", tables.area)
        self.lat, self.lng = column("i", tables.lat), column("i", tables.lng)
        self.population = column("I", tables.population)
        self.names = Names(tables)

    def place(self, rank: int) -> Place:
        country, region = self.areas[self.area[rank]]
        code, country_name = self.countries[country]
        return Place(
            name=self.texts[self.starts[rank] : self.starts[rank + 1]].decode(),
            region="" if KINDS[self.kinds[rank]] == "country" else region,
            country=code,
            country_name=country_name,
            lat=self.lat[rank] / DEGREE,
            lng=self.lng[rank] / DEGREE,
            population=self.population[rank],
            kind=KINDS[self.kinds[rank]],
        )

    def search(self, text: str, limit: int) -> list[int]:
        """The ranks found, best first, by the first reading of the text that finds something.

        Readings that need no forgiveness go before all that do, so that "paris france" is Paris in France and
        not a town with a name somewhat like both words. Where a name fits whole, no slip is looked for.
        """
        readings = list(self._readings(text))
        for forgiving in (False, True):
            for name, within in readings:
                written = [self._inside(ranks, within) for ranks in self.names.written(name)]
                if any(written) or forgiving:
                    slips = () if written[0] else self.names.near(name)
                    if found := best(chain(written, (self._inside(ranks, within) for ranks in slips)), limit):
                        return found
        return []

    def _inside(self, ranks: Iterable[int], within: set[int] | None) -> set[int]:
        return set(ranks) if within is None else {rank for rank in ranks if self.area[rank] in within}

    def _readings(self, text: str) -> Iterator[tuple[bytes, set[int] | None]]:
        """The ways to read a text: a name, and the areas that it must lie in (None: anywhere)."""
        name, *parts = [folded.encode() for part in text.split(",") if (folded := fold(part))] or [b""]
        if not name:
            return
        if len(parts) > MOST_PARTS:
            return
        if parts:
            yield name, set.intersection(*(self._areas(part) for part in parts))
            return
        yield name, None
        words = name.split(b" ")
        for cut in range(1, len(words)):
            if within := self._areas(b" ".join(words[cut:]), forgiving=False):
                yield b" ".join(words[:cut]), within

    def _areas(self, text: bytes, *, forgiving: bool = True) -> set[int]:
        """The areas of the regions and countries called `text`.

        With forgiveness, if there is none, of those whose name begins so, or nearly is `text`.
        """
        same, *longer = self.names.written(text)
        tiers: Iterable[Iterable[int]] = ([*self.codes.get(text.decode(), ()), *same],)
        for ranks in chain(tiers, longer, self.names.near(text)) if forgiving else tiers:
            if wide := [rank for rank in ranks if self.kinds[rank] != CITY]:
                return {area for rank in wide for area in self._within(rank)}
        return set()

    def _within(self, rank: int) -> Iterable[int]:
        """The areas of a region (one) or of a country (all of its)."""
        if KINDS[self.kinds[rank]] == "region":
            return (self.area[rank],)
        return self.country_areas[self.areas[self.area[rank]][0]]

    @cached_property
    def country_areas(self) -> list[range]:
        owners = [country for country, _ in self.areas]
        return [range(bisect_left(owners, at), bisect_right(owners, at)) for at in range(len(self.countries))]

    def nearest(self, lat: float, lng: float) -> int | None:
        """The rank of the nearest city within `NEAR_KM`, or None."""
        cities = (
            (distance_km(lat, lng, self.lat[rank] / DEGREE, self.lng[rank] / DEGREE), rank)
            for rank in self._around(lat, lng)
        )
        km, rank = min(cities, default=(math.inf, 0))
        return rank if km <= NEAR_KM else None

    def _around(self, lat: float, lng: float) -> Iterator[int]:
        """All cities within `NEAR_KM`, and some beyond: those in the cells that a box touches."""
        high = math.degrees(NEAR_KM / EARTH_KM)
        # Meridians draw together: near a pole the box goes all the way round.
        widest = math.cos(math.radians(min(abs(lat) + high, 90)))
        wide = min(high / widest, 180) if widest > 0.01 else 180
        rows = range(max(math.floor(lat - high), -90), min(math.floor(lat + high), 89) + 1)
        columns = {at % 360 for at in range(math.floor(lng - wide), math.floor(lng + wide) + 1)}
        for row in rows:
            for at in columns:
                yield from self.cells.get((row, at), ())

    @cached_property
    def cells(self) -> dict[tuple[int, int], array[int]]:
        """The cities by the cell of one degree that they lie in; made when first asked for, in some 60 ms."""
        cells: dict[tuple[int, int], array[int]] = {}
        for rank, kind in enumerate(self.kinds):
            if kind == CITY:
                cell = self.lat[rank] // DEGREE, self.lng[rank] // DEGREE % 360
                cells.setdefault(cell, array("I")).append(rank)
        return cells


def best(tiers: Iterable[set[int]], limit: int) -> list[int]:
    """The first `limit` ranks: tier by tier, in each the lowest first, none twice."""
    found: list[int] = []
    for tier in tiers:
        found += nsmallest(limit - len(found), tier.difference(found) if found else tier)
        if len(found) == limit:
            break
    return found


def distance_km(lat: float, lng: float, other_lat: float, other_lng: float) -> float:
    """Along the great circle, by the haversine formula."""
    a, b = math.radians(lat), math.radians(other_lat)
    half = (
        math.sin((b - a) / 2) ** 2
        + math.cos(a) * math.cos(b) * math.sin(math.radians(other_lng - lng) / 2) ** 2
    )
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


class GazetteerGeocoder:
    """A `Geocoder` that needs nothing but the files that ship with it: cities of 5,000 people and more.

    The gazetteer is read by the first question about a name or a city, or by `ready`; the time zones (30 MiB,
    tzfpy's) by the first question about one. Names are known in Latin letters only.
    """

    @cached_property
    def _gazetteer(self) -> Gazetteer:
        return Gazetteer(FILE.read_bytes())

    async def search(self, text: str, *, limit: int = 10) -> list[Place]:
        if limit < 1 or len(text) > LONGEST_TEXT:
            return []
        return [self._gazetteer.place(rank) for rank in self._gazetteer.search(text, limit)]

    async def nearest(self, lat: float, lng: float) -> Place | None:
        check_position(lat, lng)
        rank = self._gazetteer.nearest(lat, lng)
        return None if rank is None else self._gazetteer.place(rank)

    async def time_zone(self, lat: float, lng: float) -> str:
        check_position(lat, lng)
        from tzfpy import get_tz  # here, because a process that never asks for a zone shall not pay for them

        return get_tz(lng, lat) or nautical_zone(lng)

    async def ready(self) -> None:
        """Reads the gazetteer, so that the first guest need not wait for it."""
        self._gazetteer  # noqa: B018 - reading it is the point


def nautical_zone(lng: float) -> str:
    """The zone of a ship at this longitude. The sign in the name is that of POSIX: west is plus."""
    west = -round(lng / 15)
    return f"Etc/GMT{west:+d}" if west else "Etc/GMT"
