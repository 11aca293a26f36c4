"""The machine's own time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime


class SystemClock:
    """Keeps the promises of `Clock` with the machine's time, held still where the machine sets it back."""

    def __init__(self) -> None:
        self._latest = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        self._latest = max(self._latest, datetime.now(UTC))
        return self._latest

    async def sleep_until(self, at: datetime) -> None:
        while (left := (at - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - time has no event to wait for
            await asyncio.sleep(min(left, 3600))
