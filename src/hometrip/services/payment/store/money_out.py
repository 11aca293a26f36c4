"""Queries about pay-outs to hosts."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from hometrip.kernel.errors import NotFound
from hometrip.kernel.money import Money
from hometrip.ports.database import Reader, Tx
from hometrip.services.payment.store.books import entries, postings
from hometrip.services.payment.store.rows import Payout, all_of, one_of, row_of
from hometrip.services.payment.store.tables import host_accounts, payouts

PLANNED = ("due", "held")


async def add_payout(tx: Tx, payout: Payout) -> None:
    await tx.execute(insert(payouts).values(row_of(payout)))


async def payout(db: Reader, payout_id: UUID) -> Payout:
    found = await one_of(db, Payout, payouts, id=payout_id)
    if found is None:
        raise NotFound
    return found


async def payouts_of(db: Reader, booking_id: UUID) -> list[Payout]:
    """In the order of their numbers."""
    statement = select(payouts).where(payouts.c.booking_id == booking_id)
    return await all_of(db, Payout, statement.order_by(payouts.c.number))


async def move_payout(tx: Tx, payout_id: UUID, was: str, **fields: Any) -> bool:
    """Change it if its status is still `was`."""
    this = and_(payouts.c.id == payout_id, payouts.c.status == was)
    return await tx.execute(update(payouts).where(this).values(**fields)) == 1


async def put_off(tx: Tx, payout_id: UUID, attempt: int) -> bool:
    """The try of that number came to nothing; False where that is known."""
    this = and_(payouts.c.id == payout_id, payouts.c.status == "initiated", payouts.c.attempt == attempt)
    return await tx.execute(update(payouts).where(this).values(attempt=attempt + 1)) == 1


async def change_payout(tx: Tx, payout_id: UUID, **fields: Any) -> None:
    await tx.execute(update(payouts).where(payouts.c.id == payout_id).values(**fields))


async def account_of(db: Reader, host_id: UUID) -> str | None:
    """The host's account at the provider, once there is one."""
    found = await db.value(select(host_accounts.c.provider_id).where(host_accounts.c.host_id == host_id))
    return None if found is None else str(found)


async def keep_account(tx: Tx, host_id: UUID, provider_id: str) -> None:
    """The first that is kept stays."""
    kept = insert(host_accounts).values(host_id=host_id, provider_id=provider_id)
    await tx.execute(kept.on_conflict_do_nothing())


async def payout_at_provider(db: Reader, provider_id: str) -> Payout | None:
    return await one_of(db, Payout, payouts, provider_id=provider_id)


async def every_payout(db: Reader) -> list[Payout]:
    """Those that were decided."""
    return await _payouts_in(db, ("initiated", "completed", "failed"))


async def planned_payouts(db: Reader) -> list[Payout]:
    """Those that are still to be decided."""
    return await _payouts_in(db, PLANNED)


async def _payouts_in(db: Reader, statuses: tuple[str, ...]) -> list[Payout]:
    these = payouts.c.status.in_(statuses)
    return await all_of(db, Payout, select(payouts).where(these).order_by(payouts.c.id))


async def host_of_account(db: Reader, provider_id: str) -> UUID | None:
    found: UUID | None = await db.value(
        select(host_accounts.c.host_id).where(host_accounts.c.provider_id == provider_id)
    )
    return found


async def note_account(tx: Tx, host_id: UUID, *, can_be_paid: bool) -> bool:
    """Whether that is news."""
    this = and_(host_accounts.c.host_id == host_id, host_accounts.c.can_be_paid.is_distinct_from(can_be_paid))
    return await tx.execute(update(host_accounts).where(this).values(can_be_paid=can_be_paid)) == 1


async def failed_bookings(db: Reader, host_id: UUID) -> list[UUID]:
    """For which a pay-out to the host was refused."""
    failed = and_(payouts.c.host_id == host_id, payouts.c.status == "failed")
    rows = await db.rows(select(payouts.c.booking_id).where(failed).distinct().order_by(payouts.c.booking_id))
    return [row.booking_id for row in rows]


async def owed_bookings(db: Reader, host_id: UUID, why: str) -> list[UUID]:
    """For which a pay-out to the host was refused last, and for that reason, and is not planned anew."""
    refused = and_(payouts.c.host_id == host_id, payouts.c.why == why, _is_owed())
    rows = await db.rows(select(payouts.c.booking_id).where(refused).order_by(payouts.c.booking_id))
    return [row.booking_id for row in rows]


async def hosts_owed(db: Reader, why: str) -> list[UUID]:
    """To whom a pay-out was refused last for that reason, and is not planned anew."""
    refused = and_(payouts.c.why == why, _is_owed())
    rows = await db.rows(select(payouts.c.host_id).where(refused).distinct().order_by(payouts.c.host_id))
    return [row.host_id for row in rows]


async def payouts_of_host(db: Reader, host_id: UUID, limit: int, before: UUID | None) -> list[Payout]:
    """The newest first; those that came to nothing are left out."""
    statement = select(payouts).where(payouts.c.host_id == host_id, payouts.c.status != "void")
    if before is not None:
        statement = statement.where(payouts.c.id < before)
    return await all_of(db, Payout, statement.order_by(payouts.c.id.desc()).limit(limit))


async def owed_payouts(db: Reader, limit: int, before: UUID | None) -> list[Payout]:
    """Of each booking whose host is owed more than is planned, the last that failed; the newest first."""
    statement = select(payouts).where(_is_owed())
    if before is not None:
        statement = statement.where(payouts.c.id < before)
    return await all_of(db, Payout, statement.order_by(payouts.c.id.desc()).limit(limit))


def _is_owed() -> ColumnElement[bool]:
    later = payouts.alias()
    again = exists().where(
        later.c.booking_id == payouts.c.booking_id,
        later.c.number > payouts.c.number,
        later.c.status == "failed",
    )
    return and_(payouts.c.status == "failed", ~again, _unplanned() > 0)


def _unplanned() -> ColumnElement[int]:
    """What the host is owed for a pay-out's booking, less what is planned to be paid out."""
    other = payouts.alias()
    planned = (
        select(func.coalesce(func.sum(other.c.amount), 0))
        .where(other.c.booking_id == payouts.c.booking_id, other.c.status.in_(PLANNED))
        .scalar_subquery()
    )
    left = (
        select(func.sum(postings.c.amount))
        .join(entries, entries.c.id == postings.c.entry_id)
        .where(
            entries.c.booking_id == payouts.c.booking_id,
            postings.c.account.startswith("host_payable:"),
        )
        .scalar_subquery()
    )
    return -left - planned


async def payout_sums(db: Reader, host_id: UUID) -> dict[str, list[Money]]:
    """By status, what it comes to in each currency; `owed` is what failed ones are yet to bring."""
    of, amount = payouts.c, func.sum(payouts.c.amount).label("amount")
    by_status = select(of.status, of.currency, amount).where(of.host_id == host_id)
    rows = await db.rows(by_status.group_by(of.status, of.currency).order_by(of.currency))
    sums: dict[str, list[Money]] = {}
    for row in rows:
        sums.setdefault(row.status, []).append(Money(int(row.amount), row.currency))
    failed = select(of.currency, _unplanned().label("amount")).where(of.host_id == host_id, _is_owed())
    owed: Counter[str] = Counter()
    for row in await db.rows(failed):
        owed[row.currency] += int(row.amount)
    return sums | {"owed": [Money(amount, currency) for currency, amount in sorted(owed.items())]}
