"""A host's yearly statement and the tax report of a year, as the journal tells them: as records, as PDF, as
CSV."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from io import StringIO
from itertools import groupby
from typing import Any
from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import Invalid
from hometrip.kernel.money import Money, total
from hometrip.ports.database import Reader
from hometrip.services.booking.contract import BookingFacts
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.answers import HeldLine, Statement, StatementLine, StatementSection
from hometrip.services.payment.actions.deps import Deps
from hometrip.services.payment.actions.papers import name_of
from hometrip.services.payment.actions.printing import Paper, Party, Sheet, day_of, figure, pdf_of, span_of

FIRST_YEAR, LAST_YEAR = 2000, 9998
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
HELD_NOTE = (
    "Held by the bank: a guest's bank asks for the money back. What it takes counts as earned until it has "
    "decided for the guest."
)
# How a dispute stands at the end of the year.
HELD = {
    "open": "Held by the bank",
    "won": "Given back by the bank",
    "lost": "Held no more, and off what you earned",
}
TAX_COLUMNS = "booking_id listing check_in check_out area currency collected refunded net".split()


async def statement(deps: Deps, caller: Caller, year: int) -> Statement:
    """What the caller earned and was paid as a host in a year (UTC), booking by booking, as the journal
    tells it. Disputes of banks count as in the tax report."""
    since, until = _bounds(year)
    account = rules.host_payable(caller.id)
    async with deps.db.read() as db:
        before = await store.moved_on(db, account, BEGINNING, since)
        moved = await store.moved_on(db, account, since, until)
        facts = await store.facts_of(db, {row.booking_id for row in moved})
        held = await _held(db, account, since, until)
    currencies = sorted(
        {row.currency for row in (*before, *moved)} | {one.held_after.currency for one in held}
    )
    sections = [_section(currency, before, moved, held, facts) for currency in currencies]
    return Statement(
        year=year,
        host_id=caller.id,
        host=await name_of(deps, caller.id),
        made_at=deps.clock.now(),
        sections=sections,
    )


async def statement_pdf(deps: Deps, caller: Caller, year: int) -> bytes:
    return await asyncio.to_thread(pdf_of, statement_of(await statement(deps, caller, year)))


def statement_of(told: Statement) -> Paper:
    """A table for each currency; of a year that is not over, up to the day on which it was made."""
    year = told.year
    is_over = told.made_at >= _bounds(year)[1]
    end = "at the end of the year" if is_over else f"on {day_of(told.made_at)}"
    return Paper(
        title="Yearly statement",
        number=str(year),
        facts=[("Year", str(year)), ("Made on", day_of(told.made_at)), ("Host", str(told.host_id)[-12:])],
        parties=[Party("For", [told.host]), Party("From", ["HomeTrip"])],
        sheets=[sheet for one in told.sections for sheet in (_earned(one), _owed(one, year, end))],
        notes=[
            "Earned: your share of the price after the host fee, less refunds and what a bank took for"
            " good, and damages awarded.",
            "Set off: what one booking owed was taken from another's pay-out.",
            *([HELD_NOTE] if any(one.held for one in told.sections) else []),
            *(["Nothing moved in this year."] if not told.sections else []),
        ],
    )


async def tax_report(deps: Deps, caller: Caller, year: int) -> str:
    """CSV: what was collected and given back for each area and booking in a year (UTC); for an admin of all
    bookings, for a host of their own. What a bank took back counts once that is lost, not before."""
    since, until = _bounds(year)
    host_id = None if caller.is_admin else caller.id
    async with deps.db.read() as db:
        moved = await store.moved_on(db, rules.TAX, since, until, host_id)
        known = await store.facts_of(db, {row.booking_id for row in moved})
    text = StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(TAX_COLUMNS)
    moved.sort(key=lambda row: (str(row.booking_id), row.account, row.currency))
    for key, rows in groupby(moved, key=lambda row: (row.booking_id, row.account, row.currency)):
        booking_id, account, currency = key
        amounts = [(row.kind, Money(-int(row.amount), currency)) for row in rows]
        collected = total((amount for kind, amount in amounts if kind == "capture"), currency)
        net = total((amount for _, amount in amounts), currency)
        words = [
            str(booking_id),
            *_stay_words(known.get(booking_id)),
            account.removeprefix(rules.TAX),
            currency,
        ]
        figures = [collected, collected - net, net]
        table.writerow([*map(rules.safe_cell, words), *map(rules.decimal, figures)])
    return text.getvalue()


def _section(
    currency: str, before: list[Any], moved: list[Any], held: list[HeldLine], facts: dict[UUID, BookingFacts]
) -> StatementSection:
    sums: dict[UUID, dict[str, int]] = {}
    for row in moved:
        if row.currency == currency:
            sums.setdefault(row.booking_id, {})[row.kind] = int(row.amount)
    lines = [_line(booking_id, kinds, facts.get(booking_id), currency) for booking_id, kinds in sums.items()]
    held = [one for one in held if one.held_after.currency == currency]

    def summed(of: Sequence[StatementLine | HeldLine], name: str) -> Money:
        return total((getattr(one, name) for one in of), currency)

    earned, penalties, set_off, paid_out = (
        summed(lines, name) for name in ("earned", "penalties", "set_off", "paid_out")
    )
    held_before, held_after = summed(held, "held_before"), summed(held, "held_after")
    counted = Money(-sum(int(row.amount) for row in before if row.currency == currency), currency)
    return StatementSection(
        currency=currency,
        lines=lines,
        held=held,
        owed_before=counted - held_before,
        held_before=held_before,
        earned=earned,
        penalties=penalties,
        set_off=set_off,
        paid_out=paid_out,
        held_after=held_after,
        owed_after=counted + earned - penalties - set_off - paid_out - held_after,
    )


async def _held(db: Reader, account: str, since: datetime, until: datetime) -> list[HeldLine]:
    """What banks had at the beginning of a year or have at its end, by dispute, the earliest first."""
    before, after = [dict(await store.held_by_banks(db, account, at)) for at in (since, until)]
    disputes = await store.chargebacks_by_id(db, {*before, *after})
    facts = await store.facts_of(db, {one.booking_id for one in disputes})
    return [
        HeldLine(
            dispute_id=one.id,
            booking_id=one.booking_id,
            title=facts[one.booking_id].title if one.booking_id in facts else "",
            since=one.opened_at,
            status=one.status if one.closed_at and one.closed_at < until and one.id not in after else "open",
            held_before=before.get(one.id, one.amount * 0),
            held_after=after.get(one.id, one.amount * 0),
        )
        for one in disputes
    ]


def _line(
    booking_id: UUID, kinds: dict[str, int], facts: BookingFacts | None, currency: str
) -> StatementLine:
    def moved(*names: str) -> int:
        return sum(kinds.get(name, 0) for name in names)

    out = moved("payout", "payout_returned")
    set_off, penalties = moved("offset_given", "offset_taken"), moved("penalty")
    return StatementLine(
        booking_id=booking_id,
        title=facts.title if facts else "",
        check_in=facts.check_in if facts else None,
        check_out=facts.check_out if facts else None,
        cancelled=facts is not None and facts.status == "cancelled",
        earned=Money(out + set_off + penalties - sum(kinds.values()), currency),
        penalties=Money(penalties, currency),
        set_off=Money(set_off, currency),
        paid_out=Money(out, currency),
    )


def _earned(section: StatementSection) -> Sheet:
    def row(label: str, one: StatementLine | StatementSection) -> list[str]:
        return [label, *map(figure, (one.earned, one.penalties, one.set_off, one.paid_out))]

    return Sheet(
        ["Stay", "Earned", "Penalties", "Set off", "Paid out"],
        [row(_told(line), line) for line in section.lines],
        [row(f"Total in {section.currency}", section)],
        heading=f"In {section.currency}",
        widths=[187, 75, 75, 75, 75],
    )


def _owed(section: StatementSection, year: int, end: str) -> Sheet:
    """From what was owed at the beginning to what is at the end, each step a line."""
    steps = [
        ("Earned", section.earned),
        ("Penalties", -section.penalties),
        ("Set off", -section.set_off),
        ("Paid out", -section.paid_out),
        *((_told_held(one), one.held_before - one.held_after) for one in section.held),
    ]
    return Sheet(
        ["What is owed to you", f"Amount in {section.currency}"],
        [
            [f"Owed to you on 1 January {year}", figure(section.owed_before)],
            *([label, figure(amount)] for label, amount in steps),
        ],
        [[f"Owed to you {end}", figure(section.owed_after)]],
    )


def _told_held(line: HeldLine) -> str:
    which = line.title or f"A booking that was never confirmed, {str(line.booking_id)[-12:]}"
    return f"{HELD[line.status]}, since {day_of(line.since)}\n{which}"


def _told(line: StatementLine) -> str:
    """Which stay it was; nothing more is known of one that was paid for in vain."""
    if not line.title:
        return f"A booking that was never confirmed\n{str(line.booking_id)[-12:]}"
    return f"{line.title}\n{span_of(line.check_in, line.check_out)}{', cancelled' * line.cancelled}"


def _stay_words(facts: BookingFacts | None) -> list[str]:
    return [facts.title, str(facts.check_in), str(facts.check_out)] if facts else ["", "", ""]


def _bounds(year: int) -> tuple[datetime, datetime]:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise Invalid.field("year", "out_of_range", f"a year from {FIRST_YEAR} to {LAST_YEAR}")
    return datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
