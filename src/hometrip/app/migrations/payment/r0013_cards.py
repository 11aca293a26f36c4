"""Payments know what may be told of the card that paid."""

from alembic import op
from sqlalchemy import Column, String

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("payments", Column("card", String()))
