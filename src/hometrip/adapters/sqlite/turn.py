"""A block of work on the one writing connection of a SQLite file."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from hometrip.adapters.sqlite.links import Link

if TYPE_CHECKING:
    import sqlite3

    from hometrip.adapters.sqlite.file import SqliteFile


class Work:
    """What one block does on the writing connection; `spoke` tells that it emitted or set a timer."""

    def __init__(self, link: sqlite3.Connection) -> None:
        self._link: Link | None = cast("Link", link)
        self.spoke = False

    @property
    def link(self) -> Link:
        if self._link is None:
            raise RuntimeError("this transaction has ended")
        return self._link

    def end(self) -> None:
        self._link = None


W = TypeVar("W", bound=Work)


class Turn(Generic[W]):
    """`async with Turn(…) as work`: commits at the end, or rolls all of the block back when it raises."""

    def __init__(self, file: SqliteFile, begin: Callable[[Link], W]) -> None:
        self._file, self._begin = file, begin

    async def __aenter__(self) -> W:
        file = self._file
        if not file.take_free_turn():
            await file.take_turn()
        self._work = self._begin(file.writer)
        return self._work

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._work.end()
        if (kept := self._file.end_turn(error, self._work.spoke)) is not None:
            await kept
