"""The connections of one storage to its PostgreSQL database, and the blocks that are run on them.

At most `size` blocks run at a time, each on a connection of its own. Statements of a block are sent one after
the other; a block that is cancelled is rolled back, and one that is being committed is committed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import asyncpg

from hometrip.adapters.block import EngineBlock, Owners
from hometrip.adapters.postgres.framing import FramedConnection, look_at_frames
from hometrip.adapters.postgres.refusals import ENGINE_ERRORS, refusal_of
from hometrip.kernel.again import something_happens
from hometrip.kernel.errors import Unavailable

# Connections of one storage of a process, where nobody says otherwise. With fewer the loop waits for the
# server under load; more gain nothing.
POOL = 20
# How long a connection waits for the server, in seconds.
PATIENCE = 2.0
# How long a block waits for one of the connections (seconds): a crowd that wants the same is told its turn.
SEAT_SECONDS = 5.0
# Where the server has no more connections for us, it is asked for another one so many seconds later.
FULL_SECONDS = 10.0
# No statement takes longer (seconds): a server that went silent is given up then.
STATEMENT_SECONDS = 10.0
# No statement waits longer for what another transaction has locked (seconds).
LOCK_SECONDS = 8.0
# How long `close` waits for the blocks that run, before their connections are cut.
ENDING_SECONDS = 30.0

log = logging.getLogger("hometrip.postgres")

Link = Any  # FramedConnection, which is asyncpg's; asyncpg has no types of its own


class Work(Protocol):
    """What one block does on its connection; `spoke` tells that it emitted or set a timer."""

    spoke: bool

    def flush(self) -> None:
        """Put off, until the next statement or the commit, what is written last."""

    def end(self) -> None:
        """From now on the block cannot be used."""


W = TypeVar("W", bound=Work)


class PostgresPool:
    """At most `size` connections to one database, made when they are needed.

    - `Unavailable` after `SEAT_SECONDS` where all are in use, at once where the server refuses, and from
      `close` on. Where it has no more connections for us, those that there are have to do for a while.
    - A connection that was lost, or whose state is not known for sure, is not used again.
    - `gone` is called with each connection that is used no more.
    """

    def __init__(self, url: str, *, size: int, name: str) -> None:
        look_at_frames()
        self.url, self.size, self.name = url, size, name
        self.gone: Callable[[Link], None] = lambda link: None
        self.owners = Owners()
        self._seats = asyncio.Semaphore(size)
        self._idle: list[Link] = []
        self._busy: set[Link] = set()
        self._waiting = 0
        self._closed = False
        self._all_back = asyncio.Event()

    async def connect(self, *, hurried: bool = True) -> Link:
        """One more connection, beside the pool's, that its caller closes; raises asyncpg's own errors.

        Without `hurried` its statements may take as long as they do.
        """
        settings = {"application_name": self.name, "jit": "off", "timezone": "UTC"}
        if hurried:
            settings |= {
                "lock_timeout": str(int(LOCK_SECONDS * 1000)),
                "idle_in_transaction_session_timeout": str(int(ENDING_SECONDS * 1000)),
            }
        link: Link = await asyncpg.connect(
            self.url,
            timeout=PATIENCE,
            command_timeout=STATEMENT_SECONDS if hurried else None,
            statement_cache_size=256,
            max_cached_statement_lifetime=0,
            server_settings=settings,
            connection_class=FramedConnection,
        )
        return link

    async def take(self) -> Link:
        """A connection for a block; give it back with `give_back` or `drop`."""
        while (link := await self._seated()) is None:
            pass
        self._busy.add(link)
        link.ahead.begin()
        return link

    async def _seated(self) -> Link | None:
        """None where there is to be a seat less for a while."""
        await self._take_seat()
        try:
            self.must_be_open()
            return self._pop_idle() or await self.connect()
        except BaseException as reason:
            if isinstance(reason, asyncpg.TooManyConnectionsError) and self._busy:
                told = {"pool": self.name, "in_use": len(self._busy)}
                log.warning("the database has no more connections for us", extra=told)
                asyncio.get_running_loop().call_later(FULL_SECONDS, self._seats.release)
                return None
            self._seats.release()
            if refused := refusal_of(reason):
                raise refused from reason
            raise

    def give_back(self, link: Link) -> None:
        """It is in no transaction, and the next block may use it."""
        if self._closed or link.is_closed():
            self.drop(link)
        else:
            self._idle.append(link)
            self._release(link)

    def drop(self, link: Link) -> None:
        """Nobody knows what state it is in: the server rolls back whatever it did."""
        link.terminate()
        self.gone(link)
        self._release(link)

    async def roll_back(self, link: Link) -> None:
        """Its block has failed: undo what it did, and give it back; one that does not answer is cut."""
        if link.ahead.untouched:
            self.give_back(link)
            return
        begun = link.ahead.sent or link.is_in_transaction()
        link.ahead.begin()
        try:
            await link.execute("ROLLBACK" if begun else "SELECT 1")
        except BaseException as reason:
            # Whatever went wrong in undoing, and where its caller gave up: this connection is of no more use.
            self.drop(link)
            if not isinstance(reason, Exception):
                raise
        else:
            self.give_back(link)

    @asynccontextmanager
    async def link(self) -> AsyncIterator[Link]:
        """A connection for single statements, each committed by itself; `Unavailable` where the engine
        fails.
        """
        link = await self.take()
        try:
            yield link
        except Exception as reason:
            # A block that fails of anything at all is undone; what it failed of is told.
            failed = link.ahead.failed or reason
            await self.roll_back(link)
            if refused := refusal_of(failed):
                raise refused from reason
            raise
        except BaseException:
            self.drop(link)
            raise
        self.give_back(link)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Link]:
        """A connection that reads one moment of the database until the end of the block."""
        async with self.link() as link:
            link.ahead.put_off("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield link
            if not link.ahead.untouched:
                link.ahead.put_off("COMMIT")
                await link.ahead.send()  # nothing was written: nobody need wait for it

    def transaction(self, begin: Callable[[Link], W], spoke: Callable[[], None]) -> Block[W]:
        """`begin` makes the work of the block; `spoke` is called after the commit of one that spoke of
        events.
        """
        return Block(self, begin, spoke)

    @property
    def is_closed(self) -> bool:
        return self._closed

    async def close(self) -> None:
        """Let the blocks that run end, refuse those that wait, and close every connection."""
        self._closed = True
        for _ in range(self._waiting):
            self._seats.release()
        idle, self._idle = self._idle, []
        for link in idle:
            self.gone(link)
        await asyncio.gather(*(_closed(link) for link in idle))
        if self._busy:
            self._all_back.clear()
            try:
                async with asyncio.timeout(ENDING_SECONDS):
                    await self._all_back.wait()
            except TimeoutError:
                for link in list(self._busy):
                    link.terminate()

    def must_be_open(self) -> None:
        if self._closed:
            raise Unavailable("the storage is closed")

    async def _take_seat(self) -> None:
        self.must_be_open()
        if self._seats.locked():
            self._waiting += 1
            try:
                async with asyncio.timeout(SEAT_SECONDS):
                    await self._seats.acquire()
            except TimeoutError:
                raise Unavailable("every connection to the database is in use") from None
            finally:
                self._waiting -= 1
        else:
            await self._seats.acquire()

    def _pop_idle(self) -> Link | None:
        while self._idle:
            link = self._idle.pop()
            if not link.is_closed():
                return link
            self.gone(link)
        return None

    def _release(self, link: Link) -> None:
        self._busy.discard(link)
        self._seats.release()
        if not self._busy:
            self._all_back.set()


async def _closed(link: Link) -> None:
    try:
        await link.close(timeout=PATIENCE)
    except ENGINE_ERRORS:
        link.terminate()


class Block(EngineBlock[W]):
    """`async with Block(…) as work`: commits at the end, or rolls all of the block back when it raises.

    Each statement sees what was committed before it began (READ COMMITTED): what a block decides on it reads
    with a lock. See `ports.database`.
    """

    def __init__(self, pool: PostgresPool, begin: Callable[[Link], W], spoke: Callable[[], None]) -> None:
        super().__init__(pool.owners, refusal_of)
        self._pool, self._begin, self._spoke = pool, begin, spoke

    async def _open(self) -> W:
        self._link = await self._pool.take()
        self._link.ahead.put_off("BEGIN ISOLATION LEVEL READ COMMITTED")
        return self._begin(self._link)

    async def _end(self, error: BaseException | None) -> None:
        pool, link = self._pool, self._link
        try:
            if error is None:
                await self._commit()
        except BaseException:
            self._work.end()
            await pool.roll_back(link)
            raise
        self._work.end()
        if error is None:
            pool.give_back(link)
            if self._work.spoke and not pool.is_closed:
                self._spoke()
        else:
            failed = link.ahead.failed
            await pool.roll_back(link)
            if failed is not None and isinstance(error, Exception):
                # What was sent ahead was refused, and a statement behind it failed for that.
                raise failed from failed.__cause__ or error

    async def _commit(self) -> None:
        self._work.flush()
        ahead = self._link.ahead
        if ahead.has_begun_only:
            return
        if ahead.failed is not None:  # what came of it was caught
            raise ahead.failed
        take_back = something_happens()
        ahead.put_off("COMMIT")
        try:
            told = await ahead.finish(STATEMENT_SECONDS)
        except asyncpg.InFailedSQLTransactionError:
            told = "ROLLBACK"
        except Exception:
            if ahead.refused:
                take_back()
            raise
        if told != "COMMIT":
            raise RuntimeError("a statement failed in this transaction, and it went on: nothing is written")
