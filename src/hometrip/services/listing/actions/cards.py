"""What other services are told of homes: cards for mails and lists, cards for search, and all ids."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from hometrip.kernel.stay import local_date
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps
from hometrip.services.listing.actions.lifecycle import place_in_words
from hometrip.services.listing.actions.taxes import taxes_now
from hometrip.services.listing.contract import Charges, HomeCard, SearchCard, StayRules, Tariff, TaxCharge
from hometrip.services.listing.rules.calendar import Calendar, Openings, board
from hometrip.services.listing.rules.home import PUBLISHED, Home, Point
from hometrip.services.listing.rules.instant import takes_at_once
from hometrip.services.listing.rules.price import Prices
from hometrip.services.listing.rules.shown import blurred

BOARD_DAYS = 540
NOWHERE = Point(lat=0.0, lng=0.0)


async def homes(deps: Deps, listing_ids: list[UUID]) -> list[HomeCard]:
    """Answers `ListingQuestions.homes`, of those that exist."""
    return [_card(deps, home) for home in await deps.docs.get_many(store.HOMES, listing_ids)]


def _card(deps: Deps, home: Home) -> HomeCard:
    return HomeCard(
        id=home.id,
        host_id=home.host_id,
        title=home.title,
        city=home.address.city,
        country=home.address.country,
        time_zone=home.time_zone,
        status=home.status,
        address=place_in_words(home.address),
        check_in_from=home.check_in_from,
        check_out_by=home.check_out_by,
        cover=_cover(deps, home),
    )


def _cover(deps: Deps, home: Home) -> str | None:
    """The picture for lists."""
    return deps.blobs.url(home.cover.sizes["medium"].key) if home.cover else None


async def search_cards(deps: Deps, listing_ids: list[UUID]) -> list[SearchCard]:
    """Answers `ListingQuestions.search_cards`."""
    found = await store.homes_and_days(deps.docs, listing_ids)
    now, key = deps.clock.now(), deps.secrets.secret("places")
    return [_search_card(deps, home, days, now, key) for home, days in found]


def _search_card(deps: Deps, home: Home, days: Calendar, now: datetime, key: bytes) -> SearchCard:
    point = home.location or NOWHERE
    seen = blurred(point, home.id, key)
    today = local_date(now, home.time_zone)
    openings = Openings(home, days)
    days_ahead = board(openings, today, BOARD_DAYS)
    pricing, prices = home.pricing, Prices(home, days) if home.pricing else None
    return SearchCard(
        **{name: getattr(home, name) for name in _AS_KEPT},
        revision=days.revision,
        published=home.status == PUBLISHED and pricing is not None,
        city=home.address.city,
        region=home.address.region,
        country=home.address.country,
        structure=home.structure or "",
        type=home.type or "",
        lat=point.lat,
        lng=point.lng,
        shown_lat=seen.lat,
        shown_lng=seen.lng,
        guests=home.guests or 0,
        pets=home.rules.pets,
        currency=pricing.currency if pricing else "",
        nightly=pricing.base.amount if pricing else 0,
        rules=_widest(home, openings),
        board_from=today,
        taken=days_ahead.taken,
        prices=prices.of_nights(today, BOARD_DAYS) if prices else [0] * BOARD_DAYS,
        min_nights=days_ahead.min_nights,
        rating=None if home.rating is None else home.rating / 100,
        cover=_cover(deps, home),
        charges=_charges(prices, openings) if prices else None,
        instant_book=takes_at_once(home, days),
        demands=home.instant_demands.verified,
    )


def _charges(prices: Prices, openings: Openings) -> Charges:
    pricing, early, late = prices.pricing, prices.pricing.early_bird, prices.pricing.last_minute
    return Charges(
        time_zone=prices.zone,
        spot=prices.spot,
        surely_nights=openings.surely,
        weekly_bp=pricing.weekly_discount_bp,
        monthly_bp=pricing.monthly_discount_bp,
        policy_bp=prices.policy_bp,
        early=(early.days, early.discount_bp) if early else None,
        late=(late.days, late.discount_bp) if late else None,
        included=prices.included,
        extra_guest=pricing.extra_guest.amount if pricing.extra_guest else 0,
        pet=pricing.pet_fee.amount if pricing.pet_fee else 0,
        cleaning=pricing.cleaning_fee.amount if pricing.cleaning_fee else 0,
    )


async def tariff(deps: Deps) -> Tariff:
    """Answers `ListingQuestions.tariff`."""
    taxes = (await taxes_now(deps)).every()
    told = [TaxCharge(spot=area, **{name: getattr(rule, name) for name in _OF_TAXES}) for area, rule in taxes]
    return Tariff(guest_bp=deps.fees.guest_bp, taxes=told)


_OF_TAXES = "kind base bp amount most_nights exempt_from_nights valid_from valid_to".split()


def _widest(home: Home, openings: Openings) -> StayRules:
    """The rules with the bounds that hold on any day: which hold on which, search asks."""
    limits = msgspec.structs.asdict(home.stay_rules)
    return StayRules(**limits | {"min_nights": min(openings.least_by_day), "max_nights": openings.longest})


_AS_KEPT = (
    "id host_id title description neighbourhood amenities bedrooms beds bathrooms review_count created_at"
).split()


async def all_ids(deps: Deps, after: UUID | None, limit: int) -> list[UUID]:
    """Answers `ListingQuestions.all_ids`."""
    return await store.ids_after(deps.docs, after, limit)
