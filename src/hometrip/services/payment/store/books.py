"""The tables of what is written down for good: the journal, and papers with their numbers."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Uuid,
    event,
)

from hometrip.kernel.split import Split
from hometrip.services.listing.contract import QuoteLine
from hometrip.services.payment.store.kinds import Json
from hometrip.services.payment.store.tables import Instant, tables

# The last number that was given away, by series: without a gap, as it moves in the transaction of its paper.
counters = Table(
    "counters",
    tables,
    Column("series", String, primary_key=True),
    Column("last", Integer, nullable=False),
)

invoices = Table(
    "invoices",
    tables,
    Column("number", String, primary_key=True),
    Column("series", String, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("kind", String, nullable=False),
    # The payment, refund, lost dispute of a bank, or entry by which shares are others, that it is about.
    Column("reference", Uuid, nullable=False, unique=True),
    Column("booking_id", Uuid, nullable=False, index=True),
    Column("guest_id", Uuid, nullable=False),
    Column("host_id", Uuid, nullable=False),
    Column("at", Instant, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("split", Json(Split), nullable=False),
    Column("lines", Json(list[QuoteLine])),
)
Index("one_paper_of_a_number", invoices.c.series, invoices.c.sequence, unique=True)
Index("invoices_of_guest", invoices.c.guest_id, invoices.c.number)

entries = Table(
    "journal_entries",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("kind", String, nullable=False),
    Column("booking_id", Uuid, nullable=False, index=True),
    Column("reference", Uuid, nullable=False),
    # Its place in its booking's story, which ids of two processes do not tell; 0 before there were steps.
    Column("step", Integer, nullable=False, server_default="0"),
)
# A movement is written once, however often it is told.
Index("one_entry_per_movement", entries.c.reference, entries.c.kind, entries.c.booking_id, unique=True)

postings = Table(
    "journal_postings",
    tables,
    Column("entry_id", ForeignKey("journal_entries.id"), primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("account", String, nullable=False, index=True),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
)


def _append_only(table: Table) -> None:
    """The database itself refuses to change or delete what is in the journal."""
    on_postgresql = DDL(  # type: ignore[no-untyped-call]
        "CREATE OR REPLACE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$"
    )
    event.listen(table, "after_create", on_postgresql.execute_if(dialect="postgresql"))
    for verb in ("UPDATE", "DELETE"):
        before = f"CREATE TRIGGER {table.name}_no_{verb.lower()} BEFORE {verb} ON {table.name}"
        on_sqlite = DDL(f"{before} BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END")  # type: ignore[no-untyped-call]
        event.listen(table, "after_create", on_sqlite.execute_if(dialect="sqlite"))
        on_postgresql = DDL(f"{before} FOR EACH ROW EXECUTE FUNCTION journal_is_append_only()")  # type: ignore[no-untyped-call]
        event.listen(table, "after_create", on_postgresql.execute_if(dialect="postgresql"))


_append_only(entries)
_append_only(postings)
_append_only(invoices)
