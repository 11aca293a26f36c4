"""The one SQLite driver that the relational and the document storage share; nothing else may use it.

It is not an adapter of a port but the machinery under two of them, as a driver library would be: `database`
and `documents` import it, and it imports neither.

- `SqliteFile` is a file with one writer and readers beside it; it makes many transactions durable by one
  commit.
- `SqliteOutbox` and `EventWork` keep outbox, inbox, timers and answers in that file, in the transaction of
  the effect; `SqliteLedger` carries its rows into another storage.
"""

from hometrip.adapters.sqlite.events import TABLE_NAMES, EventWork, create_tables
from hometrip.adapters.sqlite.file import SqliteFile
from hometrip.adapters.sqlite.ledger import SqliteLedger
from hometrip.adapters.sqlite.links import Link, fetch, refusal_of
from hometrip.adapters.sqlite.outbox import SqliteOutbox

__all__ = [
    "TABLE_NAMES",
    "EventWork",
    "Link",
    "SqliteFile",
    "SqliteLedger",
    "SqliteOutbox",
    "create_tables",
    "fetch",
    "refusal_of",
]
