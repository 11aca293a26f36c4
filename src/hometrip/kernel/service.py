"""The table of contents of a service: what `app/wiring.py` needs to know to place it anywhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Generic

import msgspec

from hometrip.kernel.events import Cause, E, current_cause
from hometrip.kernel.pace import LATER, Haste

Reaction = Callable[[Any, Any], Awaitable[None]]
_unhurried: set[Reaction] = set()
_gathered: set[Reaction] = set()


def unhurried(*reactions: Reaction) -> Sequence[Reaction]:
    """Reactions that, from their first transaction on, do nothing but transactions of their own service.

    Nobody outside learns of what they wrote other than by events. So they need not wait for the disk: of many
    that are run together, the bus waits once for all.
    """
    _unhurried.update(reactions)
    return reactions


def is_unhurried(reaction: Reaction) -> bool:
    return reaction in _unhurried


class Heard(msgspec.Struct, Generic[E], frozen=True, gc=False):
    """An event that is handled together with others."""

    event: E
    cause: Cause

    @contextmanager
    def within(self) -> Iterator[E]:
        """What is emitted in the block is caused by this event, and not by those beside it."""
        token = current_cause.set(self.cause)
        try:
            yield self.event
        finally:
            current_cause.reset(token)


def gathered(*reactions: Reaction) -> Sequence[Reaction]:
    """Reactions `(deps, Sequence[Heard[event]])` to many events at once: of different subjects, in no order.

    Where one fails, each event is handled again alone; so what was done may be done twice.
    """
    _gathered.update(reactions)
    return reactions


def is_gathered(reaction: Reaction) -> bool:
    return reaction in _gathered


class Settings(msgspec.Struct, frozen=True):
    """A service's own settings: each field has a default and is set as `HOMETRIP_<SERVICE>_<FIELD>`."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One room of the house.

    - `deps`: a frozen dataclass; wiring fills each field by its annotation: a port, a `Protocol` out of
      another service's contract (a peer), `NewId`, `Clock`, or the service's own `Settings` subclass.
    - `routes`: its HTTP handlers, each with `access=`.
    - `reactions`: functions `(deps, event)`; the event's class is read from the annotation, and the effect is
      named `<service>.<function>`. Those that can be are `unhurried`, or `gathered`.
    - `haste`: how soon they are to be done while requests want the house for themselves.
    - `answers`: for each `Protocol` in its contract, the module whose functions `(deps, …)` answer it.
    - `storage`: SQLAlchemy `MetaData` for a relational service, a sequence of `Collection` for the others.
    - `starts`: coroutines `(deps)` run once before the service takes requests; they may be run again.
    """

    name: str
    port: int
    deps: type[Any]
    routes: Sequence[Any] = ()
    reactions: Sequence[Reaction] = ()
    haste: Haste = LATER
    answers: Mapping[type[Any], ModuleType] = {}
    storage: Any = None
    starts: Sequence[Callable[[Any], Awaitable[None]]] = ()
