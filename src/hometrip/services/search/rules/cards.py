"""A home as the index knows it, as a hit shows it, and a search as a question to the index."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, NamedTuple

import msgspec

from hometrip.kernel.money import Money
from hometrip.kernel.stay import Stay
from hometrip.ports.search import Question, Schema
from hometrip.services.listing.contract import Offer, SearchCard
from hometrip.services.search.contract import Explained, Hit, Location
from hometrip.services.search.rules.asked import Wanted, folded

HUNDREDTHS = 100  # ratings and bathrooms are whole numbers of these

HOMES = Schema(
    name="homes",
    text={"title": 3.0, "place": 2.0, "about": 1.0},
    keywords=("city", "country", "structure", "type", "amenities", "currency"),
    numbers=("guests", "bedrooms", "beds", "bathrooms", "nightly", "rating", "instant_book", "pets"),
    place=("lat", "lng"),
)


# A bit for each demand on guests: the badges, one for all that nobody here knows of, and the last where
# nobody books at once.
_BADGES = {"email": 1, "phone": 2, "id_document": 4, "selfie": 8}
_ANY_OTHER, _NOBODY = 64, 128


def demanded(card: SearchCard) -> int:
    """What a guest must meet to book at once."""
    bits = {_BADGES.get(badge, _ANY_OTHER) for badge in card.demands or ()}
    return sum(bits) if card.instant_book else _NOBODY


def unmet(badges: Collection[str]) -> int:
    """What a guest with these does not meet, of all that can be demanded."""
    return sum(bit for badge, bit in _BADGES.items() if badge not in badges) + _ANY_OTHER + _NOBODY


def record_of(card: SearchCard) -> dict[str, Any]:
    """What the index gets: nothing of where the home really stands."""
    return {
        "id": str(card.id),
        "title": card.title,
        "place": " ".join((card.city, card.region, card.country, card.neighbourhood)),
        "about": " ".join((card.description, card.type, card.structure, *card.amenities)),
        "city": folded(card.city),
        "country": folded(card.country),
        "structure": card.structure,
        "type": card.type,
        "amenities": card.amenities,
        "currency": card.currency,
        "guests": card.guests,
        "bedrooms": card.bedrooms,
        "beds": card.beds,
        "bathrooms": hundredths(card.bathrooms),
        "nightly": card.nightly,
        "rating": None if card.rating is None else hundredths(card.rating),
        "instant_book": int(card.instant_book),
        "pets": int(card.pets),
        "lat": card.shown_lat,
        "lng": card.shown_lng,
    }


def question_of(wanted: Wanted) -> Question:
    """All of the search but its dates, which the index knows nothing of."""
    terms = {
        "city": [wanted.city] if wanted.city else [],
        "country": [wanted.country] if wanted.country else [],
        "structure": wanted.structures,
        "type": wanted.types,
    }
    least = {
        "guests": wanted.guests,
        "bedrooms": wanted.bedrooms,
        "beds": wanted.beds,
        "bathrooms": least_hundredths(wanted.bathrooms),
        "rating": least_hundredths(wanted.min_rating),
        "instant_book": int(wanted.instant),
        "pets": wanted.pets,
    }
    ranges: dict[str, tuple[int | None, int | None]] = {
        name: (number, None) for name, number in least.items() if number
    }
    own = wanted.stay is None and wanted.currency is None  # the index knows prices of a night as they are set
    if own and (wanted.min_price, wanted.max_price) != (None, None):
        ranges["nightly"] = (wanted.min_price, wanted.max_price)
    return Question(
        words=wanted.words,
        terms={name: values for name, values in terms.items() if values},
        all_terms={"amenities": wanted.amenities} if wanted.amenities else {},
        ranges=ranges,
        box=wanted.box,
        circle=wanted.circle,
    )


def hit_of(card: SearchCard) -> Hit:
    """The part of a hit that is the same in every search."""
    return Hit(
        id=card.id,
        title=card.title,
        city=card.city,
        country=card.country,
        location=Location(lat=card.shown_lat, lng=card.shown_lng),
        structure=card.structure,
        type=card.type,
        guests=card.guests,
        bedrooms=card.bedrooms,
        beds=card.beds,
        bathrooms=card.bathrooms,
        review_count=card.review_count,
        instant_book=card.instant_book,
        nightly=Money(card.nightly, card.currency),
        rating=card.rating,
        cover=card.cover,
    )


class Told(NamedTuple):
    """A hit as JSON, whole, and in the two parts between which a stay has the price of its mean night."""

    whole: bytes
    before: bytes
    after: bytes
    currency: str


def told_of(hit: Hit) -> Told:
    """Within a text quotation marks are escaped, so that what looks like a field is one."""
    whole = msgspec.json.encode(hit)
    before, after = whole.split(b'"nightly":' + msgspec.json.encode(hit.nightly))
    return Told(whole, before + b'"nightly":{"amount":', after[:-1], hit.nightly.currency)


def priced(told: Told, nightly: int, wanted: Wanted) -> bytes:
    """The hit as JSON, without its last brace, with this as the price of a night, in the currency asked for
    where there is a rate."""
    if wanted.currency is None or wanted.rate_of(told.currency) is None:
        return told.whole[:-1]
    return b'%b%d,"currency":"%b"}%b' % (told.before, nightly, wanted.currency.encode(), told.after)


def stay_in_writing(stay: Stay) -> bytes:
    """The fields of a hit that are the same for all homes that are shown for the stay."""
    return (
        f',"check_in":"{stay.check_in}","check_out":"{stay.check_out}","nights":{stay.nights}'
        ',"total":{"amount":'
    ).encode()


def offered(told: Told, stay: bytes, offer: Offer, explained: Explained | None) -> bytes:
    """The hit as JSON with what the listing service offers of the stay."""
    nightly, total = offer.nightly, offer.total
    currency = b',"currency":"%b"}' % total.currency.encode()
    json = b'%b%d%b%b%b%d%b' % (
        told.before, nightly.amount, currency, told.after, stay, total.amount, currency
    )  # fmt: skip
    if offer.was is not None:
        json += b',"was":' + msgspec.json.encode(offer.was)
    return with_score(json, explained)


def with_score(open_hit: bytes, explained: Explained | None) -> bytes:
    """The hit, as far as it is written without its last brace, with the parts of its score for staff."""
    return (
        open_hit + b"}"
        if explained is None
        else b'%b,"explain":%b}' % (open_hit, msgspec.json.encode(explained))
    )


def hundredths(number: float) -> int:
    """What a home has, in whole hundredths."""
    return math.floor(number * HUNDREDTHS + 1e-6)


def least_hundredths(number: float) -> int:
    """What a home must have, in whole hundredths."""
    return math.ceil(number * HUNDREDTHS - 1e-6)
