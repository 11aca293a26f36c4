"""Outbox, inbox, timers and kept answers in a SQLite file, written in the transaction of their effect.

Instants are stored as whole microseconds since 1970. The rows of `outbox` are numbered in the order of the
commits, because there is one writer at a time.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from hometrip.adapters.sqlite.links import Link
from hometrip.adapters.sqlite.turn import Work
from hometrip.kernel.clock import DAY, Clock
from hometrip.kernel.errors import AlreadyAnswered, KeyReused
from hometrip.kernel.events import Cause, Envelope, Event, current_cause, sealed
from hometrip.kernel.ids import NewId
from hometrip.kernel.once import Once, answer_of
from hometrip.ports.database import Unexpected

TABLES = """
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY, id BLOB NOT NULL, subject TEXT NOT NULL, subject_sequence INTEGER NOT NULL,
    name TEXT NOT NULL, occurred_at INTEGER NOT NULL, envelope BLOB NOT NULL, sent_at INTEGER
);
-- Unsent rows are the NULLs at its beginning, in order of seq (the others wait to be forgotten).
CREATE INDEX IF NOT EXISTS outbox_by_sent_at ON outbox (sent_at);
CREATE INDEX IF NOT EXISTS outbox_by_subject ON outbox (subject, subject_sequence);
CREATE TABLE IF NOT EXISTS claims (
    seq INTEGER PRIMARY KEY, subject TEXT NOT NULL, relay TEXT NOT NULL, until INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS subjects (subject TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inbox (
    row INTEGER PRIMARY KEY, event_id BLOB NOT NULL, effect TEXT NOT NULL, at INTEGER NOT NULL,
    UNIQUE (event_id, effect)
);
CREATE TABLE IF NOT EXISTS timers (
    key TEXT PRIMARY KEY, due_at INTEGER NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
    subject TEXT NOT NULL, event BLOB NOT NULL, cause BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS timers_by_due_at ON timers (due_at);
CREATE TABLE IF NOT EXISTS answers (
    row INTEGER PRIMARY KEY, scope TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL, body BLOB, at INTEGER NOT NULL,
    UNIQUE (scope, key)
);
"""
TABLE_NAMES = frozenset({"outbox", "claims", "subjects", "inbox", "timers", "answers"})

ANSWER = DAY
_START = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)

_encode = msgspec.json.Encoder().encode


def micros_of(at: datetime) -> int:
    """Whole microseconds since 1970 of an aware instant."""
    return (at - _START) // _MICRO


def instant_of(micros: int) -> datetime:
    return _START + timedelta(microseconds=micros)


class EventWork(Work):
    """A transaction that can speak of events; it keeps the promises of `ports.outbox.EventTx`."""

    def __init__(self, link: sqlite3.Connection, service: str, clock: Clock, new_id: NewId) -> None:
        super().__init__(link)
        self.service, self.clock, self.new_id = service, clock, new_id

    async def emit(self, event: Event) -> None:
        subject = event.subject
        envelope = sealed(
            event,
            event_id=self.new_id(),
            at=self.clock.now(),
            producer=self.service,
            sequence=self._next_of(subject),
            cause=current_cause.get(),
            subject=subject,
        )
        self._post(envelope)

    async def emit_later(self, event: Event, at: datetime, *, key: str = "") -> None:
        bare = event if event.event_id is None else msgspec.structs.replace(event, event_id=None)
        subject = event.subject
        self.link.run(
            "INSERT INTO timers (key, due_at, name, version, subject, event, cause) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
            "due_at = excluded.due_at, name = excluded.name, version = excluded.version, "
            "subject = excluded.subject, event = excluded.event, cause = excluded.cause",
            (
                key or f"{event.name}:{subject}",
                micros_of(at),
                event.name,
                event.data_version,
                subject,
                _encode(bare),
                _encode(current_cause.get()),
            ),
        )
        self.spoke = True

    async def withdraw(self, key: str) -> None:
        self.link.run("DELETE FROM timers WHERE key = ?", (key,))

    async def first_time(self, event: Event, effect: str) -> bool:
        if event.event_id is None:
            raise ValueError("only an event that was heard has an id to be known by")
        marked = self.link.run(
            "INSERT INTO inbox (event_id, effect, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (event.event_id.bytes, effect, micros_of(self.clock.now())),
        )
        return marked.rowcount == 1

    async def once(self, once: Once) -> None:
        if not once:
            return
        now = self.clock.now()
        kept = self.link.run(
            "SELECT fingerprint, status, body FROM answers WHERE scope = ? AND key = ? AND at > ?",
            (once.scope, once.key, micros_of(now - ANSWER)),
        ).fetchall()
        if kept:
            [(fingerprint, status, body)] = kept
            if fingerprint != once.fingerprint:
                raise KeyReused
            if body is not None:
                raise AlreadyAnswered(status=status, answer=body)
        self.link.run(
            "INSERT OR REPLACE INTO answers (scope, key, fingerprint, status, at) VALUES (?, ?, ?, ?, ?)",
            (once.scope, once.key, once.fingerprint, once.status, micros_of(now)),
        )

    async def answer(self, once: Once, record: Any) -> None:
        if not once:
            return
        kept = self.link.run(
            "UPDATE answers SET status = ?, body = ? WHERE scope = ? AND key = ?",
            (once.status, answer_of(record), once.scope, once.key),
        )
        if kept.rowcount != 1:
            raise LookupError("this key was not claimed with once()")

    async def answer_first(self, once: Once, record: Any) -> None:
        if not once:
            return
        claim = (once.scope, once.key, once.fingerprint, once.status, micros_of(self.clock.now()))
        try:
            self.link.run(
                "INSERT INTO answers (scope, key, fingerprint, status, at, body) VALUES (?, ?, ?, ?, ?, ?)",
                (*claim, answer_of(record)),
            )
        except sqlite3.IntegrityError:
            raise Unexpected from None

    def _next_of(self, subject: str) -> int:
        counted = self.link.run(
            "INSERT INTO subjects (subject, last) VALUES (?, 1) "
            "ON CONFLICT (subject) DO UPDATE SET last = last + 1 RETURNING last",
            (subject,),
        ).fetchall()
        return int(counted[0][0])

    def _post(self, envelope: Envelope) -> None:
        self.link.run(
            "INSERT INTO outbox (id, subject, subject_sequence, name, occurred_at, envelope) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (
                envelope.id.bytes,
                envelope.subject,
                envelope.sequence,
                envelope.name,
                micros_of(envelope.occurred_at),
                _encode(envelope),
            ),
        )
        self.spoke = True

    def fire_due(self, now: datetime, limit: int) -> int:
        """Up to `limit` due timers become events that occurred `now`, the earliest first."""
        due = self.link.run(
            "SELECT key, name, version, subject, event, cause FROM timers WHERE due_at <= ? "
            "ORDER BY due_at, rowid LIMIT ?",
            (micros_of(now), limit),
        ).fetchall()
        for key, name, version, subject, event, cause in due:
            because, event_id = msgspec.json.decode(cause, type=Cause), self.new_id()
            self._post(
                Envelope(
                    id=event_id,
                    name=name,
                    version=version,
                    occurred_at=now,
                    producer=self.service,
                    subject=subject,
                    sequence=self._next_of(subject),
                    correlation_id=because.correlation_id or str(event_id),
                    causation_id=because.causation_id,
                    traceparent=because.traceparent,
                    data=msgspec.Raw(event),
                )
            )
            self.link.run("DELETE FROM timers WHERE key = ?", (key,))
        return len(due)


def create_tables(link: Link) -> None:
    """What this module needs, inside the transaction that is open on `link`."""
    for statement in TABLES.split(";"):
        link.execute(statement)
