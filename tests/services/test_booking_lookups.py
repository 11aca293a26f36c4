"""What every booking looks for is found by an index, however much its guest and its home have had before."""

from __future__ import annotations

import re
import sqlite3
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.dialects import sqlite

from hometrip.ports.database import Prepared
from hometrip.services.booking.store import bookings, co_hosts, glances, lists, requests
from hometrip.services.booking.store.tables import tables


def guests_of(co_hosted: list[UUID]) -> Prepared:
    """What a host asks for whose other homes these are."""
    hosted = lists.Hosted(uuid4(), co_hosted)
    return Prepared(select(bookings.bookings).where(lists._of_hosts(hosted)))


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
        (glances._glance, "bookings USING INDEX bookings_by_once_key (once_key=? AND guest_id=?)"),
        (glances._glance, "booked_nights USING PRIMARY KEY (listing_id=? AND night>? AND night<?)"),
        (glances._known, "bookings USING COVERING INDEX bookings_by_once_key (once_key=?)"),
        (glances._owners, "booked_nights USING PRIMARY KEY (listing_id=? AND night>? AND night<?)"),
        (bookings._unpaid, "bookings USING INDEX bookings_pending (listing_id=? AND guest_id=?)"),
        (requests._overlapping, "bookings USING INDEX bookings_by_listing (listing_id=? AND check_out>?)"),
        (co_hosts._one, "co_hosts USING COVERING INDEX co_hosts_by_account (account_id=? AND listing_id=?)"),
        (co_hosts._homes, "co_hosts USING COVERING INDEX co_hosts_by_account (account_id=?)"),
        (guests_of([]), "bookings USING INDEX bookings_by_host (host_id=?)"),
        (guests_of([uuid4()]), "bookings USING INDEX bookings_by_host (host_id=?)"),
        (guests_of([uuid4()]), "bookings USING INDEX bookings_by_listing (listing_id=?)"),
    ],
)
def test_found_by(prepared: Any, found_by: str) -> None:
    plan = plan_of(prepared)
    assert f"SEARCH {found_by}" in plan, plan
    assert "SCAN bookings" not in plan
    assert "SCAN booked_nights" not in plan
