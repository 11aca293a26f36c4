"""What a host may write into a home, checked field by field, and the home that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hometrip.kernel.contacts import without_contacts
from hometrip.kernel.countries import COUNTRIES, NO_COUNTRY
from hometrip.kernel.errors import FieldError, Invalid
from hometrip.kernel.stay import zone_of
from hometrip.kernel.wire import Request
from hometrip.services.booking.contract import CANCELLATION_POLICIES
from hometrip.services.listing.contract import LONGEST_STAY, MOST_PREPARATION
from hometrip.services.listing.rules import texts, vocabulary
from hometrip.services.listing.rules.home import (
    Home,
    HouseRules,
    InstantDemands,
    Place,
    Point,
    StayLimits,
)
from hometrip.services.listing.rules.possible import wrong_limits

Line = Annotated[str, Meta(max_length=400)]
ClockTime = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Count = Annotated[int, Meta(ge=0, le=200)]
Nights = Annotated[int, Meta(ge=1, le=LONGEST_STAY)]
ByDay = Annotated[list[Nights | None], Meta(min_length=7, max_length=7)]
Weekdays = Annotated[list[Annotated[int, Meta(ge=0, le=6)]], Meta(min_length=1, max_length=7)]


class AddressEdit(Request):
    line1: Line | UnsetType = UNSET
    city: Line | UnsetType = UNSET
    region: Line | UnsetType = UNSET
    postcode: Annotated[str, Meta(max_length=20)] | UnsetType = UNSET
    country: Annotated[str, Meta(max_length=60)] | UnsetType = UNSET


class PointEdit(Request):
    lat: Annotated[float, Meta(ge=-90, le=90)]
    lng: Annotated[float, Meta(ge=-180, le=180)]


class RulesEdit(Request):
    pets: bool | UnsetType = UNSET
    smoking: bool | UnsetType = UNSET
    parties: bool | UnsetType = UNSET
    quiet_from: ClockTime | UnsetType | None = UNSET
    quiet_to: ClockTime | UnsetType | None = UNSET


class LimitsEdit(Request):
    min_nights: Nights | UnsetType = UNSET
    max_nights: Nights | UnsetType = UNSET
    notice_hours: Annotated[int, Meta(ge=0, le=168)] | UnsetType = UNSET
    preparation_nights: Annotated[int, Meta(ge=0, le=MOST_PREPARATION)] | UnsetType = UNSET
    window_days: Annotated[int, Meta(ge=1, le=730)] | UnsetType = UNSET
    check_in_days: Weekdays | UnsetType | None = UNSET
    check_out_days: Weekdays | UnsetType | None = UNSET
    min_nights_by_day: ByDay | UnsetType | None = UNSET
    max_nights_by_day: ByDay | UnsetType | None = UNSET


class DemandsEdit(Request):
    verified: list[Literal["email", "phone", "id_document", "selfie"]] | UnsetType = UNSET
    min_rating: Annotated[float, Meta(ge=1, le=5)] | UnsetType | None = UNSET
    first_bookings_ask: bool | UnsetType = UNSET


class HomeEdit(Request):
    """A host's own fields of a home; those that are not given stay as they are."""

    title: Line | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=20_000)] | UnsetType = UNSET
    structure: Line | UnsetType | None = UNSET
    type: Line | UnsetType | None = UNSET
    guests: Annotated[int, Meta(ge=1, le=50)] | UnsetType | None = UNSET
    bedrooms: Count | UnsetType = UNSET
    beds: Count | UnsetType = UNSET
    bathrooms: Annotated[float, Meta(ge=0, le=100, multiple_of=0.5)] | UnsetType = UNSET
    address: AddressEdit | UnsetType = UNSET
    location: PointEdit | UnsetType | None = UNSET
    time_zone: Line | UnsetType = UNSET
    amenities: Annotated[list[Line], Meta(max_length=300)] | UnsetType = UNSET
    instant_book: bool | UnsetType = UNSET
    instant_demands: DemandsEdit | UnsetType = UNSET
    cancellation_policy: Line | UnsetType = UNSET
    check_in_from: ClockTime | UnsetType = UNSET
    check_out_by: ClockTime | UnsetType = UNSET
    rules: RulesEdit | UnsetType = UNSET
    stay_rules: LimitsEdit | UnsetType = UNSET


class NewHome(HomeEdit):
    """A draft needs no more than a title."""

    title: Annotated[str, Meta(min_length=1, max_length=400)]


class WholeHome(NewHome):
    """A home as it is answered, given back: fields that are not the host's to write are read over."""

    id: Any = None
    host_id: Any = None
    photos: Any = None
    rating: Any = None
    review_count: Any = None
    status: Any = None
    neighbourhood: Any = None
    exact: Any = None
    nightly: Any = None
    was: Any = None
    judged: Any = None
    books_at_once: Any = None
    version: Any = None
    created_at: Any = None
    updated_at: Any = None


def edited(home: Home, edit: HomeEdit, at: datetime, before: Home | None = None) -> Home:
    """The home with the edit in it; `Invalid` names every field that cannot be as it is written. What it
    contradicted `before` (as it is, unless told otherwise) may stay."""
    wrong: list[FieldError] = []
    written = {name: value for name, value in msgspec.structs.asdict(edit).items() if name in _WRITERS}
    changes: dict[str, Any] = {}
    for name, value in written.items():
        if value is UNSET:
            continue
        try:
            changes[name] = _WRITERS[name](getattr(home, name), value)
        except Invalid as refused:
            wrong += refused.facts["errors"]
    if not wrong and changes.keys() & {"stay_rules", "check_in_from"}:
        wrong = wrong_limits(msgspec.structs.replace(home, **changes), before or home)
    if wrong:
        raise Invalid("Some fields cannot be as they are written.", errors=wrong)
    if "address" in changes:
        changes["city_key"] = texts.folded(changes["address"].city)
    if all(getattr(home, name) == value for name, value in changes.items()):
        return home
    return msgspec.structs.replace(home, updated_at=at, **changes)


def rewritten(home: Home, whole: WholeHome, at: datetime) -> Home:
    """The home as if it had never had any other field of the host's than those that are given."""
    bare = Home(
        id=home.id,
        host_id=home.host_id,
        title=home.title,
        created_at=home.created_at,
        updated_at=home.updated_at,
    )
    blank = {name: getattr(bare, name) for name in _WRITERS}
    return edited(msgspec.structs.replace(home, city_key="", **blank), whole, at, home)


def _line(least: int, most: int) -> Callable[[str, str], str]:
    def write(_: str, text: str) -> str:
        text = texts.one_line(text)
        if not least <= len(text) <= most:
            raise Invalid.field("title", "length", f"must have {least} to {most} characters")
        if without_contacts(text) != text:
            raise Invalid.field("title", "contact", "must hold no e-mail address, phone number or link")
        return text

    return write


def _description(_: str, text: str) -> str:
    text = texts.plain(text)
    if len(text) > 10_000:
        raise Invalid.field("description", "length", "must have at most 10000 characters")
    return text


def _structure(_: str | None, key: str | None) -> str | None:
    if key is not None and key not in vocabulary.STRUCTURE_KEYS:
        words = ", ".join(vocabulary.STRUCTURE_KEYS)
        raise Invalid.field("structure", "unknown_structure", f"must be one of {words}")
    return key


def _type(_: str | None, word: str | None) -> str | None:
    """A key of the vocabulary, or a word that means one ("apartment")."""
    if word is None or word in vocabulary.TYPE_KEYS:
        return word
    key = vocabulary.type_from_source(word)
    if key == "other":
        raise Invalid.field("type", "unknown_type", "is not a type of the vocabulary at /listings/structures")
    return key


def _amenities(_: list[str], keys: list[str]) -> list[str]:
    unknown = sorted({key for key in keys if key not in vocabulary.AMENITY_KEYS})
    if unknown:
        names = ", ".join(repr(key[:40]) for key in unknown[:10])
        raise Invalid.field("amenities", "unknown_amenity", f"the vocabulary has no {names}")
    return list(dict.fromkeys(keys))


def _policy(_: str, key: str) -> str:
    if key not in CANCELLATION_POLICIES:
        known = ", ".join(CANCELLATION_POLICIES)
        raise Invalid.field("cancellation_policy", "unknown_policy", f"must be one of {known}")
    return key


def _zone(_: str, name: str) -> str:
    zone_of(name)
    return name


def _address(old: Place, edit: AddressEdit) -> Place:
    written = {
        name: texts.one_line(text)[:200]
        for name, text in msgspec.structs.asdict(edit).items()
        if text is not UNSET
    }
    if written.get("country"):
        written["country"] = written["country"].upper()
        if written["country"] not in COUNTRIES:
            raise Invalid.field("address.country", "unknown_country", NO_COUNTRY)
    return msgspec.structs.replace(old, **written)


def _point(_: Point | None, edit: PointEdit | None) -> Point | None:
    return None if edit is None else Point(lat=edit.lat, lng=edit.lng)


def _house_rules(old: HouseRules, edit: RulesEdit) -> HouseRules:
    return msgspec.structs.replace(old, **_given(edit))


def _demands(old: InstantDemands, edit: DemandsEdit) -> InstantDemands:
    given = _given(edit)
    if "verified" in given:
        given["verified"] = sorted(set(given["verified"]))
    return msgspec.structs.replace(old, **given)


def _stay_rules(old: StayLimits, edit: LimitsEdit) -> StayLimits:
    limits = msgspec.structs.replace(old, **_given(edit))
    if limits.min_nights > limits.max_nights:
        raise Invalid.field("stay_rules.max_nights", "less_than_min", "must not be less than min_nights")
    least, most = (limits.min_nights_by_day or [None] * 7), (limits.max_nights_by_day or [None] * 7)
    for low, high in zip(least, most, strict=True):
        if (low or limits.min_nights) > (high or limits.max_nights):
            detail = "no stay could begin on a weekday whose least stay is longer than its longest"
            raise Invalid.field("stay_rules.max_nights_by_day", "less_than_min", detail)
    for days in (limits.check_in_days, limits.check_out_days):
        if days is not None and len(set(days)) != len(days):
            raise Invalid.field("stay_rules", "repeated_day", "a weekday is given twice")
    return limits


def _given(edit: Request) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(edit).items() if value is not UNSET}


def _as_it_is(_: Any, value: Any) -> Any:
    return value


_WRITERS: dict[str, Callable[[Any, Any], Any]] = {
    "title": _line(1, 120),
    "description": _description,
    "structure": _structure,
    "type": _type,
    "guests": _as_it_is,
    "bedrooms": _as_it_is,
    "beds": _as_it_is,
    "bathrooms": _as_it_is,
    "address": _address,
    "location": _point,
    "time_zone": _zone,
    "amenities": _amenities,
    "instant_book": _as_it_is,
    "instant_demands": _demands,
    "cancellation_policy": _policy,
    "check_in_from": _as_it_is,
    "check_out_by": _as_it_is,
    "rules": _house_rules,
    "stay_rules": _stay_rules,
}
