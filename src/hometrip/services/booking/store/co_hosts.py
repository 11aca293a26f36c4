"""The own copy of who co-hosts which homes: whose booking it is, is decided without asking anybody."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select

from hometrip.ports.database import Prepared, Reader, Tx
from hometrip.services.booking.store.tables import co_hosts

_of_account = select(co_hosts.c.listing_id).where(co_hosts.c.account_id == bindparam("account"))
_homes = Prepared(_of_account.order_by(co_hosts.c.listing_id))
_one = Prepared(_of_account.where(co_hosts.c.listing_id == bindparam("listing")))


async def add(tx: Tx, co_host_id: UUID, listing_id: UUID, account_id: UUID) -> None:
    row = {"id": co_host_id, "listing_id": listing_id, "account_id": account_id}
    await tx.execute(insert(co_hosts).values(row))


async def remove(tx: Tx, co_host_id: UUID) -> None:
    await tx.execute(delete(co_hosts).where(co_hosts.c.id == co_host_id))


async def is_one(db: Reader, account_id: UUID, listing_id: UUID) -> bool:
    """Does the account co-host that home?"""
    return await db.value(_one.with_values(account=account_id, listing=listing_id)) is not None


async def of_homes(db: Reader, listing_ids: list[UUID]) -> dict[UUID, list[UUID]]:
    found: dict[UUID, list[UUID]] = {}
    for row in await db.rows(select(co_hosts).where(co_hosts.c.listing_id.in_(listing_ids))):
        found.setdefault(row.listing_id, []).append(row.account_id)
    return found


async def homes_of(db: Reader, account_id: UUID) -> list[UUID]:
    return [row.listing_id for row in await db.rows(_homes.with_values(account=account_id))]
