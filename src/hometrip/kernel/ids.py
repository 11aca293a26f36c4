"""Sortable ids (UUID version 7, RFC 9562) from a time and chance that the caller supplies."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import datetime
from random import Random
from uuid import UUID

from hometrip.kernel.clock import Clock

NewId = Callable[[], UUID]
_bits = Random().getrandbits
_VARIANT = 0b10 << 62


def uuid7(at: datetime, chance: int) -> UUID:
    """The id of the millisecond `at`, told apart from its neighbours by 74 bits of `chance`."""
    return UUID(int=_number(int(at.timestamp() * 1000), chance))


def _number(millis: int, chance: int) -> int:
    high, low = (chance >> 62) & 0xFFF, chance & ((1 << 62) - 1)
    return (millis << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low


def ids(clock: Clock) -> NewId:
    """A source of ids that rise within this process, even within a millisecond or when time stands still."""
    last = 0

    def new_id() -> UUID:
        nonlocal last
        fresh = _number(int(clock.now().timestamp() * 1000), secrets.randbits(74))
        # Same millisecond as the last one, or an earlier one: continue upwards from it by a random step.
        if fresh >> 80 <= last >> 80:
            fresh = _after(last)
        last = fresh
        return UUID(int=fresh)

    return new_id


def _after(last: int) -> int:
    millis, high, low = last >> 80, (last >> 64) & 0xFFF, last & ((1 << 62) - 1)
    chance = ((high << 62) | low) + 1 + secrets.randbits(32)
    return _number(millis + (chance >> 74), chance & ((1 << 74) - 1))


def passing_id() -> str:
    """The 32 digits of such an id, of now and quickly made, for what is told apart by it and nothing more:
    its chance is no secret.
    """
    return f"{time.time_ns() // 1_000_000:012x}7{_bits(12):03x}{_VARIANT | _bits(62):x}"
