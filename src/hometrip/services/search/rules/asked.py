"""What a search may ask for, and what of it cannot be."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from hometrip.kernel.errors import FieldError, Invalid
from hometrip.kernel.measure import Measure
from hometrip.kernel.money import Money
from hometrip.kernel.stay import Stay
from hometrip.kernel.wire import Request, strangers
from hometrip.ports.search import Box, Circle, words_of
from hometrip.services.listing.contract import LONGEST_STAY

Sort = Literal["relevance", "price", "-price", "rating", "popular", "newest"]
SORTS = Sort.__args__  # type: ignore[attr-defined]
RADIUS_KM = 25.0
FARTHEST_KM = 500.0
FARTHEST_DAY = timedelta(days=1_100)
# Before any place on Earth has it: it is still yesterday there when UTC has been in today for twelve hours.
LATEST_ZONE = timedelta(hours=12)

Count = Annotated[int, Meta(ge=0, le=100)]
PerPage = Annotated[int, Meta(ge=1, le=100)]
Price = Annotated[int, Meta(ge=0, le=10**12)]
Words = Annotated[str, Meta(max_length=200)]
Codes = Annotated[str, Meta(max_length=1_000)]

_NUMBER = re.compile(r"[+-]?\d{1,3}(\.\d{1,15})?")
_CODE = re.compile(r"[a-z0-9_]{1,60}")


class Asked(Request):
    """The query of a search, as it was written. Lists have commas; all `amenities` are needed, one of the
    structures and types will do. `min_price` and `max_price` are minor units of the price shown: where
    several currencies match and no `currency` is asked for, of the one that most of the homes have.
    """

    q: Words = ""
    city: Words = ""
    country: Words = ""
    check_in: date | None = None
    check_out: date | None = None
    guests: Annotated[int, Meta(ge=1, le=50)] | None = None
    min_price: Price | None = None
    max_price: Price | None = None
    bedrooms: Count | None = None
    beds: Count | None = None
    bathrooms: Annotated[float, Meta(ge=0, le=100)] | None = None
    structure: Codes = ""
    type: Codes = ""
    amenities: Codes = ""
    bbox: Words = ""
    near: Words = ""
    radius_km: Annotated[float, Meta(gt=0, le=FARTHEST_KM)] | None = None
    instant: bool = False
    pets: bool = False
    min_rating: Annotated[float, Meta(ge=0, le=5)] | None = None
    flexible_days: Annotated[int, Meta(ge=0, le=7)] = 0
    sort: Sort = "relevance"
    page: Annotated[int, Meta(ge=1, le=10_000)] = 1
    per_page: PerPage = 20
    limit: PerPage | None = None  # what other lists call it
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None = None
    explain: bool = False


def asked_in(query: bytes) -> Asked:
    """The query string as a record; `Invalid` names every parameter that cannot be read or is not known. Of
    one that is given twice, the last counts.
    """
    given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    alike = {"per_page": given["limit"]} if "limit" in given else {}
    try:
        return msgspec.convert(alike | given, Asked, strict=False)
    except msgspec.ValidationError:
        wrong = [error for name, value in given.items() if (error := _unreadable(name, value))]
        wrong += strangers(given, _KINDS)
        raise Invalid("This search cannot be made as it is written.", errors=wrong) from None


def _unreadable(name: str, value: str) -> FieldError | None:
    if name not in _KINDS:
        return None
    try:
        msgspec.convert(value, _KINDS[name], strict=False)
    except msgspec.ValidationError as reason:
        return FieldError(name, "invalid_value", str(reason))
    return None


# What each parameter must be.
_KINDS = {field.name: field.type for field in msgspec.structs.fields(Asked)}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for. City and country are folded; `stay` may be moved by up to `flexible` days. What is
    booked at once, found with `instant` and counted without it, is so by a guest with these `badges`. Prices
    are told in `currency`, or each in its own. They are compared, and limited, in `measure`; without one, all
    are of one currency.
    """

    words: str = ""
    city: str = ""
    country: str = ""
    stay: Stay | None = None
    flexible: int = 0
    guests: int = 1
    pets: int = 0
    min_price: int | None = None
    max_price: int | None = None
    bedrooms: int = 0
    beds: int = 0
    bathrooms: float = 0
    structures: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    amenities: tuple[str, ...] = ()
    box: Box | None = None
    circle: Circle | None = None
    instant: bool = False
    badges: tuple[str, ...] = ()
    min_rating: float = 0
    sort: str = "relevance"
    currency: str | None = None
    measure: Measure | None = None

    def rate_of(self, own: str) -> int | None:
        """What one of a home's own currency is in the measure, where that is known."""
        return None if self.measure is None else self.measure.rate_of(own)

    def worth(self, price: Money) -> int:
        """What is compared: the price in the measure, or as it is where no rate is known; in minor units."""
        return price.amount if self.measure is None else self.measure.worth(price)

    def measured(self, measure: Measure | None) -> Wanted:
        return msgspec.structs.replace(self, measure=measure)

    @property
    def limited(self) -> bool:
        """Does the price decide which homes are found?"""
        return self.min_price is not None or self.max_price is not None

    def place(self, price: Money) -> tuple[bool, str, int]:
        """In an order by price; those without a rate come behind the others, currency by currency."""
        unrated = self.measure is not None and self.rate_of(price.currency) is None
        worth = self.worth(price)
        return unrated, price.currency if unrated else "", -worth if self.sort == "-price" else worth

    def fits(self, worth: int) -> bool:
        lowest, highest = self.min_price, self.max_price
        return (lowest is None or worth >= lowest) and (highest is None or worth <= highest)


def wanted(asked: Asked, now: datetime) -> Wanted:
    """The same, understood; `Invalid` names every part that cannot be."""
    wrong = [*_wrong_dates(asked, now), *_wrong_places(asked), *_wrong_lists(asked)]
    if asked.min_price is not None and asked.max_price is not None and asked.min_price > asked.max_price:
        wrong.append(FieldError("max_price", "under_min_price", "must not be less than min_price"))
    if wrong:
        raise Invalid("This search cannot be made as it is written.", errors=wrong)
    near, box = _degrees(asked.near), _degrees(asked.bbox)
    return Wanted(
        words=asked.q,
        city=folded(asked.city),
        country=folded(asked.country),
        stay=Stay(asked.check_in, asked.check_out) if asked.check_in and asked.check_out else None,
        flexible=asked.flexible_days,
        guests=asked.guests or 1,
        pets=int(asked.pets),
        min_price=asked.min_price,
        max_price=asked.max_price,
        bedrooms=asked.bedrooms or 0,
        beds=asked.beds or 0,
        bathrooms=asked.bathrooms or 0,
        structures=codes(asked.structure),
        types=codes(asked.type),
        amenities=codes(asked.amenities),
        box=Box(*box) if box else None,
        circle=Circle(near[0], near[1], asked.radius_km or RADIUS_KM) if near else None,
        instant=asked.instant,
        min_rating=asked.min_rating or 0,
        sort=asked.sort,
        currency=asked.currency,
    )


def folded(name: str) -> str:
    """How names of places are compared: "São Paulo" is "sao paulo"."""
    return " ".join(words_of(name)) if name else ""


def codes(listed: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in listed.split(",") if part.strip()) if listed else ()


def _wrong_dates(asked: Asked, now: datetime) -> Iterator[FieldError]:
    check_in, check_out = asked.check_in, asked.check_out
    if check_in is None and check_out is None:
        if asked.flexible_days:
            yield FieldError("flexible_days", "without_dates", "needs check_in and check_out")
        return
    if check_in is None or check_out is None:
        missing = "check_in" if check_in is None else "check_out"
        yield FieldError(missing, "missing", "check_in and check_out belong together")
        return
    if check_in < earliest(now):
        yield FieldError("check_in", "past", "is in the past")
    elif check_in > now.date() + FARTHEST_DAY:
        yield FieldError("check_in", "too_far", "is too far ahead")
    if check_out <= check_in:
        yield FieldError("check_out", "not_after_check_in", "must be a later day than check_in")
    elif (check_out - check_in).days > LONGEST_STAY:
        yield FieldError("check_out", "too_long", f"a stay has at most {LONGEST_STAY} nights")


def earliest(now: datetime) -> date:
    """The day that it is where it is earliest: what is before it is past everywhere."""
    return (now - LATEST_ZONE).date()


def _wrong_places(asked: Asked) -> Iterator[FieldError]:
    if asked.bbox:
        box = _degrees(asked.bbox)
        if len(box) != 4 or not (-90 <= box[0] <= box[2] <= 90 and all(abs(lng) <= 180 for lng in box[1::2])):
            yield FieldError("bbox", "bad_box", "must be south,west,north,east in degrees")
    if asked.near:
        near = _degrees(asked.near)
        if len(near) != 2 or not (abs(near[0]) <= 90 and abs(near[1]) <= 180):
            yield FieldError("near", "bad_point", "must be latitude,longitude in degrees")
    elif asked.radius_km is not None:
        yield FieldError("radius_km", "without_near", "needs near")


def _wrong_lists(asked: Asked) -> Iterator[FieldError]:
    for name in ("structure", "type", "amenities"):
        listed = getattr(asked, name)
        if listed and not all(_CODE.fullmatch(code) for code in codes(listed)):
            yield FieldError(name, "bad_code", "must be codes with commas between them")
    for name in ("bathrooms", "min_rating", "radius_km"):
        number = getattr(asked, name)
        if number and not math.isfinite(number):
            yield FieldError(name, "not_a_number", "must be a number")


def _degrees(listed: str) -> tuple[float, ...]:
    """Numbers with commas between them; none where one of them is not a number."""
    if not listed:
        return ()
    parts = [part.strip() for part in listed.split(",")]
    return tuple(map(float, parts)) if all(_NUMBER.fullmatch(part) for part in parts) else ()
