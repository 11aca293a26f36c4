"""Queries about chargebacks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, select, true, union_all, update

from hometrip.kernel.errors import NotFound
from hometrip.kernel.money import Money
from hometrip.ports.database import Reader, Tx
from hometrip.services.payment.rules import DEPOSIT, GUEST, Posting
from hometrip.services.payment.store.books import entries, invoices, postings
from hometrip.services.payment.store.money_back import FROM_BANK
from hometrip.services.payment.store.rows import (
    Chargeback,
    Payment,
    Settlement,
    all_of,
    newest_of,
    one_of,
    row_of,
)
from hometrip.services.payment.store.tables import chargebacks, payments, refunds, settlements

# A bank has the money and has not decided.
SET_ASIDE = and_(chargebacks.c.closed_at.is_(None), chargebacks.c.withdrawn)
# The money that a bank took: as it was reckoned at first and, where that was undone, anew.
TAKEN = entries.c.kind.startswith("dispute")
# What another bank may still change.
LOST_WITHOUT_NOTE = and_(
    chargebacks.c.status == "lost", ~exists().where(invoices.c.reference == chargebacks.c.id)
)
_FOR_NOW = and_(SET_ASIDE, TAKEN, postings.c.account == GUEST)


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
    return await newest_of(db, Chargeback, chargebacks, status, limit, before)


async def chargebacks_by_id(db: Reader, ids: set[UUID]) -> list[Chargeback]:
    """The earliest first."""
    these = select(chargebacks).where(chargebacks.c.id.in_(ids))
    return await all_of(db, Chargeback, these.order_by(chargebacks.c.id))


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
    found = select(func.count()).where(chargebacks.c.booking_id == booking_id, SET_ASIDE)
    return bool(await db.value(found))


async def lost_without_note(db: Reader, booking_id: UUID) -> list[Chargeback]:
    """The booking's that are lost and on no credit note, the earliest first."""
    lost = and_(chargebacks.c.booking_id == booking_id, LOST_WITHOUT_NOTE)
    return await all_of(db, Chargeback, select(chargebacks).where(lost).order_by(chargebacks.c.id))


async def lost_untold(db: Reader, booking_id: UUID | None = None) -> list[Chargeback]:
    """Lost, of the price of a stay (of one, or of all), and its booking was not told: the earliest first."""
    statement = (
        select(chargebacks)
        .join(payments, payments.c.id == chargebacks.c.payment_id)
        .where(chargebacks.c.status == "lost", chargebacks.c.taken > 0, ~chargebacks.c.told)
        .where(payments.c.part != DEPOSIT)
    )
    if booking_id is not None:
        statement = statement.where(chargebacks.c.booking_id == booking_id)
    return await all_of(db, Chargeback, statement.order_by(chargebacks.c.closed_at, chargebacks.c.id))


async def note_told(tx: Tx, booking_id: UUID) -> None:
    """The booking was told of all that banks keep of it."""
    lost = and_(chargebacks.c.booking_id == booking_id, chargebacks.c.status == "lost")
    await tx.execute(update(chargebacks).where(lost).values(told=True))


async def add_settlement(tx: Tx, settlement: Settlement) -> None:
    await tx.execute(insert(settlements).values(row_of(settlement)))


async def settlements_of(db: Reader, booking_id: UUID) -> list[Settlement]:
    """Those that wait, the earliest first."""
    these = select(settlements).where(settlements.c.booking_id == booking_id)
    return await all_of(db, Settlement, these.order_by(settlements.c.id))


async def take_settlements(tx: Tx, booking_id: UUID) -> list[Settlement]:
    """The same; they wait no more."""
    found = await settlements_of(tx, booking_id)
    await tx.execute(delete(settlements).where(settlements.c.booking_id == booking_id))
    return found


async def settlement_waits(db: Reader, booking_id: UUID) -> bool:
    found = select(func.count()).where(settlements.c.booking_id == booking_id)
    return bool(await db.value(found))


async def count_as_disputed(tx: Tx, payment_id: UUID, amount: Money) -> None:
    """So much more of the payment (less, below zero) cannot be given back."""
    more = payments.c.disputed + amount.amount
    await tx.execute(update(payments).where(payments.c.id == payment_id).values(disputed=more))


async def taken_by(db: Reader, chargeback_id: UUID) -> list[Posting]:
    """Of which share how much is with the bank; nothing once that has given it back."""
    amount = func.sum(postings.c.amount).label("amount")
    statement = (
        select(postings.c.account, amount, postings.c.currency)
        .join(entries)
        .where(entries.c.reference == chargeback_id, TAKEN)
        .group_by(postings.c.account, postings.c.currency)
        .order_by(postings.c.account)
    )
    return [Posting(row.account, Money(int(row.amount), row.currency)) for row in await db.rows(statement)]


async def set_aside_since(db: Reader, won: Chargeback) -> list[Chargeback]:
    """The booking's that were set aside after this one and have not been won, the earliest first."""
    step = select(entries.c.step).where(entries.c.reference == won.id, entries.c.kind == "disputed")
    statement = (
        select(chargebacks)
        .join(entries, and_(entries.c.reference == chargebacks.c.id, entries.c.kind == "disputed"))
        .where(
            chargebacks.c.booking_id == won.booking_id,
            chargebacks.c.status != "won",
            entries.c.step > step.scalar_subquery(),
        )
        .order_by(entries.c.step)
    )
    return await all_of(db, Chargeback, statement)


async def had_for_now(db: Reader, payment_id: UUID) -> Money | None:
    """What banks that have not decided have of what is promised back of a payment."""
    statement = (
        select(func.sum(postings.c.amount).label("had"), postings.c.currency)
        .join(entries, entries.c.id == postings.c.entry_id)
        .join(chargebacks, chargebacks.c.id == entries.c.reference)
        .where(_FOR_NOW, chargebacks.c.payment_id == payment_id)
        .group_by(postings.c.currency)
    )
    row = await db.row(statement)
    return None if row is None else Money(int(row.had), row.currency)


async def had_of_bank(db: Reader, these: ColumnElement[bool]) -> list[tuple[UUID, str, str, int]]:
    """Of which of these payments something was promised back that a cardholder's bank has given instead, or
    has for now: their ids, currencies and states, and how much."""
    columns = (payments.c.id, payments.c.currency, payments.c.status)
    for_good = (
        select(*columns, refunds.c.amount)
        .join(refunds, refunds.c.payment_id == payments.c.id)
        .where(these, FROM_BANK)
    )
    same_booking = chargebacks.c.booking_id == payments.c.booking_id
    for_now = (
        select(*columns, postings.c.amount)
        .join(chargebacks, and_(chargebacks.c.payment_id == payments.c.id, same_booking))
        .join(entries, entries.c.reference == chargebacks.c.id)
        .join(postings, postings.c.entry_id == entries.c.id)
        .where(these, _FOR_NOW)
    )
    had = union_all(for_good, for_now).subquery()
    statement = select(had.c.id, had.c.currency, had.c.status, func.sum(had.c.amount).label("had"))
    rows = await db.rows(statement.group_by(had.c.id, had.c.currency, had.c.status))
    return [(row.id, row.currency, row.status, int(row.had)) for row in rows]


async def as_it_went(db: Reader, found: list[Payment]) -> list[Payment]:
    """The same payments; what a bank has in the place of a refund is the bank's, and not promised back."""
    promised = [one.id for one in found if one.promised_back]
    told = await had_of_bank(db, payments.c.id.in_(promised)) if promised else []
    had = {payment_id: amount for payment_id, _, _, amount in told}
    return [
        replace(one, promised_back=one.promised_back - part, disputed=one.disputed + part)
        for one in found
        for part in [Money(had.get(one.id, 0), one.captured.currency)]
    ]


async def sums_of_guest(db: Reader, guest_id: UUID | None) -> list[tuple[str, str, int, int, int]]:
    """By currency and state: how many payments, what was captured, what of it promised back, as it went."""
    columns = (
        payments.c.currency,
        payments.c.status,
        func.count().label("count"),
        func.sum(payments.c.captured).label("captured"),
        func.sum(payments.c.promised_back).label("refunded"),
    )
    these = true() if guest_id is None else payments.c.guest_id == guest_id
    statement = select(*columns).where(these).group_by(payments.c.currency, payments.c.status)
    rows = await db.rows(statement.order_by(payments.c.currency, payments.c.status))
    had: dict[tuple[str, str], int] = {}
    for _, currency, status, amount in await had_of_bank(db, these):
        had[currency, status] = had.get((currency, status), 0) + amount
    # `row.count` would be the tuple's own method.
    return [
        (row[0], row[1], int(row[2]), int(row[3]), int(row[4]) - had.get((row[0], row[1]), 0)) for row in rows
    ]
