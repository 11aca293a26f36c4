"""The records that rows are read into."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Table, bindparam, insert, select, update

from hometrip.kernel.errors import Conflict
from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.ports.database import Prepared, Reader, Tx
from hometrip.ports.payments import ChargedCard, IntentError
from hometrip.services.booking.contract import BookingFacts
from hometrip.services.listing.contract import QuoteLine
from hometrip.services.payment.rules import FIRST, HELD_BY_BANK
from hometrip.services.payment.store.kinds import ClaimPicture, EvidenceFile


class AlreadyOpen(Conflict):
    """Another payment of this booking is open already."""

    code = "payment_already_open"


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `payments`."""

    id: UUID
    booking_id: UUID
    guest_id: UUID
    host_id: UUID
    provider_id: str
    client_secret: str
    status: str
    amount: Money
    split: Split
    created_at: datetime
    captured: Money
    promised_back: Money
    disputed: Money
    next_action: dict[str, Any] | None = None
    last_error: IntentError | None = None
    part: str = FIRST
    method: str | None = None
    card: ChargedCard | None = None
    counted: bool = False
    attempt: int = 0
    asked_at: datetime | None = None
    wanted: str | None = None
    lines: list[QuoteLine] | None = None

    @property
    def left(self) -> Money:
        """What of it can go back."""
        return self.captured - self.promised_back - self.disputed


class Chargeback(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `chargebacks`; `status` is needs_response, under_review, won or lost."""

    id: UUID
    provider_id: str
    payment_id: UUID
    booking_id: UUID
    amount: Money
    status: str
    reason: str
    opened_at: datetime
    taken: Money
    withdrawn: bool = False
    due_by: datetime | None = None
    evidence: str | None = None
    file: EvidenceFile | None = None
    closed_at: datetime | None = None
    told: bool = False


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `settlements`: `amount` goes back, with what banks kept before, and each share keeps the split
    or gives it."""

    id: UUID
    booking_id: UUID
    amount: Money
    split: Split
    keeps: bool
    reason: str
    cause: str
    payment_id: UUID | None = None
    lines: list[QuoteLine] | None = None


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `refunds`; `status` is initiated, completed, failed or, in another way, paid."""

    id: UUID
    payment_id: UUID
    amount: Money
    reason: str
    cause: str
    status: str
    created_at: datetime
    provider_id: str | None = None
    why: str | None = None
    completed_at: datetime | None = None
    reference: str | None = None
    attempt: int = 0

    @property
    def is_owed(self) -> bool:
        """The guest has it neither from the provider (it is not even on its way), nor from staff, nor from
        the cardholder's bank."""
        if self.status == "failed":
            return not self.is_from_bank
        return self.status == "initiated" and self.provider_id is None

    @property
    def is_from_bank(self) -> bool:
        """The guest has it from the cardholder's bank."""
        return self.status == "failed" and self.why == HELD_BY_BANK


class Payout(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `payouts`; `status` is due, held, initiated, completed, failed, set_off or void."""

    id: UUID
    booking_id: UUID
    host_id: UUID
    amount: Money
    status: str
    due_at: datetime
    number: int
    until: int
    nights: int
    attempt: int = 0
    destination: str | None = None
    provider_id: str | None = None
    why: str | None = None
    completed_at: datetime | None = None


class Stay(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `stays`."""

    booking_id: UUID
    host_id: UUID
    facts: BookingFacts
    over: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `plans`; `status` is waiting, paid, failed or over."""

    booking_id: UUID
    amount: Money
    split: Split
    due_at: datetime
    status: str = "waiting"
    tries: int = 0


class Deposit(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `deposits`; `status` is planned, held, failed, released, captured or void."""

    booking_id: UUID
    guest_id: UUID
    host_id: UUID
    amount: Money
    status: str
    hold_at: datetime
    release_at: datetime
    tries: int = 0


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `claims`; `status` is open, with_staff, granted, refused or not_covered."""

    id: UUID
    booking_id: UUID
    amount: Money
    text: str
    status: str
    made_at: datetime
    answer_until: datetime
    granted: Money | None = None
    decided_at: datetime | None = None
    pictures: list[ClaimPicture] | None = None


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `invoices`; `kind` is invoice or credit_note. `lines` where it is over all of a price."""

    number: str
    series: str
    sequence: int
    kind: str
    reference: UUID
    booking_id: UUID
    guest_id: UUID
    host_id: UUID
    at: datetime
    amount: Money
    split: Split
    lines: list[QuoteLine] | None = None


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """What a credit note takes back, wholly or in part: the numbers of its invoices, and why, in words."""

    why: str
    invoices: list[str]


Rows = TypeVar("Rows", Payment, Chargeback, Settlement, Refund, Payout, Stay, Plan, Deposit, Claim, Invoice)


def _record(kind: type[Rows], row: Any) -> Rows:
    """The record of a row: its amounts are columns of their own beside one currency for all."""
    fields = row._asdict()
    currency = fields.pop("currency", "")
    for name in fields.keys() & {"amount", "captured", "promised_back", "disputed", "taken", "granted"}:
        if fields[name] is not None:
            fields[name] = Money(fields[name], currency)
    return kind(**fields)


def row_of(record: Rows) -> dict[str, Any]:
    """The reverse of `_record`."""
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    if "amount" in fields:
        fields["currency"] = fields["amount"].currency
    return {name: value.amount if isinstance(value, Money) else value for name, value in fields.items()}


@cache
def _by(table: Table, names: tuple[str, ...]) -> Prepared:
    same = (table.c[name] == bindparam(name) for name in names)
    return Prepared(select(table).where(*same).with_for_update(key_share=True))


@cache
def _into(table: Table) -> Prepared:
    return Prepared(insert(table))


@cache
def _changed(table: Table, name: str) -> Prepared:
    return Prepared(update(table).where(table.c[name] == bindparam("known_by")))


async def one_of(db: Reader, kind: type[Rows], table: Table, **known: Any) -> Rows | None:
    """The row with those values. In a transaction nobody else changes it until that ends."""
    return await one(db, kind, _by(table, tuple(known)).with_values(**known))


async def one(db: Reader, kind: type[Rows], statement: Any) -> Rows | None:
    row = await db.row(statement)
    return None if row is None else _record(kind, row)


async def add(tx: Tx, table: Table, record: Rows) -> None:
    await tx.execute(_into(table), [row_of(record)])


async def change_by(tx: Tx, table: Table, name: str, value: Any, fields: dict[str, Any]) -> int:
    """Write those fields of the rows in which the column has the value; how many there are."""
    return await tx.execute(_changed(table, name), [{**fields, "known_by": value}])


async def all_of(db: Reader, kind: type[Rows], statement: Any) -> list[Rows]:
    return [_record(kind, row) for row in await db.rows(statement)]


async def newest_of(
    db: Reader, kind: type[Rows], table: Table, status: str | None, limit: int, before: UUID | None
) -> list[Rows]:
    """A page, the newest first, of those with that status, or of all."""
    statement = select(table)
    if status is not None:
        statement = statement.where(table.c.status == status)
    if before is not None:
        statement = statement.where(table.c.id < before)
    return await all_of(db, kind, statement.order_by(table.c.id.desc()).limit(limit))
