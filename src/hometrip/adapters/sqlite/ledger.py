"""Rows of outbox, inbox, timers and answers of a SQLite file, carried out of it and into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import msgspec

from hometrip.adapters.sqlite.events import EventWork, instant_of, micros_of
from hometrip.kernel.events import Envelope
from hometrip.ports.moving import Answered, Counted, Heard, K, Kept, Timer

_encode = msgspec.json.Encoder().encode
_envelope = msgspec.json.Decoder(Envelope).decode

# Each kind: its table, what its rows are in order of, its other columns, how a row is read and written.
Shape = tuple[str, str, str, Callable[[Any], Any], Callable[[Any], tuple[Any, ...]]]
SHAPES: dict[type[Any], Shape] = {
    Counted: (
        "subjects",
        "subject",
        "subject, last",
        lambda row: Counted(*row),
        lambda one: (one.subject, one.last),
    ),
    Heard: (
        "inbox",
        "row",
        "event_id, effect, at",
        lambda row: Heard(UUID(bytes=row[0]), row[1], instant_of(row[2])),
        lambda one: (one.event_id.bytes, one.effect, micros_of(one.at)),
    ),
    Answered: (
        "answers",
        "row",
        "scope, key, fingerprint, status, body, at",
        lambda row: Answered(row[0], row[1], row[2], row[3], row[4], instant_of(row[5])),
        lambda one: (one.scope, one.key, one.fingerprint, one.status, one.body, micros_of(one.at)),
    ),
    Timer: (
        "timers",
        "rowid",
        "key, due_at, name, version, subject, event, cause",
        lambda row: Timer(row[0], instant_of(row[1]), *row[2:]),
        lambda one: (
            one.key,
            micros_of(one.due_at),
            one.name,
            one.version,
            one.subject,
            one.data,
            one.cause,
        ),
    ),
    Kept: (
        "outbox",
        "seq",
        "id, subject, subject_sequence, name, occurred_at, envelope, sent_at",
        lambda row: Kept(_envelope(row[5]), row[6] is not None),
        lambda one: _outbox_row(one.envelope, one.sent),
    ),
}


def _outbox_row(envelope: Envelope, sent: bool) -> tuple[Any, ...]:
    """When it was sent elsewhere nobody knows any more; it grows old from when it occurred."""
    at = micros_of(envelope.occurred_at)
    return (
        envelope.id.bytes,
        envelope.subject,
        envelope.sequence,
        envelope.name,
        at,
        _encode(envelope),
        at if sent else None,
    )


class SqliteLedger:
    """The part of a storage that moves; it keeps the promises of `ports.moving.Ledger`."""

    _rows: Callable[..., list[Any]]
    transaction: Callable[[], AbstractAsyncContextManager[EventWork]]

    async def held(self, kind: type[Any]) -> int:
        return int(self._rows(f"SELECT count(*) FROM {SHAPES[kind][0]}")[0][0])

    async def carry_out(self, kind: type[K], after: Any, limit: int) -> tuple[list[K], Any]:
        table, order, columns, read, _ = SHAPES[kind]
        behind = "" if after is None else f"WHERE {order} > ?"
        bound: list[Any] = [] if after is None else [after]
        found = self._rows(
            f"SELECT {order}, {columns} FROM {table} {behind} ORDER BY {order} LIMIT ?", [*bound, limit]
        )
        return [read(row[1:]) for row in found], found[-1][0] if found else after

    async def carry_in(self, rows: Sequence[Any]) -> None:
        if not rows:
            return
        table, _, columns, _, write = SHAPES[type(rows[0])]
        marks = ", ".join("?" for _ in columns.split(","))
        async with self.transaction() as tx:
            tx.link.executemany(
                f"INSERT INTO {table} ({columns}) VALUES ({marks})", [write(row) for row in rows]
            )
