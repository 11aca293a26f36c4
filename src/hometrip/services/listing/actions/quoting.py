"""What a stay costs and whether it can be had: quotes for guests, terms for booking, offers for search."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from hometrip.kernel.access import Caller
from hometrip.kernel.clock import MINUTE
from hometrip.kernel.errors import Invalid
from hometrip.kernel.money import Money, converted, half_up
from hometrip.kernel.stay import Stay, at_local
from hometrip.services.booking.contract import Agreed, CouponRefused, CouponTerms, DatesTaken
from hometrip.services.listing import store
from hometrip.services.listing.actions.deps import Deps, stay_asked
from hometrip.services.listing.actions.feeds_reading import freshen
from hometrip.services.listing.actions.instant import books_at_once
from hometrip.services.listing.actions.ready import ready
from hometrip.services.listing.actions.taxes import platform_rate, rates_now, taxes_now
from hometrip.services.listing.actions.usually import usual_stays
from hometrip.services.listing.contract import (
    Offer,
    Quote,
    QuoteExpired,
    QuoteMismatch,
    StayRefused,
    Terms,
    Wish,
)
from hometrip.services.listing.rules import instead
from hometrip.services.listing.rules.ahead import Ahead, Sought, cost_of_nights, total_of
from hometrip.services.listing.rules.calendar import (
    BOOKED,
    IMPORTED,
    TAKEN,
    Calendar,
    Openings,
    Span,
)
from hometrip.services.listing.rules.home import PUBLISHED, Home
from hometrip.services.listing.rules.price import Bill, Prices, bill, quote_lines, shown_in
from hometrip.services.listing.rules.quotes import Promise, opened, sealed
from hometrip.services.listing.rules.rates import Rates
from hometrip.services.listing.rules.refusal import Refusal, refusal
from hometrip.services.listing.rules.saying import said
from hometrip.services.listing.rules.taxes import Taxes


class Asked(NamedTuple):
    """What a price depends on besides the home: `shown` is the currency it is shown in as well, `agreed` what
    the booking that is changed was made on."""

    wish: Wish
    stay: Stay
    now: datetime
    coupon: CouponTerms | None
    taxes: Taxes
    exempt: int
    shown: Shown | None = None
    agreed: Agreed | None = None


class Shown(NamedTuple):
    """A currency that is not the home's, what one unit of the home's is in it, and on which day."""

    currency: str
    rate: int
    on: date


async def quote(deps: Deps, caller: Caller, listing_id: UUID, wish: Wish) -> Quote:
    """The itemised price of a stay that can be booked now; `StayRefused` or `DatesTaken` for any other. A
    change has the coupon of its booking, if its minimum is reached."""
    agreed = await _agreed(deps, listing_id, wish, caller.account_id)
    if agreed and agreed.coupon and not wish.coupon:
        with_coupon = msgspec.structs.replace(wish, coupon=agreed.coupon)
        with suppress(CouponRefused):
            return await _quoted(deps, caller, listing_id, with_coupon, agreed)
    return await _quoted(deps, caller, listing_id, wish, agreed)


async def _quoted(deps: Deps, caller: Caller, home_id: UUID, wish: Wish, agreed: Agreed | None) -> Quote:
    home, days = await store.published(deps.docs, home_id)
    asked = Asked(
        wish=wish,
        stay=_stay(wish),
        now=deps.clock.now(),
        coupon=await _coupon(deps, home_id, wish, caller.account_id),
        taxes=await taxes_now(deps),
        exempt=wish.exempt_guests,
        shown=_shown(deps, home, wish),
        agreed=agreed,
    )
    await _must_be_open(deps, home_id, ready(home, days).openings, asked, caller.account_id)
    was = await usual_stays(deps, [(home, days)], asked.stay, asked.now)
    at_once = await books_at_once(deps, home, days, caller.account_id)
    return _quote(deps, home, _prices(home, days, asked), asked, was.get(home.id), at_once)[0]


def _stay(wish: Wish) -> Stay:
    stay = stay_asked(wish.check_in, wish.check_out)
    if wish.guests < 1:
        raise Invalid.field("guests", "out_of_range", "must be at least 1")
    if not 0 <= wish.pets <= 20:
        raise Invalid.field("pets", "out_of_range", "must be 0 to 20")
    if not 0 <= wish.exempt_guests <= wish.guests:
        raise Invalid.field("exempt_guests", "out_of_range", "must be 0 to the number of guests")
    return stay


def _shown(deps: Deps, home: Home, wish: Wish) -> Shown | None:
    """The currency that was asked for, where it is not the home's own; `Invalid` where it has no rate."""
    currency = home.pricing.currency if home.pricing else ""
    if wish.currency is None or wish.currency == currency:
        return None
    rates = rates_now(deps)
    rate = rates.rate(currency, wish.currency)
    if rate is None:
        raise Invalid.field("currency", "no_rate", f"there is no rate for it; this home is in {currency}")
    return Shown(wish.currency, rate, rates.on)


async def _coupon(deps: Deps, listing_id: UUID, wish: Wish, guest: UUID | None) -> CouponTerms | None:
    return await deps.booking.coupon(wish.coupon, listing_id, guest, wish.changing) if wish.coupon else None


async def _agreed(deps: Deps, home: UUID, wish: Wish, guest: UUID | None) -> Agreed | None:
    return await deps.booking.agreed(wish.changing, home, guest) if wish.changing and guest else None


def _prices(home: Home, days: Calendar, asked: Asked) -> Prices:
    """A booking that is changed keeps its policy, and so the price of that."""
    if asked.agreed is None or asked.agreed.policy == home.cancellation_policy:
        return ready(home, days).price_list
    return Prices(msgspec.structs.replace(home, cancellation_policy=asked.agreed.policy), days)


async def _must_be_open(
    deps: Deps, listing_id: UUID, openings: Openings, asked: Asked, guest: UUID | None
) -> None:
    """Before nights are called taken, their owner is asked: a booking that ended a moment ago may still be
    on its way here, and a guest's own unpaid hold makes room for a new one. What other sites have is known
    here first: nobody needs to be asked, unless a booking is changed, whose own nights are no hindrance."""
    wish, stay, now = asked.wish, asked.stay, asked.now
    settled = asked.agreed.stay if asked.agreed else None
    refused = refusal(openings, stay, now, guests=wish.guests, pets=wish.pets, agreed=settled)
    elsewhere = wish.changing is None and any(span.kind == IMPORTED for span in openings.overlapping(stay))
    if refused and refused.rule in (*TAKEN, "preparation") and not elsewhere:
        if wish.beside_requests:
            taken = await deps.booking.taken_but_for_requests(listing_id, guest)
        else:
            taken = await deps.booking.taken(listing_id, guest, wish.changing)
        openings = _without_ended(openings, taken)
        refused = refusal(openings, stay, now, guests=wish.guests, pets=wish.pets, agreed=settled)
    if refused:
        raise _refusing(openings, stay, refused, now)


def _without_ended(openings: Openings, taken: list[Stay]) -> Openings:
    """Without what nobody has any more, or nobody else than the guest: `taken` is all that is taken."""
    left = [span for span in openings.spans if any(_shares_nights(span, other) for other in taken)]
    return openings.with_spans(left)


def _shares_nights(span: Span, other: Stay) -> bool:
    return span.check_in < other.check_out and other.check_in < span.check_out


def _refusing(openings: Openings, stay: Stay, refused: Refusal, now: datetime) -> DatesTaken | StayRefused:
    """The refusal as an error, with what would do instead."""
    if refused.rule in TAKEN:
        return DatesTaken(rule=refused.rule, free_instead=instead.free_instead(openings, stay, now))
    found = instead.nearest_instead(openings, stay, refused, now)
    nearest = {"nearest": found} if found else {}
    return StayRefused(said(refused), rule=refused.rule, value=refused.value, **nearest)


def _quote(
    deps: Deps, home: Home, prices: Prices, asked: Asked, was: int | None, at_once: bool
) -> tuple[Quote, Bill]:
    wish, stay = asked.wish, asked.stay
    made = bill(
        prices,
        stay,
        asked.now,
        deps.fees,
        guests=wish.guests,
        pets=wish.pets,
        coupon=asked.coupon,
        taxes=asked.taxes,
        exempt=asked.exempt,
    )
    until = (asked.now + deps.settings.quote_minutes * MINUTE).replace(microsecond=0)
    lines = quote_lines(made, was)
    quoted = Quote(
        id=sealed(_promise(deps.new_id(), home, asked, made, until), deps.secrets.secret("quotes")),
        listing_id=home.id,
        check_in=stay.check_in,
        check_out=stay.check_out,
        nights=stay.nights,
        guests=wish.guests,
        lines=lines,
        total=Money(made.total, made.currency),
        host_payout=Money(made.payout, made.currency),
        expires_at=until,
        shown=shown_in(lines, *asked.shown) if asked.shown else None,
        cancellation_policy=asked.agreed.policy if asked.agreed else home.cancellation_policy,
        instant_book=at_once,
    )
    return quoted, made


def _promise(quote_id: UUID, home: Home, asked: Asked, made: Bill, until: datetime) -> Promise:
    shown = asked.shown
    return Promise(
        id=quote_id,
        listing_id=home.id,
        check_in=asked.stay.check_in,
        check_out=asked.stay.check_out,
        guests=asked.wish.guests,
        pets=asked.wish.pets,
        coupon=asked.wish.coupon or "",
        total=made.total,
        currency=made.currency,
        until=int(until.timestamp()),
        exempt=asked.exempt,
        shown_in=shown.currency if shown else "",
        rate=shown.rate if shown else 0,
        rated_on=shown.on if shown else None,
        policy=home.cancellation_policy,
    )


async def terms(deps: Deps, listing_id: UUID, wish: Wish, quote_id: str, guest_id: UUID) -> Terms:
    """Answers `ListingQuestions.terms`."""
    home, days = await _refreshed(deps, listing_id)
    stay = _stay(wish)
    promise = opened(quote_id, deps.secrets.secret("quotes"))
    if not promise.is_for(listing_id, wish):
        raise QuoteMismatch
    asked = await _promised(deps, listing_id, wish, promise, guest_id)
    await _must_be_open(deps, listing_id, ready(home, days).openings, asked, guest_id)
    was = await usual_stays(deps, [(home, days)], stay, asked.now)
    at_once = await books_at_once(deps, home, days, guest_id)
    quoted, made = _quote(deps, home, _prices(home, days, asked), asked, was.get(home.id), at_once)
    if asked.now >= promise.expires_at:
        raise QuoteExpired(quote=quoted)
    return Terms(
        listing_id=home.id,
        host_id=home.host_id,
        co_hosts=home.co_hosts,
        title=home.title,
        time_zone=home.time_zone,
        check_in_at=at_local(stay.check_in, home.check_in_from, home.time_zone),
        check_out_at=at_local(stay.check_out, home.check_out_by, home.time_zone),
        instant_book=at_once,
        cancellation_policy=home.cancellation_policy,
        quote=quoted,
        quoted_total=Money(promise.total, promise.currency),
        quoted_policy=promise.policy or None,
        split=made.split,
        nightly=[Money(price, made.currency) for price in made.nightly],
        host_funds_coupon=asked.coupon is not None and asked.coupon.host_funded,
        deposit=home.pricing.deposit if home.pricing and home.pricing.deposit else None,
        exempt_guests=asked.exempt,
        platform_rate=platform_rate(deps, made.currency),
        preparation_nights=home.stay_rules.preparation_nights,
        check_in_from=home.check_in_from,
    )


async def _promised(deps: Deps, listing_id: UUID, wish: Wish, promise: Promise, guest_id: UUID) -> Asked:
    """The wish as it was quoted: with what the guest said of the party, and the rate that was promised."""
    return Asked(
        wish=wish,
        stay=_stay(wish),
        now=deps.clock.now(),
        coupon=await _coupon(deps, listing_id, wish, guest_id),
        taxes=await taxes_now(deps),
        exempt=promise.exempt,
        shown=Shown(promise.shown_in, promise.rate, promise.rated_on) if promise.rated_on else None,
        agreed=await _agreed(deps, listing_id, wish, guest_id),
    )


async def _refreshed(deps: Deps, listing_id: UUID) -> tuple[Home, Calendar]:
    """The home and its days, with what other sites have of them now."""
    home, days = await store.published(deps.docs, listing_id)
    if await freshen(deps, days):
        return await store.published(deps.docs, listing_id)
    return home, days


async def free_instead(deps: Deps, listing_id: UUID, wish: Wish, taken: list[Stay]) -> list[Stay]:
    """Answers `ListingQuestions.free_instead`."""
    home, days = await store.published(deps.docs, listing_id)
    stay, openings = _stay(wish), ready(home, days).openings
    if wish.guests > openings.guests or (wish.pets and not openings.pets):
        return []  # whatever the dates, the home does not take this party
    if wish.changing is not None:
        openings = _without_ended(openings, taken)
    more = [
        Span(id=listing_id, kind=BOOKED, check_in=other.check_in, check_out=other.check_out)
        for other in taken
        # Of what is known here, the kind is known as well.
        if not any(_has_all_of(span, other) for span in openings.spans)
    ]
    return instead.free_instead(openings.with_spans([*openings.spans, *more]), stay, deps.clock.now())


def _has_all_of(span: Span, other: Stay) -> bool:
    return span.check_in <= other.check_in and other.check_out <= span.check_out


async def rates(deps: Deps, currency: str) -> dict[str, int]:
    """Answers `ListingQuestions.rates`."""
    return rates_now(deps).into(currency)


async def offers(
    deps: Deps,
    ids: list[UUID],
    check_in: date,
    check_out: date,
    guests: int,
    pets: int,
    currency: str | None = None,
) -> list[Offer]:
    """Answers `ListingQuestions.offers`."""
    stay, now = stay_asked(check_in, check_out), deps.clock.now()
    sought = Sought(stay, now, deps.fees, await taxes_now(deps), guests=guests, pets=pets)
    made: list[Offer] = []
    known = rates_now(deps) if currency else None
    found = await store.homes_and_days(deps.docs, ids)
    usual, today = await usual_stays(deps, found, stay, now), now.date()
    for home, days in found:
        if home.status != PUBLISHED or home.pricing is None:
            continue
        at = ready(home, days).ahead(today)
        cost = cost_of_nights(at, sought)
        if cost is not None:
            total, nightly = total_of(at, sought, cost), half_up(cost, sought.nights)
            was, own = usual.get(home.id) if usual else None, at.currency
            usually = None if was is None else Money(half_up(was, sought.nights), own)
            offer = Offer(home.id, Money(total, own), Money(nightly, own), usually)
            if known is not None and currency is not None and currency != own:
                offer = _offer_in(currency, known, offer, at, sought)
            made.append(offer)
    return made


def _offer_in(currency: str, rates: Rates, offer: Offer, at: Ahead, sought: Sought) -> Offer:
    """The offer as its quote is shown in this currency, line by line; unchanged where there is no rate."""
    rate = rates.rate(at.currency, currency)
    if rate is None:
        return offer
    made = bill(
        at.prices,
        sought.stay,
        sought.now,
        sought.fees,
        guests=sought.guests,
        pets=sought.pets,
        taxes=sought.taxes,
    )
    return Offer(
        offer.listing_id,
        shown_in(quote_lines(made), currency, rate, rates.on).total,
        converted(offer.nightly, rate, currency),
        None if offer.was is None else converted(offer.was, rate, currency),
    )
