"""Invoices, credit notes and receipts of a booking, as records and as PDF."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.access import Caller
from hometrip.kernel.errors import NotFound
from hometrip.kernel.money import Money, total
from hometrip.kernel.page import Page, behind, cursor_of
from hometrip.kernel.stay import Stay, local_date
from hometrip.ports.database import Reader
from hometrip.services.booking.contract import BookingFacts
from hometrip.services.listing.contract import QuoteLine
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.answers import InvoiceRecord
from hometrip.services.payment.actions.deps import Deps
from hometrip.services.payment.actions.papering import CREDIT_NOTE
from hometrip.services.payment.actions.printing import Paper, Party, Sheet, day_of, pdf_of, priced, span_of
from hometrip.services.payment.contract import PaidPart, Taken

ISSUER = ("Issued by", "HomeTrip")
TAXES = "Taxes are collected by HomeTrip for the offices named."


async def invoices(deps: Deps, caller: Caller, limit: int, cursor: str | None) -> Page[InvoiceRecord]:
    """The caller's own, as a guest and as a host, the newest first."""
    async with deps.db.read() as db:
        found = await store.invoices_of(db, caller.id, limit + 1, behind(cursor, str))
        notes = await store.corrections(db, [one for one in found if one.kind == CREDIT_NOTE])
    items = [_shown(one, notes.get(one.number)) for one in found[:limit]]
    return Page(items, cursor_of([items[-1].number]) if len(found) > limit else None)


async def invoice(deps: Deps, caller: Caller, number: str) -> InvoiceRecord:
    """For its guest, its host and staff."""
    async with deps.db.read() as db:
        found = await store.invoice(db, number)
        notes = await store.corrections(db, [found] if found.kind == CREDIT_NOTE else [])
    caller.must_be_one_of(found.guest_id, found.host_id)
    return _shown(found, notes.get(number))


async def invoice_pdf(deps: Deps, caller: Caller, number: str) -> bytes:
    return await asyncio.to_thread(pdf_of, await invoice_paper(deps, caller, number))


async def invoice_paper(deps: Deps, caller: Caller, number: str) -> Paper:
    one = await invoice(deps, caller, number)
    async with deps.db.read() as db:
        facts = (await store.facts_of(db, {one.booking_id})).get(one.booking_id)
        then = await store.stay_then(db, await store.invoice(db, number))
    guest, host = await name_of(deps, one.guest_id), await name_of(deps, one.host_id)
    return invoice_of(one, facts, then, guest=guest, host=host)


def invoice_of(
    one: InvoiceRecord, facts: BookingFacts | None, then: Stay | None = None, *, guest: str, host: str
) -> Paper:
    """An invoice, or a credit note with what it takes back under zero; of the dates that the stay had
    `then`, where it was changed since."""
    is_note = one.kind == CREDIT_NOTE
    sign = -1 if is_note else 1
    rows = [[label, priced(amount * sign)] for label, amount in _billed(one)]
    return Paper(
        title="Credit note" if is_note else "Invoice",
        number=one.number,
        facts=[
            ("Number", one.number),
            ("Date", day_of(one.at)),
            ("Booking", str(one.booking_id)[-12:]),
            ISSUER,
            *([("Corrects", "\n".join(f"Invoice {number}" for number in one.corrects))] if is_note else []),
        ],
        parties=[
            Party("Credited to" if is_note else "Billed to", [guest]),
            Party("Hosted by", [host]),
            *([_stay(facts, [] if is_note else one.lines, then)] if facts else []),
        ],
        sheets=[Sheet(["What", "Amount"], rows, [["Total", priced(one.amount * sign)]])],
        notes=[*_reasons(one), *([TAXES] if one.taxes else [])],
    )


def _reasons(one: InvoiceRecord) -> list[str]:
    """What the amounts of a paper are about, where its lines are not those of the price."""
    if one.kind != CREDIT_NOTE:
        part = "It is over a part of the price, which the receipt tells line by line."
        return [] if one.lines else [part]
    what = "This is what comes back of the price." if one.lines else "It comes out of these shares."
    what = what if one.amount else "By so much each share is more or, below zero, less."
    return [f"Why: {one.reason}", what]


def _billed(one: InvoiceRecord) -> list[tuple[str, Money]]:
    """What the guest was told, or else whose the money is."""
    if one.lines:
        return [(_label(line), line.amount) for line in one.lines]
    shares = [("The host's share", one.host_share), ("HomeTrip's share, its fees", one.platform_share)]
    taxes = [(f"Tax ({area})", amount) for area, amount in one.taxes.items()]
    return [(label, amount) for label, amount in [*shares, *taxes] if amount]


def _label(line: QuoteLine) -> str:
    """As the guest was told; of a tax with the office that it is for."""
    return f"{line.label}, {line.area}" if line.kind == "tax" and line.area else line.label


async def taken(deps: Deps, booking_id: UUID, currency: str) -> Taken:
    """The question of the same name."""
    async with deps.db.read() as db:
        payments = await _paid(db, booking_id)
        paid_at = await store.captured_at(db, booking_id)
    return _taken([one for one in payments if one.part != rules.DEPOSIT], currency, paid_at)


async def _paid(db: Reader, booking_id: UUID, *, with_cards: bool = True) -> list[store.Payment]:
    """The payments of a stay; what the bank has in the place of a refund is the bank's."""
    paid = await store.as_it_went(db, await store.payments_of(db, booking_id))
    return paid if with_cards else [replace(one, card=None) for one in paid]


def _taken(payments: list[store.Payment], currency: str, paid_at: Mapping[UUID, datetime]) -> Taken:
    paid, refunded, charged_back = (
        total((getattr(one, name) for one in payments), currency)
        for name in ("captured", "promised_back", "disputed")
    )
    parts = [
        PaidPart(at=paid_at[one.id], amount=one.captured, card=one.card) for one in payments if one.captured
    ]
    return Taken(paid=paid, refunded=refunded, charged_back=charged_back, payments=parts)


async def receipt_pdf(deps: Deps, booking_id: UUID, with_cards: bool = False) -> bytes:
    """The question of the same name."""
    return await asyncio.to_thread(pdf_of, await receipt_paper(deps, booking_id, with_cards))


async def receipt_paper(deps: Deps, booking_id: UUID, with_cards: bool = False) -> Paper:
    async with deps.db.read() as db:
        stay = await store.stay_of(db, booking_id)
        payments = await _paid(db, booking_id, with_cards=with_cards)
        paid_at = await store.captured_at(db, booking_id)
        plan = await store.plan_of(db, booking_id)
    if stay is None:
        raise NotFound
    guest, host = await name_of(deps, stay.facts.guest_id), await name_of(deps, stay.host_id)
    now = deps.clock.now()
    return receipt_of(stay.facts, payments, plan, paid_at=paid_at, guest=guest, host=host, at=now)


def receipt_of(
    facts: BookingFacts,
    payments: list[store.Payment],
    plan: store.Plan | None = None,
    *,
    paid_at: Mapping[UUID, datetime],
    guest: str,
    host: str,
    at: datetime,
) -> Paper:
    """What the stay costs, line by line, what was paid and given back of it, and what of the deposit was
    taken. A payment was `paid_at` the moment in which it was captured, as its invoice says: of a request that
    is when the host said yes."""
    captured = [one for one in payments if one.captured]
    deposit = [one for one in captured if one.part == rules.DEPOSIT]
    return Paper(
        title="Receipt",
        number=str(facts.booking_id)[-12:],
        facts=[("Booking", str(facts.booking_id)[-12:]), ("Date", day_of(at)), ISSUER],
        parties=[Party("Guest", [guest]), Party("Host", [host]), _stay(facts)],
        sheets=[
            _priced(facts),
            _moved(facts, [one for one in captured if one.part != rules.DEPOSIT], paid_at, plan),
            *(Sheet(["Damage deposit", "Amount"], [_claimed(one)]) for one in deposit),
        ],
        notes=_rate(facts),
    )


def _priced(facts: BookingFacts) -> Sheet:
    """What the stay costs, line by line, also in the guest's currency where the quote has shown it so."""
    rows = [[_label(line), priced(line.amount)] for line in facts.lines]
    columns, total_row, shown = ["What", "Amount"], ["Total", priced(facts.total)], facts.shown
    if shown is None:
        return Sheet(columns, rows, [total_row])
    rows = [[*row, priced(amount)] for row, amount in zip(rows, shown.lines, strict=True)]
    return Sheet([*columns, f"In {shown.currency}"], rows, [[*total_row, priced(shown.total)]])


def _rate(facts: BookingFacts) -> list[str]:
    shown, own = facts.shown, facts.total.currency
    if shown is None:
        return []
    return [f"At the rate of {day_of(shown.on)}: 1 {own} is {shown.rate} {shown.currency}. Charged is {own}."]


def _moved(
    facts: BookingFacts,
    taken: list[store.Payment],
    paid_at: Mapping[UUID, datetime],
    plan: store.Plan | None,
) -> Sheet:
    """The guest's payments, what came back of them, from us or from the card's bank, and what is due."""
    sums = _taken(taken, facts.total.currency, paid_at)
    rows = [[_paid_with(one), priced(one.amount)] for one in sums.payments]
    if sums.refunded:
        rows.append(["Refunded", priced(-sums.refunded)])
    if sums.charged_back:
        rows.append(["Taken back by the card's bank", priced(-sums.charged_back)])
    back = sums.refunded + sums.charged_back
    totals = [["Paid, less what came back" if back else "Paid in all", priced(sums.paid - back)]]
    if plan and plan.status == "waiting":
        due = local_date(plan.due_at, facts.time_zone or "UTC")
        totals.append([f"To be paid on {day_of(due)}", priced(plan.amount)])
    return Sheet(["Payments", "Amount"], rows, totals)


def _paid_with(one: PaidPart) -> str:
    """ "Paid on 4 May 2027, Visa ending in 4242"."""
    card = f", {rules.brand_of(one.card.brand)} ending in {one.card.last4}" if one.card else ""
    return f"Paid on {day_of(one.at)}{card}"


def _claimed(deposit: store.Payment) -> list[str]:
    return [f"Taken of {priced(deposit.amount)} for the host's claim", priced(deposit.captured)]


def _shown(one: store.Invoice, note: store.Correction | None) -> InvoiceRecord:
    return InvoiceRecord(
        number=one.number,
        kind=one.kind,
        booking_id=one.booking_id,
        guest_id=one.guest_id,
        host_id=one.host_id,
        at=one.at,
        amount=one.amount,
        host_share=one.split.payout,
        platform_share=one.split.platform,
        taxes={area: amount for area, amount in one.split.taxes.items() if amount},
        lines=one.lines or [],
        corrects=note.invoices if note else [],
        reason=note.why if note else None,
    )


def _stay(facts: BookingFacts, billed: list[QuoteLine] | None = None, then: Stay | None = None) -> Party:
    """Where something else was billed, and nobody knows what stay that was, it was changed since. What bills
    it is from before it was cancelled, and does not tell of that."""
    word = "Stay, cancelled" if billed is None and facts.status == "cancelled" else "Stay"
    word = "Stay, as changed since" if billed and billed != facts.lines and then is None else word
    stay = then or Stay(facts.check_in, facts.check_out)
    return Party(
        word,
        [facts.title, span_of(stay.check_in, stay.check_out), rules.counted(stay.nights, "night")],
    )


async def name_of(deps: Deps, account_id: UUID) -> str:
    found = await deps.auth.addresses([account_id])
    return found[0].display_name if found else "a former member"
