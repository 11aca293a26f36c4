"""Fields, filters and orders of a collection, said as MongoDB's queries over its documents.

A document is the record as JSON has it, with its `id` as `_id`. Ids, dates and enumerations are texts. So are
instants, because MongoDB's own dates stop at the millisecond: in UTC and always with six digits behind the
second, their order is the order of time. Absent fields are written as null, which MongoDB puts before all
else, as the port wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from hometrip.adapters.documents.fields import (
    Fields,
    Step,
    Way,
    place_of,
    spans_of,
    steps_in,
    ways_behind,
)
from hometrip.ports.documents import Where

Query = dict[str, Any]
NEVER: Query = {"_id": {"$in": []}}
# What is not below these is there, and of its kind. An index knows that such a condition is met by a filter
# for a value, which it does not know of `$ne: null`.
_LEAST = {"text": "", "instant": "", "number": -1.7976931348623157e308, "truth": False}


class MongoFields(Fields):
    def say(self, path: str) -> str:
        if path == "id":
            return "_id"
        return ".".join(steps_in(path))

    def filter(self, where: Where) -> Query:
        if where.op in ("and", "or"):
            parts = [self.filter(part) for part in where.parts]
            if not parts:
                return {} if where.op == "and" else NEVER
            return parts[0] if len(parts) == 1 else {f"${where.op}": parts}
        say = _OPERATORS.get(where.op)
        if say is None:
            raise ValueError(f"not an operator of a filter: {where.op!r}")
        self.kind_of(where.field)
        return say(self, self.say(where.field), where)

    def present(self, path: str) -> Query:
        """The field has a value."""
        least = _LEAST.get(self.kind_of(path).holds)
        return {self.say(path): {"$ne": None} if least is None else {"$gte": least}}

    def fix(self, where: Where) -> Query:
        """The condition of a partial index, which may be less than a filter: what MongoDB takes for one."""
        for part in where.parts:
            self.fix(part)
        wanted = where.op == "ne" and where.value is None and self.kind_of(where.field).holds in _LEAST
        if where.op not in ("and", "or", "eq", "lt", "le", "gt", "ge", "in") and not wanted:
            raise ValueError(f"an index cannot have the condition {where}")
        return self.filter(where)

    def order(self, steps: Sequence[Step]) -> list[tuple[str, int]]:
        return [(step.said, -1 if step.falling else 1) for step in steps]

    def behind(self, sort: Sequence[str], cursor: str) -> Query:
        """What comes after the cursor."""
        steps = self.steps_of(sort)
        ways = [_behind(way) for way in ways_behind(steps, place_of(sort, steps, cursor))]
        return {"$or": ways} if ways else NEVER


def _behind(way: Way) -> Query:
    parts: list[Query] = [{step.said: {"$eq": value}} for step, value in way.same]
    field, value = way.step.said, way.value
    if value is None:
        parts.append({field: {"$ne": None}})
    elif not way.step.falling:
        parts.append({field: {"$gt": value}})
    elif way.step.nullable:
        parts.append({"$or": [{field: {"$lt": value}}, {field: {"$eq": None}}]})
    else:
        parts.append({field: {"$lt": value}})
    return parts[0] if len(parts) == 1 else {"$and": parts}


# -- values


def stored_of(value: Any) -> Any:
    """A value as it lies in a document; instants of any zone."""
    return _stored(_plain_of(value), _text_of)


def document_of(record: Any) -> dict[str, Any]:
    """A record as it lies in its collection; `ValueError` where it has an instant that is not in UTC."""
    document: dict[str, Any] = _stored(_plain_of(record), _text_in_utc)
    return {"_id": document.pop("id"), **document}


def value_at(document: Any, path: str) -> Any:
    for step in path.split("."):
        document = document.get(step) if isinstance(document, dict) else None
    return document


def _plain_of(value: Any) -> Any:
    if value is msgspec.UNSET:
        return None
    return msgspec.to_builtins(value, builtin_types=(datetime,), str_keys=True)


def _stored(plain: Any, text_of: Callable[[datetime], str]) -> Any:
    if isinstance(plain, dict):
        return {key: _stored(value, text_of) for key, value in plain.items()}
    if isinstance(plain, (list, tuple)):
        return [_stored(member, text_of) for member in plain]
    return text_of(plain) if isinstance(plain, datetime) else plain


def _text_of(at: datetime) -> str:
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone: instants are aware")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _text_in_utc(at: datetime) -> str:
    if at.utcoffset() != timedelta():
        raise ValueError(f"{at} is not in UTC")
    return _text_of(at)


# -- what a filter means for one document: for the conditions of partial indexes


def meets(fields: MongoFields, document: dict[str, Any], where: Where) -> bool:
    if where.op in ("and", "or"):
        return (all if where.op == "and" else any)(meets(fields, document, part) for part in where.parts)
    value = value_at(document, fields.say(where.field))
    if where.op == "in":
        return value in [stored_of(one) for one in where.value]
    wanted = stored_of(where.value)
    match where.op:
        case "eq":
            return bool(value == wanted)
        case "ne":
            return bool(value != wanted)
    if value is None:
        return False
    return bool(
        {"lt": value < wanted, "le": value <= wanted, "gt": value > wanted, "ge": value >= wanted}[where.op]
    )


# -- operators: each gives the query for a field


def _alike(field: str, value: Any) -> list[Query]:
    """Equal, a record field by field: so the order of its fields in the document does not matter."""
    if not isinstance(value, msgspec.Struct):
        return [{field: {"$eq": stored_of(value)}}]
    parts: list[Query] = [{field: {"$ne": None}}]
    for one in msgspec.structs.fields(value):
        parts += _alike(f"{field}.{one.encode_name}", getattr(value, one.name))
    return parts


def _equal(fields: MongoFields, field: str, where: Where) -> Query:
    parts = _alike(field, where.value)
    return parts[0] if len(parts) == 1 else {"$and": parts}


def _unequal(fields: MongoFields, field: str, where: Where) -> Query:
    value = stored_of(where.value)
    if value is None:
        return fields.present(where.field)
    if isinstance(value, (dict, list)):
        return {"$nor": [_equal(fields, field, where)]}
    return {field: {"$ne": value}}


def _compared(sign: str) -> Callable[[MongoFields, str, Where], Query]:
    return lambda fields, field, where: {field: {sign: stored_of(where.value)}}


def _one_of(fields: MongoFields, field: str, where: Where) -> Query:
    if any(isinstance(value, msgspec.Struct) for value in where.value):
        return {"$or": [_equal(fields, field, Where("eq", where.field, value)) for value in where.value]}
    return {field: {"$in": [stored_of(value) for value in where.value]}}


def _has(fields: MongoFields, field: str, where: Where) -> Query:
    return {field: {"$elemMatch": {"$eq": stored_of(where.value)}}}


def _within(fields: MongoFields, field: str, where: Where) -> Query:
    """Comparisons, not `$geoWithin`: MongoDB bends the sides of a box that way, and its answers would not be
    those of the other storages.
    """
    south, west, north, east = map(float, where.value)
    for part in ("lat", "lng"):
        fields.kind_of(f"{where.field}.{part}")
    across: list[Query] = [
        {f"{field}.lng": {"$gte": left, "$lte": right}} for left, right in spans_of(west, east)
    ]
    inside: Query = {f"{field}.lat": {"$gte": south, "$lte": north}}
    return {"$and": [inside, across[0] if len(across) == 1 else {"$or": across}]}


_OPERATORS: dict[str, Callable[[MongoFields, str, Where], Query]] = {
    "eq": _equal,
    "ne": _unequal,
    "lt": _compared("$lt"),
    "le": _compared("$lte"),
    "gt": _compared("$gt"),
    "ge": _compared("$gte"),
    "in": _one_of,
    "has": _has,
    "within": _within,
}
