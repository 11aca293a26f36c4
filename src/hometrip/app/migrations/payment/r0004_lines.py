"""Payments and invoices over all of a price remember its lines. Those that are there know shares only."""

from alembic import op
from sqlalchemy import Column, String

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("payments", Column("lines", String()))
    op.add_column("invoices", Column("lines", String()))
