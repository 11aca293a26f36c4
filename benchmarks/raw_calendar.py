"""The limit of a calendar: the taken nights of 90 days, read from SQLite and made a document of, no server.

python -m benchmarks.raw_calendar DIR [--seconds 3]
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec

HOMES, DAYS = 400, 730


def measure(folder: Path, seconds: float) -> dict[str, Any]:
    link = sqlite3.connect(folder / "raw-calendar.db", isolation_level=None)
    link.executescript(
        "PRAGMA journal_mode = WAL; DROP TABLE IF EXISTS nights;"
        "CREATE TABLE nights (listing_id INTEGER, night TEXT, owner_id INTEGER NOT NULL,"
        " PRIMARY KEY (listing_id, night)) WITHOUT ROWID"
    )
    chance, first = random.Random(1), date(2027, 1, 1)
    days = [str(first + timedelta(days=number)) for number in range(DAYS)]
    rows = [(home, day, 1) for home in range(HOMES) for day in days if chance.random() < 0.5]
    link.execute("BEGIN")
    link.executemany("INSERT INTO nights VALUES (?, ?, ?)", rows)
    link.execute("COMMIT")
    made, cpu, begun = 0, time.process_time(), time.monotonic()
    while time.monotonic() - begun < seconds:
        home, at = chance.randrange(HOMES), chance.randrange(DAYS - 91)
        found = link.execute(
            "SELECT night FROM nights WHERE listing_id = ? AND night >= ? AND night < ?",
            (home, days[at], days[at + 90]),
        )
        taken = {night for (night,) in found}
        nights = [{"date": day, "available": day not in taken} for day in days[at : at + 90]]
        msgspec.json.encode({"nights": nights})
        made += 1
    taken_seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
    link.close()
    return {
        "rate": round(made / taken_seconds, 1),
        "server_cpu_per_1000": round(cpu / max(made, 1) * 1000, 3),
        "errors": {},
    }


def main() -> None:
    options = argparse.ArgumentParser(description="Calendars from SQLite alone")
    options.add_argument("folder", type=Path)
    options.add_argument("--seconds", type=float, default=3.0)
    given = options.parse_args()
    print(json.dumps(measure(given.folder, given.seconds)))


if __name__ == "__main__":
    main()
