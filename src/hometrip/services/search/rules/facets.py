"""What is counted: facets of a search, what can be filtered, and where homes are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hometrip.services.search.contract import Counted, Destination, Filters, Hit, Location, Range
from hometrip.services.search.rules.asked import SORTS
from hometrip.services.search.rules.board import Board, Rows, Values
from hometrip.services.search.rules.matching import Matches

MOST_BANDS = 8
MOST_CITIES = 50


def facets(board: Board, found: Matches) -> dict[str, list[Counted]]:
    """Of all that was found, how many homes have each value; the most frequent first, numbers in order."""
    rows = found.rows
    return {
        "structure": _coded(board, "structure", rows),
        "type": _coded(board, "type", rows),
        "city": _coded(board, "city", rows)[:MOST_CITIES],
        "amenities": _amenities(board, rows),
        "bedrooms": _numbers(board.bedrooms[rows]),
        "instant_book": [
            Counted(value=name, count=count)
            for name, count in (
                ("true", int(np.count_nonzero(board.instant[rows]))),
                ("false", int(np.count_nonzero(~board.instant[rows]))),
            )
            if count
        ],
        "price": list(_bands(found.prices)),
    }


def _coded(board: Board, name: str, rows: Rows) -> list[Counted]:
    values = board.values[name]
    return _ranked(values, np.bincount(getattr(board, name)[rows], minlength=len(values.shown)))


def _amenities(board: Board, rows: Rows) -> list[Counted]:
    shown, mask = board.amenities.shown, np.zeros(board.room, np.bool_)
    mask[rows] = True
    bits = np.packbits(mask, bitorder="little")
    # Eight bytes at a time: the board's room is a multiple of 64.
    together = board.amenity_bits[: len(shown)].view(np.uint64) & bits.view(np.uint64)
    return _ranked(board.amenities, np.bitwise_count(together).sum(axis=1, dtype=np.int64))


def _numbers(column: NDArray[Any]) -> list[Counted]:
    counts = np.bincount(column)
    return [Counted(value=str(number), count=int(counts[number])) for number in np.flatnonzero(counts)]


def _ranked(values: Values, counts: NDArray[np.int64]) -> list[Counted]:
    """Those that occur, the most frequent first, of equally frequent ones in the order of the alphabet."""
    numbers, shown = counts.nonzero()[0], values.shown
    if len(numbers) > 1:
        numbers = numbers[(values.places[numbers] - counts[numbers] * len(shown)).argsort()]
    return [
        Counted(value=shown[number], count=count)
        for number, count in zip(numbers.tolist(), counts[numbers].tolist(), strict=True)
    ]


def _bands(prices: NDArray[np.int64]) -> Iterator[Counted]:
    """Bands of one width, a round number, "from-to" in minor units, both included; the last is open."""
    if not len(prices):
        return
    width = band_width(int(np.partition(prices, at := (len(prices) - 1) * 19 // 20)[at]))
    counts = np.bincount(np.minimum(prices // width, MOST_BANDS - 1))
    for band in np.flatnonzero(counts):
        until = "" if band == MOST_BANDS - 1 else str((band + 1) * width - 1)
        yield Counted(value=f"{band * width}-{until}", count=int(counts[band]))


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
    counted["country"] = _coded(board, "country", rows)
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
