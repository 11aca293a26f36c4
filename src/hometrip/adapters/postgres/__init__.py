"""The one PostgreSQL driver that the relational and the document storage share; nothing else may use it.

It is not an adapter of a port but the machinery under two of them: `database` and `documents` import it, and
it imports neither.

- `PostgresPool` bounds and keeps the connections of one storage, and runs its blocks.
- `PostgresOutbox` and `EventWork` keep outbox, inbox, timers and answers there, in the transaction of the
  effect, over plain asyncpg connections; `PostgresLedger` carries its rows into another storage.
- `make_database`, `create_tables`, `examine` and `must_be_fit` are what `migrate`, `open` and `examine` of a
  storage are made of.
"""

from hometrip.adapters.postgres.ledger import PostgresLedger
from hometrip.adapters.postgres.outbox import PostgresOutbox
from hometrip.adapters.postgres.pool import POOL, Link, PostgresPool
from hometrip.adapters.postgres.refusals import ENGINE_ERRORS, place_of, refusal_of
from hometrip.adapters.postgres.server import (
    MIGRATE,
    drop_database,
    examine,
    make_database,
    may_create,
    missing_tables,
    must_be_fit,
    quoted,
)
from hometrip.adapters.postgres.tables import ADDED, TABLE_NAMES, create_tables
from hometrip.adapters.postgres.work import EventWork, unexpected

__all__ = [
    "ADDED",
    "ENGINE_ERRORS",
    "MIGRATE",
    "POOL",
    "TABLE_NAMES",
    "EventWork",
    "Link",
    "PostgresLedger",
    "PostgresOutbox",
    "PostgresPool",
    "create_tables",
    "drop_database",
    "examine",
    "make_database",
    "may_create",
    "missing_tables",
    "must_be_fit",
    "place_of",
    "quoted",
    "refusal_of",
    "unexpected",
]
