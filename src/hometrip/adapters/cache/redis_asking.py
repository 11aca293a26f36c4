"""Putting commands to Redis: those that come together go together, and none waits long for an answer."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from hometrip.adapters.cache.redis_patience import Patience
from hometrip.kernel.errors import Unavailable

Word = str | bytes | int | float
Asked = tuple[tuple[Word, ...], "asyncio.Future[Any]"]

# Besides the driver's own errors: what its parser makes of an answer that is not Redis's.
BROKEN = (RedisError, OSError, EOFError, ValueError, TypeError, LookupError, TimeoutError)

# Connections for commands. Redis does one thing at a time: more would only queue there.
LANES = 2
# Commands in one go.
MOST = 200
# How long Redis is left alone after a failure.
REST_SECONDS = 0.25


class Asking:
    """`ask` answers within `seconds` or raises `Unavailable`; an error that Redis answers is raised.

    While Redis is known to be away, all calls are refused at once but one in a while, which tries. A caller
    that gives up leaves no answer behind for another: it only stops waiting.
    """

    def __init__(self, client: Redis, seconds: float) -> None:
        self._client = client
        # A call may have to wait for the go before its own.
        self._call_seconds, self._go_seconds = seconds, 0.8 * seconds
        self._waiting: deque[Asked] = deque()
        self._going: set[asyncio.Task[None]] = set()
        self._away = False
        self._next_try = 0.0

    async def ask(self, *command: Word) -> Any:
        self._admit()
        asked: Asked = (command, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        if len(self._going) < LANES:
            task = asyncio.create_task(self._go(), name="asking redis")
            self._going.add(task)
            task.add_done_callback(self._going.discard)
        try:
            async with Patience(self._call_seconds):
                answer = await asked[1]
        except TimeoutError as late:
            raise Unavailable("the cache does not answer") from late
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        going = list(self._going)
        for each in going:
            each.cancel()
        await asyncio.gather(*going, return_exceptions=True)
        self._fail(list(self._waiting), None)

    def _admit(self) -> None:
        if self._away:
            now = time.monotonic()
            if now < self._next_try:
                raise Unavailable("the cache does not answer")
            # This one tries; the next may when it has surely ended.
            self._next_try = now + self._call_seconds + REST_SECONDS

    async def _go(self) -> None:
        while self._waiting:
            size = min(MOST, len(self._waiting))
            batch = [asked for asked in (self._waiting.popleft() for _ in range(size)) if not asked[1].done()]
            try:
                async with Patience(self._go_seconds):
                    answers = await self._exchange(batch)
            except BROKEN as reason:
                self._away, self._next_try = True, time.monotonic() + REST_SECONDS
                self._fail([*batch, *self._waiting], reason)
                self._waiting.clear()
                return
            except asyncio.CancelledError:
                self._fail(batch, None)
                raise
            self._away = False
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    async def _exchange(self, batch: list[Asked]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for command, _ in batch:
                pipeline.execute_command(*command)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        return answers

    @staticmethod
    def _fail(asked: list[Asked], reason: BaseException | None) -> None:
        for _, future in asked:
            if not future.done():
                error = Unavailable("the cache does not answer")
                error.__cause__ = reason
                future.set_exception(error)
