"""The tables of booking, as they were when they were first numbered.

Where they exist, made before there were numbers, they are as they should be.
"""

from typing import Any

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
    Uuid,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    booked_nights()
    bookings()
    bookings_indexes()
    coupons()
    booking_history()


def booked_nights() -> None:
    op.create_table(
        "booked_nights",
        Column("listing_id", Uuid(), nullable=False),
        Column("night", Date(), nullable=False),
        Column("owner_id", Uuid(), nullable=False),
        Column("kind", String(length=8), nullable=False),
        PrimaryKeyConstraint("listing_id", "night"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_index("booked_nights_by_owner", "booked_nights", ["owner_id"], if_not_exists=True)


def bookings() -> None:
    op.create_table(
        "bookings", *what_was_booked(), *what_became_of_it(), PrimaryKeyConstraint("id"), if_not_exists=True
    )


def what_was_booked() -> list[Column[Any]]:
    return [
        Column("id", Uuid(), nullable=False),
        Column("listing_id", Uuid(), nullable=False),
        Column("guest_id", Uuid(), nullable=False),
        Column("host_id", Uuid(), nullable=False),
        Column("title", Text(), nullable=False),
        Column("time_zone", String(length=64), nullable=False),
        Column("check_in", Date(), nullable=False),
        Column("check_out", Date(), nullable=False),
        Column("check_in_at", DateTime(timezone=True), nullable=False),
        Column("check_out_at", DateTime(timezone=True), nullable=False),
        Column("guests", Integer(), nullable=False),
        Column("pets", Integer(), nullable=False),
        Column("status", String(length=12), nullable=False),
        Column("awaiting", String(length=8)),
        Column("hold_until", DateTime(timezone=True)),
        Column("hold_extended", Boolean(), nullable=False),
    ]


def what_became_of_it() -> list[Column[Any]]:
    return [
        Column("total", BigInteger(), nullable=False),
        Column("currency", String(length=3), nullable=False),
        Column("agreed", Text(), nullable=False),
        Column("host_funds_coupon", Boolean(), nullable=False),
        Column("cancellation_policy", String(length=20), nullable=False),
        Column("coupon", String(length=40)),
        Column("message", Text()),
        Column("payment_status", String(length=24), nullable=False),
        Column("intent_id", Uuid()),
        Column("confirmed_at", DateTime(timezone=True)),
        Column("cancellation", Text()),
        Column("balance", BigInteger()),
        Column("balance_due_at", DateTime(timezone=True)),
        Column("kept", Text()),
        Column("change", Text()),
        Column("disputes", Text()),
        Column("fee_returned_at", DateTime(timezone=True)),
        Column("once_key", String(length=255)),
        Column("version", Integer(), nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
    ]


def bookings_indexes() -> None:
    op.create_index("bookings_by_coupon", "bookings", ["coupon", "guest_id"], if_not_exists=True)
    op.create_index("bookings_by_guest", "bookings", ["guest_id", "check_in"], if_not_exists=True)
    op.create_index("bookings_by_host", "bookings", ["host_id", "check_in"], if_not_exists=True)
    op.create_index("bookings_by_listing", "bookings", ["listing_id", "check_out"], if_not_exists=True)
    op.create_index("bookings_by_once_key", "bookings", ["once_key"], if_not_exists=True)


def coupons() -> None:
    op.create_table(
        "coupons",
        Column("code", String(length=40), nullable=False),
        Column("host_id", Uuid()),
        Column("percent_bp", Integer()),
        Column("fixed", BigInteger()),
        Column("minimum", BigInteger()),
        Column("currency", String(length=3)),
        Column("starts_at", DateTime(timezone=True)),
        Column("ends_at", DateTime(timezone=True)),
        Column("total_limit", Integer()),
        Column("account_limit", Integer()),
        Column("host_funded", Boolean(), nullable=False),
        Column("listing_ids", Text()),
        Column("version", Integer(), nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        PrimaryKeyConstraint("code"),
        if_not_exists=True,
    )
    op.create_index("coupons_by_host", "coupons", ["host_id", "code"], if_not_exists=True)


def booking_history() -> None:
    op.create_table(
        "booking_history",
        Column("booking_id", Uuid(), nullable=False),
        Column("step", Integer(), nullable=False),
        Column("status", String(length=20), nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("by", String(length=8), nullable=False),
        Column("why", Text()),
        Column("account_id", Uuid()),
        ForeignKeyConstraint(
            ["booking_id"],
            ["bookings.id"],
        ),
        PrimaryKeyConstraint("booking_id", "step"),
        if_not_exists=True,
    )
