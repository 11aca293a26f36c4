"""Searching. Words are looked up in the index; everything else is decided on the board, in memory.

When dates are asked, the homes of the page are then checked by the listing service in one batch, whose totals
are shown: they are exactly those of the quotes, and what cannot be booked is not shown.

With dates a home's price is the total of the stay: that is shown, limited, counted and put in order. The
board knows it of nearly all homes. Of the others the listing service is asked, while they are at most
`ASKED`; when they are more, the answer says that it is approximate. A search leaves no trace: nothing is
written, and no event is made of it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec
import numpy as np

from hometrip.kernel.access import STAFF, Caller
from hometrip.kernel.errors import Invalid, Unavailable
from hometrip.kernel.measure import Measure, measure_for
from hometrip.kernel.stay import Stay
from hometrip.kernel.wire import written
from hometrip.ports.search import words_of
from hometrip.services.listing.contract import Offer, Tariff
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
from hometrip.services.search.rules.totals import totals

ASKED = 300
# So long what is added to every stay is taken to be as it was.
TARIFF_HOLDS = timedelta(seconds=5)
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
    if badges := await badges_of(deps, board, caller):
        wish = msgspec.structs.replace(wish, badges=badges)
    if wish.stay or wish.words or asked.explain:
        return await _searched(deps, board, asked, wish, now)
    # The rest follows from the board alone, and from how new homes are, which a minute does not change.
    known, key = deps.memory.answers(board), (wish, asked.page, asked.per_page, now.timestamp() // 60)
    if (answer := known.get(key)) is None:
        answer = known[key] = await _searched(deps, board, asked, wish, now)
    return answer


async def badges_of(deps: Deps, board: Board, caller: Caller) -> tuple[str, ...]:
    """What of the caller was verified, where homes demand something; nothing where nobody can tell now."""
    if board.demanding and caller.account_id is not None:
        with suppress(Unavailable):
            found = await deps.user.public_profiles([caller.account_id])
            return tuple(badge for one in found for badge in one.badges)
    return ()


async def _searched(deps: Deps, board: Board, asked: Asked, wish: Wanted, now: datetime) -> Results:
    text = await _text(deps, board, wish)
    matched = matching.matches(board, wish, now, None if text is None else text > 0)
    if wish.measure is None:
        wish = wish.measured(await measure_for(matching.currencies(board, matched), deps.listing.rates))
    matched, approximate = await _priced(deps, board, wish, matched, now)
    every, matched = len(matched.rows), matching.comparable(matched, wish)
    uncompared = every - len(matched.rows)
    matched = matching.within(matched, wish)

    begin, end = (asked.page - 1) * asked.per_page, asked.page * asked.per_page
    order = matching.order(board, wish, matched, text, now, end + REFILLS * asked.per_page)[begin:]
    scores: dict[int, Explained] = {}
    if asked.explain:
        parts = matching.parts(board, wish, matched.rows, text, now)
        scores = {int(matched.rows[place]): _explained(parts, place) for place in order}
    hits, gone = await _checked(deps, board, wish, matched.only(order), asked.per_page, scores)
    left = matched.only(np.isin(matched.rows, gone, invert=True)) if gone else matched
    counted, total = facets.facets(board, left, wish), len(left.rows)
    return Results(
        items=[written(hit, Hit) for hit in hits],
        page=asked.page,
        per_page=asked.per_page,
        total=total,
        pages=math.ceil(total / asked.per_page),
        facets=counted,
        currency=wish.measure.currency if wish.measure else None,
        uncompared=uncompared or None,
        approximate=approximate or None,
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


async def _priced(
    deps: Deps, board: Board, wish: Wanted, matched: Matches, now: datetime
) -> tuple[Matches, bool]:
    """Each with what is compared: the price of a night, or the stay's total; and is that only about right?"""
    if wish.stay is None or not len(matched.rows):
        return matching.exchanged(board, matched, wish), False
    if (tariff := await _tariff(deps, now)) is None:
        return matching.exchanged(board, matched, wish), True
    matched, rough = totals(board, matched, wish, tariff, now)
    if rough is None or np.count_nonzero(rough) > ASKED:
        return matched, rough is not None
    asked = np.flatnonzero(rough)
    offers = await _offers(deps, wish, wish.stay, found := _found(board, matched.only(asked)))
    prices, worth, kept = matched.prices.copy(), matched.compared.copy(), np.full(len(rough), True)
    for place, each in zip(asked.tolist(), found, strict=True):
        if (offer := offers.get(each.id.int)) is None:
            kept[place] = False
        else:
            prices[place], worth[place] = offer.total.amount, wish.worth(offer.total)
    return msgspec.structs.replace(matched, prices=prices, worth=worth).only(kept), False


async def _tariff(deps: Deps, now: datetime) -> Tariff | None:
    """None where nobody could tell it yet: a listing service of before, which still runs, cannot."""
    memory = deps.memory
    if memory.tariff is None or abs(now - memory.tariff_at) >= TARIFF_HOLDS:
        with suppress(Unavailable):
            memory.tariff, memory.tariff_at = await deps.listing.tariff(), now
    return memory.tariff


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
) -> tuple[list[bytes], list[int]]:
    """The page as JSON, with the totals of its stays; and the rows that had to give way."""
    if wish.stay is None:
        return _undated(board, wish, matched, most, scores), []
    kept: list[tuple[Found, Offer]] = []
    gone: list[int] = []
    looked = 0
    while len(kept) < most and looked < len(matched.rows):
        batch = _found(board, matched.only(slice(looked, looked + most - len(kept))))
        looked += len(batch)
        offers = await _offers(deps, wish, wish.stay, batch)
        for each in batch:
            offer = offers.get(each.id.int)
            if offer is None or (wish.limited and not wish.fits(wish.worth(offer.total))):
                gone.append(each.row)
            else:
                kept.append((each, offer))
    if wish.sort in ("price", "-price"):  # a price that has changed a moment ago has another place
        kept.sort(key=lambda one: wish.place(one[1].total))
    stays = {shift: stay_in_writing(wish.stay.moved(shift)) for shift in {each.shift for each, _ in kept}}
    hits = [
        offered(board.told(each.row), stays[each.shift], offer, scores.get(each.row)) for each, offer in kept
    ]
    return hits, gone


def _explained(parts: ranking.Parts, place: int) -> Explained:
    each = {name: getattr(parts, name) for name in ranking.WEIGHTS}
    shares = {name: 0.0 if part is None else round(float(part[place]), 4) for name, part in each.items()}
    return Explained(score=round(float(parts.score[place]), 4), **shares)
