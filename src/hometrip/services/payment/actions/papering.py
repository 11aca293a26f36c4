"""Invoices and credit notes, written in the transaction of the money that they are about."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec.structs import replace

from hometrip.kernel.money import Money
from hometrip.kernel.split import Split
from hometrip.ports.database import Tx
from hometrip.services.listing.contract import QuoteLine
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.deps import Deps

INVOICE, CREDIT_NOTE = "invoice", "credit_note"


async def issue(
    deps: Deps,
    tx: Tx,
    kind: str,
    reference: UUID,
    payment: store.Payment,
    amount: Money,
    split: Split,
    told: Sequence[QuoteLine] = (),
) -> None:
    """The next paper of this year's series (UTC). Invoices and credit notes share its numbers. It says what
    the guest was told, line by line, where it is over just that or all of a price; else, whose the money is.
    """
    lines = next(
        (one for one in (told, payment.lines) if one and rules.says_the_same(one, amount, split)), ()
    )
    now = deps.clock.now()
    series = str(now.year)
    sequence = await store.next_number(tx, series)
    await store.add_invoice(
        tx,
        store.Invoice(
            number=f"{series}-{sequence:06d}",
            series=series,
            sequence=sequence,
            kind=kind,
            reference=reference,
            booking_id=payment.booking_id,
            guest_id=payment.guest_id,
            host_id=payment.host_id,
            at=now,
            amount=amount,
            split=split,
            lines=[*lines] or None,
        ),
    )


async def credit_lost(deps: Deps, tx: Tx, booking_id: UUID) -> None:
    """A credit note over what banks have taken of a price for good, once none can change what another took.
    It corrects what was paid and had not gone back: what the marketplace lost beyond that is on no paper."""
    if await store.is_set_aside(tx, booking_id):
        return
    for lost in await store.lost_without_note(tx, booking_id):
        payment = await store.payment(tx, lost.payment_id)
        if payment.part == rules.DEPOSIT or not lost.taken:
            continue
        gives = {line.account: -line.amount.amount for line in await store.taken_by(tx, lost.id)}
        split = rules.split_of(gives, payment.host_id, lost.taken.currency)
        beyond = rules.total_of(split) - lost.taken
        split = replace(split, platform=split.platform - beyond)
        await issue(deps, tx, CREDIT_NOTE, lost.id, payment, lost.taken, split)
