"""What one storage hears of the others on the same database, and they of it: that there is something unsent.

One connection beside the pool listens for commits of other processes, tells them of ours, and holds the lock
that shows that our relay lives: when the process dies, the server lets go of it, and others may take over
what the relay had claimed.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress
from typing import Any

from hometrip.adapters.block import to_its_end
from hometrip.adapters.postgres.pool import PATIENCE, Link, PostgresPool
from hometrip.adapters.postgres.refusals import ENGINE_ERRORS
from hometrip.kernel.errors import Unavailable

log = logging.getLogger("hometrip.postgres")

CHANNEL = "hometrip_unsent"
# The first half of the key of a relay's lock; the second half is the relay's number.
RELAYS = 0x686F6D65
# Commits so soon after another are told of together; a lost connection is made again after so long. Seconds.
GATHER_SECONDS, AGAIN_SECONDS = 0.002, 0.5
FREE_OURS = "UPDATE unsent SET relay = NULL, until = NULL WHERE relay = $1"


class Ear:
    """`news` counts what was heard, and `next_news` is set with the next of it; commits of our own are heard
    at once. It begins to listen when it is first needed, and again after a loss, which counts as news.

    Telling others is not part of the transaction (NOTIFY would make every commit of the server wait for the
    one before it); what a process did not live to tell is found by the others after their time-out.
    """

    def __init__(self, pool: PostgresPool) -> None:
        self.pool = pool
        self.relay = secrets.randbelow(2**31 - 1) + 1
        self.news, self.next_news = 0, asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self._connected, self._call = asyncio.Event(), asyncio.Event()

    def hear(self) -> None:
        """There is something new: wake everybody who waits."""
        self.news += 1
        heard, self.next_news = self.next_news, asyncio.Event()
        heard.set()

    def told(self) -> None:
        """We have committed something new: here it is known now, elsewhere soon."""
        self.hear()
        self.listen()
        self._call.set()

    def listen(self) -> None:
        if self._listening is None or self._listening.done():
            self.pool.must_be_open()
            self._listening = asyncio.create_task(self._listen(), name=f"{self.pool.name} ear")

    async def lives(self) -> None:
        """Our relay's lock is held; `Unavailable` where the engine does not answer."""
        self.listen()
        try:
            async with asyncio.timeout(PATIENCE):
                await self._connected.wait()
        except TimeoutError:
            raise Unavailable("the database does not answer") from None

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
            self._listening = None
        self.hear()

    async def _listen(self) -> None:
        while True:
            try:
                link = await self.pool.connect()
            except ENGINE_ERRORS as reason:
                log.warning("no connection to hear of commits by: %s", type(reason).__name__)
            else:
                await self._listen_on(link)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _listen_on(self, link: Link) -> None:
        link.add_termination_listener(lambda _: self._call.set())
        try:
            # Held until the connection ends. (Whoever has it is an earlier connection of ours that is not
            # gone.)
            await link.execute("SELECT pg_advisory_lock($1, $2)", RELAYS, self.relay)
            await link.add_listener(CHANNEL, self._heard)
            self._connected.set()
            self.hear()
            await self._tell(link)
        except ENGINE_ERRORS as reason:
            log.warning("the connection to hear of commits by is lost: %s", type(reason).__name__)
        finally:
            self._connected.clear()
            await to_its_end(self._leave(link))

    async def _tell(self, link: Link) -> None:
        while not link.is_closed():
            await self._call.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._call.clear()
            if not link.is_closed():
                await link.execute(f"NOTIFY {CHANNEL}")

    async def _leave(self, link: Link) -> None:
        """Nobody need wait for our claims to end; where the connection is lost, its lock is gone as well."""
        try:
            if not link.is_closed():
                await link.execute(FREE_OURS, self.relay)
            await link.close(timeout=PATIENCE)
        except ENGINE_ERRORS:
            link.terminate()

    def _heard(self, link: Any, process: int, channel: str, payload: str) -> None:
        if process != link.get_server_pid():
            self.hear()
