"""The order of what was found: the parts of a score, and what is equal."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hometrip.kernel.clock import DAY
from hometrip.services.listing.contract import SearchCard
from hometrip.services.search.rules import ranking
from rules.search_card import LOFT, NOW

CARD = msgspec.structs.replace(
    LOFT,
    description="A loft. " * 30,
    neighbourhood="Center Square",
    amenities="wifi kitchen tv heating parking washer dryer pool".split(),
    guests=2,
    bedrooms=1,
    beds=1,
    review_count=0,
    rating=None,
    cover="/cover.webp",
)


def changed(**parts: object) -> SearchCard:
    return msgspec.structs.replace(CARD, **parts)


def test_a_few_enthusiasts_do_not_outweigh_many_content_guests() -> None:
    assert ranking.stars(5.0, 1) < ranking.stars(4.9, 200)
    assert ranking.stars(1.0, 1) > ranking.stars(3.0, 100)
    assert ranking.stars(None, 0) == ranking.USUAL_RATING


@given(st.floats(1, 5), st.integers(1, 10_000))
def test_the_more_reviews_the_nearer_to_the_real_rating(rating: float, reviews: int) -> None:
    fewer, more = ranking.stars(rating, reviews), ranking.stars(rating, reviews + 1)
    assert abs(more - rating) <= abs(fewer - rating) + 1e-9
    assert min(rating, ranking.USUAL_RATING) - 1e-9 <= fewer <= max(rating, ranking.USUAL_RATING) + 1e-9


@pytest.mark.parametrize(
    "less",
    [
        {"cover": None},
        {"description": "A loft."},
        {"amenities": ["wifi"]},
        {"neighbourhood": ""},
        {"beds": 0},
        {"rating": 3.5, "review_count": 50},
    ],
)
def test_what_is_missing_or_worse_lowers_the_quality(less: dict[str, object]) -> None:
    assert 0 <= ranking.quality(changed(**less)) < ranking.quality(CARD) <= 1


def test_the_price_is_judged_beside_similar_homes() -> None:
    peers = ranking.Peers()
    for row, nightly in enumerate((8_000, 10_000, 16_000)):
        peers.put(row, changed(nightly=nightly))
    peers.put(3, changed(nightly=90_000, bedrooms=4))
    assert peers.cheapness(np.array([0, 3])).tolist() == [1 - 8 / 20, 0.5]
    peers.put(0, changed(nightly=20_000))
    assert peers.cheapness(np.array([1])).tolist() == [1 - 10 / 32]
    peers.drop(2)
    assert peers.cheapness(np.array([1])).tolist() == [1 - 10 / 30]
    cheap = ranking.cheapness(np.array([0, 10_000, 20_000, 90_000]), 10_000.0)
    assert cheap.tolist() == [1.0, 0.5, 0.0, 0.0]


def test_many_kinds_of_homes_keep_their_prices() -> None:
    peers = ranking.Peers()
    for row in range(300):
        peers.put(row, changed(city=f"city {row % 150}", nightly=1_000 + row // 150))
    assert peers.cheapness(np.array([7, 299])).tolist() == [1 - 1_000 / 2_001, 1 - 1_001 / 2_001]


def test_new_homes_are_fresh_for_thirty_days() -> None:
    made = np.array([(NOW - days * DAY).timestamp() for days in (0, 15, 30, 400)])
    assert ranking.freshness(made, NOW.timestamp()).tolist() == [1.0, 0.5, 0.0, 0.0]


def test_what_is_nearer_scores_higher() -> None:
    km = ranking.kilometres(np.array([ranking.point(0.0, lng) for lng in (0.0, 1.0, 179.9)]), 0.0, 0.0)
    assert km.round().tolist() == [0, 111, 20_004]
    near = ranking.nearness(km, 100.0)
    assert near[0] == 1
    assert near[0] > near[1] > near[2] >= 0


def test_better_words_outweigh_all_else() -> None:
    parts = ranking.Parts(
        text=np.array([1.0, 0.0]),
        quality=np.array([0.6, 1.0]),
        price=np.array([0.5, 1.0]),
        distance=np.zeros(2),
        freshness=np.array([0.0, 1.0]),
    )
    assert parts.score[0] > parts.score[1]
    assert sum(ranking.WEIGHTS.values()) == pytest.approx(1)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 3)), max_size=60),
    st.integers(0, 70),
)
def test_the_first_few_are_the_first_of_all_in_order(keys: list[tuple[int, int, int]], most: int) -> None:
    columns = np.array(keys, np.uint64).reshape(-1, 3)
    places = ranking.first(columns[:, 0].astype(np.float64), columns[:, 1], columns[:, 2], most)
    assert [keys[place] for place in places] == sorted(keys)[:most]
