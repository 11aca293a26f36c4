"""The words for homes: amenities, structures and types, with labels in four languages.

A key is stable and goes through the interfaces; a label is for people and may change.
"""

from hometrip.services.listing.rules.vocabulary import english, french, german, spanish
from hometrip.services.listing.rules.vocabulary.amenities import AMENITIES as AMENITY_KEYS
from hometrip.services.listing.rules.vocabulary.amenities import GROUPS as AMENITY_GROUPS
from hometrip.services.listing.rules.vocabulary.amenities import amenity_from_source
from hometrip.services.listing.rules.vocabulary.types import STRUCTURE_KEYS, TYPE_KEYS, type_from_source

_LANGUAGES = {"en": english, "fr": french, "es": spanish, "de": german}
GROUPS: dict[str, dict[str, str]] = {code: words.GROUPS for code, words in _LANGUAGES.items()}
AMENITIES: dict[str, dict[str, str]] = {code: words.AMENITIES for code, words in _LANGUAGES.items()}
STRUCTURES: dict[str, dict[str, str]] = {code: words.STRUCTURES for code, words in _LANGUAGES.items()}
TYPES: dict[str, dict[str, str]] = {code: words.TYPES for code, words in _LANGUAGES.items()}

__all__ = [
    "AMENITIES",
    "AMENITY_GROUPS",
    "AMENITY_KEYS",
    "GROUPS",
    "STRUCTURES",
    "STRUCTURE_KEYS",
    "TYPES",
    "TYPE_KEYS",
    "amenity_from_source",
    "label",
    "type_from_source",
]


def label(key: str, locale: str) -> str:
    """The label of any key in the language of `locale` ("fr", "fr-CA"), else in English, else the key."""
    spoken = locale.replace("_", "-").split("-")[0].lower()
    for code in (spoken, "en"):
        for labels in (AMENITIES, TYPES, STRUCTURES, GROUPS):
            if key in labels.get(code, {}):
                return labels[code][key]
    return key
