"""The table of contents of a service: what `app/wiring.py` needs to know to place it anywhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import msgspec

Reaction = Callable[[Any, Any], Awaitable[None]]
_unhurried: set[Reaction] = set()


def unhurried(*reactions: Reaction) -> Sequence[Reaction]:
    """Reactions that, from their first transaction on, do nothing but transactions of their own service.

    Nobody outside learns of what they wrote other than by events. So they need not wait for the disk: of many
    that are run together, the bus waits once for all.
    """
    _unhurried.update(reactions)
    return reactions


def is_unhurried(reaction: Reaction) -> bool:
    return reaction in _unhurried


class Settings(msgspec.Struct, frozen=True):
    """A service's own settings: each field has a default and is set as `HOMETRIP_<SERVICE>_<FIELD>`."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """One room of the house.

    - `deps`: a frozen dataclass; wiring fills each field by its annotation: a port, a `Protocol` out of
      another service's contract (a peer), `NewId`, `Clock`, or the service's own `Settings` subclass.
    - `routes`: its HTTP handlers, each with `access=`.
    - `reactions`: functions `(deps, event)`; the event's class is read from the annotation, and the effect is
      named `<service>.<function>`. Those that can be are `unhurried`.
    - `answers`: for each `Protocol` in its contract, the module whose functions `(deps, …)` answer it.
    - `storage`: SQLAlchemy `MetaData` for a relational service, a sequence of `Collection` for the others.
    - `starts`: coroutines `(deps)` run once before the service takes requests; they may be run again.
    """

    name: str
    port: int
    deps: type[Any]
    routes: Sequence[Any] = ()
    reactions: Sequence[Reaction] = ()
    answers: Mapping[type[Any], ModuleType] = {}
    storage: Any = None
    starts: Sequence[Callable[[Any], Awaitable[None]]] = ()
