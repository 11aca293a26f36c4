"""The head of a stranger's request, read strictly: what could be read in two ways is refused, so that no
service can see another request in these bytes than the gateway did (RFC 9112).
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from hometrip.kernel.errors import Malformed
from hometrip.services.gateway.rules.answers import Headers
from hometrip.services.gateway.rules.requests import Asked, asked_in

MOST_HEADERS = 128
CONTINUE = b"100-continue"

_FIRST = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([!-~]+) HTTP/1\.([01])")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t -~\x80-\xff]*)")
_ABSOLUTE = re.compile(rb"https?://[^/?]*", re.I)
_FRAMING = frozenset(b"content-length transfer-encoding connection host expect".split())
# Many clients say the same again and again: it is read once, and then known. Where there is much of it, not
# for long.
_MOST_KNOWN, _MOST_LINE, _MOST_BLOCK = 2048, 256, 4096
_lines: dict[bytes, tuple[bytes, bytes]] = {}
_blocks: dict[bytes, Block] = {}


class Block(msgspec.Struct, frozen=True):
    """The headers of a request, and what follows from them alone; not to be changed. Names are in small
    letters.

    `length` is None where the body comes in chunks. `waits`: the body is kept back until it is asked for.
    `keeps`: another request may follow on the connection.
    """

    headers: Headers
    named: dict[bytes, bytes]
    asked: Asked
    length: int | None = 0
    keeps: bool = True
    waits: bool = False
    hosts: int = 1


class Heard(msgspec.Struct, frozen=True, gc=False):
    """A head: its first line and its headers. `old`: it is of HTTP/1.0."""

    method: str
    raw_path: bytes
    query: bytes
    block: Block
    old: bool = False

    @property
    def path(self) -> str:
        """Decoded; what is no UTF-8 in it becomes a sign that stands for nothing."""
        if b"%" in self.raw_path:
            return unquote_to_bytes(self.raw_path).decode("utf-8", "replace")
        return self.raw_path.decode("ascii")

    @property
    def keeps(self) -> bool:
        return self.block.keeps and not self.old


def heard_in(data: bytes) -> Heard:
    """A head without the empty line at its end. Raises `Malformed`."""
    first, _, rest = data.partition(b"\r\n")
    said = _FIRST.fullmatch(first)
    if said is None:
        raise Malformed("the first line is not that of a request in HTTP/1.1")
    method, target, minor = said.groups()
    block = _blocks.get(rest)
    if block is None:
        block = _block(rest)
        if len(rest) <= _MOST_BLOCK:
            _keep(_blocks, rest, block)
    old = minor == b"0"
    if old and block.length is None:
        raise Malformed("chunks are not known to HTTP/1.0")
    if block.hosts != 1 and not (old and not block.hosts):
        raise Malformed("the host is not told once")
    path, query = _target(target)
    return Heard(method.decode("ascii"), path, query, block, old)


def _block(data: bytes) -> Block:
    lines = data.split(b"\r\n") if data else []
    if len(lines) > MOST_HEADERS:
        raise Malformed(f"there are more than {MOST_HEADERS} headers")
    headers = [_lines.get(line) or _read(line) for line in lines]
    return _framed(headers, [header for header in headers if header[0] in _FRAMING])


def _keep(known: dict[bytes, Any], what: bytes, read: Any) -> None:
    if len(known) >= _MOST_KNOWN:
        known.clear()
    known[what] = read


def _read(line: bytes) -> tuple[bytes, bytes]:
    found = _HEADER.fullmatch(line)
    if found is None:
        raise Malformed("a line of the head is not a header")
    name = found[1].lower()
    header = (name, found[2].strip(b" \t"))
    if len(line) <= _MOST_LINE:
        _keep(_lines, line, header)
    return header


def _target(target: bytes) -> tuple[bytes, bytes]:
    """Path and query, each as it was written. Whose address an absolute one names decides nothing."""
    if not target.startswith(b"/"):
        if found := _ABSOLUTE.match(target):
            target = target[found.end() :]
            target = target if target.startswith(b"/") else b"/" + target
        elif target != b"*":
            raise Malformed("the target is not a path")
    if b"#" in target:
        raise Malformed("the target has a fragment")
    path, _, query = target.partition(b"?")
    return path, query


def _framed(headers: Headers, framing: Headers) -> Block:
    """Where the body ends (RFC 9112, section 6.3), and what becomes of the connection."""
    lengths = [value for name, value in framing if name == b"content-length"]
    codings = [value for name, value in framing if name == b"transfer-encoding"]
    closes = any(name == b"connection" and b"close" in value.lower() for name, value in framing)
    length: int | None = 0
    if codings:
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise Malformed("the body is coded in a way that is not known here")
        length = None
        if lengths:  # the chunks count, and whoever sends both is not listened to any longer
            headers = [header for header in headers if header[0] != b"content-length"]
            closes = True
    elif lengths:
        if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > 15:
            raise Malformed("the length of the body cannot be read")
        length = int(lengths[0])
    return Block(
        headers,
        dict(headers),
        asked_in(headers),
        length,
        keeps=not closes,
        waits=length != 0
        and any(header[0] == b"expect" and header[1].lower() == CONTINUE for header in framing),
        hosts=sum(name == b"host" for name, _ in framing),
    )


# Of what is none, and whose connection ends with the answer.
NO_HEADERS = Block([], {}, Asked([]), keeps=False)
