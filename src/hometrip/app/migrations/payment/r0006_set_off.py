"""A pay-out of which all was set off is told apart from one that came to nothing."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        "UPDATE payouts SET status = 'set_off' WHERE status = 'void' AND id IN "
        "(SELECT reference FROM journal_entries WHERE kind = 'offset_given')"
    )
