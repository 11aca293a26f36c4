"""A refund for which the provider holds too little is asked for again."""

from alembic import op
from sqlalchemy import Column, Integer

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("refunds", Column("attempt", Integer(), nullable=False, server_default="0"))
