"""What may be done again from its beginning: work that was refused before anything of it had happened."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TypeVar

from hometrip.kernel.errors import HomeTripError

T = TypeVar("T")

TRIES = 4
PAUSE_SECONDS = 0.01


class Effects:
    """Whether something of a piece of work has happened, or may have, outside of it."""

    happened = False

    def take_back(self) -> None:
        self.happened = False


_current: ContextVar[Effects | None] = ContextVar("current_effects", default=None)


def something_happens() -> Callable[[], None]:
    """Said before each commit, and before each thing that another process is told to do: from here on the
    work under way is not done again. The answer takes that back, for who learns that it did not happen.
    """
    effects = _current.get()
    if effects is None or effects.happened:
        return _nothing
    effects.happened = True
    return effects.take_back


def _nothing() -> None:
    """There is nothing to take back."""


def nothing_happened() -> bool:
    """Has nothing of the work under way happened for sure? Where that is not looked after, it may have."""
    effects = _current.get()
    return effects is not None and not effects.happened


async def again(work: Callable[[], Awaitable[T]], refusal: type[HomeTripError]) -> T:
    """What `work` answers. Where it raises `refusal` before anything has happened, it is begun anew after a
    short random pause, `TRIES` times in all.
    """
    pause = PAUSE_SECONDS
    for left in reversed(range(TRIES)):
        effects = Effects()
        token = _current.set(effects)
        try:
            return await work()
        except refusal:
            if effects.happened or not left:
                raise
        finally:
            _current.reset(token)
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
        pause *= 2
    raise AssertionError("the last try returns or raises")
