"""The geocoder port: from the name of a place to its position, from a position to its city and time zone."""

from __future__ import annotations

import math
from typing import Literal, Protocol

import msgspec

from hometrip.kernel.errors import Invalid

Kind = Literal["city", "region", "country"]


class Place(msgspec.Struct, frozen=True):
    """A city, a first-level division of a country ("region"), or a country.

    `country` is the ISO 3166-1 alpha-2 code ("XK" for Kosovo, which has none). `region` is the name of the
    first-level division, "" where none is known; a region bears its own name there, a country "". The
    position is in degrees (WGS 84); that of a region or country is its largest city's. The population of a
    region is that of its known cities; 0 is unknown.
    """

    name: str
    region: str
    country: str
    country_name: str
    lat: float
    lng: float
    population: int
    kind: Kind


class Geocoder(Protocol):
    """Finds places by name and by position.

    - No text is an error: what is blank, endless or not understood finds an empty list.
    - A position outside latitude −90…90 or longitude −180…180, or not a number, raises `Invalid`, which names
      the field.
    - Answers are values; a second question with the same arguments has the same answer.
    """

    async def search(self, text: str, *, limit: int = 10) -> list[Place]:
        """At most `limit` places whose name is, begins with, or nearly is `text`; none twice.

        - Letter case, accents and punctuation do not matter: "sao paulo" finds São Paulo.
        - One slip (a letter more, less, other, or two swapped) is forgiven from 4 letters on, two from 8 on.
        - What follows a comma, or the last words, may name the region or country, or its code: "albany, ny",
          "Albany, New York", "paris france".
        - Closest first: the whole name, then the beginning of one, then the whole name but for slips, then
          the beginning but for slips; among equals the more populous first. A region stands behind its
          largest city if they bear the same name.
        - Where a name fits whole, no slip is looked for.
        """
        ...

    async def nearest(self, lat: float, lng: float) -> Place | None:
        """The nearest city within 50 km, or None."""
        ...

    async def time_zone(self, lat: float, lng: float) -> str:
        """The IANA time zone of the position ("America/New_York"); at sea the nautical one ("Etc/GMT+3")."""
        ...

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""


def check_position(lat: float, lng: float) -> None:
    """Raises `Invalid` for what is no position on Earth; every adapter asks this first."""
    for name, value, bound in (("lat", lat, 90), ("lng", lng, 180)):
        if not (math.isfinite(value) and -bound <= value <= bound):
            raise Invalid.field(name, "out_of_range", f"must be between -{bound} and {bound} degrees")
