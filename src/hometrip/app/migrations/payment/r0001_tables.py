"""The tables of payment, as they were when they were first numbered.

Where they exist, made before there were numbers, they are as they should be.
"""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    Uuid,
    text,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    counters()
    deposits()
    disputes()
    host_accounts()
    invoices()
    journal_entries()
    payments()
    payouts()
    plans()
    stays()
    deposit_claims()
    journal_postings()
    refunds()
    refusing_function()
    for table in ("journal_entries", "journal_postings", "invoices"):
        append_only(table)


def counters() -> None:
    op.create_table(
        "counters",
        Column("series", String(), nullable=False),
        Column("last", Integer(), nullable=False),
        PrimaryKeyConstraint("series"),
        if_not_exists=True,
    )


def deposits() -> None:
    op.create_table(
        "deposits",
        Column("booking_id", Uuid(), nullable=False),
        Column("guest_id", Uuid(), nullable=False),
        Column("host_id", Uuid(), nullable=False),
        Column("amount", BigInteger(), nullable=False),
        Column("currency", String(length=3), nullable=False),
        Column("status", String(), nullable=False),
        Column("hold_at", DateTime(timezone=True), nullable=False),
        Column("release_at", DateTime(timezone=True), nullable=False),
        Column("tries", Integer(), nullable=False),
        PrimaryKeyConstraint("booking_id"),
        if_not_exists=True,
    )


def disputes() -> None:
    op.create_table(
        "disputes",
        Column("id", Uuid(), nullable=False),
        Column("booking_id", Uuid(), nullable=False),
        Column("opened_at", DateTime(timezone=True), nullable=False),
        Column("resolved_at", DateTime(timezone=True)),
        PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index("ix_disputes_booking_id", "disputes", ["booking_id"], if_not_exists=True)


def host_accounts() -> None:
    op.create_table(
        "host_accounts",
        Column("host_id", Uuid(), nullable=False),
        Column("provider_id", String(), nullable=False),
        PrimaryKeyConstraint("host_id"),
        if_not_exists=True,
    )


def invoices() -> None:
    op.create_table(
        "invoices",
        Column("number", String(), nullable=False),
        Column("series", String(), nullable=False),
        Column("sequence", Integer(), nullable=False),
        Column("kind", String(), nullable=False),
        Column("reference", Uuid(), nullable=False),
        Column("booking_id", Uuid(), nullable=False),
        Column("guest_id", Uuid(), nullable=False),
        Column("host_id", Uuid(), nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("amount", BigInteger(), nullable=False),
        Column("currency", String(length=3), nullable=False),
        Column("split", String(), nullable=False),
        PrimaryKeyConstraint("number"),
        UniqueConstraint("reference"),
        if_not_exists=True,
    )
    op.create_index("invoices_of_guest", "invoices", ["guest_id", "number"], if_not_exists=True)
    op.create_index("ix_invoices_booking_id", "invoices", ["booking_id"], if_not_exists=True)
    op.create_index(
        "one_paper_of_a_number", "invoices", ["series", "sequence"], unique=True, if_not_exists=True
    )


def journal_entries() -> None:
    op.create_table(
        "journal_entries",
        Column("id", Uuid(), nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("kind", String(), nullable=False),
        Column("booking_id", Uuid(), nullable=False),
        Column("reference", Uuid(), nullable=False),
        PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index("ix_journal_entries_booking_id", "journal_entries", ["booking_id"], if_not_exists=True)
    op.create_index(
        "one_entry_per_movement",
        "journal_entries",
        ["reference", "kind", "booking_id"],
        unique=True,
        if_not_exists=True,
    )


def payments() -> None:
    op.create_table(
        "payments",
        Column("id", Uuid(), nullable=False),
        Column("booking_id", Uuid(), nullable=False),
        Column("guest_id", Uuid(), nullable=False),
        Column("host_id", Uuid(), nullable=False),
        Column("provider_id", String(), nullable=False),
        Column("client_secret", String(), nullable=False),
        Column("status", String(), nullable=False),
        Column("amount", BigInteger(), nullable=False),
        Column("currency", String(length=3), nullable=False),
        Column("split", String(), nullable=False),
        Column("part", String(), nullable=False),
        Column("method", String()),
        Column("counted", Boolean(), nullable=False),
        Column("captured", BigInteger(), nullable=False),
        Column("promised_back", BigInteger(), nullable=False),
        Column("next_action", String()),
        Column("last_error", String()),
        Column("attempt", Integer(), nullable=False),
        Column("asked_at", DateTime(timezone=True)),
        Column("wanted", String()),
        Column("created_at", DateTime(timezone=True), nullable=False),
        PrimaryKeyConstraint("id"),
        UniqueConstraint("provider_id"),
        if_not_exists=True,
    )
    op.create_index(
        "one_live_payment",
        "payments",
        ["booking_id", "part"],
        unique=True,
        sqlite_where=text("status != 'canceled'"),
        postgresql_where=text("status != 'canceled'"),
        if_not_exists=True,
    )
    op.create_index("payments_of_guest", "payments", ["guest_id", "id"], if_not_exists=True)


def payouts() -> None:
    op.create_table(
        "payouts",
        Column("id", Uuid(), nullable=False),
        Column("booking_id", Uuid(), nullable=False),
        Column("number", Integer(), nullable=False),
        Column("host_id", Uuid(), nullable=False),
        Column("amount", BigInteger(), nullable=False),
        Column("currency", String(length=3), nullable=False),
        Column("status", String(), nullable=False),
        Column("due_at", DateTime(timezone=True), nullable=False),
        Column("until", Integer(), nullable=False),
        Column("nights", Integer(), nullable=False),
        Column("destination", String()),
        Column("provider_id", String()),
        Column("why", String()),
        Column("completed_at", DateTime(timezone=True)),
        PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index(
        "one_payout_of_a_number", "payouts", ["booking_id", "number"], unique=True, if_not_exists=True
    )
    op.create_index("payouts_of_host", "payouts", ["host_id", "id"], if_not_exists=True)


def plans() -> None:
    op.create_table(
        "plans",
        Column("booking_id", Uuid(), nullable=False),
        Column("amount", BigInteger(), nullable=False),
        Column("currency", String(length=3), nullable=False),
        Column("split", String(), nullable=False),
        Column("due_at", DateTime(timezone=True), nullable=False),
        Column("status", String(), nullable=False),
        Column("tries", Integer(), nullable=False),
        PrimaryKeyConstraint("booking_id"),
        if_not_exists=True,
    )


def stays() -> None:
    op.create_table(
        "stays",
        Column("booking_id", Uuid(), nullable=False),
        Column("host_id", Uuid(), nullable=False),
        Column("facts", String(), nullable=False),
        Column("over", Boolean(), nullable=False),
        PrimaryKeyConstraint("booking_id"),
        if_not_exists=True,
    )
    op.create_index("ix_stays_host_id", "stays", ["host_id"], if_not_exists=True)


def deposit_claims() -> None:
    op.create_table(
        "deposit_claims",
        Column("id", Uuid(), nullable=False),
        Column("booking_id", Uuid(), nullable=False),
        Column("amount", BigInteger(), nullable=False),
        Column("currency", String(length=3), nullable=False),
        Column("text", String(), nullable=False),
        Column("status", String(), nullable=False),
        Column("made_at", DateTime(timezone=True), nullable=False),
        Column("answer_until", DateTime(timezone=True), nullable=False),
        Column("granted", BigInteger()),
        Column("decided_at", DateTime(timezone=True)),
        ForeignKeyConstraint(
            ["booking_id"],
            ["deposits.booking_id"],
        ),
        PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index("one_claim", "deposit_claims", ["booking_id"], unique=True, if_not_exists=True)


def journal_postings() -> None:
    op.create_table(
        "journal_postings",
        Column("entry_id", Uuid(), nullable=False),
        Column("line", Integer(), nullable=False),
        Column("account", String(), nullable=False),
        Column("amount", BigInteger(), nullable=False),
        Column("currency", String(length=3), nullable=False),
        ForeignKeyConstraint(
            ["entry_id"],
            ["journal_entries.id"],
        ),
        PrimaryKeyConstraint("entry_id", "line"),
        if_not_exists=True,
    )
    op.create_index("ix_journal_postings_account", "journal_postings", ["account"], if_not_exists=True)


def refunds() -> None:
    op.create_table(
        "refunds",
        Column("id", Uuid(), nullable=False),
        Column("payment_id", Uuid(), nullable=False),
        Column("amount", BigInteger(), nullable=False),
        Column("currency", String(length=3), nullable=False),
        Column("reason", String(), nullable=False),
        Column("cause", String(), nullable=False),
        Column("status", String(), nullable=False),
        Column("provider_id", String()),
        Column("why", String()),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("completed_at", DateTime(timezone=True)),
        ForeignKeyConstraint(
            ["payment_id"],
            ["payments.id"],
        ),
        PrimaryKeyConstraint("id"),
        UniqueConstraint("cause"),
        if_not_exists=True,
    )
    op.create_index("ix_refunds_payment_id", "refunds", ["payment_id"], if_not_exists=True)


def append_only(table: str) -> None:
    """The database itself refuses to change or delete what is in the journal."""
    on_sqlite = op.get_context().dialect.name == "sqlite"
    for verb in ("UPDATE", "DELETE"):
        name = f"{table}_no_{verb.lower()}"
        if on_sqlite:
            op.execute(
                f"CREATE TRIGGER IF NOT EXISTS {name} BEFORE {verb} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            )
        else:
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION journal_is_append_only()"
            )


def refusing_function() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "CREATE OR REPLACE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$"
        )
