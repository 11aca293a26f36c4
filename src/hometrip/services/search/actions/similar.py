"""Homes like a home: its neighbours on the board, the most similar first."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from hometrip.kernel.measure import Measure
from hometrip.kernel.money import converted
from hometrip.ports.search import Circle
from hometrip.services.search.actions.deps import Deps
from hometrip.services.search.actions.homes import current
from hometrip.services.search.actions.searches import REFILLS, told_in
from hometrip.services.search.contract import Hit, Likeness, SimilarWish
from hometrip.services.search.rules import matching
from hometrip.services.search.rules import similar as rules
from hometrip.services.search.rules.asked import Asked, Wanted, wanted
from hometrip.services.search.rules.board import Board
from hometrip.services.search.rules.matching import Matches


async def similar(deps: Deps, of: Likeness, wish: SimilarWish) -> list[Hit]:
    """Answers `SearchQuestions.similar`."""
    now = deps.clock.now()
    asked = Asked(
        check_in=wish.check_in, check_out=wish.check_out, guests=wish.guests, currency=wish.currency
    )
    want, board = wanted(asked, now), await current(deps)
    if want.currency is not None:
        want = await told_in(deps, board, want, want.currency)
    elif len(board.values["currency"].shown) > 1:
        own = of.nightly.currency
        want = want.measured(Measure.of(own, await deps.listing.rates(own)))
    found = matching.exchanged(board, rules.nearest(board, _around(board, want, of, now), of), want)
    nights = want.stay.nights if want.stay else 1
    order = rules.order(board, found, of, want.worth(of.nightly) * nights, wish.limit * (1 + REFILLS))
    hits = [board.hits[row] for row in found.rows[order].tolist()]
    if want.stay is None:
        return [_told(hit, want) for hit in hits[: wish.limit]]
    return await _free(deps, want, hits, wish.limit)


def _around(board: Board, want: Wanted, of: Likeness, now: datetime) -> Matches:
    """All others that match nearby, where these are enough, else farther out."""
    found = _within(board, want, of, now, rules.NEAR_KM)
    return found if len(found.rows) >= rules.ENOUGH else _within(board, want, of, now, rules.FAR_KM)


def _within(board: Board, want: Wanted, of: Likeness, now: datetime, km: float) -> Matches:
    circle = Circle(of.lat, of.lng, km)
    found = matching.matches(board, replace(want, circle=circle, box=circle.box()), now)
    return found.only(found.rows != board.rows.get(str(of.id), -1))


def _told(hit: Hit, want: Wanted) -> Hit:
    """With the price of a night in the currency that is asked for, where there is a rate."""
    rate = want.rate_of(hit.nightly.currency)
    if want.currency is None or rate is None:
        return hit
    return replace(hit, nightly=converted(hit.nightly, rate, want.currency))


async def _free(deps: Deps, want: Wanted, hits: list[Hit], most: int) -> list[Hit]:
    """Those that can be booked then, with the total of the stay: what the listing service offers."""
    stay, free = want.stay, list[Hit]()
    assert stay is not None
    for at in range(0, len(hits), most):
        batch = hits[at : at + most]
        offers = await deps.listing.offers(
            [hit.id for hit in batch], stay.check_in, stay.check_out, want.guests, want.pets, want.currency
        )
        of = {offer.listing_id: offer for offer in offers}
        free += [
            replace(
                hit,
                nightly=offer.nightly,
                was=offer.was,
                total=offer.total,
                check_in=stay.check_in,
                check_out=stay.check_out,
                nights=stay.nights,
            )
            for hit in batch
            if (offer := of.get(hit.id)) is not None
        ]
        if len(free) >= most:
            break
    return free[:most]
