"""Filters and orders as SQL says them, whatever the dialect; what differs is said beside each adapter."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import msgspec

from hometrip.adapters.documents.fields import Fields, Step, Way, place_of, ways_behind
from hometrip.ports.documents import Where


class Sql(NamedTuple):
    """A piece of SQL with the values of its marks."""

    text: str
    bound: list[Any]


Ask = Callable[[Any], str]


class SqlFields(Fields):
    """Filters and orders in SQL. A field is said by the same text wherever it stands, because an index over
    an expression serves only the very same expression. Values are always bound, never written into the text;
    the only exception are the conditions of partial indexes, which the developer declares.
    """

    every, none, differs = "1", "0", "IS NOT"
    operators: ClassVar[dict[str, Callable[[Any, Where, Ask], str]]] = {}

    def __init__(self, record: type[Any]) -> None:
        super().__init__(record)
        self._said = {"id": "id", "version": "version"}
        self._fixed: set[tuple[str, str, bytes]] = set()

    def say(self, path: str) -> str:
        said = self._said.get(path)
        if said is None:
            said = self._said[path] = self.expression(path)
        return said

    @abstractmethod
    def expression(self, path: str) -> str:
        """The expression that reads the field out of a body."""

    @abstractmethod
    def mark(self, number: int) -> str:
        """The mark of the bound value of that number, from 1."""

    @abstractmethod
    def value_for(self, path: str, value: Any) -> Any:
        """A value as the engine compares it with that field."""

    def placed(self, path: str, value: Any) -> Any:
        """A value that a cursor has of that field."""
        return self.value_for(path, value)

    def fix(self, where: Where) -> str:
        """The condition of a partial index. A filter that demands the same says it by the same text."""
        for part in _leaves(where):
            self._fixed.add(_key(part))
        said = self.filter(where)
        if said.bound or "SELECT" in said.text:
            raise ValueError(f"an index cannot have the condition {where}")
        return said.text

    def filter(self, where: Where, bound: Sequence[Any] = ()) -> Sql:
        """The condition; its values come after those that are `bound` already."""
        values = list(bound)

        def ask(value: Any) -> str:
            values.append(value)
            return self.mark(len(values))

        return Sql(self._say_filter(where, ask), values)

    def behind(self, sort: Sequence[str], cursor: str, bound: Sequence[Any] = ()) -> Sql:
        """The condition that a row comes after the cursor."""
        steps = self.steps_of(sort)
        places = place_of(sort, steps, cursor)
        values = list(bound)

        def ask(path: str, value: Any) -> str:
            values.append(self.placed(path, value))
            return self.mark(len(values))

        def say(way: Way) -> str:
            parts = [
                f"{one.said} IS NULL" if value is None else f"{one.said} = {ask(one.path, value)}"
                for one, value in way.same
            ]
            return "(" + " AND ".join([*parts, self._further(way.step, way.value, ask)]) + ")"

        first = steps[0]
        begin = ""
        if places[0] is not None and not (first.falling and first.nullable):
            # Says nothing new, but lets the engine begin at the right place of an index.
            begin = f"{first.said} {'<=' if first.falling else '>='} {ask(first.path, places[0])} AND "
        if not any(step.nullable for step in steps) and len({step.falling for step in steps}) == 1:
            marks = ", ".join(ask(step.path, value) for step, value in zip(steps, places, strict=True))
            row = ", ".join(step.said for step in steps)
            return Sql(f"{begin}({row}) {'<' if first.falling else '>'} ({marks})", values)
        ways = " OR ".join(say(way) for way in ways_behind(steps, places))
        return Sql(f"{begin}({ways or self.none})", values)

    def _further(self, step: Step, value: Any, ask: Callable[[str, Any], str]) -> str:
        if value is None:
            return f"{step.said} IS NOT NULL"
        if not step.falling:
            return f"{step.said} > {ask(step.path, value)}"
        less = f"{step.said} < {ask(step.path, value)}"
        return f"({less} OR {step.said} IS NULL)" if step.nullable else less

    def _say_filter(self, where: Where, ask: Ask) -> str:
        if where.op in ("and", "or"):
            parts = [self._say_filter(part, ask) for part in where.parts]
            if not parts:
                return self.every if where.op == "and" else self.none
            return parts[0] if len(parts) == 1 else f"({f' {where.op.upper()} '.join(parts)})"
        say = self.operators.get(where.op)
        if say is None:
            raise ValueError(f"not an operator of a filter: {where.op!r}")
        fixed = bool(self._fixed) and where.op in _FIXABLE and _key(where) in self._fixed
        return say(self, where, literal if fixed else ask)


_FIXABLE = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "in"})


def equal(fields: SqlFields, where: Where, ask: Ask) -> str:
    value = fields.value_for(where.field, where.value)
    field = fields.say(where.field)
    return f"{field} IS NULL" if value is None else f"{field} = {ask(value)}"


def unequal(fields: SqlFields, where: Where, ask: Ask) -> str:
    value = fields.value_for(where.field, where.value)
    field = fields.say(where.field)
    return f"{field} IS NOT NULL" if value is None else f"{field} {fields.differs} {ask(value)}"


def compared(sign: str) -> Callable[[SqlFields, Where, Ask], str]:
    def say(fields: SqlFields, where: Where, ask: Ask) -> str:
        return f"{fields.say(where.field)} {sign} {ask(fields.value_for(where.field, where.value))}"

    return say


COMPARISONS: dict[str, Callable[[Any, Where, Ask], str]] = {
    "eq": equal,
    "ne": unequal,
    "lt": compared("<"),
    "le": compared("<="),
    "gt": compared(">"),
    "ge": compared(">="),
}


def literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "NULL" if value is None else str(value)


def _leaves(where: Where) -> Iterator[Where]:
    if where.op in ("and", "or"):
        for part in where.parts:
            yield from _leaves(part)
    else:
        yield where


def _key(where: Where) -> tuple[str, str, bytes]:
    return where.op, where.field, msgspec.json.encode(where.value)
