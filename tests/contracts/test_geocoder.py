"""What every geocoder promises, held against each adapter by facts of the world."""

from __future__ import annotations

import math
from zoneinfo import ZoneInfo

import pytest

from hometrip.adapters.geocoder.gazetteer import GazetteerGeocoder
from hometrip.kernel.errors import Invalid
from hometrip.ports.geocoder import Geocoder, Place

ADAPTERS = [GazetteerGeocoder]


@pytest.fixture(scope="module", params=ADAPTERS, ids=lambda adapter: adapter.__name__)
def geocoder(request: pytest.FixtureRequest) -> Geocoder:
    return request.param()


def short(place: Place) -> tuple[str, str, str]:
    return place.name, place.region, place.country


async def first(geocoder: Geocoder, text: str) -> tuple[str, str, str]:
    return short((await geocoder.search(text, limit=1))[0])


ALBANY = ("Albany", "New York", "US")


async def test_a_place_found_by_its_name_carries_all_its_facts(geocoder):
    [albany] = await geocoder.search("Albany, New York, USA")
    assert short(albany) == ALBANY
    assert (albany.country_name, albany.kind) == ("United States", "city")
    assert (albany.lat, albany.lng) == (pytest.approx(42.65, abs=0.05), pytest.approx(-73.76, abs=0.05))
    assert 90_000 < albany.population < 120_000


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Zürich", "Zürich"),
        ("zurich", "Zürich"),
        ("ZURICH", "Zürich"),
        ("Zu\u0308rich", "Zürich"),
        ("sao paulo", "São Paulo"),
        ("São Paulo", "São Paulo"),
        ("lodz", "Łódź"),
        ("winston salem", "Winston-Salem"),
        ("  reykjavik ", "Reykjavík"),
        ("wien", "Vienna"),
        ("nyc", "New York City"),
    ],
)
async def test_case_accents_and_punctuation_do_not_matter(geocoder, text, name):
    assert (await first(geocoder, text))[0] == name


@pytest.mark.parametrize(
    ("beginning", "name"),
    [
        ("amsterd", "Amsterdam"),
        ("kathm", "Kathmandu"),
        ("new yo", "New York City"),
        ("san franc", "San Francisco"),
    ],
)
async def test_the_beginning_of_a_name_is_enough(geocoder, beginning, name):
    assert (await first(geocoder, beginning))[0] == name


@pytest.mark.parametrize(
    ("typo", "name"),
    [
        ("albnay", "Albany"),  # swapped
        ("pariss", "Paris"),  # one more
        ("pris, france", "Paris"),  # one less
        ("xaris, france", "Paris"),  # another, at the very beginning
        ("barselonna", "Barcelona"),  # two of them
        ("san fransicso", "San Francisco"),
        ("reykjavk", "Reykjavík"),
        ("philadelfia, usa", "Philadelphia"),
    ],
)
async def test_a_slip_or_two_are_forgiven(geocoder, typo, name):
    assert (await first(geocoder, typo))[0] == name


async def test_one_slip_is_not_forgiven_below_four_letters_nor_two_below_eight(geocoder):
    assert "Rio" not in {place.name for place in await geocoder.search("rxo", limit=100)}
    assert "Albany" not in {place.name for place in await geocoder.search("ablnay", limit=100)}


@pytest.mark.parametrize(
    "text",
    [
        "albany, ny",
        "Albany,NY",
        "Albany, New York",
        "albany new york",
        "albany ny",
        "Albany, NY, USA",
        "albany, new yrok",
        "albnay, new york",
    ],
)
async def test_a_region_after_the_name_narrows_the_search(geocoder, text):
    assert {short(place) for place in await geocoder.search(text)} == {ALBANY}


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("paris france", "FR"),
        ("Paris, FR", "FR"),
        ("paris, canada", "CA"),
        ("paris, usa", "US"),
        ("birmingham, uk", "GB"),
        ("birmingham united states", "US"),
    ],
)
async def test_a_country_after_the_name_narrows_the_search(geocoder, text, country):
    found = await geocoder.search(text)
    assert found
    assert {place.country for place in found} == {country}


async def test_a_place_in_an_area_that_does_not_exist_is_not_found(geocoder):
    assert await geocoder.search("paris, qqqqqq") == []


async def test_regions_and_countries_are_places_too(geocoder):
    [tuscany, *_] = await geocoder.search("Tuscany")
    assert (short(tuscany), tuscany.kind) == (("Tuscany", "Tuscany", "IT"), "region")
    [portugal, *_] = await geocoder.search("portugal")
    assert (short(portugal), portugal.kind) == (("Portugal", "", "PT"), "country")


async def test_whole_names_come_first_and_then_the_more_populous(geocoder):
    found = await geocoder.search("birmingham", limit=50)
    whole = [place for place in found if place.name == "Birmingham"]
    assert found[: len(whole)] == whole
    assert [place.country for place in whole[:2]] == ["GB", "US"]
    for group in (whole, found[len(whole) :]):
        assert [place.population for place in group] == sorted((p.population for p in group), reverse=True)


async def test_a_city_stands_before_the_region_that_bears_its_name(geocoder):
    city, region, *_ = await geocoder.search("new york")
    assert (city.name, city.kind) == ("New York City", "city")
    assert (region.name, region.kind) == ("New York", "region")


async def test_no_place_is_listed_twice_and_the_limit_is_kept(geocoder):
    for text in ("s", "san", "santiago", "albnay", "paris, france"):
        found = await geocoder.search(text, limit=100)
        assert len(set(found)) == len(found)
        for limit in (0, 1, 3):
            assert await geocoder.search(text, limit=limit) == found[:limit]
    assert len(await geocoder.search("san")) == 10


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        ",",
        ",,,",
        "\0",
        "\0\0albany\0\0" * 30,
        "x" * 1_000_000,
        "a," * 5_000,
        "albany " * 5_000,
        '"',
        "(qq OR zz) NOT *",
        "NEAR(a b) AND",
        "name:^*\"'; DROP TABLE places; --",
        "%_%",
        "(((((",
        "\\",
        "\ud800",
        "🏝️🏝️",
        "ﷺ" * 200,
    ],
)
async def test_blank_and_hostile_texts_find_nothing_and_hurt_nobody(geocoder, text):
    assert await geocoder.search(text) == []


@pytest.mark.parametrize(
    ("lat", "lng", "city"),
    [
        (42.6526, -73.7562, ALBANY),
        (48.8534, 2.3488, ("Paris", "Île-de-France", "FR")),
        (27.71, 85.32, ("Kathmandu", "Bagmati Province", "NP")),
        (-33.87, 151.21, ("Sydney", "New South Wales", "AU")),
    ],
)
async def test_the_nearest_city_is_found(geocoder, lat, lng, city):
    nearest = await geocoder.nearest(lat, lng)
    assert nearest is not None
    assert short(nearest) == city
    assert nearest.kind == "city"


@pytest.mark.parametrize(("lat", "lng"), [(30, -40), (90, 0), (-90, 0), (0, 180), (0, -180), (23.5, 11.5)])
async def test_far_from_every_city_there_is_no_nearest(geocoder, lat, lng):
    assert await geocoder.nearest(lat, lng) is None


@pytest.mark.parametrize(
    ("lat", "lng", "zone"),
    [
        (42.6526, -73.7562, "America/New_York"),
        (27.7172, 85.3240, "Asia/Kathmandu"),
        (-31.5553, 159.0821, "Australia/Lord_Howe"),
        (30.0, -40.0, "Etc/GMT+3"),  # mid-Atlantic
        (47.5596, 7.5886, "Europe/Zurich"),  # Basel: three countries meet
        (0.0, 75.0, "Etc/GMT-5"),  # Indian Ocean
    ],
)
async def test_a_position_has_its_time_zone(geocoder, lat, lng, zone):
    assert await geocoder.time_zone(lat, lng) == zone


async def test_every_position_has_a_zone_that_python_knows(geocoder):
    for lat in range(-90, 91, 15):
        for lng in range(-180, 181, 15):
            assert ZoneInfo(await geocoder.time_zone(lat, lng))


@pytest.mark.parametrize(
    ("lat", "lng", "field"),
    [
        (90.1, 0, "lat"),
        (-91, 0, "lat"),
        (0, 180.5, "lng"),
        (0, -1e9, "lng"),
        (math.nan, 0, "lat"),
        (0, math.inf, "lng"),
    ],
)
async def test_what_is_no_position_on_earth_is_refused_by_field(geocoder, lat, lng, field):
    for question in (geocoder.nearest, geocoder.time_zone):
        with pytest.raises(Invalid) as refusal:
            await question(lat, lng)
        assert [error["field"] for error in refusal.value.facts["errors"]] == [field]


async def test_a_ready_geocoder_answers(geocoder):
    await geocoder.ready()
    assert await first(geocoder, "albany") == ALBANY
