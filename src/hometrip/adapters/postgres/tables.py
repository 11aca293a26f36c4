"""The tables that every storage on PostgreSQL has for events, timers and answers, whatever else it keeps."""

from __future__ import annotations

from hometrip.adapters.postgres.pool import Link

TABLES = """
-- Every event that is kept. `position` rises within a subject as its sequence does; over all subjects it is
-- the order in which rows were written, not that of the commits, so nothing may be paged after the last
-- position.
CREATE TABLE IF NOT EXISTS outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid NOT NULL, subject text NOT NULL,
    sequence integer NOT NULL, name text NOT NULL, version integer NOT NULL, occurred_at timestamptz NOT NULL,
    producer text NOT NULL, correlation_id text NOT NULL, causation_id text, traceparent text,
    data bytea NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS outbox_by_subject ON outbox (subject, sequence);
CREATE INDEX IF NOT EXISTS outbox_by_occurred_at ON outbox (occurred_at);
-- Those of them that were not sent yet, and which relay holds them until when; small, so that it stays fast.
CREATE TABLE IF NOT EXISTS unsent (
    position bigint PRIMARY KEY, id uuid NOT NULL UNIQUE, subject text NOT NULL,
    relay integer, until timestamptz
) WITH (fillfactor = 50);
CREATE INDEX IF NOT EXISTS unsent_free ON unsent (position) WHERE relay IS NULL;
CREATE TABLE IF NOT EXISTS subjects (subject text PRIMARY KEY, last integer NOT NULL) WITH (fillfactor = 70);
CREATE TABLE IF NOT EXISTS inbox (
    event_id uuid NOT NULL, effect text NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (event_id, effect)
);
CREATE INDEX IF NOT EXISTS inbox_by_at ON inbox (at);
CREATE TABLE IF NOT EXISTS timers (
    key text PRIMARY KEY, position bigint GENERATED ALWAYS AS IDENTITY, due_at timestamptz NOT NULL,
    name text NOT NULL, version integer NOT NULL, subject text NOT NULL, data bytea NOT NULL,
    cause bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS timers_by_due_at ON timers (due_at);
CREATE TABLE IF NOT EXISTS answers (
    scope text NOT NULL, key text NOT NULL, fingerprint text NOT NULL, status integer NOT NULL, body bytea,
    at timestamptz NOT NULL, PRIMARY KEY (scope, key)
);
CREATE INDEX IF NOT EXISTS answers_by_at ON answers (at);
"""
TABLE_NAMES = frozenset({"outbox", "unsent", "subjects", "inbox", "timers", "answers"})
# What a database of an earlier version lacks until it is migrated: all works without it, more slowly.
ADDED = frozenset({"unsent_free"})


async def create_tables(link: Link) -> None:
    """Those that are missing. Call it under a lock: the server does not make IF NOT EXISTS safe for two at
    once.
    """
    await link.execute(TABLES)
