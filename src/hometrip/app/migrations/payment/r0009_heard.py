"""What the provider tells is looked for, from where the last look ended."""

from alembic import op
from sqlalchemy import Column, DateTime, String

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "heard",
        Column("of", String(), primary_key=True),
        Column("until", DateTime(timezone=True), nullable=False),
    )
