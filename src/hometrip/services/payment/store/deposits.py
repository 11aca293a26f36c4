"""Queries about damage deposits and the claims on them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from hometrip.kernel.errors import Conflict
from hometrip.ports.database import Reader, Tx
from hometrip.services.payment.store.rows import Claim, Deposit, all_of, newest_of, one_of, row_of
from hometrip.services.payment.store.tables import claims, deposits


class AlreadyClaimed(Conflict):
    """There is a claim on this deposit; one is all that can be made."""

    code = "deposit_already_claimed"


async def add_deposit(tx: Tx, deposit: Deposit) -> None:
    await tx.execute(insert(deposits).values(row_of(deposit)))


async def deposit_of(db: Reader, booking_id: UUID) -> Deposit | None:
    return await one_of(db, Deposit, deposits, booking_id=booking_id)


async def every_deposit(db: Reader) -> list[Deposit]:
    return await all_of(db, Deposit, select(deposits).order_by(deposits.c.booking_id))


async def every_claim(db: Reader) -> list[Claim]:
    return await all_of(db, Claim, select(claims).order_by(claims.c.booking_id))


async def move_deposit(tx: Tx, booking_id: UUID, was: str, **fields: Any) -> bool:
    """Change it if its status is still `was`."""
    this = and_(deposits.c.booking_id == booking_id, deposits.c.status == was)
    return await tx.execute(update(deposits).where(this).values(**fields)) == 1


async def add_claim(tx: Tx, claim: Claim) -> None:
    """`AlreadyClaimed` where the deposit has one."""
    try:
        await tx.execute(insert(claims).values(row_of(claim) | {"granted": None}))
    except IntegrityError as refusal:
        raise AlreadyClaimed from refusal


async def claim_on(db: Reader, booking_id: UUID) -> Claim | None:
    return await one_of(db, Claim, claims, booking_id=booking_id)


async def claims_page(db: Reader, status: str | None, limit: int, before: UUID | None) -> list[Claim]:
    return await newest_of(db, Claim, claims, status, limit, before)


async def move_claim(tx: Tx, claim_id: UUID, was: str, **fields: Any) -> bool:
    """Change it if its status is still `was`."""
    this = and_(claims.c.id == claim_id, claims.c.status == was)
    return await tx.execute(update(claims).where(this).values(**fields)) == 1
