"""The tables of the payment service."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    Uuid,
    event,
)

from hometrip.ports.payments import IntentError
from hometrip.services.listing.contract import Split

tables = MetaData()
Instant = DateTime(timezone=True)


class Json(TypeDecorator[Any]):
    """A record of `kind`, kept as JSON text."""

    impl = String
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Any) -> Any:
        return None if value is None else msgspec.json.decode(value, type=self.kind)


payments = Table(
    "payments",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("booking_id", Uuid, nullable=False),
    Column("guest_id", Uuid, nullable=False),
    Column("host_id", Uuid, nullable=False),
    Column("provider_id", String, nullable=False, unique=True),
    Column("client_secret", String, nullable=False),
    Column("status", String, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("split", Json(Split), nullable=False),
    Column("captured", BigInteger, nullable=False, default=0),
    # What was promised back, sent or not: never more than was captured.
    Column("promised_back", BigInteger, nullable=False, default=0),
    Column("next_action", Json(dict[str, Any])),
    Column("last_error", Json(IntentError)),
    # How often a confirmation has been answered; the number of the next one, and part of its key.
    Column("attempt", Integer, nullable=False, default=0),
    # Since when an answer of the provider is awaited; and what it is to do next: capture or cancel.
    Column("asked_at", Instant),
    Column("wanted", String),
    Column("created_at", Instant, nullable=False),
)
# One payment per booking that is not over: this key makes two of them at once impossible.
Index(
    "one_live_payment",
    payments.c.booking_id,
    unique=True,
    sqlite_where=payments.c.status != "canceled",
    postgresql_where=payments.c.status != "canceled",
)
Index("payments_of_guest", payments.c.guest_id, payments.c.id)

refunds = Table(
    "refunds",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("payment_id", ForeignKey("payments.id"), nullable=False, index=True),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("reason", String, nullable=False),
    # What it is for: a cause that comes twice makes one refund.
    Column("cause", String, nullable=False, unique=True),
    Column("status", String, nullable=False),
    Column("provider_id", String),
    Column("why", String),
    Column("created_at", Instant, nullable=False),
    Column("completed_at", Instant),
)

payouts = Table(
    "payouts",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("booking_id", Uuid, nullable=False, unique=True),
    Column("host_id", Uuid, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("provider_id", String),
    Column("why", String),
    Column("completed_at", Instant),
)
Index("payouts_of_host", payouts.c.host_id, payouts.c.id)

entries = Table(
    "journal_entries",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("kind", String, nullable=False),
    Column("booking_id", Uuid, nullable=False, index=True),
    Column("reference", Uuid, nullable=False),
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
