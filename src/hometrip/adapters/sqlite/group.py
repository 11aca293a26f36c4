"""Blocks of a SQLite file that one commit makes durable, and work that goes on before it has."""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from typing import Any

GROUP_SIZE = 256


class Group:
    """Blocks that one COMMIT will make durable: those that wait for it, and those that went ahead."""

    def __init__(self, changes: int) -> None:
        self.changes, self.begun = changes, time.monotonic()
        self.size = 0
        self.kept: list[asyncio.Future[None]] = []
        self.ahead: asyncio.Future[None] | None = None
        self.spoke = self.ending = False

    def wait(self) -> asyncio.Future[None]:
        """For one block; its error, should there be one, is its own."""
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.kept.append(kept)
        return kept

    def go_ahead(self) -> asyncio.Future[None]:
        """For all blocks that went ahead."""
        if self.ahead is None:
            self.ahead = self.wait()
        return self.ahead

    def is_over(self, seconds: float) -> bool:
        return self.size >= GROUP_SIZE or time.monotonic() - self.begun > seconds


class Ahead:
    """Who goes on before its blocks in `file` are on the disk; `safe` ends when the last of them is."""

    __slots__ = ("file", "safe")

    def __init__(self, file: Any) -> None:
        self.file: Any = file
        self.safe: asyncio.Future[None] | None = None


# Set while somebody's work may go ahead; only that of one file at a time.
going_ahead: ContextVar[Ahead | None] = ContextVar("going_ahead", default=None)
