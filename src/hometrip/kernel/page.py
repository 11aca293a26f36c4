"""A page of a list, and the opaque cursor that leads to the next one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

import msgspec

from hometrip.kernel.clock import is_instant
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
        raise bad_cursor() from reason


def values_of(cursor: str, kinds: Sequence[type]) -> list[Any]:
    """The position as values of these kinds, that any engine can be asked for; another list's cursor is
    `Invalid`.
    """
    try:
        pairs = zip(position_of(cursor), kinds, strict=True)
        found: list[Any] = [msgspec.convert(value, kind) for value, kind in pairs]
    except ValueError as reason:  # also msgspec's ValidationError
        raise bad_cursor() from reason
    for value in found:
        if (isinstance(value, str) and "\0" in value) or (
            isinstance(value, datetime) and not is_instant(value)
        ):
            raise bad_cursor()
    return found


def behind(cursor: str | None, kind: type[T]) -> T | None:
    """The one value that the rest of a list is behind; None for the whole of it."""
    return cast(T, values_of(cursor, [kind])[0]) if cursor else None


def bad_cursor() -> Invalid:
    return Invalid.field("cursor", "bad_cursor", "this cursor was not made here")
