"""The connection of one storage to its MongoDB database, and the blocks that write there, one at a time.

MongoDB does not let a transaction wait for another: whoever writes what another has written since the first
one began is refused, and all of its transaction with it; so is whoever is refused by a unique index. A block
of ours cannot be run again by the storage, and may go on after a refusal. Therefore the first statement of
every transaction writes one and the same document, the turn: of all processes, one has it; the others begin
anew until they get it, having done nothing yet. What a block reads then nobody changes until its commit, and
the storage can look whether a record would be refused before it writes it.

The server goes on with the transaction of a process that died, by default for a minute. So whoever waits ends
a transaction that has the turn and has done nothing for `IDLE_SECONDS`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from bson.errors import InvalidBSON
from pymongo import AsyncMongoClient, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    ProtocolError,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from hometrip.adapters.block import EngineBlock, Owners, to_its_end
from hometrip.kernel.again import something_happens
from hometrip.kernel.errors import Unavailable
from hometrip.ports.outbox import Contended

log = logging.getLogger("hometrip.mongo")

Session = AsyncClientSession
Document = dict[str, Any]

# How long a connection, and the choice of a server, may take; and any answer of it. Seconds.
PATIENCE = 2.0
STATEMENT_SECONDS = 10.0
# How long a block waits for its turn, and a commit for its certainty. Seconds.
TURN_SECONDS = 8.0
IDLE_SECONDS = 3.0
CERTAIN_SECONDS = 8.0
# How long `close` waits for the block that runs, before it is cut off. Seconds.
ENDING_SECONDS = 30.0
TURNS, TURN = "hometrip_turn", "turn"
_CHANGING = "another is changing the same for too long"
_NO_ANSWER = "the database does not answer"
_NOT_SAID = "the database does not say what became of it"
# By the server's code: no right, not logged in.
_REFUSALS = {
    13: "the database does not let us do this",
    18: "the database does not let us in",
    50: "the database took too long",
}


def refusal_of(error: BaseException | None) -> Unavailable | None:
    """What to tell a client where the engine (and not the statement) failed; None for any other error."""
    detail = None
    if isinstance(error, ExecutionTimeout | TimeoutError):
        detail = "the database took too long"
    elif isinstance(error, ConnectionFailure | OSError | ProtocolError | InvalidBSON):
        detail = _NO_ANSWER
    elif isinstance(error, PyMongoError) and error.has_error_label("TransientTransactionError"):
        detail = _CHANGING
    elif isinstance(error, OperationFailure):
        detail = _REFUSALS.get(error.code or 0)
    if detail is None:
        return None
    log.warning("%s: %s", detail, type(error).__name__)
    return Contended(detail) if detail == _CHANGING else Unavailable(detail)


class Work(Protocol):
    """What one block does; `spoke` tells that it emitted or set a timer."""

    spoke: bool

    async def flush(self) -> None:
        """Write what was put off until just before the commit."""

    def end(self) -> None:
        """From now on the block cannot be used."""


W = TypeVar("W", bound=Work)


class MongoLink:
    """One database; `Unavailable` from `close` on.

    A url that says `isolation=none` lets a server stand in that is no replica set, for tests and to try
    things: its transactions are not kept apart from what others read, so that a reader may see what is then
    rolled back. `whole` tells that the server is a replica set (or shards of them), as it must be everywhere
    else.
    """

    def __init__(self, url: str, *, service: str, pool: int) -> None:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        self.may_stand_in = options.pop("isolation", "") == "none"
        self.name = unquote(parts.path.removeprefix("/"))
        if not self.name:
            raise ValueError("the url of a MongoDB names a database: mongodb://host:port/database")
        self.place = f"{parts.hostname or 'localhost'}:{parts.port or 27017}/{self.name}"
        self.service, self._pool = service, pool
        # By it transactions of ours are known, in this database and by any process.
        self.appname = f"hometrip {service} {self.name}"[:120]
        self._url = urlunsplit(parts._replace(query=urlencode(options)))
        self.whole = True
        self.news, self.next_news = 0, asyncio.Event()
        self.owners = Owners()
        self._client: AsyncMongoClient[Document] | None = None
        self._closed, self._held = False, False
        # Is it not known of a commit whether it was made?
        self._in_doubt = False
        self._queue: deque[asyncio.Future[None]] = deque()
        self._free = asyncio.Event()
        self._free.set()

    def connect(self) -> AsyncMongoClient[Document]:
        """The client; it connects when it is first asked for something."""
        if self._client is None:
            self.must_be_open()
            millis = int(PATIENCE * 1000)
            self._client = AsyncMongoClient(
                self._url,
                appname=self.appname,
                serverSelectionTimeoutMS=millis,
                connectTimeoutMS=millis,
                waitQueueTimeoutMS=millis,
                socketTimeoutMS=int(STATEMENT_SECONDS * 1000),
                heartbeatFrequencyMS=1000,
                maxPoolSize=self._pool,
                w="majority",
                readConcernLevel="majority",
            )
        return self._client

    def must_be_open(self) -> None:
        if self._closed:
            raise Unavailable("the storage is closed")

    @property
    def database(self) -> AsyncDatabase[Document]:
        return self.connect()[self.name]

    def __getitem__(self, name: str) -> AsyncCollection[Document]:
        return self.database[name]

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """`Unavailable` where the engine fails."""
        self.must_be_open()
        try:
            yield
        except Exception as reason:
            # Which errors mean that the engine fails, `refusal_of` decides; all others go on as they are.
            if refused := refusal_of(reason):
                raise refused from reason
            raise

    def transaction(self, begin: Callable[[Session, int], W]) -> Block[W]:
        """`begin` makes the work of the block, from its session and the number of its turn."""
        return Block(self, begin)

    def tell(self) -> None:
        """Something new was committed here: wake everybody who waits for it."""
        self.news += 1
        heard, self.next_news = self.next_news, asyncio.Event()
        heard.set()

    async def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Let the block that runs end and refuse those that wait; do the `last` thing, and close."""
        if self._closed:
            return
        self._closed = True
        waiting, self._queue = self._queue, deque()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_exception(Unavailable("the storage is closed"))
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDING_SECONDS):
                await self._free.wait()
        self.tell()
        if self._client is None:
            return
        try:
            if last is not None:
                await last()
        except Exception as reason:
            # An engine that is away cannot hear the last words, and closing must not fail of it.
            if refusal_of(reason) is None:
                raise
        finally:
            client, self._client = self._client, None
            await client.close()

    async def end_idle(self) -> None:
        """End our transactions, of any process, that have done nothing for a while. They may be seen and
        ended by whoever is the same user, without any right of its own.
        """
        idle: Document = {
            "appName": self.appname,
            "active": False,
            "transaction.timeInactiveMicros": {"$gte": int(IDLE_SECONDS * 1_000_000)},
        }
        # Of what runs now there is no majority to be read.
        admin = self.connect().get_database("admin", read_concern=ReadConcern())
        with suppress(OperationFailure):
            look: list[Document] = [
                {"$currentOp": {"allUsers": False, "idleSessions": True}},
                {"$match": idle},
            ]
            async for one in await admin.aggregate(look):
                log.warning("ended a transaction on %s that had done nothing for long", self.place)
                await admin.command("killSessions", [{"id": one["lsid"]["id"]}])

    # -- whose turn it is

    async def take(self) -> None:
        """Wait until no other block of this storage runs."""
        self.must_be_open()
        if self._in_doubt:
            raise Unavailable(_NO_ANSWER)
        if not self._held:
            self._held = True
            self._free.clear()
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.pass_on()
            raise

    def doubt(self) -> None:
        """The server has not said what became of a commit: until that block ends, nobody waits for it."""
        self._in_doubt = True
        waiting, self._queue = self._queue, deque()
        for turn in waiting:
            if not turn.done():
                turn.set_exception(Unavailable(_NO_ANSWER))

    def pass_on(self) -> None:
        self._in_doubt = False
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._held = False
        self._free.set()


class Block(EngineBlock[W]):
    """`async with Block(…) as work`: commits at the end, or rolls all of the block back when it raises."""

    def __init__(self, link: MongoLink, begin: Callable[[Session, int], W]) -> None:
        super().__init__(link.owners, refusal_of)
        self._link, self._begin = link, begin

    async def _open(self) -> W:
        await self._link.take()
        try:
            self._session = self._link.connect().start_session()
            number = await self._turn()
        except BaseException:
            await to_its_end(self._leave())
            raise
        return self._begin(self._session, number)

    async def _turn(self) -> int:
        """Begin a transaction that has the turn; its number is the place of its commit among all."""
        began, pause = monotonic(), 0.001
        look = began + IDLE_SECONDS
        while True:
            await self._session.start_transaction(
                read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority")
            )
            try:
                turn = await self._link[TURNS].find_one_and_update(
                    {"_id": TURN},
                    {"$inc": {"number": 1}},
                    return_document=ReturnDocument.AFTER,
                    session=self._session,
                )
            except PyMongoError as reason:
                await self._session.abort_transaction()
                if not _is_held(reason) or monotonic() >= began + TURN_SECONDS:
                    raise
            else:
                if turn is None:
                    raise Unavailable(f"{self._link.place} is not set up: run `hometrip migrate`")
                return int(turn["number"])
            if monotonic() >= look:
                look = monotonic() + IDLE_SECONDS / 3
                await self._link.end_idle()
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 0.02)

    async def _end(self, error: BaseException | None) -> None:
        try:
            if error is None:
                await self._work.flush()
                await self._commit()
        finally:
            self._work.end()
            await self._leave()
        if error is None and self._work.spoke:
            self._link.tell()

    async def _commit(self) -> None:
        something_happens()
        deadline = asyncio.get_running_loop().time() + CERTAIN_SECONDS
        try:
            async with asyncio.timeout_at(deadline):
                while not await self._committed():
                    self._link.doubt()
                    await asyncio.sleep(0.05)
        except TimeoutError as late:
            raise Unavailable(_NOT_SAID) from late

    async def _committed(self) -> bool:
        """False where it may be committed or not: asking once more makes it certain."""
        try:
            await self._session.commit_transaction()
        except PyMongoError as reason:
            if reason.has_error_label("UnknownTransactionCommitResult"):
                return False
            # No statement of ours fails here: whatever it is, it is the engine's.
            raise refusal_of(reason) or Unavailable(_NOT_SAID) from reason
        return True

    async def _leave(self) -> None:
        """Ending the session rolls back what was not committed."""
        try:
            if session := getattr(self, "_session", None):
                await session.end_session()
        finally:
            self._link.pass_on()


def _is_held(reason: PyMongoError) -> bool:
    """Another transaction has the turn (and not: the server is gone)."""
    return isinstance(reason, OperationFailure) and reason.has_error_label("TransientTransactionError")
