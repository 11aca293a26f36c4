"""What becomes of homes and days that come from elsewhere: how they are written into what is here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from statistics import median_low
from uuid import UUID

import msgspec

from hometrip.kernel.contacts import without_contacts
from hometrip.kernel.ids import uuid7
from hometrip.kernel.money import Money
from hometrip.kernel.stay import Stay
from hometrip.ports.geocoder import Place as KnownPlace
from hometrip.services.listing.contract import LONGEST_STAY
from hometrip.services.listing.rules import texts
from hometrip.services.listing.rules.calendar import IMPORTED, Calendar
from hometrip.services.listing.rules.home import Home, Place, Point, Pricing
from hometrip.services.listing.rules.insideairbnb import SourceDays, SourceHome
from hometrip.services.listing.rules.insideairbnb.cells import currency_of
from hometrip.services.listing.rules.pricing import LONGEST_RUN
from hometrip.services.listing.rules.spans import runs, with_imported

SOURCE = "insideairbnb"


def source_name(source_id: str) -> str:
    return f"{SOURCE}:{source_id}"


def mark_of(home: SourceHome) -> str:
    """Tells two states of a home at its source apart; when it was looked at is no part of it."""
    content = msgspec.msgpack.encode(msgspec.structs.replace(home, seen_on=None))
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def review_id(source_id: str, on: date) -> UUID:
    """The same id for the same review, wherever and however often it is read; sorted by its date."""
    chance = hashlib.blake2b(f"{source_name(source_id)}:review".encode(), digest_size=16).digest()
    return uuid7(datetime.combine(on, time(), UTC), int.from_bytes(chance) >> 54)


def arrived(old: Home, found: SourceHome, place: KnownPlace | None, zone: str, at: datetime) -> Home:
    """The home with everything that its source says of it; what the source does not know stays."""
    city = found.city or (place.name if place else "")
    country = found.country or (place.country if place else "")
    least = min(found.minimum_nights, LONGEST_STAY)
    limits = msgspec.structs.replace(
        old.stay_rules, min_nights=least, max_nights=max(least, min(found.maximum_nights, LONGEST_STAY))
    )
    return msgspec.structs.replace(
        old,
        updated_at=at,
        title=without_contacts(found.title),
        description=found.description or found.surroundings or found.title,
        neighbourhood=found.neighbourhood or "",
        structure=found.structure,
        type=found.type,
        guests=min(found.guests, 50),
        bedrooms=found.bedrooms,
        beds=found.beds,
        bathrooms=found.bathrooms or 0.0,
        address=Place(city=city, region=place.region if place else "", country=country),
        city_key=texts.folded(city),
        location=Point(lat=found.lat, lng=found.lng),
        time_zone=zone,
        amenities=found.amenities,
        rules=msgspec.structs.replace(old.rules, pets="pets_allowed" in found.amenities),
        instant_book=found.instant_bookable,
        stay_rules=limits,
        pricing=_priced(old.pricing, found, country),
        rating=found.rating,
        review_count=found.review_count,
        source=source_name(found.source_id),
        source_mark=mark_of(found),
    )


def _priced(old: Pricing | None, found: SourceHome, country: str) -> Pricing | None:
    if found.price_minor is None:
        return old
    base = Money(found.price_minor, found.currency or currency_of("", country) or "USD")
    if old is None or old.currency != base.currency:
        return Pricing(base=base)
    return msgspec.structs.replace(old, base=base)


def priced_by_days(home: Home, days: SourceDays) -> Home:
    """A home whose source names no price gets the middle one of its days."""
    prices = [price for price in days.prices if price]
    if home.pricing is not None or not prices:
        return home
    currency = currency_of("", home.address.country) or "USD"
    return msgspec.structs.replace(home, pricing=Pricing(base=Money(median_low(prices), currency)))


def days_arrived(
    home: Home, calendar: Calendar, days: SourceDays, shift: timedelta, source: UUID
) -> Calendar:
    """The calendar with these days in it; days that are not told of stay as they are.

    A price or a least stay that is the home's own anyway is not kept again, so that it follows the home's.
    """
    base = home.pricing.base.amount if home.pricing else 0
    least = home.stay_rules.min_nights
    dates = [day + shift for day in days.dates]
    prices = _kept(calendar.starts, calendar.prices)
    nights = _kept(calendar.starts, calendar.min_nights)
    for day, price, wanted in zip(dates, days.prices, days.min_nights, strict=True):
        prices[day] = price if price and price != base else 0
        wanted = min(wanted or 0, LONGEST_STAY)
        nights[day] = wanted if wanted != least else 0
    starts, (new_prices, new_nights) = _arrays(prices, nights)
    laid = msgspec.structs.replace(calendar, starts=starts, prices=new_prices, min_nights=new_nights)
    return with_imported(laid, source, _taken(calendar, dates, days.available, source))


def _taken(calendar: Calendar, dates: Sequence[date], available: Sequence[bool], source: UUID) -> list[Stay]:
    told = set(dates)
    kept = {
        night
        for span in calendar.spans
        if span.id == source and span.kind == IMPORTED
        for night in Stay(span.check_in, span.check_out).each_night()
        if night not in told
    }
    return runs(sorted(kept | {day for day, free in zip(dates, available, strict=True) if not free}))


def _kept(starts: date | None, values: list[int]) -> dict[date, int]:
    if starts is None:
        return {}
    return {starts + timedelta(days=n): value for n, value in enumerate(values) if value}


def _arrays(*days: dict[date, int]) -> tuple[date | None, list[list[int]]]:
    """As lists from the first day on that has a value in any; the last days where there are too many."""
    known = [day for values in days for day, value in values.items() if value]
    if not known:
        return None, [[] for _ in days]
    last = max(known)
    first = max(min(known), last - timedelta(days=LONGEST_RUN - 1))
    count = (last - first).days + 1
    return first, [
        [values.get(first + timedelta(days=n), 0) for n in range(count)] if any(values.values()) else []
        for values in days
    ]


def imported_stays(calendar: Calendar, source: UUID, since: date) -> list[Stay]:
    """What an imported calendar takes from `since` on: what is over need not be kept from anybody."""
    return [
        Stay(max(span.check_in, since), span.check_out)
        for span in calendar.spans
        if span.id == source and span.kind == IMPORTED and span.check_out > since
    ]
