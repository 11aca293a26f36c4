"""The part of a transaction that speaks of events, in MongoDB.

It has the turn (see `mongo_link.py`), so what it looks up nobody changes until its commit. What is emitted,
and timers that are set or taken back, are written just before it.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from pymongo import ReplaceOne, UpdateOne

from hometrip.adapters.documents.mongo_instants import micros_of
from hometrip.adapters.documents.mongo_link import Document, MongoLink, Session
from hometrip.kernel.clock import DAY, Clock
from hometrip.kernel.errors import AlreadyAnswered, KeyReused
from hometrip.kernel.events import Cause, Envelope, Event, current_cause
from hometrip.kernel.ids import NewId
from hometrip.kernel.once import Once, answer_of

# Every event that is kept, by its id, with its `envelope` as JSON; those of them that were not sent, and
# which relay holds them until when; the last number of each subject; what was heard, what is to be said
# later, and what was answered. Instants are whole microseconds since 1970, `position` is the order of the
# commits.
OUTBOX, UNSENT, SUBJECTS = "hometrip_outbox", "hometrip_unsent", "hometrip_subjects"
INBOX, TIMERS, ANSWERS = "hometrip_inbox", "hometrip_timers", "hometrip_answers"
INDEXES: dict[str, dict[str, dict[str, Any]]] = {
    OUTBOX: {
        "by_position": {"key": {"position": 1}},
        "by_subject": {"key": {"subject": 1, "sequence": 1}, "unique": True},
        "by_at": {"key": {"at": 1}},
    },
    UNSENT: {"by_position": {"key": {"position": 1}}},
    SUBJECTS: {},
    INBOX: {"by_at": {"key": {"at": 1}}},
    TIMERS: {"by_due": {"key": {"due": 1, "position": 1}}},
    ANSWERS: {"by_at": {"key": {"at": 1}}},
}
ANSWER = DAY
# So many positions has a transaction.
_PLACES = 1 << 20

_encode = msgspec.json.Encoder().encode
_cause = msgspec.json.Decoder(Cause).decode


class Emitted(msgspec.Struct, frozen=True):
    """An event that waits for its sequence."""

    event_id: UUID
    subject: str
    name: str
    version: int
    at: datetime
    cause: Cause
    data: bytes


class EventWork:
    """A transaction that can speak of events; it keeps the promises of `ports.outbox.EventTx`.

    Who commits it calls `flush` just before, and `end` afterwards. `spoke` tells that it emitted or set a
    timer.
    """

    def __init__(
        self, link: MongoLink, session: Session, number: int, service: str, clock: Clock, new_id: NewId
    ) -> None:
        self.link, self._session = link, session
        self.service, self.clock, self.new_id = service, clock, new_id
        self.spoke, self._ended = False, False
        self._position = number * _PLACES
        self._emitted: list[Emitted] = []
        # Each timer that is set, or None where it is withdrawn.
        self._timers: dict[str, Document | None] = {}

    @property
    def session(self) -> Session:
        if self._ended:
            raise RuntimeError("this transaction has ended")
        return self._session

    def end(self) -> None:
        self._ended = True

    async def emit(self, event: Event) -> None:
        _ = self.session
        self._emitted.append(
            Emitted(
                self.new_id(),
                event.subject,
                event.name,
                event.data_version,
                self.clock.now(),
                current_cause.get(),
                _encode(_bare(event)),
            )
        )
        self.spoke = True

    async def emit_later(self, event: Event, at: datetime, *, key: str = "") -> None:
        _ = self.session
        key = key or f"{event.name}:{event.subject}"
        self._timers[key] = {
            "_id": key,
            "due": micros_of(at),
            "name": event.name,
            "version": event.data_version,
            "subject": event.subject,
            "data": _encode(_bare(event)).decode(),
            "cause": _encode(current_cause.get()).decode(),
        }
        self.spoke = True

    async def withdraw(self, key: str) -> None:
        _ = self.session
        self._timers[key] = None

    async def first_time(self, event: Event, effect: str) -> bool:
        if event.event_id is None:
            raise ValueError("only an event that was heard has an id to be known by")
        mark, inbox = f"{event.event_id} {effect}", self.link[INBOX]
        if await inbox.find_one({"_id": mark}, session=self.session) is not None:
            return False
        await inbox.insert_one({"_id": mark, "at": micros_of(self.clock.now())}, session=self.session)
        return True

    async def once(self, once: Once) -> None:
        if not once:
            return
        now, answers = self.clock.now(), self.link[ANSWERS]
        kept = await answers.find_one({"_id": _key_of(once)}, session=self.session)
        if kept is not None and kept["at"] > micros_of(now - ANSWER):
            if kept["fingerprint"] != once.fingerprint:
                raise KeyReused
            if kept["body"] is not None:
                raise AlreadyAnswered(status=kept["status"], answer=kept["body"].encode())
        claimed = {
            "_id": _key_of(once),
            "fingerprint": once.fingerprint,
            "status": once.status,
            "body": None,
            "at": micros_of(now),
        }
        if kept is None:
            await answers.insert_one(claimed, session=self.session)
        else:
            await answers.replace_one({"_id": claimed["_id"]}, claimed, session=self.session)

    async def answer(self, once: Once, record: Any) -> None:
        if not once:
            return
        kept = await self.link[ANSWERS].update_one(
            {"_id": _key_of(once)},
            {"$set": {"status": once.status, "body": answer_of(record).decode()}},
            session=self.session,
        )
        if not kept.matched_count:
            raise LookupError("this key was not claimed with once()")

    async def fire_due(self, now: datetime, limit: int) -> int:
        """Up to `limit` due timers become events that occurred `now`, the earliest first."""
        timers = self.link[TIMERS]
        due = await timers.find(
            {"due": {"$lte": micros_of(now)}},
            sort=[("due", 1), ("position", 1)],
            limit=limit,
            session=self.session,
        ).to_list()
        for timer in due:
            data, cause = timer["data"].encode(), _cause(timer["cause"])
            self._emitted.append(
                Emitted(self.new_id(), timer["subject"], timer["name"], timer["version"], now, cause, data)
            )
        if due:
            self.spoke = True
            await timers.delete_many({"_id": {"$in": [timer["_id"] for timer in due]}}, session=self.session)
        return len(due)

    async def flush(self) -> None:
        """Write what was put off."""
        if self._timers:
            await self._write_timers()
        if self._emitted:
            await self._write_events()

    async def _write_timers(self) -> None:
        timers = self.link[TIMERS]
        if withdrawn := [key for key, timer in self._timers.items() if timer is None]:
            await timers.delete_many({"_id": {"$in": withdrawn}}, session=self.session)
        if wanted := [timer for timer in self._timers.values() if timer is not None]:
            for timer in wanted:
                timer["position"] = self.next_position()
            await timers.bulk_write(
                [ReplaceOne({"_id": timer["_id"]}, timer, upsert=True) for timer in wanted],
                session=self.session,
            )
        self._timers = {}

    async def _write_events(self) -> None:
        counts = Counter(one.subject for one in self._emitted)
        subjects = self.link[SUBJECTS]
        known = subjects.find({"_id": {"$in": list(counts)}}, session=self.session)
        next_of = {row["_id"]: row["last"] + 1 async for row in known}
        rows = []
        for one in self._emitted:
            sequence = next_of.get(one.subject, 1)
            next_of[one.subject] = sequence + 1
            rows.append(self._row(one, sequence))
        await subjects.bulk_write(
            [
                UpdateOne({"_id": name}, {"$set": {"last": after - 1}}, upsert=True)
                for name, after in next_of.items()
            ],
            session=self.session,
        )
        await self.link[OUTBOX].insert_many(rows, session=self.session)
        await self.link[UNSENT].insert_many(
            [
                {
                    "_id": row["_id"],
                    "position": row["position"],
                    "subject": row["subject"],
                    "relay": "",
                    "until": 0,
                }
                for row in rows
            ],
            session=self.session,
        )
        self._emitted = []

    def _row(self, one: Emitted, sequence: int) -> Document:
        envelope = Envelope(
            id=one.event_id,
            name=one.name,
            version=one.version,
            occurred_at=one.at,
            producer=self.service,
            subject=one.subject,
            sequence=sequence,
            correlation_id=one.cause.correlation_id or str(one.event_id),
            causation_id=one.cause.causation_id,
            traceparent=one.cause.traceparent,
            data=msgspec.Raw(one.data),
        )
        return {
            "_id": str(one.event_id),
            "position": self.next_position(),
            "subject": one.subject,
            "sequence": sequence,
            "at": micros_of(one.at),
            "envelope": _encode(envelope).decode(),
        }

    def next_position(self) -> int:
        self._position += 1
        return self._position


def _bare(event: Event) -> Event:
    return event if event.event_id is None else msgspec.structs.replace(event, event_id=None)


def _key_of(once: Once) -> str:
    return f"{once.scope}\n{once.key}"
