"""The lines that the head of an answer begins with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import formatdate
from functools import cache
from http import HTTPStatus

from hometrip.app.edge.exchange import Headers

_ENDS = re.compile(rb"[\r\n\0]")


def lines_of(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """A value with the end of a line in it would be more headers than one, or another answer."""
    told = list(headers)
    if any(_ENDS.search(part) for header in told for part in header):
        raise ValueError("a header of the answer has the end of a line in it")
    return told


@cache
def first_line(status: int) -> bytes:
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = ""
    return b"HTTP/1.1 %d %b\r\n" % (status, reason.encode())


_dated: tuple[int, bytes] = (0, b"")


def date_line(second: int) -> bytes:
    global _dated  # noqa: PLW0603 - one line a second for all connections
    if _dated[0] != second:
        _dated = second, b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
    return _dated[1]
