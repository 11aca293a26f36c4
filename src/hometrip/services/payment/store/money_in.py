"""Queries about payments."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import (
    and_,
    bindparam,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from hometrip.kernel.errors import NotFound
from hometrip.ports.database import Prepared, Reader, Tx
from hometrip.services.payment.rules import CANCELED, FIRST, SUCCEEDED
from hometrip.services.payment.store.rows import AlreadyOpen, Payment, add, all_of, change_by, one, one_of
from hometrip.services.payment.store.tables import payments

_of_booking = Prepared(
    select(payments).where(payments.c.booking_id == bindparam("booking_id")).order_by(payments.c.id)
)
_live = Prepared(
    select(payments)
    .where(
        payments.c.booking_id == bindparam("booking_id"),
        payments.c.part == bindparam("part"),
        payments.c.status != CANCELED,
    )
    .with_for_update(key_share=True)
)
_booking_of = Prepared(select(payments.c.booking_id).where(payments.c.id == bindparam("id")))


async def add_payment(tx: Tx, payment: Payment) -> None:
    """`AlreadyOpen` where the booking has a payment that is not over."""
    try:
        await add(tx, payments, payment)
    except IntegrityError as refusal:
        raise AlreadyOpen from refusal


async def payment(db: Reader, payment_id: UUID) -> Payment:
    """`NotFound` where there is none."""
    found = await one_of(db, Payment, payments, id=payment_id)
    if found is None:
        raise NotFound
    return found


async def booking_of(db: Reader, payment_id: UUID) -> UUID:
    """Which booking it is for; `NotFound` where there is none. Locks nothing."""
    found: UUID | None = await db.value(_booking_of.with_values(id=payment_id))
    if found is None:
        raise NotFound
    return found


async def payment_at_provider(db: Reader, provider_id: str) -> Payment | None:
    return await one_of(db, Payment, payments, provider_id=provider_id)


async def of_provider(db: Reader, provider_id: str) -> tuple[UUID, UUID] | None:
    """The ids of a payment and of its booking. Locks nothing."""
    row = await db.row(
        select(payments.c.id, payments.c.booking_id).where(payments.c.provider_id == provider_id)
    )
    return None if row is None else (row.id, row.booking_id)


async def live_payment(db: Reader, booking_id: UUID, part: str = FIRST) -> Payment | None:
    """The booking's payment for that part that is not cancelled, paid or still to be paid."""
    return await one(db, Payment, _live.with_values(booking_id=booking_id, part=part))


async def payments_of(db: Reader, booking_id: UUID) -> list[Payment]:
    """Every payment that the booking has had, over or not, the oldest first."""
    return await all_of(db, Payment, _of_booking.with_values(booking_id=booking_id))


async def count_with(tx: Tx, booking_id: UUID, part: str | None = None) -> None:
    """Booking has reckoned with what was captured for it (for that part of it)."""
    these = and_(payments.c.booking_id == booking_id, payments.c.status == SUCCEEDED)
    if part is not None:
        these = and_(these, payments.c.part == part)
    await tx.execute(update(payments).where(these).values(counted=True))


async def change_payment(tx: Tx, payment_id: UUID, **fields: Any) -> None:
    await change_by(tx, payments, "id", payment_id, fields)


async def payments_of_guest(db: Reader, guest_id: UUID, limit: int, before: UUID | None) -> list[Payment]:
    """The newest first, from the one before `before` on."""
    statement = select(payments).where(payments.c.guest_id == guest_id)
    if before is not None:
        statement = statement.where(payments.c.id < before)
    return await all_of(db, Payment, statement.order_by(payments.c.id.desc()).limit(limit))


async def every_payment(db: Reader) -> list[Payment]:
    return await all_of(db, Payment, select(payments).order_by(payments.c.id))
