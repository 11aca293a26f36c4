"""Rows of outbox, inbox, timers and answers of a PostgreSQL database, carried out of it and into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec

from hometrip.adapters.postgres.pool import PostgresPool
from hometrip.adapters.postgres.work import EventWork
from hometrip.kernel.events import Envelope
from hometrip.ports.moving import Answered, Counted, Heard, K, Kept, Timer

# Each kind: its table, what its rows are in order of, its columns.
SHAPES: dict[type[Any], tuple[str, str, str]] = {
    Counted: ("subjects", "subject", "subject last"),
    Heard: ("inbox", "at, event_id, effect", "event_id effect at"),
    Answered: ("answers", "at, scope, key", "scope key fingerprint status body at"),
    Timer: ("timers", "position", "key due_at name version subject data cause"),
    Kept: (
        "outbox",
        "position",
        "id name version occurred_at producer subject sequence correlation_id causation_id traceparent data",
    ),
}
_SENT = "NOT EXISTS (SELECT 1 FROM unsent WHERE unsent.position = outbox.position)"


class PostgresLedger:
    """The part of a storage that moves; it keeps the promises of `ports.moving.Ledger`."""

    pool: PostgresPool
    transaction: Callable[[], AbstractAsyncContextManager[EventWork]]

    async def held(self, kind: type[Any]) -> int:
        async with self.pool.link() as link:
            return int(await link.fetchval(f"SELECT count(*) FROM {SHAPES[kind][0]}"))

    async def carry_out(self, kind: type[K], after: Any, limit: int) -> tuple[list[K], Any]:
        table, order, columns = SHAPES[kind]
        names: list[str] = columns.split()
        ordered: list[str] = order.split(", ")
        behind, bound = "", list[Any]()
        if after is not None:
            marks = ", ".join(f"${number}" for number, _ in enumerate(ordered, 1))
            behind, bound = f"WHERE ({order}) > ({marks})", list(after)
        chosen = ", ".join([*names, *(name for name in ordered if name not in names)])
        chosen += f", {_SENT} AS sent" if kind is Kept else ""
        async with self.pool.link() as link:
            found = await link.fetch(
                f"SELECT {chosen} FROM {table} {behind} ORDER BY {order} LIMIT {limit}", *bound
            )
        rows: list[Any] = [_read(kind, {name: row[name] for name in names}, row) for row in found]
        return rows, tuple(found[-1][name] for name in ordered) if found else after

    async def carry_in(self, rows: Sequence[Any]) -> None:
        if not rows:
            return
        kind = type(rows[0])
        table, _, columns = SHAPES[kind]
        names = columns.split()
        facts = [one.envelope if kind is Kept else one for one in rows]
        records = [tuple(_plain(getattr(one, name)) for name in names) for one in facts]
        async with self.transaction() as tx:
            await tx.link.copy_records_to_table(table, columns=names, records=records)
            if unsent := [one.envelope.id for one in rows if kind is Kept and not one.sent]:
                await tx.link.execute(
                    "INSERT INTO unsent (position, id, subject) "
                    "SELECT position, id, subject FROM outbox WHERE id = ANY($1) AND position > "
                    "(SELECT coalesce(max(position), 0) FROM unsent) ORDER BY position",
                    unsent,
                )


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, msgspec.Raw) else value


def _read(kind: type[Any], fields: dict[str, Any], row: Any) -> Any:
    if kind is Kept:
        return Kept(Envelope(**{**fields, "data": msgspec.Raw(fields["data"])}), row["sent"])
    return kind(**fields)
