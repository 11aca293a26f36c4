"""What others may know of searches: its event."""

from __future__ import annotations

from uuid import UUID

from hometrip.kernel.events import Event


class SearchQueried(Event):
    """A search was made; no personal data, and not who made it."""

    name = "search.query"
    about = ("search", "search_id")

    search_id: UUID
    words: str
    city: str
    results: int
