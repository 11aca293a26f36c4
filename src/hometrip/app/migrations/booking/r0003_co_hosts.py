"""Booking keeps who acts for a home besides its host."""

from alembic import op
from sqlalchemy import Column, PrimaryKeyConstraint, Uuid

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "co_hosts",
        Column("id", Uuid(), nullable=False),
        Column("listing_id", Uuid(), nullable=False),
        Column("account_id", Uuid(), nullable=False),
        PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index("co_hosts_by_account", "co_hosts", ["account_id", "listing_id"], if_not_exists=True)
