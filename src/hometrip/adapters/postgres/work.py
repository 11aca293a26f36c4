"""The part of a transaction that speaks of events, on a plain asyncpg connection inside a transaction.

What is emitted, and timers that are set or taken back, are written just before the commit, all timers before
all events and each in order of their keys: so two transactions wait for each other's rows in one order and
for a short time only, and the sequence of a subject is the order of the commits.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from hometrip.adapters.postgres.ahead import Refused
from hometrip.adapters.postgres.pool import Link
from hometrip.kernel.clock import DAY, Clock
from hometrip.kernel.errors import AlreadyAnswered, KeyReused
from hometrip.kernel.events import Cause, Event, current_cause
from hometrip.kernel.ids import NewId
from hometrip.kernel.once import Once, answer_of
from hometrip.ports.database import Unexpected

ANSWER = DAY

# Where there are several subjects, their counters are locked in the order in which they are given.
LOCK_SUBJECTS = """
INSERT INTO subjects (subject, last) SELECT given, 0 FROM json_array_elements_text($1::json) AS given
ON CONFLICT (subject) DO UPDATE SET last = subjects.last
"""
# An event with the next number of its subject.
SAY = """
WITH counted AS (
    INSERT INTO subjects (subject, last) VALUES ($2, 1)
    ON CONFLICT (subject) DO UPDATE SET last = subjects.last + 1 RETURNING last
), event AS (
    INSERT INTO outbox (id, subject, sequence, name, version, occurred_at, producer, correlation_id,
        causation_id, traceparent, data)
    SELECT $1, $2, counted.last, $3, $4, $5, $6, $7, $8, $9, $10 FROM counted RETURNING position, id, subject
) INSERT INTO unsent (position, id, subject) SELECT position, id, subject FROM event
"""
SET_TIMER = """
INSERT INTO timers (key, due_at, name, version, subject, data, cause) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (key) DO UPDATE SET due_at = excluded.due_at, name = excluded.name, version = excluded.version,
    subject = excluded.subject, data = excluded.data, cause = excluded.cause
"""
WITHDRAW = "DELETE FROM timers WHERE key = $1"
TAKE_DUE = """
DELETE FROM timers WHERE key IN (
    SELECT key FROM timers WHERE due_at <= $1 ORDER BY due_at, position LIMIT $2 FOR UPDATE SKIP LOCKED
) RETURNING due_at, position, name, version, subject, data, cause
"""
CLAIM_KEY = """
INSERT INTO answers (scope, key, fingerprint, status, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
READ_KEY = "SELECT fingerprint, status, body, at FROM answers WHERE scope = $1 AND key = $2 FOR UPDATE"
KEEP_ANSWER = "UPDATE answers SET status = $3, body = $4 WHERE scope = $1 AND key = $2"
RENEW_KEY = """
UPDATE answers SET fingerprint = $3, status = $4, at = $5, body = NULL WHERE scope = $1 AND key = $2
"""

FIRST_ANSWER = """
INSERT INTO answers (scope, key, fingerprint, status, at, body) VALUES ($1, $2, $3, $4, $5, $6)
"""

_encode = msgspec.json.Encoder().encode
_cause = msgspec.json.Decoder(Cause).decode


class Emitted(msgspec.Struct, frozen=True):
    """An event that waits for its sequence."""

    event_id: Any
    subject: str
    name: str
    version: int
    at: datetime
    cause: Cause
    data: bytes


class EventWork:
    """A transaction that can speak of events; it keeps the promises of `ports.outbox.EventTx`.

    `link` is an asyncpg connection on which a transaction (READ COMMITTED) is open or put off. Who commits it
    calls `flush` just before, and `end` afterwards. `spoke` tells that it emitted or set a timer.
    """

    def __init__(self, link: Link, service: str, clock: Clock, new_id: NewId) -> None:
        self._link: Link | None = link
        self.service, self.clock, self.new_id = service, clock, new_id
        self.spoke = False
        self._emitted: list[Emitted] = []
        # The row of each timer that is set, or None where it is withdrawn.
        self._timers: dict[str, tuple[Any, ...] | None] = {}
        self._claimed: set[tuple[str, str]] = set()

    @property
    def link(self) -> Link:
        """For a statement that is waited for; what was put off goes ahead of it."""
        if self._link is None:
            raise RuntimeError("this transaction has ended")
        return self._link

    def put_off(self, statement: str, *values: Any, refused: Refused | None = None) -> None:
        """Run it before the next statement that is waited for, at the latest with the commit. Where it fails,
        the block has failed, and is told so there.
        """
        self.link.ahead.put_off(statement, values, refused)

    def end(self) -> None:
        self._link = None

    async def emit(self, event: Event) -> None:
        _ = self.link  # which has not ended
        data, cause = _encode(_bare(event)), current_cause.get()
        emitted = Emitted(
            self.new_id(), event.subject, event.name, event.data_version, self.clock.now(), cause, data
        )
        self._emitted.append(emitted)
        self.spoke = True

    async def emit_later(self, event: Event, at: datetime, *, key: str = "") -> None:
        _ = self.link
        subject, cause, data = event.subject, _encode(current_cause.get()), _encode(_bare(event))
        key = key or f"{event.name}:{subject}"
        self._timers[key] = (key, at, event.name, event.data_version, subject, data, cause)
        self.spoke = True

    async def withdraw(self, key: str) -> None:
        _ = self.link
        self._timers[key] = None

    async def first_time(self, event: Event, effect: str) -> bool:
        if event.event_id is None:
            raise ValueError("only an event that was heard has an id to be known by")
        mark = "INSERT INTO inbox (event_id, effect, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
        marked = await self.link.execute(mark, event.event_id, effect, self.clock.now())
        return bool(marked == "INSERT 0 1")

    async def once(self, once: Once) -> None:
        """As the port says: whoever comes second waits here for the end of the first."""
        if not once:
            return
        self._claimed.add((once.scope, once.key))
        claim = (once.scope, once.key, once.fingerprint, once.status, self.clock.now())
        while await self.link.execute(CLAIM_KEY, *claim) != "INSERT 0 1":
            kept = await self.link.fetchrow(READ_KEY, once.scope, once.key)
            if kept is not None:
                _must_be_open(kept, once, claim[-1])
                await self.link.execute(RENEW_KEY, *claim)
                return
            # It was forgotten between the two statements.

    async def answer(self, once: Once, record: Any) -> None:
        if not once:
            return
        if (once.scope, once.key) not in self._claimed:
            raise LookupError("this key was not claimed with once()")
        self.put_off(KEEP_ANSWER, once.scope, once.key, once.status, answer_of(record))

    async def answer_first(self, once: Once, record: Any) -> None:
        if once:
            claim = (once.scope, once.key, once.fingerprint, once.status, self.clock.now())
            self.put_off(FIRST_ANSWER, *claim, answer_of(record), refused=unexpected)

    async def fire_due(self, now: datetime, limit: int) -> int:
        """Up to `limit` due timers become events that occurred `now`, the earliest first.

        Timers that another transaction holds at this moment are left for the next time.
        """
        due = await self.link.fetch(TAKE_DUE, now, limit)
        for timer in sorted(due, key=lambda row: (row["due_at"], row["position"])):
            fired = Emitted(
                self.new_id(),
                timer["subject"],
                timer["name"],
                timer["version"],
                now,
                _cause(timer["cause"]),
                timer["data"],
            )
            self._emitted.append(fired)
        self.spoke = self.spoke or bool(due)
        return len(due)

    def flush(self) -> None:
        """Put off, behind everything else, what was emitted and the timers: all timers before all events."""
        for key in sorted(self._timers):
            row = self._timers[key]
            if row is None:
                self.put_off(WITHDRAW, key)
            else:
                self.put_off(SET_TIMER, *row)
        subjects = {emitted.subject for emitted in self._emitted}
        if len(subjects) > 1:
            self.put_off(LOCK_SUBJECTS, _encode(sorted(subjects)).decode())
        for emitted in self._emitted:
            self.put_off(SAY, *_row(emitted, self.service))
        self._timers, self._emitted = {}, []


def unexpected(reason: asyncpg.PostgresError) -> Exception:
    """For what is put off in a block that takes something for granted."""
    return Unexpected()


def _must_be_open(kept: Any, once: Once, now: datetime) -> None:
    """A key that is kept: for this request, and not answered yet, or so long ago that it counts no more."""
    if kept["at"] > now - ANSWER:
        if kept["fingerprint"] != once.fingerprint:
            raise KeyReused
        if kept["body"] is not None:
            raise AlreadyAnswered(status=kept["status"], answer=kept["body"])


def _bare(event: Event) -> Event:
    return event if event.event_id is None else msgspec.structs.replace(event, event_id=None)


def _row(one: Emitted, producer: str) -> tuple[Any, ...]:
    return (
        one.event_id,
        one.subject,
        one.name,
        one.version,
        one.at,
        producer,
        one.cause.correlation_id or str(one.event_id),
        one.cause.causation_id,
        one.cause.traceparent,
        one.data,
    )
