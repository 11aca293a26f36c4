"""What a stay costs and whether it can be had: quotes for guests, terms for booking, offers for search."""

from __future__ import annotations

from collections import OrderedDict
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.clock import MINUTE
from hometrip.kernel.errors import Invalid
from hometrip.kernel.money import Money
from hometrip.kernel.stay import Stay, at_local
from hometrip.services.booking.contract import CouponTerms, DatesTaken
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps, stay_asked
from hometrip.services.listing.contract import (
    Offer,
    Quote,
    QuoteExpired,
    QuoteMismatch,
    StayRefused,
    Terms,
    Wish,
)
from hometrip.services.listing.rules.calendar import (
    BOOKED,
    TAKEN,
    Calendar,
    Openings,
    Refusal,
    Span,
    nearest,
    nearest_instead,
    refusal,
)
from hometrip.services.listing.rules.home import PUBLISHED, Home
from hometrip.services.listing.rules.price import Bill, Prices, bill, quote_lines
from hometrip.services.listing.rules.quotes import Promise, opened, sealed

_REMEMBERED = 4_096


class Ready(NamedTuple):
    """A home's days and prices, made ready to be asked."""

    openings: Openings
    prices: Prices


# What was made ready of the homes asked for last. A committed version never changes, so it never gets old.
_ready: OrderedDict[tuple[UUID, int, int], Ready] = OrderedDict()


def ready(home: Home, days: Calendar) -> Ready:
    """Only for records that are committed: a version within a transaction may yet become another one."""
    key = (home.id, home.version, days.version)
    found = _ready.get(key)
    if found is None:
        found = _ready[key] = Ready(Openings(home, days), Prices(home, days))
        if len(_ready) > _REMEMBERED:
            _ready.popitem(last=False)
    return found


async def quote(deps: Deps, caller: Caller, listing_id: UUID, wish: Wish) -> Quote:
    """The itemised price of a stay that can be booked now; `StayRefused` or `DatesTaken` for any other."""
    home, days = await store.published(deps.docs, listing_id)
    stay = _asked(home, wish)
    coupon = await _coupon(deps, listing_id, wish, caller.account_id)
    now = deps.clock.now()
    at = ready(home, days)
    await _must_be_open(deps, listing_id, at.openings, stay, wish, now, caller.account_id)
    return _quote(deps, home, at.prices, stay, wish, coupon, now)[0]


def _asked(home: Home, wish: Wish) -> Stay:
    stay = stay_asked(wish.check_in, wish.check_out)
    if wish.guests < 1:
        raise Invalid.field("guests", "out_of_range", "must be at least 1")
    if not 0 <= wish.pets <= 20:
        raise Invalid.field("pets", "out_of_range", "must be 0 to 20")
    currency = home.pricing.currency if home.pricing else ""
    if wish.currency is not None and wish.currency != currency:
        raise Invalid.field("currency", "other_currency", f"this home is priced in {currency}")
    return stay


async def _coupon(deps: Deps, listing_id: UUID, wish: Wish, guest: UUID | None) -> CouponTerms | None:
    return await deps.booking.coupon(wish.coupon, listing_id, guest) if wish.coupon else None


async def _must_be_open(
    deps: Deps,
    listing_id: UUID,
    openings: Openings,
    stay: Stay,
    wish: Wish,
    now: datetime,
    guest: UUID | None,
) -> None:
    """Before nights are called taken, their owner is asked: a booking that ended a moment ago may still be
    on its way here, and a guest's own unpaid hold makes room for a new one."""
    refused = refusal(openings, stay, now, guests=wish.guests, pets=wish.pets)
    if refused and refused.rule in (*TAKEN, "preparation"):
        taken = await deps.booking.taken(listing_id, guest)
        spans = [span for span in openings.spans if any(_shares_nights(span, other) for other in taken)]
        openings = openings.with_spans(spans)
        refused = refusal(openings, stay, now, guests=wish.guests, pets=wish.pets)
    if refused:
        raise _refusing(openings, stay, refused, now)


def _shares_nights(span: Span, other: Stay) -> bool:
    return span.check_in < other.check_out and other.check_in < span.check_out


def _refusing(openings: Openings, stay: Stay, refused: Refusal, now: datetime) -> DatesTaken | StayRefused:
    """The refusal as an error, with what would do instead."""
    if refused.rule in TAKEN:
        return DatesTaken(rule=refused.rule, free_instead=nearest(openings, stay, now, most=3))
    instead = nearest_instead(openings, stay, refused, now)
    facts = {} if instead is None else {"nearest": instead}
    return StayRefused(rule=refused.rule, value=refused.value, **facts)


def _quote(
    deps: Deps,
    home: Home,
    prices: Prices,
    stay: Stay,
    wish: Wish,
    coupon: CouponTerms | None,
    now: datetime,
) -> tuple[Quote, Bill]:
    made = bill(prices, stay, now, deps.fees, guests=wish.guests, pets=wish.pets, coupon=coupon)
    until = (now + deps.settings.quote_minutes * MINUTE).replace(microsecond=0)
    promise = Promise(
        id=deps.new_id(),
        listing_id=home.id,
        check_in=stay.check_in,
        check_out=stay.check_out,
        guests=wish.guests,
        pets=wish.pets,
        coupon=wish.coupon or "",
        total=made.total,
        currency=made.currency,
        until=int(until.timestamp()),
    )
    quoted = Quote(
        id=sealed(promise, deps.secrets.secret("quotes")),
        listing_id=home.id,
        check_in=stay.check_in,
        check_out=stay.check_out,
        nights=stay.nights,
        guests=wish.guests,
        lines=quote_lines(made),
        total=Money(made.total, made.currency),
        host_payout=Money(made.payout, made.currency),
        expires_at=until,
    )
    return quoted, made


async def terms(deps: Deps, listing_id: UUID, wish: Wish, quote_id: str, guest_id: UUID) -> Terms:
    """Answers `ListingQuestions.terms`."""
    home, days = await store.published(deps.docs, listing_id)
    stay = _asked(home, wish)
    promise = opened(quote_id, deps.secrets.secret("quotes"))
    if not promise.is_for(listing_id, wish):
        raise QuoteMismatch
    coupon = await _coupon(deps, listing_id, wish, guest_id)
    now = deps.clock.now()
    at = ready(home, days)
    await _must_be_open(deps, listing_id, at.openings, stay, wish, now, guest_id)
    quoted, made = _quote(deps, home, at.prices, stay, wish, coupon, now)
    if now >= promise.expires_at:
        raise QuoteExpired(quote=quoted)
    return Terms(
        listing_id=home.id,
        host_id=home.host_id,
        title=home.title,
        time_zone=home.time_zone,
        check_in_at=at_local(stay.check_in, home.check_in_from, home.time_zone),
        check_out_at=at_local(stay.check_out, home.check_out_by, home.time_zone),
        instant_book=home.instant_book,
        cancellation_policy=home.cancellation_policy,
        quote=quoted,
        quoted_total=Money(promise.total, promise.currency),
        split=made.split,
        nightly=[Money(price, made.currency) for price in made.nightly],
        host_funds_coupon=coupon is not None and coupon.host_funded,
    )


async def free_instead(deps: Deps, listing_id: UUID, wish: Wish, taken: list[Stay]) -> list[Stay]:
    """Answers `ListingQuestions.free_instead`."""
    home, days = await store.published(deps.docs, listing_id)
    stay = _asked(home, wish)
    more = [
        Span(id=listing_id, kind=BOOKED, check_in=other.check_in, check_out=other.check_out)
        for other in taken
    ]
    openings = Openings(home, days)
    return nearest(openings.with_spans([*openings.spans, *more]), stay, deps.clock.now(), most=3)


async def offers(
    deps: Deps, listing_ids: list[UUID], check_in: date, check_out: date, guests: int, pets: int
) -> list[Offer]:
    """Answers `ListingQuestions.offers`."""
    stay, now = stay_asked(check_in, check_out), deps.clock.now()
    fees = deps.fees
    made: list[Offer] = []
    for home, days in await store.homes_and_days(deps.docs, listing_ids):
        if home.status != PUBLISHED or home.pricing is None:
            continue
        at = ready(home, days)
        if refusal(at.openings, stay, now, guests=guests, pets=pets) is None:
            price = bill(at.prices, stay, now, fees, guests=guests, pets=pets)
            made.append(Offer(home.id, Money(price.total, price.currency), price.mean_night))
    return made


def days_between(first: date, until: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((until - first).days)]
