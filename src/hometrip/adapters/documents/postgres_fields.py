"""Fields, filters and orders of a collection, said in PostgreSQL's SQL over the JSONB of its records.

A field is read as what its type says: a text (compared by code point, whatever the database's own order is),
a number, a truth, or a piece of JSON. An instant is the text of its JSON without the last letter `Z`: as it
is always in UTC, the order of these texts is the order of time, to the microsecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from hometrip.adapters.documents.fields import Step, bad_cursor, plain_of, spans_of, steps_in
from hometrip.adapters.documents.sql import COMPARISONS, Ask, SqlFields, literal
from hometrip.ports.documents import Where

# JSONB has no U+0000. Where a text has one, it is written as this private character and a 0, and this
# character itself with a 1 behind it.
_STANDS_FOR = "\ue000"


class Fields(SqlFields):
    every, none, differs = "TRUE", "FALSE", "IS DISTINCT FROM"

    def expression(self, path: str) -> str:
        *way, last = steps_in(path)
        holder = "body" + "".join(f"->'{step}'" for step in way)
        match self.kind_of(path).holds:
            case "text":
                return f"(({holder}->>'{last}') COLLATE \"C\")"
            case "instant":
                return f"(rtrim({holder}->>'{last}', 'Z') COLLATE \"C\")"
            case "number":
                return f"(({holder}->>'{last}')::numeric)"
            case "truth":
                return f"(({holder}->>'{last}')::boolean)"
        return f"(NULLIF({holder}->'{last}', 'null'))"

    def json_at(self, path: str) -> str:
        """The field as JSON, whatever is in it."""
        self.kind_of(path)
        return "(body" + "".join(f"->'{step}'" for step in steps_in(path)) + ")"

    def mark(self, number: int) -> str:
        return f"${number}"

    def value_for(self, path: str, value: Any) -> Any:
        """As the driver wants it; `ValueError` where the field holds nothing of that kind."""
        plain, holds = plain_of(value), self.kind_of(path).holds
        if plain is None:
            return None
        if holds in ("list", "any"):
            return json_of(value)
        if holds == "number" and isinstance(plain, (int, float)):
            return int(plain) if path == "version" else Decimal(repr(plain))
        if holds == "truth" and isinstance(plain, (bool, int)):
            return bool(plain)
        if holds in ("text", "instant") and isinstance(plain, str):
            return escaped(plain.rstrip("Z") if holds == "instant" else plain)
        raise ValueError(f"{path} holds no {type(value).__name__}")

    def placed(self, path: str, value: Any) -> Any:
        """The reverse of `shown`. What PostgreSQL could not even be asked for was never shown."""
        holds = self.kind_of(path).holds
        try:
            if value is None or holds == "truth":
                return None if value is None else bool(value)
            if holds == "number":
                number = _number(value, most_digits=18 if path == "version" else 400)
                return int(number) if path == "version" else number
            if "\0" in str(value):
                raise bad_cursor()
            return str(value)
        except (ValueError, InvalidOperation) as reason:
            raise bad_cursor() from reason


def _number(value: Any, most_digits: int) -> Decimal:
    """With no more digits before the point, or zeros behind it, than the field's numbers can have."""
    number = Decimal(value)
    if not number.is_finite() or abs(number.adjusted()) >= most_digits:
        raise bad_cursor()
    return number


def shown(value: Any) -> Any:
    """A value that the driver gave, as a cursor may have it."""
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def order_by(steps: Sequence[Step]) -> str:
    """An absent value is the least of all, which is not what PostgreSQL takes for granted."""
    return ", ".join(f"{step.said} {_direction(step)}" for step in steps)


def _direction(step: Step) -> str:
    if not step.nullable:
        return "DESC" if step.falling else "ASC"
    return "DESC NULLS LAST" if step.falling else "ASC NULLS FIRST"


# -- texts and JSON that JSONB can keep


def escaped(text: str) -> str:
    if "\0" in text or _STANDS_FOR in text:
        return text.replace(_STANDS_FOR, _STANDS_FOR + "1").replace("\0", _STANDS_FOR + "0")
    return text


def as_was(text: str) -> str:
    """The reverse of `escaped`."""
    return text.replace(_STANDS_FOR + "0", "\0").replace(_STANDS_FOR + "1", _STANDS_FOR)


def kept(body: str) -> str:
    """The JSON text so that JSONB keeps it."""
    if "\\u0000" in body or _STANDS_FOR in body:
        return msgspec.json.encode(_each_text(msgspec.json.decode(body), escaped)).decode()
    return body


def restored(body: str) -> str:
    """The reverse of `kept`."""
    if _STANDS_FOR in body:
        return msgspec.json.encode(_each_text(msgspec.json.decode(body), as_was)).decode()
    return body


def json_of(value: Any) -> str:
    return kept(msgspec.json.encode(value).decode())


def _each_text(plain: Any, change: Any) -> Any:
    if isinstance(plain, str):
        return change(plain)
    if isinstance(plain, list):
        return [_each_text(member, change) for member in plain]
    if isinstance(plain, dict):
        return {change(key): _each_text(value, change) for key, value in plain.items()}
    return plain


# -- operators: each gives the text, and asks for a mark for each value


def _one_of(fields: Fields, where: Where, ask: Ask) -> str:
    values = [fields.value_for(where.field, value) for value in where.value]
    given = [value for value in values if value is not None]
    field = fields.say(where.field)
    if ask is literal:
        said = f"{field} IN ({', '.join(map(ask, given))})" if given else "FALSE"
    else:
        said = f"{field} = ANY ({ask(given)})"
    return said if len(given) == len(values) else f"({said} OR {field} IS NULL)"


def _has(fields: Fields, where: Where, ask: Ask) -> str:
    """A list contains another where it has all its members; of members that are not plain it is enough that
    they have the same and more, so these are compared once more.
    """
    field, value = fields.json_at(where.field), where.value
    found = f"{field} @> {ask(json_of([value]))}::jsonb"
    if not isinstance(plain_of(value), (dict, list, tuple)):
        return found
    return (
        f"({found} AND EXISTS (SELECT 1 FROM jsonb_array_elements({field}) m "
        f"WHERE m = {ask(json_of(value))}::jsonb))"
    )


def _within(fields: Fields, where: Where, ask: Ask) -> str:
    south, west, north, east = map(float, where.value)
    lat, lng = fields.say(f"{where.field}.lat"), fields.say(f"{where.field}.lng")

    def between(field: str, least: float, most: float) -> str:
        return f"{field} BETWEEN {ask(Decimal(repr(least)))} AND {ask(Decimal(repr(most)))}"

    across = " OR ".join(between(lng, left, right) for left, right in spans_of(west, east))
    return f"({between(lat, south, north)} AND ({across}))"


Fields.operators = {**COMPARISONS, "in": _one_of, "has": _has, "within": _within}
