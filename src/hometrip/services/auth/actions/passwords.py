"""Hashing of passwords: in two threads beside the event loop, with a line of bounded length before them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import unicodedata
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from weakref import WeakKeyDictionary

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from hometrip.kernel.errors import Unavailable

T = TypeVar("T")

THREADS = 2
# At some 25 ms a hash, the last in the line waits about three seconds.
LONGEST_LINE = 256
MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1

_hasher = PasswordHash(
    (Argon2Hasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES), BcryptHasher())
)
_threads = ThreadPoolExecutor(THREADS, "password")

# What is verified for an account that does not exist. No password is known that has this hash, and
# verifying it costs what verifying any other costs.
NOBODY = (
    f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}"
    f"${base64.b64encode(bytes(16)).decode().rstrip('=')}${base64.b64encode(bytes(32)).decode().rstrip('=')}"
)


class Busy(Unavailable):
    """Too many are signing in at this moment; try again in a few seconds."""

    code = "sign_in_busy"


class Line:
    """Who waits for a thread, within one event loop."""

    def __init__(self) -> None:
        self.turns = asyncio.Semaphore(THREADS)
        self.length = 0


_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, Line] = WeakKeyDictionary()


@contextlib.asynccontextmanager
async def turn() -> AsyncIterator[None]:
    """A thread is free for us in this block; `Busy` where the line is too long to wait in."""
    line = _lines.setdefault(asyncio.get_running_loop(), Line())
    if line.length >= LONGEST_LINE:
        raise Busy(retry_after=5)
    line.length += 1
    try:
        async with line.turns:
            yield
    finally:
        line.length -= 1


async def verified(password: str, known: str | None) -> tuple[bool, str | None]:
    """Is it the password of this hash, and what hash should be kept instead if so? To be used in a `turn`.

    Costs one hash also where there is none; a hash of an older kind costs a new one when it is right.
    """
    return await _in_thread(lambda: _verify(password, known))


async def hashed(password: str) -> str:
    async with turn():
        return await _in_thread(lambda: _hasher.hash(_plain(password)))


async def _in_thread(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_threads, work)


def _verify(password: str, known: str | None) -> tuple[bool, str | None]:
    plain = _plain(password)
    if known is None:
        _hasher.verify(plain, NOBODY)
        return False, None
    try:
        if known.startswith("$2"):
            # bcrypt never saw more than 72 bytes, and never saw anything normalised.
            right = _hasher.verify(password.encode()[:72], known)
            return right, _hasher.hash(plain) if right else None
        return _hasher.verify_and_update(plain, known)
    except (PwdlibError, ValueError):
        return False, None


def _plain(password: str) -> str:
    """The same whichever keyboard composed the accents."""
    return unicodedata.normalize("NFC", password)
