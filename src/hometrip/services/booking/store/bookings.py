"""Bookings and their histories: every query about them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, func, insert, select, update

from hometrip.kernel.errors import NotFound
from hometrip.kernel.money import Money
from hometrip.kernel.record import Frozen
from hometrip.kernel.split import Split
from hometrip.ports.database import Prepared, Reader, Tx
from hometrip.ports.outbox import Contended
from hometrip.services.booking.contract import CouponTerms
from hometrip.services.booking.rules import (
    HOST,
    LIVE,
    Booking,
    Cancellation,
    Change,
    Dispute,
    PaymentNote,
    Step,
    fees_count_from,
    returns_fee,
)
from hometrip.services.booking.store.tables import RIVALS, bookings, history, unpaid_holds_of
from hometrip.services.listing.contract import QuoteLine, ShownIn


class _Agreed(Frozen):
    """The JSON of `bookings.agreed`."""

    lines: list[QuoteLine]
    split: Split
    nightly: list[Money]
    balance_split: Split | None = None
    deposit: Money | None = None
    exempt_guests: int = 0
    platform_rate: str | None = None
    preparation_nights: int = 0
    check_in_from: str | None = None
    shown: ShownIn | None = None
    coupon_terms: CouponTerms | None = None


_agreed = msgspec.json.Decoder(_Agreed).decode
# Columns of JSON that bear the name of the record's field; what is empty there is NULL.
_JSON = {
    "cancellation": msgspec.json.Decoder(Cancellation).decode,
    "kept": msgspec.json.Decoder(Split).decode,
    "change": msgspec.json.Decoder(Change).decode,
    "disputes": msgspec.json.Decoder(list[Dispute]).decode,
}

# Columns that bear the name of the record's field.
_SAME = (
    "id listing_id guest_id host_id title time_zone check_in check_out check_in_at check_out_at guests pets "
    "status awaiting hold_until hold_extended host_funds_coupon cancellation_policy coupon message "
    "confirmed_at balance_due_at version created_at"
).split()
_CHANGING = (
    "status awaiting hold_until hold_extended payment_status intent_id confirmed_at cancellation "
    "fee_returned_at time_zone check_in check_out check_in_at check_out_at guests pets total agreed "
    "host_funds_coupon coupon balance balance_due_at kept change disputes version"
).split()


_add, _add_steps = Prepared(insert(bookings), final=True), Prepared(insert(history), final=True)
_change = Prepared(
    update(bookings).where(bookings.c.id == bindparam("of_id"), bookings.c.version == bindparam("was")),
    final=True,
)
_one = Prepared(select(bookings).where(bookings.c.id == bindparam("id")).with_for_update(key_share=True))
_unpaid = Prepared(
    select(bookings).where(bookings.c.id.in_(unpaid_holds_of(bindparam("guest"), bindparam("listing"))))
)
_unpaid_ids = Prepared(unpaid_holds_of(bindparam("guest"), bindparam("listing")))
_confirmed = Prepared(
    select(bookings.c.id).where(
        bookings.c.guest_id == bindparam("guest"),
        bookings.c.listing_id == bindparam("listing"),
        bookings.c.confirmed_at.is_not(None),
    )
)
_steps_of_one = Prepared(
    select(history).where(history.c.booking_id == bindparam("id")).order_by(history.c.step)
)
_steps = (
    select(history)
    .where(history.c.booking_id.in_(bindparam("ids", expanding=True)))
    .order_by(history.c.booking_id, history.c.step)
)


async def add(tx: Tx, booking: Booking, once_key: str) -> None:
    await tx.execute(_add, [_row_of(booking) | {"once_key": once_key or None}])
    await _write_steps(tx, booking, after=0)


async def change(tx: Tx, before: Booking, after: Booking) -> Booking:
    """Write what has changed, and its new steps; answers its next version. `Contended` where it moved on."""
    after = msgspec.structs.replace(after, version=before.version + 1)
    row = _row_of(after)
    written = {name: row[name] for name in _CHANGING} | {"of_id": before.id, "was": before.version}
    if await tx.execute(_change, [written]) != 1:
        raise Contended("This booking is being changed by another at this moment.")
    await _write_steps(tx, after, after=len(before.history))
    return after


async def get(db: Reader, booking_id: UUID) -> Booking:
    """`NotFound` where there is none. In a transaction nobody else changes it until that ends."""
    row = await db.row(_one.with_values(id=booking_id))
    if row is None:
        raise NotFound
    return (await with_history(db, [row]))[0]


async def unpaid_holds(tx: Tx, guest_id: UUID, listing_id: UUID) -> list[Booking]:
    """The guest's pending bookings of this home that no card backs."""
    return await with_history(tx, await tx.rows(_unpaid.with_values(guest=guest_id, listing=listing_id)))


async def expect_no_hold(tx: Tx, guest_id: UUID, listing_id: UUID) -> None:
    """`Unexpected` where `unpaid_holds` would find one, at the latest at the end of the block."""
    await tx.expect_nothing(_unpaid_ids.with_values(guest=guest_id, listing=listing_id))


async def was_confirmed(db: Reader, listing_id: UUID, guest_id: UUID) -> bool:
    return await db.value(_confirmed.with_values(guest=guest_id, listing=listing_id)) is not None


BY_CHECK_IN = (bookings.c.check_in, bookings.c.id)


async def is_ahead(db: Reader, listing_id: UUID, at: datetime) -> bool:
    found = select(bookings.c.id).where(
        bookings.c.listing_id == listing_id, bookings.c.status.in_(LIVE), bookings.c.check_out_at > at
    )
    return await db.value(found.limit(1)) is not None


async def live_at(db: Reader, listing_id: UUID) -> list[UUID]:
    """The bookings of a home that hold nights, the next check-in first."""
    found = select(bookings.c.id).where(bookings.c.listing_id == listing_id, bookings.c.status.in_(LIVE))
    return [row.id for row in await db.rows(found.order_by(*BY_CHECK_IN))]


async def fees_returned(db: Reader, guest_id: UUID, at: datetime) -> int:
    """How often the guest got the service fee back within twelve months."""
    statement = select(func.count()).where(
        bookings.c.guest_id == guest_id, bookings.c.fee_returned_at > fees_count_from(at)
    )
    return int(await db.value(statement))


# Rows


def _row_of(booking: Booking) -> dict[str, Any]:
    cancelled = booking.cancellation
    agreed = _Agreed(**{name: getattr(booking, name) for name in _Agreed.__struct_fields__})
    row = {name: getattr(booking, name) for name in _SAME}
    row |= {name: _encoded(getattr(booking, name)) for name in _JSON}
    return row | {
        "awaiting": RIVALS if booking.beside_requests else booking.awaiting,
        "total": booking.total.amount,
        "currency": booking.total.currency,
        "agreed": msgspec.json.encode(agreed).decode(),
        "payment_status": booking.payment.status,
        "intent_id": booking.payment.intent_id,
        "balance": booking.balance.amount if booking.balance else None,
        "fee_returned_at": _cancelled_at(booking) if cancelled and returns_fee(cancelled) else None,
    }


def _cancelled_at(booking: Booking) -> datetime:
    return next(step.at for step in reversed(booking.history) if step.status == "cancelled")


def _encoded(value: Any) -> str | None:
    return msgspec.json.encode(value).decode() if value else None


async def with_history(db: Reader, rows: list[Any]) -> list[Booking]:
    steps: dict[UUID, list[Step]] = {row.id: [] for row in rows}
    if rows:
        one = len(rows) == 1
        asked = _steps_of_one.with_values(id=rows[0].id) if one else _steps.params(ids=list(steps))
        for step in await db.rows(asked):
            steps[step.booking_id].append(
                Step(status=step.status, at=step.at, by=step.by, why=step.why, account_id=step.account_id)
            )
    return [booking_of(row, steps[row.id]) for row in rows]


def booking_of(row: Any, steps: list[Step]) -> Booking:
    """The booking in a row of the table."""
    agreed = _agreed(row.agreed)
    told: dict[str, Any] = {
        name: decode(text) for name, decode in _JSON.items() if (text := getattr(row, name))
    }
    return Booking(
        **{name: getattr(row, name) for name in _SAME}
        | {"awaiting": HOST if row.awaiting == RIVALS else row.awaiting, "cancellation": None, **told},
        beside_requests=row.awaiting == RIVALS,
        total=Money(row.total, row.currency),
        **{name: getattr(agreed, name) for name in _Agreed.__struct_fields__},
        balance=None if row.balance is None else Money(row.balance, row.currency),
        payment=PaymentNote(status=row.payment_status, intent_id=row.intent_id),
        history=steps,
    )


async def _write_steps(tx: Tx, booking: Booking, after: int) -> None:
    rows = [
        {"booking_id": booking.id, "step": number, **msgspec.structs.asdict(step)}
        for number, step in enumerate(booking.history[after:], start=after + 1)
    ]
    await tx.execute(_add_steps, rows)
