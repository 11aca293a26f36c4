"""Outbox, inbox, timers and kept answers in a SQLite file, written in the transaction of their effect.

Instants are stored as whole microseconds since 1970. The rows of `outbox` are numbered in the order of the
commits, because there is one writer at a time.
"""

from __future__ import annotations

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec

from hometrip.adapters.sqlite.file import SqliteFile, Turn, Work
from hometrip.adapters.sqlite.links import fetch
from hometrip.kernel.clock import DAY, MINUTE, Clock
from hometrip.kernel.errors import AlreadyAnswered, KeyReused
from hometrip.kernel.events import Cause, Envelope, Event, current_cause, sealed
from hometrip.kernel.ids import NewId
from hometrip.kernel.once import Once, answer_of
from hometrip.ports.outbox import Unsent

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

CLAIM, ANSWER = MINUTE, DAY
_START = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)
# So many rows at most go in one transaction of housekeeping, so that others get their turn.
BATCH = 1000

_encode = msgspec.json.Encoder().encode
_envelope = msgspec.json.Decoder(Envelope).decode


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
        self.link.execute(
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
        self.link.execute("DELETE FROM timers WHERE key = ?", (key,))

    async def first_time(self, event: Event, effect: str) -> bool:
        if event.event_id is None:
            raise ValueError("only an event that was heard has an id to be known by")
        marked = self.link.execute(
            "INSERT INTO inbox (event_id, effect, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (event.event_id.bytes, effect, micros_of(self.clock.now())),
        )
        return marked.rowcount == 1

    async def once(self, once: Once) -> None:
        if not once:
            return
        now = self.clock.now()
        kept = self.link.execute(
            "SELECT fingerprint, status, body FROM answers WHERE scope = ? AND key = ? AND at > ?",
            (once.scope, once.key, micros_of(now - ANSWER)),
        ).fetchone()
        if kept is not None:
            fingerprint, status, body = kept
            if fingerprint != once.fingerprint:
                raise KeyReused
            if body is not None:
                raise AlreadyAnswered(status=status, answer=body)
        self.link.execute(
            "INSERT OR REPLACE INTO answers (scope, key, fingerprint, status, at) VALUES (?, ?, ?, ?, ?)",
            (once.scope, once.key, once.fingerprint, once.status, micros_of(now)),
        )

    async def answer(self, once: Once, record: Any) -> None:
        if not once:
            return
        kept = self.link.execute(
            "UPDATE answers SET status = ?, body = ? WHERE scope = ? AND key = ?",
            (once.status, answer_of(record), once.scope, once.key),
        )
        if kept.rowcount != 1:
            raise LookupError("this key was not claimed with once()")

    def _next_of(self, subject: str) -> int:
        counted = self.link.execute(
            "INSERT INTO subjects (subject, last) VALUES (?, 1) "
            "ON CONFLICT (subject) DO UPDATE SET last = last + 1 RETURNING last",
            (subject,),
        ).fetchall()
        return int(counted[0][0])

    def _post(self, envelope: Envelope) -> None:
        self.link.execute(
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
        due = self.link.execute(
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
            self.link.execute("DELETE FROM timers WHERE key = ?", (key,))
        return len(due)


T = TypeVar("T", bound=EventWork)


class SqliteOutbox(ABC, Generic[T]):
    """The part of a storage that the relay uses; it keeps the promises of `ports.outbox.Outbox`.

    One process owns the relay of a file: the first to claim holds a lock for as long as it lives. A relay
    that gets the lock frees what its predecessor had claimed, so that a restart need not wait until claims
    end; one that does not get it (a second process on the file) still claims, but waits for the claims of
    the other.

    `wait_for_unsent` hears the commits of its own process; those of another are found after the time-out.
    """

    def __init__(self, file: SqliteFile, service: str, clock: Clock, new_id: NewId) -> None:
        self.file, self.service, self.clock, self.new_id = file, service, clock, new_id
        self._relay = new_id().hex
        self._claimed: dict[UUID, int] = {}
        self._heard: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()
        self._heard_when_due = 0
        self._lock: sqlite3.Connection | None = None
        self._owns = False

    @abstractmethod
    def _work(self, link: sqlite3.Connection) -> T:
        """What a transaction of this storage can do."""

    def transaction(self) -> Turn[T]:
        return self.file.transaction(self._work)

    async def claim(self, limit: int) -> list[Envelope]:
        now = micros_of(self.clock.now())
        if not self._one("SELECT EXISTS (SELECT 1 FROM outbox WHERE sent_at IS NULL)"):
            return []
        async with self.transaction() as tx:
            if self._became_owner():
                tx.link.execute("DELETE FROM claims WHERE relay <> ?", (self._relay,))
            rows = self._claimable(tx.link, limit, now)
            tx.link.executemany(
                "INSERT OR REPLACE INTO claims (seq, subject, relay, until) VALUES (?, ?, ?, ?)",
                [(seq, subject, self._relay, now + CLAIM // _MICRO) for seq, subject, _ in rows],
            )
        envelopes = [_envelope(envelope) for *_, envelope in rows]
        self._claimed.update({e.id: seq for e, (seq, *_) in zip(envelopes, rows, strict=True)})
        return envelopes

    async def sent(self, ids: list[UUID]) -> None:
        now = micros_of(self.clock.now())
        async with self.transaction() as tx:
            seqs = self._seqs_of(tx.link, ids)
            tx.link.executemany("UPDATE outbox SET sent_at = ? WHERE seq = ?", [(now, seq) for seq in seqs])
            tx.link.executemany("DELETE FROM claims WHERE seq = ?", [(seq,) for seq in seqs])
        self._let_go(ids)

    async def release(self, ids: list[UUID]) -> None:
        async with self.transaction() as tx:
            seqs = self._seqs_of(tx.link, ids)
            tx.link.executemany("DELETE FROM claims WHERE seq = ?", [(seq,) for seq in seqs])
        self._let_go(ids)

    async def fire_due(self, now: datetime) -> int:
        fired, more = 0, await self.next_due()
        while more is not None and more <= now:
            async with self.transaction() as tx:
                fired += tx.fire_due(now, BATCH)
            more = await self.next_due()
        return fired

    async def next_due(self) -> datetime | None:
        self._heard_when_due = self.file.news
        due = self._one("SELECT min(due_at) FROM timers")
        return None if due is None else instant_of(due)

    async def unsent(self) -> Unsent:
        count, oldest = self._rows(
            "SELECT (SELECT count(*) FROM outbox WHERE sent_at IS NULL), "
            "(SELECT occurred_at FROM outbox WHERE sent_at IS NULL ORDER BY seq LIMIT 1)"
        )[0]
        return Unsent(count, None if oldest is None else instant_of(oldest))

    async def wait_for_unsent(self, timeout: float) -> None:
        """As the port says. News that came since the same task waited last are not missed; for a task that
        waits for the first time, those that came since `next_due`.
        """
        task, file = asyncio.current_task(), self.file
        assert task is not None
        if file.news == self._heard.get(task, self._heard_when_due):
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await file.next_news.wait()
        self._heard[task] = file.news

    async def history(self, subject: str) -> list[Envelope]:
        kept = self._rows(
            "SELECT envelope FROM outbox WHERE subject = ? ORDER BY subject_sequence", (subject,)
        )
        return [_envelope(envelope) for (envelope,) in kept]

    async def recent(self, limit: int) -> list[Envelope]:
        kept = self._rows("SELECT envelope FROM outbox ORDER BY seq DESC LIMIT ?", (limit,))
        return [_envelope(envelope) for (envelope,) in kept]

    async def forget(self, now: datetime, keep: timedelta) -> int:
        """As the port says; an answer stays for its 24 hours even where `keep` is shorter."""
        before = micros_of(now - keep)
        gone = await self._repeat(
            "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE sent_at < ? LIMIT ?)", before
        )
        for table, until in (("inbox", before), ("answers", min(before, micros_of(now - ANSWER)))):
            # Rows are in the order of their time: all before the first that stays.
            gone += await self._repeat(
                f"DELETE FROM {table} WHERE row IN (SELECT row FROM {table} WHERE row < coalesce("
                f"(SELECT row FROM {table} WHERE at >= ? ORDER BY row LIMIT 1), 9e18) ORDER BY row LIMIT ?)",
                until,
            )
        return gone

    async def ready(self) -> None:
        await self.file.ready()

    async def close(self) -> None:
        await self.file.close()
        if self._lock is not None:
            self._lock.close()

    async def _repeat(self, delete: str, until: Any) -> int:
        gone, more = 0, BATCH
        while more == BATCH:
            async with self.transaction() as tx:
                more = tx.link.execute(delete, (until, BATCH)).rowcount
            gone += more
        return gone

    def _claimable(self, link: sqlite3.Connection, limit: int, now: int) -> list[tuple[int, str, bytes]]:
        """Up to `limit` unsent rows that nobody holds, without those behind one that another relay holds."""
        held = dict(
            link.execute(
                "SELECT subject, min(seq) FROM claims WHERE relay <> ? AND until > ? GROUP BY subject",
                (self._relay, now),
            ).fetchall()
        )
        free = link.execute(
            "SELECT seq, subject, envelope FROM outbox WHERE sent_at IS NULL "
            "AND seq NOT IN (SELECT seq FROM claims WHERE until > ?) ORDER BY seq",
            (now,),
        )
        rows: list[tuple[int, str, bytes]] = []
        for row in free:
            if len(rows) == limit:
                break
            if held.get(row[1], row[0]) >= row[0]:
                rows.append(row)
        free.close()
        return rows

    def _seqs_of(self, link: sqlite3.Connection, ids: Sequence[UUID]) -> list[int]:
        seqs = [self._claimed[known] for known in ids if known in self._claimed]
        for other in (stranger.bytes for stranger in ids if stranger not in self._claimed):
            found = link.execute("SELECT seq FROM outbox WHERE sent_at IS NULL AND id = ?", (other,))
            seqs += [seq for (seq,) in found.fetchall()]
        return seqs

    def _let_go(self, ids: Sequence[UUID]) -> None:
        for gone in ids:
            self._claimed.pop(gone, None)

    def _became_owner(self) -> bool:
        """True once: when this relay has got the lock that the owner of the file's relay holds."""
        if self._owns:
            return False
        if self._lock is None:
            self._lock = sqlite3.connect(f"{self.file.path}-relay", isolation_level=None, timeout=0)
        try:
            self._lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return False
        self._owns = True
        return True

    def _rows(self, query: str, bound: Sequence[Any] = ()) -> list[Any]:
        return fetch(self.file.reader, query, bound)

    def _one(self, query: str) -> Any:
        return self._rows(query)[0][0]


def create_tables(link: sqlite3.Connection) -> None:
    """What this module needs, inside the transaction that is open on `link`."""
    for statement in TABLES.split(";"):
        link.execute(statement)
