"""The blob port: files by key, for pictures and documents."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from hometrip.kernel.errors import Invalid

# Keys that begin so are for the service alone that has put them: it gives them to whom it lets see them.
PRIVATE = "private/"

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,7}")
_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+(; ?[a-z]+=[A-Za-z0-9._-]+)*")


class Blob(msgspec.Struct, frozen=True):
    content: bytes
    content_type: str


class Blobs(Protocol):
    """Keys are relative paths of safe characters (`listing/<id>/<photo>-large.webp`); others are `Invalid`.

    - `put` returns when the content is safe; the same key is replaced as a whole, readers see the old or the
      new.
    - Strangers can fetch by url what they know the key of, but for what is `PRIVATE`; they cannot list.
    """

    async def put(self, key: str, content: bytes, content_type: str) -> None: ...

    async def get(self, key: str) -> Blob | None: ...

    async def delete(self, key: str) -> None:
        """Nothing happens where there is none."""

    def every_key(self) -> AsyncIterator[str]:
        """Every key, in no order: for whoever carries all of them elsewhere."""

    def url(self, key: str) -> str:
        """Where a browser gets it: an absolute url or a path under this house (`/files/…`)."""

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""


def safe_key(key: str) -> str:
    """The key, where it is one; what every adapter does first."""
    if not _KEY.fullmatch(key):
        raise Invalid.field("key", "bad_key", "must be a relative path of safe characters")
    return key


def media_type(content_type: str) -> str:
    """The content type, where it is one."""
    if not _TYPE.fullmatch(content_type):
        raise Invalid.field("content_type", "bad_content_type", "must be a media type")
    return content_type
