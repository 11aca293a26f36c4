"""The tables of auth, as they were when they were first numbered.

Where they exist, made before there were numbers, they are as they should be.
"""

from alembic import op
from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    Uuid,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    accounts()
    signing_keys()
    known_devices()
    mail_requests()
    sessions()
    refresh_tokens()


def accounts() -> None:
    op.create_table(
        "accounts",
        Column("id", Uuid(), nullable=False),
        Column("email", String(length=254), nullable=False),
        Column("email_key", String(length=254), nullable=False),
        Column("name", String(length=100), nullable=False),
        Column("locale", String(length=8), nullable=False),
        Column("password_hash", String(length=256)),
        Column("roles", JSON(), nullable=False),
        Column("status", String(length=16), nullable=False),
        Column("verified_at", DateTime(timezone=True)),
        Column("created_at", DateTime(timezone=True), nullable=False),
        PrimaryKeyConstraint("id"),
        UniqueConstraint("email_key"),
        if_not_exists=True,
    )


def signing_keys() -> None:
    op.create_table(
        "signing_keys",
        Column("kid", String(length=64), nullable=False),
        Column("sealed", LargeBinary(), nullable=False),
        Column("public", JSON(), nullable=False),
        Column("signs_from", DateTime(timezone=True), nullable=False),
        Column("retired_at", DateTime(timezone=True)),
        PrimaryKeyConstraint("kid"),
        if_not_exists=True,
    )


def known_devices() -> None:
    op.create_table(
        "known_devices",
        Column("account_id", Uuid(), nullable=False),
        Column("mark", LargeBinary(length=16), nullable=False),
        Column("seen_at", DateTime(timezone=True), nullable=False),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], ondelete="CASCADE"),
        PrimaryKeyConstraint("account_id", "mark"),
        if_not_exists=True,
    )


def mail_requests() -> None:
    op.create_table(
        "mail_requests",
        Column("id", Uuid(), nullable=False),
        Column("account_id", Uuid()),
        Column("purpose", String(length=20), nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        Column("used_at", DateTime(timezone=True)),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], ondelete="CASCADE"),
        PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index("ix_mail_requests_expires_at", "mail_requests", ["expires_at"], if_not_exists=True)
    op.create_index(
        "mail_requests_of_account", "mail_requests", ["account_id", "purpose"], if_not_exists=True
    )


def sessions() -> None:
    op.create_table(
        "sessions",
        Column("id", Uuid(), nullable=False),
        Column("account_id", Uuid(), nullable=False),
        Column("device", String(length=80), nullable=False),
        Column("address", String(length=64), nullable=False),
        Column("newest", Integer(), nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("last_seen_at", DateTime(timezone=True), nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        Column("revoked_at", DateTime(timezone=True)),
        ForeignKeyConstraint(["account_id"], ["accounts.id"], ondelete="CASCADE"),
        PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_index("ix_sessions_account_id", "sessions", ["account_id"], if_not_exists=True)
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"], if_not_exists=True)
    op.create_index("ix_sessions_revoked_at", "sessions", ["revoked_at"], if_not_exists=True)


def refresh_tokens() -> None:
    op.create_table(
        "refresh_tokens",
        Column("fingerprint", LargeBinary(length=32), nullable=False),
        Column("session_id", Uuid(), nullable=False),
        Column("number", Integer(), nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        Column("used_at", DateTime(timezone=True)),
        Column("successor", LargeBinary(length=32)),
        ForeignKeyConstraint(["session_id"], ["sessions.id"], ondelete="CASCADE"),
        PrimaryKeyConstraint("fingerprint"),
        UniqueConstraint("session_id", "number"),
        if_not_exists=True,
    )
