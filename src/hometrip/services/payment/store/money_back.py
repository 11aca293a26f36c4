"""Queries about refunds."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, insert, or_, select, update

from hometrip.kernel.errors import NotFound
from hometrip.kernel.money import Money
from hometrip.ports.database import Reader, Tx
from hometrip.services.payment.rules import HELD_BY_BANK, RefundTooLarge
from hometrip.services.payment.store.rows import Refund, all_of, one_of, row_of
from hometrip.services.payment.store.tables import payments, refunds

FROM_BANK = and_(refunds.c.status == "failed", refunds.c.why == HELD_BY_BANK)
_OWED = and_(refunds.c.status == "failed", refunds.c.why.is_distinct_from(HELD_BY_BANK))


async def promise_back(tx: Tx, payment_id: UUID, amount: Money) -> None:
    """The row referees: never is more promised back than was captured and is not disputed
    (`RefundTooLarge`)."""
    promised = payments.c.promised_back + amount.amount
    touched = await tx.execute(
        update(payments)
        .where(payments.c.id == payment_id, promised + payments.c.disputed <= payments.c.captured)
        .values(promised_back=promised)
    )
    if not touched:
        raise RefundTooLarge


async def add_refund(tx: Tx, refund: Refund) -> None:
    await tx.execute(insert(refunds).values(row_of(refund)))


async def refund(db: Reader, refund_id: UUID) -> Refund:
    found = await one_of(db, Refund, refunds, id=refund_id)
    if found is None:
        raise NotFound
    return found


async def refunds_of(db: Reader, payment_id: UUID) -> list[Refund]:
    statement = select(refunds).where(refunds.c.payment_id == payment_id)
    return await all_of(db, Refund, statement.order_by(refunds.c.id))


async def every_refund(db: Reader) -> list[Refund]:
    return await all_of(db, Refund, select(refunds).order_by(refunds.c.id))


async def refund_at_provider(db: Reader, provider_id: str) -> Refund | None:
    return await one_of(db, Refund, refunds, provider_id=provider_id)


async def note_refund(tx: Tx, refund_id: UUID, provider_id: str) -> None:
    """It is on its way, under that name."""
    await tx.execute(update(refunds).where(refunds.c.id == refund_id).values(provider_id=provider_id))


async def put_off_refund(tx: Tx, refund_id: UUID, attempt: int) -> bool:
    """Of one attempt, once."""
    this = and_(refunds.c.id == refund_id, refunds.c.status == "initiated", refunds.c.attempt == attempt)
    return await tx.execute(update(refunds).where(this).values(attempt=attempt + 1)) == 1


async def return_refund(tx: Tx, refund_id: UUID, why: str) -> bool:
    """One that was completed has come back; False where it was not, or has already."""
    completed = and_(refunds.c.id == refund_id, refunds.c.status == "completed")
    ends = {"status": "failed", "why": why}
    return await tx.execute(update(refunds).where(completed).values(**ends)) == 1


async def end_refund(tx: Tx, refund_id: UUID, **fields: Any) -> bool:
    """Only once: False where it has ended already."""
    open_one = and_(refunds.c.id == refund_id, refunds.c.status == "initiated")
    return await tx.execute(update(refunds).where(open_one).values(**fields)) == 1


async def pay_otherwise(tx: Tx, refund_id: UUID, reference: str, at: datetime) -> bool:
    """One that is owed has been paid under that reference; False where it is not owed."""
    ends = {"status": "paid", "reference": reference, "completed_at": at}
    return await tx.execute(update(refunds).where(refunds.c.id == refund_id, _OWED).values(**ends)) == 1


async def had_from_bank(tx: Tx, refund_id: UUID, amount: Money) -> None:
    """The cardholder's bank has given the guest what was owed, or so much of it."""
    this = and_(refunds.c.id == refund_id, _OWED)
    await tx.execute(update(refunds).where(this).values(why=HELD_BY_BANK, amount=amount.amount))


async def reopen_refund(tx: Tx, refund_id: UUID) -> None:
    """The cardholder's bank has not given it after all: it is to be sent, by another try than before."""
    this = and_(refunds.c.id == refund_id, FROM_BANK)
    again = {"status": "initiated", "why": None, "attempt": refunds.c.attempt + 1}
    await tx.execute(update(refunds).where(this).values(**again))


async def owed_refunds(db: Reader, limit: int, before: UUID | None) -> list[Refund]:
    """Those that the provider refused for good and that the guest has in no other way, the newest first."""
    statement = select(refunds).where(_OWED)
    if before is not None:
        statement = statement.where(refunds.c.id < before)
    return await all_of(db, Refund, statement.order_by(refunds.c.id.desc()).limit(limit))


async def bookings_of(db: Reader, found: list[Refund]) -> dict[UUID, UUID]:
    """The booking of each refund's payment, by the payment."""
    known = payments.c.id.in_({one.payment_id for one in found})
    rows = await db.rows(select(payments.c.id, payments.c.booking_id).where(known))
    return {row.id: row.booking_id for row in rows}


async def left_to_refund(db: Reader, payment_id: UUID) -> int:
    """What was captured and has not gone back yet, by us or by the cardholder's bank."""
    gone = or_(refunds.c.status.in_(("completed", "paid")), FROM_BANK)
    had = select(func.coalesce(func.sum(refunds.c.amount), 0)).where(refunds.c.payment_id == payment_id, gone)
    still_here = select(payments.c.captured - payments.c.disputed).where(payments.c.id == payment_id)
    return int(await db.value(still_here)) - int(await db.value(had))


async def payments_with_open_refunds(db: Reader) -> set[UUID]:
    statement = select(refunds.c.payment_id).where(refunds.c.status == "initiated").distinct()
    return {row.payment_id for row in await db.rows(statement)}
