"""How alike homes are: how near, of which kind, for how many, at which price, how well liked.

Each part is from 0 to 1, and weighs what `WEIGHTS` says. What is equal goes by id.
"""

from __future__ import annotations

import numpy as np

from hometrip.services.search.contract import Likeness
from hometrip.services.search.rules import ranking
from hometrip.services.search.rules.board import Board, Floats, Numbers, Rows
from hometrip.services.search.rules.matching import Matches

WEIGHTS = {"distance": 0.35, "kind": 0.25, "room": 0.15, "price": 0.15, "stars": 0.10}
# Homes within so many kilometres are looked at; where these are not enough, those farther out too; no others.
NEAR_KM, FAR_KM, ENOUGH = 25.0, 100.0, 12
ABOUT_KM = 5.0
STRUCTURE_SHARE = 0.6
# In a large town only so many of the nearest are compared.
NEAREST = 2_000


def nearest(board: Board, found: Matches, of: Likeness) -> Matches:
    """Those of them that are compared."""
    if len(found.rows) <= NEAREST:
        return found
    km = ranking.kilometres(board.points.take(found.rows, axis=0), of.lat, of.lng)
    return found.only(np.argpartition(km, NEAREST)[:NEAREST])


def order(board: Board, found: Matches, of: Likeness, worth: int, most: int) -> Rows:
    """The places in `found` of the `most` that are most like it. `worth` is its price for the same nights, in
    the measure of theirs."""
    rows = found.rows
    score = sum(WEIGHTS[name] * part for name, part in parts(board, found, of, worth).items())
    keys = -np.asarray(score, np.float64).round(9)
    return ranking.first(keys, board.id_high[rows], board.id_low[rows], most)


def parts(board: Board, found: Matches, of: Likeness, worth: int) -> dict[str, Floats]:
    rows = found.rows
    km = ranking.kilometres(board.points.take(rows, axis=0), of.lat, of.lng)
    structure, kind = (_same(board, name, rows, value) for name, value in _kind(of))
    room = _alike(board.guests[rows], of.guests) + _alike(board.bedrooms[rows], of.bedrooms)
    stars = ranking.stars(of.rating, of.review_count)
    return {
        "distance": ranking.nearness(km, ABOUT_KM),
        "kind": STRUCTURE_SHARE * structure + (1 - STRUCTURE_SHARE) * kind,
        "room": room / 2,
        "price": _as_dear(found, worth),
        # As well liked or better; a star less is as good as none.
        "stars": (1 - (stars - board.stars[rows])).clip(0.0, 1.0),
    }


def _kind(of: Likeness) -> tuple[tuple[str, str], ...]:
    return ("structure", of.structure), ("type", of.type)


def _same(board: Board, name: str, rows: Rows, value: str) -> Floats:
    number = board.values[name].numbers.get(value, -1)
    return np.asarray(getattr(board, name)[rows] == number, np.float64)


def _alike(theirs: Numbers, own: int) -> Floats:
    """1 for the same number, one half for twice or half of it."""
    more = np.maximum(theirs, own).clip(1)
    return np.asarray(1 - np.abs(theirs - own) / more, np.float64)


def _as_dear(found: Matches, worth: int) -> Floats:
    """1 for the same price, 0 for half or twice of it, and where nobody knows."""
    prices = np.maximum(found.compared, 1)
    alike = (1 - np.abs(np.log2(prices / max(worth, 1)))).clip(0.0, 1.0)
    return np.asarray(alike if found.rated is None else alike * found.rated, np.float64)
