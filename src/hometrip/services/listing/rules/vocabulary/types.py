"""What kinds of buildings there are, and how the words of other sites become one of them."""

from __future__ import annotations

import re

# The key of each type, and the other words that sources have for it.
_TYPES: dict[str, tuple[str, ...]] = {
    "house": ("home", "house", "residential_home"),
    "rental_unit": ("rental_unit", "apartment", "flat"),
    "townhouse": (),
    "condo": ("condominium",),
    "loft": (),
    "serviced_apartment": (),
    "guest_suite": ("in-law",),
    "guesthouse": (),
    "vacation_home": (),
    "bungalow": (),
    "cottage": (),
    "cabin": (),
    "chalet": (),
    "villa": (),
    "tiny_home": ("tiny_house",),
    "farm_stay": ("ranch", "barn"),
    "bed_and_breakfast": ("minsu", "casa_particular", "nature_lodge"),
    "hotel": ("boutique_hotel", "resort"),
    "aparthotel": (),
    "hostel": ("dorm",),
    "dome": ("dome_house",),
    "treehouse": (),
    "houseboat": ("boat",),
    "camper": ("camper/rv", "bus"),
    "tent": ("tipi", "yurt", "campsite", "hut"),
    "castle": ("tower", "lighthouse"),
    "other": ("place",),
}
TYPE_KEYS: frozenset[str] = frozenset(_TYPES)
STRUCTURE_KEYS: tuple[str, ...] = ("entire_home", "private_room", "shared_room", "hotel_room")
_BY_WORD = {word: key for key, words in _TYPES.items() for word in (key, *words)}
_WHAT_OF_IT = re.compile(r"^(entire|(private |shared )?room in)\s+")


def type_from_source(text: str) -> str:
    """The key of “Entire rental unit”, “Private room in guest suite” or “Apartment”; `other` if unknown."""
    words = _WHAT_OF_IT.sub("", " ".join(text[:80].lower().split()))
    return _BY_WORD.get(words.replace(" ", "_"), "other")
