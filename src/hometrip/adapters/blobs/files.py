"""The blob port on a folder: a file for each key, replaced as a whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from hometrip.adapters.disk import sync
from hometrip.kernel.errors import Unavailable
from hometrip.ports.blobs import Blob, media_type, safe_key

# No key has this mark, so a file never stands where the folder of another key is to be.
_MARK = "~"


class FileBlobs:
    """A file holds its content type on the first line, then the content, so that both change at once.

    What was put is on disk, with its name, before `put` returns; a crash leaves the old file or the new one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        path, head = self._path(key), media_type(content_type).encode() + b"\n"
        try:
            await asyncio.to_thread(_write, path, head, content)
        except OSError as failed:
            raise Unavailable(f"The file could not be kept: {failed.strerror}.") from failed

    async def get(self, key: str) -> Blob | None:
        held = await asyncio.to_thread(_read, self._path(key))
        if held is None:
            return None
        content_type, _, content = held.partition(b"\n")
        return Blob(content, content_type.decode())

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(_delete, self._path(key))

    async def every_key(self) -> AsyncIterator[str]:
        for path in await asyncio.to_thread(lambda: list(self._folder.rglob(f"*{_MARK}"))):
            yield path.relative_to(self._folder).as_posix().removesuffix(_MARK)

    def url(self, key: str) -> str:
        return f"/files/{safe_key(key)}"

    async def ready(self) -> None:
        if not await asyncio.to_thread(os.access, self._folder, os.W_OK):
            raise Unavailable(f"The folder of files, {self._folder.name}, cannot be written to.")

    def _path(self, key: str) -> Path:
        return self._folder / f"{safe_key(key)}{_MARK}"


def _write(path: Path, head: bytes, content: bytes) -> None:
    """Under another name first: it takes the key's own name once it is whole and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{secrets.token_hex(8)}")
    try:
        with unfinished.open("xb") as file:
            file.write(head)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
    sync(path.parent)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _delete(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        path.unlink()
