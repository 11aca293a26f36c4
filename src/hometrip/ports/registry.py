"""The registry port: which instances of a service live, and where."""

from __future__ import annotations

from typing import Protocol

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
