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
# Their lines are the same again and again: read once, and then known.
_REPEATED = OF_THE_DOOR - {b"x-request-id"} | frozenset(
    b"content-type cache-control vary content-security-policy content-disposition".split()
)
_MOST_KNOWN = 1024
_known: dict[bytes, tuple[bytes, bytes] | None] = {}


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
    first, *lines = data.split(b"\r\n")
    said = _STATUS.fullmatch(first)
    if said is None:
        raise Garbage("the first line is not that of an answer")
    status = int(said[2])
    if status == 101:
        raise Garbage("nobody asked for another protocol")
    headers: Headers = []
    own: Headers = []
    for line in lines:
        try:
            header = _known[line]
        except KeyError:
            header = _read(line, own)
        if header is not None:
            headers.append(header)
    return _framed(status, headers, own, old=said[1] == b"0", bare=bare)


def _read(line: bytes, own: Headers) -> tuple[bytes, bytes] | None:
    """The header of a line if it is for the client; those of the connection go to `own`."""
    name, colon, value = line.partition(b":")
    if not colon or not _NAME.fullmatch(name) or _BAD_IN_VALUE.search(value):
        raise Garbage("a line of the head is not a header")
    name = name.lower()
    header = (name, value.strip(b" \t"))
    if name == b"content-length" or name in HOP_BY_HOP:
        own.append(header)
        return None
    passes = header if name not in OF_THE_DOOR and not name.startswith(DOOR_PREFIXES) else None
    if name in _REPEATED and len(_known) < _MOST_KNOWN and len(line) < 512:
        _known[line] = passes
    return passes


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
    if lengths and not (lengths[0].isdigit() and len(lengths[0]) < 16):
        raise Garbage("the length of the answer is not a number")
    if codings and (old or len(codings) > 1 or codings[0].lower() != b"chunked"):
        raise Garbage("the answer is coded in an unknown way")
    if lengths and status not in NO_BODY:
        headers.append((b"content-length", lengths[0]))
    if bare or status in NO_BODY or status < 200:
        return Head(status, headers, 0, False, False, keeps)
    if codings:
        return Head(status, headers, None, True, False, keeps)
    if lengths:
        return Head(status, headers, int(lengths[0]), False, False, keeps)
    return Head(status, headers, None, False, True, False)
