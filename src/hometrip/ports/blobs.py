"""The blob port: files by key, for pictures and documents."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Blob(msgspec.Struct, frozen=True):
    content: bytes
    content_type: str


class Blobs(Protocol):
    """Keys are relative paths of safe characters (`listing/<id>/<photo>-large.webp`); others are `Invalid`.

    - `put` returns when the content is safe; the same key is replaced as a whole, readers see the old or the
      new.
    - Strangers can fetch by url what they know the key of; they cannot list.
    """

    async def put(self, key: str, content: bytes, content_type: str) -> None: ...

    async def get(self, key: str) -> Blob | None: ...

    async def delete(self, key: str) -> None:
        """Nothing happens where there is none."""

    def url(self, key: str) -> str:
        """Where a browser gets it: an absolute url or a path under this house (`/files/…`)."""

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""
