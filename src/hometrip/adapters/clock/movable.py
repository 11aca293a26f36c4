"""A clock that can be moved forward: the sandbox's and the tests' time."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from hometrip.kernel.clock import Clock


class MovableClock:
    """Runs ahead of another clock by what it was moved, or stands still where it is told to.

    `shift` is how far it is ahead; keep it to go on from there after a restart, so that time never goes back.
    """

    def __init__(
        self, behind: Clock, *, shift: timedelta = timedelta(), frozen_at: datetime | None = None
    ) -> None:
        self._behind, self.shift, self._frozen_at = behind, shift, frozen_at
        self._moved = asyncio.Event()

    def now(self) -> datetime:
        return (self._frozen_at or self._behind.now()) + self.shift

    def move_to(self, at: datetime) -> None:
        """Forward only: a moment that has passed changes nothing. Sleepers whose time has come wake up."""
        self.shift_to(self.shift + (at - self.now()))

    def shift_to(self, shift: timedelta) -> None:
        """Run ahead by this much, forward only: what several processes are told, so that they agree."""
        if shift > self.shift:
            self.shift = shift
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()

    async def sleep_until(self, at: datetime) -> None:
        while (left := (at - self.now()).total_seconds()) > 0:
            moved = self._moved
            patience = None if self._frozen_at else min(left, 3600)
            try:
                await asyncio.wait_for(moved.wait(), patience)
            except TimeoutError:
                continue
