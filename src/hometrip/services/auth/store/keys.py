"""The keys that sign access tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, or_, select, update

from hometrip.ports.database import Reader, Tx
from hometrip.services.auth.store.tables import signing_keys


async def newest(reader: Reader) -> Any | None:
    """`kid` and `sealed` of the newest key: the one that signs."""
    signing = (
        select(signing_keys.c.kid, signing_keys.c.sealed)
        .where(signing_keys.c.retired_at.is_(None))
        .order_by(signing_keys.c.created_at.desc(), signing_keys.c.kid.desc())
        .limit(1)
    )
    return await reader.row(signing)


async def public(reader: Reader, retired_after: datetime) -> list[dict[str, Any]]:
    serving = or_(signing_keys.c.retired_at.is_(None), signing_keys.c.retired_at > retired_after)
    rows = await reader.rows(
        select(signing_keys.c.public).where(serving).order_by(signing_keys.c.created_at.desc())
    )
    return [row.public for row in rows]


async def replace(
    tx: Tx, kid: str, sealed: bytes, public: dict[str, Any], now: datetime, retired_before: datetime
) -> None:
    """The new key signs from now on; those retired before then are forgotten."""
    await tx.execute(delete(signing_keys).where(signing_keys.c.retired_at <= retired_before))
    await tx.execute(update(signing_keys).where(signing_keys.c.retired_at.is_(None)).values(retired_at=now))
    await tx.execute(insert(signing_keys).values(kid=kid, sealed=sealed, public=public, created_at=now))
