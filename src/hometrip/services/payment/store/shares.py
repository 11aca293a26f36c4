"""Whose the price of a stay is, by account, whatever was paid out of it.

What a guest has twice, from us and from a bank, the platform has lost; it is no share of the price, which is
what can still go back.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import func, or_, select

from hometrip.ports.database import Reader
from hometrip.services.payment.rules import BESIDES_THE_STAY, DEPOSIT, HOST, REVENUE, TAX
from hometrip.services.payment.store.books import entries, postings
from hometrip.services.payment.store.chargebacks import LOST_WITHOUT_NOTE, SET_ASIDE, TAKEN
from hometrip.services.payment.store.journal import balances
from hometrip.services.payment.store.money_in import payments_of
from hometrip.services.payment.store.tables import chargebacks, payments


async def shares(db: Reader, booking_id: UUID) -> dict[str, int]:
    """Of what was paid and has not gone back."""
    found = await balances(db, booking_id, without=BESIDES_THE_STAY)
    paid = [one for one in await payments_of(db, booking_id) if one.part != DEPOSIT]
    return _shared(found, sum(one.left.amount for one in paid))


async def shares_of_banks(db: Reader, booking_id: UUID) -> dict[str, int]:
    """Of what banks have of it that have not decided, or that have it for good without a note yet."""
    of_banks = or_(SET_ASIDE, LOST_WITHOUT_NOTE)
    these = (chargebacks.c.booking_id == booking_id, of_banks, payments.c.part != DEPOSIT)
    of_payment = payments.c.id == chargebacks.c.payment_id
    taken = select(func.sum(chargebacks.c.taken)).join(payments, of_payment).where(*these)
    statement = (
        select(postings.c.account, func.sum(postings.c.amount).label("amount"))
        .join(entries)
        .join(chargebacks, chargebacks.c.id == entries.c.reference)
        .join(payments, of_payment)
        .where(*these, TAKEN)
        .group_by(postings.c.account)
    )
    found = {row.account: -int(row.amount) for row in await db.rows(statement)}
    return _shared(found, int(await db.value(taken) or 0))


def _shared(found: Mapping[str, int], there: int) -> dict[str, int]:
    """The platform's is what no other has of what is there."""
    others = {name: amount for name, amount in found.items() if name.startswith((HOST, TAX))}
    return {**others, REVENUE: -there - sum(others.values())}
