"""The limit of PostgreSQL alone: the rows of a booking (those of `raw_sqlite.py`), written by pgbench."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from benchmarks.processes import Failed

CLIENTS = 64
# Its connections alone take a second where the machine is busy.
LEAST_SECONDS = 3
TABLES = """
CREATE TABLE bookings (
    id uuid PRIMARY KEY, listing_id uuid NOT NULL, guest_id uuid NOT NULL, host_id uuid NOT NULL,
    check_in date NOT NULL, check_out date NOT NULL, status text NOT NULL, total bigint NOT NULL,
    agreed text NOT NULL, created_at timestamptz NOT NULL
);
CREATE INDEX bookings_by_guest ON bookings (guest_id, check_in);
CREATE INDEX bookings_by_host ON bookings (host_id, check_in);
CREATE INDEX bookings_by_listing ON bookings (listing_id, check_out);
CREATE TABLE nights (
    listing_id uuid, night date, owner_id uuid NOT NULL, PRIMARY KEY (listing_id, night)
);
CREATE INDEX nights_by_owner ON nights (owner_id);
CREATE TABLE history (
    booking_id uuid, step integer, status text NOT NULL, at timestamptz NOT NULL,
    PRIMARY KEY (booking_id, step)
);
CREATE TABLE answers (
    scope text, key text, fingerprint text NOT NULL, body bytea, PRIMARY KEY (scope, key)
);
CREATE TABLE subjects (subject text PRIMARY KEY, last integer NOT NULL);
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid NOT NULL, subject text NOT NULL,
    envelope bytea NOT NULL
);
CREATE TABLE unsent (position bigint PRIMARY KEY, id uuid NOT NULL UNIQUE, subject text NOT NULL);
CREATE TABLE timers (key text PRIMARY KEY, due_at timestamptz NOT NULL, event bytea NOT NULL);
CREATE INDEX timers_by_due_at ON timers (due_at);
"""
# A client books ever later stays in a home of its own, so that no two want the same nights.
SCRIPT = r"""
\set n :n + 1
\set number :client_id * 1000000 + :n
BEGIN;
INSERT INTO answers (scope, key, fingerprint) VALUES ('book', 'key-' || :number::text, 'f');
INSERT INTO nights SELECT lpad(to_hex(:client_id::bigint), 32, '0')::uuid,
    date '2026-01-01' + (:n * 4)::int + day,
    lpad(to_hex(:number::bigint), 32, '0')::uuid FROM generate_series(0, 2) day;
INSERT INTO bookings VALUES (lpad(to_hex(:number::bigint), 32, '0')::uuid,
    lpad(to_hex(:client_id::bigint), 32, '0')::uuid, lpad(to_hex(:client_id::bigint), 32, '1')::uuid,
    lpad(to_hex(:client_id::bigint), 32, '2')::uuid, date '2026-01-01' + (:n * 4)::int,
    date '2026-01-01' + (:n * 4)::int + 3, 'pending', 42000, repeat('x', 700), now());
INSERT INTO history VALUES (lpad(to_hex(:number::bigint), 32, '0')::uuid, 1, 'pending', now());
INSERT INTO subjects VALUES ('booking/' || :number::text, 1);
INSERT INTO outbox (id, subject, envelope)
    VALUES (lpad(to_hex(:number::bigint), 32, '0')::uuid, 'booking/' || :number::text,
    decode(repeat('78', 800), 'hex'));
INSERT INTO unsent
    VALUES (:number, lpad(to_hex(:number::bigint), 32, '0')::uuid, 'booking/' || :number::text);
INSERT INTO timers VALUES ('booking/' || :number::text, now(), decode(repeat('78', 200), 'hex'));
UPDATE answers SET body = decode(repeat('78', 1500), 'hex')
    WHERE scope = 'book' AND key = 'key-' || :number::text;
COMMIT;
"""
TOLD = re.compile(r"^tps = ([0-9.]+)", re.M)


async def database(url: str, name: str, tables: str = TABLES) -> str:
    """Makes it anew, with these tables; its url."""
    link = await asyncpg.connect(url)
    try:
        await link.execute(f"DROP DATABASE IF EXISTS {name}")
        await link.execute(f"CREATE DATABASE {name}")
    finally:
        await link.close()
    made = urlsplit(url)._replace(path=f"/{name}").geturl()
    link = await asyncpg.connect(made)
    try:
        await link.execute(tables)
    finally:
        await link.close()
    return made


async def value(url: str, question: str) -> Any:
    link = await asyncpg.connect(url)
    try:
        return await link.fetchval(question)
    finally:
        await link.close()


async def pgbench(url: str, folder: Path, seconds: float) -> dict[str, Any]:
    """Bookings a second of 64 clients, prepared statements, into tables made anew."""
    program = shutil.which("pgbench")
    if program is None:
        raise Failed("pgbench is not on the PATH; Debian's package is postgresql-contrib")
    made = await database(url, "bench_raw")
    script = folder / "booking.pgbench"
    script.write_text(SCRIPT)
    options = [
        "-n",
        "-M",
        "prepared",
        "-c",
        str(CLIENTS),
        "-j",
        "1",
        "-T",
        str(max(LEAST_SECONDS, round(seconds))),
    ]
    process = await asyncio.create_subprocess_exec(
        program,
        *options,
        *("-D", "n=0", "-f", str(script), made),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, wrong = await process.communicate()
    found = TOLD.search(said.decode())
    if process.returncode or found is None:
        raise Failed(f"pgbench: {said.decode()[-500:]} {wrong.decode()[-500:]}")
    return {"rate": round(float(found[1]), 1), "errors": {}}
