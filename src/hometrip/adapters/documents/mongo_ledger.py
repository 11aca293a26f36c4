"""Rows of outbox, inbox, timers and answers of a MongoDB database, carried out of it and into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import msgspec

from hometrip.adapters.documents.mongo_events import (
    ANSWERS,
    INBOX,
    OUTBOX,
    SUBJECTS,
    TIMERS,
    UNSENT,
    EventWork,
)
from hometrip.adapters.documents.mongo_instants import instant_of, micros_of
from hometrip.adapters.documents.mongo_link import Document, MongoLink
from hometrip.kernel.events import Envelope
from hometrip.ports.moving import Answered, Counted, Heard, K, Kept, Timer

# Each kind: its collection, and what its rows are in order of, before their id.
SHAPES: dict[type[Any], tuple[str, str]] = {
    Counted: (SUBJECTS, ""),
    Heard: (INBOX, "at"),
    Answered: (ANSWERS, "at"),
    Timer: (TIMERS, "position"),
    Kept: (OUTBOX, "position"),
}
_encode = msgspec.json.Encoder().encode
_envelope = msgspec.json.Decoder(Envelope).decode


class MongoLedger:
    """The part of a storage that moves; it keeps the promises of `ports.moving.Ledger`."""

    link: MongoLink
    transaction: Callable[[], AbstractAsyncContextManager[EventWork]]

    async def held(self, kind: type[Any]) -> int:
        async with self.link.asking():
            return await self.link[SHAPES[kind][0]].count_documents({})

    async def carry_out(self, kind: type[K], after: Any, limit: int) -> tuple[list[K], Any]:
        name, first = SHAPES[kind]
        order = [first, "_id"] if first else ["_id"]
        async with self.link.asking():
            found = (
                await self.link[name]
                .find(_behind(order, after), sort=[(field, 1) for field in order], limit=limit)
                .to_list()
            )
            waiting: set[str] = set()
            if kind is Kept:
                ids = {"_id": {"$in": [row["_id"] for row in found]}}
                waiting = {row["_id"] async for row in self.link[UNSENT].find(ids)}
        rows: list[Any] = [_read(kind, row, row["_id"] not in waiting) for row in found]
        return rows, [found[-1][field] for field in order] if found else after

    async def carry_in(self, rows: Sequence[Any]) -> None:
        if not rows:
            return
        kind = type(rows[0])
        async with self.transaction() as tx:
            documents = [_write(one, tx.next_position) for one in rows]
            await self.link[SHAPES[kind][0]].insert_many(documents, session=tx.session)
            if kind is not Kept:
                return
            unsent = [_unsent(row) for row, one in zip(documents, rows, strict=True) if not one.sent]
            if unsent:
                await self.link[UNSENT].insert_many(unsent, session=tx.session)


def _behind(order: list[str], after: Any) -> Document:
    if after is None:
        return {}
    if len(order) == 1:
        return {order[0]: {"$gt": after[0]}}
    first, last = order
    return {"$or": [{first: {"$gt": after[0]}}, {first: {"$eq": after[0]}, last: {"$gt": after[1]}}]}


def _read(kind: type[Any], row: Document, sent: bool) -> Any:
    if kind is Kept:
        return Kept(_envelope(row["envelope"]), sent)
    if kind is Counted:
        return Counted(row["_id"], row["last"])
    if kind is Heard:
        event_id, _, effect = row["_id"].partition(" ")
        return Heard(UUID(event_id), effect, instant_of(row["at"]))
    if kind is Answered:
        scope, _, key = row["_id"].partition("\n")
        body = None if row["body"] is None else row["body"].encode()
        return Answered(scope, key, row["fingerprint"], row["status"], body, instant_of(row["at"]))
    told = (row["name"], row["version"], row["subject"], row["data"].encode(), row["cause"].encode())
    return Timer(row["_id"], instant_of(row["due"]), *told)


def _write(one: Any, position: Callable[[], int]) -> Document:
    match one:
        case Kept(envelope):
            return {
                "_id": str(envelope.id),
                "position": position(),
                "subject": envelope.subject,
                "sequence": envelope.sequence,
                "at": micros_of(envelope.occurred_at),
                "envelope": _encode(envelope).decode(),
            }
        case Counted(subject, last):
            return {"_id": subject, "last": last}
        case Heard(event_id, effect, at):
            return {"_id": f"{event_id} {effect}", "at": micros_of(at)}
        case Answered(scope, key, fingerprint, status, body, at):
            told = {"fingerprint": fingerprint, "status": status, "body": body and body.decode()}
            return {"_id": f"{scope}\n{key}", **told, "at": micros_of(at)}
    return {
        "_id": one.key,
        "position": position(),
        "due": micros_of(one.due_at),
        "name": one.name,
        "version": one.version,
        "subject": one.subject,
        "data": one.data.decode(),
        "cause": one.cause.decode(),
    }


def _unsent(row: Document) -> Document:
    return {name: row[name] for name in ("_id", "position", "subject")} | {"relay": "", "until": 0}
