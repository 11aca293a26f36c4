"""What can be read: payments, refunds, pay-outs, the journal, and whether it agrees with the provider."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from hometrip.kernel.access import Caller
from hometrip.kernel.page import Page, behind, cursor_of
from hometrip.ports.payments import ProviderIntent
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.answers import (
    Difference,
    EntryRecord,
    HostBalance,
    Intent,
    Ledger,
    PayoutRecord,
    PostingRecord,
    Reconciliation,
    Refunds,
    intent_of,
    payout_of,
    refund_of,
)
from hometrip.services.payment.actions.deps import Deps

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


async def payment(deps: Deps, caller: Caller, payment_id: UUID) -> Intent:
    async with deps.db.read() as db:
        [found] = await store.as_it_went(db, [await store.payment(db, payment_id)])
    caller.must_be_one_of(found.guest_id)
    return intent_of(found, secret=caller.account_id == found.guest_id)


async def history(deps: Deps, caller: Caller, limit: int, cursor: str | None) -> Page[Intent]:
    """The caller's own payments, the newest first."""
    async with deps.db.read() as db:
        known = await store.payments_of_guest(db, caller.id, limit + 1, behind(cursor, UUID))
        found = await store.as_it_went(db, known)
    items = [intent_of(one, secret=False) for one in found[:limit]]
    return Page(items, cursor_of([items[-1].id]) if len(found) > limit else None)


async def refunds(deps: Deps, caller: Caller, payment_id: UUID) -> Refunds:
    async with deps.db.read() as db:
        found = await store.payment(db, payment_id)
        caller.must_be_one_of(found.guest_id)
        made = await store.refunds_of(db, payment_id)
    return Refunds(items=[refund_of(one, found.booking_id) for one in made])


async def payouts(deps: Deps, caller: Caller, limit: int, cursor: str | None) -> Page[PayoutRecord]:
    """What the caller was paid and will be paid as a host, the newest booking first."""
    async with deps.db.read() as db:
        found = await store.payouts_of_host(db, caller.id, limit + 1, behind(cursor, UUID))
        set_offs = await store.set_offs(db, [one.id for one in found])
    items = [payout_of(one, set_offs.get(one.id, ())) for one in found[:limit]]
    return Page(items, cursor_of([items[-1].id]) if len(found) > limit else None)


async def owed_payouts(deps: Deps, limit: int, cursor: str | None) -> Page[PayoutRecord]:
    """What hosts are owed and a pay-out did not bring them, until another is under way; the newest first."""
    async with deps.db.read() as db:
        found = await store.owed_payouts(db, limit + 1, behind(cursor, UUID))
        set_offs = await store.set_offs(db, [one.id for one in found])
    items = [payout_of(one, set_offs.get(one.id, ())) for one in found[:limit]]
    return Page(items, cursor_of([items[-1].id]) if len(found) > limit else None)


async def host_balance(deps: Deps, caller: Caller) -> HostBalance:
    async with deps.db.read() as db:
        sums = await store.payout_sums(db, caller.id)
        debts = await store.owed_by(db, rules.host_payable(caller.id))
    return HostBalance(
        upcoming=sums.get("due", []),
        held=sums.get("held", []),
        in_transit=sums.get("initiated", []),
        owed=sums.get("owed", []),
        paid=sums.get("completed", []),
        debts=debts,
    )


async def ledger(deps: Deps, booking_id: UUID | None, limit: int, cursor: str | None) -> Ledger:
    """The journal in order, of one booking or of all, with its trial balance."""
    async with deps.db.read() as db:
        found = await store.entries_of(db, booking_id, limit=limit + 1, after=behind(cursor, UUID))
        accounts = await store.trial_balance(db, booking_id)
    shown = found[:limit]
    return Ledger(
        items=[
            EntryRecord(
                id=one.id, at=one.at, kind=one.kind, booking_id=one.booking_id, postings=_shown(one.postings)
            )
            for one in shown
        ],
        accounts=_shown(accounts),
        balance=rules.balance(accounts),
        next_cursor=cursor_of([shown[-1].id]) if len(found) > limit else None,
    )


def _shown(postings: list[rules.Posting]) -> list[PostingRecord]:
    return [PostingRecord(account=one.account, amount=one.amount) for one in postings]


async def reconciliation(deps: Deps) -> Reconciliation:
    """Every payment as the journal tells it beside what the provider tells of it; there must be no
    difference."""
    theirs = {intent.id: intent for intent in await deps.payments.intents_since(BEGINNING)}
    async with deps.db.read() as db:
        known = await store.every_payment(db)
        sums = await store.moved(db)
        open_refunds = await store.payments_with_open_refunds(db)
    waiting = {one.id for one in known if one.asked_at or one.wanted} | open_refunds
    compared = [one for one in known if one.id not in waiting]
    differences: list[Difference] = []
    for one in compared:
        differences += _differences(one, theirs.get(one.provider_id), sums)
    ours = {one.provider_id for one in known}
    differences += [
        Difference(provider_id=intent.id, what="captured", ours="unknown", theirs=str(intent.captured))
        for intent in theirs.values()
        if intent.captured and intent.id not in ours
    ]
    differences += await _about_transfers(deps)
    differences += await _about_disputes(deps, {one.provider_id: one.id for one in known})
    return Reconciliation(
        at=deps.clock.now(), compared=len(compared), in_flight=len(waiting), differences=differences
    )


def _differences(
    ours: store.Payment, theirs: ProviderIntent | None, sums: dict[tuple[UUID, str], int]
) -> list[Difference]:
    if theirs is None:
        told = [("intent", ours.provider_id, "unknown")]
    else:
        told = [
            ("captured", str(sums.get((ours.id, "capture"), 0)), str(theirs.captured.amount)),
            ("refunded", str(-sums.get((ours.id, "refund"), 0)), str(theirs.refunded.amount)),
            ("amount", str(ours.amount), str(theirs.amount)),
        ]
    return [
        Difference(provider_id=ours.provider_id, what=what, ours=mine, theirs=other, payment_id=ours.id)
        for what, mine, other in told
        if mine != other
    ]


async def _about_transfers(deps: Deps) -> list[Difference]:
    """Every pay-out that was sent is there, as it was sent, and nothing else is."""
    theirs = {one.id: one for one in await deps.payments.transfers_since(BEGINNING)}
    async with deps.db.read() as db:
        decided = await store.every_payout(db)
    on_their_way = {str(one.id) for one in decided if one.status == "initiated"}
    found = []
    for one in decided:
        told = theirs.pop(one.provider_id or "", None)
        if one.provider_id is None:
            continue
        ours = str(one.amount) if one.status == "completed" else "returned"
        other = "unknown" if told is None else str(told.amount) if told.status == "paid" else "returned"
        if ours != other:
            found.append(Difference(provider_id=one.provider_id, what="payout", ours=ours, theirs=other))
    unknown = [
        one
        for one in theirs.values()
        if one.status == "paid" and one.metadata.get("payout_id") not in on_their_way
    ]
    return found + [
        Difference(provider_id=one.id, what="payout", ours="unknown", theirs=str(one.amount))
        for one in unknown
    ]


async def _about_disputes(deps: Deps, payments: dict[str, UUID]) -> list[Difference]:
    """Every dispute about a payment of ours is known, and stands as the provider says."""
    told = await deps.payments.disputes_since(BEGINNING)
    async with deps.db.read() as db:
        ours = {one.provider_id: one.status for one in await store.every_chargeback(db)}
    return [
        Difference(
            provider_id=one.id,
            what="dispute",
            ours=ours.get(one.id, "unknown"),
            theirs=one.status,
            payment_id=payments[one.intent_id],
        )
        for one in told
        if one.intent_id in payments and ours.get(one.id) != one.status
    ]
