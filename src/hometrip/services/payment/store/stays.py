"""Queries about stays, the second half of their price, and disputes."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, insert, select, update

from hometrip.ports.database import Reader, Tx
from hometrip.services.payment.store.rows import Plan, Stay, add, change_by, one_of
from hometrip.services.payment.store.tables import disputes, plans, stays


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


async def facts_of(db: Reader, booking_ids: set[UUID]) -> dict[UUID, Any]:
    """What is known of those bookings."""
    rows = await db.rows(select(stays.c.booking_id, stays.c.facts).where(stays.c.booking_id.in_(booking_ids)))
    return {row.booking_id: row.facts for row in rows}


async def add_plan(tx: Tx, plan: Plan) -> None:
    await add(tx, plans, plan)


async def plan_of(db: Reader, booking_id: UUID) -> Plan | None:
    return await one_of(db, Plan, plans, booking_id=booking_id)


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
