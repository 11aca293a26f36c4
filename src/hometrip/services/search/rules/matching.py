"""Which homes on the board match a search, and at what price; the order in which they come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
import numpy as np

from hometrip.kernel.measure import by_number
from hometrip.kernel.money import RATE_PARTS, digits_of
from hometrip.kernel.stay import Stay, at_local, local_date
from hometrip.ports.search import Box
from hometrip.services.search.rules import ranking
from hometrip.services.search.rules.asked import Wanted, earliest
from hometrip.services.search.rules.board import DAYS, Board, Floats, Mask, Numbers, Rows
from hometrip.services.search.rules.cards import least_hundredths, unmet

# The board does not know from which hour on a home takes guests in: the latest refuses none too early.
LATEST_CHECK_IN = "23:59"
HOUR = timedelta(hours=1)
KM_A_DEGREE = 111.2


class Matches(msgspec.Struct, frozen=True):
    """Homes that match, by their rows, each with its price as far as the board knows: of a night, or of all
    nights of the stay, which has been moved by `shifts` days. `worth` is the prices in the measure of the
    search, where it has one; it has none of those that are not `rated`, which keep their own.
    """

    rows: Rows
    prices: Numbers
    shifts: Numbers
    worth: Numbers | None = None
    rated: Mask | None = None

    @property
    def compared(self) -> Numbers:
        """By what prices are compared."""
        return self.prices if self.worth is None else self.worth

    def only(self, these: Mask | Rows | slice) -> Matches:
        worth = None if self.worth is None else self.worth[these]
        rated = None if self.rated is None else self.rated[these]
        return Matches(self.rows[these], self.prices[these], self.shifts[these], worth, rated)


def matches(board: Board, wanted: Wanted, now: datetime, among: Mask | None = None) -> Matches:
    """All that match but for the price; `among` is a mask over the board's rows."""
    mask = board.live[: board.size] & True if among is None else board.live[: board.size] & among
    for part in _parts(board, wanted):
        mask &= part
    rows = mask.nonzero()[0]
    if wanted.circle is not None:
        at = wanted.circle
        rows = rows[ranking.kilometres(board.points.take(rows, axis=0), at.lat, at.lng) <= at.km]
    if wanted.stay is None:
        return Matches(rows, board.nightly[rows], np.zeros(len(rows), np.int64))
    return _staying(board, rows, wanted.stay, wanted.flexible, now)


def exchanged(board: Board, found: Matches, wanted: Wanted) -> Matches:
    """The same homes, with what their prices are worth in the measure, where there is a rate."""
    if wanted.measure is None:
        return found
    worth, numbers = found.prices.copy(), board.currency[found.rows]
    rated = np.full(len(numbers), True)
    for number in np.unique(numbers).tolist():
        own, these = board.values["currency"].shown[number], numbers == number
        if (rate := wanted.rate_of(own)) is None:
            rated &= ~these
        elif own != wanted.measure.currency:
            worth[these] = all_converted(found.prices[these], own, rate, wanted.measure.currency)
    return msgspec.structs.replace(found, worth=worth, rated=None if rated.all() else rated)


def comparable(found: Matches, wanted: Wanted) -> Matches:
    """Of homes without a rate nobody knows whether they are within a limit: where there is one, without
    them."""
    return found if found.rated is None or not wanted.limited else found.only(found.rated)


def all_converted(amounts: Numbers, own: str, rate: int, currency: str) -> Numbers:
    """What `converted` makes of each of these, none of them less than nothing, at once."""
    times, parts = rate * 10 ** digits_of(currency), RATE_PARTS * 10 ** digits_of(own)
    highest = 2 * max(1, int(amounts.max())) * times + parts
    exact: Any = amounts if highest < 2**63 else amounts.astype(object)
    return np.asarray((2 * exact * times + parts) // (2 * parts), np.int64)


def currencies(board: Board, found: Matches) -> list[str]:
    """Those of the homes, the commonest first."""
    shown = board.values["currency"].shown
    if len(shown) < 2:
        return shown
    counts = np.bincount(board.currency[found.rows], minlength=len(shown)).tolist()
    return by_number(dict(zip(shown, counts, strict=True)))


def within(found: Matches, wanted: Wanted) -> Matches:
    """Those whose price is between the limits, where that is known."""
    found = comparable(found, wanted)
    if wanted.min_price is not None:
        found = found.only(found.compared >= wanted.min_price)
    if wanted.max_price is not None:
        found = found.only(found.compared <= wanted.max_price)
    return found


def _parts(board: Board, wanted: Wanted) -> Iterator[Any]:
    """What each filter lets through, row by row."""
    if wanted.instant:
        yield (board.demands[: board.size] & unmet(wanted.badges)) == 0
    for name, number in (
        ("guests", wanted.guests),
        ("bedrooms", wanted.bedrooms),
        ("beds", wanted.beds),
        ("bathrooms", least_hundredths(wanted.bathrooms)),
        ("rating", least_hundredths(wanted.min_rating)),
        ("pets", wanted.pets),
    ):
        if number:
            yield getattr(board, name)[: board.size] >= number
    for name, values in (
        ("city", (wanted.city,)),
        ("country", (wanted.country,)),
        ("structure", wanted.structures),
        ("type", wanted.types),
    ):
        if any(values):
            yield _any_of(board, name, values)
    for amenity in wanted.amenities:
        yield board.having(amenity)
    if wanted.box is not None:
        yield from _inside(board, wanted.box)


def _any_of(board: Board, name: str, values: tuple[str | None, ...]) -> Mask:
    known = board.values[name].numbers
    numbers = [known[value] for value in values if value in known]
    column = getattr(board, name)[: board.size]
    if len(numbers) == 1:
        return np.asarray(column == numbers[0])
    return np.isin(column, numbers)


def _inside(board: Board, box: Box) -> Iterator[Mask]:
    lat, lng = board.lat[: board.size], board.lng[: board.size]
    yield lat >= box.south
    yield lat <= box.north
    if box.west <= box.east:
        yield lng >= box.west
        yield lng <= box.east
    else:
        yield (lng >= box.west) | (lng <= box.east)


# Stays


def _staying(board: Board, rows: Rows, stay: Stay, flexible: int, now: datetime) -> Matches:
    """Those where the stay, or the cheapest of those that begin a few days earlier or later, can be had; of
    equally cheap ones the nearest, the earlier of two.
    """
    if not flexible and stay.check_in >= earliest(now):
        free, price = _look(board, rows, stay, now)
        return Matches(rows, price, np.zeros(len(rows), np.int64)).only(free)
    found = np.full(len(rows), False)
    prices = np.full(len(rows), np.iinfo(np.int64).max, np.int64)
    shifts = np.zeros(len(rows), np.int64)
    for shift in sorted(range(-flexible, flexible + 1), key=abs):
        moved = stay.moved(shift)
        if moved.check_in < earliest(now):
            continue
        free, price = _look(board, rows, moved, now)
        better = free & (price < prices)
        prices[better], shifts[better] = price[better], shift
        found |= free
    return Matches(rows, prices, shifts).only(found)


def _look(board: Board, rows: Rows, stay: Stay, now: datetime) -> tuple[Mask, Numbers]:
    """Where the stay can be had, and what its nights cost."""
    begin, end = _places(board, stay)
    free = board.taken[end][rows] == board.taken[begin][rows]
    least = board.least_on[begin] if begin < DAYS else board.least_nights
    free &= least[rows] <= stay.nights
    for rule in _rules(board, rows, stay, now):
        free &= rule
    return free, cost_of(board, rows, stay)


def cost_of(board: Board, rows: Rows, stay: Stay) -> Numbers:
    """What the nights of the stay cost; those that the board does not know at the usual price."""
    begin, end = _places(board, stay)
    price: Numbers = board.spent[end][rows] - board.spent[begin][rows]
    unknown = stay.nights - (end - begin)
    return price + unknown * board.nightly[rows] if unknown else price


def _places(board: Board, stay: Stay) -> tuple[int, int]:
    begin = min(max((stay.check_in - board.starts).days, 0), DAYS)
    return begin, min(begin + stay.nights, DAYS)


def _rules(board: Board, rows: Rows, stay: Stay, now: datetime) -> Iterator[Mask]:
    """Where a rule allows the stay: the rules that refuse it at some home of the board at all."""
    check_in, last_night = stay.check_in, stay.check_out.toordinal() - 1
    if stay.nights > board.shortest_most:
        yield board.most_nights[rows] >= stay.nights
    if board.weekdays:
        yield (board.in_days[rows] & (1 << check_in.weekday())) != 0
        yield (board.out_days[rows] & (1 << stay.check_out.weekday())) != 0
    # No zone is more than a day from UTC.
    if last_night - now.toordinal() + 1 > board.shortest_window:
        yield (last_night - todays(board, now))[board.zone[rows]] <= board.window_days[rows]
    if (check_in - now.date()).days * 24 <= board.longest_notice + 48:
        yield _hours_ahead(board, check_in, now)[board.zone[rows]] >= board.notice_hours[rows]


def todays(board: Board, now: datetime) -> Numbers:
    """What day it is in each of the board's time zones, as an ordinal."""
    return np.array([local_date(now, zone).toordinal() for zone in board.zones.shown], np.int64)


def _hours_ahead(board: Board, check_in: date, now: datetime) -> Floats:
    """How long until the latest check-in of the day, and an hour for changing clocks, in each time zone."""
    return np.array(
        [(at_local(check_in, LATEST_CHECK_IN, zone) - now) / HOUR + 1 for zone in board.zones.shown]
    )


# Order


def order(
    board: Board, wanted: Wanted, found: Matches, text: Floats | None, now: datetime, most: int
) -> Rows:
    """The places in `found` of the first `most`, in the order that was asked for. `text` holds a text score
    for each of the board's rows.
    """
    rows = found.rows
    keys: Floats | Numbers
    match wanted.sort:
        case "price":
            keys = _unrated_last(board, found, found.compared)
        case "-price":
            keys = _unrated_last(board, found, -found.compared)
        case "rating":
            keys = -board.stars[rows] - board.reviews[rows] * 1e-9
        case "popular":
            keys = -(board.reviews[rows] * 10.0 + board.stars[rows])
        case "newest":
            keys = -board.created[rows]
        case _:
            keys = -parts(board, wanted, rows, text, now).score
    return ranking.first(keys, board.id_high[rows], board.id_low[rows], most)


def _unrated_last(board: Board, found: Matches, keys: Numbers) -> Numbers:
    """An order leaves nobody out: homes without a rate come behind the others, currency by currency."""
    if found.rated is None:
        return keys
    apart, names = ~found.rated, np.array(board.values["currency"].shown)
    alphabet = np.unique(names[board.currency[found.rows[apart]]], return_inverse=True)[1]
    places = np.unique(np.stack((alphabet, keys[apart]), 1), axis=0, return_inverse=True)[1].ravel()
    behind = keys.copy()
    behind[apart] = keys[found.rated].max(initial=0) + 1 + places
    return behind


def parts(board: Board, wanted: Wanted, rows: Rows, text: Floats | None, now: datetime) -> ranking.Parts:
    """The parts of the relevance of these homes."""
    words: Floats | None = None
    distance: Floats | None = None
    if text is not None and len(rows):
        words = text[rows] / max(float(text[rows].max()), 1e-9)
    if (aim := _aim(wanted)) is not None:
        lat, lng, scale = aim
        distance = ranking.nearness(ranking.kilometres(board.points.take(rows, axis=0), lat, lng), scale)
    return ranking.Parts(
        text=words,
        quality=board.quality[rows],
        price=board.peers.cheapness(rows),
        distance=distance,
        freshness=ranking.freshness(board.created[rows], now.timestamp()),
    )


def _aim(wanted: Wanted) -> tuple[float, float, float] | None:
    """The point that was asked for, and what is far from it in kilometres."""
    if wanted.circle is not None:
        return wanted.circle.lat, wanted.circle.lng, wanted.circle.km / 2
    if wanted.box is None:
        return None
    box = wanted.box
    wide = (box.east - box.west) % 360
    return (box.south + box.north) / 2, box.west + wide / 2, (box.north - box.south) * KM_A_DEGREE / 2
