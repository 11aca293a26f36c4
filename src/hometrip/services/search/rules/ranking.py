"""In which order homes are shown: the parts of a score, each from 0 to 1, and what each weighs.

Relevance is how well the words match, then the quality of the home, its price beside similar homes, how near
it is to what was asked for, and, for new homes, how new. The same search over the same homes always has the
same order; what is equal goes by id.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hometrip.ports.search import EARTH_KM
from hometrip.services.listing.contract import SearchCard

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

WEIGHTS = {"text": 0.45, "quality": 0.30, "price": 0.12, "distance": 0.08, "freshness": 0.05}

# A home with few reviews is taken for an ordinary one: as if it had eight more of the usual rating.
USUAL_RATING, USUAL_REVIEWS = 4.6, 8
WORST, BEST = 3.0, 5.0
STARS_SHARE = 0.75
ENOUGH_WORDS, ENOUGH_AMENITIES = 40, 8
NEW_SECONDS = 30 * 86_400.0
ALIKE_BEDROOMS = 4


def stars(rating: float | None, reviews: int) -> float:
    """The rating to go by, 1 to 5: with few reviews near the usual one."""
    if rating is None or reviews <= 0:
        return USUAL_RATING
    return (rating * reviews + USUAL_RATING * USUAL_REVIEWS) / (reviews + USUAL_REVIEWS)


def quality(card: SearchCard) -> float:
    """What guests say of it, and how completely the host tells of it."""
    told = (
        card.cover is not None,
        len(card.description.split()) >= ENOUGH_WORDS,
        len(card.amenities) >= ENOUGH_AMENITIES,
        bool(card.neighbourhood),
        card.beds > 0 and card.bathrooms > 0,
    )
    praised = (stars(card.rating, card.review_count) - WORST) / (BEST - WORST)
    return STARS_SHARE * min(1.0, max(0.0, praised)) + (1 - STARS_SHARE) * sum(told) / len(told)


class Peers:
    """Which homes are alike (city, structure, bedrooms, currency), and how cheap each is beside those."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[Any, ...], int] = {}
        self._kind_of: dict[int, int] = {}
        self._prices: defaultdict[int, dict[int, int]] = defaultdict(dict)
        self._changed: set[int] = set()
        self._cheap = np.zeros(64)

    def put(self, row: int, card: SearchCard) -> None:
        self.drop(row)
        alike = (card.city, card.country, card.structure, min(card.bedrooms, ALIKE_BEDROOMS), card.currency)
        kind = self._kinds.setdefault(alike, len(self._kinds))
        self._prices[kind][row] = card.nightly
        self._kind_of[row] = kind
        self._changed.add(kind)
        if row >= len(self._cheap):
            self._cheap = np.resize(self._cheap, 2 * row)

    def drop(self, row: int) -> None:
        if (kind := self._kind_of.pop(row, None)) is not None:
            del self._prices[kind][row]
            self._changed.add(kind)

    def cheapness(self, rows: Rows) -> Floats:
        """Of each of these homes, beside the median price of a night of all that are like it."""
        while self._changed:
            if prices := self._prices[self._changed.pop()]:
                alike, nightly = np.array([*prices]), np.array([*prices.values()])
                self._cheap[alike] = cheapness(nightly, max(1.0, float(np.median(nightly))))
        return self._cheap[rows]


def cheapness(nightly: NDArray[np.int64], usual: float) -> Floats:
    """1 for nothing, one half for the usual price, 0 from twice the usual on."""
    return (1 - nightly / (2 * usual)).clip(0.0, 1.0)


def nearness(km: Floats, scale_km: float) -> Floats:
    """1 at the point itself, falling to about a third at `scale_km`."""
    return np.exp(-km / max(scale_km, 0.1))


def freshness(created: Floats, now: float) -> Floats:
    """1 for a home of this moment, 0 for one of thirty days."""
    return (1 - (now - created) / NEW_SECONDS).clip(0.0, 1.0)


def point(lat: float, lng: float) -> tuple[float, float, float]:
    """Where it lies on a ball of radius 1: distances of many from one are then a product of matrices."""
    north, east = math.radians(lat), math.radians(lng)
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


def kilometres(points: Floats, lat: float, lng: float) -> Floats:
    """Along the surface, from each of the points (a row each) to the place; a decimetre is lost at most."""
    across = 0.5 - points @ np.array(point(lat, lng)) / 2
    return np.asarray(2 * EARTH_KM * np.arcsin(np.sqrt(across.clip(0.0, 1.0))))


class Parts(msgspec.Struct, frozen=True):
    """The parts of the scores of some homes; None where nothing was asked about it, which is 0 for all."""

    text: Floats | None
    quality: Floats
    price: Floats
    distance: Floats | None
    freshness: Floats

    @property
    def score(self) -> Floats:
        """Rounded, so that the noise of floats decides nothing."""
        score = WEIGHTS["quality"] * self.quality
        for name in ("text", "price", "distance", "freshness"):
            if (part := getattr(self, name)) is not None:
                score += WEIGHTS[name] * part
        return score.round(9)


def first(
    keys: Floats | NDArray[np.int64], high: NDArray[np.uint64], low: NDArray[np.uint64], most: int
) -> Rows:
    """The places of the `most` lowest keys, in order; equal ones by id (its high and low half)."""
    if most >= len(keys) // 4:
        return np.lexsort((low, high, keys))[:most]
    edge = np.partition(keys, most - 1)[most - 1] if most else -np.inf
    places = (keys <= edge).nonzero()[0]
    order = np.lexsort((low[places], high[places], keys[places]))
    return places[order][:most]
