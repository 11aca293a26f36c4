"""Sessions, their chains of refresh tokens, and the devices that an account was seen on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, or_, select, update

from hometrip.kernel.record import Frozen
from hometrip.ports.database import Prepared, Reader, Tx
from hometrip.services.auth.store.tables import known_devices, refresh_tokens, sessions

_one = Prepared(select(sessions).where(sessions.c.id == bindparam("id")))


class Session(Frozen):
    id: UUID
    account_id: UUID
    device: str
    address: str
    newest: int
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None


async def add(tx: Tx, session: Session) -> None:
    await tx.execute(insert(sessions).values(**{f: getattr(session, f) for f in session.__struct_fields__}))


async def session(reader: Reader, session_id: UUID) -> Session | None:
    row = await reader.row(_one.with_values(id=session_id))
    return None if row is None else _session(row)


async def living(reader: Reader, account_id: UUID, now: datetime) -> list[Session]:
    """The one that was seen last comes first."""
    alive = (
        (sessions.c.account_id == account_id)
        & sessions.c.revoked_at.is_(None)
        & (sessions.c.expires_at > now)
    )
    rows = await reader.rows(
        select(sessions).where(alive).order_by(sessions.c.last_seen_at.desc(), sessions.c.id)
    )
    return [_session(row) for row in rows]


def _session(row: Any) -> Session:
    return Session(**{name: getattr(row, name) for name in Session.__struct_fields__})


async def revoke(tx: Tx, session_id: UUID, at: datetime) -> bool:
    """False where it was revoked before."""
    alive = (sessions.c.id == session_id) & sessions.c.revoked_at.is_(None)
    return await tx.execute(update(sessions).where(alive).values(revoked_at=at)) == 1


async def revoked_since(reader: Reader, since: datetime) -> list[UUID]:
    return [row.id for row in await reader.rows(select(sessions.c.id).where(sessions.c.revoked_at > since))]


async def change(tx: Tx, session_id: UUID, **changes: Any) -> None:
    await tx.execute(update(sessions).where(sessions.c.id == session_id).values(**changes))


async def forget(tx: Tx, before: datetime) -> None:
    """Those that ended before then, with their tokens."""
    over = or_(sessions.c.expires_at < before, sessions.c.revoked_at < before)
    ids = select(sessions.c.id).where(over)
    await tx.execute(delete(refresh_tokens).where(refresh_tokens.c.session_id.in_(ids)))
    await tx.execute(delete(sessions).where(over))


async def add_token(
    tx: Tx, fingerprint: bytes, session_id: UUID, number: int, now: datetime, expires_at: datetime
) -> None:
    """The next of the session's chain; those that have expired are forgotten."""
    over = (refresh_tokens.c.session_id == session_id) & (refresh_tokens.c.expires_at < now)
    await tx.execute(delete(refresh_tokens).where(over))
    await tx.execute(
        insert(refresh_tokens).values(
            fingerprint=fingerprint, session_id=session_id, number=number, expires_at=expires_at
        )
    )


async def token(reader: Reader, fingerprint: bytes) -> Any | None:
    """`session_id`, `number`, `expires_at`, `used_at`, `successor`, and the session's `newest`.

    Of two that rotate it at once, the second waits here and sees what the first did.
    """
    joined = refresh_tokens.join(sessions, sessions.c.id == refresh_tokens.c.session_id)
    columns = (*refresh_tokens.c, sessions.c.newest, sessions.c.account_id, sessions.c.revoked_at)
    return await reader.row(
        select(*columns)
        .select_from(joined)
        .where(refresh_tokens.c.fingerprint == fingerprint)
        .with_for_update(key_share=True)
    )


async def use_token(tx: Tx, fingerprint: bytes, at: datetime, successor: bytes) -> bool:
    """False where another request was faster."""
    unused = (refresh_tokens.c.fingerprint == fingerprint) & refresh_tokens.c.used_at.is_(None)
    return await tx.execute(update(refresh_tokens).where(unused).values(used_at=at, successor=successor)) == 1


async def known_marks(reader: Reader, account_id: UUID) -> set[bytes]:
    rows = await reader.rows(select(known_devices.c.mark).where(known_devices.c.account_id == account_id))
    return {bytes(row.mark) for row in rows}


async def remember_marks(tx: Tx, account_id: UUID, marks: Sequence[bytes], at: datetime) -> None:
    mine = (known_devices.c.account_id == account_id) & known_devices.c.mark.in_(marks)
    await tx.execute(delete(known_devices).where(mine))
    rows = [{"account_id": account_id, "mark": mark, "seen_at": at} for mark in marks]
    await tx.execute(insert(known_devices), rows)
