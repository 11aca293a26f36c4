"""A steady beat for departures, finer than the event loop's own timers, which count whole milliseconds."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# A beat finer than this costs more than it tells; what is due in between leaves together.
FINEST = 0.00025
# One coarser than this would be late by as much, however few requests there are.
COARSEST = 0.001
_MONOTONIC, _NONBLOCK_CLOEXEC = 1, os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanos", ctypes.c_long)]

    @classmethod
    def of(cls, seconds: float) -> _Timespec:
        whole, nanos = divmod(round(seconds * 1e9), 1_000_000_000)
        return cls(whole, nanos)


class _Timer(ctypes.Structure):
    _fields_ = [("interval", _Timespec), ("first", _Timespec)]


@contextmanager
def beat(seconds: float, call: Callable[[], None]) -> Iterator[None]:
    """Calls `call` every `seconds`, or what of FINEST and COARSEST is nearer, until the end of the block."""
    period = min(max(seconds, FINEST), COARSEST)
    if sys.platform != "linux":
        with _coarse_beat(period, call):
            yield
        return
    loop, libc = asyncio.get_running_loop(), ctypes.CDLL(None, use_errno=True)
    timer = libc.timerfd_create(_MONOTONIC, _NONBLOCK_CLOEXEC)
    if timer < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")

    def ring() -> None:
        with suppress(BlockingIOError):
            os.read(timer, 8)
        call()

    try:
        timing = _Timer(_Timespec.of(period), _Timespec.of(period))
        if libc.timerfd_settime(timer, 0, ctypes.byref(timing), None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")
        loop.add_reader(timer, ring)
        yield
    finally:
        loop.remove_reader(timer)
        os.close(timer)


@contextmanager
def _coarse_beat(period: float, call: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    async def ring() -> None:
        while True:
            await asyncio.sleep(period)
            call()

    ringing = loop.create_task(ring())
    try:
        yield
    finally:
        ringing.cancel()
