"""What a storage keeps of the collections that were declared to it, and which of their editions it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from hometrip.ports.documents import Collection

S = TypeVar("S")
# What to do where a storage holds what is newer than this program.
USE_NEWER = "use the newer version that made it"


def too_new(of: Iterable[Collection[Any]], held: Mapping[str, int]) -> str | None:
    """What this program does not know of the editions `held`, by the collection's name."""
    for one in of:
        if (edition := held.get(one.name, 1)) > one.edition:
            return f"has edition {edition} of {one.name}, and this version of HomeTrip knows {one.edition}"
    return None


def outdated(of: Iterable[Collection[Any]], held: Mapping[str, int]) -> list[Collection[Any]]:
    """Those of which an earlier edition is held: records are as before, but new ones may follow."""
    return [one for one in of if held.get(one.name, 1) < one.edition]


class Declared(Generic[S]):
    """The declared collections, by name, each as its engine keeps it."""

    def __init__(self, by_name: Mapping[str, S]) -> None:
        self._by_name = by_name

    def of(self, collection: Collection[Any]) -> S:
        shelf = self._by_name.get(collection.name)
        if shelf is None:
            raise ValueError(f"this collection was not declared: {collection.name}")
        return shelf

    def __iter__(self) -> Iterator[S]:
        return iter(self._by_name.values())
