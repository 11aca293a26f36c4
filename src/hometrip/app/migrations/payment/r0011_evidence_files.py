"""A dispute of a cardholder's bank is answered with a file too."""

from alembic import op
from sqlalchemy import Column, String

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("chargebacks", Column("file", String()))
