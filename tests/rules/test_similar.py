"""How alike homes are: each part by itself, and all of them beside a plain reckoning."""

from __future__ import annotations

import math
import random
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest

from hometrip.kernel.measure import Measure
from hometrip.kernel.money import RATE_PARTS, Money
from hometrip.ports.search import EARTH_KM
from hometrip.services.listing.contract import SearchCard
from hometrip.services.search.contract import Likeness
from hometrip.services.search.rules import matching, ranking, similar
from hometrip.services.search.rules.asked import Wanted
from hometrip.services.search.rules.board import Board
from rules.search_card import LOFT, NOW

LIKE = Likeness(
    id=UUID(int=99),
    lat=42.65,
    lng=-73.75,
    structure="entire_home",
    type="loft",
    guests=4,
    bedrooms=2,
    nightly=Money(10_000, "USD"),
    review_count=40,
    rating=4.6,
)


def board_of(*cards: SearchCard) -> Board:
    board = Board(date(2027, 4, 12))
    for card in cards:
        board.put(card, "America/New_York")
    return board


def other(number: int, **parts: Any) -> SearchCard:
    return msgspec.structs.replace(LOFT, id=UUID(int=number), **parts)


def in_order(board: Board, wanted: Wanted = Wanted(), at: datetime = NOW, most: int = 100) -> list[int]:
    """The homes' numbers, the most similar first."""
    found = matching.exchanged(board, matching.matches(board, wanted, at), wanted)
    places = similar.order(board, found, LIKE, wanted.worth(LIKE.nightly), most)
    return [board.hits[row].id.int for row in found.rows[places].tolist()]


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ({"shown_lat": 42.66}, {"shown_lat": 42.70}),
        ({"type": "boat"}, {"type": "boat", "structure": "hotel_room"}),
        ({}, {"type": "boat"}),
        ({"guests": 5}, {"guests": 8}),
        ({"guests": 3}, {"guests": 1}),
        ({"bedrooms": 3}, {"bedrooms": 5}),
        ({"nightly": 12_000}, {"nightly": 19_000}),
        ({"nightly": 9_000}, {"nightly": 5_500}),
        ({"rating": 4.4}, {"rating": 4.0}),
    ],
)
def test_what_is_more_like_it_comes_first(more: dict[str, Any], less: dict[str, Any]) -> None:
    assert in_order(board_of(other(2, **less), other(3, **more))) == [3, 2]


def test_better_liked_is_as_good_as_equally_well_liked() -> None:
    assert in_order(board_of(other(3, rating=5.0), other(2, rating=4.6))) == [2, 3]


def test_equal_ones_are_in_the_order_of_their_ids_however_they_came() -> None:
    cards = [other(number) for number in (5, 3, 9, 4)]
    assert in_order(board_of(*cards)) == in_order(board_of(*reversed(cards))) == [3, 4, 5, 9]


def test_prices_of_other_currencies_are_compared_by_what_they_are_worth() -> None:
    board = board_of(
        other(2, currency="XXX"), other(3, currency="JPY", nightly=15_000), other(4, nightly=19_000)
    )
    measure = Measure.of("USD", {"JPY": RATE_PARTS // 150})
    assert in_order(board, Wanted().measured(measure)) == [3, 4, 2]


def test_only_the_nearest_of_very_many_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar, "NEAREST", 5)
    board = board_of(*(other(number, shown_lat=42.65 + number / 1_000) for number in range(2, 40)))
    found = similar.nearest(board, matching.matches(board, Wanted(), NOW), LIKE)
    assert sorted(board.hits[row].id.int for row in found.rows.tolist()) == [2, 3, 4, 5, 6]


def likeness(card: SearchCard) -> float:
    """By the letter of the rule, one home at a time."""

    def alike(theirs: int, own: int) -> float:
        return 1 - abs(theirs - own) / max(theirs, own, 1)

    lat, lng = math.radians(card.shown_lat), math.radians(card.shown_lng)
    own_lat, own_lng = math.radians(LIKE.lat), math.radians(LIKE.lng)
    across = math.sin((lat - own_lat) / 2) ** 2
    across += math.cos(lat) * math.cos(own_lat) * math.sin((lng - own_lng) / 2) ** 2
    km = 2 * EARTH_KM * math.asin(math.sqrt(across))
    kind = 0.6 * (card.structure == LIKE.structure) + 0.4 * (card.type == LIKE.type)
    room = (alike(card.guests, LIKE.guests) + alike(card.bedrooms, LIKE.bedrooms)) / 2
    price = max(0.0, 1 - abs(math.log2(card.nightly / LIKE.nightly.amount)))
    less = ranking.stars(LIKE.rating, LIKE.review_count) - ranking.stars(card.rating, card.review_count)
    liked = min(1.0, max(0.0, 1 - less))
    return 0.35 * math.exp(-km / 5) + 0.25 * kind + 0.15 * room + 0.15 * price + 0.10 * liked


@pytest.mark.parametrize("seed", range(10))
def test_all_parts_together_are_what_a_plain_reckoning_makes_of_them(seed: int) -> None:
    chance = random.Random(seed)
    cards = [
        other(
            number,
            shown_lat=42.65 + chance.uniform(-0.2, 0.2),
            shown_lng=-73.75 + chance.uniform(-0.2, 0.2),
            structure=chance.choice(("entire_home", "private_room")),
            type=chance.choice(("loft", "boat")),
            guests=chance.randrange(1, 12),
            bedrooms=chance.randrange(6),
            nightly=chance.randrange(2_000, 40_000),
            rating=chance.choice((None, 3.5, 4.2, 4.9)),
            review_count=chance.randrange(60),
        )
        for number in range(2, 60)
    ]
    scores = {card.id.int: likeness(card) for card in cards}
    found = in_order(board_of(*cards), most=12)
    best = sorted(scores.values(), reverse=True)[:12]
    assert np.allclose([scores[number] for number in found], best, atol=1e-6)
    assert sum(similar.WEIGHTS.values()) == pytest.approx(1.0)
