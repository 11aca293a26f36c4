"""What was read of a file since anybody committed to it: given out again without asking the file."""

from __future__ import annotations

import asyncio
import sqlite3

from hometrip.adapters.documents.sqlite_shelf import Shelf, Shelves
from hometrip.adapters.sqlite import fetch
from hometrip.ports.documents import R

# So many pages are remembered of each collection.
_PAGES = 256


class Memory:
    """The records and pages of all shelves of a file that are still what a reader would find there; at most
    so many records of each shelf.
    """

    def __init__(self, shelves: Shelves, most: int) -> None:
        self._shelves, self._most = shelves, most
        self._seen = -1
        self._looked_in: asyncio.AbstractEventLoop | None = None

    def of(self, shelf: Shelf[R], reading: sqlite3.Connection) -> dict[int, R]:
        """The shelf's records by the number of their id, for the caller to add to; its pages are up to date
        then, too.

        The file is asked once in a round of the event loop. Whoever waits for a commit goes on in a later
        round than the one in which it was made. Whoever has read the file asks whether the memory `is_over`.
        """
        loop = asyncio.get_running_loop()
        if self._looked_in is not loop:
            self._look(reading)
            self._looked_in = loop
            loop.call_soon(self._look_again)
        if len(shelf.current) > self._most or len(shelf.pages) > _PAGES:
            shelf.current.clear()
            shelf.pages.clear()
        return shelf.current

    def is_over(self, reading: sqlite3.Connection) -> bool:
        """Has anybody committed since? Then all is forgotten: what was read of the file just now may be newer
        than what is remembered, and nobody is to be told first of the newer and then of the older.
        """
        return self._look(reading)

    def _look(self, reading: sqlite3.Connection) -> bool:
        [(version,)] = fetch(reading, "PRAGMA data_version")
        if version == self._seen:
            return False
        self._seen = version
        for shelf in self._shelves:
            shelf.current.clear()
            shelf.pages.clear()
        return True

    def _look_again(self) -> None:
        self._looked_in = None
