"""The root of the house's records: immutable, with fields given by name, in every subclass."""

from __future__ import annotations

from typing import Any, dataclass_transform

import msgspec
from msgspec import StructMeta


class FrozenMeta(StructMeta):
    """Adds `frozen` and `kw_only` to each subclass, so that type checkers and run time agree on it."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any) -> Any:
        return super().__new__(cls, name, bases, namespace, **{"frozen": True, "kw_only": True, **config})


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Frozen(msgspec.Struct, metaclass=FrozenMeta, frozen=True, kw_only=True):
    """A record that never changes: `msgspec.structs.replace` makes another one."""
