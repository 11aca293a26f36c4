"""The rooms of the house: every service's table of contents, found by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
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


def deps_fields(service: Service) -> Mapping[str, Any]:
    """Name and annotation of everything the service's `Deps` asks for; what it makes itself it does not."""
    return _asked_for(service.deps)  # type: ignore[arg-type]  # a class can be a key


@cache
def _asked_for(deps: type[Any]) -> Mapping[str, Any]:
    hints = get_type_hints(deps)
    return {name: hints[name] for name, field in deps.__dataclass_fields__.items() if field.init}


def settings_kind(name: str) -> type[Settings] | None:
    """The service's own `Settings` subclass, where it has one."""
    for kind in deps_fields(service_of(name)).values():
        if isinstance(kind, type) and issubclass(kind, Settings):
            return kind
    return None


def kept_in(service: str) -> str:
    """The storage port that a service uses."""
    return "database" if Database in deps_fields(service_of(service)).values() else "documents"
