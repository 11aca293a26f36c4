"""A look at the frames of what a PostgreSQL server says, before asyncpg reads it: its reader goes round for
ever over a frame of a length that cannot be, and the whole process with it, be it before the sign-in.
"""

from __future__ import annotations

import asyncio
import logging

from asyncpg import protocol

log = logging.getLogger("hometrip.postgres")

# The messages of a server begin with one of these letters and the length of the rest, four bytes, itself
# included (the protocol's version 3).
LETTERS = frozenset(b"123ACDEGHIKNRSTVWZcdnstv")
HEAD = 5
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
            length = int.from_bytes(data[at + 1 : at + HEAD], "big")
            if data[at] not in LETTERS or not 4 <= length <= LONGEST:
                return False
            at += 1 + length
        self._left, self._begun = (at - end, b"") if at >= end else (0, bytes(data[at:]))
        return True


class Framed(protocol.Protocol):  # type: ignore[misc]  # asyncpg says nothing of its types
    """asyncpg's protocol, which ends the connection instead of reading what is not framed as it should be."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._heard, self._to_end = Frames(), transport
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._heard.hold(data):
            super().data_received(data)
        else:
            log.warning("the database does not speak as a database does: the connection is given up")
            self._to_end.abort()


def look_at_frames() -> None:
    """From now on, on every connection of asyncpg's in this process. It takes no protocol as an argument."""
    protocol.Protocol = Framed
