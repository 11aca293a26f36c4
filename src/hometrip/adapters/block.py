"""A block of work on an engine that many processes share: committed at its end, undone when it raises."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")
W = TypeVar("W")

Owners = WeakSet[asyncio.Task[Any]]


class EngineBlock(ABC, Generic[W]):
    """`async with` it `as work`. What the engine refuses comes as `refusal_of` names it.

    `owners` are the tasks that are inside a block of the same storage.
    """

    _work: W

    def __init__(
        self, owners: Owners, refusal_of: Callable[[BaseException | None], BaseException | None]
    ) -> None:
        self._owners, self._refusal_of = owners, refusal_of

    @abstractmethod
    async def _open(self) -> W:
        """Begin; where that fails, nothing is left behind."""

    @abstractmethod
    async def _end(self, error: BaseException | None) -> None:
        """Commit, or with an error roll back. It is never cancelled half way."""

    async def __aenter__(self) -> W:
        task = asyncio.current_task()
        assert task is not None
        if task in self._owners:
            raise RuntimeError("a transaction inside a transaction of the same storage would wait for itself")
        try:
            self._work = await self._open()
        except BaseException as reason:
            if refused := self._refusal_of(reason):
                raise refused from reason
            raise
        self._task = task
        self._owners.add(task)
        return self._work

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owners.discard(self._task)
        try:
            await to_its_end(self._end(error))
        except asyncio.CancelledError:
            raise
        except BaseException as reason:
            if refused := self._refusal_of(reason):
                raise refused from reason
            raise
        if refused := self._refusal_of(error):
            raise refused from error


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """What `work` answers. Whoever is cancelled while waiting for it learns so when it has ended."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise
