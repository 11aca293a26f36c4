"""The limit of the storage alone: what a booking must write, in SQLite, with no code around it.

One row for the booking, three nights, a row of history, an idempotency key with its answer, a number for
the subject, an event in the outbox and a timer; synchronous=FULL, so that each commit is on the disk.

    python -m benchmarks.raw_sqlite DIR [--seconds 5] [--group 1]
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

TABLES = """
CREATE TABLE bookings (
    id BLOB PRIMARY KEY, listing_id BLOB NOT NULL, guest_id BLOB NOT NULL, host_id BLOB NOT NULL,
    check_in TEXT NOT NULL, check_out TEXT NOT NULL, status TEXT NOT NULL, total INTEGER NOT NULL,
    agreed TEXT NOT NULL, created_at TEXT NOT NULL
);
CREATE INDEX bookings_by_guest ON bookings (guest_id, check_in);
CREATE INDEX bookings_by_host ON bookings (host_id, check_in);
CREATE INDEX bookings_by_listing ON bookings (listing_id, check_out);
CREATE TABLE nights (
    listing_id BLOB, night TEXT, owner_id BLOB NOT NULL, PRIMARY KEY (listing_id, night)
) WITHOUT ROWID;
CREATE INDEX nights_by_owner ON nights (owner_id);
CREATE TABLE history (
    booking_id BLOB, step INTEGER, status TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (booking_id, step)
);
CREATE TABLE answers (
    row INTEGER PRIMARY KEY, scope TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, body BLOB,
    UNIQUE (scope, key)
);
CREATE TABLE subjects (subject TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY, id BLOB NOT NULL, subject TEXT NOT NULL, envelope BLOB NOT NULL, sent_at INTEGER
);
CREATE INDEX outbox_by_sent_at ON outbox (sent_at);
CREATE TABLE timers (key TEXT PRIMARY KEY, due_at INTEGER NOT NULL, event BLOB NOT NULL);
CREATE INDEX timers_by_due_at ON timers (due_at);
"""
AGREED, ANSWER, ENVELOPE = "x" * 700, b"x" * 1500, b"x" * 800


def book(link: sqlite3.Connection, number: int) -> None:
    """The statements of one booking."""
    booking, home = UUID(int=number).bytes, UUID(int=number % 400).bytes
    guest, host = UUID(int=number % 32).bytes, UUID(int=number % 90).bytes
    first = date(2026, 1, 1) + timedelta(days=3 * (number // 400))
    nights = [(home, str(first + timedelta(days=day)), booking) for day in range(3)]
    subject, at = f"booking/{number:032x}", "2026-01-01 12:00:00.000000"
    link.execute("INSERT INTO answers (scope, key, fingerprint) VALUES ('book', ?, 'f')", (subject,))
    link.executemany("INSERT INTO nights VALUES (?, ?, ?)", nights)
    row = (booking, home, guest, host, nights[0][1], nights[2][1], "pending", 42_000, AGREED, at)
    link.execute("INSERT INTO bookings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    link.execute("INSERT INTO history VALUES (?, 1, 'pending', ?)", (booking, at))
    link.execute("INSERT INTO subjects VALUES (?, 1)", (subject,))
    link.execute("INSERT INTO outbox (id, subject, envelope) VALUES (?, ?, ?)", (booking, subject, ENVELOPE))
    link.execute("INSERT INTO timers VALUES (?, ?, ?)", (subject, number, ENVELOPE[:200]))
    link.execute("UPDATE answers SET body = ? WHERE scope = 'book' AND key = ?", (ANSWER, subject))


def measure(folder: Path, seconds: float, group: int) -> dict[str, Any]:
    """Bookings a second where so many share one commit."""
    file = folder / f"raw-{group}.db"
    file.unlink(missing_ok=True)
    link = sqlite3.connect(file, isolation_level=None)
    link.execute("PRAGMA journal_mode = WAL")
    link.execute("PRAGMA synchronous = FULL")
    link.executescript(TABLES)
    made, cpu, begun = 0, time.process_time(), time.monotonic()
    while time.monotonic() - begun < seconds:
        link.execute("BEGIN IMMEDIATE")
        for _ in range(group):
            link.execute("SAVEPOINT block")
            book(link, made)
            link.execute("RELEASE block")
            made += 1
        link.execute("COMMIT")
    taken, cpu = time.monotonic() - begun, time.process_time() - cpu
    link.close()
    return {"group": group, "bookings": made, "rate": round(made / taken, 1), "cpu_seconds": round(cpu, 3)}


def main() -> None:
    options = argparse.ArgumentParser(description="The statements of bookings, in SQLite alone")
    options.add_argument("folder", type=Path)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--group", type=int, default=1)
    given = options.parse_args()
    print(json.dumps(measure(given.folder, given.seconds, given.group)))


if __name__ == "__main__":
    main()
