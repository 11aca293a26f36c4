"""The rooms of the house: every service's table of contents, found by name."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, get_type_hints

from hometrip.kernel.service import Service, Settings
from hometrip.ports.database import Database


@cache
def service_of(name: str) -> Service:
    """What `services/<name>/service.py` says."""
    room = importlib.import_module(f"hometrip.services.{name}.service")
    service = room.SERVICE
    assert isinstance(service, Service)
    return service


def deps_fields(service: Service) -> dict[str, Any]:
    """Name and annotation of everything the service's `Deps` asks for; what it makes itself it does not."""
    hints = get_type_hints(service.deps)
    return {name: hints[name] for name, field in service.deps.__dataclass_fields__.items() if field.init}


def settings_kind(name: str) -> type[Settings] | None:
    """The service's own `Settings` subclass, where it has one."""
    for kind in deps_fields(service_of(name)).values():
        if isinstance(kind, type) and issubclass(kind, Settings):
            return kind
    return None


def kept_in(service: str) -> str:
    """The storage port that a service uses."""
    return "database" if Database in deps_fields(service_of(service)).values() else "documents"
