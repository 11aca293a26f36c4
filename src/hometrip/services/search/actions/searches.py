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
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
import numpy as np

from hometrip.kernel.access import STAFF, Caller
from hometrip.kernel.errors import Invalid
from hometrip.kernel.measure import Measure, measure_for
from hometrip.kernel.stay import Stay
from hometrip.kernel.wire import written
from hometrip.ports.search import words_of
from hometrip.services.listing.contract import Offer
from hometrip.services.search.actions.deps import Deps
from hometrip.services.search.actions.homes import current
from hometrip.services.search.contract import Explained, Hit, Results
from hometrip.services.search.rules import facets, matching, ranking
from hometrip.services.search.rules.asked import Asked, Wanted, wanted
from hometrip.services.search.rules.board import Board, Floats
from hometrip.services.search.rules.cards import (
    HOMES,
    offered,
    priced,
    question_of,
    stay_in_writing,
    with_score,
)
from hometrip.services.search.rules.matching import Matches

EXACT = 300
# A page is refilled from the homes after it, as often as they are refused, up to so many pages.
REFILLS = 3


class Found(NamedTuple):
    """A home of the board, before it is checked: its row, its id, and by how many days its stay is moved."""

    row: int
    id: UUID
    shift: int


async def search(deps: Deps, caller: Caller, asked: Asked) -> Results:
    """`Invalid` names every part of the query that cannot be; a page beyond the last is empty."""
    if asked.explain:
        caller.admit(STAFF)
    now = deps.clock.now()
    wish = wanted(asked, now)
    board = await current(deps)
    if wish.currency is not None:
        wish = await told_in(deps, board, wish, wish.currency)
    if wish.stay or wish.words or asked.explain:
        return await _searched(deps, board, asked, wish, now)
    # The rest follows from the board alone, and from how new homes are, which a minute does not change.
    known, key = deps.memory.answers(board), (wish, asked.page, asked.per_page, now.timestamp() // 60)
    if (answer := known.get(key)) is None:
        answer = known[key] = await _searched(deps, board, asked, wish, now)
    return answer


async def _searched(deps: Deps, board: Board, asked: Asked, wish: Wanted, now: datetime) -> Results:
    text = await _text(deps, board, wish)
    matched = matching.matches(board, wish, now, None if text is None else text > 0)
    if wish.measure is None:
        wish = wish.measured(await measure_for(matching.currencies(board, matched), deps.listing.rates))
    matched = matching.exchanged(board, matched, wish)
    every, matched = len(matched.rows), matching.comparable(matched, wish)
    uncompared = every - len(matched.rows)
    exact = wish.stay is not None and wish.by_price and len(matched.rows) <= EXACT
    if exact:
        matched = await _priced(deps, board, wish, matched)
    matched = matching.within(matched, wish)

    begin, end = (asked.page - 1) * asked.per_page, asked.page * asked.per_page
    order = matching.order(board, wish, matched, text, now, end + REFILLS * asked.per_page)[begin:]
    scores: dict[int, Explained] = {}
    if asked.explain:
        parts = matching.parts(board, wish, matched.rows, text, now)
        scores = {int(matched.rows[place]): _explained(parts, place) for place in order}
    counted = facets.facets(board, matched)
    hits, refused = await _checked(deps, board, wish, matched.only(order), asked.per_page, scores)
    total = len(matched.rows) - refused
    return Results(
        items=[written(hit, Hit) for hit in hits],
        page=asked.page,
        per_page=asked.per_page,
        total=total,
        pages=math.ceil(total / asked.per_page),
        facets=counted,
        currency=wish.measure.currency if wish.measure else None,
        uncompared=uncompared or None,
    )


async def told_in(deps: Deps, board: Board, wish: Wanted, currency: str) -> Wanted:
    """With the currency that is asked for as the measure; `Invalid` where there is no rate for it."""
    known = await deps.listing.rates(currency)
    if not known and currency not in board.values["currency"].numbers:
        raise Invalid.field("currency", "unknown_currency", "there is no rate for this currency")
    return wish.measured(Measure.of(currency, known))


async def _text(deps: Deps, board: Board, wish: Wanted) -> Floats | None:
    """The text score of each row of the board, 0 where the words do not match; None without words."""
    if not wish.words or not words_of(wish.words):
        return None
    if len(board.values["currency"].shown) > 1:  # the index knows prices only as they are set
        wish = msgspec.structs.replace(wish, min_price=None, max_price=None)
    answer = await deps.index.find(HOMES.name, question_of(wish))
    text = np.zeros(board.size)
    for home, score in zip(answer.ids, answer.scores, strict=True):
        if (row := board.rows.get(home)) is not None:
            text[row] = score
    return text


async def _priced(deps: Deps, board: Board, wish: Wanted, matched: Matches) -> Matches:
    """Those that can be booked, each with its total and what that is worth."""
    assert wish.stay is not None
    found = _found(board, matched)
    offers = await _offers(deps, wish, wish.stay, found)
    bookable = np.array([each.id.int in offers for each in found], np.bool_)
    totals = [offer.total for each in found if (offer := offers.get(each.id.int)) is not None]
    prices = np.array([total.amount for total in totals], np.int64)
    worth = np.array([wish.worth(total) for total in totals], np.int64)
    return msgspec.structs.replace(matched.only(bookable), prices=prices, worth=worth)


def _found(board: Board, matched: Matches) -> list[Found]:
    rows, shifts, hits = matched.rows.tolist(), matched.shifts.tolist(), board.hits
    return [Found(row, hits[row].id, shift) for row, shift in zip(rows, shifts, strict=True)]


async def _offers(deps: Deps, wish: Wanted, stay: Stay, found: Sequence[Found]) -> dict[int, Offer]:
    """What the listing service offers of these, by the number of their id: one question for each of the
    different stays.
    """
    homes: dict[int, list[UUID]] = {}
    for each in found:
        homes.setdefault(each.shift, []).append(each.id)
    moved = [(stay.moved(shift), ids) for shift, ids in homes.items()]
    asking = [
        deps.listing.offers(ids, one.check_in, one.check_out, wish.guests, wish.pets, wish.currency)
        for one, ids in moved
    ]
    # One question needs no task of its own.
    answers = [await asking[0]] if len(asking) == 1 else await asyncio.gather(*asking)
    return {offer.listing_id.int: offer for answer in answers for offer in answer}


def _undated(
    board: Board, wish: Wanted, matched: Matches, most: int, scores: dict[int, Explained]
) -> list[bytes]:
    """The page as JSON where no dates were asked."""
    rows = matched.rows[:most].tolist()
    if wish.currency is not None:
        prices = matched.compared[:most].tolist()
        hits = [priced(board.told(row), price, wish) for row, price in zip(rows, prices, strict=True)]
        return [with_score(hit, scores.get(row)) for hit, row in zip(hits, rows, strict=True)]
    if scores:
        return [with_score(board.told(row).whole[:-1], scores[row]) for row in rows]
    return [board.told(row).whole for row in rows]


async def _checked(
    deps: Deps, board: Board, wish: Wanted, matched: Matches, most: int, scores: dict[int, Explained]
) -> tuple[list[bytes], int]:
    """The page as JSON, with the totals of its stays; and how many had to give way."""
    if wish.stay is None:
        return _undated(board, wish, matched, most, scores), 0
    kept: list[tuple[Found, Offer]] = []
    looked = 0
    while len(kept) < most and looked < len(matched.rows):
        batch = _found(board, matched.only(slice(looked, looked + most - len(kept))))
        looked += len(batch)
        offers = await _offers(deps, wish, wish.stay, batch)
        checked = [(each, offer) for each in batch if (offer := offers.get(each.id.int)) is not None]
        kept += [one for one in checked if wish.fits(wish.worth(one[1].total))] if wish.limited else checked
    if wish.sort in ("price", "-price"):  # what nights cost decided which are on the page; now it is totals
        kept.sort(key=lambda one: wish.place(one[1].total))
    stays = {shift: stay_in_writing(wish.stay.moved(shift)) for shift in {each.shift for each, _ in kept}}
    hits = [
        offered(board.told(each.row), stays[each.shift], offer, scores.get(each.row)) for each, offer in kept
    ]
    return hits, looked - len(hits)


def _explained(parts: ranking.Parts, place: int) -> Explained:
    each = {name: getattr(parts, name) for name in ranking.WEIGHTS}
    shares = {name: 0.0 if part is None else round(float(part[place]), 4) for name, part in each.items()}
    return Explained(score=round(float(parts.score[place]), 4), **shares)
