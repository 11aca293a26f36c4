"""HTTP/1.1 from the client's side, as cheap as it can be in Python: the load generator shares its cores
with what it measures.

Requests are bytes made in advance; of an answer only status and length are read. It speaks to one server,
over connections that stay open, with one request at a time on each.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

# Called with an answer, or with what went wrong in its stead.
Heard = Callable[["Answer"], None]

_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_CHUNKED = b"transfer-encoding: chunked"
_CLOSING = b"onnection: close"
_WITHOUT_BODY = frozenset({204, 304})


class Answer(NamedTuple):
    """`status` is 0 where there was no answer; `body` then says why."""

    status: int
    body: bytes

    def record(self) -> Any:
        return json.loads(self.body) if self.body else None

    @property
    def code(self) -> str:
        """The stable code of a problem document, or nothing."""
        try:
            found = self.record()
        except ValueError:
            return ""
        return str(found.get("code", "")) if isinstance(found, dict) else ""


class NotHttp(Exception):
    """The bytes are no answer to a request of ours."""


def read_answer(received: bytes | bytearray) -> tuple[Answer, int] | None:
    """The first answer in what was received and where it ends; None while some of it is missing."""
    end = received.find(_END)
    if end < 0:
        if len(received) > 65_536:
            raise NotHttp("a head without an end")
        return None
    if received[:5] != b"HTTP/":
        raise NotHttp("not an HTTP answer")
    status, start = int(received[9:12]), end + 4
    if status in _WITHOUT_BODY:
        return Answer(status, b""), start
    length = _declared_length(bytes(received[:end]))
    if length is None:
        return _read_chunks(status, received, start)
    if len(received) < start + length:
        return None
    return Answer(status, bytes(received[start : start + length])), start + length


def _declared_length(head: bytes) -> int | None:
    """None where the body comes in chunks."""
    at = head.find(_LENGTH)
    if at < 0:
        head = head.lower()
        at = head.find(_LENGTH)
    if at < 0:
        if _CHUNKED in head:
            return None
        raise NotHttp("an answer without a length")
    line_end = head.find(b"\r\n", at)
    return int(head[at + len(_LENGTH) : line_end if line_end >= 0 else len(head)])


def _read_chunks(status: int, received: bytes | bytearray, at: int) -> tuple[Answer, int] | None:
    body = bytearray()
    while (line_end := received.find(b"\r\n", at)) >= 0:
        size = int(bytes(received[at:line_end]).partition(b";")[0], 16)
        at = line_end + 2
        if len(received) < at + size + 2:
            return None
        if size == 0:
            return Answer(status, bytes(body)), at + 2
        body += received[at : at + size]
        at += size + 2
    return None


class Line(asyncio.Protocol):
    """One connection. It tells `freed` when it can take the next request, and `lost` when it is gone."""

    def __init__(self, freed: Callable[[Line], None], lost: Callable[[Line], None]) -> None:
        self._freed, self._lost = freed, lost
        self._heard: Heard | None = None
        self._received = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes, heard: Heard) -> None:
        self._heard = heard
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._received:
            self._received += data
            data = self._received  # type: ignore[assignment]  # read alike, and not copied
        try:
            found = read_answer(data)
        except (NotHttp, ValueError) as reason:
            self._tell(Answer(0, f"not HTTP: {reason}".encode()))
            self._transport.abort()
            return
        if found is None:
            if not self._received:
                self._received += data
            return
        answer, end = found
        surplus = len(data) > end
        if self._received:
            self._received = bytearray()
        if surplus or self._heard is None:
            self._tell(Answer(0, b"more bytes than were asked for"))
            self._transport.abort()
            return
        closing = data.find(_CLOSING, 0, data.find(_END)) >= 0
        self._tell(answer)
        if closing:
            self._transport.close()
        else:
            self._freed(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._tell(Answer(0, b"connection lost"))
        self._lost(self)

    def close(self) -> None:
        self._transport.close()

    def _tell(self, answer: Answer) -> None:
        heard, self._heard = self._heard, None
        if heard is not None:
            heard(answer)


class Lines:
    """A set of connections to one server. A request waits where all of them are busy.

    They are used in turn, so that none is idle for so long that the server hangs up; one that is lost is
    opened again.
    """

    def __init__(self, host: str, port: int, size: int) -> None:
        self._host, self._port, self.size = host, port, size
        self._free: deque[Line] = deque()
        self._all: set[Line] = set()
        self._waiting: deque[tuple[bytes, Heard]] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._closed = False

    async def __aenter__(self) -> Lines:
        await asyncio.gather(*(self._open() for _ in range(self.size)))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        for task in self._opening:
            task.cancel()
        for line in self._all:
            line.close()
        await asyncio.sleep(0)

    def ask(self, request: bytes, heard: Heard) -> None:
        if self._free:
            self._free.popleft().ask(request, heard)
        else:
            self._waiting.append((request, heard))

    async def answer(self, request: bytes) -> Answer:
        told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.ask(request, lambda answer: None if told.done() else told.set_result(answer))
        return await told

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closed:
            try:
                _, line = await loop.create_connection(
                    lambda: Line(self._freed, self._lost), self._host, self._port
                )
            except OSError:
                self._refuse()
                await asyncio.sleep(0.1)
                continue
            self._all.add(line)
            self._freed(line)
            return

    def _refuse(self) -> None:
        """With no connection at all, nothing that waits can be answered."""
        while self._waiting and not self._all:
            self._waiting.popleft()[1](Answer(0, b"connection refused"))

    def _freed(self, line: Line) -> None:
        if self._waiting:
            line.ask(*self._waiting.popleft())
        else:
            self._free.append(line)

    def _lost(self, line: Line) -> None:
        self._all.discard(line)
        if line in self._free:
            self._free.remove(line)
        if not self._closed:
            task = asyncio.get_running_loop().create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)


def request(
    method: str,
    path: str,
    body: Any = None,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """The bytes of a request; a body that is given goes as JSON."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", "user-agent: hometrip-bench"]
    if token:
        lines.append(f"authorization: Bearer {token}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    if content:
        lines.append("content-type: application/json")
    if content or method not in ("GET", "HEAD"):
        lines.append(f"content-length: {len(content)}")
    return "\r\n".join(lines).encode() + _END + content
