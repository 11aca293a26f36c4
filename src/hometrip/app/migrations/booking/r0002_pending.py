"""The booking that a key has made, and those that are pending, are found without a look at what their guest
or home has had before.
"""

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.drop_index("bookings_by_once_key", "bookings", if_exists=True)
    op.create_index("bookings_by_once_key", "bookings", ["once_key", "guest_id"], if_not_exists=True)
    pending = text("status = 'pending'")
    op.create_index(
        "bookings_pending",
        "bookings",
        ["listing_id", "guest_id"],
        sqlite_where=pending,
        postgresql_where=pending,
        if_not_exists=True,
    )
