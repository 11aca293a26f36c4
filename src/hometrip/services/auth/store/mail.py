"""Wishes for a mail with a link."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from hometrip.ports.database import Reader, Tx
from hometrip.services.auth.store.tables import mail_requests


async def ask(
    tx: Tx, request_id: UUID, account_id: UUID | None, purpose: str, now: datetime, life: timedelta
) -> None:
    """Keep the wish, and forget those that are a day over."""
    await tx.execute(delete(mail_requests).where(mail_requests.c.expires_at < now - timedelta(days=1)))
    await tx.execute(
        insert(mail_requests).values(
            id=request_id, account_id=account_id, purpose=purpose, expires_at=now + life
        )
    )


async def open_until(reader: Reader, request_id: UUID, account_id: UUID, purpose: str) -> datetime | None:
    """When an unused request expires."""
    mine = (
        (mail_requests.c.id == request_id)
        & (mail_requests.c.account_id == account_id)
        & (mail_requests.c.purpose == purpose)
        & mail_requests.c.used_at.is_(None)
    )
    until: datetime | None = await reader.value(select(mail_requests.c.expires_at).where(mine))
    return until


async def use(tx: Tx, request_id: UUID, account_id: UUID, at: datetime) -> bool:
    """False where it was used before."""
    unused = (
        (mail_requests.c.id == request_id)
        & (mail_requests.c.account_id == account_id)
        & mail_requests.c.used_at.is_(None)
    )
    return await tx.execute(update(mail_requests).where(unused).values(used_at=at)) == 1


async def close(tx: Tx, account_id: UUID, purpose: str, at: datetime) -> None:
    """None of those that are open is good any more."""
    unused = (
        (mail_requests.c.account_id == account_id)
        & (mail_requests.c.purpose == purpose)
        & mail_requests.c.used_at.is_(None)
    )
    await tx.execute(update(mail_requests).where(unused).values(used_at=at))
