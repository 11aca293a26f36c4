"""Journal entries know their place in their booking's story. Those that are there keep to their ids."""

from alembic import op
from sqlalchemy import Column, Integer

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("journal_entries", Column("step", Integer(), nullable=False, server_default="0"))
