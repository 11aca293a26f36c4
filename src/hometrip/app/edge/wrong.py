"""What is wrong with a body, all of it: msgspec stops at the first field, and whoever mends that one would be
told of the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from hometrip.app.edge.problems import field_error
from hometrip.kernel.errors import FieldError

# Nobody mends more at once, and a body can have thousands.
MOST = 20


def wrong_fields(kind: Any, given: Any) -> list[FieldError]:
    """Of a body that was to be a `kind`, in the order of its fields, at most `MOST`. None: all is well."""
    return list(islice(_wrong(kind, given, ""), MOST))


def _wrong(kind: Any, given: Any, at: str) -> Iterator[FieldError]:
    """A whole is looked at (do its fields agree?) where its parts are well."""
    well = True
    for each in _wrong_parts(kind, given, at):
        well = False
        yield each
    if well:
        try:
            msgspec.convert(given, kind)
        except msgspec.ValidationError as wrong:
            yield field_error(str(wrong), at)


def _wrong_parts(kind: Any, given: Any, at: str) -> Iterator[FieldError]:
    if isinstance(given, dict) and (record := _record_in(kind)) is not None:
        fields = _fields_of(record)
        for name, (part, needed) in fields.items():
            if name in given:
                yield from _wrong(part, given[name], f"{at}.{name}")
            elif needed:
                yield field_error(f"Object missing required field `{name}`", at)
        if record.__struct_config__.forbid_unknown_fields:
            for name in given:
                if name not in fields:
                    yield field_error(f"Object contains unknown field `{name}`", at)
    elif isinstance(given, list) and (part := _item_in(kind)) is not None:
        for place, value in enumerate(given):
            yield from _wrong(part, value, f"{at}[{place}]")


@cache
def _record_in(kind: Any) -> Any:
    """The one record that it can be; None where it is something else, or one of several."""
    records = [one for one in _kinds_in(kind) if isinstance(one, type) and issubclass(one, msgspec.Struct)]
    return records[0] if len(records) == 1 else None


@cache
def _item_in(kind: Any) -> Any:
    """The kind of the items, where it can be a list."""
    lists = [one for one in _kinds_in(kind) if get_origin(one) in (list, tuple, set, frozenset)]
    items = [each for each in get_args(lists[0]) if each is not ...] if len(lists) == 1 else []
    return items[0] if len(items) == 1 else None


def _kinds_in(kind: Any) -> list[Any]:
    """Of a union, each; without what is said of it besides (`Annotated`)."""
    if hasattr(kind, "__metadata__"):
        return _kinds_in(kind.__origin__)
    if get_origin(kind) in (Union, UnionType):
        return [one for each in get_args(kind) for one in _kinds_in(each)]
    return [kind]


@cache
def _fields_of(record: Any) -> dict[str, tuple[Any, bool]]:
    """By their names in JSON: their kinds, and whether they must be there."""
    return {field.encode_name: (field.type, field.required) for field in msgspec.structs.fields(record)}
