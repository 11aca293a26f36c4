"""Looking together: a crowd that wants to know the same of a place is not looked for one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Found = TypeVar("Found")

Find = Callable[[Sequence[Asked]], Awaitable[Sequence[Found]]]


class Looks(Generic[Asked, Found]):
    """Who asks while nobody is looking is looked for alone and at once. Those who ask meanwhile are looked
    for together after that, `most` at a time: what each is told was there after they had asked.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        # Of each place that is being looked at, those who wait for the next time.
        self._waiting: dict[Hashable, list[tuple[Asked, asyncio.Future[Found]]]] = {}
        self._looking: set[asyncio.Task[None]] = set()

    async def look(self, place: Hashable, asked: Asked, find: Find[Asked, Found]) -> Found:
        """What `find` finds for `asked`. It answers for each of several, and is the same whoever gives it."""
        waiting = self._waiting.get(place)
        if waiting is not None:
            found: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
            waiting.append((asked, found))
            return await found
        self._waiting[place] = []
        try:
            return (await find([asked]))[0]
        finally:
            self._go_on(place, find)

    def _go_on(self, place: Hashable, find: Find[Asked, Found]) -> None:
        waiting = [each for each in self._waiting.pop(place) if not each[1].done()]
        if not waiting:
            return
        self._waiting[place] = waiting[self._most :]
        # In nobody's name: its time is not that of the one who happened to look before.
        work = self._look_for(place, waiting[: self._most], find)
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _look_for(
        self, place: Hashable, some: list[tuple[Asked, asyncio.Future[Found]]], find: Find[Asked, Found]
    ) -> None:
        try:
            found = await find([asked for asked, _ in some])
            for (_, told), each in zip(some, found, strict=True):
                if not told.done():
                    told.set_result(each)
        except Exception as error:
            # Whatever it is, they are told: each is waiting for it.
            for _, told in some:
                if not told.done():
                    told.set_exception(error)
        finally:
            self._go_on(place, find)
