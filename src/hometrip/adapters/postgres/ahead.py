"""Statements whose answers nobody waits for: put off, and sent ahead of the next one that is waited for.

asyncpg sends a statement and waits for its answer, and the way there and back costs more than most
statements do. The server need not be waited for: it runs what it is sent in the order in which it came
(pipelining, in the words of the protocol's version 3). What is put off here goes out with what asyncpg writes
next, before it, or with the COMMIT; what the server says to it is taken out of what asyncpg is given to read.

Values whose type can only be one of the server's go in its own form, the others as text, which it reads by
the types that it finds for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from struct import Struct
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

# A message is a letter, the length of the rest (four bytes, themselves included), and the rest.
HEAD = 5
length_at = Struct("!I").unpack_from
BOUND, ROW = b"2D"
EXECUTE, SYNC = b"E\0\0\0\x09\0\0\0\0\0", b"S\0\0\0\x04"
NULL = b"\xff\xff\xff\xff"
TEXT, BINARY = b"\0\0", b"\0\1"
REFUSALS = (asyncpg.IntegrityConstraintViolationError, asyncpg.DivisionByZeroError)
LOST = "the connection was closed before the answer came"
# What comes of itself, between the answers: asyncpg's.
OF_ITSELF = frozenset(b"ANS")
# Moments are said in microseconds and dates in days since the year 2000.
_YEAR_2000, _MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_DAY_2000 = _YEAR_2000.toordinal()
BINARIES: dict[type, Callable[[Any], bytes]] = {
    bytes: bytes,
    bool: lambda value: b"\1" if value else b"\0",
    UUID: lambda value: value.int.to_bytes(16),
    datetime: lambda value: ((value - _YEAR_2000) // _MICROSECOND).to_bytes(8, signed=True),
    date: lambda value: (value.toordinal() - _DAY_2000).to_bytes(4, signed=True),
}
TEXTS: dict[type, Callable[[Any], bytes]] = {
    str: str.encode,
    int: lambda value: b"%d" % value,
    float: lambda value: repr(float(value)).encode(),
    Decimal: lambda value: str(value).encode(),
}

Refused = Callable[[asyncpg.PostgresError], Exception]


class Part(NamedTuple):
    """A statement that was put off; `refused` makes what is raised where a constraint refuses it, or a
    division by nought.
    """

    statement: str
    bound: bytes
    refused: Refused | None


class Batch:
    """What was sent in one go. Once a part of it has failed, the server leaves out those behind it."""

    def __init__(self, parts: list[Part], named: list[tuple[str, bytes]]) -> None:
        self.parts, self.answered, self.tag = parts, 0, ""
        # Statements that it gives names to, in the order in which the server confirms them.
        self.named = deque(named)
        self.error: Exception | None = None
        self.ended: asyncio.Future[None] | None = None

    def fail(self, reason: Any) -> None:
        part = self.parts[self.answered] if self.answered < len(self.parts) else None
        refused = part and part.refused
        if refused is not None and isinstance(reason, REFUSALS):
            self.error = refused(reason)
            self.error.__cause__ = reason
        else:
            self.error = reason

    def end(self) -> None:
        if self.ended is not None and not self.ended.done():
            self.ended.set_result(None)


class Ahead:
    """What is put off on one connection, and what was sent of it and is not answered yet.

    It is the transport that asyncpg writes to. Of the time since `begin` it tells whether anything was
    `sent`, what the first part that `failed` is told with, and whether the server itself has `refused` one.
    """

    def __init__(self, transport: asyncio.Transport, quiet: Callable[[], Awaitable[Any]]) -> None:
        self._transport, self._quiet = transport, quiet
        self._under_way: deque[Batch] = deque()
        self._names: dict[str, bytes] = {}
        self._named, self._cut, self._lost = 0, b"", False
        self.begin()

    def begin(self) -> None:
        """Somebody else has the connection now."""
        self._put_off: list[Part] = []
        self.sent = self.refused = False
        self.failed: Exception | None = None

    @property
    def untouched(self) -> bool:
        """The server knows nothing yet of the block that has begun."""
        return bool(self._put_off) and not self.sent

    @property
    def has_begun_only(self) -> bool:
        return self.untouched and len(self._put_off) == 1

    @property
    def is_awaited(self) -> bool:
        return bool(self._under_way)

    def put_off(
        self,
        statement: str,
        values: Sequence[Any] = (),
        refused: Refused | None = None,
    ) -> None:
        self._put_off.append(Part(statement, _bound(values), refused))

    def write(self, theirs: bytes) -> None:
        """What asyncpg says, which is waiting for nothing then."""
        self._transport.write(self._said() + bytes(theirs) if self._put_off else theirs)

    def writelines(self, theirs: list[bytes]) -> None:
        """As `write`, what it says of many rows."""
        if self._put_off:
            self._transport.write(self._said())
        self._transport.writelines(theirs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    async def send(self) -> None:
        """Everything that is put off; its answers are not waited for. Of a statement of asyncpg's that was
        given up, the last word is waited for.
        """
        await self._quiet()
        if self._lost:
            raise asyncpg.ConnectionDoesNotExistError(LOST)
        self._transport.write(self._said())

    def _said(self) -> bytes:
        parts, self._put_off, self.sent = self._put_off, [], True
        names, said = dict[str, bytes](), list[bytes]()
        for statement, bound, _ in parts:
            name = self._names.get(statement) or names.get(statement)
            if name is None:
                self._named += 1
                name = names[statement] = f"ahead{self._named}".encode()
                said.append(_message(b"P", name, b"\0", statement.encode(), b"\0\0\0"))
            said += (_message(b"B", b"\0", name, b"\0", bound), EXECUTE)
        said.append(SYNC)
        self._under_way.append(Batch(parts, list(names.items())))
        return b"".join(said)

    async def finish(self, seconds: float) -> str:
        """Send everything that is put off and wait for it; what the server says to the last of it. Where it
        says nothing in time, the connection is cut.
        """
        try:
            async with asyncio.timeout(seconds):
                await self.send()
                batch = self._under_way[-1]
                batch.ended = asyncio.get_running_loop().create_future()
                await batch.ended
        except BaseException:
            self._transport.abort()
            raise
        if batch.error is not None:
            raise batch.error
        return batch.tag

    def hear(self, data: bytes) -> bytes:
        """Take out of what the server says the answers to what was sent; the rest is asyncpg's."""
        said, at, theirs = self._cut + data, 0, list[bytes]()
        while self._under_way and at + HEAD <= len(said):
            behind = at + 1 + length_at(said, at + 1)[0]
            if behind > len(said):
                break
            kind = said[at]
            if kind in OF_ITSELF:
                theirs.append(said[at:behind])
            elif kind not in (BOUND, ROW):
                self._take_in(said[at : at + 1], said[at + HEAD : behind])
            at = behind
        if self._under_way:
            self._cut = said[at:]
        else:
            self._cut = b""
            theirs.append(said[at:])
        return b"".join(theirs)

    def lose(self) -> None:
        """The connection is lost, and no answer comes any more."""
        self._lost = True
        while self._under_way:
            self._end(asyncpg.ConnectionDoesNotExistError(LOST))

    def _take_in(self, kind: bytes, body: bytes) -> None:
        batch = self._under_way[0]
        if kind == b"C":
            batch.tag = body[:-1].decode()
            batch.answered += 1
        elif kind == b"1":
            statement, name = batch.named.popleft()
            self._names[statement] = name
        elif kind == b"E":
            reason = _error_in(body)
            self.refused = self.refused or reason.severity_en == "ERROR"
            batch.fail(reason)
        elif kind == b"Z":
            self._end()

    def _end(self, reason: Exception | None = None) -> None:
        batch = self._under_way.popleft()
        batch.error = batch.error or reason
        self.failed = self.failed or batch.error
        batch.end()


def _message(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return kind + (4 + len(body)).to_bytes(4) + body


def _bound(values: Sequence[Any]) -> bytes:
    """The end of a Bind: how each value is said, the values, and that rows come as text."""
    count = len(values).to_bytes(2)
    formats, said = [count], [count]
    for value in values:
        if value is None:
            formats.append(TEXT)
            said.append(NULL)
            continue
        kind = type(value)
        if kind not in BINARIES and kind not in TEXTS:
            kind = _known(kind)
        if (say := BINARIES.get(kind)) is not None:
            formats.append(BINARY)
        else:
            formats.append(TEXT)
            say = TEXTS[kind]
        raw = say(value)
        said.append(len(raw).to_bytes(4))
        said.append(raw)
    return b"".join((*formats, *said, b"\0\0"))


def _known(kind: type) -> type:
    """What it is one of, that has a word for the server."""
    for base in kind.__mro__:
        if base in BINARIES or base in TEXTS:
            return base
    raise TypeError(f"a {kind.__name__} cannot be sent to the server")


def _error_in(body: bytes) -> Any:
    """asyncpg's error for what the server tells: fields, each of a letter and its words."""
    fields = {field[:1].decode(): field[1:].decode(errors="replace") for field in body.split(b"\0") if field}
    return asyncpg.PostgresError.new(fields)
