"""The registry port: which instances of a service live, and where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import msgspec


class Instance(msgspec.Struct, frozen=True):
    service: str
    id: str
    url: str


class Registry(Protocol):
    """`instances` answers from memory, those that were healthy a second ago; an unknown service has none."""

    async def register(self, instance: Instance) -> None: ...

    async def leave(self, instance: Instance) -> None: ...

    def instances(self, service: str) -> list[Instance]: ...

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""

    async def close(self) -> None: ...


@runtime_checkable
class KeepsSettings(Protocol):
    """A registry that keeps settings as well: one place for all processes of a house."""

    async def settings(self) -> dict[str, str]:
        """By name, as the environment's without HOMETRIP_ and in small letters. `Unavailable` where they
        cannot be read; it can be asked before the registry is open.
        """

    async def watch_settings(
        self, callback: Callable[[dict[str, str]], None], known: dict[str, str] | None = None
    ) -> None:
        """Call back with all settings whenever they are others than before: at first, than those `known`
        (from now on, where there are none). Until it is cancelled.
        """
