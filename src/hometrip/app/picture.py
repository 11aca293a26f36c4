"""The job of drawing a home's picture, as a worker of the workshop is sent it.

It stands alone, so that a worker loads no more than it needs, and the house nothing of what draws.
"""

from __future__ import annotations


def picture_of(seed: int, kind: str, structure: str, bedrooms: int, amenities: list[str]) -> bytes:
    from hometrip.app.drawing import draw_home  # in the worker only

    return draw_home(seed, type=kind, structure=structure, bedrooms=bedrooms, amenities=amenities)
