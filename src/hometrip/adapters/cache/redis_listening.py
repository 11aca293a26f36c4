"""Announcements as Redis brings them: one connection listens, and comes back by itself when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

log = logging.getLogger("hometrip.cache")

Listener = Callable[[bytes], None]

# A connection that is silent for so long is asked for a word, and given up when it is for three times that.
SILENCE_SECONDS = 1.0
AGAIN_SECONDS = 0.1
AGAIN_MOST_SECONDS = 1.0


class Listening:
    """Subscribes to what is listened to, and again after a break. What comes meanwhile is missed."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._listeners: defaultdict[bytes, list[Listener]] = defaultdict(list)
        # What the server has confirmed on the connection there is now.
        self._confirmed: set[bytes] = set()
        self._asked: set[bytes] = set()
        self._changed = asyncio.Event()
        self._complete = asyncio.Event()
        self._complete.set()
        self._task: asyncio.Task[None] | None = None

    def hear(self, channel: bytes, listener: Listener) -> None:
        self._listeners[channel].append(listener)
        if channel not in self._confirmed:
            self._complete.clear()
            self._changed.set()

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._keep_listening(), name="announcements")

    async def complete(self, within: float) -> None:
        """Returns when all that is listened to is heard, or after so many seconds."""
        if self._task is not None and not self._complete.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._complete.wait(), within)

    async def stop(self) -> None:
        self._listeners.clear()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _keep_listening(self) -> None:
        pause = AGAIN_SECONDS
        while True:
            await self._changed.wait()
            began = time.monotonic()
            pubsub = self._client.pubsub()
            try:
                await self._listen(pubsub)
            except (RedisError, OSError) as reason:
                log.warning("announcements are not heard", extra={"reason": type(reason).__name__})
            except Exception as error:
                # Whatever the driver makes of it, or we do: without this task, nothing is ever heard again.
                log.error("announcements are not heard", exc_info=error)
            finally:
                self._forget_connection()
                with contextlib.suppress(RedisError, OSError):
                    await pubsub.aclose()  # type: ignore[no-untyped-call]
            pause = AGAIN_SECONDS if time.monotonic() - began > 5 else min(pause * 2, AGAIN_MOST_SECONDS)
            await asyncio.sleep(pause * random.uniform(0.5, 1))

    def _forget_connection(self) -> None:
        self._confirmed.clear()
        self._asked.clear()
        if self._listeners:
            self._complete.clear()
            self._changed.set()

    async def _listen(self, pubsub: PubSub) -> None:
        """Until the connection breaks."""
        await self._subscribe(pubsub)
        heard_at = time.monotonic()
        reading: asyncio.Task[Any] = asyncio.create_task(_next(pubsub))
        try:
            while True:
                changed = asyncio.ensure_future(self._changed.wait())
                await asyncio.wait({reading, changed}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                if self._changed.is_set():
                    await self._subscribe(pubsub)
                if reading.done():
                    if message := reading.result():
                        heard_at = time.monotonic()
                        self._take(message)
                    elif time.monotonic() - heard_at > 3 * SILENCE_SECONDS:
                        raise TimeoutError
                    else:
                        await pubsub.ping()
                    reading = asyncio.create_task(_next(pubsub))
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _subscribe(self, pubsub: PubSub) -> None:
        self._changed.clear()
        if fresh := set(self._listeners) - self._asked:
            self._asked |= fresh
            await pubsub.subscribe(*fresh)

    def _take(self, message: dict[str, Any]) -> None:
        channel = message["channel"]
        if message["type"] == "subscribe":
            self._confirmed.add(channel)
            if self._confirmed >= self._listeners.keys():
                self._complete.set()
        elif message["type"] == "message":
            loop = asyncio.get_running_loop()
            for listener in self._listeners.get(channel, ()):
                # In a turn of its own, so that one that fails keeps nothing from the others.
                loop.call_soon(listener, message["data"])


async def _next(pubsub: PubSub) -> dict[str, Any] | None:
    """The next message; None where none came for a while."""
    message: dict[str, Any] | None = await pubsub.get_message(timeout=SILENCE_SECONDS)
    return message
