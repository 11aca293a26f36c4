"""A look at the frames of what a PostgreSQL server says, before asyncpg reads it: its reader goes round for
ever over a frame of negative length, and the whole process with it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

log = logging.getLogger("hometrip.postgres")

# The messages of a server begin with one of these letters and the length of the rest, four bytes, itself
# included (the protocol's version 3).
LETTERS = frozenset(b"123ACDEGHINRSTVWZcdnstv")
HEAD = 5
LONGEST = 1 << 30


class Framed(asyncio.Protocol):
    """Hands on to asyncpg's own protocol what is framed as it should be; of anything else, it ends the
    connection.
    """

    def __init__(self, inner: Any, transport: Any) -> None:
        self._inner, self._transport = inner, transport
        # So many bytes of the message that came last are still to come; or the beginning of a head.
        self._left, self._begun = 0, b""
        self.pause_writing, self.resume_writing = inner.pause_writing, inner.resume_writing  # type: ignore[method-assign]
        self.eof_received, self.connection_lost = inner.eof_received, inner.connection_lost  # type: ignore[method-assign]

    def data_received(self, data: bytes) -> None:
        if self._is_framed(self._begun + data if self._begun else data):
            self._inner.data_received(data)
        else:
            log.warning("the database does not speak as a database does: the connection is given up")
            self._transport.abort()

    def _is_framed(self, data: bytes) -> bool:
        at, end = self._left, len(data)
        while at + HEAD <= end:
            length = int.from_bytes(data[at + 1 : at + HEAD], "big")
            if data[at] not in LETTERS or not 4 <= length <= LONGEST:
                return False
            at += 1 + length
        self._left, self._begun = (at - end, b"") if at >= end else (0, bytes(data[at:]))
        return True


def frame(link: Any) -> None:
    """From now on everything that comes by this connection of asyncpg's is looked at first."""
    link._transport.set_protocol(Framed(link._protocol, link._transport))
