"""The public list of homes with its simple filters, and the words and places to fill in forms with."""

from __future__ import annotations

import math
from datetime import date
from typing import Any, NamedTuple

import msgspec

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Invalid
from hometrip.kernel.page import Page
from hometrip.kernel.wire import Answer
from hometrip.ports.documents import EVERY, Where, eq, ge, has, one_of, within
from hometrip.ports.geocoder import Place
from hometrip.ports.search import Circle
from hometrip.services.listing import store
from hometrip.services.listing.actions.comparing import Prices, compared
from hometrip.services.listing.actions.deps import Deps, shown_again
from hometrip.services.listing.actions.instant import with_first_bookings
from hometrip.services.listing.actions.quoting import offers
from hometrip.services.listing.rules import texts, vocabulary
from hometrip.services.listing.rules.home import Home
from hometrip.services.listing.rules.shown import Listing

SORTS = {"newest": "-created_at", "price": store.PRICE, "-price": f"-{store.PRICE}", "rating": "-rating"}
# So many pages are looked through for homes that are near and free; the cursor leads on from there.
_PAGES_LOOKED_THROUGH = 5
_RADIUS_KM = 25.0


class Filters(NamedTuple):
    """What the homes must have; None means anything. Prices are a night's base price, in minor units of
    `currency`, else of the currency that most of the homes have.

    `bbox` is south, west, north, east; `near` latitude and longitude, with `radius_km` around it. Both are of
    the place that is shown: no box, however small, tells the real one.
    """

    city: str | None = None
    country: str | None = None
    min_price: int | None = None
    max_price: int | None = None
    guests: int | None = None
    structure: str | None = None
    type: str | None = None
    amenities: str | None = None
    min_rating: float | None = None
    check_in: date | None = None
    check_out: date | None = None
    bbox: str | None = None
    near: str | None = None
    radius_km: float | None = None
    currency: str | None = None


class Homes(Page[Listing], frozen=True):
    """`currency` is the one in which prices were compared, where they were. So many homes are `uncompared`,
    and left out by a limit: there is no rate for their currency. Of a circle both are told of the box around
    it."""

    currency: str | None = None
    uncompared: int | None = None


async def browse(
    deps: Deps, caller: Caller, filters: Filters, sort: str, limit: int, cursor: str | None
) -> Homes:
    """Published homes. With dates only those that can be booked then."""
    if sort not in SORTS:
        raise Invalid.field("sort", "unknown_sort", f"must be one of {', '.join(SORTS)}")
    if (filters.check_in is None) != (filters.check_out is None):
        raise Invalid.field("check_out", "missing", "check_in and check_out belong together")
    circle = _circle(filters.near, filters.radius_km)
    where = _where(filters, circle)
    pages, items = await compared(deps, where, _prices(filters, sort), cursor), list[Listing]()
    for _ in range(_PAGES_LOOKED_THROUGH):
        page = await pages.after(cursor, SORTS[sort], limit - len(items))
        homes = await _free(deps, filters, [home for home in page.items if _is_in(circle, home)])
        shown = [shown_again(deps, home, exact=caller.one_of(*home.hosts)) for home in homes]
        items += await with_first_bookings(deps, homes, shown)
        cursor = page.next_cursor
        if cursor is None or len(items) >= limit:
            break
    currency = pages.measure.currency if pages.measure else None
    return Homes(items, cursor, currency, pages.uncompared or None)


def _prices(filters: Filters, sort: str) -> Prices:
    return Prices(filters.min_price, filters.max_price, filters.currency, SORTS[sort].endswith(store.PRICE))


def _is_in(circle: Circle | None, home: Home) -> bool:
    """By the place that is shown: only those of the box around the circle are asked about."""
    return circle is None or (home.seen is not None and circle.holds(home.seen.lat, home.seen.lng))


async def _free(deps: Deps, filters: Filters, homes: list[Home]) -> list[Home]:
    """With dates those that can be booked then."""
    if not (filters.check_in and filters.check_out):
        return homes
    dates = (filters.check_in, filters.check_out, filters.guests or 1, 0)
    free = {offer.listing_id for offer in await offers(deps, [home.id for home in homes], *dates)}
    return [home for home in homes if home.id in free]


def _where(filters: Filters, circle: Circle | None) -> Where:
    wanted: list[tuple[Any, str, Any]] = [
        (eq, "city_key", texts.folded(filters.city) if filters.city else None),
        (eq, "address.country", filters.country.upper() if filters.country else None),
        (ge, "guests", filters.guests),
        (one_of, "structure", filters.structure.split(",") if filters.structure else None),
        (one_of, "type", filters.type.split(",") if filters.type else None),
        (ge, "rating", None if filters.min_rating is None else math.ceil(filters.min_rating * 100)),
    ]
    where = EVERY
    for compare, field, value in wanted:
        if value is not None:
            where = where & compare(field, value)
    for key in filters.amenities.split(",") if filters.amenities else []:
        where = where & has("amenities", key.strip())
    for box in (_box(filters.bbox), msgspec.structs.astuple(circle.box()) if circle else None):
        if box:
            where = where & within("seen", *box)
    return where


Box = tuple[float, float, float, float]


def _box(text: str | None) -> Box | None:
    if text is None:
        return None
    south, west, north, east = _numbers("bbox", text, 4)
    return south, west, north, east


def _circle(near: str | None, radius_km: float | None) -> Circle | None:
    if near is None:
        return None
    lat, lng = _numbers("near", near, 2)
    circle = Circle(lat, lng, _RADIUS_KM if radius_km is None else radius_km)
    if not circle.on_earth:
        raise Invalid.field("near", "bad_point", "must be latitude,longitude in degrees")
    return circle


def _numbers(field: str, text: str, count: int) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise Invalid.field(field, "not_numbers", f"must be {count} numbers with commas between them")
    return numbers


class Word(Answer):
    key: str
    label: str


class Group(Answer):
    key: str
    label: str
    items: list[Word]


class AmenityWords(Answer):
    groups: list[Group]


class StructureWords(Answer):
    structures: list[Word]
    types: list[Word]


class Places(Answer):
    items: list[Place]


def amenity_words(lang: str) -> AmenityWords:
    return AmenityWords(
        groups=[
            Group(key=group, label=vocabulary.label(group, lang), items=[_word(key, lang) for key in keys])
            for group, keys in vocabulary.AMENITY_GROUPS.items()
        ]
    )


def structure_words(lang: str) -> StructureWords:
    types = sorted((_word(key, lang) for key in vocabulary.TYPE_KEYS), key=lambda word: word.label)
    return StructureWords(structures=[_word(key, lang) for key in vocabulary.STRUCTURE_KEYS], types=types)


def _word(key: str, lang: str) -> Word:
    return Word(key=key, label=vocabulary.label(key, lang))


async def places(deps: Deps, words: str) -> Places:
    return Places(items=await deps.geocoder.search(words, limit=deps.settings.places_limit))
