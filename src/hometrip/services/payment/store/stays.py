"""Queries about stays, the second half of their price, and disputes."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_once

from hometrip.kernel.stay import Stay as Dates
from hometrip.ports.database import Reader, Tx
from hometrip.services.payment.rules import CHANGE
from hometrip.services.payment.store.rows import Invoice, Plan, Stay, add, all_of, change_by, one_of
from hometrip.services.payment.store.tables import disputes, payments, plans, stays, stays_before


async def keep_stay(tx: Tx, stay: Stay) -> None:
    """As it was last told; a stay that is over stays over."""
    known = await stay_of(tx, stay.booking_id)
    if known is None:
        await add(tx, stays, stay)
    elif not known.over:
        told = {"facts": stay.facts, "over": stay.over}
        await change_by(tx, stays, "booking_id", stay.booking_id, told)


async def stay_of(db: Reader, booking_id: UUID) -> Stay | None:
    return await one_of(db, Stay, stays, booking_id=booking_id)


async def every_stay(db: Reader) -> list[Stay]:
    return await all_of(db, Stay, select(stays).order_by(stays.c.booking_id))


async def note_stay_before(tx: Tx, booking_id: UUID, change_id: UUID, stay: Dates, until: datetime) -> None:
    """It had these dates until that change; told twice, as it was told first."""
    told = {"change_id": change_id, "booking_id": booking_id, "until": until}
    told |= {"check_in": stay.check_in, "check_out": stay.check_out}
    await tx.execute(insert_once(stays_before).values(**told).on_conflict_do_nothing())


async def stay_then(db: Reader, paper: Invoice) -> Dates | None:
    """The dates of the stay that a paper is about, where they were others than now.

    A credit note is of what a change has made of it. What a change costs is paid before that is done: its
    invoice is of the stay as the change makes it.
    """
    part = await db.value(select(payments.c.part).where(payments.c.id == paper.reference))
    later = stays_before.c.until > paper.at if part is None else stays_before.c.until >= paper.at
    rows = await db.rows(
        select(stays_before)
        .where(stays_before.c.booking_id == paper.booking_id, later)
        .order_by(stays_before.c.until, stays_before.c.change_id)
    )
    for row in rows:
        if part != f"{CHANGE}{row.change_id}":
            return Dates(row.check_in, row.check_out)
    return None


async def facts_of(db: Reader, booking_ids: set[UUID]) -> dict[UUID, Any]:
    """What is known of those bookings."""
    rows = await db.rows(select(stays.c.booking_id, stays.c.facts).where(stays.c.booking_id.in_(booking_ids)))
    return {row.booking_id: row.facts for row in rows}


async def add_plan(tx: Tx, plan: Plan) -> None:
    await add(tx, plans, plan)


async def plan_of(db: Reader, booking_id: UUID) -> Plan | None:
    return await one_of(db, Plan, plans, booking_id=booking_id)


async def every_plan(db: Reader) -> list[Plan]:
    return await all_of(db, Plan, select(plans).order_by(plans.c.booking_id))


async def move_plan(tx: Tx, plan: Plan, *, was: str = "waiting", **fields: Any) -> bool:
    """Change it if it still waits (or its status is still `was`), with no other try made meanwhile."""
    this = and_(plans.c.booking_id == plan.booking_id, plans.c.status == was, plans.c.tries == plan.tries)
    return await tx.execute(update(plans).where(this).values(**fields)) == 1


async def open_dispute(tx: Tx, dispute_id: UUID, booking_id: UUID, at: datetime) -> None:
    """Telling it twice, or after it was resolved, changes nothing."""
    if not await tx.value(select(func.count()).where(disputes.c.id == dispute_id)):
        await tx.execute(insert(disputes).values(id=dispute_id, booking_id=booking_id, opened_at=at))


async def close_dispute(tx: Tx, dispute_id: UUID, booking_id: UUID, at: datetime) -> None:
    await open_dispute(tx, dispute_id, booking_id, at)
    await tx.execute(update(disputes).where(disputes.c.id == dispute_id).values(resolved_at=at))


async def is_disputed(db: Reader, booking_id: UUID) -> bool:
    open_ones = and_(disputes.c.booking_id == booking_id, disputes.c.resolved_at.is_(None))
    return bool(await db.value(select(func.count()).where(open_ones)))
