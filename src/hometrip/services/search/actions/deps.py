"""What search needs, and what it remembers between two requests, which may vanish at any time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from hometrip.kernel.clock import Clock, utc
from hometrip.kernel.ids import NewId
from hometrip.ports.cache import Cache
from hometrip.ports.documents import Documents
from hometrip.ports.geocoder import Geocoder, Place
from hometrip.ports.search import Search
from hometrip.services.listing.contract import ListingQuestions, Tariff
from hometrip.services.search.contract import Filters, Results
from hometrip.services.search.rules.board import Board
from hometrip.services.search.rules.places import Places
from hometrip.services.user.contract import UserQuestions

NEVER = utc(1970, 1, 1)
MOST_ANSWERS = 128


class Overview:
    """What is counted over all homes, as of an edition of the board."""

    def __init__(self, board: Board, counted_at: datetime, places: Places, filters: Filters) -> None:
        self.board, self.edition, self.counted_at = board, board.edition, counted_at
        self.places, self.filters = places, filters


class Memory:
    """The board, and which homes have changed in another copy of this service since it was read.

    What was kept until `shown_until` is on the board, and until `indexed_until` in the index.
    """

    def __init__(self) -> None:
        self.shown_until = self.indexed_until = self.caught_up_at = self.tariff_at = NEVER
        self.shown_last: set[tuple[UUID, datetime | None]] = set()
        self.board: Board | None = None
        self.filled = False
        self.filling = asyncio.Lock()
        self.changed: set[UUID] = set()
        self.overview: Overview | None = None
        self.tariff: Tariff | None = None
        self.elsewhere: dict[str, list[Place]] = {}
        self.listening = False
        self._answers: dict[Any, Results] = {}
        self._answers_of: tuple[Board, int] | None = None

    def answers(self, board: Board) -> dict[Any, Results]:
        """Answers that follow from the board alone, by what was asked; none once the board has changed."""
        if self._answers_of != (board, board.edition) or len(self._answers) >= MOST_ANSWERS:
            self._answers, self._answers_of = {}, (board, board.edition)
        return self._answers


@dataclass(frozen=True)
class Deps:
    documents: Documents
    index: Search
    cache: Cache
    geocoder: Geocoder
    clock: Clock
    new_id: NewId
    listing: ListingQuestions
    user: UserQuestions

    @cached_property
    def memory(self) -> Memory:
        return Memory()
