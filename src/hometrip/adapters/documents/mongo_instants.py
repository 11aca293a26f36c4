"""Instants in MongoDB: whole microseconds since 1970, because its own dates stop at the millisecond.

Where a field's type is an instant, its document has the number; where it may be anything, what JSON has.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import inspect

from hometrip.adapters.documents.fields import bare_of, must_be_utc

Step = Callable[[Any], Any]
_START = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)


def micros_of(at: datetime) -> int:
    """`ValueError` where it has no time zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone: instants are aware")
    return (at - _START) // _MICRO


def instant_of(micros: int) -> datetime:
    return _START + timedelta(microseconds=micros)


def text_of(at: datetime) -> str:
    """As JSON has it."""
    return str(msgspec.to_builtins(at))


def stored_of(value: Any, said: Callable[[datetime], Any] = micros_of) -> Any:
    """A value as it lies in a document."""
    return None if value is msgspec.UNSET else _each(_plain_of(value), said)


class Documents:
    """How records of a type become documents, and documents records."""

    def __init__(self, record: type[Any]) -> None:
        self._record = record
        kind = inspect.type_info(record)
        self._write = _walk(kind, micros_of, {})
        self._read = _walk(kind, instant_of, {})

    def write(self, record: Any) -> dict[str, Any]:
        """`ValueError` where it has an instant that is not in UTC."""
        plain = _plain_of(record)
        must_be_utc(plain)
        if self._write is not None:
            plain = self._write(plain)
        document: dict[str, Any] = _each(plain, text_of)
        return {"_id": document.pop("id"), **document}

    def plain(self, document: dict[str, Any]) -> dict[str, Any]:
        """The record as it was before it became a document, but for its type."""
        plain = {"id": document["_id"], **document}
        return plain if self._read is None else self._read(plain)

    def read(self, document: dict[str, Any]) -> Any:
        return msgspec.convert(self.plain(document), self._record, str_keys=True)


def _plain_of(value: Any) -> Any:
    return msgspec.to_builtins(value, builtin_types=(datetime,), str_keys=True)


def _each(plain: Any, said: Callable[[datetime], Any]) -> Any:
    """With every instant as it is said."""
    if isinstance(plain, dict):
        return {key: _each(value, said) for key, value in plain.items()}
    if isinstance(plain, (list, tuple)):
        return [_each(member, said) for member in plain]
    return said(plain) if isinstance(plain, datetime) else plain


def _walk(kind: inspect.Type, step: Callable[[Any], Any], known: dict[type, dict[str, Step]]) -> Step | None:
    """What takes the step at every instant of a value of this type; None where it has none."""
    bare, _ = bare_of(kind)
    if isinstance(bare, inspect.DateTimeType):
        return lambda value: None if value is None else step(value)
    if isinstance(bare, inspect.StructType):
        return _through_fields(bare, step, known)
    if isinstance(bare, inspect.DictType):
        return _through_map(_walk(bare.value_type, step, known))
    if isinstance(bare, (inspect.ListType, inspect.VarTupleType, inspect.SetType, inspect.FrozenSetType)):
        return _through_list(_walk(bare.item_type, step, known))
    if isinstance(bare, inspect.UnionType) and any(_walk(part, step, known) for part in bare.types):
        raise ValueError("a field that may be an instant or something else cannot be kept here")
    return None


def _through_map(inner: Step | None) -> Step | None:
    if inner is None:
        return None
    return lambda value: value and {key: inner(one) for key, one in value.items()}


def _through_list(inner: Step | None) -> Step | None:
    if inner is None:
        return None
    return lambda value: value and [inner(one) for one in value]


def _through_fields(
    bare: inspect.StructType, step: Callable[[Any], Any], known: dict[type, dict[str, Step]]
) -> Step | None:
    steps = known.get(bare.cls)
    if steps is None:
        # Known before its fields are looked at, because a record may hold others of its own type.
        steps = known[bare.cls] = {}
        for field in bare.fields:
            if (inner := _walk(field.type, step, known)) is not None:
                steps[field.encode_name] = inner
        if not steps:
            return None

    def through(value: Any) -> Any:
        if value:
            for name in steps.keys() & value.keys():
                value[name] = steps[name](value[name])
        return value

    return through
