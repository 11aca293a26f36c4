"""What every adapter to an engine outside this process offers besides its port: opening, and a look at it."""

from __future__ import annotations

from typing import Protocol

import msgspec

from hometrip.kernel.errors import Unavailable


class Unfit(Unavailable):
    """The engine cannot be used as it is. The detail says what is wrong with it, and what to do."""

    code = "engine_unfit"


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at (`what`: reachable, version, rights, schema), what was seen, what to do."""

    what: str
    fine: bool
    detail: str
    advice: str = ""


class Engine(Protocol):
    """An engine outside this process.

    - Making the adapter does nothing yet; `open` connects. It raises `Unfit` where the engine does not
      answer, is too old, refuses a right that is needed, or holds a schema that this code does not know.
    - An engine that goes away later is `Unavailable`, in bounded time, and is used again once it is back.
    """

    async def open(self) -> None: ...

    async def examine(self) -> list[Finding]:
        """Everything that `open` checks, and more, without raising."""

    async def ready(self) -> None:
        """Answers within two seconds, or raises `Unavailable`."""

    async def close(self) -> None: ...
