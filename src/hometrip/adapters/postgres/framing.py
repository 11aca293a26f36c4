"""A look at the frames of what a PostgreSQL server says, before asyncpg reads it: its reader goes round for
ever over a frame of a length that cannot be, and the whole process with it, be it before the sign-in.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import asyncpg
from asyncpg import protocol

from hometrip.adapters.postgres.ahead import HEAD, Ahead, length_at

log = logging.getLogger("hometrip.postgres")

# The messages of a server begin with one of these letters and the length of the rest, four bytes, itself
# included (the protocol's version 3).
LETTERS = frozenset(b"123ACDEGHIKNRSTVWZcdnstv")
LONGEST = 1 << 30


class Frames:
    """Tells of one connection whether what comes is framed as it should be, however it is cut."""

    def __init__(self) -> None:
        # So many bytes of the message that came last are still to come; or the beginning of a head.
        self._left, self._begun = 0, b""

    def hold(self, data: bytes) -> bool:
        if self._begun:
            data = self._begun + data
        at, end = self._left, len(data)
        while at + HEAD <= end:
            (length,) = length_at(data, at + 1)
            if data[at] not in LETTERS or not 4 <= length <= LONGEST:
                return False
            at += 1 + length
        self._left, self._begun = (at - end, b"") if at >= end else (0, bytes(data[at:]))
        return True


class Framed(protocol.Protocol):  # type: ignore[misc]  # asyncpg says nothing of its types
    """asyncpg's protocol, which ends the connection instead of reading what is not framed as it should be.
    It does not hear the answers to what was sent ahead of its statements.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._heard, self._to_end = Frames(), transport
        self.ahead = Ahead(transport, self._wait_for_cancellation)
        super().connection_made(self.ahead)

    def data_received(self, data: bytes) -> None:
        if not self._heard.hold(data):
            log.warning("the database does not speak as a database does: the connection is given up")
            self._to_end.abort()
        elif not self.ahead.is_awaited:
            super().data_received(data)
        elif theirs := self.ahead.hear(data):
            super().data_received(theirs)

    def connection_lost(self, reason: Exception | None) -> None:
        self.ahead.lose()
        super().connection_lost(reason)


class FramedConnection(asyncpg.Connection):  # type: ignore[misc]
    """asyncpg's connection; `ahead` is what is sent ahead of its statements."""

    def __init__(self, by: Framed, *more: Any) -> None:
        super().__init__(by, *more)
        self.ahead = by.ahead


def look_at_frames() -> None:
    """From now on, on every connection of asyncpg's in this process. It takes no protocol as an argument."""
    protocol.Protocol = Framed
