"""What others may know of searches: what they ask, what they are answered, and the timer of a reindexing."""

from __future__ import annotations

from datetime import date
from typing import Protocol
from uuid import UUID

from hometrip.kernel.events import Event
from hometrip.kernel.money import Money
from hometrip.kernel.wire import Answer


class ReindexPage(Event):
    """A timer of search's own: the homes after this one are to be taken in anew."""

    name = "search.reindex_page"
    about = ("reindex", "run")

    run: UUID
    after: UUID | None = None


class Location(Answer):
    """Degrees; within 500 m of the home, as everyone sees it."""

    lat: float
    lng: float


class Explained(Answer):
    """The parts of a score, each 0 to 1, before they are weighed; for staff."""

    score: float
    text: float
    quality: float
    price: float
    distance: float
    freshness: float


class Hit(Answer):
    """A home that was found. Of the stay, when dates were asked: its dates, its nights, and its total, which
    is the same that its quote has; `nightly` is then the mean of its nights, and `was` what that usually is,
    only where it is clearly less now. `instant_book` tells whether the next booking is made at once, by a
    guest who meets the home's demands.
    """

    id: UUID
    title: str
    city: str
    country: str
    location: Location
    structure: str
    type: str
    guests: int
    bedrooms: int
    beds: int
    bathrooms: float
    review_count: int
    instant_book: bool
    nightly: Money
    rating: float | None = None
    cover: str | None = None
    check_in: date | None = None
    check_out: date | None = None
    nights: int | None = None
    total: Money | None = None
    was: Money | None = None
    explain: Explained | None = None


class Counted(Answer, kw_only=False, gc=False):
    """A value, and how many of the homes have it. A search makes a hundred; by place, that costs a fifth."""

    value: str
    count: int


class Results(Answer):
    """A page of what was found. `total` and `facets` are of all that was found, not only of this page. A band
    of `price`, taken as limits, finds so many homes as it counts: with dates prices are totals of stays. That
    is `approximate` where the totals of very many stays are not known, or whether they can be had.
    `currency` is the one in which prices were compared, limited and counted: the one that was asked for, else
    where the homes that match have several, the one of most of them. Without it all have the same. So many
    homes are `uncompared`, and left out by a limit: there is no rate for their currency.
    """

    items: list[Hit]
    page: int
    per_page: int
    total: int
    pages: int
    facets: dict[str, list[Counted]]
    currency: str | None = None
    uncompared: int | None = None
    approximate: bool | None = None


class Suggestion(Answer):
    """`kind` is place or listing; `count` is how many homes a place has here."""

    kind: str
    label: str
    id: UUID | None = None
    city: str | None = None
    country: str | None = None
    location: Location | None = None
    count: int | None = None


class Suggestions(Answer):
    items: list[Suggestion]


class Destination(Answer):
    """A city with homes; `cover` is a picture of its best one."""

    city: str
    country: str
    count: int
    location: Location
    cover: str | None = None


class Destinations(Answer):
    items: list[Destination]


class Range(Answer):
    """Lowest and highest among the homes; of prices, in minor units of `currency`."""

    min: int
    max: int
    currency: str | None = None


class Filters(Answer):
    """What homes can be filtered by: how many there are of each value, and how far each number goes."""

    total: int
    values: dict[str, list[Counted]]
    ranges: dict[str, Range]
    nightly: list[Range]
    sorts: list[str]


class Likeness(Answer):
    """What homes like a home are to be like. Degrees as everyone sees them; `nightly` is its base price."""

    id: UUID
    lat: float
    lng: float
    structure: str
    type: str
    guests: int
    bedrooms: int
    nightly: Money
    review_count: int
    rating: float | None = None


class SimilarWish(Answer):
    """As a search is asked; with dates only homes that are free then."""

    check_in: date | None = None
    check_out: date | None = None
    guests: int | None = None
    currency: str | None = None
    limit: int = 12


class SearchQuestions(Protocol):
    async def similar(self, of: Likeness, wish: SimilarWish) -> list[Hit]:
        """Published homes like this one, the most similar first, without itself; `Invalid` as a search."""
