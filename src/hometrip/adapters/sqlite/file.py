"""A SQLite file: its connections, whose turn it is to write, and how many writes become durable at once.

Blocks of work run one after the other on the only writing connection, each inside a savepoint of one outer
transaction. When a block ends and others wait, the next begins at once in the same outer transaction; then
one COMMIT, in a thread so that the disk never holds up the event loop, makes all of them durable, and only
then do their `async with` statements end. A block that raises is rolled back alone.

Statements run in the event loop's own thread: a hop to another thread costs more than a statement.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

from hometrip.adapters.sqlite.links import PATIENCE, connect, is_locked, open_both, refusal_of
from hometrip.kernel.errors import Unavailable

# A group is committed when nobody waits, when it has so many blocks, or when it is so old (seconds).
GROUP_SIZE = 256
GROUP_SECONDS = 0.005
# Blocks that may read several statements of one moment at the same time; others wait for one to end.
READERS = 8


class Work:
    """What one block does on the writing connection; `spoke` tells that it emitted or set a timer."""

    def __init__(self, link: sqlite3.Connection) -> None:
        self._link: sqlite3.Connection | None = link
        self.spoke = False

    @property
    def link(self) -> sqlite3.Connection:
        if self._link is None:
            raise RuntimeError("this transaction has ended")
        return self._link

    def end(self) -> None:
        self._link = None


W = TypeVar("W", bound=Work)


class _Group:
    """Blocks that one COMMIT will make durable, each waiting for it."""

    def __init__(self, changes: int) -> None:
        self.changes, self.begun = changes, time.monotonic()
        self.kept: list[asyncio.Future[None]] = []
        self.spoke = False

    def is_over(self, seconds: float) -> bool:
        return len(self.kept) >= GROUP_SIZE or time.monotonic() - self.begun > seconds


class Turn(Generic[W]):
    """`async with Turn(…) as work`: commits at the end, or rolls all of the block back when it raises."""

    def __init__(self, file: SqliteFile, begin: Callable[[sqlite3.Connection], W]) -> None:
        self._file, self._begin = file, begin

    async def __aenter__(self) -> W:
        await self._file.take_turn()
        self._work = self._begin(self._file.writer)
        return self._work

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._work.end()
        await self._file.end_turn(error, self._work.spoke)


class SqliteFile:
    """One file with one writer at a time and readers beside it; created where there is none.

    - `reader` serves single statements, each of which sees what is committed; `snapshot()` several.
    - `commits` counts the outer transactions that were made durable; `news` those that brought events or
      timers, and `next_news` is set with the next of them.
    - `writer` may be used only by whose turn it is.

    `Unavailable` where it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commits, self.news, self.next_news = 0, 0, asyncio.Event()
        self._commit_seconds = 0.0
        self._held, self._closed = False, False
        self._owner: asyncio.Task[Any] | None = None
        self._queue: deque[asyncio.Future[None]] = deque()
        self._group: _Group | None = None
        self._thread = ThreadPoolExecutor(1, f"commit-{path.stem}")
        self._seats = asyncio.Semaphore(READERS)
        self._idle: list[sqlite3.Connection] = []
        try:
            self.writer, self.reader = open_both(path)
        except (sqlite3.Error, OSError) as reason:
            raise refusal_of(reason) or Unavailable("the storage cannot be opened") from reason

    @contextmanager
    def setting_up(self) -> Iterator[sqlite3.Connection]:
        """The writer, for the time before the storage is used: waits for other processes, and commits."""
        try:
            self.writer.execute(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")
            self.writer.execute("BEGIN IMMEDIATE")
            yield self.writer
            self.writer.execute("COMMIT")
            self.writer.execute("PRAGMA busy_timeout = 0")
        except BaseException as reason:
            self._close_all()
            if refused := refusal_of(reason):
                raise refused from reason
            raise

    def transaction(self, begin: Callable[[sqlite3.Connection], W]) -> Turn[W]:
        return Turn(self, begin)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[sqlite3.Connection]:
        """A connection that reads one moment of the file until the end of the block."""
        async with self._seats:
            self._must_be_open()
            link = self._idle.pop() if self._idle else connect(self.path, readonly=True)
            try:
                link.execute("BEGIN")
                yield link
            except Exception as reason:
                if refused := refusal_of(reason):
                    raise refused from reason
                raise
            finally:
                if link.in_transaction:
                    link.execute("ROLLBACK")
                if self._closed:
                    link.close()
                else:
                    self._idle.append(link)

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""
        self._must_be_open()
        try:
            self.reader.execute("SELECT count(*) FROM sqlite_master").fetchall()
        except sqlite3.Error as reason:
            raise refusal_of(reason) or Unavailable("the storage does not answer") from reason

    async def close(self) -> None:
        """Let the block that is running end, refuse those that wait, and close the file."""
        if self._closed:
            return
        if self._held:
            waiting, self._queue = self._queue, deque()
            self._closed = True
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_exception(Unavailable("the storage is closed"))
            await self._line_up()
            if self._group is not None:
                committed = self._line_up()
                self._finish(self._group)
                await committed
        self._close_all()

    def _close_all(self) -> None:
        self._closed = True
        self._thread.shutdown()
        for link in (*self._idle, self.reader, self.writer):
            link.close()

    # -- whose turn it is

    async def take_turn(self) -> None:
        """Wait until the writer is ours, in an open outer transaction, with a savepoint of our own."""
        self._must_be_open()
        task = asyncio.current_task()
        if task is not None and task is self._owner:
            raise RuntimeError("a transaction inside a transaction of the same storage would wait for itself")
        deadline = time.monotonic() + PATIENCE
        if self._held:
            await self._my_turn()
        self._held = True
        try:
            if self._group is None:
                await self._begin(deadline)
            self.writer.execute("SAVEPOINT block")
        except BaseException as reason:
            self._pass_on()
            if refused := refusal_of(reason):
                raise refused from reason
            raise
        self._owner = task

    async def end_turn(self, error: BaseException | None, spoke: bool) -> None:
        """Keep or undo what was done since `take_turn`; returns when what is kept is durable."""
        self._owner, group = None, self._group
        assert group is not None
        try:
            if error is not None:
                self.writer.execute("ROLLBACK TO block")
            self.writer.execute("RELEASE block")
        except sqlite3.Error as reason:
            # The engine gave up the whole outer transaction (a full disk does that) and all of its blocks.
            refusal = refusal_of(error) or refusal_of(reason) or Unavailable("the storage lost a transaction")
            self._fail(group, refusal)
            self._pass_on()
            raise refusal from (error or reason)
        if error is not None:
            self._pass_on()
            if refused := refusal_of(error):
                raise refused from error
            return
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        group.kept.append(kept)
        group.spoke = group.spoke or spoke
        self._pass_on()
        await kept

    def _line_up(self) -> asyncio.Future[None]:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        return turn

    async def _my_turn(self) -> None:
        turn = self._line_up()
        try:
            await turn
        except asyncio.CancelledError:
            # The turn may have come at the very moment in which its owner was cancelled.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on()
            raise

    async def _begin(self, deadline: float) -> None:
        pause = 0.001
        if self.writer.in_transaction:
            self.writer.execute("ROLLBACK")
        while True:
            try:
                self.writer.execute("BEGIN IMMEDIATE")
                break
            except sqlite3.OperationalError as reason:
                if not is_locked(reason) or time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.05)
        self._group = _Group(self.writer.total_changes)

    def _pass_on(self) -> None:
        """The turn goes to who waits the longest; where the group is over, after its commit."""
        group = self._group
        # A slow disk is worth larger groups: it then takes a fifth of the time, however slow.
        if group is None or not group.is_over(max(GROUP_SECONDS, 4 * self._commit_seconds)):
            while self._queue:
                turn = self._queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        if group is None:
            self._held = False
        else:
            self._finish(group)

    def _finish(self, group: _Group) -> None:
        if not group.kept:
            self._undo()
            self._pass_on()
        elif self.writer.total_changes == group.changes:
            self._commit_nothing(group)
        else:
            done = asyncio.get_running_loop().run_in_executor(self._thread, self._commit)
            done.add_done_callback(lambda done: self._settle(group, done.exception()))

    def _commit(self) -> None:
        """COMMIT, in the thread; where another process is in the way for a moment, again."""
        begun = time.monotonic()
        while True:
            try:
                self.writer.execute("COMMIT")
                self._commit_seconds = time.monotonic() - begun
                return
            except sqlite3.OperationalError as reason:
                if not is_locked(reason) or time.monotonic() >= begun + PATIENCE:
                    raise
                time.sleep(0.01)

    def _commit_nothing(self, group: _Group) -> None:
        # Nothing was changed, so nothing waits for the disk and a thread would only cost time.
        try:
            self.writer.execute("COMMIT")
        except sqlite3.Error as reason:
            self._settle(group, reason)
        else:
            self._settle(group, None)

    def _settle(self, group: _Group, error: BaseException | None) -> None:
        if error is None:
            self.commits += 1
            self._group = None
            for kept in group.kept:
                if not kept.done():
                    kept.set_result(None)
            if group.spoke:
                self.news += 1
                heard, self.next_news = self.next_news, asyncio.Event()
                heard.set()
        else:
            self._fail(group, refusal_of(error) or Unavailable("the storage did not keep this"), error)
        self._pass_on()

    def _fail(self, group: _Group, refusal: Unavailable, error: BaseException | None = None) -> None:
        """Nothing of the group was written: every block of it learns so, each by an error of its own."""
        self._undo()
        for kept in group.kept:
            if not kept.done():
                told = Unavailable(refusal.detail)
                told.__cause__ = error
                kept.set_exception(told)

    def _undo(self) -> None:
        self._group = None
        with suppress(sqlite3.Error):
            if self.writer.in_transaction:
                self.writer.execute("ROLLBACK")

    def _must_be_open(self) -> None:
        if self._closed:
            raise Unavailable("the storage is closed")
