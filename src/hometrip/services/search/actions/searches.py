"""Searching. Words are looked up in the index; everything else is decided on the board, in memory.

When dates are asked, the homes of the page are then checked by the listing service in one batch, whose totals
are shown: they are exactly those of the quotes, and what cannot be booked is not shown.

The price of a stay decides by those exact totals while at most `EXACT` homes match all else; when more do, by
what the nights cost without fees and discounts, and then only the page is exact. A search leaves no trace:
nothing is written, and no event is made of it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from uuid import UUID

import msgspec
import numpy as np

from hometrip.kernel.access import STAFF, Caller
from hometrip.kernel.errors import Invalid
from hometrip.kernel.stay import Stay
from hometrip.ports.search import words_of
from hometrip.services.listing.contract import Offer
from hometrip.services.search.actions.deps import Deps
from hometrip.services.search.actions.homes import current
from hometrip.services.search.contract import Explained, Hit, Results
from hometrip.services.search.rules import facets, matching, ranking
from hometrip.services.search.rules.asked import Asked, Wanted, wanted
from hometrip.services.search.rules.board import Board, Floats
from hometrip.services.search.rules.cards import HOMES, question_of
from hometrip.services.search.rules.matching import Matches

EXACT = 300
# A page is refilled from the homes after it, as often as they are refused, up to so many pages.
REFILLS = 3


class Found(msgspec.Struct, frozen=True):
    """A home of the page, before it is checked: what is shown of it, and the stay that it is shown for."""

    hit: Hit
    stay: Stay | None


async def search(deps: Deps, caller: Caller, asked: Asked) -> Results:
    """`Invalid` names every part of the query that cannot be; a page beyond the last is empty."""
    if asked.explain:
        caller.admit(STAFF)
    now = deps.clock.now()
    wish = wanted(asked, now)
    board = await current(deps)
    _known_currency(board, wish)
    text = await _text(deps, board, wish)
    matched = matching.matches(board, wish, now, None if text is None else text > 0)
    exact = wish.stay is not None and wish.by_price and len(matched.rows) <= EXACT
    if exact:
        matched = await _priced(deps, board, wish, matched)
    matched = matching.within(matched, wish)

    begin, end = (asked.page - 1) * asked.per_page, asked.page * asked.per_page
    order = matching.order(board, wish, matched, text, now, end + REFILLS * asked.per_page)[begin:]
    found = _found(board, wish, matched.only(order))
    if asked.explain:
        parts = matching.parts(board, wish, matched.rows, text, now)
        found = [_explained(each, parts, place) for each, place in zip(found, order, strict=True)]
    counted = facets.facets(board, matched)
    hits, refused = await _checked(deps, wish, found, asked.per_page)
    total = len(matched.rows) - refused
    return Results(
        items=hits,
        page=asked.page,
        per_page=asked.per_page,
        total=total,
        pages=math.ceil(total / asked.per_page),
        facets=counted,
    )


def _known_currency(board: Board, wish: Wanted) -> None:
    if wish.currency is not None and wish.currency not in board.values["currency"].numbers:
        raise Invalid.field("currency", "unknown_currency", "no home has its price in this currency")


async def _text(deps: Deps, board: Board, wish: Wanted) -> Floats | None:
    """The text score of each row of the board, 0 where the words do not match; None without words."""
    if not words_of(wish.words):
        return None
    answer = await deps.index.find(HOMES.name, question_of(wish))
    text = np.zeros(board.size)
    for home, score in zip(answer.ids, answer.scores, strict=True):
        if (row := board.rows.get(home)) is not None:
            text[row] = score
    return text


async def _priced(deps: Deps, board: Board, wish: Wanted, matched: Matches) -> Matches:
    """Those that can be booked, each with its total."""
    found = _found(board, wish, matched)
    offers = await _offers(deps, wish, found)
    bookable = np.array([each.hit.id.int in offers for each in found], np.bool_)
    totals = [offer.total.amount for each in found if (offer := offers.get(each.hit.id.int)) is not None]
    kept = matched.only(bookable)
    return msgspec.structs.replace(kept, prices=np.array(totals, np.int64))


def _found(board: Board, wish: Wanted, matched: Matches) -> list[Found]:
    hits = [board.hits[row] for row in matched.rows.tolist()]
    if wish.stay is None:
        return [Found(hit, None) for hit in hits]
    stays = {shift: wish.stay.moved(shift) for shift in set(matched.shifts.tolist())}
    return [Found(hit, stays[shift]) for hit, shift in zip(hits, matched.shifts.tolist(), strict=True)]


async def _offers(deps: Deps, wish: Wanted, found: Sequence[Found]) -> dict[int, Offer]:
    """What the listing service offers of these, by the number of their id: one question for each of the
    different stays.
    """
    homes: dict[Stay, list[UUID]] = {}
    for each in found:
        if each.stay is not None:
            homes.setdefault(each.stay, []).append(each.hit.id)
    asking = [
        deps.listing.offers(ids, stay.check_in, stay.check_out, wish.guests, wish.pets)
        for stay, ids in homes.items()
    ]
    # One question needs no task of its own.
    answers = [await asking[0]] if len(asking) == 1 else await asyncio.gather(*asking)
    return {offer.listing_id.int: offer for answer in answers for offer in answer}


async def _checked(deps: Deps, wish: Wanted, found: Sequence[Found], most: int) -> tuple[list[Hit], int]:
    """The page, with the totals of its stays; and how many had to give way."""
    if wish.stay is None:
        return [each.hit for each in found[:most]], 0
    hits: list[Hit] = []
    looked = 0
    while len(hits) < most and looked < len(found):
        batch = found[looked : looked + most - len(hits)]
        looked += len(batch)
        offers = await _offers(deps, wish, batch)
        hits += [
            _offered(each, offer)
            for each in batch
            if (offer := offers.get(each.hit.id.int)) is not None and wish.fits(offer.total.amount)
        ]
    if wish.sort in (
        "price",
        "-price",
    ):  # what nights cost decided which are on the page; now it is the totals
        hits.sort(key=lambda hit: hit.total.amount if hit.total else 0, reverse=wish.sort == "-price")
    return hits, looked - len(hits)


def _offered(found: Found, offer: Offer) -> Hit:
    assert found.stay is not None
    return msgspec.structs.replace(
        found.hit,
        nightly=offer.nightly,
        was=offer.was,
        check_in=found.stay.check_in,
        check_out=found.stay.check_out,
        nights=found.stay.nights,
        total=offer.total,
    )


def _explained(found: Found, parts: ranking.Parts, place: int) -> Found:
    shares = {name: round(float(getattr(parts, name)[place]), 4) for name in ranking.WEIGHTS}
    explain = Explained(score=round(float(parts.score[place]), 4), **shares)
    return Found(msgspec.structs.replace(found.hit, explain=explain), found.stay)
