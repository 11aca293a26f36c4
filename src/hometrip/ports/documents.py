"""The document storage port: records read whole, each with an `id` and a `version`, in declared
collections.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec

from hometrip.kernel.errors import Conflict
from hometrip.kernel.page import Page
from hometrip.kernel.record import Frozen
from hometrip.ports.outbox import EventTx, Outbox


class Record(Frozen):
    """What every document has. `version` is 1 when inserted and rises by one with each change."""

    id: UUID
    version: int = 1


R = TypeVar("R", bound=Record)


class Index(msgspec.Struct, frozen=True):
    """Fields are dotted paths into the record. `where` makes it partial: only records that match are in
    it.
    """

    name: str
    fields: tuple[str, ...]
    unique: bool = False
    where: Where | None = None


class Expiry(msgspec.Struct, frozen=True):
    """Records vanish some time after the instant in `field` (a datetime); reads do not see them from then
    on.
    """

    field: str


class TextIndex(msgspec.Struct, frozen=True):
    """Words of these fields can be searched with `search_text`, regardless of case and accents."""

    fields: tuple[str, ...]


class LocationIndex(msgspec.Struct, frozen=True):
    """`field` is `{lat, lng}`; records in a box are found with `within`."""

    field: str


class Collection(msgspec.Struct, Generic[R], frozen=True):
    """A declared collection: its name, its record type, and every index it has.

    `edition` rises with each change of the record that a program with the one before would not keep: it would
    write the record back without a new field. A storage that holds a later edition is not opened.
    """

    name: str
    record: type[R]
    indexes: tuple[Index, ...] = ()
    expiry: Expiry | None = None
    text: TextIndex | None = None
    location: LocationIndex | None = None
    edition: int = 1


class Where(msgspec.Struct, frozen=True):
    """A filter: one comparison, or a combination. Made by the functions below."""

    op: str
    field: str = ""
    value: Any = None
    parts: tuple[Where, ...] = ()

    def __and__(self, other: Where) -> Where:
        return Where("and", parts=(self, other))

    def __or__(self, other: Where) -> Where:
        return Where("or", parts=(self, other))


EVERY = Where("and")


def eq(field: str, value: Any) -> Where:
    """Equal; `eq(field, None)` also matches records without the field."""
    return Where("eq", field, value)


def ne(field: str, value: Any) -> Where:
    return Where("ne", field, value)


def lt(field: str, value: Any) -> Where:
    return Where("lt", field, value)


def le(field: str, value: Any) -> Where:
    return Where("le", field, value)


def gt(field: str, value: Any) -> Where:
    return Where("gt", field, value)


def ge(field: str, value: Any) -> Where:
    return Where("ge", field, value)


def one_of(field: str, values: Sequence[Any]) -> Where:
    return Where("in", field, tuple(values))


def has(field: str, value: Any) -> Where:
    """The list in `field` contains the value."""
    return Where("has", field, value)


def within(field: str, south: float, west: float, north: float, east: float) -> Where:
    """The `{lat, lng}` in `field` lies in the box; a box with west > east crosses the 180th meridian."""
    return Where("within", field, (south, west, north, east))


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Changes to fields of a record, applied together. Fields are dotted paths."""

    set: dict[str, Any] = {}
    inc: dict[str, int] = {}
    push: dict[str, Any] = {}
    pull: dict[str, Any] = {}


def apply(change: Change, plain: dict[str, Any]) -> None:
    """What a change does to a record, as JSON has it; objects on the way to a field are made if missing."""
    for path, value in change.set.items():
        holder, last = _holder(plain, path)
        if value is msgspec.UNSET:
            holder.pop(last, None)
        else:
            holder[last] = msgspec.to_builtins(value)
    for path, step in change.inc.items():
        holder, last = _holder(plain, path)
        holder[last] = (holder.get(last) or 0) + step
    for path, value in change.push.items():
        holder, last = _holder(plain, path)
        holder[last] = [*(holder.get(last) or ()), msgspec.to_builtins(value)]
    for path, value in change.pull.items():
        holder, last = _holder(plain, path)
        unwanted = msgspec.to_builtins(value)
        holder[last] = [member for member in holder.get(last) or () if member != unwanted]


def _holder(plain: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """The object that has the field, made where it is missing, and the field's own name."""
    *way, last = path.split(".")
    for step in way:
        inner = plain.get(step)
        if inner is None:
            inner = plain[step] = {}
        plain = inner
    return plain, last


class Duplicate(Conflict):
    """A record with this key exists already; `index` names the unique index that refused it."""

    code = "duplicate"


class DocumentReader(Protocol):
    """Reads. Records are fresh, frozen copies."""

    async def get(self, of: Collection[R], record_id: UUID) -> R | None: ...

    async def get_many(self, of: Collection[R], ids: Sequence[UUID]) -> list[R]:
        """In the order of `ids`; ids without a record are left out."""

    async def first(self, of: Collection[R], where: Where, sort: Sequence[str] = ()) -> R | None: ...

    async def find(
        self,
        of: Collection[R],
        where: Where = EVERY,
        *,
        sort: Sequence[str] = ("id",),
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[R]:
        """A page in order of `sort` (dotted paths, `-` in front for descending; the id breaks ties).

        The cursor stands for a position, so that records inserted or deleted meanwhile neither repeat nor
        hide
        others.
        """

    async def count(self, of: Collection[R], where: Where = EVERY) -> int: ...

    async def count_by(self, of: Collection[R], field: str, where: Where = EVERY) -> dict[str, int]:
        """How many records there are of each value of a field."""

    async def search_text(
        self, of: Collection[R], words: str, where: Where = EVERY, *, limit: int = 20
    ) -> list[R]:
        """Records that contain all the words (the last may be unfinished), the best match first."""


class DocumentTx(DocumentReader, EventTx, Protocol):
    """One short transaction; it sees its own writes."""

    async def insert(self, of: Collection[R], record: R) -> R:
        """`Duplicate` where a unique index or the id refuses it."""

    async def insert_many(self, of: Collection[R], records: Sequence[R]) -> None:
        """All or none; `Duplicate` as with `insert`. Made for thousands."""

    async def put_back(self, of: Collection[R], records: Sequence[R]) -> None:
        """Like `insert_many`, with the versions that they have: for records of another storage."""

    async def replace(self, of: Collection[R], record: R) -> R:
        """Put `record` in the place of the stored one *of the same version*, and answer it with the next
        version.

        `VersionMismatch` where the stored one has moved on, `NotFound` where there is none.
        """

    async def change(
        self, of: Collection[R], record_id: UUID, change: Change, when: Where = EVERY
    ) -> R | None:
        """Apply to the record if it matches `when`; the changed record, or None where it does not match."""

    async def upsert(self, of: Collection[R], record: R) -> R:
        """Insert, or replace whatever version is there; answers it with its version."""

    async def delete(self, of: Collection[R], record_id: UUID) -> bool:
        """Was there one?"""

    async def delete_where(self, of: Collection[R], where: Where) -> int: ...


class Documents(DocumentReader, Outbox, Protocol):
    """A service's own document database.

    - Reads outside a transaction see what is committed. `transaction()` commits at the end of the block, or
      rolls
      back all of it when the block raises; once the block has ended, what it wrote is on disk.
    - Declared indexes exist and are used; the unique ones referee.
    - An event emitted in a transaction is published after the commit, and only then.
    """

    def transaction(self) -> AbstractAsyncContextManager[DocumentTx]: ...

    def at_hand(self, of: Collection[R], record_id: UUID) -> R | None:
        """What `get` would answer, where that is known without waiting for anything; None where it is not,
        or there is no such record.
        """

    async def ready(self) -> None:
        """Answers, or raises `Unavailable`."""

    async def close(self) -> None: ...
