"""The cities that have homes, found by the beginning of any word of their names."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from hometrip.ports.search import words_of
from hometrip.services.search.contract import Destination
from hometrip.services.search.rules.asked import folded


class Places:
    def __init__(self, places: Sequence[Destination]) -> None:
        """`places` come with the most important first."""
        self.all = list(places)
        self._named = {(folded(place.city), folded(place.country)): place for place in places}
        self._starts = sorted(
            (" ".join(words[at:]), rank)
            for rank, place in enumerate(places)
            for words in (words_of(place.city),)
            for at in range(len(words))
        )

    def beginning(self, text: str, most: int) -> list[Destination]:
        """Cities with a word that begins like this, or several words in a row; "york" finds New York."""
        sought = folded(text)
        if not sought:
            return []
        ranks: set[int] = set()
        for at in range(bisect_left(self._starts, (sought, 0)), len(self._starts)):
            start, rank = self._starts[at]
            if not start.startswith(sought):
                break
            ranks.add(rank)
        return [self.all[rank] for rank in sorted(ranks)[:most]]

    def named(self, city: str, country: str) -> Destination | None:
        return self._named.get((folded(city), folded(country)))
