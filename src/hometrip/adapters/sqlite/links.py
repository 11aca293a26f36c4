"""Connections to a SQLite file, and what its engine's errors mean to a client."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from hometrip.kernel.errors import Unavailable

log = logging.getLogger("hometrip.sqlite")

# How long a transaction waits for another process that is writing the same file, in seconds.
PATIENCE = 10.0

_REFUSALS = {
    sqlite3.SQLITE_BUSY: "the storage is being written by another process",
    sqlite3.SQLITE_LOCKED: "the storage is being written by another process",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the storage cannot be written",
    sqlite3.SQLITE_PERM: "the storage cannot be written",
    sqlite3.SQLITE_CANTOPEN: "the storage cannot be opened",
    sqlite3.SQLITE_CORRUPT: "the storage is damaged",
    sqlite3.SQLITE_NOTADB: "the storage is damaged",
    sqlite3.SQLITE_IOERR: "the disk does not answer",
    sqlite3.SQLITE_NOMEM: "the storage has no memory left",
}


def refusal_of(error: BaseException | None) -> Unavailable | None:
    """What to tell a client where the engine (and not the statement) failed; None for any other error.

    The engine's own words go to the log only. `error` may wrap a `sqlite3.Error` as its `orig`.
    """
    reason = getattr(error, "orig", error)
    if not isinstance(reason, sqlite3.Error):
        return None
    detail = _REFUSALS.get(getattr(reason, "sqlite_errorcode", 0) & 0xFF)
    if isinstance(reason, sqlite3.ProgrammingError) and "closed database" in str(reason):
        return Unavailable("the storage is closed")
    if detail is None:
        return None
    log.error("%s: %s", detail, reason)
    return Unavailable(detail)


@contextmanager
def refusals_told() -> Iterator[None]:
    """What the engine fails with inside is raised as `Unavailable`."""
    try:
        yield
    except Exception as reason:
        if refused := refusal_of(reason):
            raise refused from reason
        raise


class Link(sqlite3.Connection):
    """A connection that `run`s most statements on one cursor: to make one for each takes longer than most of
    them do.
    """

    _cursor: sqlite3.Cursor | None = None

    def run(self, statement: str, bound: Sequence[Any] = ()) -> sqlite3.Cursor:
        """What it answers is good until the next statement is run: read all of its rows at once."""
        if self._cursor is None:
            self._cursor = self.cursor()
        return self._cursor.execute(statement, bound)


def fetch(link: sqlite3.Connection, query: str, bound: Sequence[Any] = ()) -> list[Any]:
    """All rows of a query on one of our connections; `Unavailable` where the engine fails."""
    try:
        return cast("Link", link).run(query, bound).fetchall()
    except sqlite3.Error as reason:
        if refused := refusal_of(reason):
            raise refused from reason
        raise


def is_locked(error: sqlite3.Error) -> bool:
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def open_both(path: Path) -> tuple[Link, Link]:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = connect(path, readonly=False)
    try:
        return writer, connect(path, readonly=True)
    except BaseException:
        writer.close()
        raise


def connect(path: Path, *, readonly: bool) -> Link:
    """A connection under our own transaction control, durable and small.

    While it is set up it waits for other processes that set up theirs; later the writer never waits in the
    engine, which would stop the event loop.
    """
    link = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        timeout=1.0 if readonly else PATIENCE,
        factory=Link,
    )
    try:
        if not readonly:
            _keep_a_log(link)
        link.execute("PRAGMA synchronous = FULL")
        link.execute("PRAGMA foreign_keys = ON")
        link.execute("PRAGMA temp_store = MEMORY")
        link.execute(f"PRAGMA cache_size = -{2048 if readonly else 4096}")
        link.execute(f"PRAGMA query_only = {'ON' if readonly else 'OFF'}")
        link.execute("PRAGMA journal_size_limit = 16777216")
        link.execute(f"PRAGMA busy_timeout = {1000 if readonly else 0}")
        link.execute("SELECT 1 FROM sqlite_master").fetchall()
    except BaseException:
        link.close()
        raise
    return link


def _keep_a_log(link: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; where another process does the same, the engine does not wait."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            link.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as reason:
            if not is_locked(reason) or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
