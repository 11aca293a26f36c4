"""Claims on a deposit have pictures of what was damaged."""

from alembic import op
from sqlalchemy import Column, String

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("deposit_claims", Column("pictures", String()))
