"""The vocabulary of homes: every key has its words, and the words of a real town have their keys."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

import hometrip.app
from hometrip.services.listing.rules import vocabulary

DEMO = Path(hometrip.app.__file__).parent / "demo"


@pytest.mark.parametrize("language", ["en", "fr", "es", "de"])
def test_every_language_has_a_label_for_every_key_and_no_other(language):
    assert set(vocabulary.AMENITIES[language]) == vocabulary.AMENITY_KEYS
    assert set(vocabulary.TYPES[language]) == vocabulary.TYPE_KEYS
    assert set(vocabulary.STRUCTURES[language]) == set(vocabulary.STRUCTURE_KEYS)
    assert set(vocabulary.GROUPS[language]) == set(vocabulary.AMENITY_GROUPS)
    labels = list(vocabulary.AMENITIES[language].values())
    assert len(set(labels)) == len(labels), "two amenities with one label"


def test_a_key_is_in_one_group_and_can_be_found_from_some_words():
    keys = [key for group in vocabulary.AMENITY_GROUPS.values() for key in group]
    assert len(keys) == len(set(keys)) >= 80
    english = vocabulary.AMENITIES["en"]
    assert vocabulary.amenity_from_source(english["wifi"]) == "wifi"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Wifi", "wifi"),
        ("Fast wifi – 120 Mbps", "wifi"),
        ("TV with standard cable", "tv"),
        ('32" HDTV', "tv"),
        ("55 inch HDTV with Roku", "tv"),
        ("Free street parking", "free_street_parking"),
        ("Free driveway parking on premises – 2 spaces", "free_parking"),
        ("Paid parking lot off premises", "paid_parking"),
        ("Hair dryer", "hair_dryer"),
        ("Dryer –\xa0In unit", "dryer"),
        ("Dishwasher", "dishwasher"),
        ("Washer –\xa0In building", "washer"),
        ("Pool table", "pool_table"),
        ("Pool view", "garden_view"),
        ("Shared pool - available seasonally", "pool"),
        ("Hot water kettle", "hot_water_kettle"),
        ("Hot water", "hot_water"),
        ("Air conditioning", "air_conditioning"),
        ("Suave  conditioner", "conditioner"),
        ("Pack ’n play/Travel crib", "travel_crib"),
        ("Children’s dinnerware", "child_dinnerware"),
        ("Airport shuttle", None),
        ("", None),
    ],
)
def test_what_other_sites_call_an_amenity_becomes_our_key(text, key):
    assert vocabulary.amenity_from_source(text) == key


def test_at_least_95_of_100_mentions_in_the_demo_are_known():
    with gzip.open(DEMO / "listings.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        named = [name for row in csv.DictReader(lines) for name in json.loads(row["amenities"])]
    known = sum(vocabulary.amenity_from_source(name) is not None for name in named)
    assert len(named) > 15_000
    assert known / len(named) >= 0.95


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Entire rental unit", "rental_unit"),
        ("Private room in guest suite", "guest_suite"),
        ("Room in hotel", "hotel"),
        ("Entire home", "house"),
        ("Apartment", "rental_unit"),
        ("Tiny house", "tiny_home"),
        ("Submarine", "other"),
        ("", "other"),
    ],
)
def test_what_other_sites_call_a_building_becomes_a_type(text, key):
    assert vocabulary.type_from_source(text) == key


def test_a_label_falls_back_to_english_and_then_to_the_key():
    assert vocabulary.label("pool", "fr-CA") == "Piscine"
    assert vocabulary.label("entire_home", "de") == "Ganze Unterkunft"
    assert vocabulary.label("pool", "ja") == "Pool"
    assert vocabulary.label("moat", "fr") == "moat"
