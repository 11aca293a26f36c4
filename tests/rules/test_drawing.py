"""The drawer of homes: the same bytes each time, another picture for another home."""

from __future__ import annotations

import io
import time
from functools import cache
from typing import Any

import pytest
from PIL import Image

from hometrip.app.drawing import draw_home
from hometrip.services.listing.rules import vocabulary


def draw(seed: int = 7, **changed: Any) -> bytes:
    asked = {"type": "house", "structure": "entire_home", "bedrooms": 2, "amenities": ["wifi"], "variant": 0}
    return draw_home(seed, **(asked | changed))


# The same picture for tests that look at it, and at each one once: it takes 70 ms.
drawn = cache(draw)


def pixels(picture: bytes) -> Image.Image:
    with Image.open(io.BytesIO(picture)) as opened:
        return opened.convert("RGB")


@pytest.mark.parametrize("variant", [0, 1, 2, 3])
def test_the_same_home_is_the_same_picture_to_the_byte(variant):
    assert draw(variant=variant) == draw(variant=variant)


def test_homes_look_different():
    assert len({drawn(seed) for seed in range(12)}) == 12
    assert len({drawn(variant=variant) for variant in range(4)}) == 4


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.full)])
@pytest.mark.parametrize("kind", sorted(vocabulary.TYPE_KEYS))
def test_every_type_of_home_has_a_picture(kind, seed):
    picture = pixels(drawn(seed, type=kind, bedrooms=seed * 2))
    assert picture.size == (1200, 800)
    assert len(picture.resize((120, 80)).getcolors(9_600) or []) > 300, "more than a plain surface"


@pytest.mark.parametrize("structure", vocabulary.STRUCTURE_KEYS)
@pytest.mark.parametrize("variant", [1, 2, 3, 4])
def test_every_room_has_a_picture(structure, variant):
    assert pixels(drawn(structure=structure, variant=variant)).size == (1200, 800)


def test_what_a_home_has_is_seen():
    summer = [seed for seed in range(12) if drawn(seed) != drawn(seed, amenities=("pool",))]
    assert len(summer) >= 5, "a pool is drawn wherever it is not winter"
    assert drawn(variant=1) != drawn(variant=1, amenities=("fireplace",))
    assert drawn(bedrooms=1) != drawn(bedrooms=4)


@pytest.mark.parametrize("bedrooms", [-1, 0, 40])
def test_odd_numbers_of_bedrooms_and_unknown_words_are_drawn_too(bedrooms):
    picture = draw(type="submarine", structure="attic", bedrooms=bedrooms, amenities=["moat"])
    assert pixels(picture).size == (1200, 800)


def test_a_picture_is_a_small_file_and_quickly_drawn():
    began = time.process_time()
    pictures = [draw(seed, type="rental_unit", variant=seed % 4) for seed in range(10)]
    assert (time.process_time() - began) / 10 < 0.3, "seconds a picture; 0.07 measured"
    assert max(map(len, pictures)) < 250_000
