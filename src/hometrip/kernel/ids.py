"""Sortable ids (UUID version 7, RFC 9562) from a time and chance that the caller supplies."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from random import Random
from uuid import UUID

from hometrip.kernel.clock import Clock

_MANY = struct.Struct("<64Q")
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
    last, chance = 0, Chance()

    def new_id() -> UUID:
        nonlocal last
        millis = int(clock.now().timestamp() * 1000)
        # Same millisecond as the last one, or an earlier one: continue upwards from it by a random step.
        if millis <= last >> 80:
            last = _after(last, 1 + (chance() >> 32))
        else:
            last = _number(millis, (chance() << 10) | (chance() >> 54))
        return UUID(int=last)

    return new_id


class Chance:
    """Gives 64 random bits of the system, which is asked for many at once: an id each takes longer than all
    else that is done for it. A process that is forked asks for its own.
    """

    _forks = 0

    def __init__(self) -> None:
        self._left: Iterator[int] = iter(())
        self._drawn_after = 0

    def __call__(self) -> int:
        if self._drawn_after == Chance._forks:
            for bits in self._left:
                return bits
        self._left, self._drawn_after = iter(_MANY.unpack(os.urandom(_MANY.size))), Chance._forks
        return next(self._left)

    @classmethod
    def forked(cls) -> None:
        """This process is a copy: what its parent has drawn is not its own."""
        cls._forks += 1


os.register_at_fork(after_in_child=Chance.forked)


def _after(last: int, step: int) -> int:
    millis, high, low = last >> 80, (last >> 64) & 0xFFF, last & ((1 << 62) - 1)
    chance = ((high << 62) | low) + step
    return _number(millis + (chance >> 74), chance & ((1 << 74) - 1))


def passing_id() -> str:
    """The 32 digits of such an id, of now and quickly made, for what is told apart by it and nothing more:
    its chance is no secret.
    """
    return f"{time.time_ns() // 1_000_000:012x}7{_bits(12):03x}{_VARIANT | _bits(62):x}"
