"""A page of a list, and the opaque cursor that leads to the next one."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Generic, TypeVar

import msgspec

from hometrip.kernel.errors import Invalid

T = TypeVar("T")

# How many items a page has where nothing is said, and at most.
DEFAULT_LIMIT = 20
MOST = 100


class Page(msgspec.Struct, Generic[T], frozen=True):
    """`next_cursor` is absent on the last page."""

    items: list[T]
    next_cursor: str | None = None


def cursor_of(position: list[Any]) -> str:
    """The position of the last item shown: its sort values and its id, so that inserts do not shift it."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(position)).rstrip(b"=").decode()


def position_of(cursor: str) -> list[Any]:
    """The reverse of `cursor_of`; a cursor that was not made by it is `Invalid`."""
    try:
        packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.msgpack.decode(packed, type=list[Any])
    except (binascii.Error, ValueError, msgspec.DecodeError) as reason:
        raise Invalid.field("cursor", "bad_cursor", "this cursor was not made here") from reason
