"""The homes: one record from a row of listings, whichever of the layouts since 2015 it has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date

import msgspec

from hometrip.kernel.countries import COUNTRIES
from hometrip.services.listing.contract import LONGEST_STAY
from hometrip.services.listing.rules import vocabulary
from hometrip.services.listing.rules.insideairbnb import cells
from hometrip.services.listing.rules.insideairbnb.rows import Row, RowRefused, Table

_NEEDED = ("id", "latitude", "longitude", "room_type")
_STRUCTURES = {
    "entire home/apt": "entire_home",
    "entire home/apartment": "entire_home",
    "private room": "private_room",
    "shared room": "shared_room",
    "hotel room": "hotel_room",
}
_STAR = re.compile(r"★\s*([0-9.,]+|new)", re.IGNORECASE)
_COUNTED = re.compile(r"([0-9]+) (bedroom|bed)s?|(studio)", re.IGNORECASE)
_BATHS = re.compile(r"[0-9.]+ .*\bbaths?|.*half-bath", re.IGNORECASE)
_PLACE = re.compile(r".+? in (.+)")


class SourceHome(msgspec.Struct, frozen=True, kw_only=True):
    """A home in our words. Texts are plain; `rating` is in hundredths, 100 to 500; `bathrooms` counts halves.

    `price_minor` is one night's, in minor units of `currency`; either is None where nothing tells it.
    `amenities` are keys of the vocabulary, sorted; `amenities_unknown` counts those that have no key there.
    """

    source_id: str
    host_source_id: str | None
    host_name: str
    host_is_superhost: bool
    title: str
    description: str
    surroundings: str
    neighbourhood: str | None
    city: str | None
    country: str | None
    lat: float
    lng: float
    structure: str
    type: str
    guests: int
    bedrooms: int
    beds: int
    bathrooms: float | None
    bathroom_shared: bool
    amenities: list[str]
    amenities_unknown: int
    price_minor: int | None
    currency: str | None
    minimum_nights: int
    maximum_nights: int
    instant_bookable: bool
    rating: int | None
    review_count: int
    license: str | None
    picture_url: str | None
    seen_on: date | None


def read_homes(lines: Iterable[str], currency: str | None = None) -> Iterator[SourceHome | RowRefused]:
    """One record or refusal for each row. Raises `ColumnsMissing` at once.

    The publication writes "$" before the prices of most towns, whatever their money is: give the `currency`
    where it is known. Otherwise the sign tells it, else the country of the row.
    """
    return _homes(Table(lines, _NEEDED), currency)


def _homes(table: Table, currency: str | None) -> Iterator[SourceHome | RowRefused]:
    for found in table.rows():
        if isinstance(found, RowRefused):
            yield found
            continue
        line, row = found
        reason = _why_not(row)
        yield RowRefused(line, cells.identifier(row["id"]), reason) if reason else _home(row, currency)


def _why_not(row: Row) -> str | None:
    """The reason in words why a row is no home, or None."""
    if cells.identifier(row["id"]) is None:
        return "no id"
    lat, lng = cells.number(row["latitude"]), cells.number(row["longitude"])
    if lat is None or lng is None:
        return "no coordinates"
    if abs(lat) > 90 or abs(lng) > 180 or lat == lng == 0:
        return f"no place on earth is at {lat}, {lng}"
    if row["room_type"].strip().lower() not in _STRUCTURES:
        return f"unknown room type “{row['room_type'].strip()[:40]}”"
    if _guests(row) is None:
        return "no number of guests, and no beds or bedrooms to tell it from"
    return None


def _home(row: Row, currency: str | None) -> SourceHome:
    """A row that `_why_not` has nothing against."""
    guests, bedrooms = _guests(row) or 1, _bedrooms(row)
    bathrooms, shared = _bathrooms(row)
    keys, unknown = _amenities(row.get("amenities", ""))
    price, paid_in = _price(row.get("price", ""), currency, _country(row))
    least, most = (cells.whole(row.get(f"{which}_nights", ""), 1) for which in ("minimum", "maximum"))
    return SourceHome(
        source_id=row["id"].strip(),
        host_source_id=cells.identifier(row.get("host_id", "")),
        host_name=cells.line_of(row.get("host_name", ""))[:80],
        host_is_superhost=bool(cells.yes(row.get("host_is_superhost", ""))),
        title=_title(row, _neighbourhood(row)),
        description=cells.text_of(row.get("description", "") or row.get("summary", "")),
        surroundings=cells.text_of(row.get("neighborhood_overview", "")),
        neighbourhood=_neighbourhood(row),
        city=_city(row),
        country=_country(row),
        lat=cells.number(row["latitude"]) or 0.0,
        lng=cells.number(row["longitude"]) or 0.0,
        structure=_STRUCTURES[row["room_type"].strip().lower()],
        type=vocabulary.type_from_source(row.get("property_type", "")),
        guests=guests,
        bedrooms=bedrooms,
        beds=_beds(row) or max(1, bedrooms, (guests + 1) // 2),
        bathrooms=bathrooms,
        bathroom_shared=shared,
        amenities=keys,
        amenities_unknown=unknown,
        price_minor=price,
        currency=paid_in,
        minimum_nights=least or 1,
        maximum_nights=max(least or 1, most or LONGEST_STAY),
        instant_bookable=bool(cells.yes(row.get("instant_bookable", ""))),
        rating=_rating(row.get("review_scores_rating", "")),
        review_count=cells.whole(row.get("number_of_reviews", "")) or 0,
        license=cells.line_of(row.get("license", ""))[:120] or None,
        picture_url=_link(row.get("picture_url", "")),
        seen_on=cells.day(row.get("last_scraped", "").strip()),
    )


def _name_parts(row: Row) -> list[str]:
    """`Home in Albany · ★4.77 · 1 bedroom · 2 beds · 1 bath` in its parts; an empty list for a title."""
    parts = [part.strip() for part in cells.line_of(row.get("name", "")).split("·")]
    told = any(
        _STAR.fullmatch(part) or _COUNTED.fullmatch(part) or _BATHS.fullmatch(part) for part in parts[1:]
    )
    return parts if told else []


def _title(row: Row, neighbourhood: str | None) -> str:
    """The host's title; else what the generated name says, with the neighbourhood: never the star."""
    parts = _name_parts(row)
    if not parts:
        title = cells.line_of(row.get("name", ""))[:120].strip()
        kind = vocabulary.TYPES["en"][vocabulary.type_from_source(row.get("property_type", ""))]
        return title or (f"{kind} in {neighbourhood}" if neighbourhood else kind)
    head = ", ".join(part for part in (parts[0], neighbourhood) if part)
    rooms = [part for part in parts[1:] if part and not _STAR.fullmatch(part) and part.lower() != "new"]
    return " · ".join([head, *rooms])[:120].strip()


def _counted(row: Row, what: str) -> int | None:
    for part in _name_parts(row):
        found = _COUNTED.fullmatch(part)
        if found and found[2] and found[2].lower() == what:
            return cells.whole(found[1], 0, 100)
        if found and found[3] and what == "bedroom":
            return 0
    return None


def _bedrooms(row: Row) -> int:
    known = cells.whole(row.get("bedrooms", ""), 0, 100)
    told = known if known is not None else _counted(row, "bedroom")
    return told if told is not None else 1


def _beds(row: Row) -> int | None:
    """At least one, or None: the publication writes 0 where nobody counted."""
    return cells.whole(row.get("beds", ""), 1, 200) or _counted(row, "bed") or None


def _guests(row: Row) -> int | None:
    told = row.get("accommodates", "").strip()
    if told:
        return cells.whole(told, 1, 100)
    return _beds(row) or cells.whole(row.get("bedrooms", ""), 1, 100)


def _bathrooms(row: Row) -> tuple[float | None, bool]:
    """How many, and whether others use them: "1.5 shared baths", "Half-bath", "Private half-bath"."""
    words = row.get("bathrooms_text", "").lower()
    if not words:
        words = next((part.lower() for part in _name_parts(row) if _BATHS.fullmatch(part)), "")
    count = cells.number(row.get("bathrooms", ""))
    if count is None:
        count = 0.5 if "half-bath" in words else cells.number(words.split(" ")[0])
    usable = count is not None and 0 <= count <= 100 and count * 2 == int(count * 2)
    return (count if usable else None), "shared" in words


def _amenities(cell: str) -> tuple[list[str], int]:
    """Keys of the vocabulary, and how many names have none. A JSON list; before 2020 `{TV,"Hot tub"}`."""
    named = [cells.line_of(name) for name in _list(cell)[:500]]
    keys = [vocabulary.amenity_from_source(name) for name in named if name]
    return sorted({key for key in keys if key}), keys.count(None)


def _list(cell: str) -> list[str]:
    cell = cell.strip()
    if cell.startswith("{") and cell.endswith("}"):
        return [name.strip().strip('"') for name in re.findall(r'"[^"]*"|[^,]+', cell[1:-1])]
    try:
        read = msgspec.json.decode(cell)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return []
    return [name for name in read if isinstance(name, str)] if isinstance(read, list) else []


def _price(cell: str, currency: str | None, country: str | None) -> tuple[int | None, str | None]:
    paid_in = currency or cells.currency_of(cell, country)
    amount = cells.price(cell, paid_in) if paid_in else None
    return amount or None, paid_in


def _rating(cell: str) -> int | None:
    """Hundredths of 1 to 5; the layouts before 2021 count to 100."""
    read = cells.number(cell)
    if read is None or not 1 <= read <= 100:
        return None
    return int(read * 100 + 0.5) if read <= 5 else max(100, int(read * 5 + 0.5))


def _neighbourhood(row: Row) -> str | None:
    name = cells.line_of(row.get("neighbourhood_cleansed", ""))[:80]
    return (name.title() if name.isupper() else name) or None


def _city(row: Row) -> str | None:
    told = cells.line_of(row.get("city", ""))[:80]
    place = _PLACE.fullmatch(_name_parts(row)[0]) if _name_parts(row) else None
    return told or (place[1][:80] if place else None)


def _country(row: Row) -> str | None:
    code = row.get("country_code", "").strip().upper()
    return code if code in COUNTRIES else None


def _link(cell: str) -> str | None:
    cell = cell.strip()
    return cell if re.fullmatch(r"https?://[!-~]{3,500}", cell) else None
