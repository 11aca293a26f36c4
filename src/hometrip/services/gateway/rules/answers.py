"""The head of a service's answer: read strictly, so that where one answer ends is never a matter of opinion.

What a service says for the connection only, or what the ring says for every answer, is left out.
"""

from __future__ import annotations

import re

import msgspec

Headers = list[tuple[bytes, bytes]]

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n\0]*)?")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_IN_VALUE = re.compile(rb"[\0\r\n]")
NO_BODY = frozenset({204, 304})

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade".split()
)
# The ring says these for every answer, and the server that it runs on.
OF_THE_DOOR = frozenset(
    b"x-request-id x-content-type-options x-frame-options referrer-policy cross-origin-opener-policy "
    b"permissions-policy server alt-svc warning".split()
)
DOOR_PREFIXES = (b"ratelimit-", b"access-control-", b"x-hometrip-")
# What a line is: for the client, for nobody, or about the connection and the body's end.
PASSED, DROPPED, OWN = range(3)
# Services say the same again and again: it is read once, and then known. Where there is much of it, not for
# long.
_MOST_KNOWN, _MOST_LINE = 2048, 512
_known: dict[bytes, tuple[tuple[bytes, bytes], int]] = {}
_statuses: dict[bytes, tuple[int, bool]] = {}


class Garbage(Exception):
    """What a service sent is not an answer in HTTP/1.1."""


class Head(msgspec.Struct, frozen=True):
    """`length` is None where the body is chunked, or all that comes until the end of the connection."""

    status: int
    headers: Headers
    length: int | None
    chunked: bool
    until_end: bool
    keeps: bool

    def header(self, wanted: bytes) -> bytes:
        """The value of a header, empty where there is none."""
        for name, value in self.headers:
            if name == wanted:
                return value
        return b""


def head_in(data: bytes, *, bare: bool) -> Head:
    """The head of an answer. `bare`: it answers HEAD, and no body follows. Raises `Garbage`."""
    lines = data.split(b"\r\n")
    status, old = _statuses.get(lines[0]) or _status(lines[0])
    headers: Headers = []
    own: Headers = []
    for at in range(1, len(lines)):
        line = lines[at]
        header, kind = _known.get(line) or _read(line)
        if kind == PASSED:
            headers.append(header)
        elif kind == OWN:
            own.append(header)
    plain = not (bare or old or status in NO_BODY or status < 200)
    if plain and len(own) == 1 and own[0][0] == b"content-length":  # as nearly every answer
        headers.append(own[0])
        return Head(status, headers, _length(own[0][1]), False, False, True)
    return _framed(status, headers, own, old=old, bare=bare)


def _length(told: bytes) -> int:
    if not (told.isdigit() and len(told) < 16):
        raise Garbage("the length of the answer is not a number")
    return int(told)


def _status(first: bytes) -> tuple[int, bool]:
    """The status, and whether the answer is of HTTP/1.0."""
    said = _STATUS.fullmatch(first)
    if said is None:
        raise Garbage("the first line is not that of an answer")
    found = int(said[2]), said[1] == b"0"
    if found[0] == 101:
        raise Garbage("nobody asked for another protocol")
    if len(_statuses) < 128:
        _statuses[first] = found
    return found


def _read(line: bytes) -> tuple[tuple[bytes, bytes], int]:
    name, colon, value = line.partition(b":")
    if not colon or not _NAME.fullmatch(name) or _BAD_IN_VALUE.search(value):
        raise Garbage("a line of the head is not a header")
    name = name.lower()
    kind = PASSED
    if name == b"content-length" or name in HOP_BY_HOP:
        kind = OWN
    elif name in OF_THE_DOOR or name.startswith(DOOR_PREFIXES):
        kind = DROPPED
    found = (name, value.strip(b" \t")), kind
    if len(line) <= _MOST_LINE:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[line] = found
    return found


def _framed(status: int, headers: Headers, own: Headers, *, old: bool, bare: bool) -> Head:
    """Where the body ends (RFC 9112, section 6.3), refusing whatever could be read in two ways."""
    lengths = [value for name, value in own if name == b"content-length"]
    codings = [value for name, value in own if name == b"transfer-encoding"]
    named = {
        word.strip().lower() for name, value in own if name == b"connection" for word in value.split(b",")
    }
    if named - {b"close", b"keep-alive"}:
        headers = [header for header in headers if header[0] not in named]
    keeps = b"close" not in named and not old
    if len(lengths) > 1 or (lengths and codings):
        raise Garbage("the length of the answer is told twice")
    length = _length(lengths[0]) if lengths else None
    if codings and (old or len(codings) > 1 or codings[0].lower() != b"chunked"):
        raise Garbage("the answer is coded in an unknown way")
    if lengths and status not in NO_BODY:
        headers.append((b"content-length", lengths[0]))
    if bare or status in NO_BODY or status < 200:
        return Head(status, headers, 0, False, False, keeps)
    if codings:
        return Head(status, headers, None, True, False, keeps)
    if lengths:
        return Head(status, headers, length, False, False, keeps)
    return Head(status, headers, None, False, True, False)
