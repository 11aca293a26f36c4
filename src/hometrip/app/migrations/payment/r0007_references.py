"""Refunds know under which reference they were paid where the provider would not send them."""

from alembic import op
from sqlalchemy import Column, String

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("refunds", Column("reference", String()))
