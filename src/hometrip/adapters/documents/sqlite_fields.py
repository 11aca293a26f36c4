"""Fields, filters and orders of a collection, said in SQLite's SQL over the JSON of its records.

JSON writes an instant with or without a fraction, always in UTC; without its last letter `Z`, the order of
the texts is the order of time, and so that is what is indexed and compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hometrip.adapters.documents.fields import Step, plain_of, spans_of, steps_in
from hometrip.adapters.documents.sql import COMPARISONS, Ask, SqlFields, literal
from hometrip.ports.documents import Where


class Fields(SqlFields):
    """`members` names the tables that hold the members of list fields, `places` the R*Trees of location
    fields.
    """

    def __init__(self, record: type[Any]) -> None:
        super().__init__(record)
        self.members: dict[str, str] = {}
        self.places: dict[str, str] = {}

    def expression(self, path: str) -> str:
        read = f"json_extract(body, '{json_path(path)}')"
        return f"rtrim({read}, 'Z')" if self.kind_of(path).instant else read

    def mark(self, number: int) -> str:
        return "?"

    def value_for(self, path: str, value: Any) -> Any:
        """A value as it lies in the file, to be compared with that field."""
        stored = stored_of(value)
        return stored.rstrip("Z") if isinstance(stored, str) and self.kind_of(path).instant else stored


def order_by(steps: Sequence[Step]) -> str:
    return ", ".join(f"{step.said} DESC" if step.falling else step.said for step in steps)


def stored_of(value: Any) -> Any:
    """A value as SQLite has it: text, number or nothing; a record or a list is the text of its JSON."""
    plain = plain_of(value)
    if isinstance(plain, (dict, list, tuple)):
        return msgspec.json.encode(value).decode()
    return int(plain) if isinstance(plain, bool) else plain


def json_path(path: str) -> str:
    """The path as SQLite writes it. Each step is quoted; the pattern of a step leaves nothing to escape."""
    return "$." + ".".join(f'"{step}"' for step in steps_in(path))


# -- operators: each gives the text, and asks for a mark for each value


def _one_of(fields: Fields, where: Where, ask: Ask) -> str:
    values = [fields.value_for(where.field, value) for value in where.value]
    given = [value for value in values if value is not None]
    field = fields.say(where.field)
    if ask is literal:
        said = f"{field} IN ({', '.join(map(ask, given))})"
    else:
        said = f"{field} IN (SELECT value FROM json_each({ask(msgspec.json.encode(given).decode())}))"
    return said if len(given) == len(values) else f"({said} OR {field} IS NULL)"


def _has(fields: Fields, where: Where, ask: Ask) -> str:
    value = stored_of(where.value)
    table = fields.members.get(where.field)
    if table is not None:
        return f"row IN (SELECT m.row FROM {table} m WHERE m.value IS {ask(value)})"
    fields.kind_of(where.field)
    at = json_path(where.field)
    return (
        f"(json_type(body, '{at}') = 'array' AND EXISTS "
        f"(SELECT 1 FROM json_each(body, '{at}') m WHERE m.value IS {ask(value)}))"
    )


def _within(fields: Fields, where: Where, ask: Ask) -> str:
    south, west, north, east = map(float, where.value)
    lat, lng = fields.say(f"{where.field}.lat"), fields.say(f"{where.field}.lng")
    spans = spans_of(west, east)
    table = fields.places.get(where.field)
    near = [
        f"SELECT p.row FROM {table} p WHERE p.north >= {ask(south)} AND p.south <= {ask(north)} "
        f"AND p.east >= {ask(left)} AND p.west <= {ask(right)}"
        for left, right in (spans if table else ())
    ]
    inside = f"{lat} BETWEEN {ask(south)} AND {ask(north)}"
    across = " OR ".join(f"{lng} BETWEEN {ask(left)} AND {ask(right)}" for left, right in spans)
    # The R*Tree rounds outwards: what it finds is compared once more, with the exact figures.
    found = f"row IN ({' UNION ALL '.join(near)}) AND " if near else ""
    return f"({found}{inside} AND ({across}))"


Fields.operators = {**COMPARISONS, "in": _one_of, "has": _has, "within": _within}
