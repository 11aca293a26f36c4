"""The chunked coding of a body: what RFC 9112, section 7.1 says, and nothing more lenient."""

from __future__ import annotations

import re

from hometrip.services.gateway.rules.answers import Garbage

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\0]*)?")
MOST_LINE = 4096
MOST_TRAILERS = 16_384


class Chunks:
    """Reads chunks as their bytes come. Extensions and trailers are read over."""

    def __init__(self) -> None:
        self._unread = b""
        self._left = 0
        self._ending = False
        self._trailers = 0

    def read(self, data: bytes) -> tuple[list[bytes], bool]:
        """The content in `data`, and whether the body is at its end; bytes after that are `Garbage`."""
        parts, rest = self.take(data)
        if rest:
            raise Garbage("the answer goes on after its end")
        return parts, rest is not None

    def take(self, data: bytes) -> tuple[list[bytes], bytes | None]:
        """The content in `data`, and what comes after the end of the body; None before its end."""
        parts: list[bytes] = []
        if self._unread:
            data, self._unread = self._unread + data, b""
        at = 0
        while at < len(data):
            if self._left:
                part = data[at : at + self._left]
                parts.append(part)
                at += len(part)
                self._left -= len(part)
                self._ending = not self._left
                continue
            end = data.find(b"\r\n", at)
            if end < 0:
                if len(data) - at > MOST_LINE:
                    raise Garbage("a line between chunks does not end")
                self._unread = data[at:]
                break
            line, at = data[at:end], end + 2
            if self._line(line):
                return parts, data[at:]
        return parts, None

    def _line(self, line: bytes) -> bool:
        """True at the end of the body."""
        if self._ending:
            if line:
                raise Garbage("a chunk is longer than it says")
            self._ending = False
        elif self._trailers:
            self._trailers += len(line) + 2
            if self._trailers > MOST_TRAILERS:
                raise Garbage("the trailers do not end")
            return not line
        elif size := _SIZE.fullmatch(line):
            self._left = int(size[1], 16)
            self._trailers = not self._left
        else:
            raise Garbage("the size of a chunk cannot be read")
        return False


def chunk_of(data: bytes) -> bytes:
    """One chunk; not to be made of nothing, which would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
