"""Prepared statements, translated once: SQLAlchemy's words for the driver, without its work for each run."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Dialect
from sqlalchemy.sql.dml import UpdateBase

from hometrip.ports.database import Prepared

Convert = Callable[[Any], Any]
# In the place of a value that the statement does not say itself.
_GIVEN = object()


class Translated:
    """The SQL of a statement in one dialect, and how values go into it and rows come out of it."""

    def __init__(self, statement: Any, dialect: Dialect, columns: Sequence[str] | None) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=columns)
        binds = compiled.binds
        # As it is with the members written out of every list that the statement says.
        said = compiled.construct_expanded_state(
            {name: None if bound.required else bound.value for name, bound in binds.items()}
        )
        self.sql = said.statement
        self._takes = [
            (
                name,
                _GIVEN if name in binds and binds[name].required else said.parameters[name],
                _into(binds[name].type, dialect) if name in binds else None,
            )
            for name in said.positiontup or ()
        ]
        shown = [] if isinstance(statement, UpdateBase) else list(statement.selected_columns)
        self._gives = [_out_of(column.type, dialect) for column in shown]
        names = [str(getattr(column, "key", "")) for column in shown]
        self._row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]

    def values(self, given: Mapping[str, Any]) -> list[Any]:
        """In the order of the SQL's marks; `KeyError` where one is missing."""
        values = []
        for name, said, into in self._takes:
            value = given[name] if said is _GIVEN else said
            values.append(value if into is None else into(value))
        return values

    def rows(self, found: Iterable[Sequence[Any]]) -> list[Any]:
        gives, row = self._gives, self._row
        return [
            row._make([value if out is None else out(value) for value, out in zip(raw, gives, strict=True)])
            for raw in found
        ]


class Translations:
    """Every prepared statement in the dialect of one engine."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._known: WeakKeyDictionary[Prepared, dict[tuple[Any, ...], Translated]] = WeakKeyDictionary()

    def of(self, prepared: Prepared, columns: Iterable[str] = (), *, locked: bool = False) -> Translated:
        """`columns` are those that a write is given values for. Rows are locked where that is wanted and the
        statement says so.
        """
        shape = (locked, *columns)
        shapes = self._known.setdefault(prepared, {})
        if shape not in shapes:
            statement = prepared.statement if locked or columns else unlocked(prepared.statement)
            shapes[shape] = Translated(statement, self._dialect, [*columns] or None)
        return shapes[shape]


def unlocked(statement: Any) -> Any:
    """Readers change nothing, so they need not keep others from changing what they read."""
    if getattr(statement, "_for_update_arg", None) is None:
        return statement
    free = statement._generate()
    free._for_update_arg = None
    return free


def _into(kind: Any, dialect: Dialect) -> Convert | None:
    """None where the driver takes a value as it is."""
    convert: Convert | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return convert


def _out_of(kind: Any, dialect: Dialect) -> Convert | None:
    convert: Convert | None = kind.dialect_impl(dialect).result_processor(dialect, None)
    return convert
