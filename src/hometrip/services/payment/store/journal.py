"""Queries about the journal, which is only ever added to."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, func, insert, select, tuple_

from hometrip.kernel.money import Money
from hometrip.ports.database import Prepared, Reader, Tx
from hometrip.services.payment.contract import SetOff
from hometrip.services.payment.rules import CLEARING, Entry, Owing, Posting, Unbalanced
from hometrip.services.payment.rules import set_offs as told_apart
from hometrip.services.payment.store.books import entries, postings
from hometrip.services.payment.store.tables import refunds

_last_step = Prepared(select(func.max(entries.c.step)).where(entries.c.booking_id == bindparam("booking_id")))
_add_entry, _add_lines = Prepared(insert(entries)), Prepared(insert(postings))
_unbalanced = (
    select(postings.c.entry_id)
    .group_by(postings.c.entry_id, postings.c.currency)
    .having(func.sum(postings.c.amount) != 0)
)
_unbalanced_one = Prepared(_unbalanced.where(postings.c.entry_id == bindparam("entry_id")))


async def write(tx: Tx, entry: Entry) -> None:
    """Append to the journal; `Unbalanced` where the lines as they were stored do not sum to zero."""
    if not entry.postings:
        return
    kept = {name: getattr(entry, name) for name in ("id", "at", "kind", "booking_id", "reference")}
    # The books of the booking are locked, so nobody else takes the same step.
    last = await tx.value(_last_step.with_values(booking_id=entry.booking_id)) or 0
    await tx.execute(_add_entry, [{**kept, "step": last + 1}])
    lines = [
        {
            "entry_id": entry.id,
            "line": line,
            "account": posting.account,
            "amount": posting.amount.amount,
            "currency": posting.amount.currency,
        }
        for line, posting in enumerate(entry.postings)
    ]
    await tx.execute(_add_lines, lines)
    if await tx.rows(_unbalanced_one.with_values(entry_id=entry.id)):
        raise Unbalanced(f"the {entry.kind} entry does not sum to zero")


async def unbalanced(db: Reader) -> list[UUID]:
    """Entries that do not sum to zero in some currency."""
    return [row.entry_id for row in await db.rows(_unbalanced)]


async def balances(db: Reader, booking_id: UUID, *, without: tuple[str, ...] = ()) -> dict[str, int]:
    """What each account of a booking comes to, by all entries or all but those of some kinds; a booking's
    money has one currency."""
    statement = (
        select(postings.c.account, func.sum(postings.c.amount).label("amount"))
        .join(entries)
        .where(entries.c.booking_id == booking_id, entries.c.kind.not_in(without))
        .group_by(postings.c.account)
    )
    return {row.account: int(row.amount) for row in await db.rows(statement)}


async def debts(db: Reader, account: str, currency: str) -> list[tuple[UUID, Money]]:
    """Bookings for which the owner of the account owes us, the oldest first."""
    owes = func.sum(postings.c.amount).label("amount")
    statement = (
        select(entries.c.booking_id, owes)
        .join(postings, postings.c.entry_id == entries.c.id)
        .where(postings.c.account == account, postings.c.currency == currency)
        .group_by(entries.c.booking_id)
        .having(owes > 0)
        .order_by(func.min(entries.c.id))
    )
    return [(row.booking_id, Money(int(row.amount), currency)) for row in await db.rows(statement)]


async def owed_by(db: Reader, account: str) -> list[Money]:
    """What the owner of the account owes us for bookings, in each currency; what we owe is not set against
    it here."""
    left = func.sum(postings.c.amount).label("amount")
    each = (
        select(postings.c.currency, left)
        .join(entries)
        .where(postings.c.account == account)
        .group_by(entries.c.booking_id, postings.c.currency)
        .having(left > 0)
        .subquery()
    )
    sums = select(each.c.currency, func.sum(each.c.amount).label("amount")).group_by(each.c.currency)
    return [Money(int(row.amount), row.currency) for row in await db.rows(sums.order_by(each.c.currency))]


async def set_offs(db: Reader, payout_ids: list[UUID]) -> dict[UUID, list[SetOff]]:
    """What was taken from each of these pay-outs for other bookings; those of which nothing was are left
    out."""
    owing = select(entries.c.booking_id).where(
        entries.c.kind == "offset_taken", entries.c.reference.in_(payout_ids)
    )
    statement = (
        select(
            entries.c.booking_id,
            entries.c.kind,
            entries.c.reference,
            postings.c.amount,
            postings.c.currency,
        )
        .join(postings)
        .where(
            entries.c.booking_id.in_(owing),
            entries.c.kind.in_(("penalty", "offset_taken")),
            postings.c.account.startswith("host_payable:"),
        )
        .order_by(entries.c.booking_id, entries.c.step, entries.c.id)
    )
    story = [
        Owing(row.booking_id, row.kind, row.reference, Money(abs(row.amount), row.currency))
        for row in await db.rows(statement)
    ]
    found = told_apart(story)
    return {payout_id: found[payout_id] for payout_id in payout_ids if payout_id in found}


async def trial_balance(db: Reader, booking_id: UUID | None) -> list[Posting]:
    """What each account comes to, over all bookings or this one."""
    statement = select(
        postings.c.account, postings.c.currency, func.sum(postings.c.amount).label("amount")
    ).group_by(postings.c.account, postings.c.currency)
    if booking_id is not None:
        statement = statement.join(entries).where(entries.c.booking_id == booking_id)
    rows = await db.rows(statement.order_by(postings.c.account, postings.c.currency))
    return [Posting(row.account, Money(int(row.amount), row.currency)) for row in rows]


async def entries_of(
    db: Reader, booking_id: UUID | None, *, limit: int | None = None, after: UUID | None = None
) -> list[Entry]:
    """One booking's entries in the order in which they were written, or those of all by age; from the one
    that follows `after`."""
    statement, order = select(entries), ["id"]
    if booking_id is not None:
        statement, order = statement.where(entries.c.booking_id == booking_id), ["step", "id"]
    if after is not None:
        seen = select(entries).where(entries.c.id == after).subquery()
        here, there = (tuple_(*(table.c[name] for name in order)) for table in (entries, seen))
        statement = statement.join(seen, here > there)
    return await _with_postings(db, statement, order, limit)


async def captured_at(db: Reader, booking_id: UUID) -> dict[UUID, datetime]:
    """When each payment of a booking was captured."""
    these = and_(entries.c.booking_id == booking_id, entries.c.kind == "capture")
    return {
        row.reference: row.at for row in await db.rows(select(entries.c.reference, entries.c.at).where(these))
    }


async def stories(db: Reader) -> list[Entry]:
    """Every entry, booking by booking, each in the order in which it was written."""
    return await _with_postings(db, select(entries), ["booking_id", "step", "id"])


async def _with_postings(
    db: Reader, statement: Select[Any], order: list[str], limit: int | None = None
) -> list[Entry]:
    chosen = statement.order_by(*(entries.c[name] for name in order)).limit(limit).subquery()
    lines = (
        select(chosen, postings.c.account, postings.c.amount, postings.c.currency)
        .join(postings, postings.c.entry_id == chosen.c.id)
        .order_by(*(chosen.c[name] for name in order), postings.c.line)
    )
    found: dict[UUID, Entry] = {}
    for row in await db.rows(lines):
        head = Entry(
            id=row.id,
            at=row.at,
            kind=row.kind,
            booking_id=row.booking_id,
            reference=row.reference,
            postings=[],
        )
        posting = Posting(row.account, Money(row.amount, row.currency))
        found.setdefault(row.id, head).postings.append(posting)
    return list(found.values())


async def moved(db: Reader) -> dict[tuple[UUID, str], int]:
    """What came through the provider for each payment, by kind: captures in, refunds out (negative) unless
    they came back."""
    of_payment = func.coalesce(refunds.c.payment_id, entries.c.reference)
    statement = (
        select(of_payment.label("payment_id"), entries.c.kind, func.sum(postings.c.amount).label("amount"))
        .join(entries, postings.c.entry_id == entries.c.id)
        .outerjoin(refunds, refunds.c.id == entries.c.reference)
        .where(postings.c.account == CLEARING, entries.c.kind.in_(("capture", "refund", "refund_returned")))
        .group_by(of_payment, entries.c.kind)
    )
    sums: dict[tuple[UUID, str], int] = {}
    for row in await db.rows(statement):
        key = (row.payment_id, "refund" if row.kind == "refund_returned" else row.kind)
        sums[key] = sums.get(key, 0) + int(row.amount)
    return sums
