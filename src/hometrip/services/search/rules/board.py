"""The board: all homes that can be found, in columns, so that one look goes over all of them at once.

Every column has a row per home. Calendars have a row per day and a column per home, and hold running sums:
what lies between two days is one subtraction. A home keeps its row; one that is not `live` is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hometrip.services.listing.contract import SearchCard, StayRules
from hometrip.services.search.contract import Hit
from hometrip.services.search.rules import ranking
from hometrip.services.search.rules.asked import folded
from hometrip.services.search.rules.cards import Told, demanded, hit_of, hundredths, told_of
from hometrip.services.search.rules.charges import Charged

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]
Column = NDArray[Any]

DAYS = 600  # how far the board looks from its first day
FRESH = timedelta(
    days=45
)  # when it is older it is made anew, so that it never looks less than 550 days ahead
FEW = 64
MOST_TOLD = 20_000
ALWAYS = 10_000  # days

# Every day of the week, as a bit each.
ALL_DAYS = 0b1111111

COLUMNS: dict[str, tuple[Any, Callable[[SearchCard], Any]]] = {
    "guests": (np.int16, lambda card: card.guests),
    "bedrooms": (np.int16, lambda card: card.bedrooms),
    "beds": (np.int16, lambda card: card.beds),
    "bathrooms": (np.int32, lambda card: hundredths(card.bathrooms)),
    "rating": (np.int32, lambda card: -1 if card.rating is None else hundredths(card.rating)),
    "reviews": (np.int32, lambda card: card.review_count),
    "nightly": (np.int64, lambda card: card.nightly),
    "demands": (np.uint8, demanded),
    "pets": (np.bool_, lambda card: card.pets),
    "lat": (np.float64, lambda card: card.shown_lat),
    "lng": (np.float64, lambda card: card.shown_lng),
    "created": (np.float64, lambda card: card.created_at.timestamp()),
    "stars": (np.float64, lambda card: ranking.stars(card.rating, card.review_count)),
    "quality": (np.float64, ranking.quality),
    "id_high": (np.uint64, lambda card: card.id.int >> 64),
    "id_low": (np.uint64, lambda card: card.id.int & (2**64 - 1)),
    "least_nights": (np.int32, lambda card: card.rules.min_nights),
    "most_nights": (np.int32, lambda card: card.rules.max_nights),
    "notice_hours": (np.int32, lambda card: card.rules.notice_hours),
    "window_days": (np.int32, lambda card: card.rules.window_days),
    "in_days": (np.uint8, lambda card: _bits(card.rules.check_in_days)),
    "out_days": (np.uint8, lambda card: _bits(card.rules.check_out_days)),
}
# Columns of values that come from a list: the number of the value in `Values`.
CODED: dict[str, Callable[[SearchCard], str]] = {
    "structure": lambda card: card.structure,
    "type": lambda card: card.type,
    "city": lambda card: folded(card.city),
    "country": lambda card: folded(card.country),
    "currency": lambda card: card.currency,
}


# Columns that facets count, together: the number of each home's value.
COUNTED = ("structure", "type", "city", "bedrooms")


class Values:
    """The values that a coded column has seen, by number, each as it is shown."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.shown: list[str] = []
        self._places: Numbers = np.zeros(0, np.int64)

    def number(self, value: str, shown: str = "") -> int:
        if (known := self.numbers.get(value)) is not None:
            return known
        self.shown.append(shown or value)
        return self.numbers.setdefault(value, len(self.numbers))

    @property
    def places(self) -> Numbers:
        """The place of each value in the order of the alphabet, by its number."""
        if len(self._places) < len(self.shown):
            order = sorted(range(len(self.shown)), key=self.shown.__getitem__)
            self._places = np.empty(len(order), np.int64)
            self._places[order] = np.arange(len(order))
        return self._places


class Board:
    """Columns are attributes: `board.guests[row]`. Only the first `size` rows are in use."""

    guests: Column
    bedrooms: Column
    beds: Column
    bathrooms: Column
    rating: Column
    reviews: Column
    nightly: Column
    demands: Column
    pets: Column
    lat: Column
    lng: Column
    created: Column
    stars: Column
    quality: Column
    id_high: Column
    id_low: Column
    least_nights: Column
    most_nights: Column
    notice_hours: Column
    window_days: Column
    in_days: Column
    out_days: Column
    structure: Column
    type: Column
    city: Column
    country: Column
    currency: Column

    def __init__(self, starts: date) -> None:
        self.starts = starts
        self.size = 0
        self.edition = 0  # rises with every change
        # Of all homes that were ever shown: within these no home refuses a stay.
        self.longest_notice = 0  # in hours
        self.shortest_window = self.shortest_most = ALWAYS
        self.weekdays = False
        self.demanding = False  # does any home demand something of guests who book at once?
        self.rows: dict[str, int] = {}
        self.hits: list[Hit] = []
        self._told: dict[int, Told] = {}
        self.revisions: list[int] = []
        self.values = {name: Values() for name in CODED}
        self.zones, self.amenities = Values(), Values()
        self.peers, self.charged = ranking.Peers(), Charged()
        self.most_bedrooms = 0
        self.layout: Any = None  # how facets lay out its values, made when they are asked for
        self._grow(FEW)

    def _grow(self, room: int) -> None:
        for name, (kind, _) in COLUMNS.items():
            setattr(self, name, self._longer(name, (room,), kind))
        for name in CODED:
            setattr(self, name, self._longer(name, (room,), np.int32))
        self.live: Mask = self._longer("live", (room,), np.bool_)
        self.points: Floats = self._longer("points", (room, 3), np.float64)
        self.zone: Column = self._longer("zone", (room,), np.int32)
        self.taken: Column = self._longer("taken", (DAYS + 1, room), np.int16)
        self.spent: Numbers = self._longer("spent", (DAYS + 1, room), np.int64)
        self.least_on: Column = self._longer("least_on", (DAYS, room), np.int16)
        self.counted: Column = self._longer("counted", (len(COUNTED), room), np.int32)
        self.charged.grow(room)
        # A row per amenity, a bit per home.
        amenities = len(self.amenity_bits) if hasattr(self, "amenity_bits") else FEW
        self.amenity_bits: NDArray[np.uint8] = self._longer("amenity_bits", (amenities, room // 8), np.uint8)

    def _longer(self, name: str, shape: tuple[int, ...], kind: Any) -> Any:
        longer = np.zeros(shape, kind)
        if (old := getattr(self, name, None)) is not None:
            longer[tuple(slice(length) for length in old.shape)] = old
        return longer

    @property
    def room(self) -> int:
        return len(self.live)

    def put(self, card: SearchCard, zone: str) -> None:
        """Show the home as the card says, unless a newer one was seen. `zone` is that of the place that is
        shown: cards of before do not tell the home's own."""
        row = self._row(str(card.id), card.revision)
        if row is None:
            return
        seen = self.values_seen()
        for name, (_, read) in COLUMNS.items():
            getattr(self, name)[row] = read(card)
        for name, read in CODED.items():
            shown = getattr(card, name)
            getattr(self, name)[row] = self.values[name].number(read(card), shown)
        self.points[row] = ranking.point(card.shown_lat, card.shown_lng)
        self.zone[row] = self.zones.number(card.charges.time_zone if card.charges else zone)
        self._put_rules(card.rules)
        self.demanding |= bool(card.demands)
        self.charged.put(row, card, self.zone[row])
        self.most_bedrooms = max(self.most_bedrooms, card.bedrooms)
        self.counted[:, row] = *(getattr(self, name)[row] for name in COUNTED[:3]), card.bedrooms
        self._put_amenities(row, card.amenities)
        self._put_days(row, card)
        if self.values_seen() != seen:
            self.layout = None
        self.hits[row] = hit_of(card)
        self._told.pop(row, None)
        self.live[row] = True
        self.peers.put(row, card)

    def values_seen(self) -> tuple[int, ...]:
        """How many different ones."""
        coded = (len(values.shown) for values in self.values.values())
        return (*coded, len(self.amenities.shown), self.most_bedrooms)

    def drop(self, home: str, revision: int) -> None:
        """Show the home no more, unless something newer was seen."""
        row = self._row(home, revision)
        if row is not None:
            self.live[row] = False
            self.peers.drop(row)

    def revision(self, home: str) -> int:
        row = self.rows.get(home)
        return -1 if row is None else self.revisions[row]

    def _row(self, home: str, revision: int) -> int | None:
        """The home's row, if this revision is not older than what it shows."""
        row = self.rows.get(home)
        if row is None:
            row = self.rows[home] = self.size
            self.size += 1
            self.revisions.append(revision)
            self.hits.append(_NOBODY)
            if row == self.room:
                self._grow(2 * self.room)
        elif self.revisions[row] > revision:
            return None
        self.revisions[row] = revision
        self.edition += 1
        return row

    def _put_rules(self, rules: StayRules) -> None:
        self.longest_notice = max(self.longest_notice, rules.notice_hours)
        self.shortest_window = min(self.shortest_window, rules.window_days)
        self.shortest_most = min(self.shortest_most, rules.max_nights)
        self.weekdays |= rules.check_in_days is not None or rules.check_out_days is not None

    def _put_amenities(self, row: int, names: Iterable[str]) -> None:
        numbers = [self.amenities.number(name) for name in names]
        if len(self.amenities.shown) > len(self.amenity_bits):
            shape = (2 * len(self.amenities.shown), self.room // 8)
            self.amenity_bits = self._longer("amenity_bits", shape, np.uint8)
        byte, bit = row >> 3, np.uint8(1 << (row & 7))
        self.amenity_bits[:, byte] &= np.uint8(~bit)
        self.amenity_bits[numbers, byte] |= bit

    def _put_days(self, row: int, card: SearchCard) -> None:
        """Days that the card does not tell of are free, at the usual price: `offers` knows better."""
        taken = _placed(np.frombuffer(card.taken, np.uint8), card.board_from, self.starts, 0)
        prices = _placed(np.array(card.prices, np.int64), card.board_from, self.starts, card.nightly)
        least = np.array(card.min_nights, np.int64)
        np.cumsum(taken != 0, out=self.taken[1:, row])
        np.cumsum(prices, out=self.spent[1:, row])
        self.least_on[:, row] = _placed(least, card.board_from, self.starts, card.rules.min_nights)

    def told(self, row: int) -> Told:
        """The home's hit in writing, made when it is shown for the first time."""
        found = self._told.get(row)
        if found is None:
            if len(self._told) >= MOST_TOLD:
                self._told.clear()
            found = self._told[row] = told_of(self.hits[row])
        return found

    def having(self, amenity: str) -> Mask:
        """The homes with this amenity."""
        number = self.amenities.numbers.get(amenity)
        if number is None:
            return np.zeros(self.size, np.bool_)
        return np.unpackbits(self.amenity_bits[number], count=self.size, bitorder="little").view(np.bool_)


_NOBODY: Any = None


def _placed(days: Column, first: date, starts: date, otherwise: int) -> Column:
    """A value for each of the board's days, from values that begin on `first`."""
    placed = np.full(DAYS, otherwise, np.int64)
    skip = (first - starts).days
    begin, end = max(0, skip), min(DAYS, skip + len(days))
    if begin < end:
        placed[begin:end] = days[begin - skip : end - skip]
    return placed


def _bits(weekdays: list[int] | None) -> int:
    return ALL_DAYS if weekdays is None else sum(1 << day for day in set(weekdays))
