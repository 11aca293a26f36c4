"""Everything about money that is not as it must be, in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from uuid import UUID

from hometrip.kernel.money import Money
from hometrip.ports.database import Reader
from hometrip.services.booking.contract import BookingFacts
from hometrip.services.payment import rules, store
from hometrip.services.payment.actions.deps import Deps
from hometrip.services.payment.actions.papering import INVOICE
from hometrip.services.payment.actions.reading import reconciliation

# What made a refund by which the price itself is less, or a second half that was paid as it was before.
BY_CHANGE = ("changed:", "saved:")


async def verify(deps: Deps) -> list[str]:
    """Nothing where all is well.

    The journal sums to zero in each currency and for each entry, every booking's entries tell a story that
    holds at each moment, each payment, refund and pay-out is in the journal as it was and nothing else is, no
    refund exceeds its payment, what is paid of a stay and what is still to come are its price, deposits and
    the claims on them agree with what was captured, each payment has its invoice, no number is missing,
    bookings were told of all that banks keep of them, and the provider tells the same.
    """
    async with deps.db.read() as db:
        wrong = [f"journal entry {entry_id} does not sum to zero" for entry_id in await store.unbalanced(db)]
        accounts = await store.trial_balance(db, None)
        entries = await store.stories(db)
        known = await store.every_payment(db)
        back, out = await store.every_refund(db), await store.every_payout(db)
        planned, stays = await store.planned_payouts(db), await store.every_stay(db)
        papers, numbers = await store.every_invoice(db), await store.counted(db)
        untold, dues = await _untold(db), await _about_dues(db, known, back, stays)
    off = {name: left for name, left in rules.balance(accounts).items() if left}
    wrong += [f"the journal is off by {left} {name}" for name, left in off.items()]
    wrong += [
        f"{one.amount} of deposits is nobody's"
        for one in accounts
        if one.account == "deposit_held" and one.amount
    ]
    wrong += _about_records(known, back, out, entries)
    wrong += _about_plans(stays, planned, {one.booking_id for one in out if one.status == "failed"}, entries)
    for _, told in groupby(entries, key=lambda one: one.booking_id):
        wrong += rules.story_holds(list(told))
    for one in known:
        if one.left.amount < 0:
            gone = f"{one.promised_back} is promised back and {one.disputed} disputed"
            wrong.append(f"payment {one.id}: {gone} of {one.captured}")
    wrong += untold + dues
    wrong += _about_papers(known, papers, numbers)
    compared = await reconciliation(deps)
    return wrong + [
        f"{one.provider_id}: {one.what} is {one.ours} here and {one.theirs} at the provider"
        for one in compared.differences
    ]


async def _untold(db: Reader) -> list[str]:
    """What banks keep and bookings do not know of."""
    return [
        f"booking {one.booking_id} was not told that a bank keeps {one.taken} of it"
        for one in await store.lost_untold(db)
        if not await store.is_set_aside(db, one.booking_id)
    ]


async def verify_stays(deps: Deps, told: Iterable[BookingFacts]) -> list[str]:
    """`told`: every booking that was ever confirmed, as it is now. The stays that are known here must be
    those, with the same dates and price, and over where the booking was cancelled."""
    async with deps.db.read() as db:
        known = {one.booking_id: one for one in await store.every_stay(db)}
    wrong = []
    for facts in told:
        stay, is_over = known.pop(facts.booking_id, None), facts.status == "cancelled"
        what = f"booking {facts.booking_id} is {facts.status}, and payment"
        if stay is None:
            wrong += [] if is_over else [f"{what} knows of no stay"]
        elif stay.over != is_over:
            wrong.append(f"{what} has its stay as {'over' if stay.over else 'still to be'}")
        elif not is_over and _terms(stay.facts) != _terms(facts):
            wrong.append(f"{what} knows another stay or price of it")
    # Earlier versions kept in mind requests for nothing that were cancelled.
    never = [one.booking_id for one in known.values() if one.facts.total or not one.over]
    return wrong + [f"payment knows a stay of booking {one}, which was never confirmed" for one in never]


def _terms(facts: BookingFacts) -> tuple[object, ...]:
    return facts.check_in, facts.check_out, facts.total, facts.host_id


async def _about_dues(
    db: Reader, known: list[store.Payment], back: list[store.Refund], stays: list[store.Stay]
) -> list[str]:
    """Second halves, deposits and the claims on them."""
    paid = _by_booking(known)
    plans = {one.booking_id: one for one in await store.every_plan(db)}
    claims = {one.booking_id: one for one in await store.every_claim(db)}
    deposits = {one.booking_id: one for one in await store.every_deposit(db)}
    of = {one.booking_id: one for one in stays}
    wrong = [
        f"booking {one.booking_id}: its deposit of {one.facts.deposit} is not kept in mind"
        for one in stays
        if one.facts.deposit and not one.over and one.booking_id not in deposits
    ]
    for booking_id, plan in plans.items():
        stay = of.get(booking_id)
        halves = [one for one in paid[booking_id] if one.part == rules.BALANCE]
        facts, is_over = (stay.facts, stay.over) if stay else (None, False)
        wrong += rules.wrong_with_plan(plan, facts, is_over, halves)
    for booking_id, deposit in deposits.items():
        holds = [one for one in paid[booking_id] if one.part == rules.DEPOSIT]
        wrong += rules.wrong_with_deposit(deposit, claims.get(booking_id), holds)
    disputed = {one.booking_id for one in await store.every_chargeback(db)}
    for booking_id, left in _left_by_changes(known, back).items():
        stay = of.get(booking_id)
        if stay is not None and not stay.over and booking_id not in disputed:
            wrong += rules.not_the_total(stay.facts, left, plans.get(booking_id))
    return wrong


def _by_booking(known: list[store.Payment]) -> defaultdict[UUID, list[store.Payment]]:
    found: defaultdict[UUID, list[store.Payment]] = defaultdict(list)
    for one in known:
        found[one.booking_id].append(one)
    return found


def _left_by_changes(known: list[store.Payment], back: list[store.Refund]) -> dict[UUID, Money]:
    """What was taken of each price, less what changes gave back; nothing of bookings of which something else
    went back."""
    paid = {one.id: one for one in known if one.counted and one.part != rules.DEPOSIT}
    left: dict[UUID, Money] = {}
    for one in paid.values():
        left[one.booking_id] = left.get(one.booking_id, one.captured * 0) + one.captured
    for gone in back:
        if (of := paid.get(gone.payment_id)) is None:
            continue
        there = left.pop(of.booking_id, None)
        if there is not None and gone.cause.startswith(BY_CHANGE):
            left[of.booking_id] = there - gone.amount
    return left


def _about_records(
    known: list[store.Payment], back: list[store.Refund], out: list[store.Payout], entries: list[rules.Entry]
) -> list[str]:
    """The journal beside what it tells of."""
    paid = {one.id: one for one in known}
    moved = [*_taken(known), *_sent_back(back, paid), *_paid_out(out)]
    promised: Counter[tuple[UUID, str]] = Counter()
    for one in back:
        promised[paid[one.payment_id].booking_id, one.amount.currency] += one.amount.amount
    return [
        *rules.not_as_recorded(moved, entries),
        *rules.not_as_promised(promised, entries),
        *rules.set_off_unevenly(entries),
        *rules.of_another_host({one.booking_id: one.host_id for one in known}, entries),
    ]


def _about_plans(
    stays: list[store.Stay], planned: list[store.Payout], failed: set[UUID], entries: list[rules.Entry]
) -> list[str]:
    """What hosts are owed for stays will be paid out. What a pay-out that failed was to bring waits for their
    account, or an admin."""
    to_come: Counter[UUID] = Counter()
    for one in planned:
        to_come[one.booking_id] += one.amount.amount
    hosts = {one.booking_id: one.host_id for one in stays}
    return rules.not_as_planned(to_come, hosts, entries, failed)


def _taken(known: Iterable[store.Payment]) -> Iterator[rules.Movement]:
    for one in known:
        if one.status != rules.SUCCEEDED:
            continue
        if one.part == rules.DEPOSIT:
            lines = rules.held_back(one.captured)
            given = rules.claimed(one.captured, one.host_id)
            yield rules.Movement("deposit_claim", one.booking_id, one.id, given)
        else:
            lines = rules.capture(one.captured, one.split, one.host_id)
        yield rules.Movement("capture", one.booking_id, one.id, lines)


def _sent_back(back: Iterable[store.Refund], paid: dict[UUID, store.Payment]) -> Iterator[rules.Movement]:
    for one in back:
        booking_id = paid[one.payment_id].booking_id
        if one.status == "completed":
            yield rules.Movement("refund", booking_id, one.id, rules.refunded(one.amount))
        if one.status == "paid":
            yield rules.Movement("refund_paid", booking_id, one.id, rules.paid_otherwise(one.amount))


def _paid_out(out: Iterable[store.Payout]) -> Iterator[rules.Movement]:
    for one in out:
        yield rules.Movement("payout", one.booking_id, one.id, rules.paid_out(one.amount, one.host_id))
        if one.status == "failed":
            lines = rules.returned(one.amount, one.host_id)
            yield rules.Movement("payout_returned", one.booking_id, one.id, lines)


def _about_papers(
    known: list[store.Payment], papers: list[store.Invoice], numbers: dict[str, int]
) -> list[str]:
    """Numbers without a gap, and for each payment its invoice."""
    billed = {one.reference: one.amount for one in papers if one.kind == INVOICE}
    return rules.gaps([(one.series, one.sequence) for one in papers], numbers) + [
        f"payment {one.id} of {one.captured} has an invoice of {billed.get(one.id)}"
        for one in known
        if one.captured and one.part != rules.DEPOSIT and billed.get(one.id) != one.captured
    ]
