"""Queries about chargebacks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, func, insert, select, update

from hometrip.kernel.errors import NotFound
from hometrip.kernel.money import Money
from hometrip.ports.database import Reader, Tx
from hometrip.services.payment.store.rows import Chargeback, Settlement, all_of, one_of, row_of
from hometrip.services.payment.store.tables import chargebacks, payments, settlements


async def add_chargeback(tx: Tx, chargeback: Chargeback) -> None:
    await tx.execute(insert(chargebacks).values(row_of(chargeback)))


async def chargeback(db: Reader, chargeback_id: UUID) -> Chargeback:
    found = await one_of(db, Chargeback, chargebacks, id=chargeback_id)
    if found is None:
        raise NotFound
    return found


async def chargeback_at_provider(db: Reader, provider_id: str) -> Chargeback | None:
    return await one_of(db, Chargeback, chargebacks, provider_id=provider_id)


async def change_chargeback(tx: Tx, chargeback_id: UUID, **fields: Any) -> None:
    await tx.execute(update(chargebacks).where(chargebacks.c.id == chargeback_id).values(**fields))


async def chargebacks_page(
    db: Reader, status: str | None, limit: int, before: UUID | None
) -> list[Chargeback]:
    """The newest first."""
    statement = select(chargebacks)
    if status is not None:
        statement = statement.where(chargebacks.c.status == status)
    if before is not None:
        statement = statement.where(chargebacks.c.id < before)
    return await all_of(db, Chargeback, statement.order_by(chargebacks.c.id.desc()).limit(limit))


async def every_chargeback(db: Reader) -> list[Chargeback]:
    return await all_of(db, Chargeback, select(chargebacks).order_by(chargebacks.c.id))


async def is_charged_back(db: Reader, booking_id: UUID) -> bool:
    """Is one open?"""
    open_ones = and_(chargebacks.c.booking_id == booking_id, chargebacks.c.closed_at.is_(None))
    return bool(await db.value(select(func.count()).where(open_ones)))


async def lost_to_bank(db: Reader, payment_id: UUID) -> bool:
    """Has the bank taken some of the payment for good, and decided about all that it asked for?"""
    statement = select(chargebacks.c.status).where(chargebacks.c.payment_id == payment_id)
    found = {row.status for row in await db.rows(statement)}
    return "lost" in found <= {"won", "lost"}


async def is_set_aside(db: Reader, booking_id: UUID) -> bool:
    """Has a bank money of the booking's for now?"""
    undecided = and_(chargebacks.c.closed_at.is_(None), chargebacks.c.withdrawn)
    found = select(func.count()).where(chargebacks.c.booking_id == booking_id, undecided)
    return bool(await db.value(found))


async def add_settlement(tx: Tx, settlement: Settlement) -> None:
    await tx.execute(insert(settlements).values(row_of(settlement)))


async def take_settlements(tx: Tx, booking_id: UUID) -> list[Settlement]:
    """Those that wait, the earliest first; they wait no more."""
    waiting = settlements.c.booking_id == booking_id
    found = await all_of(tx, Settlement, select(settlements).where(waiting).order_by(settlements.c.id))
    await tx.execute(delete(settlements).where(waiting))
    return found


async def count_as_disputed(tx: Tx, payment_id: UUID, amount: Money) -> None:
    """So much more of the payment (less, below zero) cannot be given back."""
    more = payments.c.disputed + amount.amount
    await tx.execute(update(payments).where(payments.c.id == payment_id).values(disputed=more))
