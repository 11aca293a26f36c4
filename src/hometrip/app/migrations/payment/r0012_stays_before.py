"""A paper tells the dates that the stay had when it was made."""

from alembic import op
from sqlalchemy import Column, Date, DateTime, Uuid

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "stays_before",
        Column("change_id", Uuid(), primary_key=True),
        Column("booking_id", Uuid(), nullable=False),
        Column("until", DateTime(timezone=True), nullable=False),
        Column("check_in", Date(), nullable=False),
        Column("check_out", Date(), nullable=False),
    )
    op.create_index("ix_stays_before_booking_id", "stays_before", ["booking_id"])
