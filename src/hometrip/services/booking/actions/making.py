"""To book: the price is compared, the nights are taken, the hold begins."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import HomeTripError, NotFound
from hometrip.kernel.once import Once
from hometrip.kernel.stay import Stay, stay_of
from hometrip.ports.database import Tx, Unexpected
from hometrip.services.booking import store
from hometrip.services.booking.actions.confirming import confirm_if_free
from hometrip.services.booking.actions.deps import Deps, remind_of_hold, tell
from hometrip.services.booking.actions.holds import LetGo, expect_none, replace_holds, with_room
from hometrip.services.booking.actions.rivals import one_at_a_time, only_requested
from hometrip.services.booking.actions.settling import is_prepared
from hometrip.services.booking.contract import (
    BookingCreated,
    BookingRequested,
    DatesTaken,
)
from hometrip.services.booking.rules import (
    HOST,
    Booking,
    BookingView,
    BookingWish,
    Change,
    admit,
    must_be_as_quoted,
    must_be_expected,
    must_name_a_price,
    open_booking,
    view_of,
)
from hometrip.services.listing.contract import StayRefused, Terms, Wish

# The listing service knows what was taken before; what it may not have heard of yet is told of so many days.
NEAR = timedelta(days=30)


class _Forgotten(Exception):
    """Ends a transaction that looked for the answer of a key and found none."""


async def book(deps: Deps, caller: Caller, wish: BookingWish, once: Once) -> BookingView:
    """A pending booking that holds its nights; one that costs nothing, of an instant home, is confirmed. A
    request that is wished beside others for the same nights holds them once it is accepted.

    Raises `DatesTaken` with the nearest free stays, `PriceChanged` and `PolicyChanged` with the new quote,
    `OwnHome`, `PlanRefused`, `PaymentUnderWay` for the guest's earlier hold, and what the listing service
    says against the wish (`StayRefused`, `QuoteExpired`, `CouponRefused`, …).
    """
    must_name_a_price(wish)
    stay = stay_of(wish.check_in, wish.check_out)
    looked = not deps.crowd.wants(wish.listing_id, stay)
    while await deps.crowd.wait_for_others(wish.listing_id, stay) or not looked:
        await _refuse_early(deps, caller.id, wish, stay, once)
        looked = True
    with deps.crowd.booking(wish.listing_id, stay):
        try:
            terms = await _terms(deps, caller, wish)
            booking = open_booking(deps.new_id(), caller.id, wish, terms, deps.clock.now())
        except HomeTripError:
            await _refuse_early(deps, caller.id, wish, stay, once)
            raise
        beside = wish.beside_requests and booking.awaiting == HOST
        try:
            return await _write(deps, booking, once, beside)
        except (DatesTaken, StayRefused) as refusal:
            raise await with_proposal(deps, caller.id, wish.listing_id, wish.for_listing, refusal) from None


async def _write(deps: Deps, booking: Booking, once: Once, beside: bool) -> BookingView:
    """The booking and its nights, unless one of them, or of those of preparation, was taken meanwhile; a
    request `beside` those of others without them."""
    if booking.coupon is None and not beside:
        with suppress(Unexpected, DatesTaken, StayRefused):
            return await _write_at_once(deps, booking, once)
    return await with_room(deps, lambda let_go: _write_with_room(deps, booking, once, let_go, beside))


async def _write_at_once(deps: Deps, booking: Booking, once: Once) -> BookingView:
    """For a first request of a guest who holds nothing here, as nearly all are: nothing is looked for before
    all is written. Where it is refused, for whatever reason, `_write_with_room` finds out what is to be said.
    """
    async with deps.db.transaction() as tx:
        await expect_none(tx, booking.guest_id, booking.listing_id)
        await store.nights.take_stay(tx, booking)
        await must_be_prepared(tx, booking, booking)
        view = await _add(deps, tx, booking, once)
        await tx.answer_first(once, view)
    return view


async def _write_with_room(
    deps: Deps, booking: Booking, once: Once, let_go: LetGo, beside: bool
) -> BookingView:
    async with deps.db.transaction() as tx:
        if beside:
            await one_at_a_time(tx, booking.listing_id)
        why = "replaced by a newer booking of the guest"
        await replace_holds(deps, tx, booking.guest_id, booking.listing_id, why, let_go, once=once)
        if beside and await only_requested(tx, booking):
            booking = replace(booking, beside_requests=True)
        else:
            await store.nights.take_stay(tx, booking)
            await must_be_prepared(tx, booking, booking)
        view = await _add(deps, tx, await _with_coupon(deps, tx, booking), once)
        await tx.answer(once, view)
    return view


async def _add(deps: Deps, tx: Tx, booking: Booking, once: Once) -> BookingView:
    await store.bookings.add(tx, booking, once.key)
    await tell(tx, BookingRequested if booking.awaiting == HOST else BookingCreated, booking)
    await remind_of_hold(tx, booking)
    return view_of(await confirm_if_free(deps, tx, booking))


async def _terms(deps: Deps, guest: Caller, wish: BookingWish) -> Terms:
    """The home's terms, if its price and policy are those that the guest has seen."""
    quote_id = wish.quote_id
    if quote_id is None:
        quote = await deps.listing.quote(guest, wish.listing_id, wish.for_listing)
        must_be_expected(quote, wish.expected_total)
        quote_id = quote.id
    terms = await deps.listing.terms(wish.listing_id, wish.for_listing, quote_id, guest.id)
    must_be_as_quoted(terms)
    return terms


async def _refuse_early(deps: Deps, guest_id: UUID, wish: BookingWish, stay: Stay, once: Once) -> None:
    """Spare the house the work for nights that are surely gone; the key decides about all others.

    A request that was answered before gets that answer, whatever has become of the home since.
    """
    seen = await _look(deps, wish.listing_id, stay, guest_id, once.key)
    if seen.known:
        with suppress(_Forgotten):
            async with deps.db.transaction() as tx:
                await tx.once(once)
                raise _Forgotten
    if seen.gone and not wish.beside_requests:
        raise DatesTaken(
            rule=seen.gone, free_instead=await free_instead(deps, wish.listing_id, wish.for_listing)
        )


async def _look(
    deps: Deps, listing_id: UUID, stay: Stay, guest_id: UUID, once_key: str
) -> store.glances.Glance:
    """A glance; where it has to be waited for, with others who want the same nights."""
    if (seen := store.glances.at_hand(deps.db, listing_id, stay, guest_id, once_key)) is not None:
        return seen

    async def find(asked: Sequence[tuple[UUID, str]]) -> list[store.glances.Glance]:
        async with deps.db.look() as db:
            if len(asked) == 1:
                return [await store.glances.of_one(db, listing_id, stay, *asked[0])]
            return await store.glances.of_many(db, listing_id, stay, asked)

    return await deps.crowd.looks.look((listing_id, stay), (guest_id, once_key), find)


def refusal_at_hand(deps: Deps, caller: Caller, data: BookingWish, once: Once) -> DatesTaken | None:
    """What `book` refuses most of a crowd with: whose nights are gone, and who is told what others were told
    just now. None where anything has to be waited for.
    """
    must_name_a_price(data)
    stay = stay_of(data.check_in, data.check_out)
    if data.beside_requests or deps.crowd.is_booked_now(data.listing_id, stay):
        return None
    instead = deps.crowd.proposed(data.listing_id, data.for_listing)
    if instead is None:
        return None
    seen = store.glances.at_hand(deps.db, data.listing_id, stay, caller.id, once.key)
    if seen is None or seen.known or seen.gone is None:
        return None
    return DatesTaken(rule=seen.gone, free_instead=instead)


async def free_instead(deps: Deps, listing_id: UUID, wish: Wish) -> list[Stay]:
    """The nearest stays that are free, as far as the listing service can be asked. `NotFound` for a home that
    is let no more."""

    async def find() -> list[Stay]:
        near = Stay(wish.check_in - NEAR, wish.check_out + NEAR)
        async with deps.db.look() as db:
            if wish.changing is None:
                taken = await store.nights.taken(db, listing_id, near)
            else:
                taken = await store.nights.taken_by_others(db, listing_id, wish.changing)
        try:
            return await deps.listing.free_instead(listing_id, wish, taken)
        except NotFound:
            raise
        except HomeTripError:
            return []  # the refusal stands without a proposal

    return await deps.crowd.proposal(listing_id, wish, find)


async def must_be_prepared(tx: Tx, booking: Booking, agreed: Booking | Change) -> None:
    if not await is_prepared(tx, booking, agreed):
        nights = agreed.preparation_nights
        told = StayRefused.UNPREPARED.format("1 night" if nights == 1 else f"{nights} nights")
        raise StayRefused(told, rule="preparation", value=nights)


async def with_proposal(
    deps: Deps, guest_id: UUID, listing_id: UUID, wish: Wish, refusal: DatesTaken | StayRefused
) -> DatesTaken | StayRefused:
    """The refusal with what would do instead, and by what the nights are taken."""
    instead: list[Stay] = []
    with suppress(NotFound):
        instead = await free_instead(deps, listing_id, wish)
    if isinstance(refusal, StayRefused):
        return StayRefused(refusal.detail, **refusal.facts, **({"nearest": instead[0]} if instead else {}))
    rule = refusal.facts.get("rule")
    if rule is None:
        seen = await _look(deps, listing_id, stay_of(wish.check_in, wish.check_out), guest_id, "")
        # Where it is free again, or another booking of the guest is in the way, it was a booking.
        rule = seen.gone or "booked"
    return DatesTaken(**refusal.facts | {"rule": rule, "free_instead": instead})


async def _with_coupon(deps: Deps, tx: Tx, booking: Booking) -> Booking:
    """The coupon's limits hold at this moment, in this transaction. The booking keeps its terms."""
    if booking.coupon is None:
        return booking
    coupon = await store.coupons.find(tx, booking.coupon)
    uses = await store.coupons.uses(tx, booking.coupon, booking.guest_id, booking.listing_id)
    terms = admit(coupon, booking.listing_id, uses, deps.clock.now())
    return replace(booking, coupon_terms=terms)
