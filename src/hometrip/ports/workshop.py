"""The workshop port: heavy, pure work on untrusted bytes, done outside the event loop and outside this
process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from hometrip.kernel.errors import Invalid, Unavailable

T = TypeVar("T")


class WorkRefused(Invalid):
    """The work took more time or memory than it may: the material is not what it says it is."""

    code = "work_refused"


class WorkshopBusy(Unavailable):
    """Too much heavy work is waiting; try again soon."""

    code = "workshop_busy"


class Workshop(Protocol):
    """Runs a module-level function in a process of its own.

    - `function` and its arguments can be pickled; errors of the house come back as themselves.
    - Work that exceeds its seconds or its memory is ended and answers `WorkRefused`; later work is not
      affected.
    - The number of waiting jobs is bounded; more answer `WorkshopBusy`.
    - A worker starts with the first job, and ends when there has been nothing to do for a while.
    """

    async def run(self, function: Callable[..., T], *args: object, seconds: float = 10.0) -> T: ...

    async def close(self) -> None: ...
