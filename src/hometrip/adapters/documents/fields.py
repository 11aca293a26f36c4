"""What filters, orders and cursors mean on every document storage: the fields of a record type, what they
hold, and where a cursor stands. How an engine is asked is said beside its adapter (`sqlite_fields.py`, …).
"""

from __future__ import annotations

import enum
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import inspect

from hometrip.kernel.errors import Invalid
from hometrip.kernel.page import cursor_of, position_of

LARGEST = 2**63
_STEP = re.compile(r"[A-Za-z0-9_-]+")
# A time in JSON that is not followed by the Z of UTC; or else a text that looks like one.
_NOT_UTC = re.compile(rb'T\d\d:\d\d:\d\d(?:\.\d{6})?(?:[+-]\d\d:\d\d)?"')
# What JSON writes as a number, and what as a text.
_NUMBERS = (inspect.IntType, inspect.FloatType)
_TEXTS = (
    inspect.StrType,
    inspect.UUIDType,
    inspect.DateType,
    inspect.TimeType,
    inspect.TimeDeltaType,
    inspect.DecimalType,
    inspect.BytesType,
)
_LISTS = (
    inspect.ListType,
    inspect.VarTupleType,
    inspect.TupleType,
    inspect.SetType,
    inspect.FrozenSetType,
)

# Record types as they were laid out once: they are the same wherever they are kept.
_LAID_OUT: dict[type[Any], inspect.Type] = {}
_encode = msgspec.json.Encoder().encode


class Kind(NamedTuple):
    """What a field holds, as far as an engine must know: "text", "number", "truth", "instant", "list", or
    "any" (a record, a map, or several of these).
    """

    holds: str
    nullable: bool = True

    @property
    def instant(self) -> bool:
        return self.holds == "instant"

    @property
    def truth(self) -> bool:
        return self.holds == "truth"

    @property
    def listed(self) -> bool:
        return self.holds == "list"


class Step(NamedTuple):
    """One part of an order; `said` is the field as the engine knows it."""

    path: str
    said: str
    falling: bool
    nullable: bool


class Fields(ABC):
    """The fields of a record type. A path that the type does not have is a `ValueError`."""

    def __init__(self, record: type[Any]) -> None:
        self._name, self._type = record.__name__, _LAID_OUT.get(record) or inspect.type_info(record)
        _LAID_OUT[record] = self._type
        self._kinds = {"id": Kind("text", nullable=False), "version": Kind("number", nullable=False)}

    @abstractmethod
    def say(self, path: str) -> str:
        """The field as the engine knows it."""

    def kind_of(self, path: str) -> Kind:
        kind = self._kinds.get(path)
        if kind is None:
            kind = self._kinds[path] = self._find(path)
        return kind

    def steps_of(self, sort: Sequence[str]) -> list[Step]:
        """The parts of an order. The id comes last, in the direction of the part before it."""
        steps: list[Step] = []
        for part in sort:
            path, falling = part.removeprefix("-"), part.startswith("-")
            steps.append(Step(path, self.say(path), falling, self.kind_of(path).nullable))
            if path == "id":
                return steps
        return [*steps, Step("id", self.say("id"), bool(steps) and steps[-1].falling, False)]

    def _find(self, path: str) -> Kind:
        at, nullable = self._type, False
        for step in steps_in(path):
            found = _inside(at, step)
            if found is None:
                raise ValueError(f"{self._name} has no field {path!r}")
            at, maybe = found
            nullable = nullable or maybe
        bare, maybe = bare_of(at)
        return Kind(_holds(bare), nullable or maybe or isinstance(bare, (inspect.AnyType, inspect.UnionType)))


def steps_in(path: str) -> list[str]:
    """The names along a dotted path. Their pattern leaves nothing to escape for any engine."""
    steps = path.split(".")
    if not all(_STEP.fullmatch(step) for step in steps):
        raise ValueError(f"not a path: {path!r}")
    return steps


def plain_of(value: Any) -> Any:
    """A value as JSON has it; instants in UTC."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone: instants are aware")
        value = value.astimezone(UTC)
    return None if value is msgspec.UNSET else msgspec.to_builtins(value)


def body_of(record: Any) -> str:
    """The record as JSON; `ValueError` where it has an instant that is not in UTC."""
    body = _encode(record)
    if _NOT_UTC.search(body):
        must_be_utc(msgspec.to_builtins(record, builtin_types=(datetime,)))
    return body.decode()


def must_be_utc(plain: Any) -> None:
    if isinstance(plain, datetime) and plain.utcoffset() != timedelta():
        raise ValueError(f"{plain} is not in UTC")
    if isinstance(plain, dict):
        plain = [*plain.values()]
    if isinstance(plain, (list, tuple, set, frozenset)):
        for part in plain:
            must_be_utc(part)


def spans_of(west: float, east: float) -> list[tuple[float, float]]:
    """The longitudes of a box as ranges: two where it crosses the 180th meridian."""
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]


# -- cursors


def cursor_at(sort: Sequence[str], values: Sequence[Any]) -> str:
    """The cursor behind a record with these values of the parts of its order."""
    return cursor_of([",".join(sort), *values])


def place_of(sort: Sequence[str], steps: Sequence[Step], cursor: str) -> list[Any]:
    """The values that the cursor stands behind; one of another order is `Invalid`."""
    sorted_by, *values = position_of(cursor) or [None]
    plain = all(_is_plain(value) for value in values)
    if sorted_by != ",".join(sort) or len(values) != len(steps) or not plain:
        raise bad_cursor()
    try:
        UUID(values[-1])  # an order ends with the id
    except (ValueError, AttributeError, TypeError) as reason:
        raise bad_cursor() from reason
    return values


def _is_plain(value: Any) -> bool:
    """May an engine be asked for it? An integer has 64 bits there."""
    return (
        value is None
        or (isinstance(value, int) and -LARGEST <= value < LARGEST)
        or type(value) in (str, float)
    )


def bad_cursor() -> Invalid:
    return Invalid.field("cursor", "bad_cursor", "this cursor belongs to another list")


class Way(NamedTuple):
    """One way to be behind a place: the same in some parts of the order, and behind in the next."""

    same: list[tuple[Step, Any]]
    step: Step
    value: Any


def ways_behind(steps: Sequence[Step], values: Sequence[Any]) -> list[Way]:
    """Every way; an absent value is the least of all."""
    places = list(zip(steps, values, strict=True))
    return [
        Way(places[:number], step, value)
        for number, (step, value) in enumerate(places)
        if not (step.falling and value is None)
    ]


# -- types


def bare_of(kind: inspect.Type) -> tuple[inspect.Type, bool]:
    """The type without None, and whether it had it."""
    if isinstance(kind, inspect.Metadata):
        return bare_of(kind.type)
    if isinstance(kind, inspect.UnionType):
        rest = [part for part in kind.types if not isinstance(part, inspect.NoneType)]
        if len(rest) == 1:
            return bare_of(rest[0])[0], len(kind.types) > 1
        return kind, len(rest) < len(kind.types)
    return kind, isinstance(kind, inspect.NoneType)


def _holds(bare: inspect.Type) -> str:
    if isinstance(bare, inspect.DateTimeType):
        return "instant"
    if isinstance(bare, inspect.BoolType):
        return "truth"
    if isinstance(bare, _LISTS):
        return "list"
    if isinstance(bare, _NUMBERS):
        return "number"
    if isinstance(bare, _TEXTS):
        return "text"
    if isinstance(bare, (inspect.EnumType, inspect.LiteralType)):
        values = bare.values if isinstance(bare, inspect.LiteralType) else list(bare.cls)
        plain = {type(one.value if isinstance(one, enum.Enum) else one) for one in values}
        return "text" if plain == {str} else "number" if plain == {int} else "any"
    if isinstance(bare, inspect.UnionType):
        parts = {_holds(bare_of(part)[0]) for part in bare.types if not isinstance(part, inspect.NoneType)}
        return parts.pop() if len(parts) == 1 else "any"
    return "any"


def _inside(kind: inspect.Type, step: str) -> tuple[inspect.Type, bool] | None:
    """The type of a field of that type, and whether it may be absent; None where it has no such field."""
    bare, nullable = bare_of(kind)
    if isinstance(bare, inspect.StructType):
        if bare.cls.__struct_config__.omit_defaults:
            raise ValueError(f"{bare.cls.__name__} leaves out its defaults, so it cannot be asked by fields")
        found = next((field for field in bare.fields if field.encode_name == step), None)
        # A field with a default may be missing in records that were written before there was such a field.
        return None if found is None else (found.type, nullable or not found.required)
    if isinstance(bare, inspect.DictType):
        return bare.value_type, True
    if isinstance(bare, (inspect.AnyType, inspect.UnionType)):
        return inspect.AnyType(), True
    return None
