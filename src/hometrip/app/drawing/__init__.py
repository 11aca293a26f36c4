"""Draws a home from what it is: flat pictures for the demo, where no photograph may stand.

The same arguments give the same bytes, on any machine with the same Pillow. Nothing drawn shows a real home.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hometrip.app.drawing.canvas import Canvas
from hometrip.app.drawing.inside import bedroom, kitchen, living_room
from hometrip.app.drawing.outside import Home, outside

SIZE = (1200, 800)
_ROOMS = {"entire_home": (living_room, bedroom, kitchen)}
_ONE_ROOM = (bedroom, kitchen, living_room)


def draw_home(
    seed: int,
    *,
    type: str,  # noqa: A002 - what a listing calls it
    structure: str,
    bedrooms: int,
    amenities: Sequence[str],
    variant: int = 0,
) -> bytes:
    """A JPEG of 1200 by 800. Variant 0 is the outside; 1, 2, 3 … are its rooms, the one that is let first.

    `type`, `structure` and `amenities` are keys of the vocabulary of listings; unknown ones change nothing.
    """
    chance = Random(f"{seed}:{variant}")
    canvas = Canvas(*SIZE)
    if variant == 0:
        outside(canvas, Home(type, bedrooms, frozenset(amenities)), chance)
    else:
        rooms = _ROOMS.get(structure, _ONE_ROOM)
        # The rooms of a home are seen on one day: they share their chance for what is outside.
        rooms[(variant - 1) % len(rooms)](canvas, frozenset(amenities), chance, Random(f"{seed}:day"))
    return canvas.jpeg()
