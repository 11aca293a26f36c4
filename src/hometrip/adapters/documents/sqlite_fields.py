"""Fields, filters and orders of a collection, said in SQL over the JSON of its records.

JSON writes an instant with or without a fraction, always in UTC; without its last letter `Z`, the order of
the texts is the order of time, and so that is what is indexed and compared.

A field is said by the same text wherever it stands, because an index over an expression serves only the very
same expression. Values are always bound, never written into the text; the only exception are the conditions
of partial indexes, which the developer declares.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from hometrip.kernel.errors import Invalid
from hometrip.kernel.page import cursor_of, position_of
from hometrip.ports.documents import Where

_STEP = re.compile(r"[A-Za-z0-9_-]+")
_COLUMNS = ("id", "version")
_LISTS = (
    inspect.ListType,
    inspect.VarTupleType,
    inspect.TupleType,
    inspect.SetType,
    inspect.FrozenSetType,
)


class Sql(NamedTuple):
    """A piece of SQL with the values of its question marks."""

    text: str
    bound: list[Any]


class Kind(NamedTuple):
    """What a field holds, as far as SQL must know."""

    instant: bool = False
    truth: bool = False
    listed: bool = False
    nullable: bool = True


class Step(NamedTuple):
    """One part of an order."""

    sql: str
    falling: bool
    nullable: bool


Ask = Callable[[Any], str]


class Fields:
    """The fields of a record type. A path that the type does not have is a `ValueError`.

    `members` names the tables that hold the members of list fields, `places` the R*Trees of location fields.
    """

    def __init__(self, record: type[Any]) -> None:
        self._name, self._type = record.__name__, inspect.type_info(record)
        self._kinds: dict[str, Kind] = {path: Kind(nullable=False) for path in _COLUMNS}
        self._said: dict[str, str] = {path: path for path in _COLUMNS}
        self.members: dict[str, str] = {}
        self.places: dict[str, str] = {}
        self._fixed: set[tuple[str, str, bytes]] = set()

    def kind_of(self, path: str) -> Kind:
        kind = self._kinds.get(path)
        if kind is None:
            kind = self._kinds[path] = self._find(path)
        return kind

    def sql_of(self, path: str) -> str:
        said = self._said.get(path)
        if said is None:
            read = f"json_extract(body, '{json_path(path)}')"
            said = self._said[path] = f"rtrim({read}, 'Z')" if self.kind_of(path).instant else read
        return said

    def value_for(self, path: str, value: Any) -> Any:
        """A value as it lies in the file, to be compared with that field."""
        plain = plain_of(value)
        return plain.rstrip("Z") if isinstance(plain, str) and self.kind_of(path).instant else plain

    def _find(self, path: str) -> Kind:
        steps = path.split(".")
        if not all(_STEP.fullmatch(step) for step in steps):
            raise ValueError(f"not a path: {path!r}")
        at, nullable = self._type, False
        for step in steps:
            found = _inside(at, step)
            if found is None:
                raise ValueError(f"{self._name} has no field {path!r}")
            at, maybe = found
            nullable = nullable or maybe
        bare, maybe = _bare(at)
        return Kind(
            instant=isinstance(bare, inspect.DateTimeType),
            truth=isinstance(bare, inspect.BoolType),
            listed=isinstance(bare, _LISTS),
            nullable=nullable or maybe or isinstance(bare, (inspect.AnyType, inspect.UnionType)),
        )

    # -- filters

    def fix(self, where: Where) -> str:
        """The condition of a partial index. A filter that demands the same says it by the same text."""
        for part in _leaves(where):
            self._fixed.add(_key(part))
        said = self.filter(where)
        if said.bound or "SELECT" in said.text:
            raise ValueError(f"an index cannot have the condition {where}")
        return said.text

    def filter(self, where: Where) -> Sql:
        bound: list[Any] = []

        def ask(value: Any) -> str:
            bound.append(value)
            return "?"

        return Sql(self._say(where, ask), bound)

    def _say(self, where: Where, ask: Ask) -> str:
        if where.op in ("and", "or"):
            parts = [self._say(part, ask) for part in where.parts]
            if not parts:
                return "1" if where.op == "and" else "0"
            return parts[0] if len(parts) == 1 else f"({f' {where.op.upper()} '.join(parts)})"
        say = _OPERATORS.get(where.op)
        if say is None:
            raise ValueError(f"not an operator of a filter: {where.op!r}")
        fixed = bool(self._fixed) and where.op in _FIXABLE and _key(where) in self._fixed
        return say(self, where, _literal if fixed else ask)

    # -- orders

    def steps_of(self, sort: Sequence[str]) -> list[Step]:
        """The parts of an order. The id comes last, in the direction of the part before it."""
        steps: list[Step] = []
        for part in sort:
            path, falling = part.removeprefix("-"), part.startswith("-")
            steps.append(Step(self.sql_of(path), falling, self.kind_of(path).nullable))
            if path == "id":
                return steps
        return [*steps, Step("id", bool(steps) and steps[-1].falling, False)]


def order_by(steps: Sequence[Step]) -> str:
    return ", ".join(f"{step.sql} DESC" if step.falling else step.sql for step in steps)


def cursor_at(sort: Sequence[str], values: Sequence[Any]) -> str:
    """The cursor behind a row with these values of the parts of its order."""
    return cursor_of([",".join(sort), *values])


def after(sort: Sequence[str], steps: Sequence[Step], cursor: str) -> Sql:
    """The condition that a row comes after the cursor; one of another order is `Invalid`."""
    sorted_by, *values = position_of(cursor) or [None]
    plain = all(value is None or isinstance(value, (str, int, float)) for value in values)
    if sorted_by != ",".join(sort) or len(values) != len(steps) or not plain:
        raise Invalid.field("cursor", "bad_cursor", "this cursor belongs to another list")
    if not any(step.nullable for step in steps) and len({step.falling for step in steps}) == 1:
        fields, marks = ", ".join(step.sql for step in steps), ", ".join("?" * len(steps))
        behind = Sql(f"({fields}) {'<' if steps[0].falling else '>'} ({marks})", values)
    else:
        behind = _after_mixed(steps, values)
    first = steps[0]
    if values[0] is None or (first.falling and first.nullable):
        return behind
    # Says nothing new, but lets the engine begin at the right place of an index.
    return Sql(
        f"{first.sql} {'<=' if first.falling else '>='} ? AND {behind.text}", [values[0], *behind.bound]
    )


def _after_mixed(steps: Sequence[Step], values: Sequence[Any]) -> Sql:
    """Equal up to some part and behind in that part. An absent value is the least of all."""
    ways, bound = [], []
    for number, (step, value) in enumerate(zip(steps, values, strict=True)):
        if step.falling and value is None:
            continue
        same = [f"{earlier.sql} IS ?" for earlier in steps[:number]]
        if value is None:
            behind = f"{step.sql} IS NOT NULL"
        elif step.falling:
            behind = f"({step.sql} < ? OR {step.sql} IS NULL)" if step.nullable else f"{step.sql} < ?"
        else:
            behind = f"{step.sql} > ?"
        ways.append(f"({' AND '.join([*same, behind])})")
        bound += [*values[:number], *([] if value is None else [value])]
    return Sql(f"({' OR '.join(ways)})" if ways else "0", bound)


def plain_of(value: Any) -> Any:
    """A value as SQLite has it: text, number or nothing; a record or a list is the text of its JSON."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone: instants are aware")
        value = value.astimezone(UTC)
    plain = None if value is msgspec.UNSET else msgspec.to_builtins(value)
    if isinstance(plain, (dict, list, tuple)):
        return msgspec.json.encode(value).decode()
    return int(plain) if isinstance(plain, bool) else plain


def json_path(path: str) -> str:
    """The path as SQLite writes it. Each step is quoted; the pattern of a step leaves nothing to escape."""
    steps = path.split(".")
    if not all(_STEP.fullmatch(step) for step in steps):
        raise ValueError(f"not a path: {path!r}")
    return "$." + ".".join(f'"{step}"' for step in steps)


# -- operators: each gives the text, and asks for a mark for each value


def _equal(fields: Fields, where: Where, ask: Ask) -> str:
    value = fields.value_for(where.field, where.value)
    field = fields.sql_of(where.field)
    return f"{field} IS NULL" if value is None else f"{field} = {ask(value)}"


def _unequal(fields: Fields, where: Where, ask: Ask) -> str:
    value = fields.value_for(where.field, where.value)
    field = fields.sql_of(where.field)
    return f"{field} IS NOT NULL" if value is None else f"{field} IS NOT {ask(value)}"


def _compared(sign: str) -> Callable[[Fields, Where, Ask], str]:
    def say(fields: Fields, where: Where, ask: Ask) -> str:
        return f"{fields.sql_of(where.field)} {sign} {ask(fields.value_for(where.field, where.value))}"

    return say


def _one_of(fields: Fields, where: Where, ask: Ask) -> str:
    values = [fields.value_for(where.field, value) for value in where.value]
    given = [value for value in values if value is not None]
    field = fields.sql_of(where.field)
    if ask is _literal:
        said = f"{field} IN ({', '.join(map(ask, given))})"
    else:
        said = f"{field} IN (SELECT value FROM json_each({ask(msgspec.json.encode(given).decode())}))"
    return said if len(given) == len(values) else f"({said} OR {field} IS NULL)"


def _has(fields: Fields, where: Where, ask: Ask) -> str:
    value = plain_of(where.value)
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
    lat, lng = fields.sql_of(f"{where.field}.lat"), fields.sql_of(f"{where.field}.lng")
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
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


_OPERATORS: dict[str, Callable[[Fields, Where, Ask], str]] = {
    "eq": _equal,
    "ne": _unequal,
    "lt": _compared("<"),
    "le": _compared("<="),
    "gt": _compared(">"),
    "ge": _compared(">="),
    "in": _one_of,
    "has": _has,
    "within": _within,
}
_FIXABLE = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "in"})


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "NULL" if value is None else repr(value)


def _leaves(where: Where) -> Iterator[Where]:
    if where.op in ("and", "or"):
        for part in where.parts:
            yield from _leaves(part)
    else:
        yield where


def _key(where: Where) -> tuple[str, str, bytes]:
    return where.op, where.field, msgspec.json.encode(where.value)


# -- types


def _bare(kind: inspect.Type) -> tuple[inspect.Type, bool]:
    """The type without None, and whether it had it."""
    if isinstance(kind, inspect.Metadata):
        return _bare(kind.type)
    if isinstance(kind, inspect.UnionType):
        rest = [part for part in kind.types if not isinstance(part, inspect.NoneType)]
        if len(rest) == 1:
            return _bare(rest[0])[0], len(kind.types) > 1
        return kind, len(rest) < len(kind.types)
    return kind, isinstance(kind, inspect.NoneType)


def _inside(kind: inspect.Type, step: str) -> tuple[inspect.Type, bool] | None:
    """The type of a field of that type, and whether it may be absent; None where it has no such field."""
    bare, nullable = _bare(kind)
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
