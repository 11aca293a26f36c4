"""Fields, filters and orders of a collection, said as MongoDB's queries over its documents.

A document is the record as JSON has it, with its `id` as `_id`; ids, dates and enumerations are texts, and
instants whole microseconds (see `mongo_instants.py`). Absent fields are written as null, which MongoDB puts
before all else, as the port wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from hometrip.adapters.documents.mongo_instants import stored_of, text_of
from hometrip.ports.documents import Where

Query = dict[str, Any]
NEVER: Query = {"_id": {"$in": []}}
# What is not below these is there, and of its kind. An index knows that such a condition is met by a filter
# for a value, which it does not know of `$ne: null`.
_LOWEST = -1.7976931348623157e308
_LEAST = {"text": "", "instant": _LOWEST, "number": _LOWEST, "truth": False}


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
        return say(self, where)

    def present(self, path: str) -> Query:
        """The field has a value."""
        least = _LEAST.get(self.kind_of(path).holds)
        return {self.say(path): {"$ne": None} if least is None else {"$gte": least}}

    def value_for(self, path: str, value: Any) -> Any:
        """A value as it lies in that field. What may hold anything holds instants as JSON has them."""
        return stored_of(value, text_of) if self.kind_of(path).holds == "any" else stored_of(value)

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
        ways = [self._behind(way) for way in ways_behind(steps, place_of(sort, steps, cursor))]
        return {"$or": ways} if ways else NEVER

    def _behind(self, way: Way) -> Query:
        parts: list[Query] = [{step.said: {"$eq": value}} for step, value in way.same]
        field, value = way.step.said, way.value
        if value is None:
            parts.append(self.present(way.step.path))
        elif not way.step.falling:
            parts.append({field: {"$gt": value}})
        elif way.step.nullable:
            parts.append({"$or": [{field: {"$lt": value}}, {field: {"$eq": None}}]})
        else:
            parts.append({field: {"$lt": value}})
        return parts[0] if len(parts) == 1 else {"$and": parts}


# -- values


def value_at(document: Any, path: str) -> Any:
    for step in path.split("."):
        document = document.get(step) if isinstance(document, dict) else None
    return document


# -- what a filter means for one document: for the conditions of partial indexes


def meets(fields: MongoFields, document: dict[str, Any], where: Where) -> bool:
    if where.op in ("and", "or"):
        return (all if where.op == "and" else any)(meets(fields, document, part) for part in where.parts)
    value = value_at(document, fields.say(where.field))
    if where.op == "in":
        return value in [fields.value_for(where.field, one) for one in where.value]
    wanted = fields.value_for(where.field, where.value)
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


# -- operators


def _alike(fields: MongoFields, path: str, value: Any) -> list[Query]:
    """Equal, a record field by field: so the order of its fields in the document does not matter."""
    if not isinstance(value, msgspec.Struct):
        return [{fields.say(path): {"$eq": fields.value_for(path, value)}}]
    parts: list[Query] = [{path: {"$ne": None}}]
    for one in msgspec.structs.fields(value):
        parts += _alike(fields, f"{path}.{one.encode_name}", getattr(value, one.name))
    return parts


def _equal(fields: MongoFields, where: Where) -> Query:
    parts = _alike(fields, where.field, where.value)
    return parts[0] if len(parts) == 1 else {"$and": parts}


def _unequal(fields: MongoFields, where: Where) -> Query:
    value = fields.value_for(where.field, where.value)
    if value is None:
        return fields.present(where.field)
    if isinstance(value, (dict, list)):
        return {"$nor": [_equal(fields, where)]}
    return {fields.say(where.field): {"$nin": [value]}}


def _compared(sign: str) -> Callable[[MongoFields, Where], Query]:
    return lambda fields, where: {fields.say(where.field): {sign: fields.value_for(where.field, where.value)}}


def _one_of(fields: MongoFields, where: Where) -> Query:
    if any(isinstance(value, msgspec.Struct) for value in where.value):
        return {"$or": [_equal(fields, Where("eq", where.field, value)) for value in where.value]}
    return {fields.say(where.field): {"$in": [fields.value_for(where.field, one) for one in where.value]}}


def _has(fields: MongoFields, where: Where) -> Query:
    return {fields.say(where.field): {"$elemMatch": {"$eq": fields.value_for(where.field, where.value)}}}


def _within(fields: MongoFields, where: Where) -> Query:
    """Comparisons, not `$geoWithin`: MongoDB bends the sides of a box that way, and its answers would not be
    those of the other storages.
    """
    south, west, north, east = map(float, where.value)
    lat, lng = f"{where.field}.lat", f"{where.field}.lng"
    for path in (lat, lng):
        fields.kind_of(path)
    across: list[Query] = [{lng: {"$gte": left, "$lte": right}} for left, right in spans_of(west, east)]
    inside: Query = {lat: {"$gte": south, "$lte": north}}
    return {"$and": [inside, across[0] if len(across) == 1 else {"$or": across}]}


_OPERATORS: dict[str, Callable[[MongoFields, Where], Query]] = {
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
