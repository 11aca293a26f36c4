"""Acknowledging what came over a channel: as much as possible with one frame."""

from __future__ import annotations

import asyncio
import contextlib

from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelInvalidStateError

# Finished within so long (seconds), they are acknowledged together. Whoever is killed meanwhile is given them
# again.
GATHER_SECONDS = 0.01


class Acks:
    """What is finished at about the same time is acknowledged together: all up to the first that is not by
    one frame, and each that has overtaken it by its own.

    The broker numbers what it delivers over a channel from 1 without a gap.
    """

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._next = 1  # the first that is not finished
        self._overtook: set[int] = set()  # those after it that are, and that the broker knows of
        self._new: set[int] = set()
        self._saying: asyncio.Task[None] | None = None

    def add(self, tag: int) -> None:
        self._new.add(tag)
        if self._saying is None or self._saying.done():
            self._saying = asyncio.create_task(self._say())

    async def said(self) -> None:
        """Returns when everything that was finished before is on its way."""
        while self._saying is not None and not self._saying.done():
            await self._saying

    async def _say(self) -> None:
        # On a channel that is gone it cannot be said, and the events come again.
        with contextlib.suppress(ChannelInvalidStateError):
            while self._new:
                await asyncio.sleep(GATHER_SECONDS)
                new, self._new = self._new, set()
                await self._say_of(new)

    async def _say_of(self, new: set[int]) -> None:
        finished, begun = new | self._overtook, self._next
        while self._next in finished:
            self._next += 1
        if self._next > begun:
            await self._channel.basic_ack(self._next - 1, multiple=True, wait=False)
        for tag in sorted(new):
            if tag > self._next:
                await self._channel.basic_ack(tag, wait=False)
        self._overtook = {tag for tag in finished if tag > self._next}
