"""The tables of auth, and what each of them refuses."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    Uuid,
)

tables = MetaData()
Instant = DateTime(timezone=True)

# `email_key` is what makes two addresses the same: this index, not our code, refuses a second account.
accounts = Table(
    "accounts",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("email", String(254), nullable=False),
    Column("email_key", String(254), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("locale", String(8), nullable=False),
    # None where nobody can sign in with a password.
    Column("password_hash", String(256)),
    Column("roles", JSON, nullable=False),
    Column("status", String(16), nullable=False),
    Column("verified_at", Instant),
    Column("created_at", Instant, nullable=False),
)

# `newest` is the number of the newest refresh token: the one that may be rotated.
sessions = Table(
    "sessions",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("device", String(80), nullable=False),
    Column("address", String(64), nullable=False),
    Column("newest", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("revoked_at", Instant, index=True),
)

# A session's tokens are a chain: of two that rotate the same one, this constraint refuses the second.
refresh_tokens = Table(
    "refresh_tokens",
    tables,
    Column("fingerprint", LargeBinary(32), primary_key=True),
    Column("session_id", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("successor", LargeBinary(32)),
    UniqueConstraint("session_id", "number"),
)

known_devices = Table(
    "known_devices",
    tables,
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("mark", LargeBinary(16), primary_key=True),
    Column("seen_at", Instant, nullable=False),
)

# Wishes for a mail. One for an address without an account has none: it makes the answer cost the same.
mail_requests = Table(
    "mail_requests",
    tables,
    Column("id", Uuid, primary_key=True),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE")),
    Column("purpose", String(20), nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("used_at", Instant),
    Index("mail_requests_of_account", "account_id", "purpose"),
)

# `sealed` is the private key, encrypted; `public` its JWK, which is known to all before the key signs.
signing_keys = Table(
    "signing_keys",
    tables,
    Column("kid", String(64), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("public", JSON, nullable=False),
    Column("signs_from", Instant, nullable=False),
    Column("retired_at", Instant),
)
