"""The registry of one process, or of a fixed list of instances: what is written in the settings."""

from __future__ import annotations

from hometrip.ports.registry import Instance


class StaticRegistry:
    """Knows the instances it was given and those that registered with it in this process."""

    def __init__(self, instances: list[Instance] | None = None) -> None:
        self._instances = {instance.id: instance for instance in instances or []}

    async def register(self, instance: Instance) -> None:
        self._instances[instance.id] = instance

    async def leave(self, instance: Instance) -> None:
        self._instances.pop(instance.id, None)

    def instances(self, service: str) -> list[Instance]:
        return [instance for instance in self._instances.values() if instance.service == service]

    async def ready(self) -> None:
        return

    async def close(self) -> None:
        return
