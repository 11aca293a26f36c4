"""The keys that sign access tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, or_, select, update

from hometrip.ports.database import Reader, Tx
from hometrip.services.auth.store.tables import signing_keys


async def signing_at(reader: Reader, now: datetime) -> Any | None:
    """`kid` and `sealed` of the key that signs then: the newest whose time has come."""
    serving = or_(signing_keys.c.retired_at.is_(None), signing_keys.c.retired_at > now)
    signing = (
        select(signing_keys.c.kid, signing_keys.c.sealed)
        .where(serving, signing_keys.c.signs_from <= now)
        .order_by(signing_keys.c.signs_from.desc(), signing_keys.c.kid.desc())
        .limit(1)
    )
    return await reader.row(signing)


async def public(reader: Reader, retired_after: datetime) -> list[dict[str, Any]]:
    """The newest first."""
    serving = or_(signing_keys.c.retired_at.is_(None), signing_keys.c.retired_at > retired_after)
    rows = await reader.rows(
        select(signing_keys.c.public).where(serving).order_by(signing_keys.c.signs_from.desc())
    )
    return [row.public for row in rows]


async def replace(
    tx: Tx, kid: str, sealed: bytes, public: dict[str, Any], signs_from: datetime, retired_before: datetime
) -> None:
    """The new key signs from then on; those retired before then are forgotten."""
    await tx.execute(delete(signing_keys).where(signing_keys.c.retired_at <= retired_before))
    serving = signing_keys.c.retired_at.is_(None)
    await tx.execute(update(signing_keys).where(serving).values(retired_at=signs_from))
    await tx.execute(
        insert(signing_keys).values(kid=kid, sealed=sealed, public=public, signs_from=signs_from)
    )
