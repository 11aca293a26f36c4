"""What is counted: facets of a search, what can be filtered, and where homes are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache

import numpy as np
from msgspec.structs import replace

from hometrip.services.search.contract import Counted, Destination, Filters, Hit, Location, Range
from hometrip.services.search.rules.asked import SORTS, Wanted
from hometrip.services.search.rules.board import COUNTED, Board, Numbers, Rows
from hometrip.services.search.rules.cards import unmet
from hometrip.services.search.rules.matching import Matches

ANYTHING = Wanted()
MOST_BANDS = 8
MOST_CITIES = 50
FACETS = ("structure", "type", "city", "amenities", "bedrooms", "instant_book", "price")
# Those whose values come in their own order; of the others the most frequent come first.
IN_ORDER = frozenset({"bedrooms", "instant_book", "price"})
# More than anything that decides about the order within one facet.
_APART = 1 << 48
_ENDS = np.arange(1, len(FACETS) + 1) * _APART


class Layout:
    """The values of all facets in one row, so that they are counted and put in order at once.

    A facet's values begin at `starts`; `labels` are what they are called, but for prices, the last. The lower
    `places - weights * counts`, the earlier a value comes.
    """

    def __init__(self, board: Board) -> None:
        values = {name: board.values[name] for name in ("structure", "type", "city")}
        values["amenities"] = board.amenities
        named = {
            "bedrooms": [str(number) for number in range(board.most_bedrooms + 1)],
            "instant_book": ["true", "false"],
            "price": [""] * MOST_BANDS,
        }
        self.labels: list[str] = []
        self.starts: dict[str, int] = {}
        places, weights = list[Numbers](), list[Numbers]()
        for number, name in enumerate(FACETS):
            labels = named[name] if name in IN_ORDER else values[name].shown
            own = np.arange(len(labels)) if name in IN_ORDER else values[name].places
            places.append(own + number * _APART)
            weights.append(np.full(len(labels), 0 if name in IN_ORDER else len(labels), np.int64))
            self.starts[name] = len(self.labels)
            self.labels += labels
        del self.labels[self.starts["price"] :]
        self.places, self.weights = np.concatenate(places), np.concatenate(weights)
        # Where those begin of which the board has the numbers.
        self.columns = np.array([[self.starts[name]] for name in COUNTED], np.int32)


def facets(board: Board, found: Matches, wanted: Wanted = ANYTHING) -> dict[str, list[Counted]]:
    """Of all that was found, how many homes have each value; the most frequent first, numbers in order. No
    band of prices goes beyond the limits of what is wanted."""
    if not len(found.rows):
        return {name: [] for name in FACETS}
    layout: Layout = board.layout or Layout(board)
    prices = found.compared if found.rated is None else found.compared[found.rated]
    board.layout, width = layout, _width(prices)
    counts = _counts(board, layout, found.rows, prices, width)
    _count_instant(board, layout, found.rows, wanted, counts)
    numbers = counts.nonzero()[0]
    numbers = numbers[(layout.places[numbers] - layout.weights[numbers] * counts[numbers]).argsort()]
    ends = layout.places[numbers].searchsorted(_ENDS).tolist()
    labels = layout.labels + (_limited(width, wanted) if wanted.limited else _bands(width))
    listed, amounts, begin = numbers.tolist(), counts[numbers].tolist(), 0
    told = {}
    for name, end in zip(FACETS, ends, strict=True):
        last = min(end, begin + MOST_CITIES) if name == "city" else end
        shown = [labels[number] for number in listed[begin:last]]
        told[name] = list(map(Counted, shown, amounts[begin:last]))
        begin = end
    return told


def _counts(board: Board, layout: Layout, rows: Rows, prices: Numbers, width: int) -> Numbers:
    """How many of the homes have each value of the layout, and are in each band of prices."""
    numbers = board.counted.take(rows, axis=1) + layout.columns
    counts = np.bincount(numbers.ravel(), minlength=len(layout.places))
    counts[-MOST_BANDS:] = np.bincount(np.minimum(prices // width, MOST_BANDS - 1), minlength=MOST_BANDS)
    mask = np.zeros(board.room, np.bool_)
    mask[rows] = True
    bits = np.packbits(mask, bitorder="little")
    shown, begin = len(board.amenities.shown), layout.starts["amenities"]
    # Eight bytes at a time: the board's room is a multiple of 64.
    together = board.amenity_bits[:shown].view(np.uint64) & bits.view(np.uint64)
    counts[begin : begin + shown] = np.add.reduce(np.bitwise_count(together), axis=1, dtype=np.int64)
    return counts


def _count_instant(board: Board, layout: Layout, rows: Rows, wanted: Wanted, counts: Numbers) -> None:
    """Those that whoever is asking books at once, which the filter finds, and the others."""
    ask = _asking(board, rows, wanted.badges)
    begin = layout.starts["instant_book"]
    counts[begin : begin + 2] = len(rows) - ask, ask


def _asking(board: Board, rows: Rows, badges: Collection[str]) -> int:
    """How many of the homes a guest with these badges cannot book at once."""
    return int(np.count_nonzero(board.demands[rows] & unmet(badges)))


def _width(prices: Numbers) -> int:
    """Of the bands of prices: they have one width, a round number, and the last is open."""
    if not len(prices):
        return 1
    return band_width(int(np.partition(prices, at := (len(prices) - 1) * 19 // 20)[at]))


@cache
def _bands(width: int) -> list[str]:
    """ "from-to" in minor units, both included."""
    ends = [*(str((number + 1) * width - 1) for number in range(MOST_BANDS - 1)), ""]
    return [f"{number * width}-{end}" for number, end in enumerate(ends)]


def _limited(width: int, wanted: Wanted) -> list[str]:
    """The same, within the limits: what lies outside of them is nobody's."""
    lowest, highest = wanted.min_price or 0, wanted.max_price
    ends = [(number + 1) * width - 1 for number in range(MOST_BANDS - 1)]
    lasts = [*(end if highest is None else min(end, highest) for end in ends), highest]
    firsts = [max(number * width, lowest) for number in range(MOST_BANDS)]
    return [f"{first}-{'' if last is None else last}" for first, last in zip(firsts, lasts, strict=True)]


def band_width(dear: int) -> int:
    """The least of 1, 2, 5, 10, 20 … that brings all but the dearest prices into the bands."""
    unit = 1
    while True:
        for step in (1, 2, 5):
            if step * unit * MOST_BANDS > dear:
                return step * unit
        unit *= 10


def filters(board: Board) -> Filters:
    rows = np.flatnonzero(board.live[: board.size])
    found = Matches(rows, board.nightly[rows], np.zeros(len(rows), np.int64))
    counted = facets(board, found)
    del counted["price"]
    counted["country"] = _countries(board, rows)
    ranges = {
        name: Range(min=int(column.min()), max=int(column.max()))
        for name in ("guests", "bedrooms", "beds")
        if len(column := getattr(board, name)[rows])
    }
    return Filters(
        total=len(rows),
        values=counted,
        ranges=ranges,
        nightly=[*_nightly(board, rows)],
        sorts=list(SORTS),
    )


def filters_of_guest(board: Board, told: Filters, badges: Collection[str]) -> Filters:
    """The same for a guest with these badges, who books more of the homes at once."""
    rows = np.flatnonzero(board.live[: board.size])
    ask = _asking(board, rows, badges)
    counts = {"true": len(rows) - ask, "false": ask}
    counted = [Counted(value, count) for value, count in counts.items() if count]
    return replace(told, values=told.values | {"instant_book": counted})


def _countries(board: Board, rows: Rows) -> list[Counted]:
    countries = board.values["country"].shown
    counts = np.bincount(board.country[rows], minlength=len(countries)).tolist()
    ranked = sorted(zip(countries, counts, strict=True), key=lambda pair: (-pair[1], pair[0]))
    return [Counted(country, count) for country, count in ranked if count]


def _nightly(board: Board, rows: Rows) -> Iterator[Range]:
    for number, currency in enumerate(board.values["currency"].shown):
        prices = board.nightly[rows][board.currency[rows] == number]
        if len(prices):
            yield Range(min=int(prices.min()), max=int(prices.max()), currency=currency)


def destinations(board: Board) -> list[Destination]:
    """Every city with homes, the one with the most first."""
    rows = np.flatnonzero(board.live[: board.size])
    cities, countries = board.city[rows].astype(np.int64), board.country[rows]
    places = cities * max(1, len(board.values["country"].shown)) + countries
    by_place = np.lexsort((-board.quality[rows], places))
    starts = np.flatnonzero(np.diff(places[by_place], prepend=-1))
    ends = np.append(starts, len(rows))[1:]
    found = [_destination(board, rows[by_place[start:end]]) for start, end in zip(starts, ends, strict=True)]
    return sorted(found, key=lambda place: (-place.count, place.city, place.country))


def _destination(board: Board, rows: Rows) -> Destination:
    """`rows` are the homes of one city, the best first."""
    best: list[Hit] = [board.hits[row] for row in rows[:20]]
    return Destination(
        city=best[0].city,
        country=best[0].country,
        count=len(rows),
        location=Location(
            lat=round(float(np.median(board.lat[rows])), 4), lng=round(float(np.median(board.lng[rows])), 4)
        ),
        cover=next((hit.cover for hit in best if hit.cover), None),
    )
