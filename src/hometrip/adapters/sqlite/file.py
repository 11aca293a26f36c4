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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from hometrip.adapters.sqlite.group import Ahead, Group, going_ahead
from hometrip.adapters.sqlite.links import (
    PATIENCE,
    Link,
    connect,
    is_locked,
    open_both,
    refusal_of,
    refusals_told,
)
from hometrip.adapters.sqlite.turn import Turn, W
from hometrip.kernel.again import something_happens
from hometrip.kernel.errors import Unavailable

# A group is committed when nobody waits, when it is full, or when it is so old (seconds).
GROUP_SECONDS = 0.005
# Another process that writes is done after some milliseconds: so many looks are at the shortest pause.
EAGER = 30
# Blocks that may read several statements of one moment at the same time; others wait for one to end.
READERS = 8


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
        self._group: Group | None = None
        self._thread = ThreadPoolExecutor(1, f"commit-{path.stem}")
        self._seats = asyncio.Semaphore(READERS)
        self._idle: list[Link] = []
        try:
            self.writer, self.reader = open_both(path)
        except (sqlite3.Error, OSError) as reason:
            raise refusal_of(reason) or Unavailable("the storage cannot be opened") from reason

    @contextmanager
    def setting_up(self) -> Iterator[Link]:
        """The writer, for the time before the storage is used: waits for other processes, and commits."""
        try:
            self.writer.execute(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")
            self.writer.run("BEGIN IMMEDIATE")
            yield self.writer
            self.writer.execute("COMMIT")
            self.writer.execute("PRAGMA busy_timeout = 0")
        except BaseException as reason:
            self._close_all()
            if refused := refusal_of(reason):
                raise refused from reason
            raise

    def transaction(self, begin: Callable[[Link], W]) -> Turn[W]:
        return Turn(self, begin)

    async def unhurried(self, work: Awaitable[None]) -> asyncio.Future[None] | None:
        """As `ports.outbox.Unhurried` says; the blocks of other files in it wait for the disk as always."""
        ahead = Ahead(self)
        token = going_ahead.set(ahead)
        try:
            await work
        finally:
            going_ahead.reset(token)
            ahead.file = None  # for what the work may have left running
        return ahead.safe

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Link]:
        """A connection that reads one moment of the file until the end of the block."""
        await self.caught_up()
        async with self._seats:
            self._must_be_open()
            link = self._idle.pop() if self._idle else connect(self.path, readonly=True)
            try:
                with refusals_told():
                    link.execute("BEGIN")
                    yield link
            finally:
                if link.in_transaction:
                    link.execute("ROLLBACK")
                if self._closed:
                    link.close()
                else:
                    self._idle.append(link)

    async def caught_up(self) -> None:
        """What the work under way has written here can be read. `Unavailable` where the file is closed."""
        if (safe := self._went_ahead()) is not None:
            await asyncio.shield(safe)
        self._must_be_open()

    @property
    def is_caught_up(self) -> bool:
        """Would `caught_up` answer at once?"""
        return self._went_ahead() is None and not self._closed

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
        if self._held or self._group is not None:
            waiting, self._queue = self._queue, deque()
            self._closed = True
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_exception(Unavailable("the storage is closed"))
            if self._held:
                await self._line_up()
            self._held = True
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

    def take_free_turn(self) -> bool:
        """`take_turn` where nothing has to be waited for; False where it has."""
        if self._held or self._closed:
            return False
        self._held = True
        try:
            if self._group is None and not self._begin_now():
                self._held = False
                return False
            self._open_block()
        except BaseException as reason:
            self._let_turn_go(reason)
            raise
        return True

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
            self._open_block()
        except BaseException as reason:
            self._let_turn_go(reason)
            raise

    def _open_block(self) -> None:
        if (safe := self._went_ahead()) is not None and safe.done():
            safe.result()  # an earlier block of the same work may be lost: then there is none after it
        self.writer.run("SAVEPOINT block")
        self._owner = asyncio.current_task()

    def _let_turn_go(self, reason: BaseException) -> None:
        self._pass_on()
        if refused := refusal_of(reason):
            raise refused from reason

    def _went_ahead(self) -> asyncio.Future[None] | None:
        ahead = going_ahead.get()
        return ahead.safe if ahead is not None and ahead.file is self else None

    def end_turn(self, error: BaseException | None, spoke: bool) -> asyncio.Future[None] | None:
        """Keep or undo what was done since `take_turn`; what is answered ends when what is kept is
        durable.
        """
        self._owner, group = None, self._group
        assert group is not None
        try:
            if error is not None:
                self.writer.run("ROLLBACK TO block")
            self.writer.run("RELEASE block")
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
            return None
        something_happens()
        group.size += 1
        group.spoke = group.spoke or spoke
        ahead = going_ahead.get()
        if ahead is not None and ahead.file is self:
            ahead.safe = group.go_ahead()
            self._pass_on_soon(group)
            return None
        kept = group.wait()
        self._pass_on()
        return kept

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
        pause, tries = 0.001, 0
        while not self._begin_now(last=time.monotonic() >= deadline):
            await asyncio.sleep(pause)
            tries += 1
            if tries > EAGER:
                pause = min(pause * 2, 0.05)

    def _begin_now(self, *, last: bool = False) -> bool:
        """False where another process is writing; the `last` time that is an error."""
        if self.writer.in_transaction:
            self.writer.execute("ROLLBACK")
        try:
            self.writer.run("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as reason:
            if last or not is_locked(reason):
                raise
            return False
        self._group = Group(self.writer.total_changes)
        return True

    def _pass_on_soon(self, group: Group) -> None:
        """As `_pass_on`; but where nobody waits, whoever has the loop just now may join the group."""
        if self._queue:
            self._pass_on()
            return
        self._held = False
        if not group.ending:
            group.ending = True
            asyncio.get_running_loop().call_soon(self._end_if_free, group)

    def _end_if_free(self, group: Group) -> None:
        group.ending = False
        if self._group is group and not self._held:
            self._held = True
            self._pass_on()

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

    def _finish(self, group: Group) -> None:
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

    def _commit_nothing(self, group: Group) -> None:
        # Nothing was changed, so nothing waits for the disk and a thread would only cost time.
        try:
            self.writer.execute("COMMIT")
        except sqlite3.Error as reason:
            self._settle(group, reason)
        else:
            self._settle(group, None)

    def _settle(self, group: Group, error: BaseException | None) -> None:
        if error is None:
            self.commits += 1
            self._group = None
            for kept in group.kept:
                if not kept.done():
                    kept.set_result(None)
            if group.spoke:
                self.hear_news()
        else:
            self._fail(group, refusal_of(error) or Unavailable("the storage did not keep this"), error)
        self._pass_on()

    def hear_news(self) -> None:
        """Events or timers were brought: by us, or by another process that has told so."""
        self.news += 1
        heard, self.next_news = self.next_news, asyncio.Event()
        heard.set()

    def _fail(self, group: Group, refusal: Unavailable, error: BaseException | None = None) -> None:
        """Nothing of the group was written: every block of it learns so, each by an error of its own."""
        self._undo()
        for kept in group.kept:
            if not kept.done():
                told = Unavailable(refusal.detail)
                told.__cause__ = error
                kept.set_exception(told)
                kept.exception()  # who went ahead may have failed of something else, and ask no more

    def _undo(self) -> None:
        self._group = None
        with suppress(sqlite3.Error):
            if self.writer.in_transaction:
                self.writer.execute("ROLLBACK")

    def _must_be_open(self) -> None:
        if self._closed:
            raise Unavailable("the storage is closed")
