"""Chargebacks and what of a payment they take; pay-outs that are put off; accounts that can be paid."""

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
)

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "chargebacks",
        Column("id", Uuid(), nullable=False),
        Column("provider_id", String(), nullable=False),
        Column("payment_id", Uuid(), nullable=False),
        Column("booking_id", Uuid(), nullable=False),
        Column("amount", BigInteger(), nullable=False),
        Column("currency", String(length=3), nullable=False),
        Column("status", String(), nullable=False),
        Column("reason", String(), nullable=False),
        Column("withdrawn", Boolean(), nullable=False),
        Column("taken", BigInteger(), nullable=False),
        Column("due_by", DateTime(timezone=True)),
        Column("evidence", String()),
        Column("opened_at", DateTime(timezone=True), nullable=False),
        Column("closed_at", DateTime(timezone=True)),
        ForeignKeyConstraint(["payment_id"], ["payments.id"]),
        PrimaryKeyConstraint("id"),
        UniqueConstraint("provider_id"),
    )
    op.create_index("ix_chargebacks_booking_id", "chargebacks", ["booking_id"])
    op.add_column("payments", Column("disputed", BigInteger(), nullable=False, server_default="0"))
    op.add_column("payouts", Column("attempt", Integer(), nullable=False, server_default="0"))
    op.add_column("host_accounts", Column("can_be_paid", Boolean()))
