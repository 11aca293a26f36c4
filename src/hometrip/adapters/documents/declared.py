"""What a storage keeps of the collections that were declared to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

from hometrip.ports.documents import Collection

S = TypeVar("S")


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
