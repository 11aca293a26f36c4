"""Of what banks keep for good it is known whether bookings were told. Of what is there already they were not,
or only a moment ago."""

from alembic import op
from sqlalchemy import Boolean, Column, false

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("chargebacks", Column("told", Boolean(), nullable=False, server_default=false()))
