"""What is to go back waits while a cardholder's bank has the money."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, String, Uuid

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "settlements",
        Column("id", Uuid(), primary_key=True),
        Column("booking_id", Uuid(), nullable=False, index=True),
        Column("payment_id", Uuid()),
        Column("amount", BigInteger(), nullable=False),
        Column("currency", String(3), nullable=False),
        Column("split", String(), nullable=False),
        Column("keeps", Boolean(), nullable=False),
        Column("reason", String(), nullable=False),
        Column("cause", String(), nullable=False),
        Column("lines", String()),
    )
