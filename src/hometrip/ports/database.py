"""The relational storage port, for what wants constraints and joins: identity, bookings, money.

Statements are SQLAlchemy Core; the same ones run on every adapter. Errors of constraints come as SQLAlchemy's
`IntegrityError`, and the store names the refusal.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from hometrip.ports.outbox import EventTx, Outbox


class Reader(Protocol):
    """Reads of one moment: what another transaction commits meanwhile is not seen."""

    async def rows(self, statement: Any) -> list[Any]:
        """All rows; columns are attributes of a row."""

    async def row(self, statement: Any) -> Any | None:
        """The first row, if there is one."""

    async def value(self, statement: Any) -> Any:
        """The first column of the first row, None without one."""


class Tx(Reader, EventTx, Protocol):
    """One short transaction; it sees its own writes."""

    async def execute(self, statement: Any, rows: list[dict[str, Any]] | None = None) -> int:
        """Run a write, once or for each of `rows`; how many rows it touched."""


class Database(Outbox, Protocol):
    """A service's own relational database.

    - `transaction()` commits at the end of the block, or rolls back all of it when the block raises.
    - Once the block has ended, what it wrote is on disk. Transactions are serializable, or refused and run
      again
      by the caller's retry (`Unavailable`); on SQLite there is one writer at a time and readers beside it.
    - An event emitted in it is published after the commit, and only then.
    """

    def transaction(self) -> AbstractAsyncContextManager[Tx]: ...

    def read(self) -> AbstractAsyncContextManager[Reader]: ...

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""

    async def close(self) -> None: ...
