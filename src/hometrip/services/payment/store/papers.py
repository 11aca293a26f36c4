"""Queries about invoices and credit notes, whose numbers have no gap."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from hometrip.kernel.errors import NotFound
from hometrip.kernel.money import Money
from hometrip.ports.database import Reader, Tx
from hometrip.services.payment.rules import BESIDES_THE_STAY, BY_BANK, SHARED_ANEW, is_part, why_back
from hometrip.services.payment.store.books import counters, entries, invoices, postings
from hometrip.services.payment.store.rows import Correction, Invoice, all_of, one_of, row_of
from hometrip.services.payment.store.tables import chargebacks, refunds


async def next_number(tx: Tx, series: str) -> int:
    """One more than the last of the series. Whoever asks at the same time waits for this transaction, and
    gets the same number where it is rolled back."""
    counted = insert(counters).values(series=series, last=1)
    counted = counted.on_conflict_do_update(
        index_elements=[counters.c.series], set_={"last": counters.c.last + 1}
    )
    return int(await tx.value(counted.returning(counters.c.last)))


async def add_invoice(tx: Tx, invoice: Invoice) -> None:
    await tx.execute(insert(invoices).values(row_of(invoice)))


async def invoice(db: Reader, number: str) -> Invoice:
    found = await one_of(db, Invoice, invoices, number=number)
    if found is None:
        raise NotFound
    return found


async def invoices_of(db: Reader, account_id: UUID, limit: int, before: str | None) -> list[Invoice]:
    """Those of a guest or a host, the newest first."""
    statement = select(invoices).where(
        or_(invoices.c.guest_id == account_id, invoices.c.host_id == account_id)
    )
    if before is not None:
        statement = statement.where(invoices.c.number < before)
    return await all_of(db, Invoice, statement.order_by(invoices.c.number.desc()).limit(limit))


async def corrections(db: Reader, notes: list[Invoice]) -> dict[str, Correction]:
    """What each credit note corrects, by its number."""
    if not notes:
        return {}
    these = invoices.c.booking_id.in_({note.booking_id for note in notes})
    refunded = (
        select(refunds.c.id, refunds.c.cause, refunds.c.reason, invoices.c.number)
        .join(invoices, invoices.c.reference == refunds.c.payment_id)
        .where(these)
        .order_by(invoices.c.sequence)
    )
    charged_back = (
        select(chargebacks.c.id, invoices.c.number)
        .join(invoices, invoices.c.reference == chargebacks.c.payment_id)
        .where(these)
    )
    rows = await db.rows(refunded)
    known = {row.id: row for row in rows}
    of_banks = {row.id: row.number for row in await db.rows(charged_back)}
    shared = {note.booking_id for note in notes if not note.amount}
    billed = await _invoices_of(db, shared) if shared else []

    def of(note: Invoice) -> Correction:
        if not note.amount:
            before = [one.number for one in billed if one.booking_id == note.booking_id]
            before = [number for number in before if number < note.number]
            return Correction(why=why_back(SHARED_ANEW, ""), invoices=before)
        if number := of_banks.get(note.reference):
            return Correction(why=why_back(BY_BANK, ""), invoices=[number])
        cause, reason = known[note.reference].cause, known[note.reference].reason
        return Correction(
            why=why_back(cause, reason), invoices=[row.number for row in rows if is_part(row.cause, cause)]
        )

    return {note.number: of(note) for note in notes}


async def _invoices_of(db: Reader, booking_ids: set[UUID]) -> list[Invoice]:
    these = and_(invoices.c.booking_id.in_(booking_ids), invoices.c.kind == "invoice")
    return await all_of(db, Invoice, select(invoices).where(these).order_by(invoices.c.number))


async def every_invoice(db: Reader) -> list[Invoice]:
    return await all_of(db, Invoice, select(invoices).order_by(invoices.c.series, invoices.c.sequence))


async def counted(db: Reader) -> dict[str, int]:
    """The last number of each series."""
    return {row.series: row.last for row in await db.rows(select(counters))}


# What a bank asks back is given back when that is lost, and not while it is undecided or once it is won: of a
# price with the credit note, which waits while another bank may change what was taken.
_of_bank = and_(chargebacks.c.id == entries.c.reference, entries.c.kind.startswith("dispute"))
_note, _other = invoices.alias(), chargebacks.alias()
_of_note = _note.c.reference == chargebacks.c.id
_waits = and_(
    entries.c.kind.not_in(BESIDES_THE_STAY),
    exists().where(
        _other.c.booking_id == chargebacks.c.booking_id, _other.c.closed_at.is_(None), _other.c.withdrawn
    ),
)
_counts_at = case(
    (chargebacks.c.id.is_(None), entries.c.at),
    (chargebacks.c.status != "lost", None),
    (_note.c.at > entries.c.at, _note.c.at),
    (_note.c.at.is_not(None), entries.c.at),
    (_waits, None),
    (chargebacks.c.closed_at > entries.c.at, chargebacks.c.closed_at),
    else_=entries.c.at,
)


async def moved_on(
    db: Reader, accounts: str, since: datetime, until: datetime, host_id: UUID | None = None
) -> list[Any]:
    """What moved on the accounts whose names begin so from `since` to before `until`, as papers count: what a
    bank takes, on the day on which it is lost. By booking, account, currency and kind of entry, in the order
    of bookings; of one host's bookings or of all."""
    statement = (
        select(
            entries.c.booking_id,
            postings.c.account,
            postings.c.currency,
            entries.c.kind,
            func.sum(postings.c.amount).label("amount"),
        )
        .join(postings, postings.c.entry_id == entries.c.id)
        .outerjoin(chargebacks, _of_bank)
        .outerjoin(_note, _of_note)
        .where(postings.c.account.startswith(accounts, autoescape=True))
        .where(_counts_at >= since, _counts_at < until)
        .group_by(entries.c.booking_id, postings.c.account, postings.c.currency, entries.c.kind)
        .order_by(func.min(entries.c.id))
    )
    if host_id is not None:
        hosted = select(invoices.c.booking_id).where(invoices.c.host_id == host_id)
        statement = statement.where(entries.c.booking_id.in_(hosted))
    return await db.rows(statement)


async def held_by_banks(db: Reader, account: str, at: datetime) -> list[tuple[UUID, Money]]:
    """By dispute, what the journal had taken off the account before `at` and `moved_on` did not count yet."""
    amount = func.sum(postings.c.amount).label("amount")
    statement = (
        select(chargebacks.c.id, postings.c.currency, amount)
        .join(entries, _of_bank)
        .join(postings, postings.c.entry_id == entries.c.id)
        .outerjoin(_note, _of_note)
        .where(postings.c.account == account, entries.c.at < at)
        .where(or_(_counts_at.is_(None), _counts_at >= at))
        .group_by(chargebacks.c.id, postings.c.currency)
        .having(amount != 0)
        .order_by(chargebacks.c.id)
    )
    return [(row.id, Money(int(row.amount), row.currency)) for row in await db.rows(statement)]
