"""What every booking looks for is found by an index, however much its guest and its home have had before."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.dialects import sqlite

from hometrip.services.booking.store import bookings, nights, requests
from hometrip.services.booking.store.tables import tables


def plan_of(prepared: Any) -> str:
    engine = create_engine("sqlite://")
    tables.create_all(engine)
    compiled = prepared.statement.compile(dialect=sqlite.dialect(paramstyle="named"))
    asked = re.sub(r"__\[POSTCOMPILE_\w+\]", "'x'", str(compiled))
    core: Any = engine.raw_connection()
    raw: sqlite3.Connection = core.driver_connection
    values = dict.fromkeys(compiled.bind_names.values(), "x")
    return "\n".join(row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {asked}", values))


@pytest.mark.parametrize(
    ("prepared", "found_by"),
    [
        (nights._glance, "bookings USING INDEX bookings_by_once_key (once_key=? AND guest_id=?)"),
        (nights._glance, "booked_nights USING PRIMARY KEY (listing_id=? AND night>? AND night<?)"),
        (bookings._unpaid, "bookings USING INDEX bookings_pending (listing_id=? AND guest_id=?)"),
        (requests._overlapping, "bookings USING INDEX bookings_by_listing (listing_id=? AND check_out>?)"),
    ],
)
def test_found_by(prepared: Any, found_by: str) -> None:
    plan = plan_of(prepared)
    assert f"SEARCH {found_by}" in plan, plan
    assert "SCAN bookings" not in plan
    assert "SCAN booked_nights" not in plan
