"""Accounts as they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Text, bindparam, cast, insert, select, update
from sqlalchemy.exc import IntegrityError

from hometrip.kernel.record import Frozen
from hometrip.ports.database import Prepared, Reader, Tx
from hometrip.services.auth.contract import AddressTaken
from hometrip.services.auth.store.tables import accounts


class Account(Frozen):
    id: UUID
    email: str
    email_key: str
    name: str
    locale: str
    password_hash: str | None
    roles: list[str]
    status: str
    verified_at: datetime | None
    created_at: datetime


def _account(row: Any | None) -> Account | None:
    return None if row is None else Account(**row._asdict())


async def add(tx: Tx, account: Account) -> None:
    try:
        await tx.execute(
            insert(accounts).values(**{f: getattr(account, f) for f in account.__struct_fields__})
        )
    except IntegrityError as refusal:
        raise AddressTaken from refusal


_one = Prepared(select(accounts).where(accounts.c.id == bindparam("id")))


async def get(reader: Reader, account_id: UUID) -> Account | None:
    return _account(await reader.row(_one.with_values(id=account_id)))


async def held(db: Reader, account_id: UUID) -> Account | None:
    """As `get`; in a transaction nobody else changes it until that ends."""
    mine = select(accounts).where(accounts.c.id == account_id)
    return _account(await db.row(mine.with_for_update(key_share=True)))


async def by_email(reader: Reader, email_key: str) -> Account | None:
    return _account(await reader.row(select(accounts).where(accounts.c.email_key == email_key)))


async def get_many(reader: Reader, ids: Sequence[UUID]) -> list[Account]:
    if len(ids) == 1:  # so it is with every mail
        known = await get(reader, ids[0])
        return [] if known is None else [known]
    rows = await reader.rows(select(accounts).where(accounts.c.id.in_(ids)))
    return [Account(**row._asdict()) for row in rows]


async def with_roles(reader: Reader) -> list[Account]:
    """Every account that has a role: few among many."""
    rows = await reader.rows(select(accounts).where(cast(accounts.c.roles, Text) != "[]"))
    return [Account(**row._asdict()) for row in rows]


async def any_at_all(reader: Reader) -> bool:
    return await reader.value(select(accounts.c.id).limit(1)) is not None


async def change(tx: Tx, account_id: UUID, **changes: Any) -> None:
    await tx.execute(update(accounts).where(accounts.c.id == account_id).values(**changes))


async def sign_up_again(tx: Tx, email_key: str, **changes: Any) -> bool:
    """Put the newer sign-up in the place of the one that is not verified yet; was there one?"""
    waiting = (accounts.c.email_key == email_key) & accounts.c.verified_at.is_(None)
    return await tx.execute(update(accounts).where(waiting).values(**changes)) == 1


async def verify(tx: Tx, account_id: UUID, at: datetime) -> bool:
    """False where it was verified before."""
    waiting = (accounts.c.id == account_id) & accounts.c.verified_at.is_(None)
    return await tx.execute(update(accounts).where(waiting).values(verified_at=at)) == 1
