"""The relational storage port, for what wants constraints and joins: identity, bookings, money.

Statements are SQLAlchemy Core, as they are or `Prepared`; the same ones run on every adapter. Errors of
constraints come as SQLAlchemy's `IntegrityError`, and the store names the refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from hometrip.kernel.once import Once
from hometrip.ports.outbox import EventTx, Outbox


class Prepared:
    """A statement that is built once, as a module's constant, and translated once by each engine: for those
    that run with every request. Its values are given with `with_values`, or as the rows of `execute`.

    `final`: a refusal of it ends the block, and need not be told at once: an INSERT may be sent together with
    what follows it, and be refused there, at the latest at the end of the block. That spares PostgreSQL the
    way there and back. So `refused` says what is raised then, in the place of the `IntegrityError`.
    """

    def __init__(
        self, statement: Any, *, final: bool = False, refused: Callable[[], Exception] | None = None
    ) -> None:
        self.statement, self.final, self._refused = statement, final, refused

    def refusal(self, reason: Exception) -> Exception:
        """What is raised where a constraint refuses it; `reason` is the `IntegrityError`."""
        return self._refused() if self._refused else reason

    def with_values(self, **values: Any) -> Given:
        return Given(self, values)


class Given(NamedTuple):
    """A prepared statement with the values that it is run with."""

    prepared: Prepared
    values: Mapping[str, Any]


class Unexpected(Exception):
    """What a block took for granted is not so, and nothing of it has happened: it is for another block, which
    looks before it writes.
    """


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
        """Run a write, once or for each of `rows`; how many rows it touched.

        One that is refused (`IntegrityError`) has no effect, and the block may go on without it.
        """

    async def expect_nothing(self, statement: Given) -> None:
        """`Unexpected` where the statement finds a row, at the latest at the end of the block; until then the
        block goes on. That spares PostgreSQL the way there and back, as `Prepared.final` does.
        """

    async def answer_first(self, once: Once, record: Any) -> None:
        """`once` and `answer` in one, for a request that hardly ever came before: `Unexpected` where its key
        is known, at the latest at the end of the block. Nothing happens without a key.
        """

    async def lock(self, name: str) -> None:
        """Until the end of the block nobody else has this name: for what is decided on a sum, a count or the
        absence of a row, which no row can be locked for. Take locks before what they guard is read.
        """


class Database(Outbox, Protocol):
    """A service's own relational database.

    - `transaction()` commits at the end of the block, or rolls back all of it when the block raises.
    - Once the block has ended, what it wrote is on disk.
    - A statement sees what others have committed before it began, and what its own block wrote. What keys and
      the conditions of an UPDATE do not referee is decided on rows that were read `with_for_update()` (others
      wait, and then see what became of them) or under `Tx.lock`. In `read()` the former is no more than a
      read.
    - Of blocks that wait for each other one is refused (`Contended`). On SQLite there is one writer at a time
      and readers beside it, so that blocks never wait for each other.
    - An event emitted in it is published after the commit, and only then.
    """

    def transaction(self) -> AbstractAsyncContextManager[Tx]: ...

    def read(self) -> AbstractAsyncContextManager[Reader]: ...

    def look(self) -> AbstractAsyncContextManager[Reader]:
        """As `read`, for one statement: several are not of one moment. Cheaper where a snapshot costs."""

    def row_at_hand(self, statement: Given) -> Any | None:
        """The row that a look would find, where it need not wait for anything; None where it would have to,
        or finds none.
        """

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""

    async def close(self) -> None: ...
